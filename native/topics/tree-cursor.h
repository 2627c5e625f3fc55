// A walk over the nodes of a topic tree that a topic filter leads to (4.7), depth first, a node at a time.
//
//   filter  site / + / #          next(): down by the filter's next level, else to the next sibling if the
//   node    site / 7    depth 2   level was a wildcard, else up and on from there
//
// It knows no more than the node where it is. Between two calls the tree may change, as long as that node stays.
// What is added meanwhile may be visited or not.
#pragma once
#include <vector>

#include "../wire/topic.h"
#include "topic-tree.h"

namespace rally {

template <class Value>
class TreeCursor {
  using Tree = TopicTree<Value>;

 public:
  explicit TreeCursor(std::vector<uint8_t> filter) : filter_(std::move(filter)) {
    eachLevel(filter_, [&](Bytes level) {
      levels_.push_back({uint32_t(level.data() - filter_.data()), uint32_t(level.size())});
      return true;
    });
    hasMulti_ = isLevel(levelAt(levels_.size() - 1), '#');
  }

  Bytes filter() const { return filter_; }
  uint32_t node() const { return node_; }

  // Whether the filter matches the topic name of the node where the cursor is.
  bool isMatch() const { return hasMulti_ ? depth_ + 1 >= levels_.size() : depth_ == levels_.size(); }

  // Goes on to the next node, which need not match. False when there is none: it is then at the root.
  bool next(const Tree& tree) {
    if (enter(tree, firstBelow(tree), depth_ + 1)) return true;
    for (; depth_ > 0; depth_--) {
      if (enter(tree, isWildcard(depth_ - 1) ? tree.nextSibling(node_) : 0, depth_)) return true;
      node_ = tree.parent(node_);
    }
    return false;
  }

 private:
  struct Level {
    uint32_t start;
    uint32_t bytes;
  };

  Bytes levelAt(size_t index) const { return Bytes(filter_).subspan(levels_[index].start, levels_[index].bytes); }
  // The levels below `#` are all its own.
  bool isWildcard(size_t index) const {
    return index >= levels_.size() || isLevel(levelAt(index), '+') || (hasMulti_ && index + 1 == levels_.size());
  }

  uint32_t firstBelow(const Tree& tree) const {
    if (depth_ >= levels_.size() && !hasMulti_) return 0;
    return isWildcard(depth_) ? tree.firstChild(node_) : tree.child(node_, levelAt(depth_));
  }

  // Goes to the node, if there is one, or on to a sibling: under a wildcard of the first level, topics that begin
  // with $ are left out [MQTT-4.7.2-1].
  bool enter(const Tree& tree, uint32_t node, size_t depth) {
    while (node != 0 && depth == 1 && isWildcard(0) && beginsWithDollar(tree.level(node)))
      node = tree.nextSibling(node);
    if (node == 0) return false;
    node_ = node;
    depth_ = depth;
    return true;
  }
  static bool beginsWithDollar(Bytes level) { return !level.empty() && level[0] == '$'; }

  std::vector<uint8_t> filter_;
  std::vector<Level> levels_;
  bool hasMulti_ = false;
  uint32_t node_ = Tree::root;
  size_t depth_ = 0;
};

}  // namespace rally
