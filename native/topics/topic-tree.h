// A tree whose edges are topic levels, for retained messages.
//
//   root (1) --"site"--> 2 --"+"--> 3 --"temp"--> 4        node = { parent, level text, Value }
//
// Edges are found through one hash index over (parent, level); siblings are chained so that all
// children of a node can be visited.
#pragma once
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/short-text.h"
#include "../structures/slab.h"

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
  Bytes level(uint32_t node) const { return nodes_[node].text.bytes(); }
  size_t size() const { return nodes_.size(); }
  // One more than the largest node there has been; the value of a node that is no more is empty.
  uint32_t end() const { return nodes_.end(); }

  // The child of `parent` under `level`, or 0.
  uint32_t child(uint32_t parent, Bytes level) const {
    return index_.find(hashOf(parent, level), [&](uint32_t id) {
      const Node& node = nodes_[id];
      return node.parent == parent && areEqual(node.text.bytes(), level);
    });
  }

  uint32_t addChild(uint32_t parent, Bytes level) {
    const uint32_t id = nodes_.add();
    Node& node = nodes_[id];
    node.parent = parent;
    node.text = ShortText(level);
    node.nextSibling = nodes_[parent].firstChild;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = id;
    nodes_[parent].firstChild = id;
    index_.add(hashOf(parent, level), id);
    return id;
  }

  // Takes out a node without children. Gives its parent.
  uint32_t remove(uint32_t id) {
    Node& node = nodes_[id];
    const uint32_t above = node.parent;
    index_.remove(hashOf(above, level(id)), id);
    if (node.previousSibling != 0) nodes_[node.previousSibling].nextSibling = node.nextSibling;
    else nodes_[above].firstChild = node.nextSibling;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = node.previousSibling;
    nodes_.remove(id);
    return above;
  }

 private:
  struct Node {
    Value value{};
    ShortText text;
    uint32_t parent = 0;
    uint32_t firstChild = 0;
    uint32_t nextSibling = 0;
    uint32_t previousSibling = 0;
  };

  uint64_t hashOf(uint32_t parent, Bytes level) const { return hashBytes(level, seed_ + parent * hashMultiplier); }

  const uint64_t seed_;
  Slab<Node> nodes_;
  HashIndex index_;
};

}  // namespace rally
