// native/sessions/session-table.h: both sides of a subscription know each other's place, whatever comes
// and goes.
#include "check.h"
#include "octets.h"

#include <map>

#include "../../native/durable/logged-subscriptions.h"
#include "../../native/sessions/session-table.h"

using namespace rally;

TEST("session table: sessions by key") {
  SessionTable table;
  CHECK(!table.find(1));
  Session& session = table.create(1);
  CHECK_EQ(session.key, 1);
  CHECK(table.find(1) == &session);
  CHECK(&table.create(2) != &session);
  CHECK(table.take(session)->key == 1);
  CHECK(!table.find(1) && table.find(2));
}

TEST("session table: random subscriptions against a map") {
  check::eachSeed(120, [](check::Random& random) {
    SessionTable table;
    FilterTable filters({random.next(), random.next()});
    std::vector<Session*> sessions;
    const size_t sessionCount = random.between(1, 12);
    const size_t filterCount = random.between(1, 12);
    for (uint64_t key = 1; key <= sessionCount; key++) sessions.push_back(&table.create(key));
    std::vector<Filter*> all;
    for (size_t i = 0; i < filterCount; i++) all.push_back(&filters.acquire(bytesOf("filter/" + std::to_string(i))));
    std::map<std::pair<Session*, Filter*>, uint32_t> oracle;  // -> subscription identifier
    for (uint32_t step = 1; step < 400; step++) {
      Session& session = *random.pick(sessions);
      Filter& filter = *random.pick(all);
      const bool isKnown = oracle.contains({&session, &filter});
      if (random.chance(55)) {
        Subscriber options;
        options.subscriptionId = step;
        options.qos = uint8_t(step % 3);
        options.indexInSession = 999;  // not the caller's to say
        CHECK_EQ(SessionTable::subscribe(session, filter, options), isKnown);
        oracle[{&session, &filter}] = step;
      } else {
        CHECK_EQ(SessionTable::unsubscribe(session, filter), isKnown);
        oracle.erase({&session, &filter});
      }
      size_t subscriptions = 0;
      for (Session* each : sessions) {
        subscriptions += each->subscriptions.size();
        for (uint32_t i = 0; i < each->subscriptions.size(); i++) {
          const SubscriptionRef& reference = each->subscriptions[i];
          if (!CHECK(reference.position < reference.filter->subscribers.size())) return;
          const Subscriber& subscriber = reference.filter->subscribers[reference.position];
          CHECK(subscriber.session == each);
          CHECK_EQ(subscriber.indexInSession, i);
          const auto found = oracle.find({each, reference.filter});
          if (!CHECK(found != oracle.end())) return;
          CHECK_EQ(subscriber.subscriptionId, found->second);
          CHECK_EQ(subscriber.qos, found->second % 3);
        }
      }
      size_t subscribers = 0;
      for (const Filter* each : all) subscribers += each->subscribers.size();
      CHECK_EQ(subscriptions, oracle.size());
      CHECK_EQ(subscribers, oracle.size());
    }
  });
}

TEST("session table: the subscriptions of a logged session, against a map, few and many") {
  check::eachSeed(60, [](check::Random& random) {
    LoggedSubscriptions subscriptions;
    std::map<std::string, LoggedSubscription> oracle;
    const size_t filters = random.pick(std::vector<size_t>{3, 17, 60});
    for (int step = 0; step < 500; step++) {
      const size_t number = random.below(filters);
      const std::string filter = std::string(number % 40, 'f') + std::to_string(number);
      const LoggedSubscription* known = subscriptions.find(bytesOf(filter));
      const auto expected = oracle.find(filter);
      if (!CHECK_EQ(known != nullptr, expected != oracle.end())) return;
      if (known) CHECK(*known == expected->second);
      if (known || random.chance(20)) {
        CHECK_EQ(subscriptions.remove(bytesOf(filter)), known != nullptr);
        oracle.erase(filter);
      } else {
        const LoggedSubscription options{.qos = 1, .subscriptionId = uint32_t(step)};
        subscriptions.add(bytesOf(filter), options);
        oracle[filter] = options;
      }
      size_t count = 0;
      for (const auto& [text, options] : subscriptions) {
        const auto found = oracle.find(std::string(text.bytes().begin(), text.bytes().end()));
        CHECK(found != oracle.end() && found->second == options);
        count++;
      }
      CHECK_EQ(count, oracle.size());
      CHECK_EQ(subscriptions.isEmpty(), oracle.empty());
      if (!oracle.empty()) CHECK(subscriptions.find(subscriptions.last().filter.bytes()) != nullptr);
    }
    subscriptions.clear();
    CHECK(subscriptions.isEmpty() && !subscriptions.find(bytesOf("f1")));
  });
}

TEST("session table: sessions that come and go, against a map") {
  check::eachSeed(40, [](check::Random& random) {
    SessionTable table;
    if (random.chance(50)) table.reserve(random.below(300));
    std::map<uint64_t, Session*> oracle;
    const uint64_t first = uint64_t(random.below(3)) << 32;
    uint64_t keys = first;
    for (int step = 0; step < 600; step++) {
      table.proceed();
      if (oracle.empty() || random.chance(55)) {
        keys++;
        oracle[keys] = &table.create(keys);
      } else {
        const auto gone = std::next(oracle.begin(), std::ptrdiff_t(random.below(oracle.size())));
        CHECK(table.take(*gone->second).get() == gone->second);
        CHECK(!table.find(gone->first));
        oracle.erase(gone);
      }
      CHECK_EQ(table.size(), oracle.size());
      const uint64_t key = first + random.below(keys - first + 2);
      const auto expected = oracle.find(key);
      CHECK(table.find(key) == (expected == oracle.end() ? nullptr : expected->second));
    }
    size_t count = 0;
    for (uint32_t place = 0; place < table.placesEnd(); place++) {
      Session* const session = table.at(place);
      if (!session) continue;
      CHECK(oracle[session->key] == session && table.find(session->key) == session);
      count++;
    }
    CHECK_EQ(count, table.size());
  });
}
