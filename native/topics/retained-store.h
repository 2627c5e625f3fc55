// The retained messages of the topics that a shard owns (5.0, 3.3.1.3), by topic, in a tree of levels.
#pragma once
#include <vector>

#include "../lanes/message.h"
#include "topic-tree.h"
#include "topic.h"

namespace rally {

struct RetainedLimits {
  size_t messagesMax = 1'000'000;
  size_t bytesMax = size_t(1) << 30;
};

class RetainedStore {
 public:
  RetainedStore(uint64_t seed, RetainedLimits limits) : tree_(seed), limits_(limits) {}

  size_t size() const { return count_; }
  size_t bytes() const { return bytes_; }

  // Keeps `message` as its topic's retained message. False when the store is full. Those of $SYS are the
  // broker's own, a few dozen, and neither counted nor refused.
  bool set(MessageRef message) {
    uint32_t node = find(message->topic());
    const bool isNew = node == 0 || !tree_.value(node);
    if (!isReservedTopic(message->topic())) {
      const size_t otherBytes = isNew ? bytes_ : bytes_ - tree_.value(node)->size();
      if (otherBytes + message->size() > limits_.bytesMax || (isNew && count_ >= limits_.messagesMax)) return false;
      if (isNew) count_++;
      bytes_ = otherBytes + message->size();
    }
    if (node == 0) node = addPath(message->topic());
    MessageRef& kept = tree_.value(node);
    if (!isNew) expiring_ -= kept->expiresAtMs != 0;
    expiring_ += message->expiresAtMs != 0;
    kept = std::move(message);
    return true;
  }

  // Forgets the topic's retained message, if there is one [MQTT-3.3.1-6].
  void remove(Bytes topic) {
    uint32_t node = find(topic);
    if (node == 0 || !tree_.value(node)) return;
    if (!isReservedTopic(topic)) {
      count_--;
      bytes_ -= tree_.value(node)->size();
    }
    expiring_ -= tree_.value(node)->expiresAtMs != 0;
    tree_.value(node) = MessageRef();
    while (node != root && tree_.firstChild(node) == 0 && !tree_.value(node)) node = tree_.remove(node);
  }

  // Calls `visit(message)` for each retained message whose topic matches the filter, and forgets those
  // that have expired.
  template <class Visit>
  void match(Bytes filter, uint64_t nowMs, Visit&& visit) {
    std::vector<MessageRef> expired;
    matchAll(filter, [&](const MessageRef& message) {
      if (hasPassed(message->expiresAtMs, nowMs)) expired.push_back(message);
      else visit(message);
    });
    for (const MessageRef& message : expired) remove(message->topic());
  }

  // Looks at the next `nodes` nodes of the tree and forgets what has expired there.
  void sweep(uint64_t nowMs, size_t nodes) {
    if (expiring_ == 0) return;
    for (; nodes > 0; nodes--) {
      if (++swept_ >= tree_.end()) {
        swept_ = root;
        return;
      }
      const MessageRef message = tree_.value(swept_);
      if (message && hasPassed(message->expiresAtMs, nowMs)) remove(message->topic());
    }
  }

 private:
  template <class Visit>
  void matchAll(Bytes filter, Visit&& visit) const {
    std::vector<uint32_t> reached{root};
    std::vector<uint32_t> next;
    bool hasMulti = false;
    bool isFirst = true;
    eachLevel(filter, [&](Bytes level) {
      next.clear();
      hasMulti = isLevel(level, '#');
      for (const uint32_t node : reached) {
        if (hasMulti) {
          if (node != root) next.push_back(node);  // the parent level itself
          else eachChild(node, isFirst, [&](uint32_t child) { next.push_back(child); });
        } else if (isLevel(level, '+')) {
          eachChild(node, isFirst, [&](uint32_t child) { next.push_back(child); });
        } else if (const uint32_t child = tree_.child(node, level); child != 0) {
          next.push_back(child);
        }
      }
      isFirst = false;
      reached.swap(next);
      return !reached.empty();
    });
    for (const uint32_t node : reached) {
      if (hasMulti) visitSubtree(node, visit);
      else if (tree_.value(node)) visit(tree_.value(node));
    }
  }

  static constexpr uint32_t root = TopicTree<MessageRef>::root;

  // Under a wildcard of the first level, topics that begin with $ are left out [MQTT-4.7.2-1].
  template <class Visit>
  void eachChild(uint32_t node, bool isFirstLevel, Visit&& visit) const {
    for (uint32_t child = tree_.firstChild(node); child != 0; child = tree_.nextSibling(child)) {
      const Bytes level = tree_.level(child);
      if (!isFirstLevel || level.empty() || level[0] != '$') visit(child);
    }
  }

  template <class Visit>
  void visitSubtree(uint32_t top, Visit&& visit) const {
    std::vector<uint32_t> open{top};
    while (!open.empty()) {
      const uint32_t node = open.back();
      open.pop_back();
      if (tree_.value(node)) visit(tree_.value(node));
      eachChild(node, false, [&](uint32_t child) { open.push_back(child); });
    }
  }

  uint32_t find(Bytes topic) const {
    uint32_t node = root;
    eachLevel(topic, [&](Bytes level) {
      node = tree_.child(node, level);
      return node != 0;
    });
    return node;
  }

  uint32_t addPath(Bytes topic) {
    uint32_t node = root;
    eachLevel(topic, [&](Bytes level) {
      const uint32_t below = tree_.child(node, level);
      node = below != 0 ? below : tree_.addChild(node, level);
      return true;
    });
    return node;
  }

  TopicTree<MessageRef> tree_;
  const RetainedLimits limits_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  size_t expiring_ = 0;    // messages that will expire
  uint32_t swept_ = root;  // the node that sweep() last looked at
};

}  // namespace rally
