// native/net/http-body.h and http-forward.h: where a body ends, and what goes on between a client and the HTTP server.
#include "check.h"
#include "octets.h"

#include "../../native/net/http-forward.h"
#include "../../native/net/http-head-reader.h"

using namespace rally;

namespace {

struct Seen {
  std::string data;
  size_t used = 0;
  bool isComplete = false;
  bool isBroken = false;
};

Seen readBody(HttpBody body, std::string_view text, size_t chunkBytes) {
  Seen seen;
  while (seen.used < text.size() && !body.isComplete() && !body.isBroken()) {
    const Exact chunk(bytesOf(text.substr(seen.used, chunkBytes)));
    seen.used += body.read(chunk, [&](Bytes data) { seen.data += textOf(data); });
  }
  seen.isComplete = body.isComplete();
  seen.isBroken = body.isBroken();
  CHECK_EQ(body.dataBytes(), seen.data.size());
  return seen;
}

template <class Head>
Head parsed(std::string_view text, HttpHeadReader& reader) {
  const HttpHeadReader::Result result = reader.read(bytesOf(text), 65'536);
  CHECK(result.isComplete);
  Head head;
  (void)HttpHead::parse(reader.bytes(), head);
  return head;
}

}  // namespace

TEST("http body: chunks of every size give the same data, and leave what lies behind") {
  const std::string text = "5\r\nhello\r\n0A;name=\"v\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
  for (size_t size = 1; size <= text.size() + 3; size++) {
    const Seen seen = readBody(HttpBody::chunked(), text + "GET", size);
    CHECK(seen.isComplete);
    CHECK_EQ(seen.used, text.size());
    CHECK_EQ(seen.data, "hello0123456789");
    const Seen fixed = readBody(HttpBody::ofLength(7), "hello, GET", size);
    CHECK(fixed.isComplete);
    CHECK_EQ(fixed.used, 7);
    CHECK_EQ(fixed.data, "hello, ");
  }
  CHECK(HttpBody::ofLength(0).isComplete());
  CHECK(HttpBody::none().isComplete());
}

TEST("http body: chunks that are not formed as they must be end it") {
  for (const std::string_view text :
       {"\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\r\n", "1\r\na\n",
        "1\r\nab", "1\r\na\r\r\n", "123456789\r\n", "1;a\nb\r\na", "0\r\nA: b\n", "0\r\n\n", "0\r\nA: b\r\r\n"}) {
    for (const size_t size : std::vector<size_t>{1, 100}) {
      if (!CHECK(readBody(HttpBody::chunked(), text, size).isBroken)) FAIL(std::string(text).c_str());
    }
  }
  CHECK(readBody(HttpBody::chunked(), "1;" + std::string(5'000, 'a'), 100).isBroken);
  CHECK(readBody(HttpBody::chunked(), "0\r\n" + std::string(5'000, 'a'), 100).isBroken);
}

TEST("http forward: a request goes on without what is of the connection, and with its client") {
  HttpHeadReader reader;
  const std::string head =
      "POST http://b/c?d HTTP/1.1\r\nHost: a\r\nConnection: close, X-Own\r\nX-Own: 1\r\nKeep-Alive: 5\r\nUpgrade: "
      "h2c\r\n"
      "Transfer-Encoding: Chunked\r\nTE: trailers\r\nExpect: 100-continue\r\nRallyMQ-Client: 1 6.6.6.6\r\nCookie: "
      "e=f\r\n\r\n";
  const auto request = parsed<HttpRequest>(head, reader);
  std::string out;
  HttpForward::appendRequest(out, request, head.size(), "127.0.0.1");
  CHECK_EQ(out, "POST /c?d HTTP/1.1\r\nhost: b\r\nCookie: e=f\r\ntransfer-encoding: chunked\r\nrallymq-client: " +
                    std::to_string(head.size()) + " 127.0.0.1\r\n\r\n");
}

TEST("http forward: Connection cannot take away what says where the body ends") {
  HttpHeadReader reader;
  const auto request = parsed<HttpRequest>(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\nContent-Length: 3\r\n\r\n", reader);
  std::string out;
  HttpForward::appendRequest(out, request, 9, "::1");
  CHECK_EQ(out, "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\nrallymq-client: 9 ::1\r\n\r\n");
}

TEST("http forward: an answer says what becomes of the client's connection, not of the server's") {
  HttpHeadReader reader;
  const auto response = parsed<HttpResponse>(
      "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nETag: "
      "a\r\n\r\n",
      reader);
  CHECK(response.isChunked && response.keepsAlive);
  std::string out;
  HttpForward::appendResponse(out, response, true, true);
  CHECK_EQ(out, "HTTP/1.1 200 OK\r\nETag: a\r\ntransfer-encoding: chunked\r\n\r\n");
  out.clear();
  HttpForward::appendResponse(out, response, false, false);
  CHECK_EQ(out, "HTTP/1.1 200 OK\r\nETag: a\r\nconnection: close\r\n\r\n");
  out.clear();
  HttpForward::appendData(out, bytesOf("0123456789abcdef"), true);
  HttpForward::appendEnd(out, true);
  CHECK_EQ(out, "10\r\n0123456789abcdef\r\n0\r\n\r\n");
}
