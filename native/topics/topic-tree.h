// Topics in a tree with a node for each topic and for each place where topics diverge, so at most two nodes for a
// topic, however many levels it has.
//
//   site/1/temp        root (1) --"site"--> 2 --"1/temp"--> 3        node = { parent, its levels, Value }
//   site/2/temp                             `---"2"-------> 4 (a topic itself, site/2)
//   site/2                                                  `--"temp"--> 5
//
// The children of a node begin with different levels. They are found through one hash index over (parent, first
// level); siblings are chained so that all children of a node can be visited.
//
// A node keeps its identifier: where topics diverge within its levels a node is inserted between it and its parent
// (split), and a node that is not needed any more leaves its levels to its only child (join), which takes its place
// among its siblings.
#pragma once
#include <vector>

#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/short-text.h"
#include "../structures/slab.h"
#include "../wire/topic.h"

namespace rally {

template <class Value>
class TopicTree {
 public:
  static constexpr uint32_t root = 1;

  explicit TopicTree(uint64_t seed) : seed_(seed) { nodes_.add(); }

  Value& value(uint32_t node) { return nodes_[node].value; }
  const Value& value(uint32_t node) const { return nodes_[node].value; }
  uint32_t parent(uint32_t node) const { return nodes_[node].parent; }
  uint32_t firstChild(uint32_t node) const { return nodes_[node].firstChild; }
  uint32_t nextSibling(uint32_t node) const { return nodes_[node].nextSibling; }
  // The levels between the parent and the node, separated by slashes, and their number.
  Bytes text(uint32_t node) const { return nodes_[node].text.bytes(); }
  uint32_t levels(uint32_t node) const { return nodes_[node].levels; }

  size_t size() const { return nodes_.size(); }
  // Bytes of all nodes except the root, with their texts and index entries.
  size_t bytes() const { return (nodes_.size() - 1) * nodeBytes + textBytes_; }
  // Bytes of a node without a long text.
  static constexpr size_t nodeBytesOf(size_t textBytes) { return nodeBytes + ShortText::costOf(textBytes); }

  bool isUsed(uint32_t node) const { return nodes_.isUsed(node); }
  // One more than the largest node so far.
  uint32_t end() const { return nodes_.end(); }

  // The child of `parent` whose levels begin with this one, or 0.
  uint32_t child(uint32_t parent, Bytes level) const {
    return index_.find(hashOf(parent, level), [&](uint32_t id) {
      return nodes_[id].parent == parent && areEqual(firstLevel(text(id)), level);
    });
  }

  // The node of a topic, or 0.
  uint32_t find(Bytes topic) const {
    uint32_t node = root;
    for (size_t start = 0;;) {
      const Bytes rest = topic.subspan(start);
      node = child(node, firstLevel(rest));
      if (node == 0) return 0;
      const Bytes levels = text(node);
      if (commonBytes(levels, rest) != levels.size()) return 0;
      if (levels.size() == rest.size()) return node;
      start += levels.size() + 1;
    }
  }

  // The node of a topic, added if it is new.
  uint32_t add(Bytes topic) {
    uint32_t node = root;
    for (size_t start = 0;;) {
      const Bytes rest = topic.subspan(start);
      const uint32_t below = child(node, firstLevel(rest));
      if (below == 0) return hang(node, rest);
      const size_t common = commonBytes(text(below), rest);
      node = common < text(below).size() ? split(below, common) : below;
      if (common == rest.size()) return node;
      start += common + 1;
    }
  }

  // Removes a node without children. Returns its parent.
  uint32_t remove(uint32_t id) {
    Node& node = nodes_[id];
    RALLY_ASSERT(id != root && node.firstChild == 0);
    const uint32_t above = node.parent;
    index_.remove(hashOf(above, firstLevel(text(id))), id);
    if (node.previousSibling != 0) nodes_[node.previousSibling].nextSibling = node.nextSibling;
    else nodes_[above].firstChild = node.nextSibling;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = node.previousSibling;
    drop(id);
    return above;
  }

  // Removes a node with one child, which takes its place.
  void join(uint32_t id) {
    const uint32_t child = nodes_[id].firstChild;
    RALLY_ASSERT(id != root && child != 0 && nodes_[child].nextSibling == 0);
    index_.remove(hashOf(id, firstLevel(text(child))), child);
    std::vector<uint8_t> levels(text(id).begin(), text(id).end());
    levels.push_back('/');
    levels.insert(levels.end(), text(child).begin(), text(child).end());
    setText(child, levels, nodes_[id].levels + nodes_[child].levels);
    replace(id, child);
    drop(id);
  }

 private:
  struct Node {
    Value value{};
    ShortText text;
    uint32_t levels = 0;
    uint32_t parent = 0;
    uint32_t firstChild = 0;
    uint32_t nextSibling = 0;
    uint32_t previousSibling = 0;
  };

  static constexpr size_t nodeBytes = sizeof(Node) + indexEntryBytes;

  uint64_t hashOf(uint32_t parent, Bytes level) const { return hashBytes(level, seed_ + parent * hashMultiplier); }

  // The bytes of the complete levels with which both texts begin.
  static size_t commonBytes(Bytes a, Bytes b) {
    const size_t size = std::min(a.size(), b.size());
    const size_t same = size_t(std::mismatch(a.begin(), a.begin() + std::ptrdiff_t(size), b.begin()).first - a.begin());
    const auto endsAt = [&](Bytes text) { return same == text.size() || text[same] == '/'; };
    if (endsAt(a) && endsAt(b)) return same;
    size_t slash = same;
    while (slash > 0 && a[slash - 1] != '/') slash--;
    return slash == 0 ? 0 : slash - 1;
  }

  static uint32_t levelsIn(Bytes text) { return 1 + uint32_t(std::count(text.begin(), text.end(), uint8_t('/'))); }

  // A new node below `parent`.
  uint32_t hang(uint32_t parent, Bytes text) {
    const uint32_t id = nodes_.add();
    setText(id, text, levelsIn(text));
    Node& node = nodes_[id];
    node.parent = parent;
    node.nextSibling = nodes_[parent].firstChild;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = id;
    nodes_[parent].firstChild = id;
    index_.add(hashOf(parent, firstLevel(text)), id);
    return id;
  }

  // Inserts a node between another and its parent; it gets the first `common` bytes of the levels.
  uint32_t split(uint32_t id, size_t common) {
    const uint32_t added = nodes_.add();
    const Bytes levels = text(id);
    const uint32_t above = levelsIn(levels.first(common));
    setText(added, levels.first(common), above);
    replace(id, added);
    const std::vector<uint8_t> rest(levels.begin() + std::ptrdiff_t(common) + 1, levels.end());
    setText(id, rest, nodes_[id].levels - above);
    Node& node = nodes_[id];
    node.parent = added;
    node.nextSibling = node.previousSibling = 0;
    nodes_[added].firstChild = id;
    index_.add(hashOf(added, firstLevel(rest)), id);
    return added;
  }

  // Replaces `before` with `id` among its siblings and in the index. Both begin with the same level.
  void replace(uint32_t before, uint32_t id) {
    const Node& old = nodes_[before];
    Node& node = nodes_[id];
    node.parent = old.parent;
    node.nextSibling = old.nextSibling;
    node.previousSibling = old.previousSibling;
    if (node.previousSibling != 0) nodes_[node.previousSibling].nextSibling = id;
    else nodes_[node.parent].firstChild = id;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = id;
    const uint64_t hash = hashOf(old.parent, firstLevel(text(before)));
    index_.remove(hash, before);
    index_.add(hash, id);
  }

  void setText(uint32_t id, Bytes text, uint32_t levels) {
    Node& node = nodes_[id];
    textBytes_ += ShortText::costOf(text.size());
    textBytes_ -= ShortText::costOf(node.text.bytes().size());
    node.text = ShortText(text);
    node.levels = levels;
  }
  void drop(uint32_t id) {
    textBytes_ -= ShortText::costOf(text(id).size());
    nodes_.remove(id);
  }

  const uint64_t seed_;
  Slab<Node> nodes_;
  HashIndex index_;
  size_t textBytes_ = 0;
};

}  // namespace rally
