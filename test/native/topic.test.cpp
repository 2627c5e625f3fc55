// native/topics/topic.h
#include "check.h"
#include "octets.h"

#include "../../native/topics/filter-table.h"
#include "../../native/wire/topic.h"

using namespace rally;

namespace {

bool isTopicNameByTheBook(const std::string& topic, size_t levelsMax) {
  if (topic.empty() || topic.find_first_of("+#") != std::string::npos || levelsOf(topic).size() > levelsMax)
    return false;
  for (Bytes rest = bytesOf(topic); !rest.empty();) {
    const size_t size = utf8SequenceSize(rest);  // has its own test
    if (size == 0) return false;
    rest = rest.subspan(size);
  }
  return true;
}

}  // namespace

TEST("topic: names by example") {
  for (const char* name :
       {"a", "/", "//", "$SYS/x", "a b", "\xc3\xa9/x", "/leading", "trailing/", "0123456/", "01234567/89"}) {
    CHECK(isTopicName(Exact(bytesOf(name)), 128));
  }
  for (const std::string& name :
       {std::string(), std::string("a/+"), std::string("#"), std::string("1234567+"), std::string("12345678#"),
        std::string("a\0b", 3), std::string("1234567\0", 8), std::string("\xff"), std::string("1234567\xc3")}) {
    CHECK(!isTopicName(Exact(bytesOf(name)), 128));
  }
}

TEST("topic: levels are counted wherever the slashes are") {
  for (size_t slashes = 0; slashes < 40; slashes++) {
    for (const char* between : {"", "a", "abc", "1234567", "\xc3\xa9"}) {
      std::string topic = "x";
      for (size_t i = 0; i < slashes; i++) topic += std::string("/") + between;
      CHECK(isTopicName(Exact(bytesOf(topic)), uint32_t(slashes + 1)));
      CHECK(!isTopicName(Exact(bytesOf(topic)), uint32_t(slashes)));
    }
  }
  const std::string longest(65'535, '/');
  CHECK(isTopicName(bytesOf(longest), 65'536));
  CHECK(!isTopicName(bytesOf(longest), 65'535));
}

TEST("topic: each byte at each place, against the slow way") {
  for (size_t size = 1; size <= 17; size++) {
    for (size_t at = 0; at < size; at++) {
      for (int value = 0; value < 256; value++) {
        std::string topic(size, 'a');
        topic[at] = char(value);
        CHECK_EQ(isTopicName(Exact(bytesOf(topic)), 128), isTopicNameByTheBook(topic, 128));
      }
    }
  }
}

TEST("topic: random names, against the slow way") {
  check::eachSeed(30'000, [](check::Random& random) {
    static const std::vector<std::string> pieces = {
        "a",    "/",    "abcdefgh", "sensor/", "\xc3\xa9",           "\xe2\x82\xac", "$",           " ",
        "\x7f", "\x01", "+",        "#",       std::string(1, '\0'), "\xff",         "\xed\xa0\x80"};
    const size_t kinds = random.chance(70) ? 10 : pieces.size();
    std::string topic;
    for (size_t i = random.below(14); i > 0; i--) topic += pieces[random.below(kinds)];
    const auto levelsMax = uint32_t(random.between(1, 8));
    CHECK_EQ(isTopicName(Exact(bytesOf(topic)), levelsMax), isTopicNameByTheBook(topic, levelsMax));
  });
}

TEST("topic: levels, wildcards") {
  check::eachSeed(3'000, [](check::Random& random) {
    const std::string topic = random.text(random.below(12), "ab/+#");
    std::vector<std::string> visited;
    eachLevel(Exact(bytesOf(topic)), [&](Bytes level) {
      visited.push_back(textOf(level));
      return true;
    });
    CHECK(visited == levelsOf(topic));
    const size_t most = random.between(1, visited.size());
    size_t count = 0;
    eachLevel(bytesOf(topic), [&](Bytes) { return ++count < most; });
    CHECK_EQ(count, most);
    CHECK_EQ(hasWildcard(Exact(bytesOf(topic))), topic.find_first_of("+#") != std::string::npos);
  });
  CHECK(isLevel(bytesOf("+"), '+') && !isLevel(bytesOf("#"), '+') && !isLevel(bytesOf("++"), '+') && !isLevel({}, '+'));
}

TEST("topic: reserved is what stands below $SYS and $share, and nothing that only begins alike") {
  for (const char* topic :
       {"$SYS", "$SYS/", "$SYS/broker/uptime", "$share", "$share/group/topic", "$SYS/broker/connection/state",
        "$SYS/broker/connection/a/b/state", "$SYS/broker/connection/a/states", "$SYS/broker/connection/a/state/",
        "$SYS/broker/connection/a/State", "$SYS/broker/connections/a/state", "$SYS/broker/connection/a",
        "$share/broker/connection/a/state"})
    CHECK(isReservedTopic(Exact(bytesOf(topic))));
  for (const char* topic :
       {"", "$", "$SY", "$SYSTEM", "$sys/a", "$shared/a", "$shar", "SYS/a", "a/$SYS", "/$SYS",
        "$SYS/broker/connection/a/state", "$SYS/broker/connection//state", "$SYS/broker/connection/state/state"}) {
    CHECK(!isReservedTopic(Exact(bytesOf(topic))));
  }
}

TEST("topic: one filter and one name, as the tree of all filters has it") {
  check::eachSeed(200, [](check::Random& random) {
    const auto text = [&](bool isFilter) {
      std::string all;
      for (size_t levels = random.between(1, 4); levels > 0; levels--) {
        const size_t kind = random.below(isFilter ? 7 : 4);
        all += kind == 0                  ? ""
               : kind == 1                ? "a"
               : kind == 2                ? "bb"
               : kind == 3                ? "$c"
               : kind == 6 && levels == 1 ? "#"
                                          : "+";
        if (levels > 1) all += '/';
      }
      return all.empty() ? std::string("a") : all;
    };
    const std::string filter = text(true);
    FilterTable table({1, 2});
    table.acquire(bytesOf(filter)).routes = 1;
    for (int i = 0; i < 20; i++) {
      const std::string topic = text(false);
      std::vector<Filter*> matches;
      table.match(bytesOf(topic), table.hashOf(bytesOf(topic)), matches);
      if (!CHECK_EQ(filterMatches(Exact(bytesOf(filter)), Exact(bytesOf(topic))), matches.size() == 1))
        std::fprintf(stderr, "%s and %s\n", filter.c_str(), topic.c_str());
    }
  });
}
