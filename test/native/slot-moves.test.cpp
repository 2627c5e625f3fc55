// native/front-end/slot-moves.h: slots change owners, workers join and are lost, while everything else goes on. Any
// order of events that real threads could bring about, and a strict model of what clients see.
#include "route-census.h"

using namespace rally;

namespace {

constexpr Limits smallLimits = {
    .inflightMax = 8, .laneRecords = 64, .retainedNodesAtOnce = 4, .retainedNodesPerStep = 3};

// With few routes or many.
Limits someLimits(check::Random& random) {
  Limits limits = smallLimits;
  if (random.chance(50)) limits.wildcardRoutesMax = random.between(1, 3) * 4;  // of four workers or five
  return limits;
}

SlotSet setOf(std::initializer_list<unsigned> slots) {
  SlotSet set;
  for (const unsigned slot : slots) set.add(slot);
  return set;
}

// The broker is a cluster that some workers join later, or leave for good.
class Cluster {
 public:
  explicit Cluster(unsigned workersMax, std::vector<unsigned> first, const Limits& limits = {})
      : broker(workersMax, limits) {
    broker.startCluster(first);
  }

  unsigned slotOfTopic(const std::string& topic) { return slotOf(broker.engine(0).filters().hashOf(bytesOf(topic))); }
  unsigned ownerSeenBy(unsigned worker, const std::string& topic) {
    return broker.engine(worker).slots().owner(slotOfTopic(topic));
  }
  // The worker takes the slot of the topic, and everybody comes to rest.
  void give(const std::string& topic, unsigned worker) {
    const uint64_t number = broker.takeSlots(worker, setOf({slotOfTopic(topic)}));
    broker.settle();
    CHECK(broker.taken.contains(number));
  }
  // All that are there agree, and nothing is held.
  void checkSettled() {
    for (unsigned worker = 0; worker < broker.workers(); worker++) {
      if (!broker.isThere(worker)) continue;
      const SlotMap& slots = broker.engine(worker).slots();
      CHECK(!slots.isAnyHeld());
      for (unsigned slot = 0; slot < slotCount; slot++) {
        const unsigned owner = slots.owner(slot);
        if (!CHECK(owner < broker.workers() && broker.isThere(owner))) return;
        CHECK(broker.engine(owner).slots().owner(slot) == owner);
      }
    }
  }

  // Everybody knows the routes that others have told, and has taken nothing for wrong.
  void checkRoutesToo() {
    std::vector<unsigned> there;
    for (unsigned worker = 0; worker < broker.workers(); worker++) {
      if (broker.isThere(worker)) there.push_back(worker);
    }
    passSeconds(broker, 12);
    checkRoutes(broker, there);
    CHECK_EQ(broker.total(Counter::routesRepaired), 0);
  }

  HandDrivenBroker broker;
};

}  // namespace

TEST("slot moves: a topic that changes owners keeps its subscribers, its retained message and its shares") {
  Cluster cluster(3, {0, 1, 2});
  HandDrivenBroker& broker = cluster.broker;
  Client& reader = broker.connected("reader", 0);
  Client& member = broker.connected("member", 1);
  Client& publisher = broker.connected("publisher", 2);
  reader.subscribe("a/b", 1);
  member.subscribe("$share/g/a/b", 1);
  broker.settle();
  publisher.publish("a/b", "1", 1, true);
  broker.settle();
  for (const unsigned worker : {0u, 1u, 2u, 0u}) {
    cluster.give("a/b", worker);
    cluster.checkSettled();
    for (unsigned each = 0; each < 3; each++) CHECK_EQ(cluster.ownerSeenBy(each, "a/b"), worker);
    publisher.publish("a/b", std::to_string(worker + 2), 1, true);
    broker.settle();
    Client& late = broker.connected("late" + std::to_string(broker.taken.size()), 1);
    late.subscribe("a/#", 1);
    broker.settle();
    CHECK(late.texts() == (std::vector<std::string>{"a/b=" + std::to_string(worker + 2)}));
    late.disconnect();
    broker.settle();
  }
  const std::vector<std::string> all = {"a/b=1", "a/b=2", "a/b=3", "a/b=4", "a/b=2"};
  CHECK(reader.texts() == all);
  CHECK(member.texts() == all);
  CHECK_EQ(broker.total(Counter::retained), 1);
}

TEST("slot moves: nobody keeps a filter of a slot that it does not own, and does not subscribe to") {
  Cluster cluster(3, {0, 1, 2});
  HandDrivenBroker& broker = cluster.broker;
  Client& reader = broker.connected("reader", 0);
  reader.subscribe("a/b", 1);
  reader.subscribe("$share/g/a/b", 1);
  broker.settle();
  for (const unsigned worker : {1u, 2u, 1u, 0u, 2u}) {
    cluster.give("a/b", worker);
    for (unsigned each = 0; each < 3; each++)
      CHECK_EQ(broker.engine(each).filters().size(), each == 0 || each == worker ? 2 : 0);
  }
  reader.unsubscribe("a/b");
  reader.unsubscribe("$share/g/a/b");
  broker.settle();
  for (unsigned each = 0; each < 3; each++) CHECK_EQ(broker.engine(each).filters().size(), 0);
}

TEST("slot moves: a worker that joins knows the filters with wildcards, and serves what it takes") {
  Cluster cluster(3, {0, 1});
  HandDrivenBroker& broker = cluster.broker;
  Client& reader = broker.connected("reader", 0);
  reader.subscribe("a/+", 1);
  broker.settle();
  broker.join(2);
  Client& publisher = broker.connected("publisher", 2);
  publisher.publish("a/b", "1", 1);
  broker.settle();
  cluster.give("a/b", 2);
  publisher.publish("a/b", "2", 1);
  broker.settle();
  CHECK(reader.texts() == (std::vector<std::string>{"a/b=1", "a/b=2"}));
  publisher.subscribe("a/b", 1);
  broker.settle();
  CHECK_EQ(publisher.subacks.size(), 1);
  cluster.checkSettled();
}

TEST("slot moves: two takers of a slot at once: one gets it, and nothing waits for ever") {
  check::eachSeed(20, [](check::Random& random) {
    Cluster cluster(4, {0, 1, 2, 3});
    HandDrivenBroker& broker = cluster.broker;
    Client& reader = broker.connected("reader", 0);
    reader.subscribe("a/b", 1);
    Client& publisher = broker.connected("publisher", 3);
    broker.settle();
    std::vector<uint64_t> numbers;
    for (int i = 0; i < 12; i++) {
      const std::string payload = std::to_string(i);
      publisher.publish("a/b", payload, 1, true);
      const auto slots = setOf({cluster.slotOfTopic("a/b"), cluster.slotOfTopic("c")});
      numbers.push_back(broker.takeSlots(unsigned(random.below(4)), slots));
      for (size_t count = random.below(60); count > 0; count--) broker.step(random);
    }
    CHECK(broker.settle());
    for (const uint64_t number : numbers) CHECK(broker.taken.contains(number));
    cluster.checkSettled();
    CHECK_EQ(reader.received.size(), 12);
    for (size_t i = 0; i < reader.received.size(); i++) CHECK_EQ(reader.received[i].payload, std::to_string(i));
    Client& late = broker.connected("late", 1);
    late.subscribe("#", 1);
    broker.settle();
    CHECK(late.texts() == (std::vector<std::string>{"a/b=11"}));
  });
}

namespace {

// Clients that publish, read from the beginning, share, come late and move about, while slots change owners and workers
// join.
class Traffic {
 public:
  Traffic(Cluster& cluster, check::Random& random, std::vector<unsigned> workers)
      : cluster_(cluster), broker_(cluster.broker), random_(random), workers_(std::move(workers)) {
    for (int i = 0; i < 3; i++) {
      Client& watcher = broker_.connected("watcher" + std::to_string(i), any());
      watcher.subscribe({{.filter = i == 0 ? "#" : "t/+", .qos = 2}, {.filter = i == 0 ? "x" : "r/+", .qos = 2}});
      if (i == 2) {
        for (const std::string& topic : topics) watcher.subscribe({{.filter = topic, .qos = 2}});
      }
      watchers_.push_back(&watcher);
    }
    for (int i = 0; i < 4; i++) {
      Client& member = broker_.connected("member" + std::to_string(i), any());
      member.subscribe("$share/wild/t/+", 2);
      member.subscribe("$share/exact/t/1", 2);
      members_.push_back(&member);
    }
    for (int i = 0; i < 3; i++) publishers_.push_back(&broker_.connected("p" + std::to_string(i), any()));
    broker_.settle();
  }

  void addWorker(unsigned worker) { workers_.push_back(worker); }

  void act() {
    const size_t drawn = random_.below(100);
    if (drawn < 55) publish();
    else if (drawn < 63) comeLate();
    else if (drawn < 70) takeSlots();
    else if (drawn < 80) roam(*random_.pick(watchers_));
    else if (drawn < 90 && !late_.empty()) goOnReading();
    for (size_t count = random_.below(40); count > 0; count--) broker_.step(random_);
  }

  void takeSlots() {
    SlotSet slots;
    for (const std::string& topic : topics) {
      if (random_.chance(40)) slots.add(cluster_.slotOfTopic(topic));
    }
    for (int i = 0; i < 20; i++) slots.add(unsigned(random_.below(slotCount)));
    moves_.push_back(broker_.takeSlots(any(), slots));
  }

  void check() {
    for (Client* watcher : watchers_) {
      if (!watcher->isConnected) watcher->connect(any());
    }
    CHECK(broker_.settle());
    for (const uint64_t move : moves_) CHECK(broker_.taken.contains(move));
    cluster_.checkSettled();
    for (Client* publisher : publishers_) CHECK(publisher->unacknowledged.empty());
    // One order for all, with each publisher's own in it and each message once.
    std::map<std::string, std::vector<std::string>> order = byTopic(*watchers_[0]);
    for (const std::string& topic : topics) {
      std::map<std::string, size_t> next;
      for (const std::string& payload : order[topic]) {
        const size_t colon = payload.find(':');
        CHECK_EQ(payload.substr(colon + 1), std::to_string(next[payload.substr(0, colon)]++));
      }
      CHECK_EQ(order[topic].size(), published_[topic]);
      for (Client* watcher : watchers_) CHECK(byTopic(*watcher)[topic] == order[topic]);
    }
    checkShares(order);
    for (Client* late : late_) checkLate(*late, order);
    checkRetained(order);
  }

  const std::vector<std::string> topics = {"t/1", "t/2", "t/3", "t/4", "r/1", "r/2", "r/3", "r/4", "r/5", "r/6"};

 private:
  unsigned any() { return random_.pick(workers_); }

  void publish() {
    const size_t who = random_.below(publishers_.size());
    const std::string& topic = random_.pick(topics);
    for (size_t i = random_.between(1, 3); i > 0; i--) {
      const std::string name = publishers_[who]->name();
      const std::string payload = name + ":" + std::to_string(numbers_[name + topic]++);
      publishers_[who]->publish(topic, payload, int(random_.between(1, 2)), topic[0] == 'r');
      published_[topic]++;
    }
  }
  void comeLate() {
    Client& late = broker_.add("late" + std::to_string(late_.size()));
    if (random_.chance(50)) late.options.receiveMaximum = uint16_t(random_.between(1, 3));
    late.connect(any());
    const std::vector<std::string> filters = {"r/+", "#", "r/1", "r/2", "r/3", "t/1"};
    late.subscribe(random_.pick(filters).c_str(), 2);
    if (random_.chance(30)) late.answersAtOnce = false;
    late_.push_back(&late);
  }
  void goOnReading() {
    Client& late = *random_.pick(late_);
    if (!late.isConnected) return;
    late.answer(random_.between(1, 3));
    late.answersAtOnce = random_.chance(30);
  }
  void roam(Client& client) {
    if (client.isConnected && random_.chance(50)) client.drop();
    else client.connect(any());
  }

  // Without what came with QoS 1 before already, on an earlier connection.
  static std::map<std::string, std::vector<std::string>> byTopic(const Client& client) {
    std::map<std::string, std::vector<std::string>> all;
    for (const SentPublish& each : client.received) {
      std::vector<std::string>& payloads = all[each.topic];
      const bool isAgain = each.duplicate &&
                           std::find(payloads.begin(), payloads.end(), each.payload) != payloads.end();
      if (!isAgain) payloads.push_back(each.payload);
    }
    return all;
  }

  void checkShares(std::map<std::string, std::vector<std::string>>& order) {
    std::map<std::string, std::map<std::string, size_t>> got;
    for (const Client* member : members_) {
      for (const SentPublish& each : member->received) got[each.topic][each.payload]++;
    }
    for (const std::string& topic : topics) {
      if (topic[0] != 't') continue;
      for (const std::string& payload : order[topic]) CHECK_EQ(got[topic][payload], topic == "t/1" ? 2 : 1);
      CHECK_EQ(got[topic].size(), order[topic].size());
    }
  }

  // Whoever subscribes gets what is retained, and then all that follows it.
  void checkLate(Client& late, std::map<std::string, std::vector<std::string>>& order) {
    late.answersAtOnce = true;
    late.answer();
    CHECK(broker_.settle());
    CHECK_EQ(late.subacks.size(), 1);
    std::map<std::string, std::vector<SentPublish>> received;
    for (const SentPublish& each : late.received) received[each.topic].push_back(each);
    for (const auto& [topic, publishes] : received) {
      const std::vector<std::string>& all = order[topic];
      auto at = std::find(all.begin(), all.end(), publishes[0].payload);
      for (const SentPublish& each : publishes) {
        if (!CHECK(at != all.end() && *at == each.payload)) return;
        CHECK(!each.retain || &each == &publishes[0]);
        at++;
      }
      CHECK(at == all.end());
    }
  }

  void checkRetained(std::map<std::string, std::vector<std::string>>& order) {
    Client& last = broker_.connected("last", any());
    last.subscribe("r/#", 1);
    CHECK(broker_.settle());
    size_t retained = 0;
    for (const std::string& topic : topics) {
      if (topic[0] != 'r' || order[topic].empty()) continue;
      retained++;
      CHECK(byTopic(last)[topic] == std::vector<std::string>{order[topic].back()});
      CHECK(broker_.lookUp(topic, any()).value_or(Octets()).size() > 0);
    }
    CHECK_EQ(last.received.size(), retained);
    CHECK_EQ(broker_.total(Counter::retained), retained);
    broker_.advanceTime(1'000);
    for (const unsigned worker : workers_) CHECK(!broker_.engine(worker).shard().retained().hasLeft());
  }

  Cluster& cluster_;
  HandDrivenBroker& broker_;
  check::Random& random_;
  std::vector<unsigned> workers_;
  std::vector<Client*> watchers_;
  std::vector<Client*> members_;
  std::vector<Client*> publishers_;
  std::vector<Client*> late_;
  std::vector<uint64_t> moves_;
  std::map<std::string, size_t> numbers_;    // of messages, by publisher and topic
  std::map<std::string, size_t> published_;  // by topic
};

}  // namespace

TEST("slot moves: whatever moves, each message comes once and in one order for all, and what is retained goes along") {
  check::eachSeed(60, [](check::Random& random) {
    Cluster cluster(4, {0, 1, 2, 3}, someLimits(random));
    Traffic traffic(cluster, random, {0, 1, 2, 3});
    for (int i = 0; i < 80; i++) traffic.act();
    traffic.check();
    cluster.checkRoutesToo();
  });
}

TEST("slot moves: the same while workers join") {
  check::eachSeed(60, [](check::Random& random) {
    Cluster cluster(5, {0, 1}, someLimits(random));
    Traffic traffic(cluster, random, {0, 1});
    for (unsigned worker = 2; worker < 5; worker++) {
      for (int i = 0; i < 20; i++) traffic.act();
      cluster.broker.join(worker);
      traffic.addWorker(worker);
    }
    for (int i = 0; i < 20; i++) traffic.act();
    traffic.check();
    cluster.checkRoutesToo();
  });
}

namespace {

// Who is lost, and what may be lost with it: what its clients had, and, of what it has not acknowledged, nothing.
class Losses {
 public:
  Losses(Cluster& cluster, check::Random& random) : cluster_(cluster), broker_(cluster.broker), random_(random) {
    for (unsigned i = 0; i < 3; i++) {
      Client& watcher = broker_.connected("watcher" + std::to_string(i), i % 2);
      watcher.subscribe({{.filter = "t/+", .qos = 2}, {.filter = "r/1", .qos = 2}, {.filter = "r/2", .qos = 2}});
      watchers_.push_back(&watcher);
    }
    for (unsigned i = 0; i < 3; i++) publishers_.push_back(&broker_.connected("p" + std::to_string(i), i % 2));
    for (unsigned i = 0; i < 4; i++) {
      Client& roamer = broker_.connected("roamer" + std::to_string(i), i);
      roamer.subscribe(
          {{.filter = "t/+", .qos = 1}, {.filter = "t/1", .qos = 1}, {.filter = "$share/g/t/2", .qos = 1}});
      roamers_.push_back(&roamer);
    }
    broker_.settle();
  }

  // Their sessions may be lost, but not the clients.
  void roam(const std::vector<unsigned>& workers) {
    Client& roamer = *random_.pick(roamers_);
    if (random_.chance(30)) roamer.drop();
    else roamer.connect(random_.pick(workers));
  }

  // From clients of workers 0 and 1, which stay.
  void act() {
    Client& publisher = *random_.pick(publishers_);
    const std::string& topic = random_.pick(topics);
    const std::string payload = publisher.name() + ":" + std::to_string(numbers_[publisher.name() + topic]++);
    publisher.publish(topic, payload, int(random_.between(1, 2)), topic[0] == 'r');
    for (size_t count = random_.below(30); count > 0; count--) broker_.step(random_);
  }

  // Some worker that is there takes what the lost ones had or were about to get.
  void takeOver(const SlotSet& slots, std::vector<unsigned> workers) {
    broker_.takeSlots(random_.pick(workers), slots);
  }

  void check() {
    CHECK(broker_.settle());
    cluster_.checkSettled();
    for (Client* publisher : publishers_) CHECK(publisher->unacknowledged.empty());
    for (const std::string& topic : topics) {
      for (Client* watcher : watchers_) {
        // Everything has come, a publisher's messages in order but for what was sent again: each step back is by one
        // run.
        std::map<std::string, std::set<size_t>> got;
        for (const SentPublish& each : watcher->received) {
          if (each.topic != topic) continue;
          const size_t colon = each.payload.find(':');
          const size_t number = std::stoull(each.payload.substr(colon + 1));
          std::set<size_t>& numbers = got[each.payload.substr(0, colon)];
          CHECK(number <= numbers.size());  // no later one before an earlier one that it has not had
          numbers.insert(number);
        }
        for (Client* publisher : publishers_)
          CHECK_EQ(got[publisher->name()].size(), numbers_[publisher->name() + topic]);
      }
    }
  }

  // From now on as if nothing had happened.
  void checkAfterwards() {
    for (Client* roamer : roamers_) roamer->connect(0);
    CHECK(broker_.settle());
    for (Client* roamer : roamers_) {
      if (!CHECK(roamer->isConnected)) return;
      roamer->subacks.clear();
      roamer->subscribe("t/+", 1);
    }
    CHECK(broker_.settle());
    for (Client* roamer : roamers_) {
      CHECK_EQ(roamer->subacks.size(), 1);
      roamer->received.clear();
    }
    const std::vector<size_t> before = counts();
    for (const std::string& topic : topics) publishers_[0]->publish(topic, "afterwards", 2, topic[0] == 'r');
    CHECK(broker_.settle());
    for (size_t i = 0; i < watchers_.size(); i++) CHECK_EQ(watchers_[i]->received.size(), before[i] + topics.size());
    for (Client* roamer : roamers_) {
      std::map<std::string, size_t> got;
      for (const SentPublish& each : roamer->received) got[each.topic]++;
      CHECK(got["t/1"] == 1 && got["t/2"] >= 1 && got["t/2"] <= 2 && got["t/3"] == 1);
    }
    Client& late = broker_.connected("late", 1);
    late.subscribe("r/#", 1);
    CHECK(broker_.settle());
    CHECK_EQ(late.subacks.size(), 1);
    std::vector<std::string> texts = late.texts();
    std::sort(texts.begin(), texts.end());
    CHECK(texts == (std::vector<std::string>{"r/1=afterwards", "r/2=afterwards"}));
  }

  const std::vector<std::string> topics = {"t/1", "t/2", "t/3", "r/1", "r/2"};

 private:
  std::vector<size_t> counts() const {
    std::vector<size_t> all;
    for (const Client* watcher : watchers_) all.push_back(watcher->received.size());
    return all;
  }

  Cluster& cluster_;
  HandDrivenBroker& broker_;
  check::Random& random_;
  std::vector<Client*> watchers_;
  std::vector<Client*> publishers_;
  std::vector<Client*> roamers_;
  std::map<std::string, size_t> numbers_;  // of messages, by publisher and topic
};

SlotSet allSlots() {
  SlotSet all;
  for (unsigned slot = 0; slot < slotCount; slot++) all.add(slot);
  return all;
}

}  // namespace

TEST("slot moves: a worker that is lost is forgotten, its topics go on elsewhere, and what waited for it goes on") {
  Cluster cluster(3, {0, 1, 2});
  HandDrivenBroker& broker = cluster.broker;
  Client& reader = broker.connected("reader", 0);
  Client& lost = broker.connected("lost", 2);
  Client& publisher = broker.connected("publisher", 1);
  reader.subscribe("a/b", 1);
  lost.subscribe("a/+", 1);
  lost.subscribe("$share/g/a/+", 1);
  broker.settle();
  cluster.give("a/b", 2);
  const SlotSet slots = broker.slotsOf(2);
  broker.lose(2);
  publisher.publish("a/b", "1", 1);
  publisher.subscribe("c/#", 1);
  broker.settle();
  CHECK(broker.forgotten == (std::set<std::pair<unsigned, unsigned>>{{0, 2}, {1, 2}}));
  CHECK(publisher.subacks.empty());  // until somebody has the slots
  CHECK_EQ(publisher.unacknowledged.size(), 1);
  broker.takeSlots(0, slots);
  broker.settle();
  cluster.checkSettled();
  CHECK_EQ(publisher.subacks.size(), 1);
  CHECK(publisher.unacknowledged.empty());
  CHECK(reader.texts() == (std::vector<std::string>{"a/b=1"}));
  for (unsigned worker = 0; worker < 2; worker++) CHECK(!broker.engine(worker).filterTable().find(bytesOf("a/+")));
}

TEST("slot moves: workers that are lost at any time: what was not acknowledged comes, and all goes on") {
  check::eachSeed(100, [](check::Random& random) {
    Cluster cluster(5, {0, 1, 2, 3}, someLimits(random));
    HandDrivenBroker& broker = cluster.broker;
    Losses losses(cluster, random);
    std::vector<unsigned> there = {0, 1, 2, 3};
    if (random.chance(50)) {
      broker.join(4);
      there.push_back(4);
    }
    while (there.size() > 2) {
      for (size_t i = random.below(20); i > 0; i--) {
        losses.act();
        if (random.chance(40)) losses.roam(there);
      }
      if (random.chance(70)) broker.takeSlots(random.pick(there), broker.slotsOf(random.pick(there)));
      for (size_t i = random.below(10); i > 0; i--) losses.act();
      const unsigned worker = there.back();
      there.pop_back();
      broker.lose(worker);
      for (size_t i = random.below(10); i > 0; i--) {
        losses.act();
        if (random.chance(40)) losses.roam(there);
      }
    }
    for (size_t i = random.below(20); i > 0; i--) losses.act();
    losses.takeOver(allSlots(), there);
    for (size_t i = random.below(20); i > 0; i--) losses.act();
    losses.check();
    losses.checkAfterwards();
    cluster.checkRoutesToo();
  });
}
