// All topic filters that this worker knows: as a shard, which workers have subscribers of a filter
// (the route table); as a front end, which of its own sessions subscribe (the subscriber table). One
// look-up of a topic serves both.
//
//   no wildcard:  hash of the whole filter -> Filter          wildcards:  TopicTree, one level an edge
//
// A shared filter has two entries: its own, under its whole text, whose subscribers are the members here,
// and that of its filter proper, which a match finds and which leads to its shares (share.h).
//
// A match walks the tree level by level with the set of nodes reached so far, so it neither recurses
// nor goes deeper than the filters do, whatever the topic.
#pragma once
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "share.h"
#include "short-list.h"
#include "topic-tree.h"
#include "topic.h"

namespace rally {

struct Session;

// One session's subscription to a filter, at the front end that has the session.
struct Subscriber {
  Session* session = nullptr;
  uint32_t indexInSession : 31 = 0;    // where the session refers back to it
  // Takes messages only from shards that know it; what others send was published before it and came here
  // for somebody else. Its retained messages come in between.
  bool isNew : 1 = false;
  uint32_t subscriptionId : 28 = 0;    // 0: none (5.0, 3.8.2.1.2); at most varintMax
  uint8_t qos : 2 = 0;                 // maximum QoS
  bool noLocal : 1 = false;
  bool retainAsPublished : 1 = false;
};
static_assert(sizeof(Subscriber) == 16);

struct Filter {
  uint64_t routes = 0;           // bit w: worker w has a subscriber
  ShortList<Subscriber> subscribers;
  ShortText bytes;
  bool isShared = false;         // the text is that of a shared filter
  uint32_t node = 0;             // in the tree; 0: no wildcard
  uint32_t share = 0;            // the first of its shares, or of a shared filter its own; 0: none

  Bytes text() const { return bytes.bytes(); }
  bool hasWildcards() const { return node != 0; }
};
static_assert(sizeof(Filter) == 56);

class FilterTable {
 public:
  explicit FilterTable(uint64_t seed) : seed_(seed), tree_(seed) {}

  size_t size() const { return filters_.size(); }

  // The filter with this text, made if it is not there.
  Filter& acquire(Bytes text) {
    if (Filter* known = find(text)) return *known;
    const uint32_t id = filters_.add();
    Filter& filter = filters_[id];
    filter.bytes = ShortText(text);
    all_.add(hashBytes(text, seed_), id);
    if (isSharedFilter(text)) {
      addShare(filter);
    } else if (hasWildcard(text)) {
      filter.node = addPath(text);
      tree_.value(filter.node).filter = id;
      if (isMulti(filter.node)) tree_.value(tree_.parent(filter.node)).multi = id;
    }
    return filter;
  }

  Filter* find(Bytes text) {
    const uint32_t id = findId(text, hashBytes(text, seed_));
    return id != 0 ? &filters_[id] : nullptr;
  }

  // Forgets a filter that nobody needs any more.
  void releaseIfUnused(Filter& filter) {
    if (filter.routes != 0 || !filter.subscribers.empty()) return;
    if (filter.share != 0 && (!filter.isShared || !shares_[filter.share].routes.empty())) return;
    Filter* base = filter.isShared ? shares_[filter.share].base : nullptr;
    if (base) removeShare(filter.share);
    const uint64_t hash = hashBytes(filter.text(), seed_);
    const uint32_t id = findId(filter.text(), hash);
    if (filter.node != 0) removePath(filter.node);
    all_.remove(hash, id);
    filters_.remove(id);
    if (base) releaseIfUnused(*base);
  }

  Share& share(uint32_t id) { return shares_[id]; }
  // The share with this key, or nullptr.
  Share* findShare(uint32_t key) {
    const auto found = shareKeys_.find(key);
    return found == shareKeys_.end() ? nullptr : &shares_[found->second];
  }

  uint64_t hashOf(Bytes topic) const { return hashBytes(topic, seed_); }

  // Appends to `matches` every filter that matches the topic name (4.7), each once.
  void match(Bytes topic, uint64_t hash, std::vector<Filter*>& matches) {
    if (const uint32_t id = findId(topic, hash); id != 0 && !filters_[id].isShared) matches.push_back(&filters_[id]);
    if (tree_.firstChild(TopicTree<Place>::root) != 0) matchWildcards(topic, matches);
  }

 private:
  // What the tree knows at a node: the filter that ends here, the filter that ends with `#` below,
  // and the child under `+`.
  struct Place {
    uint32_t filter = 0;
    uint32_t multi = 0;
    uint32_t single = 0;
  };
  static constexpr uint32_t root = TopicTree<Place>::root;

  bool isMulti(uint32_t node) const { return isLevel(tree_.level(node), '#'); }

  uint32_t findId(Bytes text, uint64_t hash) const {
    return all_.find(hash, [&](uint32_t id) {
      const Filter& filter = filters_[id];
      return areEqual(filter.text(), text);
    });
  }

  void matchWildcards(Bytes topic, std::vector<Filter*>& matches) {
    reached_.assign(1, root);
    bool isFirst = true;
    eachLevel(topic, [&](Bytes level) {
      // Wildcards of the first level do not match a name that begins with $ [MQTT-4.7.2-1].
      const bool wildcardsMatch = !isFirst || level.empty() || level[0] != '$';
      isFirst = false;
      next_.clear();
      for (const uint32_t node : reached_) {
        const Place& place = tree_.value(node);
        if (wildcardsMatch && place.multi != 0) matches.push_back(&filters_[place.multi]);
        if (wildcardsMatch && place.single != 0) next_.push_back(place.single);
        if (const uint32_t literal = tree_.child(node, level); literal != 0) next_.push_back(literal);
      }
      reached_.swap(next_);
      return !reached_.empty();
    });
    for (const uint32_t node : reached_) {
      const Place& place = tree_.value(node);
      if (place.filter != 0) matches.push_back(&filters_[place.filter]);
      if (place.multi != 0) matches.push_back(&filters_[place.multi]);  // `#` includes the parent level (4.7.1.2)
    }
  }

  void addShare(Filter& filter) {
    Filter& base = acquire(unsharedFilter(filter.text()));
    const uint32_t id = shares_.add();
    Share& share = shares_[id];
    do share.key = ++lastShareKey_;
    while (share.key == 0 || !shareKeys_.try_emplace(share.key, id).second);
    share.own = &filter;
    share.base = &base;
    share.next = base.share;
    filter.isShared = true;
    filter.share = base.share = id;
  }

  void removeShare(uint32_t id) {
    uint32_t* link = &shares_[id].base->share;
    while (*link != id) link = &shares_[*link].next;
    *link = shares_[id].next;
    shareKeys_.erase(shares_[id].key);
    shares_.remove(id);
  }

  uint32_t addPath(Bytes text) {
    uint32_t node = root;
    eachLevel(text, [&](Bytes level) {
      uint32_t below = tree_.child(node, level);
      if (below == 0) {
        below = tree_.addChild(node, level);
        if (isLevel(level, '+')) tree_.value(node).single = below;
      }
      node = below;
      return true;
    });
    return node;
  }

  void removePath(uint32_t node) {
    tree_.value(node).filter = 0;
    if (isMulti(node)) tree_.value(tree_.parent(node)).multi = 0;
    while (node != root && tree_.firstChild(node) == 0 && tree_.value(node).filter == 0) {
      const bool wasSingle = isLevel(tree_.level(node), '+');
      node = tree_.remove(node);
      if (wasSingle) tree_.value(node).single = 0;
    }
  }

  const uint64_t seed_;
  Slab<Filter> filters_;
  HashIndex all_;
  TopicTree<Place> tree_;
  Slab<Share> shares_;
  std::unordered_map<uint32_t, uint32_t> shareKeys_;
  uint32_t lastShareKey_ = 0;
  std::vector<uint32_t> reached_;
  std::vector<uint32_t> next_;
};

}  // namespace rally
