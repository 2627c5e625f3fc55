// The retained messages of the topics that a shard owns (5.0, 3.3.1.3), by topic, in a tree (topic-tree.h). All their
// memory is counted: their blocks, and the nodes of the tree.
//
// In a cluster with logs each has a stamp (records::RetainedStamp), and a cleared topic keeps a message
// without payload for a while, its *mark*: a node that comes back may still have the cleared message. Marks are
// only for other owners and the log.
#pragma once
#include <algorithm>
#include <unordered_map>
#include <vector>

#include "../messages/message.h"
#include "tree-cursor.h"

namespace rally {

struct RetainedLimits {
  size_t messagesMax = 1'000'000;
  size_t bytesMax = size_t(1) << 30;
};

class RetainedStore {
 public:
  RetainedStore(uint64_t seed, RetainedLimits limits) : tree_(seed), limits_(limits) {}

  class Walk;

  size_t size() const { return count_; }
  size_t bytes() const { return messageBytes_ + tree_.bytes(); }
  size_t nodes() const { return tree_.size(); }  // of the tree
  // The same as bytes(), computed from scratch.
  size_t countBytes() const {
    size_t bytes = 0;
    for (uint32_t node = root + 1; node < tree_.end(); node++) {
      if (!tree_.isUsed(node)) continue;
      const MessageRef& message = tree_.value(node).message;
      bytes += TopicTree<Kept>::nodeBytesOf(tree_.text(node).size());
      if (message && !isReservedTopic(message->topic())) bytes += bytesOf(message);
    }
    return bytes;
  }
  static bool isMark(const MessageRef& message) { return message->payloadBytes == 0; }

  // Bytes of a message, without the nodes of its topic.
  static size_t bytesOf(const MessageRef& message) { return blockBytes(message->size()); }

  // Keeps `message` as its topic's retained message. False when the store is full. Those of $SYS that are the
  // broker's own, a few dozen, are not refused; of them only the nodes are counted.
  bool set(MessageRef message, uint64_t stamp = 0) { return set(std::move(message), stamp, true); }
  // The same for one that another worker's store has had: there is always room for it.
  void adopt(MessageRef message, uint64_t stamp = 0) { set(std::move(message), stamp, false); }
  // The same, unless the message here has the same stamp or a later one. False: it has.
  bool adoptLater(MessageRef message, uint64_t stamp) {
    const uint32_t node = tree_.find(message->topic());
    const bool isThere = node != 0 && tree_.value(node).message && !hasLeft(node);
    if (isThere && stampOf(node) >= stamp) return false;
    set(std::move(message), stamp, false);
    return true;
  }

  // The topic's retained message, or none. An expired one is removed.
  MessageRef find(Bytes topic, uint64_t nowMs) {
    const uint32_t node = tree_.find(topic);
    if (node == 0 || !tree_.value(node).message || hasLeft(node) || isMark(tree_.value(node).message)) return {};
    MessageRef message = tree_.value(node).message;
    if (!hasPassed(message->expiresAtMs, nowMs)) return message;
    remove(topic);
    return {};
  }
  uint64_t changes() const { return changes_; }

  // Removes the topic's retained message [MQTT-3.3.1-6]. False: there was none.
  bool remove(Bytes topic) {
    const uint32_t node = tree_.find(topic);
    if (node == 0 || !tree_.value(node).message || hasLeft(node)) return false;
    forget(node);
    return true;
  }

  // All of them, in the order of the tree's nodes.
  template <class Visit>
  void each(Visit&& visit) {
    for (uint32_t node = root; node < tree_.end(); node++) {
      if (tree_.isUsed(node) && tree_.value(node).message && !hasLeft(node)) visit(tree_.value(node).message);
    }
  }

  // The same in steps: `nodes` nodes from `node` (0: the beginning) on, which is then the next one. True at the end. A
  // message keeps its node, so all that stay are visited.
  template <class Visit>
  bool eachFrom(uint32_t& node, size_t nodes, Visit&& visit) {
    for (node = std::max(node, uint32_t(root)); nodes > 0 && node < tree_.end(); node++, nodes--) {
      if (!tree_.isUsed(node) || !tree_.value(node).message || hasLeft(node)) continue;
      if constexpr (requires { visit(tree_.value(node).message, uint64_t()); })
        visit(tree_.value(node).message, stampOf(node));
      else visit(tree_.value(node).message);
    }
    return node >= tree_.end();
  }

  // Gives away the messages for which `isMeant(message)`, in steps as above. Later look-ups do not find them; walks
  // that have begun still do, until dropLeft().
  template <class IsMeant, class Give>
  bool giveAway(uint32_t& node, size_t& nodes, IsMeant&& isMeant, Give&& give) {
    for (node = std::max(node, uint32_t(root)); nodes > 0 && node < tree_.end(); node++, nodes--) {
      if (!tree_.isUsed(node) || !tree_.value(node).message || hasLeft(node)) continue;
      const MessageRef& message = tree_.value(node).message;
      if (!isMeant(message)) continue;
      give(message, stampOf(node));
      left_[node] = ++changes_;
      count_ -= isCounted(message);
    }
    return node >= tree_.end();
  }
  // Takes back those given away after that change that `isMeant`.
  template <class IsMeant>
  void takeBack(uint64_t change, IsMeant&& isMeant) {
    std::erase_if(left_, [&](const auto& each) {
      const MessageRef& message = tree_.value(each.first).message;
      const bool isBack = each.second > change && isMeant(message);
      if (isBack) count_ += isCounted(message);
      return isBack;
    });
  }
  bool hasLeft() const { return !left_.empty(); }
  // Forgets messages given away up to that change: no walk that began before is still in progress.
  template <class Visit>
  void dropLeft(uint64_t change, Visit&& visit) {
    std::vector<uint32_t> nodes;
    for (const auto& [node, left] : left_) {
      if (left <= change) nodes.push_back(node);
    }
    for (const uint32_t node : nodes) {
      visit(tree_.value(node).message);
      forget(node);
    }
  }
  void dropLeft(uint64_t change) {
    dropLeft(change, [](const MessageRef&) {});
  }

  // Checks the next `nodes` nodes of the tree and removes expired messages.
  void sweep(uint64_t nowMs, size_t nodes) {
    if (expiring_ == 0) return;
    for (; nodes > 0; nodes--) {
      if (++swept_ >= tree_.end()) {
        swept_ = root;
        return;
      }
      if (!tree_.isUsed(swept_)) continue;
      const MessageRef message = tree_.value(swept_).message;
      if (message && hasPassed(message->expiresAtMs, nowMs)) forget(swept_);
    }
  }

 private:
  struct Kept {
    MessageRef message;
    uint64_t change = 0;  // the number of the set() that brought it
  };
  static constexpr uint32_t root = TopicTree<Kept>::root;

  bool hasLeft(uint32_t node) const { return !left_.empty() && left_.contains(node); }
  static bool isCounted(const MessageRef& message) { return !isReservedTopic(message->topic()) && !isMark(message); }
  uint64_t stampOf(uint32_t node) const {
    if (stamps_.empty()) return 0;
    const auto found = stamps_.find(node);
    return found == stamps_.end() ? 0 : found->second;
  }

  // Keeps it, unless it is bounded and the store is full.
  bool set(MessageRef message, uint64_t stamp, bool isBounded) {
    const bool isHeld = !isReservedTopic(message->topic());
    uint32_t node = tree_.find(message->topic());
    const bool isNew = node == 0 || !tree_.value(node).message;
    const bool hadLeft = !isNew && hasLeft(node);
    const bool isCountedYet = !isNew && !hadLeft && isCounted(tree_.value(node).message);
    const bool isMore = isNew || (isCounted(message) && !isCountedYet);
    if (isBounded && isHeld && isMore && count_ >= limits_.messagesMax) return false;
    node = tree_.add(message->topic());
    const size_t before = isNew ? 0 : bytesOf(tree_.value(node).message);
    if (isBounded && isHeld && bytes() - before + bytesOf(message) > limits_.bytesMax) {
      prune(node);
      return false;
    }
    if (isHeld) messageBytes_ += bytesOf(message) - before;
    count_ += isCounted(message);
    count_ -= isCountedYet;
    if (stamp != 0) stamps_[node] = stamp;
    else if (!stamps_.empty()) stamps_.erase(node);
    Kept& kept = tree_.value(node);
    if (!isNew) expiring_ -= kept.message->expiresAtMs != 0;
    expiring_ += message->expiresAtMs != 0;
    kept = {std::move(message), ++changes_};
    if (hadLeft) left_.erase(node);
    return true;
  }
  void forget(uint32_t node) {
    const MessageRef message = std::exchange(tree_.value(node).message, {});
    const bool hadLeft = !left_.empty() && left_.erase(node) > 0;
    if (!stamps_.empty()) stamps_.erase(node);
    if (!hadLeft) count_ -= isCounted(message);
    if (!isReservedTopic(message->topic())) messageBytes_ -= bytesOf(message);
    expiring_ -= message->expiresAtMs != 0;
    prune(node);
  }

  // Whether a walk that began at that change does not find the message any more.
  bool hadLeft(uint32_t node, uint64_t begun) const {
    if (left_.empty()) return false;
    const auto left = left_.find(node);
    return left != left_.end() && left->second <= begun;
  }

  // A walk that has stopped at a node keeps it in the tree. The root always stays.
  void pin(uint32_t node) {
    if (node != root) pins_[node]++;
  }
  void unpin(uint32_t node) {
    if (node == root) return;
    const auto found = pins_.find(node);
    if (--found->second > 0) return;
    pins_.erase(found);
    prune(node);
  }
  // Removes the node from the tree, and those above it that are not needed.
  void prune(uint32_t node) {
    while (node != root && !tree_.value(node).message && !pins_.contains(node)) {
      const uint32_t child = tree_.firstChild(node);
      if (child != 0) {
        if (tree_.nextSibling(child) == 0) tree_.join(node);
        return;
      }
      node = tree_.remove(node);
    }
  }

  TopicTree<Kept> tree_;
  const RetainedLimits limits_;
  size_t count_ = 0;
  size_t messageBytes_ = 0;
  size_t expiring_ = 0;    // messages that will expire
  uint32_t swept_ = root;  // the node that sweep() last looked at
  uint64_t changes_ = 0;
  std::unordered_map<uint32_t, uint32_t> pins_;    // node -> walks that have stopped there
  std::unordered_map<uint32_t, uint64_t> stamps_;  // node -> stamp, if it has one
  std::unordered_map<uint32_t, uint64_t> left_;    // node whose message was given away -> the change at which it was
};

// The retained messages that match a filter, visited in steps of any size. Between them the store may change: the walk
// visits messages that were there at its beginning and have not been replaced or removed.
class RetainedStore::Walk {
 public:
  Walk(RetainedStore& store, std::vector<uint8_t> filter)
      : store_(&store), cursor_(std::move(filter)), begun_(store.changes_) {}
  Walk(Walk&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)), cursor_(std::move(other.cursor_)), begun_(other.begun_) {}
  Walk& operator=(Walk other) noexcept {
    std::swap(store_, other.store_);
    std::swap(cursor_, other.cursor_);
    std::swap(begun_, other.begun_);
    return *this;
  }
  ~Walk() {
    if (store_) store_->unpin(cursor_.node());
  }

  Bytes filter() const { return cursor_.filter(); }
  uint64_t begun() const { return begun_; }

  // Where the walk is: the topic of its node, with a slash before it. Empty before the first.
  std::vector<uint8_t> place() const {
    std::vector<uint32_t> way;
    for (uint32_t node = cursor_.node(); node != root; node = store_->tree_.parent(node)) way.push_back(node);
    std::vector<uint8_t> topic;
    for (; !way.empty(); way.pop_back()) {
      const Bytes text = store_->tree_.text(way.back());
      topic.push_back('/');
      topic.insert(topic.end(), text.begin(), text.end());
    }
    return topic;
  }
  // Of a walk that has not begun: goes on behind what place() of another one was. If that node is gone, all that is
  // below the last one on the way to it comes again.
  void goBehind(Bytes place) {
    if (!place.empty()) cursor_.seek(store_->tree_, place.subspan(1));
    store_->pin(cursor_.node());
  }

  // Checks up to `nodes` nodes of the tree, subtracts their number (one with many levels counts for more), and calls
  // `visit(message)` for each message. Removes expired ones. True at the end of the walk.
  template <class Visit>
  bool step(uint64_t nowMs, size_t& nodes, Visit&& visit) {
    const uint32_t before = cursor_.node();
    std::vector<MessageRef> expired;
    bool isOver = false;
    while (nodes > 0 && !isOver) {
      isOver = !cursor_.next(store_->tree_);
      nodes -= std::min(nodes, cursor_.work());
      const Kept& kept = store_->tree_.value(cursor_.node());
      if (!kept.message || !cursor_.isMatch() || kept.change > begun_ || store_->hadLeft(cursor_.node(), begun_) ||
          isMark(kept.message))
        continue;
      if (hasPassed(kept.message->expiresAtMs, nowMs)) expired.push_back(kept.message);
      else visit(kept.message);
    }
    store_->pin(cursor_.node());
    store_->unpin(before);
    for (const MessageRef& message : expired) store_->remove(message->topic());
    return isOver;
  }

 private:
  RetainedStore* store_;
  TreeCursor<Kept> cursor_;
  uint64_t begun_;
};

}  // namespace rally
