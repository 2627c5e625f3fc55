// native/front-end/turn-budget.h: a client that sends thousands of packets in one piece takes its part of each turn,
// and no more.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

// UNSUBSCRIBE from a filter of one letter.
Octets unsubscribe(uint16_t packetId) { return {0xa2, 6, uint8_t(packetId >> 8), uint8_t(packetId), 0, 0, 1, 'a'}; }

Octets repeated(const Octets& one, size_t count) {
  Octets piece;
  for (size_t i = 0; i < count; i++) piece.insert(piece.end(), one.begin(), one.end());
  return piece;
}

// How many packets of a piece the broker takes in its first turns, until all are taken.
std::vector<uint64_t> takenPerTurn(HandDrivenBroker& broker, Client& client, const Octets& piece, uint64_t packets,
                                   uint64_t turnMs = 0) {
  const auto received = [&] { return broker.total(Counter::otherReceived) + broker.total(Counter::publishReceived); };
  const uint64_t before = received();
  client.send(piece);
  std::vector<uint64_t> taken;
  for (uint64_t last = before; last - before < packets && taken.size() < 10'000;) {
    broker.nowMs += turnMs;
    broker.turn(0);
    client.read();
    taken.push_back(received() - last);
    last = received();
  }
  CHECK_EQ(received() - before, packets);
  return taken;
}

const Octets puback{0x40, 2, 0, 9};  // of a message that the broker has not sent

}  // namespace

TEST("turn budget: a flood of packets that cost little is taken in slices too: all acknowledgements") {
  constexpr size_t packets = 100'000;
  for (const Octets& one : {puback, Octets{0x50, 2, 0, 9}, Octets{0x62, 2, 0, 9}, Octets{0x70, 2, 0, 9}}) {
    HandDrivenBroker broker(1);
    Client& flooding = broker.connected("flooding", 0, {.version = 4});
    const std::vector<uint64_t> taken = takenPerTurn(broker, flooding, repeated(one, packets), packets);
    CHECK(*std::max_element(taken.begin(), taken.end()) <=
          packets * 35 / 100);  // a part for reading, and one for each of two turns
    CHECK(taken.size() < 20);
  }
}

TEST("turn budget: two hundred PINGREQ are answered at once, and a flood of them slowly, so that its client can read") {
  HandDrivenBroker broker(1);
  Client& flooding = broker.connected("flooding", 0, {.version = 4});
  const std::vector<uint64_t> few = takenPerTurn(broker, flooding, repeated({0xc0, 0}, 190), 190);
  CHECK(few.size() <= 2);
  Client& other = broker.connected("other", 0);
  const std::vector<uint64_t> many = takenPerTurn(broker, flooding, repeated({0xc0, 0}, 2'000), 2'000, 1);
  CHECK(*std::max_element(many.begin(), many.end()) <= 200);
  CHECK(many.size() >= 2 * 9);  // milliseconds
  flooding.send(repeated({0xc0, 0}, 300));
  broker.turn(0);
  CHECK(broker.engine(0).isPaced());
  CHECK(!broker.engine(0).frontEnd().hasSpent());  // the worker may sleep meanwhile
  other.ping();
  broker.turn(0);
  other.read();
  CHECK_EQ(other.pongs, 1);
}

TEST("turn budget: what PUBLISH packets bring about counts: deliveries and bytes") {
  constexpr size_t packets = 3'000;
  const auto turnsFor = [](size_t subscribers, size_t payloadBytes) {
    HandDrivenBroker broker(1);
    for (size_t i = 0; i < subscribers; i++) broker.connected("s" + std::to_string(i), 0).subscribe("t");
    broker.settle();
    Client& flooding = broker.connected("flooding", 0, {.version = 4});
    Octets one = frameOf(0x30, {0, 1, 't'});
    if (payloadBytes > 0)
      one = frameOf(0x30, [&] {
        Octets body{0, 1, 't'};
        body.resize(3 + payloadBytes, 'x');
        return body;
      }());
    return takenPerTurn(broker, flooding, repeated(one, packets), packets).size();
  };
  const size_t alone = turnsFor(0, 0);
  CHECK(alone <= 3);
  CHECK(turnsFor(50, 0) > 5 * alone);
  CHECK(turnsFor(0, 1'000) > 5 * alone);
}

TEST("turn budget: behind many floods a client with a few packets is served at once, and the floods get little") {
  HandDrivenBroker broker(1);
  std::vector<Client*> flooding;
  for (size_t i = 0; i < 50; i++) flooding.push_back(&broker.connected("f" + std::to_string(i), 0));
  Client& other = broker.connected("other", 0);
  for (Client* client : flooding) client->send(repeated(puback, 50'000));
  other.ping();
  const uint64_t before = broker.total(Counter::otherReceived);
  broker.turn(0);
  other.read();
  CHECK_EQ(other.pongs, 1);
  const uint64_t taken = broker.total(Counter::otherReceived) - before;
  CHECK(taken > 50'000 && taken < 300'000);
  CHECK(broker.settle());
  CHECK_EQ(broker.total(Counter::otherReceived) - before, 50 * 50'000 + 1);
}

TEST("turn budget: who has had its part is not read while something is left, and goes on whatever becomes of it") {
  HandDrivenBroker broker(1);
  Client& flooding = broker.connected("flooding", 0);
  const uint64_t before = broker.total(Counter::otherReceived);
  flooding.send(repeated(puback, 50'000));
  broker.turn(0);
  CHECK(!flooding.link->isReading);
  const size_t memoryBytes = flooding.link->connection->input.memoryBytes();
  flooding.send(repeated(puback, 50'000));
  broker.turn(0);
  CHECK(flooding.link->connection->input.memoryBytes() <= memoryBytes);
  flooding.finish();  // and what it has sent still counts
  CHECK(broker.settle());
  CHECK_EQ(broker.total(Counter::otherReceived) - before, 100'000);
  CHECK_EQ(broker.total(Counter::connections), 0);
}

TEST("turn budget: records of a lane that bring about many deliveries are taken in slices") {
  HandDrivenBroker broker(2);
  for (size_t i = 0; i < 500; i++) broker.connected("s" + std::to_string(i), 1).subscribe("t");
  broker.settle();
  for (const unsigned owner : {0u, 1u}) {
    const std::string topic = broker.ownedBy(owner, "to");
    Client& all = broker.connected("all" + topic, 1);
    for (size_t i = 0; i < 500; i++) broker.connected(topic + std::to_string(i), 1).subscribe(topic.c_str());
    broker.settle();
    Client& publisher = broker.connected("p" + topic, 0);
    for (int i = 0; i < 100; i++) publisher.publish(topic, "x");
    const uint64_t before = broker.total(Counter::publishSent);
    for (int i = 0; i < 20; i++) broker.turn(0);
    broker.turn(1);
    const uint64_t inOneTurn = broker.total(Counter::publishSent) - before;
    CHECK(inOneTurn > 0 && inOneTurn <= 25'000);
    CHECK(broker.settle());
    CHECK_EQ(broker.total(Counter::publishSent) - before, 50'000);
    CHECK(all.received.empty());
  }
}

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

TEST("turn budget: sessions that catch up have half of the time while others are served, and all of it otherwise") {
  constexpr size_t sessions = 20;
  constexpr size_t messages = 500;
  for (const bool isLive : {true, false}) {
    HandDrivenBroker broker(1);
    std::vector<Client*> sleepers;
    for (size_t i = 0; i < sessions; i++) {
      sleepers.push_back(&broker.connected("s" + std::to_string(i), 0));
      sleepers.back()->subscribe("t", 1);
    }
    broker.settle();
    for (Client* each : sleepers) each->drop();
    Client& source = broker.connected("source", 0);
    Client& live = broker.connected("live", 0);
    live.subscribe("live");
    for (size_t i = 0; i < messages; i++) source.publish("t", std::to_string(i), 1);
    broker.settle();
    broker.advanceTime(2'000);
    broker.turnNs = 100'000;
    size_t published = 0;
    if (isLive) {
      live.publish("live", "x");
      published++;
      broker.settle();
    }
    for (Client* each : sleepers) each->connect(0);
    const auto received = [&] {
      size_t count = 0;
      for (const Client* each : sleepers) count += each->received.size();
      return count;
    };
    size_t turns = 0;
    size_t served = 0;
    uint64_t ms = 0;
    for (; received() < sessions * messages && ms < 1'000; ms++, broker.nowMs++) {
      for (size_t used = 0; used < 10; used++) {  // a millisecond: the worker sleeps when it has nothing to do
        if (isLive && used == 0) {
          live.publish("live", "x");
          published++;
        } else if (!broker.isRunnable(0) && used > 0) {
          break;
        }
        const uint64_t before = broker.total(Counter::publishSent);
        broker.turn(0);
        turns++;
        const uint64_t sent = broker.total(Counter::publishSent) - before;
        served += sent > 1;
        if (isLive) CHECK(sent <= 400);  // both halves of a turn of the loop
        for (Client* each : sleepers) each->read();
        live.read();
        CHECK_EQ(live.received.size(), published);
      }
    }
    CHECK_EQ(received(), sessions * messages);
    for (const Client* each : sleepers)
      for (size_t i = 0; i < messages; i++) CHECK_EQ(each->received[i].payload, std::to_string(i));
    if (isLive) CHECK(served <= 7 * ms && turns < 9 * ms);
    else CHECK(served + 2 * sessions >= turns);
    CHECK(broker.settle());
  }
}
