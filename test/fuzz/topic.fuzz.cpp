// native/wire/topic.h against going byte by byte and level by level.
#include "fuzz.h"

#include "../../native/wire/topic.h"

using namespace rally;

FUZZ("topic") {
  const auto levelsMax = uint32_t(input.between(1, 20));
  const Exact exact{input.rest()};
  const Bytes topic(exact);
  const std::string text = textOf(topic);
  const std::vector<std::string> levels = levelsOf(text);
  const bool isWild = text.find_first_of("+#") != std::string::npos;
  CHECK_EQ(isTopicName(topic, levelsMax), !text.empty() && !isWild && isUtf8(topic) && levels.size() <= levelsMax);
  CHECK_EQ(hasWildcard(topic), isWild);
  CHECK_EQ(isReservedTopic(topic), levels[0] == "$SYS" || levels[0] == "$share");
  CHECK_EQ(textOf(firstLevel(topic)), levels[0]);
  std::vector<std::string> visited;
  eachLevel(topic, [&](Bytes level) {
    visited.push_back(textOf(level));
    return true;
  });
  CHECK(visited == levels);
  const size_t stopAt = 1 + text.size() % levels.size();
  size_t count = 0;
  eachLevel(topic, [&](Bytes) { return ++count < stopAt; });
  CHECK_EQ(count, stopAt);
  const bool isShared = text.starts_with("$share/") && text.size() > 7;
  CHECK_EQ(isSharedFilter(topic), isShared);
  if (!isShared) return;
  const size_t slash = text.find('/', 7);
  CHECK_EQ(textOf(unsharedFilter(topic)), slash == std::string::npos ? std::string() : text.substr(slash + 1));
}
