// The head of an HTTP message (RFC 9112). Anything that two parsers could interpret differently is refused, to prevent
// request smuggling.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "http-text.h"

namespace rally {

// The table of the HTTP server behind it has no room for more.
constexpr size_t httpFieldsMax = 90;

// Views into the bytes of the head.
struct HttpRequest {
  std::string_view method;
  std::string_view target;  // in origin form: path and query; '*' of OPTIONS is '/'
  std::string_view host;
  bool isOlder = false;  // HTTP/1.0
  std::vector<HttpField> fields;
  uint64_t contentLength = 0;
  bool isChunked = false;
  bool keepsAlive = true;
  bool asksForWebSocket = false;  // Upgrade: websocket, as a GET without a body
  bool expectsContinue = false;

  bool hasBody() const { return isChunked || contentLength > 0; }
  std::string_view path() const { return target.substr(0, target.find('?')); }

  // The value of a field; empty if there is none. `name` is in lower case.
  std::string_view find(std::string_view name) const {
    for (const HttpField& field : fields) {
      if (isName(field.name, name)) return field.value;
    }
    return {};
  }
};

struct HttpResponse {
  uint16_t status = 0;
  std::string_view statusLine;  // without its version: "200 OK"
  std::vector<HttpField> fields;
  bool hasLength = false;
  uint64_t contentLength = 0;
  bool isChunked = false;
  bool keepsAlive = true;
};

class HttpHead {
 public:
  // `head` comes from HttpHeadReader. Fills `request`, or returns the reason for refusal.
  static HttpRefusal parse(Bytes head, HttpRequest& request) {
    std::vector<HttpField> fields = std::move(request.fields);
    fields.clear();
    request = HttpRequest();
    request.fields = std::move(fields);
    std::string_view text = asText(head);
    if (const HttpRefusal refusal = readRequestLine(nextLine(text), request)) return refusal;
    if (const HttpRefusal refusal = readFields(text, request.fields)) return refusal;
    if (const HttpRefusal refusal = readHost(request)) return refusal;
    return readFraming(request);
  }

  // A response of our own HTTP server. False: invalid.
  static bool parse(Bytes head, HttpResponse& response) {
    std::vector<HttpField> fields = std::move(response.fields);
    fields.clear();
    response = HttpResponse();
    response.fields = std::move(fields);
    std::string_view text = asText(head);
    const std::string_view line = nextLine(text);
    uint64_t status = 0;
    if (!line.starts_with("HTTP/1.1 ") || !readDecimal(line.substr(9, 3), status) || status < 100) return false;
    response.status = uint16_t(status);
    response.statusLine = line.substr(9);
    if (readFields(text, response.fields)) return false;
    for (const HttpField& field : response.fields) {
      if (isName(field.name, "content-length")) {
        if (!readDecimal(field.value, response.contentLength)) return false;
        response.hasLength = true;
      } else if (isName(field.name, "transfer-encoding")) {
        response.isChunked = isName(field.value, "chunked");
        if (!response.isChunked) return false;
      } else if (isName(field.name, "connection") && hasMember(field.value, "close")) {
        response.keepsAlive = false;
      }
    }
    return !(response.hasLength && response.isChunked);
  }

 private:
  static constexpr HttpRefusal bad(std::string_view sentence) { return {400, sentence}; }

  // The reader has checked that lines end with CRLF.
  static std::string_view nextLine(std::string_view& text) {
    const size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return line;
  }

  static HttpRefusal readRequestLine(std::string_view line, HttpRequest& request) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return bad("This is not an HTTP/1.1 request.\n");
    request.method = line.substr(0, first);
    request.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!isToken(request.method)) return bad("This request has no valid method.\n");
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || !isDigit(version[5]) ||
        !isDigit(version[7]))
      return bad("This is not an HTTP/1.1 request.\n");
    if (version[5] != '1') return {505, "This server supports HTTP/1.1.\n"};
    request.isOlder = version[7] == '0';
    return readTarget(request);
  }

  static bool isDigit(char character) { return character >= '0' && character <= '9'; }

  static HttpRefusal readTarget(HttpRequest& request) {
    std::string_view& target = request.target;
    for (const char character : target) {
      if (character <= ' ' || character > '~' || character == '#')
        return bad("The request target must be percent-encoded.\n");
    }
    if (request.method == "CONNECT") return {501, "This server is not a proxy.\n"};
    if (target == "*" && request.method == "OPTIONS") target = "/";
    if (target.starts_with('/')) return {};
    // The absolute form, for proxies, which must be understood (3.2.2): its host takes precedence.
    const size_t scheme = beginsWithName(target, "http://") ? 7 : beginsWithName(target, "https://") ? 8 : 0;
    if (scheme == 0) return bad("The request target must begin with '/'.\n");
    const size_t end = std::min(target.find_first_of("/?", scheme), target.size());
    request.host = target.substr(scheme, end - scheme);
    target.remove_prefix(end);
    if (request.host.empty() || target.starts_with('?')) return bad("The request target must begin with '/'.\n");
    if (target.empty()) target = "/";
    return {};
  }

  static HttpRefusal readFields(std::string_view text, std::vector<HttpField>& fields) {
    for (std::string_view line = nextLine(text); !line.empty(); line = nextLine(text)) {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos || !isToken(line.substr(0, colon)))
        return bad("A header must be a name, a colon and a value.\n");
      if (fields.size() == httpFieldsMax) return {431, "This request has too many headers.\n"};
      fields.push_back({line.substr(0, colon), trimmed(line.substr(colon + 1))});
    }
    return {};
  }

  // Exactly one, consisting of valid URL characters (3.2).
  static HttpRefusal readHost(HttpRequest& request) {
    const std::string_view* host = nullptr;
    for (const HttpField& field : request.fields) {
      if (!isName(field.name, "host")) continue;
      if (host) return bad("This request names two hosts.\n");
      host = &field.value;
    }
    if (!host && !request.isOlder) return bad("An HTTP/1.1 request must name its host.\n");
    if (host && request.host.empty()) request.host = *host;
    for (const char character : request.host) {
      const char small = lower(character);
      const bool isPlain = (small >= 'a' && small <= 'z') || isDigit(small);
      if (!isPlain && std::string_view("-._~%!$&'()*+;=:[]").find(small) == std::string_view::npos)
        return bad("This is not a host name.\n");
    }
    return {};
  }

  // The end of the body (6.3), and whether the connection stays open (9.3, 9.6).
  static HttpRefusal readFraming(HttpRequest& request) {
    bool hasLength = false;
    bool isUpgrade = false;
    bool namesWebSocket = false;
    request.keepsAlive = !request.isOlder;
    for (const HttpField& field : request.fields) {
      if (isName(field.name, "content-length")) {
        if (hasLength || !readDecimal(field.value, request.contentLength))
          return bad("The Content-Length of a request must be a single number.\n");
        hasLength = true;
      } else if (isName(field.name, "transfer-encoding")) {
        if (request.isChunked || request.isOlder)
          return bad("The Transfer-Encoding of a request must be 'chunked', once.\n");
        if (!isName(field.value, "chunked")) return {501, "The only Transfer-Encoding supported here is 'chunked'.\n"};
        request.isChunked = true;
      } else if (isName(field.name, "connection")) {
        if (hasMember(field.value, "close")) request.keepsAlive = false;
        isUpgrade |= hasMember(field.value, "upgrade");
      } else if (isName(field.name, "upgrade")) {
        namesWebSocket |= hasMember(field.value, "websocket");
      } else if (isName(field.name, "expect")) {
        if (!isName(field.value, "100-continue"))
          return {417, "The only expectation supported here is '100-continue'.\n"};
        request.expectsContinue = !request.isOlder;
      }
    }
    if (hasLength && request.isChunked)
      return bad("A request may have a Content-Length or a Transfer-Encoding, not both.\n");
    request.asksForWebSocket = isUpgrade && namesWebSocket && request.method == "GET" && !request.isOlder &&
                               !request.hasBody();
    return {};
  }
};

}  // namespace rally
