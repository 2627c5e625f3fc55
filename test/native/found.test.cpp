// What reading and random tests have found in the headers: connections that end in the middle of something,
// wake-ups that come too early, memory that is used up, subscriptions that are replaced.
#include "hand-driven-broker.h"

#include <poll.h>

using namespace rally;

namespace {

using Texts = std::vector<std::string>;

Octets plain(const std::string& topic, const std::string& payload) { return encode({.topic = topic, .payload = payload}, 5); }

Limits withLanes(uint32_t records) {
  Limits limits;
  limits.laneRecords = records;
  return limits;
}

bool isRung(const Doorbell& doorbell) {
  pollfd wanted{doorbell.fd(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

}  // namespace

// A record that has spilled is pushed on only by commit(). The consumer had emptied the ring before the
// producer asked to be rung, so nobody wakes the producer.
TEST("lane: what has spilled goes on although the consumer was quicker than the producer's sleep") {
  Lanes lanes(2, 16);
  Limits limits = withLanes(16);
  Engine a(0, lanes, limits, 1);
  Engine b(1, lanes, limits, 1);
  Session& session = a.createSession(1);
  for (int i = 0; i < 100; i++) a.subscribe(session, bytesOf("f" + std::to_string(i) + "/#"), {}, 0);
  size_t turns = 0;
  for (bool isProgressing = true; isProgressing && turns < 100; turns++) {
    a.doorbell().wake();
    a.drainLanes();
    a.endTurn();
    b.drainLanes();  // between a's turn and a's sleep
    b.endTurn();
    a.doorbell().sleep();
    isProgressing = a.hasWork() || isRung(a.doorbell());
    a.doorbell().answer();
  }
  size_t routes = 0;
  lanes.inbound(0, 1).clear([&](const Record& record) {
    MessageRef(static_cast<Message*>(record.pointer));
    routes++;
  });
  CHECK_EQ(routes, 0);  // all were handed over before a slept for good
}

// The ring for a stalled connection comes while the worker is between its last look at the lanes and its
// sleep; hasWork() does not look at the stalled connections again.
TEST("engine: a stalled connection goes on although room was made just before the worker slept") {
  HandDrivenBroker broker(2, withLanes(8));
  Client& publisher = broker.connected("p", 0);
  Engine& a = broker.engine(0);
  Engine& b = broker.engine(1);
  Connection& connection = *publisher.link->connection;
  for (int i = 0; i < 40; i++) a.frontEnd.receive(connection, plain("t" + std::to_string(i), ""));
  CHECK(connection.isStalled);
  a.endTurn();
  a.drainLanes();
  b.drainLanes();  // takes everything, rings a worker that is awake
  b.endTurn();
  a.endTurn();
  a.doorbell().sleep();
  CHECK(a.hasWork());
}

// gone() takes the frames that waited, while the socket is no more: what they bring about for the same
// client fills its outbox, and a full outbox is written early. TcpTransport follows a null pointer.
TEST("front end: a client that publishes to itself and leaves is not written to any more") {
  Limits limits;
  limits.outboxMessagesMax = 20;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& client = broker.connected("c", 0);
  client.subscribe("t");
  broker.settle();
  client.subscribe("other");
  for (int i = 0; i < 50; i++) client.send(plain("t", "x"));
  broker.receive(client, octetsOf(bytesOf(std::exchange(client.link->toBroker, ""))));
  client.drop();
  broker.settle();
}

// The same from within a delivery: the write that fails takes the frames that waited, which publish, which
// uses the list of matches that is being walked.
TEST("front end: a write that fails in the middle of a delivery does not start another") {
  Limits limits;
  limits.outboxMessagesMax = 5;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& publisher = broker.connected("p", 0);
  Client& leaver = broker.connected("l", 0);
  Client& other = broker.connected("o", 0);
  for (Client* client : {&leaver, &other}) {
    client->subscribe("t");
    broker.settle();
    client->subscribe("+");
    broker.settle();
  }
  leaver.subscribe("x");
  for (int i = 0; i < 3; i++) leaver.send(plain("last", std::to_string(i)));
  broker.receive(leaver, octetsOf(bytesOf(std::exchange(leaver.link->toBroker, ""))));
  leaver.link->writesFail = true;
  Octets all;
  Texts expected;
  for (int i = 0; i < 8; i++) {
    appendOctets(all, plain("t", std::to_string(i)));
    expected.push_back("t=" + std::to_string(i));
  }
  broker.receive(publisher, all);
  broker.settle();
  Texts live;
  for (const std::string& text : other.texts()) {
    if (text.starts_with("t=")) live.push_back(text);
  }
  CHECK(live == expected);
  CHECK_EQ(other.received.size(), 11);
}

// hasRoom() writes early; when that write ends the connection its outbox is empty, so there "is room".
TEST("outbound: nothing is appended for a connection that the early write has ended") {
  Limits limits;
  limits.outboxMessagesMax = 5;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& publisher = broker.connected("p", 0);
  Client& reset = broker.connected("r", 0);
  reset.subscribe("t", 1);
  broker.settle();
  reset.link->writesFail = true;
  Connection& connection = *reset.link->connection;
  for (int i = 0; i < 6; i++) publisher.publish("t", std::to_string(i), 1);
  broker.receive(publisher, octetsOf(bytesOf(std::exchange(publisher.link->toBroker, ""))));
  CHECK(connection.hasLeft);
  broker.settle();
  reset.connect(0);
  broker.settle();
  CHECK_EQ(reset.received.size(), 6);
}

// A subscription that is replaced counts as new until all shards have answered, and takes nothing meanwhile.
TEST("engine: no message is lost while a subscription is replaced [MQTT-3.8.4-4]") {
  check::eachSeed(40, [](check::Random& random) {
    HandDrivenBroker broker(4);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", 1);
    subscriber.subscribe("#", 1);
    broker.settle();
    int sent = 0;
    for (int step = 0; step < 400; step++) {
      if (random.chance(20)) publisher.publish(std::string(1, char('a' + random.below(6))), std::to_string(sent++), 1);
      if (random.chance(5)) subscriber.subscribe({{.filter = "#", .qos = 1, .retainHandling = 2}});
      broker.step(random);
    }
    broker.settle();
    CHECK_EQ(subscriber.received.size(), sent);
  });
}

// A shard takes the request for the retained messages and the barrier behind it in different batches. What
// is retained in between is neither in the answer nor taken as a live message.
TEST("engine: a message that is retained between a shard's answer and its barrier is not lost") {
  HandDrivenBroker broker(3);
  // A topic of shard 1.
  Client& probe = broker.connected("probe", 2);
  Client& subscriber = broker.connected("s", 0);
  std::string topic;
  for (int i = 0; topic.empty(); i++) {
    const uint64_t before = broker.engine(1).counters.get(Counter::retained);
    probe.publish("topic" + std::to_string(i), "old", 1, true);
    broker.settle();
    if (broker.engine(1).counters.get(Counter::retained) > before) topic = "topic" + std::to_string(i);
  }
  std::vector<Subscribe> many = {{.filter = topic, .qos = 1}};
  for (int i = 0; i < 200; i++) many.push_back({.filter = "none/" + std::to_string(i) + "/+", .qos = 1});
  subscriber.subscribe(many);
  broker.turn(0);
  probe.publish(topic, "new", 1, true);
  broker.turn(2);
  broker.turn(1);  // takes the lane of 2 between two batches of the lane of 0
  broker.settle();
  if (!CHECK(!subscriber.received.empty())) return;
  CHECK_EQ(subscriber.received.back().payload, std::string("new"));
}

// The PUBREL of a message of the connection before takes one off the count of this connection; the next
// PUBACK makes it 65,535, and then the client has "exceeded" our Receive Maximum.
TEST("front end: a PUBREL for an earlier connection does not end this one") {
  HandDrivenBroker broker(2);
  Client& client = broker.connected("c", 0);
  client.drop();
  broker.settle();
  broker.sessionOf(client)->received.add(9);  // published and recorded before the connection broke
  client.connect(0);
  broker.settle();
  Connection& connection = *client.link->connection;
  // QoS 1 to a topic of the other worker, whose PUBACK is on its way when the PUBREL comes.
  for (uint16_t id = 1; id <= 4; id++) {
    client.unacknowledged.push_back({{.packetId = id}, false});
    broker.engine(0).frontEnd.receive(connection, encode({.topic = "t" + std::to_string(id), .payload = "x", .qos = 1, .packetId = id}, 5));
  }
  broker.engine(0).frontEnd.receive(connection, fromHex("6202 0009"));
  broker.advanceTime(0);
  broker.settle();
  CHECK_EQ(connection.unacknowledged, 0);
  client.publish("t", "x", 1);
  broker.settle();
  CHECK(!client.disconnectReason);
}

// A connection that send() has ended goes on with the next frame, and an AUTH makes it "connecting" again.
TEST("front end: a connection that was ended in the middle of a chunk stays ended") {
  Limits limits;
  limits.outboxBytesMax = 100;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.connected("c", 0);
  Octets all;
  for (int i = 0; i < 102; i++) appendOctets(all, fromHex("c000"));  // the last one finds more than twice 100 bytes
  appendOctets(all, fromHex("f000"));
  broker.receive(client, all);
  CHECK_EQ(client.link->connection->phase, Phase::ending);
}

// When the arena is full a session's message waits in its queue; nothing makes the session go on later.
TEST("outbound: a session that waited for the memory of others goes on when there is some") {
  Limits limits;
  limits.outboxTotalBytesMax = 5 * Arena::largeBytes;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& publisher = broker.connected("p", 0);
  Client& hog = broker.connected("hog", 0);
  Client& other = broker.connected("other", 0);
  hog.subscribe("big", 1);
  other.subscribe("small", 1);
  broker.settle();
  hog.stopReading();
  for (int i = 0; i < 10; i++) publisher.publish("big", std::string(10'000, 'x'), 1);
  broker.settle();
  publisher.publish("small", "x", 1);
  broker.settle();
  CHECK_EQ(broker.sessionOf(other)->queue.size(), 1);  // no memory for it now
  hog.goOnReading();
  broker.settle();
  CHECK_EQ(hog.received.size(), 10);
  CHECK(other.texts() == Texts{"small=x"});
}

// accept() takes the session from the connection that has it, which stays "connected" without one.
TEST("front end: a connection whose session was taken is ended, not left behind") {
  HandDrivenBroker broker(1);
  Client& former = broker.connected("f", 0);
  Client& later = broker.add("l");
  later.connect(0);
  broker.settle();
  Connection& connection = *former.link->connection;
  broker.engine(0).frontEnd.accept(*later.link->connection, *connection.session, {.version = 5, .isPersistent = true}, {});
  CHECK(connection.phase >= Phase::ending);
  if (connection.phase == Phase::connected) return;  // its next PUBLISH would follow a null pointer
  broker.engine(0).frontEnd.receive(connection, plain("t", "x"));
}

TEST("front end: a connection that is ending is not accepted any more") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  Connection& connection = *client.link->connection;
  Session& session = *connection.session;
  broker.engine(0).frontEnd.end(connection, Reason::quotaExceeded);
  broker.engine(0).frontEnd.accept(connection, session, {.version = 5, .isPersistent = true}, {});
  CHECK_EQ(connection.phase, Phase::ending);
  CHECK(session.connection == nullptr);
}

TEST("engine: a session that is destroyed ends its connection") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  Connection& connection = *client.link->connection;
  broker.engine(0).destroySession(*connection.session);
  CHECK(connection.phase >= Phase::ending);
}
