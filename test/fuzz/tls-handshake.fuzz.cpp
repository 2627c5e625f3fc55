// native/tls/tls-channel.h: bytes before, in and behind a handshake, changed on their way, cut anywhere. Whatever
// comes, the channel ends in a state, keeps no more than it may, and what it hands on was sent.
#include "fuzz.h"

#include "../native/tls-wire.h"

using namespace rally;
using namespace tlsTest;

namespace {

constexpr std::string_view sent = "what the client sends behind its handshake";

Worker& worker() {
  static Worker instance(1, {.preSharedKeys = {{"device", Octets(16, 0xab)}}});
  instance.thread.handshakesLeft = 100;
  return instance;
}

// Some bytes changed, left out or put in; which, the input says.
Octets changed(Octets bytes, check::Random& input) {
  for (size_t changes = input.below(4); changes > 0 && !bytes.empty(); changes--) {
    const size_t at = input.below(bytes.size());
    const auto place = bytes.begin() + std::ptrdiff_t(at);
    switch (input.below(3)) {
      case 0: *place = input.byte(); break;
      case 1: bytes.erase(place, place + std::ptrdiff_t(std::min(bytes.size() - at, input.between(1, 8)))); break;
      default: {
        const Octets more = input.bytes(input.between(1, 8));
        bytes.insert(place, more.begin(), more.end());
      }
    }
  }
  return bytes;
}

}  // namespace

FUZZ("tls-handshake") {
  Client client(input.chance(50) ? TLS1_2_VERSION : TLS1_3_VERSION);
  Knowledge known{"device", Octets(16, input.chance(80) ? 0xab : 0xcd)};
  const bool isKnown = known.key[0] == 0xab;
  const bool hasKey = input.chance(30);
  SSL_set_app_data(client.ssl(), &known);
  if (hasKey) SSL_set_psk_client_callback(client.ssl(), keyOf);
  Wire wire(worker(), client);
  const bool isGarbage = input.chance(20);
  const size_t pieceBytes = input.chance(50) ? SIZE_MAX : input.between(1, 100);
  const size_t faultyFlight = input.below(4);
  bool isChanged = isGarbage || (hasKey && !isKnown);
  StreamState state = StreamState::open;
  for (size_t flight = 0; flight < 4 && state == StreamState::open; flight++) {
    client.step();
    if (flight == 2 && SSL_is_init_finished(client.ssl())) client.write(bytesOf(sent));
    Octets bytes = client.take();
    if (flight == faultyFlight) {
      const Octets before = bytes;
      bytes = isGarbage ? octetsOf(input.rest()) : changed(bytes, input);
      isChanged |= bytes != before;
    }
    state = wire.toChannel(bytes, pieceBytes);
    wire.toClient();
  }
  CHECK(wire.read.empty() || isSame(wire.read, bytesOf(sent)));
  CHECK(isChanged || isSame(wire.read, bytesOf(sent)));
  CHECK((state == StreamState::refused) == !wire.channel->failure().empty());
  CHECK(!wire.channel->isEstablished() || wire.channel->facts().ends_with(hasKey && isKnown ? "\ndevice" : "\n"));
  CHECK(worker().thread.out.empty());
  wire.endClient();
  CHECK(wire.receive() != StreamState::open);
}
