// Topics in a tree with a node for each topic and for each place where topics diverge, so at most two nodes for a
// topic, however many levels it has.
//
//   site/1/temp        root (1) --"site"--> 2 --"1/temp"--> 3        node = { parent, its levels, Value }
//   site/2/temp                             `---"2"-------> 4 (a topic itself, site/2)
//   site/2                                                  `--"temp"--> 5
//
// The children of a node begin with different levels. They are found through one hash index over (parent, first
// level). Siblings are chained in the order in which they were added, and numbered in it (place), so that a walk can
// stop at those that are younger than itself: it ends, however fast new ones come.
//
// A node keeps its identifier: where topics diverge within its levels a node is inserted between it and its parent
// (split), and a node that is not needed any more leaves its levels to its only child (join). The one takes the place
// of the other among its siblings.
#pragma once
#include <array>
#include <utility>
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
  // The levels between the parent and the node, separated by slashes, and their number, which is counted.
  Bytes text(uint32_t node) const { return nodes_[node].text.bytes(); }
  uint32_t levels(uint32_t node) const { return levelsIn(text(node)); }
  // Increases along siblings.
  uint64_t place(uint32_t node) const { return nodes_[node].place.number(); }
  // The largest so far.
  uint64_t places() const { return places_; }

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
    const uint32_t first = nodes_[above].firstChild;
    nodes_[node.nextSibling != 0 ? node.nextSibling : first].previousSibling = node.previousSibling;
    if (id == first) nodes_[above].firstChild = node.nextSibling;
    else nodes_[node.previousSibling].nextSibling = node.nextSibling;
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
    setText(child, levels);
    replace(id, child);
    drop(id);
  }

 private:
  // A number of 48 bits, in the bytes that alignment leaves behind the text.
  class Place {
   public:
    static constexpr uint64_t max = (uint64_t(1) << 48) - 1;

    Place() = default;
    explicit Place(uint64_t number)
        : parts_{uint16_t(number & 0xffff), uint16_t(number >> 16 & 0xffff), uint16_t(number >> 32 & 0xffff)} {
      RALLY_ASSERT(number <= max);
    }
    uint64_t number() const { return uint64_t(parts_[2]) << 32 | uint64_t(parts_[1]) << 16 | parts_[0]; }

   private:
    std::array<uint16_t, 3> parts_{};
  };

  struct Node {
    Value value{};
    ShortText text;
    Place place;
    uint32_t parent = 0;
    uint32_t firstChild = 0;
    uint32_t nextSibling = 0;      // 0 for the last
    uint32_t previousSibling = 0;  // the last for the first
  };

  static_assert(sizeof(Node) == sizeof(Value) + 32);
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
    setText(id, text);
    Node& node = nodes_[id];
    node.parent = parent;
    node.place = Place(++places_);
    const uint32_t first = nodes_[parent].firstChild;
    node.previousSibling = first == 0 ? id : std::exchange(nodes_[first].previousSibling, id);
    if (first == 0) nodes_[parent].firstChild = id;
    else nodes_[node.previousSibling].nextSibling = id;
    index_.add(hashOf(parent, firstLevel(text)), id);
    return id;
  }

  // Inserts a node between another and its parent; it gets the first `common` bytes of the levels.
  uint32_t split(uint32_t id, size_t common) {
    const uint32_t added = nodes_.add();
    const Bytes levels = text(id);
    setText(added, levels.first(common));
    replace(id, added);
    const std::vector<uint8_t> rest(levels.begin() + std::ptrdiff_t(common) + 1, levels.end());
    setText(id, rest);
    Node& node = nodes_[id];
    node.parent = added;
    node.nextSibling = 0;
    node.previousSibling = id;
    nodes_[added].firstChild = id;
    index_.add(hashOf(added, firstLevel(rest)), id);
    return added;
  }

  // Replaces `before` with `id` among its siblings and in the index. Both begin with the same level.
  void replace(uint32_t before, uint32_t id) {
    const Node& old = nodes_[before];
    Node& node = nodes_[id];
    node.parent = old.parent;
    node.place = old.place;
    node.nextSibling = old.nextSibling;
    node.previousSibling = old.previousSibling;
    uint32_t& first = nodes_[node.parent].firstChild;
    if (first == before) first = id;
    else nodes_[node.previousSibling].nextSibling = id;
    nodes_[node.nextSibling != 0 ? node.nextSibling : first].previousSibling = id;
    const uint64_t hash = hashOf(old.parent, firstLevel(text(before)));
    index_.remove(hash, before);
    index_.add(hash, id);
  }

  void setText(uint32_t id, Bytes text) {
    Node& node = nodes_[id];
    textBytes_ += ShortText::costOf(text.size());
    textBytes_ -= ShortText::costOf(node.text.bytes().size());
    node.text = ShortText(text);
  }
  void drop(uint32_t id) {
    textBytes_ -= ShortText::costOf(text(id).size());
    nodes_.remove(id);
  }

  const uint64_t seed_;
  uint64_t places_ = 0;
  Slab<Node> nodes_;
  HashIndex index_;
  size_t textBytes_ = 0;
};

}  // namespace rally
