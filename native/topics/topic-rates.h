// The message rates of a worker's topics, as a tree of their levels. Its size is limited: when it is full the topics
// that have been idle longest are removed, but still count towards the levels above them.
//
//   root --"site"--> 2 --"1"--> 3 --"temp"--> 4      node = { parent, one level, messages, rates }
//                     `--"2"--> 5
//
//   used    root 2 3 4 5        newest message first: no node is older than those below it, so the oldest is a leaf
//
// A rate decays by e^(-time/10 s), and is corrected while the node is young, so it is right from the first second on.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/short-text.h"
#include "../structures/slab.h"
#include "../wire/topic.h"

namespace rally {

class TopicRates {
 public:
  struct Figures {
    double messages = 0;  // of the level and all below it, since it is here
    double own = 0;       // of those, on the topic that ends here
    double messagesPerSecond = 0;
    double bytesPerSecond = 0;  // of payloads
    uint64_t lastMs = 0;
    uint64_t firstMs = 0;
  };

  // Deeper levels count towards the last of these.
  static constexpr size_t levelsMax = 32;

  // bytesMax 0: nothing is counted.
  TopicRates(size_t bytesMax, uint64_t seed) : bytesMax_(bytesMax), seed_(seed) { nodes_.add(); }

  // A message that represents this many.
  void add(Bytes topic, uint32_t messages, size_t payloadBytes, uint64_t nowMs) {
    if (bytesMax_ == 0) return;
    path_.clear();
    uint32_t node = root;
    eachLevel(topic, [&](Bytes level) {
      const uint32_t below = child(node, level);
      node = below != 0 ? below : hang(node, level, nowMs);
      path_.push_back(node);
      return path_.size() < levelsMax;
    });
    nodes_[node].figures.own += messages;
    for (auto each = path_.rbegin(); each != path_.rend(); ++each) {
      count(nodes_[*each].figures, messages, double(messages) * double(payloadBytes), nowMs);
      use(*each);
    }
    while (bytes_ > bytesMax_ && oldest_ != node) drop(oldest_);
  }

  size_t bytes() const { return bytes_; }

  // The node of a topic, or of the first levels of topics; 0: there is none.
  uint32_t find(Bytes levels) const {
    uint32_t node = root;
    eachLevel(levels, [&](Bytes level) {
      node = child(node, level);
      return node != 0;
    });
    return node;
  }

  // The levels below a node after the one called `after` (nullptr: from the first on), in the order of their bytes, at
  // most `max`: `visit(level, figures, whether there are levels below it)`.
  template <class Visit>
  void eachBelow(uint32_t node, const Bytes* after, size_t max, uint64_t nowMs, Visit&& visit) {
    std::vector<uint32_t>& first = found_;  // a heap with the last of them on top
    first.clear();
    const auto isBefore = [&](uint32_t a, uint32_t b) { return isLess(text(a), text(b)); };
    for (uint32_t id = nodes_[node].firstChild; id != 0; id = nodes_[id].nextSibling) {
      if (after && !isLess(*after, text(id))) continue;
      if (first.size() == max) {
        if (max == 0 || !isBefore(id, first.front())) continue;
        std::pop_heap(first.begin(), first.end(), isBefore);
        first.pop_back();
      }
      first.push_back(id);
      std::push_heap(first.begin(), first.end(), isBefore);
    }
    std::sort_heap(first.begin(), first.end(), isBefore);
    for (const uint32_t id : first) visit(text(id), shown(nodes_[id].figures, nowMs), nodes_[id].firstChild != 0);
  }

  static constexpr uint32_t root = 1;

 private:
  struct Node {
    Figures figures;  // rates as of lastMs, not made up for
    ShortText level;
    uint32_t parent = 0;
    uint32_t firstChild = 0;
    uint32_t nextSibling = 0;
    uint32_t previousSibling = 0;
    uint32_t newer = 0;
    uint32_t older = 0;
  };
  static constexpr double fadeMs = 10'000;
  static constexpr double youngMsMin = 1'000;

  Bytes text(uint32_t id) const { return nodes_[id].level.bytes(); }
  static size_t costOf(Bytes level) { return sizeof(Node) + indexEntryBytes + ShortText::costOf(level.size()); }
  static bool isLess(Bytes a, Bytes b) { return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end()); }
  uint64_t hashOf(uint32_t parent, Bytes level) const { return hashBytes(level, seed_ + parent * hashMultiplier); }

  uint32_t child(uint32_t parent, Bytes level) const {
    return index_.find(hashOf(parent, level),
                       [&](uint32_t id) { return nodes_[id].parent == parent && areEqual(text(id), level); });
  }

  uint32_t hang(uint32_t parent, Bytes level, uint64_t nowMs) {
    const uint32_t id = nodes_.add();
    Node& node = nodes_[id];
    node.level = ShortText(level);
    node.parent = parent;
    node.figures.firstMs = node.figures.lastMs = nowMs;
    node.nextSibling = nodes_[parent].firstChild;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = id;
    nodes_[parent].firstChild = id;
    index_.add(hashOf(parent, level), id);
    bytes_ += costOf(level);
    link(id);
    return id;
  }

  void drop(uint32_t id) {
    Node& node = nodes_[id];
    RALLY_ASSERT(id != root && node.firstChild == 0);
    unlink(id);
    bytes_ -= costOf(text(id));
    index_.remove(hashOf(node.parent, text(id)), id);
    if (node.previousSibling != 0) nodes_[node.previousSibling].nextSibling = node.nextSibling;
    else nodes_[node.parent].firstChild = node.nextSibling;
    if (node.nextSibling != 0) nodes_[node.nextSibling].previousSibling = node.previousSibling;
    nodes_.remove(id);
  }

  void use(uint32_t id) {
    if (newest_ == id) return;
    unlink(id);
    link(id);
  }
  void link(uint32_t id) {
    nodes_[id].newer = 0;
    nodes_[id].older = newest_;
    if (newest_ != 0) nodes_[newest_].newer = id;
    else oldest_ = id;
    newest_ = id;
  }
  void unlink(uint32_t id) {
    const Node& node = nodes_[id];
    if (node.newer != 0) nodes_[node.newer].older = node.older;
    else newest_ = node.older;
    if (node.older != 0) nodes_[node.older].newer = node.newer;
    else oldest_ = node.newer;
  }

  static double fadedBy(const Figures& figures, uint64_t nowMs) {
    return std::exp(-double(nowMs - std::min(nowMs, figures.lastMs)) / fadeMs);
  }
  static void count(Figures& figures, uint32_t messages, double bytes, uint64_t nowMs) {
    const double faded = fadedBy(figures, nowMs);
    figures.messagesPerSecond = figures.messagesPerSecond * faded + messages / (fadeMs / 1'000);
    figures.bytesPerSecond = figures.bytesPerSecond * faded + bytes / (fadeMs / 1'000);
    figures.messages += messages;
    figures.lastMs = nowMs;
  }
  static Figures shown(Figures figures, uint64_t nowMs) {
    const double ageMs = std::max(youngMsMin, double(nowMs - std::min(nowMs, figures.firstMs)));
    const double factor = fadedBy(figures, nowMs) / (1 - std::exp(-ageMs / fadeMs));
    figures.messagesPerSecond *= factor;
    figures.bytesPerSecond *= factor;
    return figures;
  }

  const size_t bytesMax_;
  const uint64_t seed_;
  Slab<Node> nodes_;
  HashIndex index_;
  size_t bytes_ = 0;
  uint32_t newest_ = 0;
  uint32_t oldest_ = 0;
  std::vector<uint32_t> path_;
  std::vector<uint32_t> found_;
};

}  // namespace rally
