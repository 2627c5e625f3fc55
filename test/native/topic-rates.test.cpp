// native/topics/topic-rates.h against a map of strings, and its bound; native/structures/sampler.h.
#include "../../native/topics/topic-rates.h"

#include <cmath>
#include <map>
#include <string>

#include "../../native/structures/sampler.h"
#include "check.h"
#include "octets.h"

using namespace rally;

namespace {

struct Row {
  std::string level;
  TopicRates::Figures figures;
  bool hasBelow;
};

std::vector<Row> below(TopicRates& rates, uint32_t node, size_t max, uint64_t nowMs, const char* after = nullptr) {
  std::vector<Row> rows;
  const std::string name = after ? after : "";
  const Bytes from = bytesOf(name);
  rates.eachBelow(node, after ? &from : nullptr, max, nowMs,
                  [&](Bytes level, const TopicRates::Figures& figures, bool hasBelow) {
                    rows.push_back({std::string(level.begin(), level.end()), figures, hasBelow});
                  });
  return rows;
}

}  // namespace

TEST("topic rates: each level has what came for it and below it, and pages follow each other") {
  TopicRates rates(1 << 20, 1);
  for (const char* topic : {"b/1", "b/2", "b/2", "a", "/x", "b"}) rates.add(bytesOf(topic), 1, 10, 5'000);
  const auto top = below(rates, TopicRates::root, 10, 5'000);
  CHECK_EQ(top.size(), size_t(3));
  CHECK_EQ(top[0].level, std::string(""));
  CHECK(top[0].hasBelow && !top[1].hasBelow);
  CHECK_EQ(int(top[2].figures.messages), 4);
  CHECK_EQ(int(top[2].figures.own), 1);
  const auto first = below(rates, rates.find(bytesOf("b")), 1, 5'000);
  CHECK_EQ(first[0].level, std::string("1"));
  const auto second = below(rates, rates.find(bytesOf("b")), 1, 5'000, "1");
  CHECK_EQ(second[0].level, std::string("2"));
  CHECK_EQ(below(rates, rates.find(bytesOf("b")), 1, 5'000, "2").size(), size_t(0));
  CHECK_EQ(rates.find(bytesOf("c")), 0u);
  CHECK_EQ(rates.find(bytesOf("b/1/2")), 0u);
}

TEST("topic rates: a steady rate is right soon and later, and fades when nothing comes") {
  TopicRates rates(1 << 20, 1);
  uint64_t nowMs = 1'000;
  const auto rate = [&] { return below(rates, TopicRates::root, 1, nowMs)[0].figures; };
  for (int second = 0; second < 60; second++) {
    for (int each = 0; each < 50; each++, nowMs += 20) rates.add(bytesOf("a"), 1, 100, nowMs);
    if (second < 2) continue;
    CHECK(std::abs(rate().messagesPerSecond - 50) < 2);
    CHECK(std::abs(rate().bytesPerSecond - 5'000) < 200);
  }
  nowMs += 60'000;
  CHECK(rate().messagesPerSecond < 0.5);
  CHECK_EQ(int(rate().messages), 3'000);
}

TEST("topic rates: a deep topic is counted in its first levels, and a long one keeps to the bound") {
  TopicRates rates(200'000, 1);
  std::string deep = "0";
  for (int level = 1; level < 100; level++) deep += "/" + std::to_string(level);
  rates.add(bytesOf(deep), 1, 1, 1);
  CHECK(rates.find(bytesOf("0/1/2")) != 0);
  CHECK_EQ(rates.find(bytesOf(deep)), 0u);
  for (int topic = 0; topic < 10; topic++) rates.add(bytesOf(std::string(65'000, char('a' + topic))), 1, 1, 1);
  CHECK(rates.bytes() <= 200'000);
  TopicRates none(0, 1);
  none.add(bytesOf("a"), 1, 1, 1);
  CHECK_EQ(none.bytes(), size_t(0));
}

TEST("topic rates: what is there agrees with a map, whatever comes, and the oldest topics go") {
  check::eachSeed(20, [](check::Random& random) {
    const size_t bytesMax = random.chance(50) ? 20'000 : 2'000'000;
    TopicRates rates(bytesMax, random.next());
    std::map<std::string, uint64_t> counts;
    uint64_t all = 0;
    for (int message = 0; message < 2'000; message++) {
      std::string topic;
      for (size_t level = 0, levels = random.between(1, 4); level < levels; level++) {
        topic += (level == 0 ? "" : "/") + random.text(random.below(3), "ab");
        counts[topic]++;
      }
      all++;
      rates.add(bytesOf(topic), 1, 1, uint64_t(message));
      CHECK(rates.bytes() <= bytesMax);
      CHECK(rates.find(bytesOf(topic)) != 0);  // the newest is there
    }
    double sum = 0;
    for (const Row& row : below(rates, TopicRates::root, 1'000, 2'000)) sum += row.figures.messages;
    if (bytesMax < 100'000) {
      CHECK(sum <= double(all));
      return;
    }
    CHECK_EQ(uint64_t(sum), all);
    for (const auto& [topic, count] : counts) {
      const size_t slash = topic.rfind('/');
      const uint32_t above = slash == std::string::npos ? TopicRates::root
                                                        : rates.find(bytesOf(topic.substr(0, slash)));
      const std::string level = slash == std::string::npos ? topic : topic.substr(slash + 1);
      bool isFound = false;
      for (const Row& row : below(rates, above, 1'000, 2'000)) {
        if (row.level != level) continue;
        isFound = true;
        CHECK_EQ(uint64_t(row.figures.messages), count);
      }
      CHECK(isFound);
    }
  });
}

TEST("sampler: few messages are all looked at, many of them in part, and the sum is about right") {
  Sampler few;
  for (int second = 0; second < 3; second++, few.tick()) {
    for (int message = 0; message < 450; message++) {
      CHECK(few.isDue());
      CHECK_EQ(few.take(), 1u);
    }
  }
  Sampler many;
  for (int second = 0; second < 20; second++, many.tick()) {
    uint64_t looked = 0;
    uint64_t sum = 0;
    uint64_t ofTwo[2] = {0, 0};
    for (int message = 0; message < 300'000; message++) {
      if (!many.isDue()) continue;
      const uint32_t stands = many.take();
      looked++;
      sum += stands;
      ofTwo[message % 2] += stands;  // messages of two topics in turns
    }
    if (second == 0) continue;
    CHECK(looked < 750);
    CHECK(sum > 250'000 && sum < 350'000);
    CHECK(ofTwo[0] > 100'000 && ofTwo[1] > 100'000);
  }
  for (int second = 0; second < 2; second++) many.tick();  // nothing comes
  CHECK(many.isDue());
}
