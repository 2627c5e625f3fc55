// native/accounts.h: what clients make a worker keep is what an independent count of the live structures finds, and
// when there is too much of it the one that holds most pays.
#include "census.h"

using namespace rally;

namespace {

constexpr FakeTransport::Kind tcp = FakeTransport::Kind::tcp;  // keeps what is unsent in the arena

// A client that does anything, also what takes long or never ends.
struct Restless {
  Client& client;
  Octets rest = {};  // of a packet that has begun

  void begin(check::Random& random, const std::string& topic) {
    const Octets whole = encode({.topic = topic, .payload = std::string(random.below(12'000), 'h')}, 5);
    const size_t cut = random.between(1, whole.size());
    client.send(Octets(whole.begin(), whole.begin() + std::ptrdiff_t(cut)));
    rest.assign(whole.begin() + std::ptrdiff_t(cut), whole.end());
    if (!rest.empty()) client.answersAtOnce = false;  // answers would come in the middle of it
  }
};

class Crowd {
 public:
  Crowd(HandDrivenBroker& broker, check::Random& random) : broker_(broker), random_(random) {
    for (int i = 0; i < 9; i++) {
      Client& client = broker.add("c" + std::to_string(i), {.isPersistent = random.chance(80),
                                                            .receiveMaximum = uint16_t(random.chance(30) ? 3 : 200),
                                                            .topicAliasMaximum = uint16_t(random.below(6))});
      all_.push_back({client});
    }
  }

  void act() {
    Restless& restless = all_[random_.below(all_.size())];
    Client& client = restless.client;
    const size_t choice = random_.below(22);
    const bool isOver = !client.link || client.disconnectReason || (client.link->isOpened && !client.link->connection);
    if (isOver || choice == 0) {
      connect(restless);
    } else if (!client.isConnected || choice == 1) {
      if (random_.chance(20)) client.drop();
    } else if (!restless.rest.empty()) {
      if (random_.chance(30)) client.send(std::exchange(restless.rest, {}));
    } else if (choice == 2) {
      client.subscribe({{.filter = filter(), .qos = uint8_t(random_.below(3)), .id = uint32_t(random_.below(3))}});
    } else if (choice == 3) {
      client.unsubscribe(filter());
    } else if (choice == 4) {
      client.stopReading(random_.below(3'000));
    } else if (choice == 5) {
      client.goOnReading(random_.chance(50) ? SIZE_MAX : random_.below(20'000));
    } else if (choice == 6) {
      client.answersAtOnce = !client.answersAtOnce;
    } else if (choice == 7) {
      client.answer(random_.below(20));
    } else if (choice == 8) {
      restless.begin(random_, topic());
    } else if (choice == 9) {
      broker_.advanceTime(random_.below(50));
    } else if (choice == 10) {
      client.publish({.topic = longTopic(), .topicAlias = uint16_t(random_.between(1, 12))});
    } else if (choice == 11) {
      client.publish(longTopic(), random_.chance(70) ? "retained" : "", int(random_.below(3)), true);
    } else {
      const size_t bytes = random_.chance(90) ? random_.below(300) : random_.below(8'000);
      for (size_t i = random_.between(1, 20); i > 0; i--)
        client.publish(topic(), std::string(bytes, 'p'), int(random_.below(3)), random_.chance(10));
    }
  }

  const std::vector<std::weak_ptr<Link>>& links() const { return links_; }

  void leave() {
    for (Restless& each : all_) each.client.drop();
    broker_.settle();
  }

 private:
  void connect(Restless& restless) {
    restless.rest.clear();
    restless.client.connect(unsigned(random_.below(broker_.workers())));
    std::erase_if(links_, [](const auto& each) { return each.expired(); });
    links_.push_back(restless.client.link);
  }
  std::string topic() { return random_.pick(topics_); }
  std::string longTopic() { return "a/" + std::string(random_.between(5, 300), char('a' + random_.below(20))); }
  std::string filter() { return random_.chance(20) ? longTopic() + "/+" : random_.pick(filters_); }

  HandDrivenBroker& broker_;
  check::Random& random_;
  std::vector<Restless> all_;
  std::vector<std::weak_ptr<Link>> links_;
  const std::vector<std::string> topics_ = {"a", "b", "a/b", "a/c"};
  const std::vector<std::string> filters_ = {"a", "b", "a/b", "a/+", "+/b", "#", "$share/g/#", "$share/g/a"};
};

// So small that every bound is reached.
Limits tightLimits() {
  Limits limits;
  limits.maximumPacketSizeBytes = 16'000;
  limits.sessionQueueBytesMax = 30'000;
  limits.sessionsTotalBytesMax = 80'000;
  limits.inputTotalBytesMax = 40'000;
  limits.outboxBytesMax = 60'000;
  limits.outboxTotalBytesMax = 20 * Arena::largeBytes;
  limits.topicAliasBytesMax = 1'500;
  limits.topicAliasesTotalBytesMax = 5'000;
  limits.retainedBytesMax = 20'000;
  limits.packetIdsTotalBytesMax = 2'000;
  limits.retainedNodesPerStep = 2;
  return limits;
}

// Publishes messages of 1,000 bytes with QoS 1.
void publish(Client& publisher, const std::string& topic, int count, size_t bytes = 1'000) {
  for (int i = 0; i < count; i++) publisher.publish(topic, std::string(bytes, 'x'), 1);
}

// A session that is away and subscribes to its own topic and to "all".
Client& awaySession(HandDrivenBroker& broker, const std::string& name) {
  Client& client = broker.connected(name, 0);
  client.subscribe({{.filter = name, .qos = 1}, {.filter = "all", .qos = 1}});
  broker.settle();
  client.drop();
  broker.settle();
  return client;
}

}  // namespace

TEST("accounts: whatever clients do, each is what an independent count finds") {
  uint64_t reached[6] = {};
  constexpr Counter bounds[] = {Counter::publishSent,      Counter::droppedQos0,    Counter::droppedQueueFull,
                                Counter::droppedTotalFull, Counter::connectionsCut, Counter::retainedRefused};
  check::eachSeed(3, [&](check::Random& random) {
    const auto workers = unsigned(random.between(1, 3));
    HandDrivenBroker broker(workers, tightLimits(), random.chance(80) ? tcp : FakeTransport::Kind::webSocket);
    Crowd crowd(broker, random);
    for (int step = 0; step < 10'000; step++) {
      crowd.act();
      for (size_t i = random.below(6); i > 0; i--) broker.step(random);
      if (random.chance(5) && broker.settle() && !checkNames(broker)) return;
      if (step % 10 != 0) continue;
      for (unsigned worker = 0; worker < workers; worker++) {
        if (!checkSessions(broker, worker) || !checkInputs(broker, worker) ||
            !checkOutboxes(broker, worker, crowd.links()) || !checkAliases(broker, worker) ||
            !checkRetained(broker, worker))
          return;
      }
    }
    for (size_t i = 0; i < std::size(bounds); i++) reached[i] += broker.total(bounds[i]);
    crowd.leave();
    broker.advanceTime(3'000);
    broker.settle();
    for (unsigned worker = 0; worker < workers; worker++) {
      std::vector<Session*> left;
      broker.engine(worker).eachSession([&](Session& session) { left.push_back(&session); });
      for (Session* session : left) broker.destroy(*session, worker);
    }
    broker.settle();
    CHECK_EQ(broker.subscriptionBytes(), 0);
    for (unsigned worker = 0; worker < workers; worker++) {
      CHECK_EQ(broker.engine(worker).frontEnd().outbound().aliases().bytes(), 0);
      CHECK_EQ(broker.engine(worker).accounts().sessions.bytes(), 0);
      CHECK_EQ(broker.engine(worker).accounts().inputs.bytes(), 0);
      CHECK(broker.engine(worker).frontEnd().outbound().arena().usedBytes() <= Arena::largeBytes);
    }
  });
  for (const uint64_t count : reached) CHECK(count > 50);
}

TEST("accounts: a message that many sessions hold is counted once, and fully in each") {
  HandDrivenBroker broker(2);
  std::vector<Client*> away;
  for (int i = 0; i < 10; i++) away.push_back(&awaySession(broker, "s" + std::to_string(i)));
  Client& publisher = broker.connected("p", 1);
  publish(publisher, "all", 1, 50'000);
  broker.settle();
  CHECK_EQ(broker.sessionOf(*away[0])->heldBytes(),
           sizeof(Delivery) + heapBytes(sizeof(Message) + 2 * sizeof(Holding) + 3 + 50'000));
  const size_t all = broker.engine(0).accounts().sessions.bytes();
  CHECK(all > 50'000 && all < 60'000);
  CHECK_EQ(broker.engine(1).accounts().sessions.bytes(), 0);
}

TEST("accounts: what many sessions wait for is there once, also where one has a message of its own, or moves") {
  constexpr size_t sessions = 200;
  constexpr size_t messages = 300;
  Limits limits;
  limits.inflightMax = 1;
  HandDrivenBroker broker(2, limits);
  std::vector<Client*> away;
  for (size_t i = 0; i < sessions; i++) away.push_back(&awaySession(broker, "s" + std::to_string(i)));
  Client& publisher = broker.connected("p", 0);
  for (size_t i = 0; i < messages; i++) {
    publish(publisher, "all", 1, 100);
    if (i % 3 == 0) publish(publisher, "s" + std::to_string(i % sessions), 1, 100);
    broker.settle();
  }
  const size_t stored = messages + messages / 3;
  const auto heldBy = [&](unsigned worker) { return broker.engine(worker).accounts().sessions.bytes(); };
  const size_t each = Message::blockBytes(2, 3 + 100 + 4) + 48;
  CHECK(heldBy(0) > stored * 100);
  CHECK(heldBy(0) < stored * each + sessions * 200 + 2'048);
  for (size_t i = 0; i < sessions / 2; i++) {
    away[i]->answersAtOnce = false;
    away[i]->connect(1);
  }
  broker.settle();
  for (size_t i = 0; i < sessions / 2; i++) away[i]->drop();
  broker.settle();
  CHECK(heldBy(1) > messages * 100);
  CHECK(heldBy(1) < 2 * stored * each + sessions * 400);
  for (Client* client : away) {
    client->answersAtOnce = true;
    client->connect(0);
  }
  broker.settle();
  for (size_t i = 0; i < sessions; i++) {
    size_t expected = messages + (i < sessions / 2);  // one was on its way, and comes again
    for (size_t number = 0; number < messages; number += 3) expected += number % sessions == i;
    CHECK_EQ(away[i]->received.size(), expected);
  }
  CHECK(checkSessions(broker, 0) && checkSessions(broker, 1));
}

TEST("accounts: window and queue of a session have one bound in bytes") {
  Limits limits;
  limits.sessionQueueBytesMax = 20'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& silent = broker.connected("s", 0);
  silent.subscribe("t", 1);
  broker.settle();
  silent.answersAtOnce = false;
  publish(publisher, "t", 40);
  broker.settle();
  const Session& session = *broker.sessionOf(silent);
  CHECK_EQ(silent.received.size(), 18);
  CHECK(session.window.bytes() > 18'000 && session.window.bytes() <= 20'000);
  CHECK(session.queue.isEmpty());
  CHECK_EQ(broker.total(Counter::droppedQueueFull), 22);
  silent.drop();
  publish(publisher, "t", 5);
  broker.settle();
  CHECK(session.heldBytes() <= 20'000);
  silent.received.clear();
  silent.answersAtOnce = true;
  silent.connect(0);
  broker.settle();
  CHECK_EQ(silent.arrivals.size(), 36);  // each of the 18 twice
  publish(publisher, "t", 5);
  broker.settle();
  CHECK_EQ(silent.arrivals.size(), 41);
  CHECK_EQ(session.heldBytes(), 0);
}

TEST("accounts: subscription identifiers count") {
  Limits limits;
  limits.sessionQueueBytesMax = 20'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& away = broker.connected("s", 0);
  for (uint32_t i = 0; i < 8; i++) {
    std::string filter;
    for (int level = 0; level < 3; level++) filter += (i >> level & 1) != 0 ? "/+" : "/a";
    away.subscribe({{.filter = filter.substr(1), .qos = 1, .id = i + 1}});
  }
  broker.settle();
  away.drop();
  broker.settle();
  publisher.publish("a/a/a", "x", 1);
  broker.settle();
  CHECK(broker.sessionOf(away)->heldBytes() >= sizeof(Delivery) + sizeof(Message) + 6 + 7 * sizeof(uint32_t));
  for (int i = 0; i < 200; i++) publisher.publish("a/a/a", "x", 1);
  broker.settle();
  CHECK(broker.sessionOf(away)->heldBytes() <= 20'000);
  CHECK(broker.total(Counter::droppedQueueFull) > 0);
}

TEST("accounts: retained messages go into a full window one at a time, and nothing gets stuck") {
  Limits limits;
  limits.sessionQueueBytesMax = 5'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  for (int i = 0; i < 20; i++) publisher.publish("r/" + std::to_string(i), std::string(1'000, 'r'), 1, true);
  broker.settle();
  Client& slow = broker.connected("s", 0);
  slow.answersAtOnce = false;
  slow.subscribe("#", 1);
  broker.settle();
  CHECK_EQ(slow.received.size(), 4);
  CHECK(broker.sessionOf(slow)->heldBytes() <= 5'000);
  slow.answersAtOnce = true;
  slow.answer();
  broker.settle();
  CHECK_EQ(slow.received.size(), 20);
}

TEST("accounts: when all sessions hold too much the largest loses its newest, and others take as if nothing were") {
  Limits limits;
  limits.sessionQueueBytesMax = 150'000;
  limits.sessionsTotalBytesMax = 195'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& greedy = awaySession(broker, "greedy");
  Client& modest = awaySession(broker, "modest");
  Client& late = awaySession(broker, "late");
  publish(publisher, "greedy", 125);
  publish(publisher, "modest", 28);
  broker.settle();
  publish(publisher, "modest", 5);
  broker.settle();
  CHECK(broker.total(Counter::droppedTotalFull) > 0);
  const size_t lost = 125 - broker.sessionOf(greedy)->queue.size();
  CHECK_EQ(broker.total(Counter::droppedTotalFull), lost);
  CHECK_EQ(broker.sessionOf(modest)->queue.size(), 33);
  publish(publisher, "greedy", 10);  // it holds most, so it drops its own newest
  broker.settle();
  CHECK(broker.total(Counter::droppedTotalFull) >= lost + 9);
  publish(publisher, "late", 20);
  broker.settle();
  CHECK_EQ(broker.sessionOf(late)->queue.size(), 20);
  CHECK_EQ(broker.sessionOf(modest)->queue.size(), 33);
  CHECK(broker.engine(0).accounts().sessions.bytes() <= limits.sessionsTotalBytesMax);
  CHECK_EQ(broker.total(Counter::droppedQueueFull), 0);
  const size_t kept = broker.sessionOf(greedy)->queue.size();
  greedy.connect(0);
  broker.settle();
  CHECK_EQ(greedy.received.size(), kept);
  publish(publisher, "greedy", 10);
  broker.settle();
  CHECK_EQ(greedy.received.size(), kept + 10);
}

TEST("accounts: a session that holds all in its window gives that up, and what its client has got is acknowledged") {
  Limits limits;
  limits.sessionQueueBytesMax = 150'000;
  limits.sessionsTotalBytesMax = 150'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& silent = broker.connected("silent", 0);
  silent.subscribe("silent", 2);
  broker.settle();
  silent.answersAtOnce = false;
  for (int i = 0; i < 110; i++) publisher.publish("silent", std::string(1'000, 'x'), 1 + i % 2);
  broker.settle();
  CHECK_EQ(silent.received.size(), 110);
  Client& late = awaySession(broker, "late");
  publish(publisher, "late", 25);
  broker.settle();
  CHECK_EQ(broker.sessionOf(late)->queue.size(), 25);
  CHECK(broker.total(Counter::droppedTotalFull) > 0);
  silent.answersAtOnce = true;
  silent.answer();
  broker.settle();
  CHECK(broker.sessionOf(silent)->window.isEmpty() && !silent.disconnectReason);
  publish(publisher, "silent", 1);
  broker.settle();
  CHECK_EQ(silent.received.size(), 111);
}

TEST("accounts: many equal sessions do not keep others from theirs") {
  Limits limits;
  limits.sessionsTotalBytesMax = 400'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  for (int i = 0; i < 40; i++) awaySession(broker, "s" + std::to_string(i));
  for (int i = 0; i < 500; i++) {
    for (int session = 0; session < 40; session++) publish(publisher, "s" + std::to_string(session), 1, 10);
    broker.settle();
  }
  CHECK(broker.total(Counter::droppedTotalFull) > 0);
  Client& other = awaySession(broker, "other");
  publish(publisher, "other", 30, 10);
  broker.settle();
  CHECK_EQ(broker.sessionOf(other)->queue.size(), 30);
  CHECK(broker.engine(0).accounts().sessions.bytes() <= limits.sessionsTotalBytesMax);
}

TEST("accounts: readers that take nothing are cut, and who reads gets every message") {
  Limits limits;
  limits.outboxBytesMax = 4 * Arena::largeBytes;
  limits.outboxTotalBytesMax = 40 * Arena::largeBytes;
  HandDrivenBroker broker(1, limits, tcp);
  Client& publisher = broker.connected("p", 0, {.version = 4});
  Client& user = broker.connected("user", 0);
  user.subscribe("user", 1);
  std::vector<Client*> frozen;
  for (int i = 0; i < 20; i++) {
    frozen.push_back(&broker.connected("f" + std::to_string(i), 0));
    frozen.back()->subscribe("fill");
    frozen.back()->stopReading();
  }
  broker.settle();
  for (int i = 0; i < 100; i++) {
    publisher.publish("fill", std::string(2'000, 'x'));
    publisher.publish("user", "x", i % 2);
    broker.settle();
  }
  CHECK_EQ(user.received.size(), 100);
  const auto cut = broker.total(Counter::connectionsCut);
  CHECK(cut > 5 && cut < 20);
  CHECK(!broker.engine(0).frontEnd().outbound().arena().isCrowded());
  broker.advanceTime(3'000);
  broker.settle();
  CHECK_EQ(std::count_if(frozen.begin(), frozen.end(), [](Client* each) { return each->link->connection == nullptr; }),
           cut);
}

TEST("accounts: a connection that is cut learns why if it reads again") {
  Limits limits;
  limits.outboxTotalBytesMax = 20 * Arena::largeBytes;
  HandDrivenBroker broker(1, limits, tcp);
  Client& publisher = broker.connected("p", 0);
  Client& frozen = broker.connected("f", 0);
  frozen.subscribe("t");
  broker.settle();
  frozen.stopReading(3'000);
  for (int i = 0; i < 130; i++) {
    publisher.publish("t", std::string(2'000, 'x'));
    broker.settle();
  }
  CHECK_EQ(broker.total(Counter::connectionsCut), 1);
  frozen.goOnReading();
  broker.settle();
  CHECK_EQ(int(frozen.disconnectReason.value_or(0)), int(Reason::quotaExceeded));
}

TEST("accounts: of packets that are not complete, the connection that has held most for longest ends") {
  Limits limits;
  limits.inputTotalBytesMax = 300'000;
  HandDrivenBroker broker(1, limits, tcp);
  const Octets whole = encode({.topic = "t", .payload = std::string(100'000, 'x')}, 5);
  std::vector<Client*> slow;
  for (int i = 0; i < 3; i++) {
    slow.push_back(&broker.connected("s" + std::to_string(i), 0));
    slow.back()->send(Octets(whole.begin(), whole.end() - 20'000));
    broker.settle();
    broker.advanceTime(1'000);
  }
  Client& user = broker.connected("user", 0);
  user.send(Octets(whole.begin(), whole.end() - 20'000));
  broker.settle();
  CHECK_EQ(broker.total(Counter::connectionsCut), 1);
  CHECK_EQ(int(slow[0]->disconnectReason.value_or(0)), int(Reason::quotaExceeded));
  user.send(Octets(whole.end() - 20'000, whole.end()));
  broker.settle();
  CHECK_EQ(broker.total(Counter::publishReceived), 1);
  CHECK(broker.engine(0).accounts().inputs.bytes() <= limits.inputTotalBytesMax);
}

TEST("accounts: of packet identifiers that are not released, the session that holds most ends, connected or away") {
  Limits limits;
  limits.packetIdsTotalBytesMax = 12'000;
  HandDrivenBroker broker(1, limits);
  const auto holding = [&](const std::string& name, int count) -> Client& {
    Client& client = broker.connected(name, 0, {.version = 4});
    client.stopReading();  // so that it releases none
    for (int i = 0; i < count; i++) client.publish("t", "x", 2);
    broker.settle();
    return client;
  };
  Client& away = holding("away", 1'000);
  away.drop();
  broker.settle();
  Client& most = holding("most", 2'500);
  CHECK_EQ(broker.total(Counter::sessionsCut), 1);
  broker.advanceTime(3'000);
  broker.settle();
  CHECK(!most.link->connection && !broker.sessionOf(most) && broker.sessionOf(away));
  Client& next = holding("next", 1'000);
  CHECK_EQ(broker.total(Counter::sessionsCut), 1);
  Client& last = holding("last", 1'000);
  CHECK_EQ(broker.total(Counter::sessionsCut), 2);
  broker.settle();
  CHECK(!broker.sessionOf(away) && broker.sessionOf(next) && broker.sessionOf(last));
  next.goOnReading();
  broker.settle();
  CHECK_EQ(broker.sessionOf(next)->unfinished->received.all.size(), 0);
  CHECK(broker.engine(0).accounts().sessions.packetIdBytes() < 3 * 4'200);
  away.connect(0);
  broker.settle();
  CHECK(away.isConnected);
}

TEST("accounts: an arena gives back what nobody has used for a second, but for some of it") {
  Arena arena(400 * Arena::largeBytes);
  std::vector<uint32_t> taken;
  for (int i = 0; i < 300; i++) {
    taken.push_back(arena.take(true));
    arena.bytes(taken.back())[0] = 1;
  }
  for (const uint32_t unit : taken) arena.giveBack(unit);
  const auto giveAllBack = [&] {
    arena.tick();
    while (arena.hasToGiveBack()) arena.giveBackSome();
  };
  giveAllBack();
  CHECK_EQ(arena.residentBytes(), 300 * Arena::largeBytes);  // it was in use this second
  giveAllBack();
  CHECK_EQ(arena.residentBytes(), 64 * Arena::largeBytes);
  CHECK_EQ(arena.bytes(taken[0])[0], 0);
  taken.clear();
  for (int i = 0; i < 400; i++) taken.push_back(arena.take(true));
  CHECK(std::set<uint32_t>(taken.begin(), taken.end()).size() == 400 && arena.take(true) == Arena::none);
  CHECK_EQ(arena.residentBytes(), 400 * Arena::largeBytes);
}

TEST("accounts: the ranking finds who holds most, and who has for longest") {
  check::eachSeed(10, [](check::Random& random) {
    struct Holder {
      Ranking<Holder>::Place place;
      size_t bytes = 0;
      uint64_t sinceMs = 0;
    };
    Ranking<Holder> ranking(16);
    std::vector<Holder> all(30);
    uint64_t nowMs = 0;
    for (int step = 0; step < 2'000; step++) {
      nowMs += random.below(3);
      Holder& one = all[random.below(all.size())];
      one.bytes = random.chance(20) ? 0 : random.below(size_t(1) << random.below(20));
      ranking.set(one, one.place, one.bytes, nowMs);
      if (random.chance(20)) ranking.touch(one.place, nowMs);
      size_t sum = 0;
      size_t most = 0;
      for (const Holder& each : all) {
        sum += each.bytes;
        most = std::max(most, each.bytes);
      }
      CHECK_EQ(ranking.bytes(), sum);
      const Holder* largest = ranking.largest();
      if (!CHECK_EQ(largest != nullptr, most >= 16) || !largest) continue;
      CHECK_EQ(std::bit_width(largest->bytes), std::bit_width(most));
      for (const Holder& each : all) {
        const bool isRival = std::bit_width(each.bytes) == std::bit_width(most);
        CHECK(!isRival || each.place.sinceMs() >= largest->place.sinceMs());
      }
      CHECK(ranking.worst(nowMs) != nullptr);
      size_t listed = 0;
      int width = 64;
      ranking.eachLargest(5, [&](const Holder& each) {
        CHECK(listed++ > 0 || &each == largest);
        CHECK(int(std::bit_width(each.bytes)) <= width);
        width = int(std::bit_width(each.bytes));
      });
      const auto ranked = std::count_if(all.begin(), all.end(), [](const Holder& each) { return each.bytes >= 16; });
      CHECK_EQ(listed, std::min<size_t>(5, size_t(ranked)));
    }
  });
}
