// native/front-end/routes.h: another implementation in its place, which tells somebody far away as well and answers
// late, as another node would.
#include "route-census.h"

using namespace rally;

namespace {

Limits withRoutes(size_t routesMax) {
  Limits limits;
  limits.wildcardRoutesMax = routesMax;
  return limits;
}

// Somebody far away knows what the subscribers of all workers want, some time after they do.
class FarRoutes : public Routes {
 public:
  FarRoutes(Engine& engine, std::map<std::string, Interest>& known) : engine_(engine), known_(known) {
    engine.subscriptions().useRoutes(*this);
  }

  void set(Filter& filter, Interest interest) override {
    engine_.routes().set(filter, interest);
    told_.push_back({textOf(filter.text()), interest, 0});
  }
  bool areKnown(uint64_t token) override {
    told_.push_back({"", Interest::none, token});
    return false;
  }

  bool isSettled() const { return told_.empty(); }
  // It takes `most` of what it was told, and answers.
  void proceed(size_t most) {
    for (; most > 0 && !told_.empty(); most--) {
      const Told next = std::move(told_.front());
      told_.pop_front();
      if (next.token != 0) engine_.subscriptions().onRoutesKnown(next.token);
      else if (next.interest == Interest::none) known_.erase(next.filter);
      else known_[next.filter] = next.interest;
    }
  }

 private:
  struct Told {
    std::string filter;
    Interest interest;
    uint64_t token;
  };
  Engine& engine_;
  std::map<std::string, Interest>& known_;
  std::deque<Told> told_;
};

// A broker whose workers tell somebody far away.
class FarBroker {
 public:
  explicit FarBroker(unsigned workers) : broker(workers) {
    for (unsigned worker = 0; worker < workers; worker++) {
      known.emplace_back();
      routes.push_back(std::make_unique<FarRoutes>(broker.engine(worker), known.back()));
    }
  }
  void proceed(size_t most = SIZE_MAX) {
    for (unsigned worker = 0; worker < routes.size(); worker++)
      broker.post(worker, [this, worker, most] { routes[worker]->proceed(most); });
  }
  bool settle() {
    for (int round = 0; round < 1'000; round++) {
      proceed();
      if (!broker.settle()) return false;
      if (std::all_of(routes.begin(), routes.end(), [](const auto& each) { return each->isSettled(); })) return true;
    }
    return false;
  }

  HandDrivenBroker broker;
  std::deque<std::map<std::string, Interest>> known;  // by worker
  std::vector<std::unique_ptr<FarRoutes>> routes;
};

}  // namespace

TEST(
    "routes: a SUBACK waits until all who are told know the filters, and what was published meanwhile comes behind "
    "it") {
  FarBroker far(2);
  HandDrivenBroker& broker = far.broker;
  Client& reader = broker.connected("reader", 0);
  Client& publisher = broker.connected("publisher", 0);
  reader.subscribe("a/+");
  broker.settle();
  CHECK(reader.subacks.empty());
  CHECK(far.known[0].empty());
  publisher.publish("a/b", "early");
  broker.settle();
  CHECK(reader.received.empty());
  CHECK(far.settle());
  CHECK_EQ(reader.subacks.size(), 1);
  CHECK(far.known[0] == (std::map<std::string, Interest>{{"a/+", Interest::live}}));
  publisher.publish("a/b", "late");
  broker.settle();
  CHECK(!reader.texts().empty() && reader.texts().back() == "a/b=late");
  reader.unsubscribe("a/+");
  CHECK(far.settle());
  CHECK(far.known[0].empty());
}

TEST("routes: they are told when the first durable subscriber comes, and when the last one leaves") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 2);
  std::map<std::string, Interest> known;
  FarRoutes routes(broker.engine(0), known);
  const auto isTold = [&](Interest interest) {
    broker.settle();
    broker.post(0, [&] { routes.proceed(SIZE_MAX); });
    broker.settle();
    return known["a"] == interest;
  };
  Client& live = broker.connected("live", 0, {.isPersistent = false});
  live.subscribe("a", 1);
  CHECK(isTold(Interest::live));
  Client& durable = broker.connected("durable", 0);
  durable.subscribe("a", 1);
  CHECK(isTold(Interest::durable));
  durable.unsubscribe("a");
  CHECK(isTold(Interest::live));
  live.disconnect();
  CHECK(isTold(Interest::none));
}

TEST("routes: a client that leaves before they are known, and comes back elsewhere, is subscribed all the same") {
  for (const bool isEnded : {false, true}) {
    FarBroker far(2);
    HandDrivenBroker& broker = far.broker;
    Client& reader = broker.connected("reader", 0);
    reader.subscribe("a/+");
    broker.settle();
    reader.drop();
    if (isEnded) reader.options.isCleanStart = true;
    broker.settle();
    reader.connect(1);
    CHECK(far.settle());
    broker.connected("publisher", 0).publish("a/b", "x");
    CHECK(far.settle());
    CHECK_EQ(reader.received.size(), isEnded ? 0 : 1);
    CHECK_EQ(broker.total(Counter::subscriptions), isEnded ? 0 : 1);
  }
}

TEST("routes: whatever clients do, everybody is told in the end what there is, and every SUBSCRIBE is answered") {
  check::eachSeed(20, [](check::Random& random) {
    FarBroker far(3);
    HandDrivenBroker& broker = far.broker;
    const std::vector<std::string> filters = {"a", "b", "a/+", "#", "b/c"};
    std::vector<Client*> clients;
    for (int i = 0; i < 4; i++)
      clients.push_back(&broker.connected("c" + std::to_string(i), unsigned(random.below(3))));
    for (int step = 0; step < 300; step++) {
      Client& client = *random.pick(clients);
      const auto what = random.below(10);
      if (what == 0) client.drop();
      if (what == 1 && !client.isConnected) client.connect(unsigned(random.below(3)));
      if (client.isConnected && what > 1 && what < 5) client.subscribe(random.pick(filters).c_str(), 1);
      if (client.isConnected && what == 5) client.unsubscribe(random.pick(filters));
      if (what > 5) far.proceed(random.below(3));
      for (size_t count = random.below(20); count > 0; count--) broker.step(random);
    }
    CHECK(far.settle());
    for (unsigned worker = 0; worker < 3; worker++) {
      for (const std::string& text : filters) {
        Filter* filter = broker.engine(worker).filterTable().find(bytesOf(text));
        const bool isThere = filter && !filter->subscribers.isEmpty();
        CHECK_EQ(far.known[worker].contains(text), isThere);
      }
    }
  });
}

TEST("routes: of filters that others cover other nodes are told the covering ones alone") {
  HandDrivenBroker broker(std::vector<unsigned>{1, 1});
  Client& reader = broker.connected("reader", 0);
  const size_t before = broker.engine(1).filters().size();
  for (int site = 0; site < 5; site++) reader.subscribe(("site/" + std::to_string(site) + "/#").c_str());
  for (int unit = 0; unit < 200; unit++)
    reader.subscribe(("site/" + std::to_string(unit % 5) + "/+/unit" + std::to_string(unit)).c_str());
  CHECK(broker.settle());
  CHECK_EQ(broker.engine(1).filters().size(), before + 5);
  reader.unsubscribe("site/3/#");
  CHECK(broker.settle());
  CHECK_EQ(broker.engine(1).filters().size(), before + 4 + 40);
  reader.drop();
  CHECK(broker.settle());
}

TEST("routes: what covers thousands comes and goes at once, and none of them is without its messages meanwhile") {
  HandDrivenBroker broker(std::vector<unsigned>{1, 1});
  const size_t before = broker.engine(1).filters().size();
  const size_t bytesBefore = broker.engine(0).routes().bytes();
  Client& reader = broker.connected("reader", 0, {.isPersistent = false});
  Client& publisher = broker.connected("publisher", 1);
  const std::vector<std::string> wide = {"site/#", "site/+/+"};
  std::vector<std::string> topics;
  for (const int number : {0, 4'999, 8'999}) {
    const auto nameOf = [&](int level) { return "site/" + std::to_string(level) + "/" + std::to_string(number); };
    int level = 0;
    FilterTable& filters = broker.engine(0).filterTable();
    while (broker.engine(0).slots().ownerOf(filters.hashOf(bytesOf(nameOf(level)))) != 1) level++;
    topics.push_back(nameOf(level));
  }
  reader.subscribe(wide[0].c_str());
  for (int packet = 0; packet < 9; packet++) {  // several slices
    std::vector<Subscribe> many;
    for (int number = 0; number < 1'000; number++)
      many.push_back({.filter = "site/+/" + std::to_string(packet * 1'000 + number)});
    reader.subscribe(many);
  }
  CHECK(broker.settle());
  CHECK_EQ(broker.engine(1).filters().size(), before + 1);
  CHECK(broker.engine(0).routes().bytes() - bytesBefore < 9'000 * 16);
  size_t published = 0;
  for (int change = 0; change < 8; change++) {
    const std::string& filter = wide[size_t(change) / 2 % 2];
    if (change % 2 == 0) reader.unsubscribe(filter);
    else reader.subscribe(filter.c_str());
    for (int turn = 0; turn < 3; turn++) {
      for (const std::string& topic : topics) publisher.publish(topic, "x");
      published += topics.size();
      broker.turn(0);
      broker.turn(1);
    }
  }
  CHECK(broker.settle());
  CHECK_EQ(reader.received.size(), published);
  passSeconds(broker, 12);
  checkRoutes(broker, {0, 1});
  reader.drop();
  passSeconds(broker, 2);
  CHECK_EQ(broker.engine(1).filters().size(), before);
  CHECK(broker.engine(0).routes().bytes() - bytesBefore < 1'024);
}

TEST(
    "routes: whatever covers whatever and is widened, what matches comes, and once nobody subscribes nobody knows a "
    "filter") {
  check::eachSeed(30, [](check::Random& random) {
    HandDrivenBroker broker(std::vector<unsigned>{1, 1, 1},
                            withRoutes(random.chance(50) ? 100'000 : random.between(1, 6)));
    const auto filtersOf = [&](unsigned worker) { return broker.engine(worker).filters().size(); };
    const std::vector<size_t> before{filtersOf(0), filtersOf(1), filtersOf(2)};
    std::vector<Client*> readers;
    std::vector<std::set<std::string>> wanted(3);
    for (unsigned n = 0; n < 3; n++)
      readers.push_back(&broker.connected("reader" + std::to_string(n), n / 2, {.isPersistent = false}));
    Client& publisher = broker.connected("publisher", 2);
    const std::vector<std::string> levels{"a", "b", "", "+", "$x"};
    const auto randomFilter = [&] {
      std::string text;
      for (uint64_t depth = random.below(4); depth > 0; depth--)
        text += levels[random.below(text.empty() ? 5 : 4)] + (depth > 1 ? "/" : "");
      if (text.empty() || random.below(3) == 0) text += text.empty() ? "#" : "/#";
      return text;
    };
    for (int step = 0; step < 60; step++) {
      const size_t n = random.below(3);
      if (!wanted[n].empty() && random.below(2) == 0) {
        const std::string filter = *std::next(wanted[n].begin(), std::ptrdiff_t(random.below(wanted[n].size())));
        readers[n]->unsubscribe(filter);
        wanted[n].erase(filter);
      } else {
        const std::string filter = randomFilter();
        readers[n]->subscribe(filter.c_str());
        wanted[n].insert(filter);
      }
      if (random.below(4) != 0) continue;
      CHECK(broker.settle());
      for (const std::string topic : {"a", "b", "a/b", "a/a", "/a", "a//b", "b/a/b", "$x/a", "$x/a/b"}) {
        std::vector<size_t> counts;
        for (const Client* reader : readers) counts.push_back(reader->received.size());
        publisher.publish(topic, "x");
        CHECK(broker.settle());
        for (size_t reader = 0; reader < 3; reader++) {
          const bool isWanted = std::any_of(wanted[reader].begin(), wanted[reader].end(),
                                            [&](const std::string& filter) { return matchesByTheBook(filter, topic); });
          CHECK_EQ(readers[reader]->received.size() - counts[reader], size_t(isWanted));
        }
      }
    }
    passSeconds(broker, 12);
    checkRoutes(broker, {0, 1, 2});
    CHECK_EQ(broker.total(Counter::routesRepaired), 0);
    for (Client* reader : readers) reader->drop();
    passSeconds(broker, 2);
    for (unsigned worker = 0; worker < 3; worker++) CHECK_EQ(filtersOf(worker), before[worker]);
  });
}

namespace {

std::string site(int number) { return "site/" + std::to_string(number) + "/+"; }

}  // namespace

TEST("routes: beyond a bound wide filters are told instead, of the longest prefixes, and again all when few are left") {
  HandDrivenBroker broker(std::vector<unsigned>{1, 1}, withRoutes(64));
  Client& reader = broker.connected("reader", 0);
  Client& publisher = broker.connected("publisher", 1);
  reader.subscribe("other/+");
  reader.subscribe("$own/+");
  for (int number = 0; number < 62; number++) reader.subscribe(site(number).c_str());
  CHECK(broker.settle());
  CHECK_EQ(knownBy(broker, 1, 0).size(), 64);
  for (int number = 62; number < 1'000; number++) reader.subscribe(site(number).c_str(), number % 2);
  CHECK(broker.settle());
  const Known wide = {{"other/+", Interest::live}, {"$own/+", Interest::live}, {"site/#", Interest::live}};
  CHECK(knownBy(broker, 1, 0) == wide);
  passSeconds(broker, 3);
  CHECK(knownBy(broker, 1, 0) == wide);
  CHECK_EQ(broker.total(Counter::wildcardRoutes), 3);
  CHECK_EQ(broker.total(Counter::wideRoutes), 1);

  const std::string topic = broker.ownedBy(1, "site/999/");
  publisher.publish(topic, "x");
  publisher.publish(broker.ownedBy(1, "site/1000/"), "nobody's");
  CHECK(broker.settle());
  CHECK(reader.texts() == std::vector<std::string>{topic + "=x"});
  CHECK_EQ(broker.total(Counter::handedOverInVain), 1);

  for (int number = 29; number < 1'000; number++) reader.unsubscribe(site(number));
  CHECK(broker.settle());
  passSeconds(broker, 1);
  CHECK_EQ(knownBy(broker, 1, 0).size(), 2 + 29);
  CHECK(!knownBy(broker, 1, 0).contains("site/#"));
  passSeconds(broker, 1);
  CHECK_EQ(broker.total(Counter::wideRoutes), 0);
  CHECK_EQ(broker.total(Counter::routesRepaired), 0);
  reader.drop();
}

TEST("routes: filters for topics that begin with $ stay as they are, whatever is widened") {
  HandDrivenBroker broker(std::vector<unsigned>{1, 1}, withRoutes(4));
  Client& reader = broker.connected("reader", 0);
  for (const char* filter : {"a/+", "$b/+", "$c/+", "d/+", "e/+", "+/f"}) reader.subscribe(filter);
  CHECK(broker.settle());
  CHECK(knownBy(broker, 1, 0) == (Known{{"#", Interest::live}, {"$b/+", Interest::live}, {"$c/+", Interest::live}}));
  const std::string topic = broker.ownedBy(1, "$b/");
  broker.connected("publisher", 1).publish(topic, "x");
  CHECK(broker.settle());
  CHECK(reader.texts() == std::vector<std::string>{topic + "=x"});
  for (const char* filter : {"d/+", "e/+", "+/f"}) reader.unsubscribe(filter);
  passSeconds(broker, 2);
  CHECK_EQ(knownBy(broker, 1, 0).size(), 3);
  CHECK(!knownBy(broker, 1, 0).contains("#"));
}

TEST("routes: a wide filter is one that clients subscribe to as well, and durable once one of its filters is") {
  std::deque<KeptDisk> both(2);
  HandDrivenBroker broker(both, {1, 1}, withRoutes(4));
  const auto isTold = [&](const Known& expected) {
    CHECK(broker.settle());
    return knownBy(broker, 1, 0) == expected;
  };
  Client& live = broker.connected("live", 0, {.isPersistent = false});
  for (int number = 0; number < 6; number++) live.subscribe(site(number).c_str(), 1);
  CHECK(isTold({{"site/#", Interest::live}}));
  Client& durable = broker.connected("durable", 0);
  durable.subscribe(site(3).c_str(), 1);
  CHECK(isTold({{"site/#", Interest::durable}}));
  Client& publisher = broker.connected("publisher", 1);
  publisher.publish("site/3/x", "1", 1);
  publisher.publish("site/77/x", "2", 1);
  CHECK(broker.settle());
  CHECK(publisher.unacknowledged.empty());
  CHECK_EQ(durable.received.size(), 1);

  live.subscribe("site/#", 1);
  for (int number = 0; number < 6; number++) live.unsubscribe(site(number));
  passSeconds(broker, 2);
  CHECK(isTold({{"site/#", Interest::live}, {site(3), Interest::durable}}));
  durable.unsubscribe(site(3));
  live.unsubscribe("site/#");
  CHECK(isTold({}));
}

namespace {

// As if what worker `of` has told worker `by` had been another thing, or had got lost on its way.
void falsify(HandDrivenBroker& broker, unsigned by, unsigned of, const std::string& filter, Interest interest) {
  broker.post(by, [&broker, by, of, filter, interest] {
    const Bytes text = bytesOf(filter);
    Shard& shard = broker.engine(by).shard();
    if (isSharedFilter(text) && interest == Interest::none)
      shard.take(request::ShareRoute{.isOver = true, .carried = Carried(toFilterText(text))}, of);
    else if (!isSharedFilter(text))
      shard.take(request::SetInterest{.interest = interest, .carried = Carried(toFilterText(text))}, of);
  });
}

}  // namespace

TEST("routes: what a worker knows wrongly is told again within seconds, and what it knows rightly goes on meanwhile") {
  HandDrivenBroker broker(std::vector<unsigned>{1, 1});
  Client& reader = broker.connected("reader", 0);
  Client& publisher = broker.connected("publisher", 1);
  const std::string exact = broker.ownedBy(1, "exact");
  const std::string right = broker.ownedBy(1, "right");
  const std::vector<std::string> topics = {exact, broker.ownedBy(1, "wild/"), broker.ownedBy(1, "shared/"), right};
  for (const std::string& filter : {exact, std::string("wild/+"), std::string("$share/g/shared/+"), right})
    reader.subscribe(filter.c_str(), 1);
  for (int packet = 0; packet < 9; packet++) {  // several slices
    std::vector<Subscribe> many;
    for (int number = 0; number < 1'000; number++)
      many.push_back({.filter = std::to_string(packet) + "/" + std::to_string(number)});
    reader.subscribe(many);
  }
  passSeconds(broker, 12);
  CHECK_EQ(broker.total(Counter::routesRepaired), 0);
  falsify(broker, 1, 0, exact, Interest::none);
  falsify(broker, 1, 0, "wild/+", Interest::none);
  falsify(broker, 1, 0, "$share/g/shared/+", Interest::none);
  falsify(broker, 1, 0, "strange/#", Interest::durable);
  falsify(broker, 1, 0, right, Interest::durable);
  const auto publishAll = [&] {
    for (const std::string& topic : topics) publisher.publish(topic, "x", 1);
  };
  CHECK(broker.settle());
  publishAll();
  CHECK(broker.settle());
  CHECK_EQ(reader.received.size(), 1);
  for (int second = 0; second < 12; second++) {
    broker.advanceTime(1'000);
    for (int turn = 0; turn < 4; turn++) {
      publisher.publish(right, "y", 1);
      broker.turn(0);
      broker.turn(1);
    }
  }
  CHECK(broker.settle());
  CHECK_EQ(std::count_if(reader.received.begin(), reader.received.end(),
                         [](const SentPublish& each) { return each.payload == "y"; }),
           48);
  CHECK_EQ(broker.total(Counter::routesRepaired), 1);
  CHECK_EQ(std::count(broker.notices.begin(), broker.notices.end(), Notice::routesDiffer), 1);
  checkRoutes(broker, {0, 1});
  reader.received.clear();
  publishAll();
  passSeconds(broker, 24);
  CHECK_EQ(reader.received.size(), 4);
  CHECK_EQ(broker.total(Counter::routesRepaired), 1);
}

TEST("routes: with an older node nothing is compared, and wide filters are filters like any other") {
  std::deque<KeptDisk> disks(2);
  HandDrivenBroker broker(disks, {1, 1}, withRoutes(4));
  broker.olderNodes = {1};
  broker.crash({1, 1});
  Client& reader = broker.connected("reader", 0);
  for (int number = 0; number < 6; number++) reader.subscribe(site(number).c_str(), 1);
  passSeconds(broker, 12);
  CHECK(knownBy(broker, 1, 0) == (Known{{"site/#", Interest::durable}}));
  falsify(broker, 1, 0, "site/#", Interest::none);
  passSeconds(broker, 24);
  CHECK_EQ(broker.total(Counter::routesRepaired), 0);
  CHECK(knownBy(broker, 1, 0).empty());
}

TEST("routes: whatever is lost or changed on its way, in the end all know what they should, and right routes stay") {
  check::eachSeed(25, [](check::Random& random) {
    HandDrivenBroker broker(std::vector<unsigned>{2, 1}, withRoutes(2 * random.between(1, 4)));
    const std::vector<std::string> filters = {"a",   "a/b", "c/d",  "a/+",          "a/b/+",      "c/+/x",
                                              "c/#", "+/b", "$x/+", "$share/g/a/+", "$share/g/a", "$share/h/c/#"};
    std::vector<Client*> clients;
    for (unsigned worker = 0; worker < 3; worker++) {
      Client& keeper = broker.connected("keeper" + std::to_string(worker), worker);
      for (int number = 0; number < 3; number++) keeper.subscribe(("kept/" + std::to_string(number) + "/+").c_str(), 2);
      keeper.subscribe("kept/0/0", 2);
      clients.push_back(&keeper);
      clients.push_back(&broker.connected("guest" + std::to_string(worker), worker, {.isPersistent = worker > 0}));
    }
    Client& publisher = broker.connected("publisher", 2);
    passSeconds(broker, 2);
    size_t published = 0;
    for (int step = 0; step < 150; step++) {
      Client& guest = *clients[2 * random.below(3) + 1];
      const std::string& filter = random.pick(filters);
      const size_t drawn = random.below(10);
      if (drawn < 3 && guest.isConnected) guest.subscribe(filter.c_str(), int(random.below(2)));
      if (drawn == 3 && guest.isConnected) guest.unsubscribe(filter);
      if (drawn == 4) guest.drop();
      if (drawn == 5 && !guest.isConnected) guest.connect(unsigned(random.below(3)));
      if (drawn == 6) {
        const auto by = unsigned(random.below(3));
        falsify(broker, by, (by + unsigned(random.between(1, 2))) % 3, filter, Interest(random.below(3)));
      }
      if (drawn == 7) broker.advanceTime(random.between(500, 4'000));
      if (drawn > 7) {
        publisher.publish("kept/" + std::to_string(random.below(3)) + "/0", "x", 2);
        published++;
      }
      for (size_t count = random.below(60); count > 0; count--) broker.step(random);
    }
    passSeconds(broker, 30);
    checkRoutes(broker, {0, 1, 2});
    for (unsigned worker = 0; worker < 3; worker++) CHECK_EQ(clients[2 * worker]->received.size(), published);
    const uint64_t repaired = broker.total(Counter::routesRepaired);
    passSeconds(broker, 12);
    CHECK_EQ(broker.total(Counter::routesRepaired), repaired);
  });
}
