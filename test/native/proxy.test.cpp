// native/net/networks.h, proxy-header.h and forwarded.h: whose connection and whose request it is.
#include "check.h"
#include "octets.h"

#include "../../native/net/forwarded.h"
#include "../../native/net/http-head-reader.h"
#include "../../native/net/proxy-header.h"

using namespace rally;

namespace {

Networks networksOf(std::initializer_list<std::string_view> texts) {
  Networks networks;
  for (const std::string_view text : texts) CHECK(networks.add(text));
  return networks;
}

std::string clientIn(std::string_view header) {
  const ProxyHeader read = ProxyHeader::read(bytesOf(header));
  CHECK(read.state == ProxyHeader::State::complete);
  CHECK_EQ(read.bytes, header.size());
  return read.client ? read.client->text() : "none";
}

ProxyHeader::State stateOf(Bytes bytes) { return ProxyHeader::read(bytes).state; }

std::string binary(std::string_view hex) { return textOf(fromHex("0d0a0d0a000d0a515549540a" + std::string(hex))); }

std::string clientOf(std::string_view fields, const Networks& trusted, const std::string& peer = "10.0.0.1") {
  HttpHeadReader reader;
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
  CHECK(reader.read(bytesOf(head), 65'536).isComplete);
  HttpRequest request;
  CHECK(!HttpHead::parse(reader.bytes(), request));
  return Forwarded::clientOf(request, peer, trusted);
}

}  // namespace

TEST("networks: an address is in those that have its first bits, and in no other") {
  const Networks networks = networksOf({"10.0.0.0/8", "192.168.1.7", "fd00::/9", "::1", "::ffff:172.16.0.0/108"});
  for (const std::string_view text :
       {"10.0.0.0", "10.255.255.255", "192.168.1.7", "::ffff:10.1.2.3", "fd7f::1", "::1", "172.31.0.1"})
    CHECK(networks.contains(text));
  for (const std::string_view text : {"11.0.0.0", "192.168.1.8", "fd80::1", "::2", "172.32.0.1", "", "10",
                                      "10.0.0.1:80", "[::1]", "::1%lo", "10.0.0.01", "0x0a.0.0.1"})
    CHECK(!networks.contains(text));
  Networks bad;
  for (const std::string_view text : {"", "a", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129"})
    CHECK(!bad.add(text));
  CHECK(networksOf({"0.0.0.0/0"}).contains("1.2.3.4"));
  CHECK(!networksOf({"0.0.0.0/0"}).contains("fe80::1"));
  CHECK(networksOf({"::/0"}).contains("1.2.3.4"));
}

TEST("proxy header: version 1 says whose connection it is") {
  CHECK_EQ(clientIn("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1");
  CHECK_EQ(clientIn("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), "2001:db8::1");
  CHECK_EQ(clientIn("PROXY UNKNOWN\r\n"), "none");
  CHECK_EQ(clientIn("PROXY UNKNOWN ffff:f::1 x y z\r\n"), "none");
  for (const std::string_view text :
       {"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"})
    CHECK(stateOf(bytesOf(text)) == ProxyHeader::State::malformed);
  CHECK(stateOf(bytesOf("PROXY " + std::string(101, 'x'))) == ProxyHeader::State::malformed);
  CHECK(stateOf(bytesOf("PROXY " + std::string(100, 'x'))) == ProxyHeader::State::incomplete);
}

TEST("proxy header: version 2 does, with what it may have behind the addresses") {
  CHECK_EQ(clientIn(binary("21 11 000c c0000201 c6336401 dc04 01bb")), "192.0.2.1");
  CHECK_EQ(clientIn(binary("21 11 0010 c0000201 c6336401 dc04 01bb 04 0001 00")), "192.0.2.1");
  CHECK_EQ(clientIn(binary("21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 0002")),
           "2001:db8::1");
  CHECK_EQ(clientIn(binary("20 00 0000")), "none");
  CHECK_EQ(clientIn(binary("20 11 000c c0000201 c6336401 dc04 01bb")), "none");  // a check of its own
  CHECK_EQ(clientIn(binary("21 00 0000")), "none");
  CHECK_EQ(clientIn(binary("21 31 0002 0000")), "none");  // a socket of the file system
  for (const std::string_view hex : {"11 11 000c", "22 11 000c", "21 11 000b c0000201 c6336401 dc04 01", "21 11 0800"})
    CHECK(stateOf(bytesOf(binary(hex))) == ProxyHeader::State::malformed);
}

TEST("proxy header: one that is cut is incomplete, and what begins like none is none") {
  for (const std::string& header : {std::string("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"),
                                    binary("21 11 000c c0000201 c6336401 dc04 01bb")}) {
    for (size_t size = 1; size < header.size(); size++)
      CHECK(stateOf(Exact(bytesOf(header).first(size))) == ProxyHeader::State::incomplete);
    const ProxyHeader read = ProxyHeader::read(bytesOf(header + "more"));
    CHECK_EQ(read.bytes, header.size());
  }
  for (const std::string_view text :
       {"", "GET / HTTP/1.1", "POST", "\x10", "\x16\x03\x01", "PRI * HTTP/2.0", "\r\n\r\nG"})
    CHECK(stateOf(bytesOf(text)) == ProxyHeader::State::none);
}

TEST("forwarded: the first from the right that is no trusted proxy is the client") {
  const Networks trusted = networksOf({"10.0.0.0/8", "::1"});
  CHECK_EQ(clientOf("", trusted), "10.0.0.1");
  CHECK_EQ(clientOf("X-Forwarded-For: 192.0.2.1\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("X-Forwarded-For: 10.0.0.9, 10.0.0.2\r\n", trusted), "10.0.0.9");
  CHECK_EQ(clientOf("X-Forwarded-For: 192.0.2.1:8080\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("X-Forwarded-For: [2001:db8::1]:8080, [::1]\r\n", trusted), "2001:db8::1");
  CHECK_EQ(clientOf("X-Forwarded-For: 2001:db8::1\r\n", trusted), "2001:db8::1");
  for (const std::string_view hidden : {"unknown", "_hidden", "", "1.2.3.4.5", "[::2", "[::2]x", "192.0.2.1 x"})
    CHECK_EQ(clientOf("X-Forwarded-For: 6.6.6.6, " + std::string(hidden) + "\r\n", trusted), "10.0.0.1");
  CHECK_EQ(clientOf("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.3\r\n", trusted), "10.0.0.3");
  CHECK_EQ(clientOf("X-Forwarded-For: 6.6.6.6,\r\n", trusted), "10.0.0.1");
}

TEST("forwarded: the standard field is read too, and two that do not agree are not believed") {
  const Networks trusted = networksOf({"10.0.0.0/8"});
  CHECK_EQ(clientOf("Forwarded: for=192.0.2.1;proto=https;by=10.0.0.1\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("Forwarded: proto=http; For=\"[2001:db8::1]:4711\"\r\n", trusted), "2001:db8::1");
  CHECK_EQ(clientOf("Forwarded: for=\", for=192.0.2.1, for=10.0.0.2\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("Forwarded: for=6.6.6.6, by=10.0.0.2\r\n", trusted), "10.0.0.1");
  CHECK_EQ(clientOf("Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n", trusted), "192.0.2.1");
  CHECK_EQ(clientOf("Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n", trusted), "10.0.0.1");
}
