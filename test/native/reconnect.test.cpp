// Sessions that outlive their connections: exactly once over links that break, and sessions that follow
// their client from worker to worker.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;
constexpr FakeTransport::Kind kinds[] = {FakeTransport::Kind::tcp, FakeTransport::Kind::webSocket};

// Every payload is "publisher:number", counting from 0 for each publisher and topic.
using Counts = std::map<std::pair<std::string, std::string>, int>;  // publisher, topic -> sent

void publishNext(Client& publisher, const std::string& topic, int qos, Counts& counts) {
  publisher.publish(topic, publisher.name() + ":" + std::to_string(counts[{publisher.name(), topic}]++), qos);
}

// Each message once and in order; with QoS 1 one may come again, after a later one too.
void checkComplete(const Client& subscriber, const Counts& counts, bool isExactlyOnce) {
  Counts seen;
  for (const SentPublish& message : subscriber.received) {
    const size_t colon = message.payload.find(':');
    int& next = seen[{message.payload.substr(0, colon), message.topic}];
    const int number = std::stoi(message.payload.substr(colon + 1));
    if (number == next) next++;
    else CHECK(number < next && !isExactlyOnce);
  }
  for (const auto& [from, sent] : counts) CHECK_EQ(seen[from], sent);
}

Limits oneRetainedEach(unsigned workers) {
  Limits limits;
  limits.retainedMessagesMax = workers;
  return limits;
}

void connectAll(HandDrivenBroker& broker, const std::vector<Client*>& clients) {
  for (Client* client : clients) {
    if (!client->isConnected) client->connect(client->link ? client->link->worker : 0);
  }
  broker.settle();
  for (const Client* client : clients) {
    CHECK(client->isConnected);
    CHECK(client->unacknowledged.empty());
  }
}

}  // namespace

TEST("reconnect: what was not acknowledged comes again with DUP, the same identifier and in order") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", workers - 1);
    subscriber.subscribe({{.filter = "#", .qos = 2, .id = 9}});
    broker.settle();
    subscriber.answersAtOnce = false;
    for (int i = 0; i < 6; i++)
      publisher.publish({.topic = "t", .payload = std::to_string(i), .qos = uint8_t(1 + i % 2), .expirySeconds = 100});
    broker.settle();
    subscriber.answer(2);  // 0 is done, 1 is released
    broker.settle();
    const std::vector<SentPublish> first = subscriber.arrivals;
    subscriber.arrivals.clear();
    broker.advanceTime(10'000);
    subscriber.connect(workers - 1);
    broker.settle();
    if (!CHECK(first.size() == 6 && subscriber.arrivals.size() == 4)) return;
    for (size_t i = 0; i < 4; i++) {
      const SentPublish& again = subscriber.arrivals[i];
      CHECK(again.duplicate && !first[i + 2].duplicate);
      CHECK_EQ(again.packetId, first[i + 2].packetId);
      CHECK_EQ(again.payload, first[i + 2].payload);
      CHECK_EQ(again.qos, first[i + 2].qos);
      CHECK(again.subscriptionIds == std::vector<uint32_t>{9});
      CHECK(again.expirySeconds == 90);
    }
    CHECK_EQ(toHex(subscriber.answers.front()),
             "7002000" + std::to_string(first[1].packetId));  // to its PUBREL, which came first
    subscriber.answersAtOnce = true;
    subscriber.answer();
    broker.settle();
    CHECK(broker.sessionOf(subscriber)->isCaughtUp());
    CHECK(broker.sessionOf(subscriber)->window.hasRoom(1));
  }
}

TEST("reconnect: messages of the time away come in order behind those in flight") {
  for (const unsigned workers : {1u, 3u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", 0, {.receiveMaximum = 3});
    subscriber.subscribe("#", 1);
    broker.settle();
    subscriber.answersAtOnce = false;
    Texts expected;
    for (int i = 0; i < 10; i++) {
      if (i == 5) subscriber.drop();
      publisher.publish("t", std::to_string(i), 1);
      expected.push_back("t=" + std::to_string(i));
      broker.settle();
    }
    CHECK_EQ(subscriber.received.size(), 3);
    subscriber.received.clear();
    subscriber.answersAtOnce = true;
    subscriber.connect(workers - 1);
    broker.settle();
    CHECK(subscriber.texts() == expected);
  }
}

TEST("reconnect: a clean start forgets, and the next session knows nothing of the old one") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", 0);
    subscriber.subscribe("#", 1);
    broker.settle();
    subscriber.drop();
    broker.settle();
    publisher.publish("t", "1", 1);
    broker.settle();
    CHECK_EQ(broker.total(Counter::queued), 1);
    subscriber.options.isCleanStart = true;
    subscriber.connect(workers - 1);
    broker.settle();
    publisher.publish("t", "2", 1);
    broker.settle();
    CHECK(subscriber.received.empty());
    CHECK_EQ(broker.total(Counter::subscriptions), 0);
    CHECK_EQ(broker.total(Counter::sessions), 2);
    CHECK_EQ(broker.total(Counter::queued), 0);
  }
}

TEST("reconnect: a second connection takes the session over, wherever it is") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 2u}) {
      HandDrivenBroker broker(workers, {}, kind);
      Client& publisher = broker.connected("p", 0);
      Client& former = broker.connected("same", 0);
      former.subscribe("#", 1);
      broker.settle();
      former.answersAtOnce = false;
      publisher.publish("t", "1", 1);
      broker.settle();
      Client& later = broker.connected("same", workers - 1);
      broker.settle();
      CHECK(former.link->connection == nullptr);
      CHECK(later.texts() == Texts{"t=1"});
      CHECK(later.arrivals.size() == 1 && later.arrivals[0].duplicate);
      publisher.publish("t", "2", 1);
      broker.settle();
      CHECK(later.texts() == (Texts{"t=1", "t=2"}));
      CHECK_EQ(former.received.size(), 1);
      CHECK_EQ(broker.total(Counter::connections), 2);
    }
  }
}

TEST("reconnect: QoS 2 is exactly once in both directions while all links break again and again") {
  check::eachSeed(40, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 4});
    Limits limits;
    limits.inflightMax = uint16_t(random.between(1, 30));
    limits.laneRecords = random.pick(std::vector<uint32_t>{32, 16'384});
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    std::vector<Client*> clients;
    for (unsigned i = 0; i < 4; i++) {
      Client::Options options;
      options.version = uint8_t(random.between(4, 5));
      options.receiveMaximum = uint16_t(random.between(1, 30));
      clients.push_back(
          &broker.connected((i < 2 ? "p" : "s") + std::to_string(i), unsigned(random.below(workers)), options));
      if (i >= 2) clients.back()->subscribe("#", 2);
    }
    broker.settle();
    Counts counts;
    for (int step = 0; step < 1'500; step++) {
      Client& client = *clients[random.below(4)];
      if (random.chance(12))
        publishNext(*clients[random.below(2)], std::string(1, char('a' + random.below(3))), 2, counts);
      if (random.chance(2)) client.connect(client.link->worker);  // the old connection may still be there
      broker.step(random);
    }
    connectAll(broker, clients);
    for (unsigned i = 2; i < 4; i++) checkComplete(*clients[i], counts, true);
    CHECK_EQ(broker.total(Counter::queued), 0);
  });
}

TEST("reconnect: a QoS 2 message that its shard refuses after the connection broke is taken anew when it comes again") {
  enum class Break { beforeTheRefusal, whileTheRefusalWaits };
  for (const Break when : {Break::beforeTheRefusal, Break::whileTheRefusalWaits}) {
    HandDrivenBroker broker(3, oneRetainedEach(3));
    Client& publisher = broker.connected("p", 0);
    Client& other = broker.connected("o", 0);
    other.subscribe("refused/#", 2);
    other.publish(broker.ownedBy(2, "first"), "it fills the store", 1, true);
    broker.settle();
    publisher.publish(broker.ownedBy(1, "slow"), "its answer is not here yet", 1);
    publisher.publish(broker.ownedBy(2, "refused/"), "wanted", 2, true);
    broker.turn(0);
    if (when == Break::whileTheRefusalWaits) {
      broker.turn(2);
      broker.turn(0);
    }
    publisher.drop();
    broker.turn(0);
    other.publish(broker.ownedBy(2, "first"), "", 1, true);  // makes room, behind the refusal
    for (const unsigned worker : {0u, 2u, 0u}) broker.turn(worker);
    CHECK_EQ(broker.sessionOf(publisher)->unfinished->received.all.size(), 0);
    publisher.connect(0);
    broker.settle();
    CHECK(other.texts() == Texts{broker.ownedBy(2, "refused/") + "=wanted"});
    CHECK_EQ(broker.total(Counter::retained), 1);
    CHECK(publisher.unacknowledged.empty());
  }
}

TEST("reconnect: a client is not back before the shards have answered what it sent on its last connection") {
  for (const bool isRefused : {true, false}) {
    HandDrivenBroker broker(3, oneRetainedEach(3));
    Client& publisher = broker.connected("p", 0);
    if (isRefused) publisher.publish(broker.ownedBy(2, "first"), "it fills the store", 1, true);
    broker.settle();
    publisher.acknowledgements.clear();
    publisher.publish(broker.ownedBy(2, "wanted"), "", 2, true);
    publisher.publish(broker.ownedBy(2, "wanted"), "1", 2, true);
    broker.turn(0);
    for (int reconnects = 0; reconnects < 2; reconnects++) {
      publisher.drop();
      broker.turn(0);
      publisher.connect(0);
      for (int turns = 0; turns < 5; turns++) {
        broker.turn(0);
        publisher.read();
      }
      CHECK(!publisher.isConnected);
    }
    broker.settle();
    CHECK(publisher.isConnected);
    const Reason reason = isRefused ? Reason::quotaExceeded : Reason::success;
    CHECK(publisher.acknowledgements == (std::vector<Reason>{Reason::success, reason}));
    CHECK(publisher.unacknowledged.empty());
    CHECK_EQ(broker.sessionOf(publisher)->unfinished->received.all.size(), 0);
    CHECK_EQ(broker.sessionOf(publisher)->unfinished->received.unanswered.size(), 0);
    CHECK_EQ(broker.total(Counter::retained), 1);
    publisher.publish(broker.ownedBy(1, "next"), "", 2);
    broker.settle();
    CHECK(publisher.unacknowledged.empty());
  }
}

TEST("reconnect: QoS 1 loses nothing while all links break again and again") {
  check::eachSeed(20, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 4});
    HandDrivenBroker broker(workers, {}, kinds[random.below(2)]);
    std::vector<Client*> clients;
    for (unsigned i = 0; i < 4; i++) {
      clients.push_back(
          &broker.connected((i < 2 ? "p" : "s") + std::to_string(i), unsigned(random.below(workers)), {.version = 4}));
      if (i >= 2) clients.back()->subscribe("#", 1);
    }
    broker.settle();
    Counts counts;
    for (int step = 0; step < 1'500; step++) {
      Client& client = *clients[random.below(4)];
      if (random.chance(12))
        publishNext(*clients[random.below(2)], std::string(1, char('a' + random.below(3))), 1, counts);
      if (random.chance(2)) client.connect(client.link->worker);
      broker.step(random);
    }
    connectAll(broker, clients);
    for (unsigned i = 2; i < 4; i++) checkComplete(*clients[i], counts, false);
  });
}

TEST("reconnect: sessions move from worker to worker while all workers publish: no loss, no double, in order") {
  check::eachSeed(40, [](check::Random& random) {
    const unsigned workers = unsigned(random.between(2, 4));
    Limits limits;
    limits.laneRecords = random.pick(std::vector<uint32_t>{32, 128, 16'384});
    limits.inflightMax = uint16_t(random.between(1, 50));
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    std::vector<Client*> publishers;
    std::vector<Client*> movers;
    for (unsigned i = 0; i < workers; i++) publishers.push_back(&broker.connected("p" + std::to_string(i), i));
    for (unsigned i = 0; i < 2; i++) {
      movers.push_back(&broker.connected("m" + std::to_string(i), unsigned(random.below(workers))));
      movers.back()->subscribe({{.filter = i == 0 ? "#" : "+", .qos = 2}, {.filter = "a", .qos = 1}});
    }
    Client& stays = broker.connected("stays", 0);
    stays.subscribe("#", 2);
    broker.settle();
    Counts counts;
    for (int step = 0; step < 1'500; step++) {
      if (random.chance(20))
        publishNext(*random.pick(publishers), std::string(1, char('a' + random.below(4))), 2, counts);
      if (random.chance(2)) random.pick(movers)->connect(unsigned(random.below(workers)));
      if (random.chance(1)) random.pick(movers)->drop();
      broker.step(random);
    }
    std::vector<Client*> all = publishers;
    all.insert(all.end(), movers.begin(), movers.end());
    connectAll(broker, all);
    for (const Client* mover : movers) checkComplete(*mover, counts, true);
    checkComplete(stays, counts, true);
    CHECK_EQ(broker.total(Counter::sessions), workers + 3);
    CHECK_EQ(broker.total(Counter::queued), 0);
    CHECK_EQ(broker.total(Counter::subscriptions), 5);
  });
}

TEST("reconnect: a session that moves takes its counts along, and what is queued there is bounded") {
  Limits limits;
  limits.sessionQueueMessagesMax = 10;
  HandDrivenBroker broker(2, limits);
  Client& publisher = broker.connected("p", 0);
  Client& mover = broker.connected("m", 0, {.receiveMaximum = 1});
  mover.subscribe("#", 1);
  broker.settle();
  mover.answersAtOnce = false;
  for (int i = 0; i < 20; i++) publisher.publish("t", std::to_string(i), 1);
  broker.settle();
  CHECK_EQ(broker.total(Counter::droppedQueueFull), 9);
  for (const unsigned worker : {1u, 0u, 1u}) {
    mover.connect(worker);
    broker.settle();
    const Session& session = *broker.sessionOf(mover);
    CHECK_EQ(session.queue.messages(), 10);
    CHECK(session.queue.bytes() > 10 * sizeof(Message));
    CHECK_EQ(broker.total(Counter::queued), 10);
  }
  mover.received.clear();
  mover.answersAtOnce = true;
  mover.answer();
  broker.settle();
  CHECK_EQ(mover.received.size(), 10);
  CHECK_EQ(broker.sessionOf(mover)->queue.bytes(), 0);
  CHECK_EQ(broker.total(Counter::queued), 0);
}

TEST("reconnect: a publisher that comes back on another worker does not overtake itself") {
  constexpr int count = 12'000;  // more than a shard takes in a turn
  HandDrivenBroker broker(3);
  Client& subscriber = broker.connected("s", 2);
  Client& publisher = broker.connected("p", 0);
  subscriber.subscribe("#", 0);
  broker.settle();
  const std::string topic = broker.ownedBy(2, "t");
  Octets all;
  for (int i = 0; i < count; i++) appendOctets(all, encode({.topic = topic, .payload = std::to_string(i)}, 5));
  Connection* connection = publisher.link->connection;
  broker.engine(0).frontEnd().receive(*connection, all);
  broker.advance(0, 5);
  publisher.connect(1);
  for (int i = 0; i < 40 && !publisher.isConnected; i++) {
    broker.turn(0);
    broker.turn(1);
    if (i % 4 == 3) broker.turn(2);
    publisher.read();
  }
  publisher.publish(topic, std::to_string(count), 0);
  broker.turn(1);
  broker.settle();
  int last = -1;
  for (const SentPublish& message : subscriber.received) {
    const int number = std::stoi(message.payload);
    CHECK(number > last);
    last = number;
  }
  CHECK_EQ(last, count);
}

TEST("reconnect: a SUBSCRIBE of the last connection that is still pending does not mix with one of this connection") {
  HandDrivenBroker broker(2);
  const std::string topic = broker.ownedBy(1, "t");
  Client& publisher = broker.connected("p", 1);
  Client& other = broker.connected("o", 0);
  other.subscribe(topic.c_str(), 1);  // what is published comes to this worker for somebody else
  Client& client = broker.connected("c", 0);
  broker.settle();
  client.subscribe("first", 1);
  broker.turn(0);
  client.connect(0);
  for (int turns = 0; turns < 5; turns++) {
    broker.turn(0);
    client.read();
  }
  CHECK(client.isConnected && client.subacks.empty());
  client.subscribe(topic.c_str(), 1);
  broker.receive(client, client.takeSent());
  broker.advance(0, 1);  // subscribed, and not told to the other shard yet
  broker.turn(1);        // it knows the first SUBSCRIBE only
  publisher.publish(topic, "early", 1, true);
  broker.turn(1);
  broker.settle();
  CHECK_EQ(other.received.size(), 1);
  CHECK(client.texts() == Texts{topic + "=early"});  // as the retained message that it is
  CHECK_EQ(client.subacks.size(), 1);
  CHECK(client.receivedBeforeSuback == std::vector<size_t>{0});
  publisher.publish(topic, "late", 1);
  publisher.publish("first", "late", 1);
  broker.settle();
  CHECK_EQ(client.received.size(), 3);
}

TEST("reconnect: a filter that is left and taken anew while SUBSCRIBEs are pending is known from the last one on") {
  check::eachSeed(60, [](check::Random& random) {
    HandDrivenBroker broker(3);
    Client& publisher = broker.connected("p", unsigned(random.below(3)));
    Client& other = broker.connected("o", 0);
    other.subscribe("#", 1);
    Client& client = broker.connected("c", 0);
    broker.settle();
    std::map<std::string, int> sent;
    for (int step = 0; step < 600; step++) {
      if (random.chance(5)) client.subscribe({{.filter = std::string(1, char('a' + random.below(3))), .qos = 1}});
      if (random.chance(3)) client.unsubscribe(std::string(1, char('a' + random.below(3))));
      if (random.chance(3)) client.connect(0);
      if (random.chance(10)) {
        const std::string topic(1, char('a' + random.below(3)));
        publisher.publish(topic, std::to_string(sent[topic]++), 1, true);
      }
      broker.step(random);
    }
    if (!client.isConnected) client.connect(0);
    broker.settle();
    const size_t before = client.received.size();
    client.subscribe({{.filter = "a", .qos = 1, .retainHandling = 2}, {.filter = "b", .qos = 1, .retainHandling = 2}});
    broker.settle();
    publisher.publish("a", "last", 1);
    publisher.publish("b", "last", 1);
    broker.settle();
    CHECK_EQ(client.received.size(), before + 2);
    CHECK(broker.sessionOf(client)->isCaughtUp());
    std::map<std::string, int> seen;  // what is new never comes before what was old, but again as a retained message
    for (const SentPublish& message : client.received) {
      if (message.payload == "last" || message.retain || message.duplicate) continue;
      const int number = std::stoi(message.payload);
      CHECK(number >= seen[message.topic]);
      seen[message.topic] = number;
    }
  });
}
