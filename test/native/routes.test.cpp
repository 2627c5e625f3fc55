// native/front-end/routes.h: another implementation in its place, which tells somebody far away as well and answers
// late, as another node would.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

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

TEST("routes: whatever covers whatever, what matches comes, and once nobody subscribes nobody knows a filter") {
  check::eachSeed(30, [](check::Random& random) {
    HandDrivenBroker broker(std::vector<unsigned>{1, 1, 1});
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
    for (Client* reader : readers) reader->drop();
    CHECK(broker.settle());
    for (unsigned worker = 0; worker < 3; worker++) CHECK_EQ(filtersOf(worker), before[worker]);
  });
}
