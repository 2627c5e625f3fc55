// native/topics/filter-table.h with sessions that subscribe (native/sessions/session-table.h) and shares, against
// sets.
#include "fuzz.h"

#include <map>
#include <set>

#include "../../native/sessions/session-table.h"
#include "../../native/topics/filter-table.h"

using namespace rally;

namespace {

constexpr uint64_t sessionCount = 4;
using Oracle = std::map<std::string, std::set<uint64_t>>;  // filter -> sessions

// What the table says that a topic goes to: through filters, and through the shares of filters.
std::multiset<std::string> matched(FilterTable& table, const std::string& topic) {
  std::vector<Filter*> matches;
  const Exact exact(bytesOf(topic));
  table.match(exact, table.hashOf(exact), matches);
  std::multiset<std::string> texts;
  for (const Filter* filter : matches) {
    CHECK(!filter->isShared);
    if (!filter->subscribers.isEmpty()) texts.insert(textOf(filter->text()));
    for (uint32_t id = filter->share; id != 0; id = table.share(id).next) {
      CHECK(table.findShare(table.share(id).key) == &table.share(id));
      texts.insert(textOf(table.share(id).own->text()));
    }
  }
  return texts;
}

void checkSides(const FilterTable& table, SessionTable& sessions, const Oracle& oracle) {
  size_t expected = 0;
  std::set<std::string> bases;
  for (const auto& [text, members] : oracle) {
    expected += members.size();
    bases.insert(text);
    if (isSharedFilter(bytesOf(text))) bases.insert(textOf(unsharedFilter(bytesOf(text))));
  }
  CHECK_EQ(table.size(), bases.size());
  size_t count = 0;
  sessions.each([&](Session& session) {
    count += session.subscriptions.size();
    for (uint32_t i = 0; i < session.subscriptions.size(); i++) {
      const SubscriptionRef& ref = session.subscriptions[i];
      const Subscriber& subscriber = ref.filter->subscribers[ref.position];
      CHECK(subscriber.session == &session && subscriber.indexInSession == i);
    }
  });
  CHECK_EQ(count, expected);
}

}  // namespace

FUZZ("filter-table") {
  FilterTable table({.topics = 11, .tables = 12});
  SessionTable sessions;
  for (uint64_t key = 1; key <= sessionCount; key++) sessions.create(key);
  Oracle oracle;
  while (!input.isSpent()) {
    std::string text = fuzz::filterFrom(input);
    if (input.chance(30)) text = (input.chance(50) ? "$share/g/" : "$share/h/") + text;
    Session& session = *sessions.find(input.between(1, sessionCount));
    if (input.chance(45)) {
      Filter& filter = table.acquire(Exact(bytesOf(text)));
      CHECK_EQ(filter.isShared, text.starts_with("$share/"));
      const bool existed = SessionTable::subscribe(session, filter, {.qos = uint8_t(input.below(3))});
      CHECK_EQ(existed, !oracle[text].insert(session.key).second);
    } else if (!session.subscriptions.isEmpty() && input.chance(60)) {
      Filter& filter = *session.subscriptions[input.below(session.subscriptions.size())].filter;
      const std::string left = textOf(filter.text());
      CHECK(SessionTable::unsubscribe(session, filter));
      table.releaseIfUnused(filter);
      oracle[left].erase(session.key);
      if (oracle[left].empty()) oracle.erase(left);
    } else {
      const std::string topic = fuzz::topicFrom(input);
      std::multiset<std::string> expected;
      for (const auto& [filter, members] : oracle) {
        const bool isShared = isSharedFilter(bytesOf(filter));
        if (matchesByTheBook(isShared ? textOf(unsharedFilter(bytesOf(filter))) : filter, topic))
          expected.insert(filter);
      }
      CHECK(matched(table, topic) == expected);
    }
    Filter* known = table.find(Exact(bytesOf(text)));
    if (oracle.contains(text)) CHECK(known && known->subscribers.size() == oracle[text].size());
    checkSides(table, sessions, oracle);
  }
}
