// native/sessions/session-table.h: both sides of a subscription know each other's place, whatever comes
// and goes.
#include "check.h"
#include "octets.h"

#include <map>

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
