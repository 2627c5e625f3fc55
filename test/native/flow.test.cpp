// What happens when somebody takes less than others send: outboxes, session queues, windows, lanes and
// inputs keep their bounds, and nobody else pays.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

// The broker has ended the connection, or is about to.
bool isOver(const Client& client) {
  return client.disconnectReason || !client.link->connection || client.link->connection->phase >= rally::Phase::ending;
}

using Texts = std::vector<std::string>;
constexpr FakeTransport::Kind kinds[] = {FakeTransport::Kind::tcp, FakeTransport::Kind::webSocket};

Texts numbered(const std::string& topic, int first, int end) {
  Texts all;
  for (int i = first; i < end; i++) all.push_back(topic + "=" + std::to_string(i));
  return all;
}

}  // namespace

TEST("flow: a blocked subscriber loses QoS 0 beyond its outbox, counted; others get everything") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 2u}) {
      Limits limits;
      limits.outboxBytesMax = 10'000;
      HandDrivenBroker broker(workers, limits, kind);
      Client& publisher = broker.connected("p", 0);
      Client& slow = broker.connected("slow", workers - 1);
      Client& quick = broker.connected("quick", workers - 1);
      for (Client* client : {&slow, &quick}) client->subscribe("#", 0);
      broker.settle();
      slow.stopReading();
      const std::string payload(100, 'x');
      for (int i = 0; i < 1'000; i++) {
        publisher.publish("t", payload + std::to_string(i));
        if (i % 10 == 0) broker.settle();
      }
      broker.settle();
      CHECK_EQ(quick.received.size(), 1'000);
      CHECK(slow.received.empty());
      const size_t kept = slow.link->connection->unsentBytes + slow.link->connection->outbox.bytes();
      CHECK(kept <= 10'000 + 110 && kept > 5'000);
      slow.goOnReading();
      broker.settle();
      CHECK(slow.received.size() > 50 && slow.received.size() < 110);
      CHECK_EQ(broker.total(Counter::droppedQos0), 1'000 - slow.received.size());
      publisher.publish("t", "again");
      broker.settle();
      CHECK_EQ(slow.received.back().payload, std::string("again"));
    }
  }
}

TEST("flow: an outbox is also bounded in messages") {
  Limits limits;
  limits.outboxMessagesMax = 20;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& slow = broker.connected("slow", 0);
  slow.subscribe("#", 0);
  broker.settle();
  slow.stopReading();
  for (int i = 0; i < 100; i++) publisher.publish("t", "x");
  broker.settle();
  slow.goOnReading();
  broker.settle();
  CHECK(slow.received.size() >= 20 && slow.received.size() <= 21);
  CHECK_EQ(broker.total(Counter::droppedQos0), 100 - slow.received.size());
}

TEST("flow: a reader that keeps up gets any number of messages in one turn, whatever the outbox holds") {
  for (const FakeTransport::Kind kind : kinds) {
    Limits limits;
    limits.outboxBytesMax = 5'000;
    limits.outboxMessagesMax = 50;
    HandDrivenBroker broker(1, limits, kind);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", 0);
    subscriber.subscribe("#", 1);
    broker.settle();
    for (int i = 0; i < 1'000; i++) publisher.publish("t", std::to_string(i), i % 2);
    broker.settle();
    CHECK(subscriber.texts() == numbered("t", 0, 1'000));
    CHECK_EQ(broker.total(Counter::droppedQos0), 0);
  }
}

TEST("flow: many sessions with much waiting get a part in each turn, and what is live waits for no more than that") {
  constexpr int sessions = 20;
  constexpr int messages = 500;
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0);
  Client& live = broker.connected("live", 0);
  live.subscribe("live", 1);
  std::vector<Client*> away;
  for (int i = 0; i < sessions; i++) {
    away.push_back(&broker.connected("away" + std::to_string(i), 0));
    away.back()->subscribe("t", 1);
  }
  broker.settle();
  for (Client* client : away) client->drop();
  broker.settle();
  for (int i = 0; i < messages; i++) publisher.publish("t", std::to_string(i), 1);
  broker.settle();
  for (Client* client : away) client->connect(0);
  uint64_t most = 0;
  for (int turns = 0; broker.total(Counter::queued) > 0 && CHECK(turns < 100); turns++) {
    const uint64_t before = broker.total(Counter::publishSent);
    const size_t received = live.received.size();
    publisher.publish("live", "x", 1);
    broker.turn(0);
    live.read();
    for (Client* client : away) client->read();
    CHECK_EQ(live.received.size(), received + 1);
    most = std::max(most, broker.total(Counter::publishSent) - before);
  }
  CHECK(most <= 3'100);  // in two turns and a poll
  broker.settle();
  for (Client* client : away) CHECK(client->texts() == numbered("t", 0, messages));
}

TEST("flow: QoS 1 waits in the session's queue within its bounds, then comes in order") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 2u}) {
      Limits limits;
      limits.outboxMessagesMax = 10;
      limits.sessionQueueMessagesMax = 50;
      HandDrivenBroker broker(workers, limits, kind);
      Client& publisher = broker.connected("p", 0);
      Client& slow = broker.connected("slow", workers - 1);
      slow.subscribe("#", 1);
      broker.settle();
      slow.stopReading();
      for (int i = 0; i < 100; i++) {
        publisher.publish("t", std::to_string(i), 1);
        if (i % 7 == 0) broker.settle();
      }
      broker.settle();
      CHECK(publisher.unacknowledged.empty());
      const Session& session = *broker.sessionOf(slow);
      CHECK_EQ(session.queue.messages(), 50);
      CHECK_EQ(session.queue.size(), 50);
      CHECK_EQ(broker.total(Counter::queued), 50);
      const uint64_t dropped = broker.total(Counter::droppedQueueFull);
      CHECK(dropped > 30 && dropped < 50);
      slow.goOnReading();
      broker.settle();
      CHECK(slow.texts() == numbered("t", 0, int(100 - dropped)));
      CHECK_EQ(broker.total(Counter::queued), 0);
      CHECK_EQ(session.queue.messages(), 0);
      CHECK_EQ(session.queue.bytes(), 0);
    }
  }
}

TEST("flow: the session's queue is bounded in bytes; an absent session drops QoS 0") {
  Limits limits;
  limits.sessionQueueBytesMax = 20'000;
  HandDrivenBroker broker(2, limits);
  Client& publisher = broker.connected("p", 0);
  Client& away = broker.connected("away", 1);
  away.subscribe("#", 2);
  broker.settle();
  away.drop();
  broker.settle();
  const std::string payload(1'000, 'x');
  for (int i = 0; i < 50; i++) publisher.publish("t", payload, i % 3);
  broker.settle();
  CHECK_EQ(broker.total(Counter::droppedQos0), 17);
  const Session& session = *broker.sessionOf(away);
  CHECK(session.queue.bytes() <= 20'000 && session.queue.bytes() > 18'000);
  const size_t queued = session.queue.messages();
  CHECK_EQ(broker.total(Counter::droppedQueueFull), 33 - queued);
  away.connect(1);
  broker.settle();
  CHECK_EQ(away.received.size(), queued);
  CHECK_EQ(broker.sessionOf(away)->queue.bytes(), 0);
}

TEST("flow: who does not get messages is reported once a second, with their number and why the first was dropped") {
  Limits limits;
  limits.sessionQueueMessagesMax = 3;
  HandDrivenBroker broker(2, limits);
  Client& publisher = broker.connected("p", 0);
  Client& away = broker.connected("away", 1);
  Client& small = broker.connected("small", 1, {.version = 5, .maximumPacketSize = 50});
  for (Client* each : {&away, &small}) each->subscribe("#", 1);
  broker.settle();
  away.drop();
  broker.settle();
  const auto reported = [&] {
    broker.advanceTime(1'000);
    broker.settle();
    std::vector<std::tuple<uint64_t, uint32_t, DropReason>> rows;
    for (const auto& bytes : std::exchange(broker.drops, {})) {
      for (size_t at = 0; at < bytes.size(); at += 16) {
        uint64_t session = 0;
        uint32_t messages = 0;
        std::memcpy(&session, bytes.data() + at, 8);
        std::memcpy(&messages, bytes.data() + at + 8, 4);
        rows.emplace_back(session, messages, DropReason(bytes[at + 12]));
      }
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  };
  CHECK(reported().empty());
  for (int i = 0; i < 10; i++) publisher.publish("t", std::string(100, 'x'), 1);
  publisher.publish("t", "x", 0);
  broker.settle();
  const uint64_t awayKey = broker.sessionOf(away)->key;
  const uint64_t smallKey = broker.sessionOf(small)->key;
  auto expected = std::vector{std::tuple{awayKey, uint32_t(8), DropReason::queueFull},
                              std::tuple{smallKey, uint32_t(10), DropReason::tooLarge}};
  std::sort(expected.begin(), expected.end());
  CHECK(reported() == expected);
  CHECK(reported().empty());
  publisher.publish("t", "x", 0);
  broker.settle();
  CHECK((reported() == std::vector{std::tuple{awayKey, uint32_t(1), DropReason::outboxFull}}));
  // Its traffic is that of its connection.
  const ClientTraffic& traffic = broker.sessionOf(small)->connection->traffic;
  CHECK_EQ(traffic.messagesSent, small.received.size());
  CHECK_EQ(traffic.messagesReceived, 0);
  CHECK(traffic.bytesReceived > 0 && traffic.bytesSent > traffic.messagesSent);
  CHECK_EQ(broker.sessionOf(publisher)->connection->traffic.messagesReceived, 12);
}

TEST("flow: a session that ends with its connection queues nothing while it is away") {
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0);
  Client& passing = broker.connected("passing", 0, {.isPersistent = false});
  passing.subscribe("#", 1);
  broker.settle();
  passing.drop();
  publisher.publish("t", "x", 1);
  broker.settle();
  CHECK(broker.sessionOf(passing) == nullptr);
  CHECK_EQ(broker.total(Counter::sessions), 1);
  CHECK_EQ(broker.total(Counter::queued), 0);
}

TEST("flow: never more unacknowledged than the client's Receive Maximum and our inflightMax") {
  check::eachSeed(15, [](check::Random& random) {
    Limits limits;
    limits.inflightMax = uint16_t(random.between(1, 20));
    const auto receiveMaximum = uint16_t(random.between(1, 20));
    HandDrivenBroker broker(1 + unsigned(random.below(3)), limits);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", broker.workers() - 1, {.receiveMaximum = receiveMaximum});
    subscriber.subscribe("#", 2);
    broker.settle();
    subscriber.answersAtOnce = false;
    for (int i = 0; i < 60; i++) {
      publisher.publish("t", std::to_string(i), 1 + int(random.below(2)));
      if (random.chance(50)) broker.settle();
      if (random.chance(30)) subscriber.answer(random.below(4));
      if (random.chance(3)) subscriber.connect(subscriber.link->worker);
    }
    broker.settle();
    CHECK(subscriber.outstandingMax <= std::min(limits.inflightMax, receiveMaximum));
    CHECK_EQ(subscriber.outstanding.size(), std::min(limits.inflightMax, receiveMaximum));
    while (!subscriber.answers.empty()) {
      subscriber.answer(1 + random.below(5));
      broker.settle();
    }
    std::map<std::string, int> seen;
    for (const SentPublish& message : subscriber.received) seen[message.payload]++;
    CHECK_EQ(seen.size(), 60);
    CHECK(subscriber.outstandingMax <= std::min(limits.inflightMax, receiveMaximum));
  });
}

TEST("flow: QoS 0 goes past a full window, not past what waits in the queue") {
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0);
  Client& subscriber = broker.connected("s", 0, {.receiveMaximum = 1});
  subscriber.subscribe("#", 1);
  broker.settle();
  subscriber.answersAtOnce = false;
  publisher.publish("t", "1", 1);
  publisher.publish("t", "2", 0);
  publisher.publish("t", "3", 1);  // waits
  publisher.publish("t", "4", 0);  // behind it
  broker.settle();
  CHECK(subscriber.texts() == (Texts{"t=1", "t=2"}));
  subscriber.answersAtOnce = true;
  subscriber.answer();
  broker.settle();
  CHECK(subscriber.texts() == numbered("t", 1, 5));
}

TEST("flow: a message over the client's Maximum Packet Size is left out and counted, and the rest comes") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& small = broker.connected("small", workers - 1, {.maximumPacketSize = 100});
    small.subscribe("#", 1);
    broker.settle();
    // The packet of QoS 1: 2 header, 3 topic, 2 packet identifier, 1 properties, then the payload.
    for (const size_t size : std::vector<size_t>{91, 92, 93, 500}) publisher.publish("t", std::string(size, 'x'), 1);
    publisher.publish("t", "end", 0);
    broker.settle();
    if (!CHECK_EQ(small.received.size(), 3)) return;
    CHECK_EQ(small.received[0].payload.size(), 91);
    CHECK_EQ(small.received[1].payload.size(), 92);
    CHECK_EQ(broker.total(Counter::droppedTooLarge), 2);
    CHECK(publisher.unacknowledged.empty());

    // Also from the queue, and when it comes again after the limit has become smaller.
    small.answersAtOnce = false;
    publisher.publish("t", std::string(50, 'y'), 2);
    broker.settle();
    small.drop();
    broker.settle();
    publisher.publish("t", std::string(60, 'z'), 1);
    publisher.publish("t", "last", 1);
    broker.settle();
    small.options.maximumPacketSize = 30;
    small.answersAtOnce = true;
    small.received.clear();
    small.connect(workers - 1);
    broker.settle();
    CHECK(small.texts() == (Texts{"t=last"}));
    CHECK_EQ(broker.total(Counter::droppedTooLarge), 4);
    CHECK(!broker.sessionOf(small)->window.isResending());
  }
}

TEST("flow: a message that no packet of its subscriber's version has room for is left out and counted") {
  HandDrivenBroker broker(1);
  Client& older = broker.connected("older", 0, {.version = 4});
  Client& newer = broker.connected("newer", 0, {.version = 5});
  broker.settle();
  Outbound& outbound = broker.engine(0).frontEnd().outbound();
  // The largest packet of MQTT 3.1.1; in MQTT 5 there is one byte more, for its properties. Nobody reads the payload.
  const std::string topic = "t";
  const std::string payload = "x";
  Publication publication{
      .topic = bytesOf(topic), .properties = {}, .payload = Bytes(bytesOf(payload).data(), varintMax - 3)};
  outbound.begin(publication);
  outbound.deliver(*broker.sessionOf(newer), publication, 0, false, {});
  CHECK_EQ(broker.total(Counter::droppedTooLarge), 1);
  CHECK_EQ(PublishWriter().head(publication, 4, 0, {}, {}).packetBytes, PublishWriter::packetBytesMax);
  CHECK(older.received.empty());
}

TEST("flow: a message is dropped from the queue when its expiry interval has passed, else it says what is left") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& away = broker.connected("away", workers - 1);
    away.subscribe("#", 1);
    broker.settle();
    publisher.publish({.topic = "t", .payload = "now", .qos = 1, .expirySeconds = 100});
    broker.settle();
    away.drop();
    broker.settle();
    for (const uint32_t seconds : std::vector<uint32_t>{1, 10, 11, 4'294'967'295}) {
      publisher.publish({.topic = "t", .payload = std::to_string(seconds), .qos = 1, .expirySeconds = seconds});
    }
    publisher.publish("t", "ever", 1);
    broker.settle();
    broker.advanceTime(10'000);
    broker.settle();
    away.connect(workers - 1);
    broker.settle();
    CHECK(away.texts() == (Texts{"t=now", "t=11", "t=4294967295", "t=ever"}));
    CHECK_EQ(broker.total(Counter::droppedExpired), 2);
    if (away.received.size() != 4) return;
    CHECK(away.received[0].expirySeconds == 100);
    CHECK(away.received[1].expirySeconds == 1);
    CHECK(away.received[2].expirySeconds == 4'294'967'285);
    CHECK(!away.received[3].expirySeconds);
  }
}

TEST("flow: a worker that stands still holds back publishers of large messages before they fill the memory") {
  Limits limits;
  limits.lanesTotalBytesMax = 2'000'000;
  HandDrivenBroker broker(2, limits);
  const std::string topic = broker.ownedBy(1, "t");
  Client& reader = broker.connected("reader", 0);
  reader.subscribe(topic.c_str(), 1);
  broker.settle();
  Client& publisher = broker.connected("publisher", 0);
  const std::string payload(100'000, 'x');
  for (int i = 0; i < 100; i++) publisher.publish(topic, payload, 0);
  // Worker 1 does nothing meanwhile.
  for (int i = 0; i < 200; i++) broker.turn(0);
  CHECK(publisher.link->connection->pausedBy.has(PausedBy::stalled));
  CHECK(broker.total(Counter::handedOver) <= 11);
  CHECK(broker.settle());
  CHECK_EQ(reader.received.size(), 100);
}

TEST("flow: lanes that are full hold the publishers back; nothing is lost, nobody sleeps for good") {
  check::eachSeed(8, [](check::Random& random) {
    Limits limits;
    limits.laneRecords = random.pick(std::vector<uint32_t>{8, 16, 64});
    limits.inputBufferBytesMax = 1'000'000'000;
    const unsigned workers = unsigned(random.between(2, 4));
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    std::vector<Client*> publishers;
    for (unsigned i = 0; i < workers; i++) {
      publishers.push_back(&broker.connected("p" + std::to_string(i), i));
      broker.connected("s" + std::to_string(i), i).subscribe("#", int(random.below(3)));
    }
    broker.settle();
    size_t sent = 0;
    for (int round = 0; round < 4; round++) {
      for (Client* publisher : publishers) {
        for (size_t i = random.below(200); i > 0; i--) {
          publisher->publish(std::string(1, char('a' + random.below(8))), "x", int(random.below(3)));
          sent++;
        }
      }
      for (int i = 0; i < 200; i++) broker.step(random);
    }
    broker.settle();
    CHECK_EQ(broker.total(Counter::publishReceived), sent);
    CHECK_EQ(broker.total(Counter::publishSent), sent * workers);
    for (const Client* publisher : publishers) CHECK(publisher->unacknowledged.empty());
  });
}

TEST("flow: what has spilled from a lane goes on although its consumer was quicker than the producer's sleep") {
  Limits limits;
  limits.laneRecords = 16;
  HandDrivenBroker broker(2, limits);
  Client& client = broker.connected("c", 0);
  std::vector<Subscribe> many;
  for (int i = 0; i < 100; i++) many.push_back({.filter = "f" + std::to_string(i) + "/#"});
  client.subscribe(many);
  broker.receive(client, client.takeSent());
  do {
    broker.advance(0, 4);
    broker.turn(1);  // empties the lane before the producer asks whether it may rest
    broker.advance(0, 1);
  } while (broker.isRunnable(0));
  broker.settle();
  CHECK_EQ(client.subacks.size(), 1);
}

TEST("flow: a stalled connection goes on although room was made just before the worker slept") {
  Limits limits;
  limits.laneRecords = 8;
  HandDrivenBroker broker(2, limits);
  Client& publisher = broker.connected("p", 0);
  for (int i = 0; i < 40; i++) publisher.publish("t" + std::to_string(i), "");
  broker.receive(publisher, publisher.takeSent());
  CHECK(publisher.link->connection->pausedBy.has(PausedBy::stalled));
  broker.advance(0, 3);
  broker.turn(1);  // takes everything, and rings a worker that is awake
  broker.advance(0, 2);
  CHECK(broker.isRunnable(0));
  broker.settle();
  CHECK_EQ(broker.total(Counter::publishReceived), 40);
}

TEST("flow: while its frames wait, a connection is not read beyond its buffer, and nothing is lost") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const int qos : {0, 1}) {
      Limits limits;
      limits.laneRecords = 8;
      limits.inputBufferBytesMax = 2'000;
      limits.maximumPacketSizeBytes = 1'000;
      HandDrivenBroker broker(2, limits, kind);
      Client& publisher = broker.connected("p", 0);
      Client& subscriber = broker.connected("s", 1);
      subscriber.subscribe("#", 0);
      broker.settle();
      // The other worker does not run: its lane fills up.
      Connection& connection = *publisher.link->connection;
      const std::string payload(100, 'x');
      int sent = 0;
      for (; sent < 500 && connection.pausedBy.allowReading() && connection.phase == Phase::connected; sent++) {
        const auto id = uint16_t(sent + 1);
        const Octets frame = encode({.topic = "topic" + std::to_string(sent),
                                     .payload = payload,
                                     .qos = uint8_t(qos),
                                     .packetId = qos > 0 ? id : uint16_t(0)},
                                    5);
        if (qos > 0) publisher.unacknowledged.push_back({SentPublish{.packetId = id}, false});
        broker.receive(publisher, frame);
      }
      CHECK(connection.input.heldBytes() <= 3'200);
      CHECK(!connection.pausedBy.allowReading() && !publisher.link->isReading);
      CHECK(sent < 60);
      broker.settle();
      CHECK(connection.pausedBy.allowReading() && publisher.link->isReading);
      CHECK_EQ(subscriber.received.size(), sent);
      CHECK(publisher.unacknowledged.empty());
    }
  }
}

TEST("flow: a client that asks without reading the answers is ended, at twice its outbox") {
  for (const FakeTransport::Kind kind : kinds) {
    Limits limits;
    limits.outboxBytesMax = 1'000;
    HandDrivenBroker broker(1, limits, kind);
    Client& greedy = broker.connected("greedy", 0);
    greedy.stopReading();
    for (int i = 0; i < 2'000; i++) greedy.ping();
    broker.settle();
    const Connection& connection = *greedy.link->connection;
    CHECK(connection.phase == Phase::ending);
    CHECK(connection.unsentBytes + connection.outbox.bytes() <= 2'010);
    broker.advanceTime(1'999);
    broker.settle();
    CHECK(greedy.link->connection != nullptr);
    broker.advanceTime(1);
    broker.settle();
    CHECK(greedy.link->connection == nullptr);
  }
}

TEST("flow: refused messages behind one whose answer waits are no more than there are packet identifiers") {
  Limits limits;
  limits.inputBufferBytesMax = 10'000'000;
  for (const uint8_t qos : {uint8_t(1), uint8_t(2)}) {
    HandDrivenBroker broker(2, limits);
    Client& greedy = broker.connected("greedy", 0, {.version = 4});
    Octets sent = encode({.topic = broker.ownedBy(1, "t"), .payload = "x", .qos = 1, .packetId = 1}, 4);
    for (uint32_t count = 0; count < 70'000; count++) {
      const Octets refused = encode({.topic = "$SYS/x", .payload = "", .qos = qos, .packetId = 2}, 4);
      sent.insert(sent.end(), refused.begin(), refused.end());
    }
    broker.receive(greedy, sent);
    const Connection& connection = *greedy.link->connection;
    // Worker 1 does nothing meanwhile.
    for (int i = 0; i < 500 && connection.phase == Phase::connected; i++) broker.turn(0);
    CHECK(connection.phase >= Phase::ending);
    CHECK(connection.answers.size() <= UINT16_MAX + 1);
  }
}

TEST("flow: when the memory of all outboxes is used up, QoS 1 waits, and who is cut gets all of it later") {
  check::eachSeed(8, [](check::Random& random) {
    Limits limits;
    limits.outboxTotalBytesMax = random.between(4, 8) * Arena::largeBytes;
    HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);  // keeps what is unsent in the arena
    Client& publisher = broker.connected("p", 0, {.version = 4});
    std::vector<Client*> subscribers;
    for (int i = 0; i < 6; i++) {
      subscribers.push_back(&broker.connected("s" + std::to_string(i), 0));
      subscribers.back()->subscribe("#", 1);
    }
    broker.settle();
    int sent = 0;
    for (int round = 0; round < 60; round++) {
      Client& some = *random.pick(subscribers);
      if (isOver(some)) some.connect(0);
      else if (random.chance(50)) some.stopReading(random.below(5'000));
      else some.goOnReading(random.chance(50) ? SIZE_MAX : random.below(10'000));
      for (size_t i = random.below(10); i > 0; i--)
        publisher.publish("t", std::to_string(sent++) + std::string(random.below(3'000), ' '), 1);
      broker.settle();
    }
    CHECK(publisher.unacknowledged.empty());
    CHECK(publisher.isConnected);
    broker.advanceTime(3'000);
    broker.settle();
    for (Client* subscriber : subscribers) {
      if (isOver(*subscriber)) subscriber->connect(0);
      else subscriber->goOnReading();
    }
    // An acknowledgement or any other packet of its own makes each session go on.
    for (int i = 0; i < 3; i++) {
      for (Client* subscriber : subscribers) subscriber->ping();
      broker.settle();
    }
    for (const Client* subscriber : subscribers) {
      int expected = 0;
      for (const SentPublish& message : subscriber->received) {
        if (std::stoi(message.payload) == expected) expected++;
        else CHECK(std::stoi(message.payload) < expected);  // again, after a reconnect
      }
      CHECK_EQ(expected, sent);
    }
  });
}

TEST("flow: a session that waited for the memory of others goes on when there is some") {
  Limits limits;
  limits.outboxTotalBytesMax = 7 * Arena::largeBytes;
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

TEST("flow: nothing is appended for a connection that the early write has ended") {
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
  broker.receive(publisher, publisher.takeSent());
  CHECK(connection.isSevered);
  broker.settle();
  reset.connect(0);
  broker.settle();
  CHECK_EQ(reset.received.size(), 6);
}

TEST("flow: a message whose time passes on its way is dropped and counted") {
  for (const unsigned workers : {1u, 2u}) {
    for (const uint8_t qos : {uint8_t(0), uint8_t(1), uint8_t(2)}) {
      HandDrivenBroker broker(workers);
      Client& publisher = broker.connected("p", 0);
      Client& subscriber = broker.connected("s", workers - 1);
      subscriber.subscribe("#", 2);
      broker.settle();
      for (int i = 0; i < 8; i++) {
        publisher.publish({.topic = "t" + std::to_string(i),
                           .payload = "x",
                           .qos = qos,
                           .retain = true,
                           .expirySeconds = uint32_t(i % 2 == 0 ? 2 : 3)});
      }
      broker.receive(publisher, publisher.takeSent());  // all is in the lanes or with the owner
      broker.advance(0, 2);
      const uint64_t sentBefore = broker.total(Counter::publishSent);
      broker.advanceTime(2'500);
      broker.settle();
      CHECK(publisher.unacknowledged.empty());
      CHECK_EQ(subscriber.received.size() + broker.total(Counter::droppedExpired), 8);
      for (size_t i = size_t(sentBefore); i < subscriber.received.size(); i++)
        CHECK(subscriber.received[i].expirySeconds == 1);
      if (workers == 2) CHECK(broker.total(Counter::droppedExpired) > 0);
      CHECK_EQ(broker.total(Counter::retained), 4);
    }
  }
}

TEST("flow: a message without any time to live goes to nobody") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  client.subscribe("#", 2);
  broker.settle();
  client.publish({.topic = "t", .payload = "before", .qos = 1, .retain = true});
  client.publish({.topic = "t", .payload = "x", .qos = 1, .retain = true, .expirySeconds = 0});
  broker.settle();
  CHECK_EQ(client.received.size(), 1);
  CHECK_EQ(broker.total(Counter::droppedExpired), 1);
  CHECK_EQ(broker.total(Counter::retained), 0);
  CHECK(client.unacknowledged.empty());
}
