// native/topics/filter-tree.h: filters come and go, and a topic matches what matching word by word says.
#include "fuzz.h"

#include <map>
#include <set>

#include "../../native/topics/filter-tree.h"

using namespace rally;

FUZZ("filter-tree") {
  FilterTree::Filters filters;
  FilterTree tree(7, filters);
  std::map<std::string, uint32_t> oracle;
  while (!input.isSpent()) {
    const std::string text = fuzz::filterFrom(input);
    switch (input.below(4)) {
      case 0:
      case 1:
        if (!hasWildcard(bytesOf(text)) || oracle.contains(text)) break;
        oracle[text] = filters.add();
        filters[oracle[text]].bytes = ShortText(Exact(bytesOf(text)));
        tree.add(oracle[text]);
        break;
      case 2: {
        if (oracle.empty()) break;
        auto some = oracle.lower_bound(text);
        if (some == oracle.end()) some = oracle.begin();
        tree.remove(some->second);
        filters.remove(some->second);
        oracle.erase(some);
        break;
      }
      default: {
        const std::string topic = fuzz::topicFrom(input);
        std::multiset<std::string> found;
        tree.match(Exact(bytesOf(topic)), [&](uint32_t id) { found.insert(textOf(filters[id].text())); });
        std::multiset<std::string> expected;
        for (const auto& [filter, id] : oracle) {
          if (matchesByTheBook(filter, topic)) expected.insert(filter);
        }
        CHECK(found == expected);
      }
    }
    const auto known = oracle.find(text);
    if (hasWildcard(bytesOf(text)))
      CHECK_EQ(tree.find(Exact(bytesOf(text))), known == oracle.end() ? 0 : known->second);
    CHECK_EQ(tree.isEmpty(), oracle.empty());
    CHECK(tree.nodes() <= 1 + 8 * oracle.size());
  }
  for (const auto& [text, id] : oracle) tree.remove(id);
  CHECK_EQ(tree.nodes(), 1);
}
