// native/topics/filter-table.h against matching word by word.
#include "check.h"
#include "octets.h"

#include <algorithm>
#include <ctime>
#include <set>

#include "../../native/sessions/session.h"
#include "../../native/topics/filter-table.h"

using namespace rally;

namespace {

std::string randomTopic(check::Random& random) {
  static const std::vector<std::string> levels = {"a", "b", "", "c", "$SYS", "$x", "sensor"};
  std::string topic;
  do {
    topic = random.pick(levels);
    for (size_t i = random.below(5); i > 0; i--) topic += "/" + random.pick(levels);
  } while (topic.empty());
  return topic;
}

std::string randomFilter(check::Random& random) {
  if (random.chance(5)) return "#";
  std::string filter = randomTopic(random);
  std::vector<std::string> levels = levelsOf(filter);
  for (std::string& level : levels) {
    if (random.chance(30)) level = "+";
  }
  if (random.chance(30)) levels.push_back("#");
  filter.clear();
  for (size_t i = 0; i < levels.size(); i++) filter += (i > 0 ? "/" : "") + levels[i];
  return filter.empty() ? "/" : filter;
}

// Also what it remembers of the topic (recent-matches.h).
std::multiset<std::string> matched(FilterTable& table, const std::string& topic) {
  const Exact exact(bytesOf(topic));
  std::multiset<std::string> texts;
  for (int time = 1; time <= 3; time++) {
    std::vector<Filter*> matches;
    table.match(exact, table.hashOf(exact), matches);
    std::multiset<std::string> now;
    for (const Filter* filter : matches) now.insert(textOf(filter->text()));
    if (time > 1) CHECK(now == texts);
    texts = std::move(now);
  }
  return texts;
}

Filter& add(FilterTable& table, const std::string& text) {
  Filter& filter = table.acquire(Exact(bytesOf(text)));
  filter.routes = 1;
  return filter;
}

}  // namespace

TEST("filter table: the examples of section 4.7") {
  const auto matches = [](const char* text, const char* topic) {
    FilterTable table({1, 2});
    add(table, text);
    return !matched(table, topic).empty();
  };
  CHECK(matches("sport/tennis/player1/#", "sport/tennis/player1"));
  CHECK(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
  CHECK(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
  CHECK(matches("sport/#", "sport"));
  CHECK(!matches("sport/#", "sports"));
  CHECK(matches("#", "/"));
  CHECK(matches("#", "a/b/c"));
  CHECK(matches("sport/tennis/+", "sport/tennis/player1"));
  CHECK(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  CHECK(!matches("sport/+", "sport"));
  CHECK(matches("sport/+", "sport/"));
  CHECK(matches("+/+", "/finance"));
  CHECK(matches("/+", "/finance"));
  CHECK(!matches("+", "/finance"));
  CHECK(!matches("#", "$SYS/a"));
  CHECK(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  CHECK(matches("$SYS/#", "$SYS/a"));
  CHECK(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
  CHECK(matches("a/+/$x", "a/b/$x"));
  CHECK(matches("a/#", "a/$x"));
  CHECK(matches("ACCOUNTS", "ACCOUNTS"));
  CHECK(!matches("ACCOUNTS", "Accounts"));
  CHECK(!matches("/a", "a"));
}

TEST("filter table: random filters and topics against the oracle, with filters coming and going") {
  check::eachSeed(80, [](check::Random& random) {
    FilterTable table({random.next(), random.next()});
    std::set<std::string> oracle;
    for (int step = 0; step < 150; step++) {
      if (random.chance(45) && !oracle.empty()) {
        auto some = oracle.begin();
        std::advance(some, std::ptrdiff_t(random.below(oracle.size())));
        Filter& filter = table.acquire(bytesOf(*some));
        table.releaseIfUnused(filter);  // still has a route
        CHECK(table.find(bytesOf(*some)) == &filter);
        filter.routes = 0;
        table.releaseIfUnused(filter);
        CHECK(!table.find(bytesOf(*some)));
        oracle.erase(some);
      } else {
        const std::string text = randomFilter(random);
        const bool isKnown = oracle.contains(text);
        CHECK_EQ(table.find(bytesOf(text)) != nullptr, isKnown);
        Filter& filter = add(table, text);
        CHECK_EQ(textOf(filter.text()), text);
        CHECK_EQ(filter.hasWildcards(), text.find_first_of("+#") != std::string::npos);
        oracle.insert(text);
      }
      CHECK_EQ(table.size(), oracle.size());
      const std::string topic = randomTopic(random);
      std::multiset<std::string> expected;
      for (const std::string& text : oracle) {
        if (matchesByTheBook(text, topic)) expected.insert(text);
      }
      CHECK(matched(table, topic) == expected);
    }
  });
}

TEST("filter table: a filter with subscribers is kept without a route") {
  FilterTable table({1, 2});
  Filter& filter = table.acquire(bytesOf("a/+"));
  filter.subscribers.push_back({});
  table.releaseIfUnused(filter);
  CHECK(table.find(bytesOf("a/+")) == &filter);
  filter.subscribers.clear();
  table.releaseIfUnused(filter);
  CHECK(!table.find(bytesOf("a/+")));
  CHECK_EQ(table.size(), 0);
  CHECK(matched(table, "a/b").empty());
}

TEST("filter table: 65,535 slashes as topic and as filter") {
  FilterTable table({1, 2});
  const std::string slashes(65'535, '/');
  for (const char* text : {"#", "/#", "+/+/#", "//+", "a"}) add(table, text);
  CHECK_EQ(matched(table, slashes).size(), 3);
  add(table, slashes);
  CHECK_EQ(matched(table, slashes).size(), 4);
  std::string wild = slashes;
  wild.back() = '#';
  Filter& filter = add(table, wild);
  CHECK_EQ(matched(table, slashes).size(), 5);
  filter.routes = 0;
  table.releaseIfUnused(filter);
  CHECK_EQ(matched(table, slashes).size(), 4);
}

TEST("filter table: the oldest of very many shares of a filter goes as quickly as the newest") {
  constexpr int shares = 20'000;
  const auto costOf = [](bool isOldestFirst) {
    FilterTable table({1, 2});
    std::vector<Filter*> all;
    for (int i = 0; i < shares; i++)
      all.push_back(&table.acquire(Exact(bytesOf("$share/" + std::to_string(i) + "/#"))));
    if (!isOldestFirst) std::reverse(all.begin(), all.end());
    const std::clock_t start = std::clock();
    for (Filter* filter : all) table.releaseIfUnused(*filter);
    const double cost = double(std::clock() - start);
    CHECK_EQ(table.size(), 0);
    return cost;
  };
  double newestFirst = costOf(false);
  double oldestFirst = costOf(true);
  for (int round = 0; round < 3 && oldestFirst > 4 * newestFirst; round++) {
    newestFirst = std::max(newestFirst, costOf(false));
    oldestFirst = std::min(oldestFirst, costOf(true));
  }
  CHECK(oldestFirst <= 4 * newestFirst);
}
