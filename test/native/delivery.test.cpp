// A message from one client to others, on one, two and four workers.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;

constexpr FakeTransport::Kind kinds[] = {FakeTransport::Kind::tcp, FakeTransport::Kind::webSocket};

}  // namespace

TEST("delivery: every QoS to every QoS, on the same and on another worker, in every version") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 2u, 4u}) {
      HandDrivenBroker broker(workers, {}, kind);
      for (const uint8_t version : {uint8_t(3), uint8_t(4), uint8_t(5)}) {
        Client& publisher = broker.connected("p" + std::to_string(version), 0, {.version = version});
        std::vector<Client*> subscribers;
        for (unsigned i = 0; i < 3 * workers; i++) {
          subscribers.push_back(
              &broker.connected("s" + std::to_string(version) + std::to_string(i), i % workers, {.version = version}));
          subscribers.back()->subscribe(
              {{.filter = "topic/" + std::to_string(version) + "/+", .qos = uint8_t(i / workers)}});
        }
        broker.settle();
        // Different topics have different owners.
        for (int topic = 0; topic < 8; topic++) {
          for (uint8_t qos = 0; qos < 3; qos++) {
            const std::string name = "topic/" + std::to_string(version) + "/" + std::to_string(topic);
            publisher.publish({.topic = name, .payload = std::to_string(qos), .qos = qos, .retain = false});
          }
        }
        broker.settle();
        CHECK(publisher.unacknowledged.empty());
        for (unsigned i = 0; i < subscribers.size(); i++) {
          if (!CHECK_EQ(subscribers[i]->received.size(), 24)) return;
          for (const SentPublish& message : subscribers[i]->received) {
            CHECK_EQ(message.qos, std::min(message.payload[0] - '0', int(i / workers)));
            CHECK(!message.duplicate && !message.retain);
          }
        }
      }
      CHECK_EQ(broker.total(Counter::publishReceived), 3 * 24);
      CHECK_EQ(broker.total(Counter::publishSent), 3 * 24 * 3 * workers);
      CHECK_EQ(broker.total(Counter::queued), 0);
    }
  }
}

TEST("delivery: a PUBLISH that nobody wants is acknowledged so, in MQTT 5") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    for (int i = 0; i < 8; i++)
      publisher.publish({.topic = "topic" + std::to_string(i), .payload = "x", .qos = uint8_t(1 + i % 2)});
    broker.settle();
    CHECK(publisher.acknowledgements == std::vector<Reason>(8, Reason::noMatchingSubscribers));
    CHECK(publisher.unacknowledged.empty());
  }
}

TEST("delivery: payloads of every size around the limits of chunks arrive whole") {
  for (const FakeTransport::Kind kind : kinds) {
    HandDrivenBroker broker(2, {}, kind);
    Client& publisher = broker.connected("p", 0);
    Client& near = broker.connected("near", 0);
    Client& far = broker.connected("far", 1, {.version = 4});
    near.subscribe({{.filter = "#", .qos = 2}});
    far.subscribe({{.filter = "#", .qos = 2}});
    broker.settle();
    Texts expected;
    check::Random random(1);
    for (const size_t size :
         std::vector<size_t>{0, 1, 119, 120, 121, 122, 1'015, 1'024, 16'376, 16'384, 16'385, 50'000, 1'000'000}) {
      for (uint8_t qos = 0; qos < 3; qos++) {
        const std::string payload = textOf(random.bytes(size));
        publisher.publish({.topic = "t", .payload = payload, .qos = qos});
        expected.push_back("t=" + payload);
        broker.settle();
      }
    }
    CHECK(near.texts() == expected);
    CHECK(far.texts() == expected);
  }
}

TEST("delivery: frames cut anywhere give the same") {
  check::eachSeed(40, [](check::Random& random) {
    HandDrivenBroker broker(1 + unsigned(random.below(3)));
    Client& publisher = broker.connected("p", 0, {.version = uint8_t(random.between(4, 5))});
    Client& subscriber = broker.connected("s", broker.workers() - 1, {.version = uint8_t(random.between(4, 5))});
    subscriber.subscribe({{.filter = "a/#", .qos = 2}});
    broker.settle();
    Texts expected;
    for (int i = 0; i < 15; i++) {
      const std::string payload = random.text(random.below(300), "xyz");
      publisher.publish({.topic = "a/b", .payload = payload, .qos = uint8_t(random.below(3))});
      expected.push_back("a/b=" + payload);
    }
    for (int i = 0; i < 300; i++) broker.step(random);
    broker.settle();
    CHECK(subscriber.texts() == expected);
  });
}

TEST("delivery: one order per topic, the same for all subscribers, however the workers take turns") {
  check::eachSeed(40, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{2, 3, 4});
    Limits limits;
    limits.laneRecords = random.pick(std::vector<uint32_t>{16, 64, 16'384});
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    std::vector<Client*> publishers;
    std::vector<Client*> subscribers;
    for (unsigned i = 0; i < 3; i++) publishers.push_back(&broker.connected("p" + std::to_string(i), i % workers));
    for (unsigned i = 0; i < 4; i++) {
      subscribers.push_back(&broker.connected("s" + std::to_string(i), i % workers));
      subscribers.back()->subscribe({{.filter = i % 2 == 0 ? "#" : "+", .qos = 2}});
    }
    broker.settle();
    int sent = 0;
    for (int i = 0; i < 1'200; i++) {
      if (random.chance(25)) {
        Client& publisher = *random.pick(publishers);
        const std::string topic(1, char('a' + random.below(4)));
        publisher.publish({.topic = topic,
                           .payload = publisher.name() + ":" + std::to_string(sent++),
                           .qos = uint8_t(random.below(3))});
      }
      broker.step(random);
    }
    broker.settle();
    std::map<std::string, Texts> orderOfFirst;
    for (const Client* subscriber : subscribers) {
      CHECK_EQ(subscriber->received.size(), sent);
      std::map<std::string, Texts> order;
      std::map<std::string, int> last;
      for (const SentPublish& message : subscriber->received) {
        order[message.topic].push_back(message.payload);
        const int number = std::stoi(message.payload.substr(3));
        int& before = last[message.topic + message.payload.substr(0, 2)];
        CHECK(number >= before);  // as its publisher sent them
        before = number;
      }
      if (subscriber == subscribers[0]) orderOfFirst = order;
      CHECK(order == orderOfFirst);
    }
  });
}

TEST("delivery: overlapping subscriptions give one message, with the highest QoS and all identifiers") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", workers - 1);
    Client& other = broker.connected("o", workers - 1, {.version = 4});
    subscriber.subscribe({{.filter = "a/b", .qos = 0, .id = 1}});
    subscriber.subscribe({{.filter = "a/+", .qos = 2, .id = 268'435'455}});
    subscriber.subscribe({{.filter = "#", .qos = 1}});
    subscriber.subscribe({{.filter = "+/b", .qos = 1, .id = 3}});
    subscriber.subscribe({{.filter = "a/c/#", .qos = 1, .id = 4}});
    other.subscribe({{.filter = "a/#", .qos = 1}, {.filter = "+/+", .qos = 0}});
    broker.settle();
    publisher.publish({.topic = "a/b", .payload = "x", .qos = 2});
    broker.settle();
    if (!CHECK_EQ(subscriber.received.size(), 1)) return;
    CHECK_EQ(subscriber.received[0].qos, 2);
    std::vector<uint32_t> ids = subscriber.received[0].subscriptionIds;
    std::sort(ids.begin(), ids.end());
    CHECK(ids == (std::vector<uint32_t>{1, 3, 268'435'455}));
    if (!CHECK_EQ(other.received.size(), 1)) return;
    CHECK_EQ(other.received[0].qos, 1);

    // The same filter again replaces; the identifier goes with it.
    subscriber.subscribe({{.filter = "a/+", .qos = 0}});
    subscriber.unsubscribe("#");
    broker.settle();
    publisher.publish({.topic = "a/b", .payload = "y", .qos = 2});
    broker.settle();
    if (!CHECK_EQ(subscriber.received.size(), 2)) return;
    CHECK_EQ(subscriber.received[1].qos, 1);
    CHECK_EQ(subscriber.received[1].subscriptionIds.size(), 2);
    publisher.publish({.topic = "z", .payload = "z"});
    broker.settle();
    CHECK_EQ(subscriber.received.size(), 2);
  }
}

TEST("delivery: No Local keeps a client's own messages from it, whichever worker owns the topic") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& self = broker.connected("self", 0);
    Client& other = broker.connected("other", workers - 1);
    for (Client* client : {&self, &other}) client->subscribe({{.filter = "+", .qos = 1, .noLocal = true}});
    self.subscribe({{.filter = "loud/#", .qos = 1}});
    broker.settle();
    for (int i = 0; i < 6; i++)
      self.publish({.topic = std::string(1, char('a' + i)), .payload = "s", .qos = uint8_t(i % 3)});
    for (int i = 0; i < 6; i++)
      other.publish({.topic = std::string(1, char('a' + i)), .payload = "o", .qos = uint8_t(i % 3)});
    self.publish({.topic = "loud/x", .payload = "s"});
    broker.settle();
    CHECK_EQ(self.received.size(), 7);
    CHECK_EQ(other.received.size(), 6);
    for (const SentPublish& message : other.received) CHECK_EQ(message.payload, std::string("s"));
  }
}

TEST("delivery: Retain As Published keeps the flag, other subscriptions clear it") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& keeps = broker.connected("keeps", workers - 1);
    Client& clears = broker.connected("clears", workers - 1);
    Client& both = broker.connected("both", 0);
    keeps.subscribe({{.filter = "+", .qos = 1, .retainAsPublished = true}});
    clears.subscribe({{.filter = "+", .qos = 1}});
    both.subscribe({{.filter = "+", .qos = 1}, {.filter = "#", .qos = 0, .retainAsPublished = true}});
    broker.settle();
    for (const bool retain : {false, true}) {
      for (int i = 0; i < 4; i++)
        publisher.publish(
            {.topic = std::string(1, char('a' + i)), .payload = retain ? "kept" : "", .qos = 1, .retain = retain});
    }
    broker.settle();
    for (const Client* client : {&keeps, &clears, &both}) {
      if (!CHECK_EQ(client->received.size(), 8)) return;
      for (const SentPublish& message : client->received)
        CHECK_EQ(message.retain, message.payload == "kept" && client != &clears);
    }
  }
}

TEST("delivery: properties go through unchanged, in MQTT 5 only; a topic alias does not") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& five = broker.connected("five", workers - 1);
    Client& four = broker.connected("four", workers - 1, {.version = 4});
    for (Client* client : {&five, &four}) client->subscribe({{.filter = "#", .qos = 1}});
    broker.settle();
    const std::string properties = textProperty(0x03, "text") + textProperty(0x26, "a") +
                                   textProperty(0, "b").substr(1) + textProperty(0x09, "\xff");
    publisher.publish(
        {.topic = "t", .payload = "x", .qos = 1, .topicAlias = 3, .otherProperties = octetsOf(bytesOf(properties))});
    broker.settle();
    if (!CHECK(five.received.size() == 1 && four.received.size() == 1)) return;
    CHECK_EQ(textOf(five.received[0].otherProperties), properties);
    CHECK_EQ(five.received[0].topicAlias, 0);
    CHECK_EQ(four.received[0].payload, std::string("x"));
  }
}

TEST("delivery: topics that begin with $ are not for wildcards of the first level") {
  HandDrivenBroker broker(4);
  Client& publisher = broker.connected("p", 0);
  Client& all = broker.connected("all", 1);
  Client& system = broker.connected("system", 2);
  all.subscribe({{.filter = "#"}, {.filter = "+/x"}});
  system.subscribe({{.filter = "$other/#"}});
  broker.settle();
  publisher.publish({.topic = "$other/x", .payload = "1"});
  publisher.publish({.topic = "a/x", .payload = "2"});
  broker.settle();
  CHECK(all.texts() == (Texts{"a/x=2"}));
  CHECK(system.texts() == (Texts{"$other/x=1"}));
}

TEST("delivery: routes go with the last subscriber of a worker; a session that ends leaves nothing") {
  check::eachSeed(30, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 4});
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    std::vector<Client*> clients;
    std::vector<std::map<std::string, int>> subscribed(4);
    for (unsigned i = 0; i < 4; i++)
      clients.push_back(&broker.connected("c" + std::to_string(i), i % workers, {.isPersistent = false}));
    const Texts filters = {"a", "b", "+", "#", "a/#"};
    size_t expected = 0;
    for (int round = 0; round < 25; round++) {
      const size_t which = random.below(clients.size());
      const std::string& filter = random.pick(filters);
      if (random.chance(10)) {
        clients[which]->connect(unsigned(random.below(workers)));
        subscribed[which].clear();
      } else if (random.chance(60)) {
        clients[which]->subscribe({{.filter = filter, .qos = uint8_t(random.below(3))}});
        subscribed[which][filter] = 1;
      } else {
        clients[which]->unsubscribe(filter);
        subscribed[which].erase(filter);
      }
      broker.settle();
      const std::string topic = random.pick(Texts{"a", "b", "a/b"});
      for (Client* client : clients) client->received.clear();
      publisher.acknowledgements.clear();
      publisher.publish({.topic = topic, .payload = "x", .qos = 1});
      broker.settle();
      bool isWanted = false;
      size_t subscriptions = 0;
      for (size_t i = 0; i < clients.size(); i++) {
        expected = 0;
        for (const auto& [text, one] : subscribed[i]) expected = expected || matchesByTheBook(text, topic) ? 1 : 0;
        subscriptions += subscribed[i].size();
        isWanted = isWanted || expected == 1;
        CHECK_EQ(clients[i]->received.size(), expected);
      }
      CHECK(publisher.acknowledgements ==
            std::vector<Reason>{isWanted ? Reason::success : Reason::noMatchingSubscribers});
      CHECK_EQ(broker.total(Counter::subscriptions), subscriptions);
    }
  });
}

TEST("delivery: no message is lost while a subscription is replaced [MQTT-3.8.4-4]") {
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
