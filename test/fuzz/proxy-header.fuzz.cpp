// native/net/proxy-header.h and forwarded.h: any bytes, cut anywhere, say the same; what is complete has an address
// that reads back, and nobody is believed but trusted proxies: whatever a client writes, what the proxy adds counts.
#include "fuzz.h"

#include "../../native/net/forwarded.h"
#include "../../native/net/proxy-header.h"

using namespace rally;

namespace {

void readHeader(Bytes stream) {
  ProxyHeader last;
  for (size_t size = 0; size <= stream.size(); size++) {
    last = ProxyHeader::read(Exact(stream.first(size)));
    if (size > 0 && last.state != ProxyHeader::State::incomplete) break;
  }
  const ProxyHeader whole = ProxyHeader::read(stream);
  CHECK_EQ(whole.state, last.state);
  CHECK_EQ(whole.bytes, last.bytes);
  CHECK(whole.bytes <= ProxyHeader::bytesMax && whole.bytes <= stream.size());
  CHECK(whole.state != ProxyHeader::State::incomplete || stream.size() < ProxyHeader::bytesMax);
  if (!whole.client) return;
  const std::optional<IpAddress> again = IpAddress::parse(whole.client->text());
  CHECK(again && again->text() == whole.client->text());
}

void readForwarded(check::Random& input) {
  Networks trusted;
  trusted.add("10.0.0.0/8");
  HttpRequest request;
  const std::string first = textOf(input.bytes(input.below(60)));
  const std::string second = textOf(input.rest());
  request.fields = {{"X-Forwarded-For", first}, {input.chance(50) ? "Forwarded" : "x-forwarded-for", second}};
  const std::string client = Forwarded::clientOf(request, "10.0.0.1", trusted);
  CHECK(IpAddress::parse(client).has_value());
}

// The client writes both fields, and the proxy in front of the broker adds to one of them or to both.
void addToForwarded(check::Random& input) {
  const std::string peer = "10.0.0.1";
  const std::string real = "192.0.2.7";
  Networks trusted;
  trusted.add("10.0.0.0/8");
  const size_t added = input.between(1, 3);
  const std::string behindIt = input.chance(30) ? ", 10.0.0.2" : "";
  const std::string first = textOf(input.bytes(input.below(60)));
  const std::string second = textOf(input.rest());
  const std::string plain = (added & 1) != 0 ? first + ", " + real + behindIt : first;
  const std::string standard = (added & 2) != 0 ? second + ", for=" + real + (behindIt.empty() ? "" : ", for=10.0.0.2")
                                                : second;
  HttpRequest request;
  request.fields = {{"X-Forwarded-For", plain}, {"Forwarded", standard}};
  const std::string client = Forwarded::clientOf(request, peer, trusted);
  CHECK(client == real || (added != 3 && client == peer));
}

}  // namespace

FUZZ("proxy-header") {
  const bool isBinary = input.chance(50);
  if (input.chance(30)) {
    if (input.chance(50)) readForwarded(input);
    else addToForwarded(input);
    return;
  }
  const std::string start = isBinary ? std::string("\r\n\r\n\0\r\nQUIT\n", 12) : "PROXY TCP4 1.2.3.4 ";
  Octets stream = input.chance(80) ? octetsOf(bytesOf(start)) : Octets();
  const Octets rest = octetsOf(input.rest());
  stream.insert(stream.end(), rest.begin(), rest.end());
  readHeader(stream);
}
