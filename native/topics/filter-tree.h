// The filters with wildcards, in a tree whose edges are levels and that is only as deep as filters share levels: an
// edge leads to an inner node, or straight to a filter, whose own text has its remaining levels.
//
//   site/1/+/value/#        root --"site"--> (2) --"1"--> (3) --"+"--> (4) --"value"--> filter  site/1/+/value/#
//   site/1/+/state                            |                        `---"state"--> filter  site/1/+/state
//   site/2/+/value/#                          `--"2"--> filter  site/2/+/value/#
//
// Edges with text are found through one hash index over (inner node, level). The edge for `+`, the filter that ends
// with `#` below a node and the filter that ends at it are stored in the node itself. So a filter that shares nothing
// costs one index entry, and where two have the same edge a node replaces it.
#pragma once
#include <vector>

#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/slab.h"
#include "../wire/topic.h"
#include "filter.h"

namespace rally {

class FilterTree {
 public:
  using Filters = Slab<Filter>;

  FilterTree(uint64_t seed, Filters& filters) : seed_(seed), filters_(filters) { nodes_.add(); }

  bool isEmpty() const { return count_ == 0; }
  // Once a turn.
  void proceed() { index_.proceed(); }
  // The number of inner nodes, with the root.
  size_t nodes() const { return nodes_.size(); }
  // Bytes of the inner nodes, with their index entries.
  size_t bytes() const { return (nodes_.size() - 1) * nodeBytes + levelBytes_; }
  // Bytes of the node after a level.
  static size_t bytesOf(Bytes level) { return nodeBytes + ShortText::costOf(level.size()); }
  // Calls `visit(level)` for each inner node except the root, with the level of its edge.
  template <class Visit>
  void eachNode(Visit&& visit) const {
    for (uint32_t id = root + 1; id < nodes_.end(); id++) {
      if (nodes_.isUsed(id)) visit(nodes_[id].level.bytes());
    }
  }

  // The filter with this text, or 0.
  uint32_t find(Bytes text) const {
    uint32_t node = root;
    for (;;) {
      if (endsAt(node, text)) return nodes_[node].filter;
      const Bytes level = levelBelow(node, text);
      if (isLevel(level, '#')) return nodes_[node].multi;
      const uint32_t edge = below(node, level);
      if (edge == 0) return 0;
      if (isFilter(edge)) return areEqual(filters_[filterOf(edge)].text(), text) ? filterOf(edge) : 0;
      node = edge;
    }
  }

  // Adds a new filter, and notes its place in it.
  void add(uint32_t id) {
    const Bytes text = filters_[id].text();
    uint32_t node = root;
    count_++;
    while (!hang(node, id)) {
      const uint32_t taken = below(node, levelBelow(node, text));
      node = isFilter(taken) ? split(node, filterOf(taken)) : taken;
    }
  }

  void remove(uint32_t id) {
    uint32_t node = filters_[id].node;
    Node& place = nodes_[node];
    count_--;
    if (place.filter == id) place.filter = 0;
    else if (place.multi == id) place.multi = 0;
    else unlink(node, levelBelow(node, filters_[id].text()), edgeTo(id));
    while (node != root && nodes_[node].isBare()) {
      const uint32_t parent = nodes_[node].parent;
      unlink(parent, nodes_[node].level.bytes(), node);
      levelBytes_ -= ShortText::costOf(nodes_[node].level.bytes().size());
      nodes_.remove(node);
      node = parent;
    }
  }

  // Calls `visit(id)` for each filter that matches the topic name (4.7). Proceeds level by level with the set of nodes
  // reached so far, so it neither recurses nor goes deeper than filters share levels, whatever the topic.
  template <class Visit>
  void match(Bytes topic, Visit&& visit) {
    reached_.assign(1, root);
    size_t start = 0;
    eachLevel(topic, [&](Bytes level) {
      // Wildcards in the first level do not match a name that begins with $ [MQTT-4.7.2-1].
      const bool wildcardsMatch = start > 0 || level.empty() || level[0] != '$';
      next_.clear();
      const auto follow = [&](const Node& node, uint32_t edge) {
        if (edge == 0) return;
        if (!isFilter(edge)) next_.push_back(edge);
        else if (restMatches(filters_[filterOf(edge)].text().subspan(node.textStart), topic.subspan(start)))
          visit(filterOf(edge));
      };
      for (const uint32_t id : reached_) {
        const Node& node = nodes_[id];
        if (wildcardsMatch && node.multi != 0) visit(node.multi);
        if (wildcardsMatch) follow(node, node.single);
        if (node.edges != 0) follow(node, literal(id, level));
      }
      start += level.size() + 1;
      reached_.swap(next_);
      return !reached_.empty();
    });
    for (const uint32_t id : reached_) {
      const Node& node = nodes_[id];
      if (node.filter != 0) visit(node.filter);
      if (node.multi != 0) visit(node.multi);  // `#` includes the parent level (4.7.1.2)
    }
  }

 private:
  // An edge is 0, an inner node, or a filter with the upper bit set.
  struct Node {
    uint32_t filter = 0;  // ends here
    uint32_t multi = 0;   // ends with `#` below
    uint32_t single = 0;  // the edge under `+`
    uint32_t edges = 0;   // how many others there are
    uint32_t parent = 0;
    ShortText level;         // of the edge that leads here
    uint16_t textStart = 0;  // where in the texts of the filters below the next level begins

    bool isBare() const { return filter == 0 && multi == 0 && single == 0 && edges == 0; }
  };
  static_assert(sizeof(Node) == 32);

  static constexpr size_t nodeBytes = sizeof(Node) + indexEntryBytes;
  static constexpr uint32_t root = 1;
  static constexpr uint32_t filterBit = uint32_t(1) << 31;

  static bool isFilter(uint32_t edge) { return (edge & filterBit) != 0; }
  static uint32_t filterOf(uint32_t edge) { return edge & ~filterBit; }
  static uint32_t edgeTo(uint32_t filter) { return filter | filterBit; }

  // For a text that leads to the node: whether it ends there, or its next level.
  bool endsAt(uint32_t node, Bytes text) const { return text.size() + 1 == nodes_[node].textStart; }
  Bytes levelBelow(uint32_t node, Bytes text) const { return firstLevel(text.subspan(nodes_[node].textStart)); }

  uint64_t hashOf(uint32_t node, Bytes level) const { return hashBytes(level, seed_ + node * hashMultiplier); }

  // The edge of the node under a level of a filter, or 0.
  uint32_t below(uint32_t node, Bytes level) const {
    return isLevel(level, '+') ? nodes_[node].single : literal(node, level);
  }

  uint32_t literal(uint32_t node, Bytes level) const {
    return index_.find(hashOf(node, level), [&](uint32_t edge) {
      if (!isFilter(edge)) return nodes_[edge].parent == node && areEqual(nodes_[edge].level.bytes(), level);
      const Filter& filter = filters_[filterOf(edge)];
      return filter.node == node && areEqual(levelBelow(node, filter.text()), level);
    });
  }

  // Attaches a filter to the node of its text, if its place there is free.
  bool hang(uint32_t node, uint32_t id) {
    Filter& filter = filters_[id];
    if (endsAt(node, filter.text())) {
      nodes_[node].filter = id;
    } else if (const Bytes level = levelBelow(node, filter.text()); isLevel(level, '#')) {
      nodes_[node].multi = id;
    } else if (below(node, level) == 0) {
      link(node, level, edgeTo(id));
    } else {
      return false;
    }
    filter.node = node;
    return true;
  }

  // Inserts an inner node between `parent` and a filter attached to it.
  uint32_t split(uint32_t parent, uint32_t id) {
    const Bytes level = levelBelow(parent, filters_[id].text());
    unlink(parent, level, edgeTo(id));
    const uint32_t added = nodes_.add();
    Node& node = nodes_[added];
    node.parent = parent;
    node.level = ShortText(level);
    levelBytes_ += ShortText::costOf(level.size());
    node.textStart = uint16_t(nodes_[parent].textStart + level.size() + 1);
    link(parent, level, added);
    hang(added, id);
    return added;
  }

  void link(uint32_t node, Bytes level, uint32_t edge) {
    if (isLevel(level, '+')) {
      nodes_[node].single = edge;
      return;
    }
    index_.add(hashOf(node, level), edge);
    nodes_[node].edges++;
  }
  void unlink(uint32_t node, Bytes level, uint32_t edge) {
    if (isLevel(level, '+')) {
      nodes_[node].single = 0;
      return;
    }
    index_.remove(hashOf(node, level), edge);
    nodes_[node].edges--;
  }

  // Whether the rest of a topic name matches the rest of a filter, from the beginning of a level.
  static bool restMatches(Bytes filter, Bytes topic) {
    size_t at = 0;
    size_t topicAt = 0;
    for (;;) {
      const Bytes wanted = firstLevel(filter.subspan(at));
      if (isLevel(wanted, '#')) return true;
      const Bytes given = firstLevel(topic.subspan(topicAt));
      if (!isLevel(wanted, '+') && !areEqual(wanted, given)) return false;
      at += wanted.size() + 1;
      topicAt += given.size() + 1;
      if (at > filter.size()) return topicAt > topic.size();
      if (topicAt > topic.size()) return isLevel(filter.subspan(at), '#');  // which includes the parent level
    }
  }

  const uint64_t seed_;
  Filters& filters_;
  size_t count_ = 0;
  size_t levelBytes_ = 0;
  Slab<Node> nodes_;
  HashIndex index_;
  std::vector<uint32_t> reached_;
  std::vector<uint32_t> next_;
};

}  // namespace rally
