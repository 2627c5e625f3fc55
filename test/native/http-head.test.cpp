// native/net/http-head-reader.h and http-head.h: one head gives the same request however it is cut, and what two
// readers could understand in two ways is refused. known-openings.h and opening-handshake.h: what becomes of one that
// asks for a WebSocket.
#include "check.h"
#include "octets.h"

#include "../../native/net/http-head-reader.h"
#include "../../native/net/http-head.h"
#include "../../native/net/known-openings.h"
#include "../../native/net/opening-handshake.h"

using namespace rally;

namespace {

constexpr size_t headBytesMax = 16'384;

struct Read {
  HttpHeadReader reader;
  HttpRequest request;
  HttpRefusal refusal;
  size_t used = 0;
  bool isComplete = false;
};

// Reads the text in chunks of this size, each of them an allocation of its own.
void readInChunks(Read& read, std::string_view text, size_t chunkBytes) {
  while (read.used < text.size() && !read.isComplete && !read.refusal) {
    const Exact chunk(bytesOf(text.substr(read.used, chunkBytes)));
    const HttpHeadReader::Result result = read.reader.read(chunk, headBytesMax);
    read.used += result.used;
    read.refusal = result.refusal;
    read.isComplete = result.isComplete;
    if (!read.isComplete && !read.refusal && result.used == 0) FAIL("nothing was used");
  }
  if (read.isComplete) read.refusal = HttpHead::parse(read.reader.bytes(), read.request);
}

// The status of the refusal; 0: it is taken; 1: it is not complete.
unsigned statusOf(std::string_view text) {
  Read read;
  readInChunks(read, text, text.size());
  Read single;
  readInChunks(single, text, 1);
  CHECK_EQ(read.refusal.status, single.refusal.status);
  if (read.refusal) return read.refusal.status;
  return read.isComplete ? 0 : 1;
}

std::string request(std::string_view fields, std::string_view line = "GET / HTTP/1.1") {
  return std::string(line) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

}  // namespace

TEST("http head: chunks of every size give the same request, and leave what lies behind") {
  const std::string head =
      "\r\nGET /mqtt?a=b HTTP/1.1\r\nHost: broker.example:8080\r\nUpgrade: h2c, WebSocket\r\nConnection: keep-alive, "
      "Upgrade\r\nSec-WebSocket-Key:\t dGhlIHNhbXBsZSBub25jZQ== \t\r\nX-Empty:\r\n\r\n";
  for (size_t size = 1; size <= head.size() + 4; size++) {
    Read read;
    const std::string text = head + "body";
    readInChunks(read, text, size);
    if (!CHECK(read.isComplete && !read.refusal)) return;
    CHECK_EQ(read.used, head.size());
    const HttpRequest& request = read.request;
    CHECK_EQ(request.method, "GET");
    CHECK_EQ(request.target, "/mqtt?a=b");
    CHECK_EQ(request.path(), "/mqtt");
    CHECK_EQ(request.host, "broker.example:8080");
    CHECK_EQ(request.find("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK_EQ(request.find("x-empty"), "");
    CHECK_EQ(request.fields.size(), 5);
    CHECK(request.asksForWebSocket && request.keepsAlive && !request.isOlder && !request.hasBody());
  }
}

TEST("http head: every cut into two gives the same request") {
  const std::string head = request("Content-Length: 5\r\n", "POST /a HTTP/1.1");
  for (size_t cut = 0; cut <= head.size(); cut++) {
    HttpHeadReader reader;
    HttpHeadReader::Result result = reader.read(Exact(bytesOf(std::string_view(head).substr(0, cut))), headBytesMax);
    CHECK_EQ(result.isComplete, cut == head.size());
    if (!result.isComplete) result = reader.read(Exact(bytesOf(std::string_view(head).substr(cut))), headBytesMax);
    if (!CHECK(result.isComplete && !result.refusal)) return;
    HttpRequest request;
    CHECK(!HttpHead::parse(reader.bytes(), request));
    CHECK_EQ(request.contentLength, 5);
    CHECK_EQ(request.method, "POST");
  }
}

TEST("http head: the absolute form, and OPTIONS of the server") {
  const auto targetOf = [](std::string_view line, std::string_view expectedHost) {
    Read read;
    readInChunks(read, request("", line), 1'000);
    CHECK(read.isComplete && !read.refusal);
    CHECK_EQ(read.request.host, expectedHost);
    return std::string(read.request.target);
  };
  CHECK_EQ(targetOf("GET http://b:81/c?d HTTP/1.1", "b:81"), "/c?d");
  CHECK_EQ(targetOf("GET HTTPS://b HTTP/1.1", "b"), "/");
  CHECK_EQ(targetOf("OPTIONS * HTTP/1.1", "a"), "/");
  CHECK_EQ(targetOf("GET / HTTP/1.0", "a"), "/");
}

TEST("http head: what smuggles a request past a reader is refused") {
  CHECK_EQ(statusOf(request("Content-Length: 5\r\n")), 0);
  CHECK_EQ(statusOf(request("Transfer-Encoding: chunked\r\n")), 0);
  for (const std::string_view fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -5\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length: 5 6\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Content-Length : 5\r\n",
           " Content-Length: 5\r\n",
           "A: b\r\n c\r\n",
           "A: b\r\n\tc\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Host: b\r\n",
           "A\r\n",
           ": b\r\n",
           "A b: c\r\n",
           "A: b\rc\r\n",
           "A: b\nContent-Length: 5\r\n",
           "A: b\x01\r\n",
           "A: b\x7f\r\n",
       }) {
    if (!CHECK_EQ(statusOf(request(fields)), 400)) FAIL(std::string(fields).c_str());
  }
  for (const std::string_view encoding : {"gzip, chunked", "identity", "chunked, chunked", "xchunked", "chunked;a"}) {
    CHECK_EQ(statusOf(request("Transfer-Encoding: " + std::string(encoding) + "\r\n")), 501);
  }
  CHECK_EQ(statusOf(request(std::string_view("A: \0\r\n", 6))), 400);
  CHECK_EQ(statusOf(request("Transfer-Encoding: chunked\r\n", "GET / HTTP/1.0")), 400);
}

TEST("http head: request lines that are none") {
  for (const std::string_view line :
       {"GET /", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET / http/1.1", "GET / HTTP/1.10",
        "GET / HTTP/11", "G@T / HTTP/1.1", "GET a HTTP/1.1", "GET /\xc3\xa4 HTTP/1.1", "GET /#a HTTP/1.1",
        "GET * HTTP/1.1", "GET http:// HTTP/1.1", "GET http://a?b HTTP/1.1", "GET http://u@b/ HTTP/1.1",
        "GET /a b HTTP/1.1"}) {
    if (!CHECK_EQ(statusOf(request("", line)), 400)) FAIL(std::string(line).c_str());
  }
  CHECK_EQ(statusOf("GET / HTTP/1.1\r\n\r\n"), 400);  // no host
  CHECK_EQ(statusOf("GET / HTTP/1.0\r\n\r\n"), 0);    // which knows none
  CHECK_EQ(statusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  CHECK_EQ(statusOf("GET / HTTP/0.9\r\n\r\n"), 505);
  CHECK_EQ(statusOf("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  CHECK_EQ(statusOf("GET / HTTP/1.1\n\n"), 400);
  CHECK_EQ(statusOf("\r\r\n"), 400);
  CHECK_EQ(statusOf(request("Expect: 200-ok\r\n")), 417);
}

TEST("http head: more than the bound is refused as soon as it comes") {
  const std::string fits = request("A: " + std::string(headBytesMax - request("A: \r\n").size(), 'x') + "\r\n");
  CHECK_EQ(fits.size(), headBytesMax);
  CHECK_EQ(statusOf(fits), 0);
  CHECK_EQ(statusOf(request("A: " + std::string(17'000, 'x') + "\r\n")), 431);
  CHECK_EQ(statusOf("GET /" + std::string(headBytesMax, 'x')), 431);
  std::string fields;
  for (size_t i = 0; i < httpFieldsMax; i++) fields += "A: b\r\n";
  CHECK_EQ(statusOf(request(fields)), 431);
  CHECK_EQ(statusOf(request(fields.substr(6))), 0);
}

TEST("http head: what becomes of the connection") {
  const auto keepsAlive = [](std::string_view fields, std::string_view line) {
    Read read;
    readInChunks(read, request(fields, line), 1'000);
    CHECK(!read.refusal);
    return read.request.keepsAlive;
  };
  CHECK(keepsAlive("", "GET / HTTP/1.1"));
  CHECK(!keepsAlive("Connection: a, Close\r\n", "GET / HTTP/1.1"));
  CHECK(!keepsAlive("", "GET / HTTP/1.0"));
}

TEST("http head: random bytes and random changes never break the reader") {
  check::eachSeed(3'000, [](check::Random& random) {
    std::string text = request("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nA:  b \r\n");
    for (size_t change = random.below(4); change > 0; change--) text[random.below(text.size())] = char(random.byte());
    Read whole;
    readInChunks(whole, text, text.size());
    Read pieces;
    readInChunks(pieces, text, 1 + random.below(9));
    CHECK_EQ(whole.refusal.status, pieces.refusal.status);
    CHECK_EQ(whole.isComplete, pieces.isComplete);
    CHECK_EQ(whole.request.target, pieces.request.target);
  });
}

TEST("http head: a key of a WebSocket is 16 bytes in Base64, and is answered as RFC 6455 says") {
  const std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
  CHECK(OpeningHandshake::isKey(key));
  for (const std::string_view none :
       {"", "==", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25j===",
        "dGhlIHNhbXBsZSBub25j-Q==", "dGhlIHNhbXBsZSBub25jZQ= "})
    CHECK(!OpeningHandshake::isKey(none));
  OpeningHandshake handshake;
  for (int time = 0; time < 2; time++)
    CHECK_EQ(handshake.accepted(key, "mqtt"),
             std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"));
}

TEST("http head: an opening is known if it is like one that was accepted") {
  const auto questionOf = [](const std::string& text) {
    Read read;
    readInChunks(read, text, text.size());
    CHECK(read.isComplete && !read.refusal);
    std::string question;
    KnownOpenings::appendQuestion(question, read.request);
    return question;
  };
  const std::string first = request("Origin: o\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: mqtt\r\n");
  CHECK_EQ(questionOf(first), std::string("a\no\n\n\na,mqtt"));
  KnownOpenings known;
  known.add(questionOf(first), "mqtt");
  CHECK(known.find(questionOf(first)) && *known.find(questionOf(first)) == "mqtt");
  CHECK(known.find(questionOf(request("Cookie: c\r\nOrigin: o\r\nSec-WebSocket-Protocol: a,mqtt\r\n"))) != nullptr);
  for (const std::string_view other :
       {"Sec-WebSocket-Protocol: a,mqtt\r\n", "Origin: p\r\nSec-WebSocket-Protocol: a,mqtt\r\n",
        "Origin: o\r\nSec-WebSocket-Protocol: mqtt\r\n", "Origin: o\r\n",
        "Origin: o\r\nSec-WebSocket-Protocol: a,mqtt\r\nSec-WebSocket-Version: 13\r\n",
        "Origin: o\r\nSec-WebSocket-Protocol: a,mqtt\r\nVia: x\r\n"})
    CHECK(known.find(questionOf(request(other))) == nullptr);
  known.clear();
  CHECK(known.find(questionOf(first)) == nullptr);
}

TEST("http head: who makes up openings does not fill the memory") {
  KnownOpenings known;
  known.add("the first", "mqtt");
  known.add(std::string(1'000, 'a'), "mqtt");
  CHECK(known.find(std::string(1'000, 'a')) == nullptr);
  for (int n = 0; n < 150; n++) known.add(std::to_string(n), "mqtt");
  CHECK(known.find("the first") == nullptr);
  CHECK(known.find("149") != nullptr);
}
