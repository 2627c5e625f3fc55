// native/topics/filter-tree.h against matching word by word, with filters that have much in common, and how many
// inner nodes they cost.
#include "check.h"
#include "octets.h"

#include <map>
#include <set>

#include "../../native/topics/filter-tree.h"

using namespace rally;

namespace {

// A tree, its filters by text, and the oracle's opinion of both.
struct Grove {
  FilterTree::Filters filters;
  FilterTree tree;
  std::map<std::string, uint32_t> ids;

  explicit Grove(uint64_t seed) : tree(seed, filters) {}

  void add(const std::string& text) {
    const uint32_t id = filters.add();
    filters[id].bytes = ShortText(Exact(bytesOf(text)));
    tree.add(id);
    CHECK(filters[id].hasWildcards());
    ids[text] = id;
  }
  void remove(const std::string& text) {
    tree.remove(ids[text]);
    filters.remove(ids[text]);
    ids.erase(text);
    CHECK_EQ(tree.find(Exact(bytesOf(text))), 0);
  }
  std::multiset<std::string> matched(const std::string& topic) {
    std::multiset<std::string> texts;
    tree.match(Exact(bytesOf(topic)), [&](uint32_t id) { texts.insert(textOf(filters[id].text())); });
    return texts;
  }
  std::multiset<std::string> expected(const std::string& topic) const {
    std::multiset<std::string> texts;
    for (const auto& [text, id] : ids) {
      if (matchesByTheBook(text, topic)) texts.insert(text);
    }
    return texts;
  }
};

std::string joined(const std::vector<std::string>& levels) {
  std::string text;
  for (size_t i = 0; i < levels.size(); i++) text += (i > 0 ? "/" : "") + levels[i];
  return text;
}

const std::string& randomLevel(check::Random& random) {
  static const std::vector<std::string> levels = {"",     "a", "b", "a level that is longer than eight bytes",
                                                  "$SYS", "$x"};
  return random.pick(levels);
}

// Another text that has much in common with `text`: shorter, longer, with another level, or with a wildcard.
std::string variant(check::Random& random, const std::string& text) {
  std::vector<std::string> levels = levelsOf(text);
  if (levels.back() == "#") levels.pop_back();
  if (!levels.empty() && random.chance(30)) levels.resize(random.between(1, levels.size()));
  for (size_t more = random.chance(30) ? random.below(4) : 0; more > 0; more--) levels.push_back(randomLevel(random));
  if (!levels.empty() && random.chance(40)) levels[random.below(levels.size())] = randomLevel(random);
  if (!levels.empty() && random.chance(40)) levels[random.below(levels.size())] = "+";
  if (levels.empty() || random.chance(30)) levels.push_back("#");
  return joined(levels);
}

std::string topicLike(check::Random& random, const std::string& filter) {
  std::vector<std::string> levels = levelsOf(filter);
  const bool isMulti = levels.back() == "#";
  if (isMulti) levels.pop_back();
  for (std::string& level : levels) {
    if (level == "+" || random.chance(5)) level = randomLevel(random);
  }
  if (isMulti || random.chance(10)) {
    for (size_t more = random.below(3); more > 0; more--) levels.push_back(randomLevel(random));
  }
  const std::string topic = joined(levels);
  return topic.empty() ? "/" : topic;
}

}  // namespace

TEST("filter tree: filters that have much in common, coming and going, against the oracle; nothing is left of them") {
  check::eachSeed(150, [](check::Random& random) {
    Grove grove(random.next());
    std::vector<std::string> texts = {"#",   "+",  "+/#",    "+/+",      "/#",          "/+",
                                      "//+", "+/", "$SYS/#", "$SYS/+/a", "a/+/b/+/a/#", std::string(200, '/') + "+"};
    const unsigned removals = random.pick(std::vector<unsigned>{10, 30, 48});
    for (int step = 0; step < 200; step++) {
      const std::string text = random.chance(70) ? variant(random, random.pick(texts)) : random.pick(texts);
      const bool isKnown = grove.ids.contains(text);
      CHECK_EQ(grove.tree.find(Exact(bytesOf(text))), isKnown ? grove.ids[text] : 0);
      if (random.chance(removals) && !grove.ids.empty()) {
        auto some = grove.ids.begin();
        std::advance(some, std::ptrdiff_t(random.below(grove.ids.size())));
        grove.remove(std::string(some->first));
      } else if (!isKnown && hasWildcard(bytesOf(text))) {
        grove.add(text);
        texts.push_back(text);
      }
      CHECK_EQ(grove.tree.isEmpty(), grove.ids.empty());
      const std::string topic = topicLike(random, random.pick(texts));
      CHECK(grove.matched(topic) == grove.expected(topic));
    }
    std::vector<std::string> left;
    for (const auto& [text, id] : grove.ids) left.push_back(text);
    for (; !left.empty(); left.pop_back()) {
      std::swap(left[random.below(left.size())], left.back());
      const std::string topic = topicLike(random, left.back());
      CHECK(grove.matched(topic) == grove.expected(topic));
      grove.remove(left.back());
      CHECK(grove.matched(topic) == grove.expected(topic));
    }
    CHECK_EQ(grove.tree.nodes(), 1);
  });
}

TEST("filter tree: only levels that filters have in common cost inner nodes") {
  Grove grove(1);
  grove.add("site/1/+/value/#");
  CHECK_EQ(grove.tree.nodes(), 1);
  grove.add("other/+");
  grove.add("#");
  CHECK_EQ(grove.tree.nodes(), 1);
  grove.add("site/2/+/value/#");  // below site
  CHECK_EQ(grove.tree.nodes(), 2);
  grove.add("site/1/+/state");  // below site/1/+
  CHECK_EQ(grove.tree.nodes(), 4);
  grove.add("site/1/#");
  CHECK_EQ(grove.tree.nodes(), 4);
  grove.add("site/1/+");  // ends where others go on
  CHECK_EQ(grove.tree.nodes(), 4);
  CHECK_EQ(grove.matched("site/1/x/value").size(), 3);
  for (const char* text : {"site/1/+/state", "site/1/+/value/#", "site/1/+"}) grove.remove(text);
  CHECK_EQ(grove.tree.nodes(), 3);
  for (const char* text : {"site/1/#", "site/2/+/value/#"}) grove.remove(text);
  CHECK_EQ(grove.tree.nodes(), 1);
}

TEST("filter tree: two filters of 65,535 bytes that differ in their last level") {
  Grove grove(1);
  const std::string slashes(65'534, '/');
  grove.add(slashes + "+");
  grove.add(slashes + "#");
  grove.add(slashes.substr(1) + "#");
  CHECK_EQ(grove.matched(slashes + "a").size(), 3);
  CHECK_EQ(grove.matched(slashes).size(), 3);
  CHECK_EQ(grove.matched(slashes.substr(1)).size(), 2);
  grove.remove(slashes + "#");
  CHECK_EQ(grove.matched(slashes + "a").size(), 2);
  grove.remove(slashes.substr(1) + "#");
  grove.remove(slashes + "+");
  CHECK_EQ(grove.tree.nodes(), 1);
}
