// Requests and responses forwarded between a client and the HTTP server behind the door. Hop-by-hop fields are not
// forwarded (RFC 9110, 7.6.1), nor are fields that only the door may set.
#pragma once
#include <charconv>
#include <string>

#include "forwarded.h"
#include "http-body.h"
#include "http-head.h"

namespace rally {

// Facts about the request, separated by spaces: the size of its head as the client sent it, the client's address,
// and the field by which a proxy has forwarded it, if any.
constexpr std::string_view httpClientField = "rallymq-client";

class HttpForward {
 public:
  static void appendRequest(std::string& out, const HttpRequest& request, size_t headBytes, std::string_view client) {
    out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    appendField(out, "host", request.host);
    for (const HttpField& field : request.fields) {
      if (!isName(field.name, "host") && !beginsWithName(field.name, "rallymq-") &&
          !isOfConnection(field, request.fields))
        appendField(out, field.name, field.value);
    }
    if (request.isChunked) appendField(out, "transfer-encoding", "chunked");
    out.append(httpClientField).append(": ").append(std::to_string(headBytes)).append(" ").append(client);
    if (const std::string_view sign = Forwarded::signOf(request); !sign.empty()) out.append(" ").append(sign);
    out.append("\r\n\r\n");
  }

  // `isChunked`: whether the body is sent in chunks, which HTTP/1.0 clients do not understand.
  static void appendResponse(std::string& out, const HttpResponse& response, bool isChunked, bool keepsAlive) {
    out.append("HTTP/1.1 ").append(response.statusLine).append("\r\n");
    for (const HttpField& field : response.fields) {
      if (!isOfConnection(field, response.fields)) appendField(out, field.name, field.value);
    }
    if (isChunked) appendField(out, "transfer-encoding", "chunked");
    if (response.status == upgradeRequired) appendField(out, "upgrade", "websocket");  // RFC 9110, 15.5.22
    if (response.status == upgradeRequired) appendField(out, "connection", "upgrade");
    if (!keepsAlive) appendField(out, "connection", "close");
    out.append("\r\n");
  }

  static void appendData(std::string& out, Bytes data, bool isChunked) {
    if (!isChunked) {
      out.append(asText(data));
      return;
    }
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16).ptr;
    out.append(size.data(), end).append("\r\n").append(asText(data)).append("\r\n");
  }
  static void appendEnd(std::string& out, bool isChunked) {
    if (isChunked) out.append("0\r\n\r\n");
  }

 private:
  static constexpr uint16_t upgradeRequired = 426;

  static void appendField(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  }

  static bool isOfConnection(const HttpField& field, const std::vector<HttpField>& all) {
    for (const std::string_view name :
         {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}) {
      if (isName(field.name, name)) return true;
    }
    if (isName(field.name, "content-length")) return false;
    // A field may also be hop-by-hop because Connection names it.
    for (const HttpField& other : all) {
      if (!isName(other.name, "connection")) continue;
      bool isNamed = false;
      eachMember(other.value, [&](std::string_view member) {
        isNamed |= member.size() == field.name.size() &&
                   std::equal(member.begin(), member.end(), field.name.begin(),
                              [](char a, char b) { return lower(a) == lower(b); });
      });
      if (isNamed) return true;
    }
    return false;
  }
};

}  // namespace rally
