// Whatever way a message takes, it reaches those whom the rules let have it, and nobody else: live, retained, queued,
// sent again, of a share, a will, behind a topic alias, after a move to another worker, to the next user of a session,
// from and to other tenants, and after the rules have changed. Each step is played to its end, and compared with what a
// naive list of rules says.
//
//   ACCESS_CASES=1000000 bash test/native/run.sh "access: every path"    the longer run: shows how far it is, and ends
//                                                                        within a quarter of an hour
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "hand-driven-broker.h"
#include "naive-rules.h"

using namespace rally;

namespace {

struct Message {
  std::string topic;  // of the broker, with the prefix of a tenant
  std::string payload;
};

// A client of the broker, and what the test knows of it.
struct Actor {
  Client* client = nullptr;
  NaiveClient who;
  std::map<std::string, int> filters;   // QoS by filter of the broker, as they were granted
  std::vector<std::string> shared;      // of those it has ever had: `$share/...`
  std::vector<Message> waiting;         // that came for it while it was away
  std::multiset<std::string> expected;  // in this step
  std::set<std::string> uncertain;      // waited for a subscription that has ended
  size_t seen = 0;                      // of client->received
  std::optional<SentPublish> will;
};

class Stage {
 public:
  Stage(check::Random& random, size_t& cases)
      : random_(random), cases_(cases), grantsBroadFilters_(random.chance(50)), broker_(workersOf(random), limits()) {
    rules_ = randomRules(random_);
    broker_.setRules(rules_.book());
    for (const char* name : {"w", "x", "y", "z"}) {
      Actor& actor = actors_.emplace_back();
      actor.client = &broker_.add(name);
      connect(actor);
    }
  }

  void step() {
    Actor& actor = actors_[random_.below(actors_.size())];
    const size_t kind = random_.below(100);
    if (kind < 4) reload();
    else if (kind < 12 && actor.client->isConnected) drop(actor);
    else if (!actor.client->isConnected) connect(actor);
    else if (kind < 40) subscribe(actor);
    else if (kind < 45) unsubscribe(actor);
    else publish(actor);
    settle();
  }

 private:
  static unsigned workersOf(check::Random& random) { return unsigned(random.between(1, 3)); }
  Limits limits() const {
    Limits limits;
    limits.grantsBroadFilters = grantsBroadFilters_;
    limits.laneRecords = 256;  // all of which is written at the start
    return limits;
  }

  // --- what happens -------------------------------------------------------------------------------

  void connect(Actor& actor) {
    actor.who = randomClient(random_);
    if (random_.chance(50)) actor.who.prefix = random_.pick(std::vector<std::string>{"a/", "b/", "a/b/", "/"});
    Client& client = *actor.client;
    client.options.access = actor.who.access();
    client.options.will.reset();
    if (random_.chance(30)) {
      client.options.will = SentPublish{.topic = randomWillTopic(actor),
                                        .payload = nextPayload(),
                                        .qos = uint8_t(random_.below(3)),
                                        .retain = random_.chance(30)};
    }
    actor.will = client.options.will;
    client.connect(unsigned(random_.below(broker_.workers())));
    for (const Message& message : std::exchange(actor.waiting, {})) {
      cases_++;
      if (!rules_.mayReceiveWhole(actor.who, message.topic)) continue;
      const bool isSure = message.topic[actor.who.prefix.size()] != '$' || grantedQos(actor, message.topic);
      if (isSure) actor.expected.insert(message.payload);
      else actor.uncertain.insert(message.payload);
    }
    broker_.settle();
    readFilters(actor);
  }

  // A CONNECT with a will to a reserved topic is refused, but for the host program.
  std::string randomWillTopic(const Actor& actor) {
    std::string topic = randomTopic(random_);
    while (!actor.who.prefix.empty() && topic.starts_with("$SYS")) topic = randomTopic(random_);
    return topic;
  }

  void drop(Actor& actor) {
    actor.client->drop();
    if (actor.will) expectPublication(actor, *std::exchange(actor.will, {}), false);
  }

  void reload() {
    rules_ = randomRules(random_);
    broker_.setRules(rules_.book());
    broker_.settle();
    for (Actor& actor : actors_) readFilters(actor);
  }

  void subscribe(Actor& actor) {
    const std::string filter = randomFilter(random_, false);
    const bool isShared = random_.chance(20);
    const std::string text = isShared ? "$share/g/" + filter : filter;
    const int qos = int(random_.below(3));
    const size_t before = actor.client->subacks.size();
    actor.client->subscribe({{.filter = text, .qos = uint8_t(qos)}});
    broker_.settle();
    if (!CHECK_EQ(actor.client->subacks.size(), before + 1)) return;
    const std::string whole = actor.who.prefix + filter;
    const std::string wholeText = isShared ? "$share/g/" + whole : whole;
    const FilterVerdict verdict = verdictOf(actor, wholeText);
    const bool isGranted = actor.client->subacks.back().back() < 0x80;
    cases_++;
    CHECK_EQ(isGranted, verdict != FilterVerdict::refused);
    if (!isGranted) return;
    if (isShared) {
      actor.shared.push_back(wholeText);
      return;
    }
    actor.filters[whole] = qos;
    for (const auto& [topic, payload] : retained_) {
      cases_++;
      if (NaiveRules::filterMatchesFor(actor.who, whole, topic) && rules_.mayReceiveWhole(actor.who, topic))
        actor.expected.insert(payload);
    }
  }

  void unsubscribe(Actor& actor) {
    if (actor.filters.empty()) return;
    const std::string whole = actor.filters.begin()->first;
    actor.client->unsubscribe(whole.substr(actor.who.prefix.size()));
    actor.filters.erase(whole);
  }

  void publish(Actor& actor) {
    SentPublish message{.topic = randomTopic(random_),
                        .payload = nextPayload(),
                        .qos = uint8_t(random_.below(3)),
                        .retain = random_.chance(30)};
    const bool usesAlias = random_.chance(20);
    if (usesAlias) message.topicAlias = 1;
    send(actor, message, message.topic);
    if (!usesAlias) return;
    const std::string topic = std::exchange(message.topic, "");
    message.payload = nextPayload();
    send(actor, message, topic);
  }

  void send(Actor& actor, const SentPublish& message, const std::string& topic) {
    const size_t before = actor.client->acknowledgements.size();
    actor.client->publish(message);
    SentPublish expected = message;
    expected.topic = topic;
    const bool isAllowed = expectPublication(actor, expected, true);
    broker_.settle();
    if (message.qos == 0 || !CHECK_EQ(actor.client->acknowledgements.size(), before + 1)) return;
    CHECK_EQ(actor.client->acknowledgements.back() == Reason::notAuthorized, !isAllowed);
  }

  // --- what is to come of it ----------------------------------------------------------------------

  bool expectPublication(const Actor& from, const SentPublish& message, bool isOfClient) {
    cases_++;
    const bool isReserved = isOfClient && message.topic.starts_with("$SYS");
    const bool isAllowed = !isReserved && rules_.mayPublish(from.who, message.topic);
    const std::string topic = from.who.prefix + message.topic;
    topics_[message.payload] = topic;
    if (!isAllowed) return false;
    published_.insert(message.payload);
    if (message.retain) retained_[topic] = message.payload;
    for (Actor& actor : actors_) {
      cases_++;
      const std::optional<int> granted = grantedQos(actor, topic);
      if (!granted || !rules_.mayReceiveWhole(actor.who, topic)) continue;
      if (actor.client->isConnected) actor.expected.insert(message.payload);
      else if (std::min<int>(*granted, message.qos) > 0) actor.waiting.push_back({topic, message.payload});
    }
    return true;
  }

  static std::optional<int> grantedQos(const Actor& actor, const std::string& topic) {
    std::optional<int> granted;
    for (const auto& [filter, qos] : actor.filters) {
      if (NaiveRules::filterMatchesFor(actor.who, filter, topic)) granted = std::max(qos, granted.value_or(0));
    }
    return granted;
  }

  // Of a filter of the broker, by a gate of its own, which rules.test.cpp compares with the list.
  FilterVerdict verdictOf(const Actor& actor, const std::string& text) const {
    RuleGate gate(grantsBroadFilters_);
    gate.adopt(rules_.book());
    Rights rights{actor.who.access()};
    const bool isShared = isSharedFilter(bytesOf(text));
    const FilterVerdict verdict = gate.judge(rights, isShared ? unsharedFilter(bytesOf(text)) : bytesOf(text));
    return isShared && verdict == FilterVerdict::partly ? FilterVerdict::refused : verdict;
  }

  // The rules or the user have changed: what its subscriptions are now.
  void readFilters(Actor& actor) {
    Session* session = broker_.sessionOf(*actor.client);
    if (!CHECK(session != nullptr)) return;
    std::map<std::string, int> filters;
    for (const SubscriptionRef& each : session->subscriptions) {
      const std::string text = textOf(each.filter->text());
      CHECK(verdictOf(actor, text) != FilterVerdict::refused);
      if (!each.filter->isShared) filters[text] = each.filter->subscribers[each.position].qos;
    }
    for (const auto& [filter, qos] : actor.filters)
      CHECK_EQ(filters.contains(filter), verdictOf(actor, filter) != FilterVerdict::refused);
    actor.filters = filters;
  }

  void settle() {
    broker_.settle();
    for (Actor& actor : actors_) {
      for (; actor.seen < actor.client->received.size(); actor.seen++) take(actor, actor.client->received[actor.seen]);
      CHECK(actor.expected.empty());
    }
  }

  void take(Actor& actor, const SentPublish& message) {
    cases_++;
    CHECK(rules_.mayReceive(actor.who, message.topic));
    CHECK(published_.contains(message.payload));
    const std::string topic = actor.who.prefix + message.topic;
    CHECK_EQ(topics_[message.payload], topic);
    const auto expected = actor.expected.find(message.payload);
    if (expected != actor.expected.end()) {
      actor.expected.erase(expected);
      return;
    }
    CHECK(actor.uncertain.contains(message.payload) || mayComeOfShare(actor, topic));
  }

  // A topic that begins with $ for its tenant needs some filter that does.
  static bool mayComeOfShare(const Actor& actor, const std::string& topic) {
    const auto isSome = [&](auto&& matches) {
      return std::any_of(actor.shared.begin(), actor.shared.end(),
                         [&](const std::string& text) { return matches(text.substr(9)); });
    };
    const bool isSeen = isSome(
        [&](const std::string& filter) { return NaiveRules::filterMatchesFor(actor.who, filter, topic); });
    return isSeen || (grantedQos(actor, topic) &&
                      isSome([&](const std::string& filter) { return NaiveRules::filterMatches(filter, topic); }));
  }

  std::string nextPayload() { return std::to_string(++payloads_); }

  check::Random& random_;
  size_t& cases_;
  const bool grantsBroadFilters_;
  HandDrivenBroker broker_;
  NaiveRules rules_;
  std::deque<Actor> actors_;
  std::map<std::string, std::string> retained_;  // payload by topic
  std::map<std::string, std::string> topics_;    // by payload
  std::set<std::string> published_;
  uint64_t payloads_ = 0;
};

size_t casesWanted() {
  const char* chosen = std::getenv("ACCESS_CASES");
  return chosen ? size_t(std::strtoull(chosen, nullptr, 10)) : 10'000;
}

// Of one role, for everyone.
std::shared_ptr<const RuleBook> bookOf(const std::vector<NaiveRule>& rules) {
  NaiveRules all;
  all.roles["r"] = rules;
  all.everyone = {"r"};
  return all.book();
}

NaiveRule allow(bool isPublish, const char* filter) { return {.isPublish = isPublish, .filter = filter}; }
NaiveRule deny(bool isPublish, const char* filter) {
  return {.isAllow = false, .isPublish = isPublish, .filter = filter};
}

Client::Options accessOf(const char* userName) {
  return {.access = NaiveClient{.userName = userName, .clientId = userName}.access()};
}

}  // namespace

TEST("access: every path lets through what a naive list of the rules does, and nothing else") {
  constexpr size_t casesPerSeed = 40;  // at least
  using namespace std::chrono;
  constexpr auto shownEvery = seconds(10);
  constexpr auto timeMax = seconds(840);  // run.sh waits for 900
  const auto start = steady_clock::now();
  auto nextShown = start + shownEvery;
  bool isOver = false;
  size_t cases = 0;
  check::eachSeed(casesWanted() / casesPerSeed, [&](check::Random& random) {
    if (isOver) return;
    Stage stage(random, cases);
    for (int i = 0; i < 50 && check::state().failures == 0; i++) stage.step();
    const auto now = steady_clock::now();
    if (now >= nextShown) {
      std::printf("... access: %zu of %zu cases, %lld s\n", cases, casesWanted(),
                  static_cast<long long>(duration_cast<seconds>(now - start).count()));
      std::fflush(stdout);
      nextShown = now + shownEvery;
    }
    isOver = now - start >= timeMax;
    if (isOver && cases < casesWanted()) FAIL("the time is over: no difference so far");
  });
  if (check::state().failures > 0) return;
  CHECK(cases >= casesWanted() || std::getenv("SEED"));
  std::printf("# access: %zu cases\n", cases);
}

TEST("access: the host program is excepted, and nobody else of whom nothing is known") {
  for (const bool isHost : {true, false}) {
    HandDrivenBroker broker(2);
    Client& client = broker.connected("h", 0);  // it has no access
    if (isHost) broker.sessionOf(client)->kind = ConnectionKind::host;
    broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
    client.subscribe("#", 1);
    client.publish("a", "x", 1);
    broker.settle();
    CHECK_EQ(client.received.size(), isHost ? 1 : 0);
    CHECK(client.acknowledgements == std::vector<Reason>{isHost ? Reason::success : Reason::notAuthorized});
  }
}

TEST("access: what a start hands out of a share goes to the member that may have it by the rules of now") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
  std::vector<Client*> members;
  for (const char* name : {"x", "y"}) {
    members.push_back(&broker.connected(name, 0, accessOf(name)));
    members.back()->subscribe("$share/s/y", 1);
    broker.settle();
    members.back()->drop();
    broker.settle();
  }
  Client::Options ofGuest = accessOf("guest");
  ofGuest.isPersistent = false;
  Client& guest = broker.connected("guest", 0, ofGuest);
  guest.answersAtOnce = false;
  guest.subscribe("$share/s/y", 1);
  broker.settle();
  Client& source = broker.connected("source", 0, accessOf("source"));
  for (int i = 0; i < 3; i++) source.publish("y", std::to_string(i), 1);
  broker.settle();
  CHECK_EQ(guest.received.size(), 3);  // which is lost with it
  broker.setRules(bookOf({allow(true, "#"), allow(false, "%u")}));
  broker.crash(1);
  for (Client* member : members) member->connect(0);
  broker.settle();
  CHECK_EQ(members[0]->received.size(), 0);
  CHECK_EQ(members[1]->received.size(), 3);
}

TEST("access: whoever changes workers faster than the session follows keeps to its rights, and loses nothing") {
  check::eachSeed(60, [](check::Random& random) {
    HandDrivenBroker broker(3);
    broker.setRules(bookOf({allow(true, "open/#"), allow(false, "open/#"), allow(true, "shut")}));
    Client& publisher = broker.connected("p", 0, accessOf("p"));
    Client& roamer = broker.connected("r", 0, accessOf("r"));
    roamer.subscribe({{.filter = "open/#", .qos = 1}, {.filter = "shut", .qos = 1}});
    broker.settle();
    CHECK_EQ(broker.sessionOf(roamer)->subscriptions.size(), 1);
    for (int i = 0; i < 12; i++) {
      if (random.chance(60)) roamer.connect(unsigned(random.below(3)));
      publisher.publish("open/" + std::to_string(i), "x", 1);
      publisher.publish("shut", "x", 1);
      roamer.publish("no/" + std::to_string(i), "x", 1);
      for (size_t steps = random.below(30); steps > 0; steps--) broker.step(random);
    }
    broker.settle();
    if (!roamer.isConnected) roamer.connect(0);
    broker.settle();
    std::set<std::string> topics;
    for (const SentPublish& message : roamer.received) topics.insert(message.topic);
    CHECK_EQ(topics.size(), 12);
    CHECK(!topics.contains("shut"));
    for (const Reason reason : roamer.acknowledgements) CHECK(reason == Reason::notAuthorized);
  });
}

TEST("access: a refused PUBLISH is acknowledged, counted and nowhere else; by option it ends the connection") {
  for (const bool ends : {false, true}) {
    Limits limits;
    limits.endsDeniedPublishers = ends;
    HandDrivenBroker broker(2, limits);
    broker.setRules(bookOf({allow(true, "a"), allow(false, "#")}));
    Client& client = broker.connected("c", 0, accessOf("c"));
    client.subscribe("#", 1);
    client.publish("a", "1", 1);
    broker.settle();
    client.publish("b", "2", 1, true);
    broker.settle();
    CHECK(client.texts() == std::vector<std::string>{"a=1"});
    CHECK_EQ(broker.total(Counter::publishReceived), 1);
    CHECK_EQ(broker.total(Counter::publishRefused), 1);
    CHECK_EQ(broker.total(Counter::retained), 0);
    CHECK_EQ(client.acknowledgements.size(), ends ? 1 : 2);
    if (ends) CHECK(client.disconnectReason == uint8_t(Reason::notAuthorized));
    else CHECK(client.acknowledgements.back() == Reason::notAuthorized);
  }
}

TEST("access: a QoS 2 PUBLISH that was had stays had when the right is gone") {
  HandDrivenBroker broker(1);
  broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
  Client& client = broker.connected("c", 0, accessOf("c"));
  client.subscribe("a", 2);
  broker.settle();
  const SentPublish message{.topic = "a", .payload = "1", .qos = 2, .packetId = 9};
  client.send(encode(message, 5));
  broker.settle();
  broker.setRules(bookOf({allow(false, "#")}));
  client.send(encode(message, 5));
  broker.settle();
  CHECK(client.acknowledgements == (std::vector<Reason>{Reason::success, Reason::success}));
  CHECK_EQ(client.received.size(), 1);
}

TEST("access: what waits unacknowledged is not sent again to who has lost the right (CVE-2018-12546)") {
  HandDrivenBroker broker(1);
  broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
  Client& publisher = broker.connected("p", 0, accessOf("p"));
  Client& subscriber = broker.connected("s", 0, accessOf("s"));
  subscriber.subscribe("#", 1);
  subscriber.answersAtOnce = false;
  broker.settle();
  publisher.publish("a", "1", 1);
  publisher.publish("b", "2", 1);
  broker.settle();
  CHECK_EQ(subscriber.arrivals.size(), 2);
  subscriber.drop();
  broker.setRules(bookOf({allow(true, "#"), allow(false, "#"), deny(false, "a")}));
  subscriber.connect(0);
  broker.settle();
  CHECK_EQ(subscriber.arrivals.size(), 3);
  CHECK_EQ(subscriber.arrivals.back().topic, "b");
  CHECK_EQ(broker.total(Counter::withheld), 1);
}

TEST("access: while subscriptions are judged again nothing slips through, however many there are") {
  Limits limits;
  limits.subscriptionsPerTurn = 4;
  HandDrivenBroker broker(2, limits);
  broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
  Client& publisher = broker.connected("p", 0, accessOf("p"));
  Client& subscriber = broker.connected("s", 1, accessOf("s"));
  std::vector<Subscribe> filters;
  for (int i = 0; i < 100; i++) filters.push_back({.filter = "t/" + std::to_string(i), .qos = 1});
  subscriber.subscribe(filters);
  Client& member = broker.connected("m", 1, accessOf("m"));
  member.subscribe("$share/g/t/#", 1);
  broker.settle();
  broker.setRules(bookOf({allow(true, "#"), allow(false, "t/7")}));
  for (int i = 0; i < 100; i++) publisher.publish("t/" + std::to_string(i), "x", 1);
  broker.settle();
  CHECK(subscriber.texts() == std::vector<std::string>{"t/7=x"});
  CHECK(member.received.empty() || member.texts() == std::vector<std::string>{"t/7=x"});
  CHECK_EQ(broker.sessionOf(subscriber)->subscriptions.size(), 1);
  CHECK_EQ(broker.sessionOf(member)->subscriptions.size(), 0);
}

TEST("access: while subscriptions are judged again a message of a share goes to a member that may have it, wherever") {
  for (const unsigned workers : {1u, 2u}) {
    for (const bool isBusy : {false, true}) {
      Limits limits;
      limits.subscriptionsPerTurn = 1;  // in a turn of a worker: it takes longer than all that is published
      HandDrivenBroker broker(workers, limits);
      NaiveRules rules;
      rules.roles["r"] = {allow(true, "#"), allow(false, "#")};
      rules.roles["publisher"] = {allow(true, "#"), deny(false, "#")};
      rules.everyone = {"r"};
      broker.setRules(rules.book());
      std::vector<Client*> losers;
      for (int i = 0; i < 4; i++) {
        const std::string name = "loser" + std::to_string(i);
        losers.push_back(&broker.connected(name, unsigned(i) % workers, accessOf(name.c_str())));
        losers.back()->subscribe("$share/g/t", 1);
        std::vector<Subscribe> more;
        for (int other = 0; other < 200; other++) more.push_back({.filter = "other/" + std::to_string(other)});
        losers.back()->subscribe(more);
        rules.users[name] = {"publisher"};
      }
      Client::Options ofKeeper = accessOf("keeper");
      if (isBusy) ofKeeper.receiveMaximum = 1;  // all but one wait for it, while the losers are ready
      Client& keeper = broker.connected("keeper", 0, ofKeeper);
      keeper.answersAtOnce = !isBusy;
      keeper.subscribe("$share/g/t", 1);
      Client& publisher = broker.connected("p", workers - 1, accessOf("p"));
      broker.settle();
      broker.setRules(rules.book());
      for (int i = 0; i < 40; i++) publisher.publish("t", std::to_string(i), 1);
      broker.settle();
      keeper.answersAtOnce = true;
      keeper.answer();
      broker.settle();
      CHECK_EQ(keeper.received.size(), 40);
      for (const Client* loser : losers) CHECK(loser->received.empty());
      CHECK_EQ(broker.total(Counter::withheld), 0);
      CHECK_EQ(broker.total(Counter::droppedQueueFull), 0);
    }
  }
}

TEST("access: a message of a share that nobody may have any more is counted as withheld, once") {
  for (const unsigned workers : {1u, 3u}) {
    Limits limits;
    limits.subscriptionsPerTurn = 1;
    HandDrivenBroker broker(workers, limits);
    broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
    std::vector<Client*> members;
    for (unsigned i = 0; i < 6; i++) {
      const std::string name = "m" + std::to_string(i);
      members.push_back(&broker.connected(name, i % workers, accessOf(name.c_str())));
      members.back()->subscribe("$share/g/t", 1);
      std::vector<Subscribe> more;
      for (int other = 0; other < 200; other++) more.push_back({.filter = "other/" + std::to_string(other)});
      members.back()->subscribe(more);
    }
    Client& publisher = broker.connected("p", 0, accessOf("p"));
    broker.settle();
    broker.setRules(bookOf({allow(true, "#"), allow(false, "other/#")}));
    publisher.publish("t", "x", 1);
    broker.settle();
    for (const Client* member : members) CHECK(member->received.empty());
    CHECK_EQ(broker.total(Counter::withheld), 1);
    CHECK_EQ(broker.total(Counter::droppedQueueFull), 0);
    // Whoever could take it before can take the next one.
    broker.setRules(bookOf({allow(true, "#"), allow(false, "#")}));
    broker.settle();
    for (Client* member : members) member->subscribe("$share/g/t", 1);
    broker.settle();
    for (int i = 0; i < 12; i++) publisher.publish("t", std::to_string(i), 1);
    broker.settle();
    size_t received = 0;
    for (const Client* member : members) received += member->received.size();
    CHECK_EQ(received, 12);
  }
}

TEST("access: a delayed will is judged when it goes out, by the rules of then") {
  for (const bool isAllowed : {true, false}) {
    HandDrivenBroker broker(2);
    broker.setRules(bookOf({allow(true, "w"), allow(false, "#")}));
    Client& watcher = broker.connected("watcher", 0, accessOf("watcher"));
    watcher.subscribe("#", 1);
    Client::Options options = accessOf("c");
    options.will = SentPublish{.topic = "w", .payload = "gone", .qos = 1};
    options.willDelaySeconds = 10;
    Client& client = broker.connected("c", 1, options);
    client.drop();
    broker.settle();
    CHECK(watcher.received.empty());
    if (!isAllowed) broker.setRules(bookOf({allow(false, "#")}));
    Session* session = broker.sessionOf(client);
    broker.post(1, [&] { broker.engine(1).publishWill(*session); });
    broker.settle();
    CHECK_EQ(watcher.received.size(), isAllowed ? 1 : 0);
    CHECK_EQ(broker.total(Counter::publishRefused), isAllowed ? 0 : 1);
  }
}

TEST("access: a will whose client nobody knows, as after a restart, may do what everyone may") {
  for (const bool isAllowed : {true, false}) {
    HandDrivenBroker broker(1);
    broker.setRules(bookOf({allow(true, isAllowed ? "w" : "%u"), allow(false, "#")}));
    Client& watcher = broker.connected("watcher", 0, accessOf("watcher"));
    watcher.subscribe("#", 1);
    Client& client = broker.connected("c", 0, {.will = SentPublish{.topic = "w", .payload = "gone", .qos = 1}});
    client.drop();
    broker.settle();
    CHECK_EQ(watcher.received.size(), isAllowed ? 1 : 0);
  }
}
