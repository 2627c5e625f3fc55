// native/net/http-head-reader.h, http-head.h and http-body.h: a request that is cut anywhere says the same, its body
// has the same data, and what goes on to the HTTP server is understood there as it was here.
#include "fuzz.h"

#include "../../native/net/http-forward.h"
#include "../../native/net/http-head-reader.h"

using namespace rally;

namespace {

constexpr size_t headBytesMax = 2'048;

struct Seen {
  HttpHeadReader reader;
  HttpRequest request;
  HttpRefusal refusal;
  bool isComplete = false;
  std::string data;
  bool isWhole = false;   // the body is complete
  bool isBroken = false;  // or never will be
};

HttpBody bodyOf(const HttpRequest& request) {
  return request.isChunked ? HttpBody::chunked() : HttpBody::ofLength(request.contentLength);
}

// `sizeOf()` gives the size of each piece.
template <class SizeOf>
void read(Seen& seen, Bytes stream, SizeOf&& sizeOf) {
  HttpBody body;
  size_t at = 0;
  while (at < stream.size() && !seen.refusal && !seen.isWhole && !seen.isBroken) {
    const size_t size = std::min(stream.size() - at, sizeOf());
    const Exact piece(stream.subspan(at, size));
    if (seen.isComplete) {
      at += body.read(piece, [&](Bytes data) { seen.data += std::string(asText(data)); });
    } else {
      const HttpHeadReader::Result result = seen.reader.read(piece, headBytesMax);
      at += result.used;
      seen.refusal = result.refusal;
      seen.isComplete = result.isComplete;
      if (!seen.isComplete) continue;
      seen.refusal = HttpHead::parse(seen.reader.bytes(), seen.request);
      body = bodyOf(seen.request);
    }
    seen.isWhole = seen.isComplete && body.isComplete();
    seen.isBroken = body.isBroken();
  }
}

}  // namespace

FUZZ("http-head") {
  const Octets choices = input.bytes(input.below(40));
  const std::string start = input.chance(70) ? "POST /a HTTP/1.1\r\nHost: b\r\n" : "";
  const Octets rest = octetsOf(input.rest());
  Octets stream(start.begin(), start.end());
  stream.insert(stream.end(), rest.begin(), rest.end());
  check::Random random{Bytes(choices)};

  Seen whole;
  read(whole, stream, [&] { return stream.size(); });
  Seen pieces;
  read(pieces, stream, [&] { return random.isSpent() ? size_t(1) : random.between(1, 16); });
  CHECK_EQ(whole.refusal.status, pieces.refusal.status);
  CHECK_EQ(whole.isComplete, pieces.isComplete);
  CHECK_EQ(whole.data, pieces.data);
  CHECK_EQ(whole.isWhole, pieces.isWhole);
  CHECK_EQ(whole.isBroken, pieces.isBroken);
  if (!whole.isComplete || whole.refusal) return;

  std::string forwarded;
  HttpForward::appendRequest(forwarded, whole.request, whole.reader.bytes().size(), "127.0.0.1");
  HttpHeadReader reader;
  const HttpHeadReader::Result result = reader.read(asBytes(forwarded), 65'536);
  CHECK(result.isComplete && !result.refusal);
  CHECK_EQ(result.used, forwarded.size());
  HttpRequest again;
  CHECK(!HttpHead::parse(reader.bytes(), again));
  CHECK_EQ(again.method, whole.request.method);
  CHECK_EQ(again.target, whole.request.target);
  CHECK_EQ(again.host, whole.request.host);
  CHECK_EQ(again.contentLength, whole.request.contentLength);
  CHECK_EQ(again.isChunked, whole.request.isChunked);
}
