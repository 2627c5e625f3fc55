// native/cluster/remote-ends.h: brokers of several nodes, joined by frames, as one broker to their clients.
#include <ctime>

#include "hand-driven-broker.h"

using namespace rally;
using cluster::FrameOutcome;

namespace {

using Texts = std::vector<std::string>;
using Nodes = std::vector<unsigned>;

// Nothing is lost any more: until what was, without anybody hearing of it, has come again.
void settleForSeconds(HandDrivenBroker& broker, int seconds = 5) {
  for (unsigned a = 0; a < broker.workers(); a++) {
    for (unsigned b = 0; b < broker.workers(); b++) broker.lose(a, b, 0);
  }
  for (; seconds > 0; seconds--) {
    broker.settle();
    broker.advanceTime(1'000);
  }
  CHECK(broker.settle());
}

cluster::LinkFigures figuresOf(HandDrivenBroker& broker, unsigned from, unsigned to) {
  cluster::LinkFigures figures;
  broker.engine(from).remote()->eachLink(broker.engine(from).nowMs(), [&](unsigned worker, uint64_t, const auto& each) {
    if (worker == to) figures = each;
  });
  return figures;
}

size_t onTheWay(HandDrivenBroker& broker, unsigned from, unsigned to) {
  const cluster::LinkFigures figures = figuresOf(broker, from, to);
  return size_t(figures.waitingBytes);
}

}  // namespace

TEST("cluster: messages of every QoS, retained ones and wills go from any node to any node") {
  HandDrivenBroker broker(Nodes{2, 1, 1});
  Client& all = broker.connected("all", 0);
  Client& exact = broker.connected("exact", 3, {.version = 4});
  all.subscribe("#", 2);
  exact.subscribe("a/b", 1);
  broker.settle();
  Texts expected;
  Texts expectedExact;
  for (unsigned worker = 0; worker < broker.workers(); worker++) {
    Client& publisher = broker.connected("p" + std::to_string(worker), worker);
    for (unsigned owner = 0; owner < broker.workers(); owner++) {
      for (int qos = 0; qos <= 2; qos++) {
        const std::string topic = broker.ownedBy(owner, "t/" + std::to_string(worker));
        publisher.publish(topic, std::to_string(qos), qos);
        broker.settle();
        expected.push_back(topic + "=" + std::to_string(qos));
      }
    }
    publisher.publish("a/b", "x", 1);
    broker.settle();
    expected.push_back("a/b=x");
    expectedExact.push_back("a/b=x");
    CHECK(publisher.unacknowledged.empty());
  }
  CHECK(all.texts() == expected);
  CHECK(exact.texts() == expectedExact);
  for (const SentPublish& message : all.received)
    CHECK_EQ(int(message.qos), message.topic == "a/b" ? 1 : std::stoi(message.payload));

  Client& publisher = broker.connected("r", 1);
  for (unsigned owner = 0; owner < broker.workers(); owner++)
    publisher.publish(broker.ownedBy(owner, "kept/"), std::to_string(owner), 1, true);
  broker.settle();
  Client& late = broker.connected("late", 2);
  late.subscribe("kept/#", 1);
  broker.settle();
  CHECK_EQ(late.received.size(), 4);
  for (const SentPublish& message : late.received) CHECK(message.retain);
  for (unsigned owner = 0; owner < broker.workers(); owner++) {
    const std::optional<Octets> found = broker.lookUp(broker.ownedBy(owner, "kept/"), 3);
    CHECK(found && !found->empty());
  }

  const Client::Options withWill{.will = SentPublish{.topic = "wills/x", .payload = "gone", .qos = 1}};
  Client& dying = broker.connected("dying", 3, withWill);
  late.subscribe("wills/+", 1);
  broker.settle();
  dying.drop();
  broker.settle();
  CHECK(late.texts().back() == "wills/x=gone");
}

TEST("cluster: one member of a share gets each message, on whatever nodes they are, and those who leave hand over") {
  HandDrivenBroker broker(Nodes{1, 2});
  std::vector<Client*> members;
  for (unsigned worker = 0; worker < 3; worker++) {
    members.push_back(&broker.connected("m" + std::to_string(worker), worker));
    members.back()->subscribe("$share/g/t/#", 1);
  }
  broker.settle();
  Client& publisher = broker.connected("p", 0);
  for (int i = 0; i < 90; i++) publisher.publish("t/" + std::to_string(i % 7), std::to_string(i), 1);
  broker.settle();
  std::multiset<std::string> all;
  for (const Client* member : members) {
    CHECK(member->received.size() >= 20);
    for (const SentPublish& message : member->received) all.insert(message.payload);
  }
  CHECK_EQ(all.size(), 90);
  for (int i = 0; i < 90; i++) CHECK_EQ(all.count(std::to_string(i)), 1);

  members[1]->answersAtOnce = false;
  for (int i = 90; i < 120; i++) publisher.publish("t/x", std::to_string(i), 1);
  broker.settle();
  members[1]->drop();  // with messages that it has not acknowledged
  broker.settle();
  all.clear();
  for (const unsigned worker : {0u, 2u}) {
    for (const SentPublish& message : members[worker]->received) all.insert(message.payload);
  }
  for (int i = 90; i < 120; i++) CHECK_EQ(all.count(std::to_string(i)), 1);
}

TEST("cluster: a session goes along with its client, with all that it holds, from node to node and back") {
  HandDrivenBroker broker(Nodes{1, 2});
  Client& publisher = broker.connected("p", 2);
  Client& mover = broker.connected("m", 0, {.receiveMaximum = 3});
  mover.subscribe({{.filter = "t", .qos = 2, .id = 7}, {.filter = "u/+", .qos = 1}});
  broker.settle();
  mover.answersAtOnce = false;
  Texts expected;
  int next = 0;
  const auto publishSome = [&] {
    for (int i = 0; i < 5; i++, next++) {
      publisher.publish("t", std::to_string(next), 1 + next % 2);
      expected.push_back("t=" + std::to_string(next));
    }
  };
  publishSome();
  broker.settle();
  CHECK_EQ(mover.received.size(), 3);
  mover.answers.clear();
  mover.drop();
  broker.settle();
  publishSome();
  for (const unsigned worker : {1u, 0u, 2u, 0u, 1u}) {
    mover.connect(worker);
    publishSome();
    broker.settle();
    CHECK(mover.isConnected);
    CHECK_EQ(broker.sessionOf(mover)->subscriptions.size(), 2);
  }
  mover.answersAtOnce = true;
  mover.answer();
  broker.settle();
  // What was sent with QoS 1 before a connection broke comes again.
  std::vector<std::string> firsts;
  for (const std::string& text : mover.texts()) {
    if (std::find(firsts.begin(), firsts.end(), text) == firsts.end()) firsts.push_back(text);
  }
  CHECK(firsts == expected);
  for (const SentPublish& message : mover.received) CHECK(message.subscriptionIds == std::vector<uint32_t>{7});
  CHECK_EQ(broker.total(Counter::sessions), 2);
  CHECK_EQ(broker.total(Counter::subscriptions), 2);
  CHECK_EQ(broker.total(Counter::queued), 0);
}

TEST("cluster: a queue of megabytes and the largest packet come in pieces, also over a way that breaks") {
  Limits limits;
  limits.maximumPacketSizeBytes = 3'000'000;
  limits.outboxBytesMax = 8'000'000;
  HandDrivenBroker broker(Nodes{1, 1}, limits);
  const std::string topic = broker.ownedBy(1, "large");
  Client& publisher = broker.connected("p", 0);
  Client& mover = broker.connected("m", 0);
  mover.subscribe(topic.c_str(), 1);
  broker.settle();
  const std::string payload(2'500'000, 'x');
  publisher.publish(topic, payload, 1);
  broker.settle();
  CHECK(mover.received.size() == 1 && mover.received[0].payload == payload);
  mover.drop();
  broker.settle();
  for (int i = 0; i < 4; i++) publisher.publish(topic, payload, 1);
  broker.settle();
  mover.connect(1);
  for (int i = 0; i < 30; i++) broker.turn(unsigned(i % 2));
  broker.cut(0, 1);
  for (int i = 0; i < 10; i++) broker.turn(unsigned(i % 2));
  broker.mend(0, 1);
  settleForSeconds(broker);
  CHECK_EQ(mover.received.size(), 5);
  for (const SentPublish& message : mover.received) CHECK(message.payload == payload);
  CHECK(onTheWay(broker, 0, 1) == 0 && onTheWay(broker, 1, 0) == 0);
}

TEST("cluster: a node that takes nothing holds up those who publish to it, in bounded memory, and nothing is lost") {
  Limits limits;
  limits.laneRecords = 64;
  limits.sessionQueueMessagesMax = 100'000;
  HandDrivenBroker broker(Nodes{1, 1}, limits);
  const std::string topic = broker.ownedBy(1, "t");
  Client& subscriber = broker.connected("s", 1);
  subscriber.subscribe(topic.c_str(), 1);
  Client& publisher = broker.connected("p", 0, {.receiveMaximum = 65'535});
  broker.settle();
  broker.hold(0, 1, true);
  const std::string payload(2'000, 'x');
  for (int i = 0; i < 900; i++) publisher.publish(topic, payload + std::to_string(i), 1);
  for (int i = 0; i < 50; i++) broker.turn(0);
  CHECK(broker.total(Counter::publishReceived) < 600);  // the others wait in the socket
  CHECK(onTheWay(broker, 0, 1) < cluster::Link::windowBytes + 100'000);
  CHECK(!broker.isRunnable(0));  // and nobody turns in vain
  broker.hold(0, 1, false);
  broker.settle();
  CHECK_EQ(subscriber.received.size(), 900);
  for (size_t i = 0; i < 900 && i < subscriber.received.size(); i++)
    CHECK(subscriber.received[i].payload == payload + std::to_string(i));
  CHECK(publisher.unacknowledged.empty());
}

TEST("cluster: a way that is cut for seconds, or loses frames without a word, loses no message and doubles none") {
  for (const bool isTold : {true, false}) {
    check::eachSeed(20, [&](check::Random& random) {
      HandDrivenBroker broker(Nodes{2, 1, 1});
      std::vector<Client*> publishers;
      std::vector<Client*> subscribers;
      for (unsigned worker = 0; worker < broker.workers(); worker++) {
        subscribers.push_back(&broker.connected("s" + std::to_string(worker), worker));
        subscribers.back()->subscribe(worker % 2 == 0 ? "#" : "t/1", 2);
        publishers.push_back(&broker.connected("p" + std::to_string(worker), worker));
      }
      broker.settle();
      std::vector<std::vector<std::string>> sent(2);  // by topic
      for (int step = 0; step < 300; step++) {
        const size_t topic = random.below(2);
        const auto from = unsigned(random.below(publishers.size()));
        if (sent[topic].size() < 60) {
          const std::string payload = std::to_string(from) + ":" + std::to_string(sent[topic].size());
          publishers[from]->publish("t/" + std::to_string(topic), payload, int(random.between(1, 2)));
          sent[topic].push_back(payload);
        }
        for (size_t steps = random.below(10); steps > 0; steps--) broker.step(random);
        const auto a = unsigned(random.below(broker.workers()));
        const auto b = unsigned(random.below(broker.workers()));
        if (!random.chance(10) || broker.nodeOf(a) == broker.nodeOf(b)) continue;
        if (!isTold) {
          broker.lose(a, b, random.between(1, 4));
        } else {
          broker.cut(a, b);
          for (size_t steps = random.below(60); steps > 0; steps--) broker.step(random);
          broker.mend(a, b);
        }
      }
      settleForSeconds(broker);
      for (const Client* publisher : publishers) CHECK(publisher->unacknowledged.empty());
      for (size_t topic = 0; topic < 2; topic++) {
        const std::string name = "t/" + std::to_string(topic);
        const auto seenBy = [&](const Client& client) {
          Texts seen;
          for (const SentPublish& message : client.received) {
            if (message.topic == name) seen.push_back(message.payload);
          }
          return seen;
        };
        const Texts order = seenBy(*subscribers[0]);
        CHECK_EQ(order.size(), sent[topic].size());
        CHECK(std::set<std::string>(order.begin(), order.end()).size() == order.size());
        for (const Client* subscriber : subscribers) {  // one order for all
          if (topic == 1 || subscriber->name() == "s0" || subscriber->name() == "s2")
            CHECK(seenBy(*subscriber) == order);
        }
      }
      CHECK(broker.framesLost > 0);
    });
  }
}

TEST("cluster: of an expiry interval nothing is lost or won between two clocks, and a cut way counts") {
  HandDrivenBroker broker(Nodes{1, 1});
  const std::string topic = broker.ownedBy(1, "t");
  Client& subscriber = broker.connected("s", 1);
  subscriber.subscribe(topic.c_str(), 1);
  Client& publisher = broker.connected("p", 0);
  broker.settle();
  publisher.publish({.topic = topic, .payload = "1", .qos = 1, .expirySeconds = 100});
  broker.settle();
  if (CHECK(subscriber.received.size() == 1)) CHECK_EQ(subscriber.received[0].expirySeconds.value_or(0), 100);
  broker.cut(0, 1);
  publisher.publish({.topic = topic, .payload = "2", .qos = 1, .expirySeconds = 3});
  publisher.publish({.topic = topic, .payload = "3", .qos = 1, .expirySeconds = 100});
  broker.settle();
  broker.advanceTime(5'000);
  broker.mend(0, 1);
  settleForSeconds(broker);
  if (CHECK(subscriber.received.size() == 2)) CHECK_EQ(subscriber.received[1].expirySeconds.value_or(0), 95);
  CHECK_EQ(broker.total(Counter::droppedExpired), 1);
}

TEST(
    "cluster: frames of strangers are refused; a link that is closed drops what is for it, and a new one begins anew") {
  HandDrivenBroker broker(Nodes{1, 1});
  const std::string topic = broker.ownedBy(1, "t");
  Client& publisher = broker.connected("p", 0);
  broker.hold(0, 1, true);
  publisher.publish(topic, "1", 1);
  for (int i = 0; i < 5; i++) broker.turn(0);
  if (!CHECK(!broker.framesOnTheWay(0, 1).empty())) return;
  const Octets frame = broker.framesOnTheWay(0, 1).back();
  CHECK(broker.receiveFrame(0, 0, frame) == FrameOutcome::foreignSender);  // its own
  Octets damaged = frame;
  damaged.back() ^= 1;
  CHECK(broker.receiveFrame(0, 1, damaged) == FrameOutcome::damaged);

  cluster::RemoteEnds& ends = *broker.engine(1).remote();
  CHECK(!broker.engine(1).openLink(0, 77));  // the one that is there is open still
  CHECK(!broker.engine(1).openLink(1, 77) && !broker.engine(1).openLink(64, 77));
  for (const int version : {cluster::oldestLinkVersion - 1, cluster::linkVersion + 1})
    CHECK(!broker.engine(0).openLink(1, 77, uint8_t(version)));
  CHECK(ends.close(0) && !ends.close(0) && !ends.reconnect(0));
  CHECK(broker.receiveFrame(0, 1, frame) == FrameOutcome::foreignSender);
  CHECK(broker.engine(1).openLink(0, 77));
  CHECK(broker.receiveFrame(0, 1, frame) == FrameOutcome::foreignSender);  // another incarnation
  CHECK(ends.close(0) && broker.engine(1).openLink(0, 1, cluster::oldestLinkVersion));
  CHECK(broker.receiveFrame(0, 1, frame) == FrameOutcome::foreignVersion);  // not the one they have agreed on
  CHECK(ends.close(0) && broker.engine(1).openLink(0, 77));

  // What is for a worker that is gone takes no room.
  CHECK(broker.engine(0).remote()->close(1));
  const std::string payload(10'000, 'x');
  for (int i = 0; i < 500; i++) {
    publisher.publish(topic, payload, 0);
    broker.turn(0);
  }
  CHECK_EQ(broker.total(Counter::publishReceived), 501);
  CHECK(broker.engine(0).openLink(1, 5));
  CHECK_EQ(onTheWay(broker, 0, 1), 0);
}

namespace {

// Messages that are with other workers, as under-way.h and as lists.
struct Sent {
  UnderWay underWay;
  std::array<std::deque<Source>, 3> lists;
  const MessageRef message{Message::make(1, 0)};

  void add(unsigned worker, const Source& source) {
    request::Publish asked;
    asked.qos = source.qos;
    asked.packetId = source.packetId;
    asked.connection = source.connection;
    asked.generation = source.generation;
    underWay.add(worker, asked, message);
    lists[worker].push_back(source);
  }
  void settle(unsigned worker, size_t place) {
    underWay.settle(worker, lists[worker][place]);
    lists[worker].erase(lists[worker].begin() + std::ptrdiff_t(place));
  }
  void lose(unsigned worker) {
    std::vector<uint32_t> lost;
    underWay.lose(worker, [&](const request::Publish& asked) {
      CHECK(asked.carried.take().get() == message.get());
      lost.push_back(asked.connection << 16 | asked.packetId);
    });
    std::vector<uint32_t> expected;
    for (const Source& each : lists[worker]) expected.push_back(each.connection << 16 | each.packetId);
    CHECK(lost == expected);
    lists[worker].clear();
  }
};

}  // namespace

TEST("cluster: messages under way are acknowledged in any order, and the others are in order when a worker is lost") {
  check::eachSeed(50, [](check::Random& random) {
    Sent sent;
    for (uint16_t number = 1; number < 500; number++) {
      const auto worker = unsigned(random.below(3));
      const std::deque<Source>& list = sent.lists[worker];
      if (list.empty() || random.chance(55)) {
        const auto connection = uint32_t(random.between(1, 3));
        sent.add(worker, {.connection = connection, .generation = 7, .packetId = number, .qos = 1});
      } else if (random.chance(98)) {
        sent.settle(worker, random.below(list.size()));
      } else {
        sent.lose(worker);
      }
      sent.underWay.settle(worker, {.connection = 4, .generation = 7, .packetId = number, .qos = 1});  // not ours
    }
    for (unsigned worker = 0; worker < 2; worker++) sent.lose(worker);  // what is left is freed
    CHECK_EQ(sent.message->references.load(), 1 + sent.lists[2].size());
  });
}

TEST("cluster: an acknowledgement takes as long whichever of many messages under way it is for") {
  constexpr uint16_t count = 20'000;
  const auto cpuOf = [](bool isBackwards) {
    Sent sent;
    for (uint16_t i = 1; i <= count; i++) sent.add(0, {.connection = 1, .packetId = i, .qos = 1});
    const std::clock_t start = std::clock();
    for (uint16_t i = 1; i <= count; i++) {
      const uint16_t packetId = isBackwards ? uint16_t(count + 1 - i) : i;
      sent.underWay.settle(0, {.connection = 1, .packetId = packetId, .qos = 1});
    }
    CHECK_EQ(sent.message->references.load(), 1);
    return double(std::clock() - start);
  };
  CHECK(cpuOf(true) < 20 * cpuOf(false) + CLOCKS_PER_SEC / 100);
}
