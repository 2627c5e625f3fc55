// native/front-end/turn-budget.h: a client that sends thousands of packets for the packet control in one piece takes
// its part of each turn, and no more.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

// UNSUBSCRIBE from a filter of one letter.
Octets unsubscribe(uint16_t packetId) { return {0xa2, 6, uint8_t(packetId >> 8), uint8_t(packetId), 0, 0, 1, 'a'}; }

}  // namespace

TEST("turn budget: a flood of UNSUBSCRIBE is taken in slices, and another client is served between them") {
  constexpr uint16_t packets = 5'000;
  HandDrivenBroker broker(1);
  Client& flooding = broker.connected("flooding", 0);
  Client& other = broker.connected("other", 0);
  Octets piece;
  for (uint16_t id = 1; id <= packets; id++) {
    const Octets one = unsubscribe(id);
    piece.insert(piece.end(), one.begin(), one.end());
  }
  flooding.send(piece);
  const auto received = [&] { return broker.total(Counter::otherReceived); };
  const uint64_t before = received();
  broker.turn(0);
  const uint64_t inOneTurn = received() - before;
  CHECK(inOneTurn > 0);
  CHECK(inOneTurn < packets / 10);
  other.ping();
  broker.turn(0);
  other.read();
  CHECK_EQ(other.pongs, 1);
  CHECK(received() - before < packets);
  CHECK(broker.settle());
  CHECK_EQ(received() - before, packets + 1);
}

TEST("turn budget: a client whose packets wait for the next turn may be gone by then") {
  HandDrivenBroker broker(1);
  Client& flooding = broker.connected("flooding", 0);
  Octets piece;
  for (uint16_t id = 1; id <= 500; id++) {
    const Octets one = unsubscribe(id);
    piece.insert(piece.end(), one.begin(), one.end());
  }
  flooding.send(piece);
  broker.turn(0);
  flooding.drop();
  CHECK(broker.settle());
  CHECK_EQ(broker.total(Counter::connections), 0);
}
