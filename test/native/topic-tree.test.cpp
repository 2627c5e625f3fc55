// native/topics/hash-index.h, native/topics/slab.h and native/topics/topic-tree.h, each against the
// standard library, with as much taken out as put in.
#include "check.h"
#include "octets.h"

#include <map>
#include <set>
#include <unordered_map>

#include "../../native/topics/topic-tree.h"

using namespace rally;

TEST("hash: depends on every byte, the length and the seed; reads nothing else") {
  std::set<uint64_t> hashes;
  size_t count = 0;
  for (size_t size = 0; size < 40; size++) {
    Octets bytes(size, 0);
    hashes.insert(hashBytes(Exact(bytes), 1));
    hashes.insert(hashBytes(Exact(bytes), 2));
    count += 2;
    for (size_t at = 0; at < size; at++) {
      bytes[at] = 1;
      hashes.insert(hashBytes(Exact(bytes), 1));
      bytes[at] = 0;
      count++;
    }
  }
  CHECK_EQ(hashes.size(), count);
}

TEST("hash index: random additions and removals, also with equal hashes, against unordered_map") {
  check::eachSeed(60, [](check::Random& random) {
    HashIndex index;
    std::unordered_map<uint32_t, uint64_t> oracle;  // identifier -> hash
    std::vector<uint32_t> present;
    const size_t hashesMax = random.pick(std::vector<size_t>{1, 3, 50, 100'000});
    const unsigned removals = random.chance(50) ? 30 : 49;
    uint32_t last = 0;
    for (int step = 0; step < 600; step++) {
      if (random.chance(removals) && !present.empty()) {
        const size_t at = random.below(present.size());
        const uint32_t id = present[at];
        index.remove(oracle[id], id);
        oracle.erase(id);
        present[at] = present.back();
        present.pop_back();
      } else {
        const uint64_t tag = random.below(hashesMax);
        const uint64_t hash = tag << 32 | random.below(1000);
        index.add(hash, ++last);
        oracle[last] = hash;
        present.push_back(last);
      }
      CHECK_EQ(index.size(), oracle.size());
      if (step % 50 != 0) continue;
      for (const auto& [id, hash] : oracle) {
        const uint32_t wanted = id;
        CHECK_EQ(index.find(hash, [&](uint32_t found) { return found == wanted; }), wanted);
      }
      CHECK_EQ(index.find(uint64_t(hashesMax + 1) << 32, [](uint32_t) { return true; }), 0);
      CHECK_EQ(index.find(random.next(), [](uint32_t) { return false; }), 0);
    }
  });
}

TEST("hash index: empty, and emptied, finds nothing") {
  HashIndex index;
  CHECK_EQ(index.find(1, [](uint32_t) { return true; }), 0);
  index.add(1, 1);
  index.remove(1, 1);
  CHECK_EQ(index.find(1, [](uint32_t) { return true; }), 0);
  CHECK_EQ(index.size(), 0);
}

namespace {

template <bool givesBack>
void checkSlab(check::Random& random) {
  Slab<std::string, givesBack> slab;
  std::unordered_map<uint32_t, std::pair<std::string*, std::string>> oracle;
  std::vector<uint32_t> present;
  unsigned removals = 40;
  for (int step = 0; step < 12'000; step++) {
    if (step % 3'000 == 0) removals = 95 - removals;  // grows and shrinks over several chunks
    if (random.chance(removals) && !present.empty()) {
      const size_t at = random.below(present.size());
      slab.remove(present[at]);
      oracle.erase(present[at]);
      present[at] = present.back();
      present.pop_back();
    } else {
      const uint32_t id = slab.add();
      CHECK(id != 0 && id < slab.end());
      CHECK(!oracle.contains(id));
      CHECK(slab[id].empty());
      slab[id] = std::to_string(step);
      oracle[id] = {&slab[id], slab[id]};
      present.push_back(id);
    }
    CHECK_EQ(slab.size(), oracle.size());
  }
  for (const auto& [id, expected] : oracle) {
    CHECK(&slab[id] == expected.first);
    CHECK_EQ(slab[id], expected.second);
  }
  const uint32_t end = slab.end();
  for (const uint32_t id : present) slab.remove(id);
  CHECK_EQ(slab.size(), 0);
  if (!givesBack) CHECK(slab[end - 1].empty());
  std::set<uint32_t> again;
  while (slab.size() < end - 1) again.insert(slab.add());
  CHECK_EQ(again.size(), end - 1);
  CHECK_EQ(slab.end(), end);  // no gap is left
}

}  // namespace

TEST(
    "slab: identifiers are unique while in use and never 0, addresses stay, removed objects are reset, chunks come "
    "back") {
  check::eachSeed(10, checkSlab<false>);
  check::eachSeed(10, checkSlab<true>);
}

TEST("topic tree: random growth and pruning against a map") {
  check::eachSeed(40, [](check::Random& random) {
    TopicTree<int> tree(random.next());
    std::map<std::pair<uint32_t, std::string>, uint32_t> oracle;
    std::vector<uint32_t> nodes = {TopicTree<int>::root};
    const std::vector<std::string> levels = {
        "", "a", "b", "+", "#", "$SYS", "a longer level of a topic", std::string(300, 'x')};
    for (int step = 0; step < 500; step++) {
      const uint32_t node = random.pick(nodes);
      if (random.chance(55)) {
        const std::string& level = random.pick(levels);
        const auto known = oracle.find({node, level});
        CHECK_EQ(tree.child(node, bytesOf(level)), known == oracle.end() ? 0 : known->second);
        if (known != oracle.end()) continue;
        const uint32_t added = tree.addChild(node, Exact(bytesOf(level)));
        tree.value(added) = step;
        oracle[{node, level}] = added;
        nodes.push_back(added);
        CHECK_EQ(tree.parent(added), node);
        CHECK_EQ(textOf(tree.level(added)), level);
      } else if (node != TopicTree<int>::root && tree.firstChild(node) == 0) {
        const uint32_t parent = tree.parent(node);
        oracle.erase({parent, textOf(tree.level(node))});
        CHECK_EQ(tree.remove(node), parent);
        std::erase(nodes, node);
      }
      CHECK_EQ(tree.size(), oracle.size() + 1);
    }
    std::map<uint32_t, std::set<uint32_t>> children;
    for (const auto& [place, node] : oracle) children[place.first].insert(node);
    for (const uint32_t node : nodes) {
      std::set<uint32_t> visited;
      for (uint32_t child = tree.firstChild(node); child != 0; child = tree.nextSibling(child))
        CHECK(visited.insert(child).second);
      CHECK(visited == children[node]);
    }
  });
}
