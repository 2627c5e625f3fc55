// A walk over the nodes of a topic tree that a topic filter leads to (4.7), depth first, one node at a time.
//
//   filter  site / + / #          next(): down by the filter's next level; or to the next sibling if the
//   node    site / 7    depth 2   level was a wildcard; or up, and continue from there
//
// It also reaches nodes whose further levels turn out not to match, but goes no deeper. It knows only its node and its
// depth in levels. Between two calls the tree may change, as long as that node stays. Added nodes may be visited or
// not.
#pragma once
#include <vector>

#include "../wire/topic.h"
#include "topic-tree.h"

namespace rally {

template <class Value>
class TreeCursor {
  using Tree = TopicTree<Value>;

 public:
  explicit TreeCursor(std::vector<uint8_t> filter) : filter_(std::move(filter)) {}

  Bytes filter() const { return filter_; }
  uint32_t node() const { return node_; }

  // Whether the filter matches the topic name of the current node.
  bool isMatch() const { return fits_ && (hasMulti_ ? depth_ + 1 >= levels_.size() : depth_ == levels_.size()); }

  // Moves to the next node, which need not match. False when there is none: it is then at the root.
  bool next(const Tree& tree) {
    if (levels_.empty()) cut();
    work_ = 1;
    if (fits_ && enter(tree, firstBelow(tree), depth_)) return true;
    while (node_ != Tree::root) {
      const size_t above = depth_ - tree.levels(node_);
      if (enter(tree, isWildcard(above) ? tree.nextSibling(node_) : 0, above)) return true;
      node_ = tree.parent(node_);
      depth_ = above;
    }
    fits_ = true;
    return false;
  }
  // Moves from the root to the node of a topic, where next() goes on, or as far as the tree still leads there.
  void seek(const Tree& tree, Bytes topic) {
    if (levels_.empty()) cut();
    for (size_t start = 0; start <= topic.size();) {
      const Bytes rest = topic.subspan(start);
      const uint32_t below = fits_ ? tree.child(node_, firstLevel(rest)) : 0;
      if (below == 0) return;
      const Bytes text = tree.text(below);
      const bool leadsThere = text.size() <= rest.size() && areEqual(text, rest.first(text.size())) &&
                              (text.size() == rest.size() || rest[text.size()] == '/');
      if (!leadsThere) return;
      enter(tree, below, depth_);
      start += text.size() + 1;
    }
  }
  // The cost of the last step, in nodes of one level.
  size_t work() const { return work_; }

 private:
  struct Level {
    uint32_t start;
    uint32_t bytes;
  };
  // Levels that are compared in the time needed to reach a node.
  static constexpr size_t levelsPerWork = 8;

  // Allocated when it begins: many walks wait.
  void cut() {
    eachLevel(filter_, [&](Bytes level) {
      levels_.push_back({uint32_t(level.data() - filter_.data()), uint32_t(level.size())});
      return true;
    });
    hasMulti_ = isLevel(levelAt(levels_.size() - 1), '#');
  }

  Bytes levelAt(size_t index) const { return Bytes(filter_).subspan(levels_[index].start, levels_[index].bytes); }
  bool isInMulti(size_t index) const { return hasMulti_ && index + 1 >= levels_.size(); }
  // All levels below `#` match. After the last level nothing does: a node may have been inserted in between.
  bool isWildcard(size_t index) const {
    return isInMulti(index) || (index < levels_.size() && isLevel(levelAt(index), '+'));
  }

  uint32_t firstBelow(const Tree& tree) const {
    if (depth_ >= levels_.size() && !hasMulti_) return 0;
    return isWildcard(depth_) ? tree.firstChild(node_) : tree.child(node_, levelAt(depth_));
  }

  // Moves to the node below `above` levels, if there is one.
  bool enter(const Tree& tree, uint32_t node, size_t above) {
    if (node == 0) return false;
    node_ = node;
    depth_ = above + tree.levels(node);
    fits_ = fit(tree.text(node), above);
    return true;
  }

  // Whether the levels of the current node match those of the filter after `above` levels.
  bool fit(Bytes text, size_t above) {
    // A wildcard in the first level leaves out topics that begin with $ [MQTT-4.7.2-1].
    if (above == 0 && isWildcard(0) && !text.empty() && text[0] == '$') return false;
    if (depth_ > levels_.size() && !hasMulti_) return false;
    size_t index = above;
    bool fits = true;
    if (!isInMulti(index)) {
      eachLevel(text, [&](Bytes level) {
        fits = isInMulti(index) || isLevel(levelAt(index), '+') || areEqual(level, levelAt(index));
        return fits && !isInMulti(index++);
      });
    }
    work_ += (index - above) / levelsPerWork;
    return fits;
  }

  std::vector<uint8_t> filter_;
  std::vector<Level> levels_;
  bool hasMulti_ = false;
  bool fits_ = true;  // the levels of the node where it is, and all above it
  uint32_t node_ = Tree::root;
  size_t depth_ = 0;
  size_t work_ = 0;
};

}  // namespace rally
