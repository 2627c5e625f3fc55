// Retained messages for new subscriptions, on one and four workers.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;

Texts sorted(Texts texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}
Texts sortedTexts(const Client& client) { return sorted(client.texts()); }

}  // namespace

TEST("retained: a new subscription gets what matches, behind its SUBACK, with RETAIN, QoS and identifier") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    for (int i = 0; i < 12; i++) publisher.publish("a/" + std::to_string(i), std::to_string(i), i % 3, true);
    publisher.publish("b", "other", 1, true);
    publisher.publish("$other/x", "hidden", 1, true);
    publisher.publish("a/3", "", 1, true);  // removes
    publisher.publish("a/4", "new", 1, true);
    publisher.publish("a/5", "live", 1, false);
    broker.settle();
    CHECK_EQ(broker.total(Counter::retained), 13);
    Client& subscriber = broker.connected("s", workers - 1);
    subscriber.subscribe({{.filter = "a/+", .qos = 1, .id = 5}});
    broker.settle();
    CHECK_EQ(subscriber.received.size(), 11);
    CHECK(subscriber.receivedBeforeSuback == std::vector<size_t>{0});
    for (const SentPublish& message : subscriber.received) {
      CHECK(message.retain && !message.duplicate);
      CHECK(message.subscriptionIds == std::vector<uint32_t>{5});
      const int number = std::stoi(message.topic.substr(2));
      CHECK_EQ(message.payload, number == 4 ? "new" : std::to_string(number));
      CHECK_EQ(message.qos, std::min(number == 4 ? 1 : number % 3, 1));
    }
    Client& exact = broker.connected("e", workers - 1, {.version = 4});
    exact.subscribe({{.filter = "b"}, {.filter = "$other/#", .qos = 2}, {.filter = "none"}});
    broker.settle();
    CHECK(sortedTexts(exact) == (Texts{"$other/x=hidden", "b=other"}));
    Client& all = broker.connected("all", 0);
    all.subscribe("#", 0);
    broker.settle();
    CHECK_EQ(all.received.size(), 12);
  }
}

TEST("retained: a message is looked up at its shard, from any worker, until it expires or is removed") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    for (int i = 0; i < 12; i++)
      publisher.publish({.topic = "a/" + std::to_string(i),
                         .payload = std::to_string(i),
                         .qos = uint8_t(i % 3),
                         .retain = true,
                         .packetId = uint16_t(i % 3 > 0 ? i + 100 : 0),
                         .expirySeconds = uint32_t(i % 2 ? 5 : 60)});
    publisher.publish("a/2", "", 1, true);
    broker.settle();
    for (const uint64_t seconds : {4u, 1u}) {
      broker.advanceTime(seconds * 1'000);
      const bool isLate = seconds == 1;
      for (int i = 0; i < 13; i++) {
        for (unsigned worker = 0; worker < workers; worker++) {
          const std::optional<Octets> packet = broker.lookUp("a/" + std::to_string(i), worker);
          if (!CHECK(packet.has_value())) continue;
          const bool isThere = i < 12 && i != 2 && !(isLate && i % 2);
          CHECK_EQ(!packet->empty(), isThere);
          if (packet->empty()) continue;
          const auto message = decodePublish((*packet)[0], Bytes(*packet).subspan(2), 5);
          if (!CHECK(message.has_value() && (*packet)[1] == packet->size() - 2)) continue;
          CHECK_EQ(message->topic, "a/" + std::to_string(i));
          CHECK_EQ(message->payload, std::to_string(i));
          CHECK(message->qos == i % 3 && message->retain && !message->duplicate);
          CHECK_EQ(message->expirySeconds.value_or(0), uint32_t((i % 2 ? 5 : 60) - (isLate ? 5 : 4)));
        }
      }
    }
    CHECK(!broker.lookUp("a", 0).value_or(Octets{1}).size());
  }
}

TEST("retained: retain handling 0 always, 1 for a new subscription, 2 never") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    publisher.publish("t", "x", 1, true);
    broker.settle();
    Client& subscriber = broker.connected("s", workers - 1);
    const auto countAfter = [&](uint8_t handling) {
      subscriber.received.clear();
      subscriber.subscribe({{.filter = "t", .qos = 1, .retainHandling = handling}});
      broker.settle();
      return subscriber.received.size();
    };
    CHECK_EQ(countAfter(2), 0);
    CHECK_EQ(countAfter(1), 0);  // is there already
    CHECK_EQ(countAfter(0), 1);
    CHECK_EQ(countAfter(0), 1);
    subscriber.unsubscribe("t");
    broker.settle();
    CHECK_EQ(countAfter(1), 1);
    CHECK_EQ(countAfter(1), 0);
  }
}

TEST("retained: No Local holds for retained messages too; each overlapping subscription brings its own") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& client = broker.connected("c", 0);
    Client& other = broker.connected("o", workers - 1);
    client.publish("t/mine", "x", 1, true);
    other.publish("t/other", "x", 1, true);
    broker.settle();
    client.subscribe({{.filter = "t/+", .qos = 1, .noLocal = true}});
    broker.settle();
    CHECK(client.texts() == Texts{"t/other=x"});
    other.subscribe({{.filter = "t/mine", .qos = 1}, {.filter = "t/#", .qos = 1}});
    broker.settle();
    CHECK(sortedTexts(other) == (Texts{"t/mine=x", "t/mine=x", "t/other=x"}));
  }
}

TEST("retained: an expired message is not sent, and what is left of the interval is said") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    publisher.publish({.topic = "short", .payload = "x", .qos = 1, .retain = true, .expirySeconds = 5});
    publisher.publish({.topic = "long", .payload = "x", .qos = 1, .retain = true, .expirySeconds = 60});
    broker.settle();
    broker.advanceTime(5'000);
    Client& subscriber = broker.connected("s", workers - 1);
    subscriber.subscribe("+", 1);
    broker.settle();
    CHECK(subscriber.texts() == Texts{"long=x"});
    if (!subscriber.received.empty()) CHECK(subscriber.received[0].expirySeconds == 55);
  }
}

TEST("retained: many retained messages wait for a slow reader, beyond the bound of its queue") {
  Limits limits;
  limits.sessionQueueMessagesMax = 10;
  limits.outboxMessagesMax = 20;
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers, limits);
    Client& publisher = broker.connected("p", 0);
    Texts expected;
    for (int i = 0; i < 300; i++) {
      publisher.publish("t/" + std::to_string(i), "x", 1, true);
      expected.push_back("t/" + std::to_string(i) + "=x");
    }
    broker.settle();
    Client& slow = broker.connected("s", workers - 1, {.receiveMaximum = 5});
    slow.stopReading(100);
    slow.subscribe("t/#", 1);
    broker.settle();
    CHECK(slow.received.size() < 30);
    slow.goOnReading();
    broker.settle();
    CHECK(sortedTexts(slow) == sorted(expected));
    CHECK_EQ(broker.total(Counter::queued), 0);
    CHECK_EQ(broker.sessionOf(slow)->queue.retained(), 0);
  }
}

TEST("retained: a full store refuses with a reason code, and the message is not delivered") {
  Limits limits;
  limits.retainedMessagesMax = 2;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& subscriber = broker.connected("s", 0);
  subscriber.subscribe("#", 2);
  broker.settle();
  for (const int qos : {1, 2}) {
    publisher.acknowledgements.clear();
    publisher.publish("a", "x", 1, true);
    publisher.publish("b", "x", 1, true);
    publisher.publish("c", "x", qos, true);
    broker.settle();
    CHECK(publisher.acknowledgements == (std::vector<Reason>{Reason::success, Reason::success, Reason::quotaExceeded}));
    CHECK(publisher.unacknowledged.empty());
    CHECK(broker.sessionOf(publisher)->unfinished->received.all.size() == 0);
  }
  CHECK_EQ(broker.total(Counter::retainedRefused), 2);
  for (const SentPublish& message : subscriber.received) CHECK(message.topic != "c");
}

TEST("retained: what is retained while a shard answers a SUBSCRIBE of many filters is not lost") {
  HandDrivenBroker broker(3);
  // A topic of shard 1.
  Client& probe = broker.connected("probe", 2);
  Client& subscriber = broker.connected("s", 0);
  std::string topic;
  for (int i = 0; topic.empty(); i++) {
    const uint64_t before = broker.engine(1).counters().get(Counter::retained);
    probe.publish("topic" + std::to_string(i), "old", 1, true);
    broker.settle();
    if (broker.engine(1).counters().get(Counter::retained) > before) topic = "topic" + std::to_string(i);
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

TEST("retained: whoever subscribes while others publish ends with the last value of every topic") {
  check::eachSeed(60, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 4});
    Limits limits;
    if (random.chance(50)) limits.retainedNodesAtOnce = limits.retainedNodesPerStep = limits.retainedNodesPerTurn = 1;
    HandDrivenBroker broker(workers, limits);
    std::vector<Client*> publishers;
    std::vector<Client*> subscribers;
    for (unsigned i = 0; i < 2; i++) publishers.push_back(&broker.connected("p" + std::to_string(i), i % workers));
    for (unsigned i = 0; i < 4; i++) subscribers.push_back(&broker.add("s" + std::to_string(i)));
    int sent = 0;
    for (int step = 0; step < 600; step++) {
      if (random.chance(15))
        random.pick(publishers)
            ->publish(std::string(1, char('a' + random.below(5))), std::to_string(++sent), int(random.below(3)), true);
      Client& subscriber = *random.pick(subscribers);
      if (random.chance(5) && !subscriber.link) {
        subscriber.connect(unsigned(random.below(workers)));
        subscriber.subscribe(random.chance(50) ? "#" : "+", 2);
      }
      broker.step(random);
    }
    broker.settle();
    Client& last = broker.connected("last", 0);
    last.subscribe("#", 0);
    broker.settle();
    for (const Client* subscriber : subscribers) {
      if (!subscriber->link) continue;
      CHECK(subscriber->receivedBeforeSuback == std::vector<size_t>{0});
      std::map<std::string, std::string> values;
      std::map<std::string, std::set<std::string>> seen;
      for (const SentPublish& message : subscriber->received) {
        values[message.topic] = message.payload;
        CHECK(seen[message.topic].insert(message.payload).second);  // each once
      }
      for (const SentPublish& message : last.received) CHECK_EQ(values[message.topic], message.payload);
    }
  });
}

TEST("retained: an expired message leaves the store: when it is looked for, and by itself") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    for (int i = 0; i < 40; i++) {
      publisher.publish({.topic = "t/" + std::to_string(i),
                         .payload = "x",
                         .qos = 1,
                         .retain = true,
                         .expirySeconds = uint32_t(i < 20 ? 5 : 60)});
    }
    broker.settle();
    CHECK_EQ(broker.total(Counter::retained), 40);
    broker.advanceTime(5'000);
    broker.settle();
    CHECK_EQ(broker.total(Counter::retained), 20);
    broker.nowMs += 55'000;
    publisher.subscribe("t/+/x", 1);  // matches nothing
    publisher.subscribe("t/30", 1);
    broker.settle();
    CHECK_EQ(broker.total(Counter::retained), 19);
    CHECK(publisher.received.empty());
    CHECK_EQ(broker.total(Counter::droppedExpired), 0);
  }
}

TEST("retained: what is found for a session that is moving reaches it") {
  HandDrivenBroker broker(3);
  Client& publisher = broker.connected("p", 0);
  const std::string topic = broker.ownedBy(2, "t");
  const std::string noise = broker.ownedBy(2, topic + "n");
  publisher.publish(topic, "kept", 1, true);
  broker.settle();
  Client& mover = broker.connected("m", 0);
  // Worker 0 has sent the SUBSCRIBE to the shards when its client comes back on worker 1, but the owner of the
  // topic has more before it than it takes at once.
  for (int i = 0; i < 300; i++) publisher.publish(noise, "x");
  broker.receive(publisher, publisher.takeSent());
  mover.subscribe(topic.c_str(), 1);
  broker.turn(0);
  mover.connect(1);
  for (int i = 0; i < 6; i++) {
    broker.turn(1);
    broker.turn(0);
  }
  broker.turn(2);
  broker.settle();
  CHECK(mover.isConnected);
  CHECK(mover.texts() == std::vector<std::string>{topic + "=kept"});
  CHECK_EQ(broker.total(Counter::sessions), 2);
}

// --- more than a shard looks at in one step -------------------------------------------------------

namespace {

Limits smallSteps() {
  Limits limits;
  limits.retainedNodesAtOnce = 3;
  limits.retainedNodesPerStep = 5;
  limits.retainedNodesPerTurn = 12;
  return limits;
}

Texts retain(HandDrivenBroker& broker, Client& publisher, int count, const std::string& payload) {
  Texts texts;
  for (int i = 0; i < count; i++) {
    const std::string topic = "t/" + std::to_string(i % 7) + "/" + std::to_string(i);
    publisher.publish(topic, payload, 1, true);
    texts.push_back(topic + "=" + payload);
  }
  broker.settle();
  return sorted(texts);
}

}  // namespace

TEST("retained walk: many come in steps, each once, and no more wait in the session than a step of each shard") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    HandDrivenBroker broker(workers, smallSteps());
    Client& publisher = broker.connected("p", 0);
    const Texts expected = retain(broker, publisher, 500, "x");
    for (const int qos : {0, 1}) {
      Client& reader = broker.connected("r" + std::to_string(qos), workers - 1, {.receiveMaximum = 2});
      reader.answersAtOnce = false;
      reader.subscribe("t/#", qos);
      for (int round = 0; round < 300; round++) {
        CHECK(broker.settle());
        CHECK(broker.sessionOf(reader)->queue.retained() <= 5 * workers);
        reader.answer();
      }
      CHECK(sortedTexts(reader) == expected);
      CHECK_EQ(broker.sessionOf(reader)->unfinished->retained.waiting, 0);
    }
    CHECK_EQ(broker.total(Counter::queued), 0);
  }
}

TEST("retained walk: a reader that stops holds it up, and nobody else") {
  for (const unsigned workers : {1u, 3u}) {
    Limits limits = smallSteps();
    limits.outboxMessagesMax = 20;
    HandDrivenBroker broker(workers, limits);
    Client& publisher = broker.connected("p", 0);
    const Texts expected = retain(broker, publisher, 300, "x");
    Client& frozen = broker.connected("frozen", 0);
    frozen.stopReading();
    frozen.subscribe("#", 0);
    CHECK(broker.settle());  // everybody sleeps
    CHECK(frozen.received.empty());
    CHECK(broker.sessionOf(frozen)->queue.retained() <= 5 * workers);
    Client& other = broker.connected("other", workers - 1);
    other.subscribe("#", 0);
    CHECK(broker.settle());
    CHECK(sortedTexts(other) == expected);
    // Half of its outbox is left for what is published now.
    publisher.publish("live", "now", 0);
    broker.settle();
    CHECK_EQ(broker.total(Counter::droppedQos0), 0);
    frozen.goOnReading();
    broker.settle();
    Texts all = expected;
    all.push_back("live=now");
    CHECK(sortedTexts(frozen) == sorted(all));
  }
}

TEST("retained walk: UNSUBSCRIBE ends it; so does the end of the session; a repeated SUBSCRIBE brings them again") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers, smallSteps());
    Client& publisher = broker.connected("p", 0);
    const Texts expected = retain(broker, publisher, 200, "x");
    Client& reader = broker.connected("r", workers - 1, {.receiveMaximum = 1});
    reader.answersAtOnce = false;
    const auto answerAll = [&] {
      for (int round = 0; round < 2'000; round++) {
        reader.answer();
        broker.settle();
      }
    };
    reader.subscribe("t/#", 1);
    broker.settle();
    reader.subscribe("t/#", 1);
    broker.settle();
    answerAll();
    CHECK_EQ(reader.received.size(), 2 * expected.size());
    reader.subscribe("t/#", 1);
    broker.settle();
    const size_t before = reader.received.size();
    reader.unsubscribe("t/#");
    broker.settle();
    answerAll();
    CHECK(reader.received.size() <= before + 6 * workers);
    CHECK_EQ(broker.sessionOf(reader)->unfinished->retained.waiting, 0);
    reader.subscribe("t/#", 1);
    broker.settle();
    broker.destroy(*broker.sessionOf(reader), workers - 1);
    CHECK(broker.settle());
    retain(broker, publisher, 200, "");
    CHECK_EQ(broker.total(Counter::retained), 0);
  }
}

TEST(
    "retained walk: thousands of filters that wait are left in any order, and a client that only subscribes is "
    "bounded") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers, smallSteps());
    Client& publisher = broker.connected("p", 0);
    const int count = 2'000;
    for (int i = 0; i < count; i++) {
      publisher.publish("t/" + std::to_string(i), "x", 1, true);
      if (i % 500 == 0) broker.settle();  // Receive Maximum
    }
    broker.settle();
    Client& reader = broker.connected("r", workers - 1, {.receiveMaximum = 1});
    reader.answersAtOnce = false;
    std::vector<Subscribe> all;
    for (int i = 0; i < count; i++) all.push_back({.filter = "t/" + std::to_string(i), .qos = 1});
    reader.subscribe(all);
    broker.settle();
    for (int i = 0; i < count; i += 2) reader.unsubscribe("t/" + std::to_string((i * 7) % count));
    broker.settle();
    for (int i = 1; i < 3 * count && reader.received.size() < size_t(count) / 2; i++) {
      reader.answer();
      broker.settle();
    }
    for (int i = 0; i < 20 * int(workers); i++) {
      reader.answer();
      broker.settle();
    }
    const Texts texts = reader.texts();
    CHECK_EQ(std::set<std::string>(texts.begin(), texts.end()).size(), texts.size());
    size_t odd = 0;
    for (const SentPublish& message : reader.received) odd += std::stoi(message.topic.substr(2)) % 2 != 0;
    CHECK_EQ(odd, size_t(count) / 2);
    CHECK(texts.size() <= odd + 10 * workers);  // what had been found before it left
    CHECK_EQ(broker.sessionOf(reader)->unfinished->retained.waiting, 0);
  }
  HandDrivenBroker broker(1, smallSteps());
  Client& publisher = broker.connected("p", 0);
  retain(broker, publisher, 50, "x");
  Client& reader = broker.connected("r", 0, {.receiveMaximum = 1});
  reader.answersAtOnce = false;
  for (int i = 0; i < 100; i++) {
    reader.subscribe("#", 1);
    broker.settle();
  }
  for (int i = 0; i < 10'000 && !reader.answers.empty(); i++) {
    reader.answer();
    broker.settle();
  }
  CHECK(reader.received.size() >= 50 && reader.received.size() <= 50 * 19);
}

TEST("retained walk: those of a filter that wait come, however often another one is repeated before") {
  HandDrivenBroker broker(1, smallSteps());
  Client& publisher = broker.connected("p", 0);
  retain(broker, publisher, 50, "x");
  publisher.publish("other/x", "y", 1, true);
  broker.settle();
  Client& reader = broker.connected("r", 0, {.receiveMaximum = 1});
  reader.answersAtOnce = false;
  std::vector<Subscribe> filters{{.filter = "t/#", .qos = 1}, {.filter = "other/#", .qos = 1}};
  for (int i = 0; i < 100; i++) filters.push_back(filters.front());
  reader.subscribe(filters);
  broker.settle();
  for (int i = 0; i < 1'000 && !reader.answers.empty(); i++) {
    reader.answer();
    broker.settle();
  }
  const Texts texts = reader.texts();
  CHECK_EQ(std::count(texts.begin(), texts.end(), "other/x=y"), 1);
  CHECK(texts.size() < 10 * 50);
  CHECK_EQ(broker.sessionOf(reader)->unfinished->retained.waiting, 0);
}

TEST("retained walk: filters that a slow reader gives up or repeats take no memory while they wait") {
  HandDrivenBroker broker(1, smallSteps());
  Client& publisher = broker.connected("p", 0);
  const Texts expected = retain(broker, publisher, 50, "x");
  Client& reader = broker.connected("r", 0, {.receiveMaximum = 1});
  reader.answersAtOnce = false;
  reader.subscribe("#", 1);
  std::vector<Subscribe> small;
  for (int i = 0; i < 200; i++) small.push_back({.filter = "s/" + std::to_string(i)});
  reader.subscribe(small);
  broker.settle();
  const size_t bytes = 60'000;
  const std::string text(bytes, 'x');
  for (int i = 0; i < 100; i++) {
    const std::string filter = text + std::to_string(i % 2 ? i : 0);  // a new one, or the same again
    reader.subscribe(filter.c_str(), 1);
    broker.settle();
    if (i % 2) reader.unsubscribe(filter);
    broker.settle();
    CHECK(broker.engine(0).shard().walks().filterBytes() < 4 * bytes);
  }
  for (int i = 0; i < 1'000 && !reader.answers.empty(); i++) {
    reader.answer();
    broker.settle();
  }
  CHECK(sortedTexts(reader) == expected);
  CHECK_EQ(broker.sessionOf(reader)->unfinished->retained.waiting, 0);
  CHECK_EQ(broker.engine(0).shard().walks().filterBytes(), 0);
}

TEST("retained walk: a session takes it along when it is away and comes back on another worker") {
  check::eachSeed(40, [](check::Random& random) {
    const unsigned workers = random.pick(std::vector<unsigned>{1, 2, 4});
    HandDrivenBroker broker(workers, smallSteps());
    Client& publisher = broker.connected("p", 0);
    const Texts expected = retain(broker, publisher, 150, "x");
    Client& roamer = broker.connected("r", 0, {.receiveMaximum = 3});
    roamer.subscribe("t/#", 2);
    for (int step = 0; step < 1'500; step++) {
      if (roamer.link && random.chance(2)) roamer.drop();
      if (!roamer.link && random.chance(10)) roamer.connect(unsigned(random.below(workers)));
      broker.step(random);
    }
    if (!roamer.link) roamer.connect(0);
    broker.settle();
    if (roamer.subacks.empty()) {  // it was lost with the connection
      roamer.subscribe("t/#", 2);
      broker.settle();
    }
    const Texts texts = roamer.texts();
    const std::set<std::string> seen(texts.begin(), texts.end());
    CHECK(Texts(seen.begin(), seen.end()) == expected);
    CHECK_EQ(broker.sessionOf(roamer)->unfinished->retained.waiting, 0);
    CHECK_EQ(broker.total(Counter::queued), 0);
  });
}

TEST("retained walk: expired messages on its way leave the store and are not sent") {
  HandDrivenBroker broker(1, smallSteps());
  Client& publisher = broker.connected("p", 0);
  for (int i = 0; i < 60; i++) {
    publisher.publish({.topic = "t/" + std::to_string(i),
                       .payload = "x",
                       .qos = 1,
                       .retain = true,
                       .expirySeconds = uint32_t(i % 2 ? 5 : 600)});
  }
  broker.settle();
  broker.nowMs += 6'000;
  Client& reader = broker.connected("r", 0);
  reader.subscribe("#", 0);
  broker.settle();
  CHECK_EQ(reader.received.size(), 30);
  CHECK_EQ(broker.total(Counter::retained), 30);
}
