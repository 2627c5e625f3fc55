// native/structures/hash-index.h, native/structures/slab.h and native/topics/topic-tree.h, each against the
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

void checkSlab(check::Random& random) {
  Slab<std::string> slab;
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
  std::set<uint32_t> again;
  while (slab.size() < end - 1) again.insert(slab.add());
  CHECK_EQ(again.size(), end - 1);
  CHECK_EQ(slab.end(), end);  // no gap is left
}

}  // namespace

TEST(
    "slab: identifiers are unique while in use and never 0, addresses stay, removed objects are reset, chunks come "
    "back") {
  check::eachSeed(10, checkSlab);
}

namespace {

using Tree = TopicTree<int>;

void prune(Tree& tree, uint32_t node) {
  while (node != Tree::root && tree.value(node) == 0) {
    const uint32_t child = tree.firstChild(node);
    if (child != 0) {
      if (tree.nextSibling(child) == 0) tree.join(node);
      return;
    }
    node = tree.remove(node);
  }
}

// Walks below a node; gives the topics it finds, and what they cost.
size_t collect(const Tree& tree, uint32_t node, const std::string& path, std::map<std::string, int>& found) {
  size_t bytes = 0;
  std::set<std::string> firsts;
  for (uint32_t child = tree.firstChild(node); child != 0; child = tree.nextSibling(child)) {
    CHECK_EQ(tree.parent(child), node);
    const std::string text = textOf(tree.text(child));
    CHECK_EQ(tree.levels(child), levelsOf(text).size());
    CHECK(firsts.insert(levelsOf(text).front()).second);
    CHECK_EQ(tree.child(node, bytesOf(levelsOf(text).front())), child);
    bytes += Tree::nodeBytesOf(text.size());
    const std::string name = node == Tree::root ? text : path + "/" + text;
    if (tree.value(child) != 0) found[name] = tree.value(child);
    else CHECK(tree.firstChild(child) != 0 && tree.nextSibling(tree.firstChild(child)) != 0);
    bytes += collect(tree, child, name, found);
  }
  return bytes;
}

}  // namespace

TEST("topic tree: topics come and go, against a map; a node for each and for each place where they part") {
  check::eachSeed(60, [](check::Random& random) {
    Tree tree(random.next());
    std::map<std::string, int> oracle;
    const std::vector<std::string> levels = {"", "a", "b", "bb", "$SYS", "a longer level of a topic"};
    for (int step = 1; step < 300; step++) {
      std::string topic = random.pick(levels);
      for (uint64_t more = random.below(6); more > 0; more--) topic += "/" + random.pick(levels);
      if (random.chance(60)) {
        const uint32_t node = tree.add(Exact(bytesOf(topic)));
        CHECK(oracle.contains(topic) ? tree.value(node) == oracle[topic] : tree.value(node) == 0);
        tree.value(node) = oracle[topic] = step;
        CHECK_EQ(tree.find(Exact(bytesOf(topic))), node);
      } else {
        if (!oracle.empty() && random.chance(70))
          topic = oracle.lower_bound(topic) == oracle.end() ? oracle.begin()->first : oracle.lower_bound(topic)->first;
        const uint32_t node = tree.find(Exact(bytesOf(topic)));
        CHECK(!oracle.contains(topic) || (node != 0 && tree.value(node) == oracle[topic]));
        if (node == 0) continue;
        CHECK(oracle.contains(topic) || tree.value(node) == 0);
        tree.value(node) = 0;
        oracle.erase(topic);
        prune(tree, node);
      }
      if (step % 20 != 0) continue;
      std::map<std::string, int> found;
      CHECK_EQ(collect(tree, Tree::root, "", found), tree.bytes());
      CHECK(found == oracle);
      CHECK(tree.size() <= 1 + 2 * oracle.size());
    }
    for (const auto& [topic, value] : oracle) {
      const uint32_t node = tree.find(bytesOf(topic));
      tree.value(node) = 0;
      prune(tree, node);
    }
    CHECK_EQ(tree.size(), 1);
    CHECK_EQ(tree.bytes(), 0);
  });
}
