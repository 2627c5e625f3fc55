// Topic aliases from the broker to its clients. The client of hand-driven-broker.h resolves them, and checks
// that none is unknown or above its maximum and that no packet is larger than it may be.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;

}  // namespace

TEST("outgoing aliases: the first message of a topic sets one, later ones leave the topic out; nobody else notices") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& asking = broker.connected("a", workers - 1, {.topicAliasMaximum = 2});
    Client& plain = broker.connected("b", 0);
    Client& old = broker.connected("c", 0, {.version = 4, .topicAliasMaximum = 2});
    for (Client* client : {&asking, &plain, &old}) client->subscribe("#", 1);
    broker.settle();
    for (int i = 0; i < 3; i++) {
      for (const char* topic : {"topic/1", "topic/2", "topic/3", "short"}) {
        publisher.publish({.topic = topic, .payload = std::to_string(i), .qos = uint8_t(i % 2), .expirySeconds = 9});
        broker.settle();
      }
    }
    CHECK(asking.texts() == plain.texts() && asking.texts() == old.texts());
    CHECK_EQ(asking.received.size(), 12);
    CHECK(asking.aliases == (std::map<uint16_t, std::string>{{1, "topic/1"}, {2, "topic/2"}}));
    CHECK_EQ(asking.savedTopics, 4);
    CHECK(plain.aliases.empty() && old.aliases.empty());
    for (const SentPublish& message : asking.received) CHECK(message.expirySeconds == 9);
    // They are of one network connection.
    asking.connect(0);
    broker.settle();
    publisher.publish("topic/2", "again", 1);
    broker.settle();
    CHECK(asking.aliases == (std::map<uint16_t, std::string>{{1, "topic/2"}}));
    CHECK_EQ(asking.received.back().topic, std::string("topic/2"));
  }
}

TEST("outgoing aliases: our own bound holds, and 0 means none") {
  for (const uint16_t most : {uint16_t(0), uint16_t(3)}) {
    Limits limits;
    limits.outgoingTopicAliasesMax = most;
    HandDrivenBroker broker(1, limits);
    Client& client = broker.connected("c", 0, {.topicAliasMaximum = 65'535});
    client.subscribe("#");
    for (int i = 0; i < 20; i++) client.publish("topic/" + std::to_string(i % 10), "x");
    broker.settle();
    CHECK_EQ(client.aliases.size(), most);
    CHECK_EQ(client.received.size(), 20);
  }
}

TEST("outgoing aliases: a topic that is sent often takes the place of one that is not any more") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.topicAliasMaximum = 4});
  client.subscribe("#");
  broker.settle();
  const auto publish = [&](int first, int count, int rounds) {
    for (int i = 0; i < rounds * count; i++) client.publish("topic/" + std::to_string(first + i % count), "x");
    broker.settle();
  };
  publish(0, 4, 10);
  CHECK_EQ(client.savedTopics, 36);
  publish(100, 4, 20);
  CHECK(client.savedTopics > 36 + 40);
  CHECK_EQ(client.aliases.size(), 4);
  for (const auto& [alias, topic] : client.aliases) CHECK(topic.starts_with("topic/10"));
}

TEST(
    "outgoing aliases: the bytes of the alias count against the Maximum Packet Size, and the topic that is saved does "
    "not") {
  const std::string topic(20, 't');
  // 2 of the fixed header, 2 and 20 of the topic, 1 of the properties' length: 25 with an empty payload.
  for (const uint32_t most : {27u, 28u, 40u}) {
    HandDrivenBroker broker(1);
    Client& client = broker.connected("c", 0, {.maximumPacketSize = most, .topicAliasMaximum = 1});
    client.subscribe("#");
    broker.settle();
    client.publish(topic, std::string(2, 'x'));   // 27, 30 with an alias
    client.publish(topic, "");                    // 25, 28 with an alias
    client.publish(topic, std::string(19, 'y'));  // 44, 27 by the alias alone
    broker.settle();
    CHECK_EQ(client.received.size(), most == 27 ? 2 : 3);
    CHECK_EQ(broker.total(Counter::droppedTooLarge), most == 27 ? 1 : 0);
  }
}

TEST("outgoing aliases: random topics, sizes, reconnects, moves and readers that stop: every topic is right") {
  check::eachSeed(40, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 3});
    Limits limits;
    limits.outgoingTopicAliasesMax = uint16_t(random.between(1, 8));
    if (random.chance(50)) limits.outboxMessagesMax = 8;
    HandDrivenBroker broker(workers, limits,
                            random.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket);
    Client& publisher = broker.connected("p", 0);
    std::vector<Client*> clients;
    for (unsigned i = 0; i < 4; i++) {
      const uint32_t most = random.chance(30) ? uint32_t(random.between(30, 80)) : 0;
      clients.push_back(
          &broker.connected("c" + std::to_string(i), unsigned(random.below(workers)),
                            {.maximumPacketSize = most, .topicAliasMaximum = uint16_t(random.below(10))}));
      clients.back()->subscribe({{.filter = "#", .qos = 2, .id = uint32_t(random.below(2))}});
    }
    broker.settle();
    for (int step = 0; step < 200; step++) {
      Client& client = *clients[random.below(clients.size())];
      switch (random.below(10)) {
        case 0: client.connect(unsigned(random.below(workers))); break;
        case 1:
          if (client.isConnected) client.stopReading(random.below(200));
          break;
        case 2:
          if (client.isConnected && client.link->connection) client.goOnReading();
          break;
        default: {
          const size_t number = random.chance(70) ? random.below(5) : random.below(30);
          // The payload says which topic it belongs to.
          const std::string topic = std::string(number % 7, 'l') + "/topic/" + std::to_string(number);
          publisher.publish(
              {.topic = topic, .payload = topic, .qos = uint8_t(random.below(3)), .retain = random.chance(10)});
        }
      }
      for (size_t steps = random.below(6); steps > 0; steps--) broker.step(random);
    }
    for (Client* client : clients) {
      if (client->link && client->link->connection) client->goOnReading();
    }
    broker.settle();
    for (const Client* client : clients) {
      CHECK(!client->received.empty());
      for (const SentPublish& message : client->received) CHECK_EQ(message.topic, message.payload);
    }
  });
}
