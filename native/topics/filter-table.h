// All topic filters that this worker knows: as a shard, which workers have subscribers of a filter (the route table);
// as a front end, which of its own sessions subscribe (the subscriber table). One look-up of a topic serves both.
//
//   no wildcard:  hash of the whole filter -> Filter          wildcards:  FilterTree
//
// A shared filter has two entries: one for its whole text, whose subscribers are the members here, and one for the
// filter inside it, which a match finds and which leads to its shares (share.h).
#pragma once
#include <unordered_map>
#include <vector>

#include "filter-shapes.h"
#include "filter-tree.h"
#include "recent-matches.h"
#include "share.h"
#include "slot.h"

namespace rally {

class FilterTable {
 public:
  explicit FilterTable(const HashKeys& keys) : keys_(keys), tree_(keys.tables, filters_) {}

  size_t size() const { return filters_.size(); }
  // Once a turn: continues resizing.
  void proceed() {
    byText_.proceed();
    tree_.proceed();
  }

  // Bytes of all filters: themselves, their index entries, the inner nodes of the tree, and shares.
  size_t bytes() const {
    return filters_.size() * filterBytes + textBytes_ + tree_.bytes() + shares_.size() * shareBytes;
  }
  // The most that a filter can take, if it shares only the nodes that lead to it.
  static size_t bytesOf(Bytes text) {
    size_t bytes = filterBytes + ShortText::costOf(text.size());
    if (isSharedFilter(text)) return bytes + shareBytes + bytesOf(unsharedFilter(text));
    if (!hasWildcard(text)) return bytes;
    eachLevel(text, [&](Bytes level) {
      bytes += FilterTree::bytesOf(level);
      return true;
    });
    return bytes;
  }
  // The same as bytes(), computed from scratch.
  size_t countBytes() const {
    size_t bytes = 0;
    for (uint32_t id = 1; id < filters_.end(); id++) {
      if (filters_.isUsed(id)) bytes += filterBytes + ShortText::costOf(filters_[id].text().size());
    }
    tree_.eachNode([&](Bytes level) { bytes += FilterTree::bytesOf(level); });
    for (uint32_t id = 1; id < shares_.end(); id++) bytes += shares_.isUsed(id) ? shareBytes : 0;
    return bytes;
  }

  // The branching of the filters here.
  FilterShapes& shapes() { return shapes_; }
  // The number of branches needed to acquire a filter, which may be new.
  size_t branchesLacking(Bytes text) {
    if (find(text)) return 0;
    const Bytes base = isSharedFilter(text) ? unsharedFilter(text) : text;
    return hasWildcard(base) ? shapes_.lacking(base) : 0;
  }

  // The filter with this text, added if it is new. `session`: the one here that wants it; 0: another worker.
  Filter& acquire(Bytes text, uint64_t session = 0) {
    if (Filter* known = find(text)) return *known;
    const uint32_t id = filters_.add();
    recent_.forget();
    Filter& filter = filters_[id];
    filter.bytes = ShortText(text);
    textBytes_ += ShortText::costOf(text.size());
    if (isInTree(text)) {
      tree_.add(id);
      shapes_.add(text, session);
    } else {
      byText_.add(inTable(hashOf(text)), id);
    }
    if (isSharedFilter(text)) addShare(filter, session);
    return filter;
  }

  Filter* find(Bytes text) {
    const uint32_t id = findId(text);
    return id != 0 ? &filters_[id] : nullptr;
  }

  // The number of a filter here: another one may get it when it is gone.
  uint32_t numberOf(const Filter& filter) const { return findId(filter.text()); }
  Filter& byNumber(uint32_t number) { return filters_[number]; }

  // Removes a filter that nobody needs any more.
  void releaseIfUnused(Filter& filter) {
    if (filter.routes != 0 || filter.isWide || !filter.subscribers.isEmpty()) return;
    if (filter.share != 0 && (!filter.isShared || !shares_[filter.share].routes.empty())) return;
    Filter* base = filter.isShared ? shares_[filter.share].base : nullptr;
    if (base) removeShare(filter.share);
    const uint32_t id = findId(filter.text());
    if (filter.hasWildcards()) {
      shapes_.remove(filter.text());
      tree_.remove(id);
    } else {
      byText_.remove(inTable(hashOf(filter.text())), id);
    }
    textBytes_ -= ShortText::costOf(filter.text().size());
    filters_.remove(id);
    recent_.forget();
    if (base) releaseIfUnused(*base);
  }

  Share& share(uint32_t id) { return shares_[id]; }
  // The share with this key, or nullptr.
  Share* findShare(uint32_t key) {
    const auto found = shareKeys_.find(key);
    return found == shareKeys_.end() ? nullptr : &shares_[found->second];
  }

  // Visits filters in steps: from `next` (0: the beginning) on, at most `most` places, of which the rest is returned.
  // True at the end. `visit` may release the filter.
  template <class Visit>
  bool eachFrom(uint32_t& next, size_t& most, Visit&& visit) {
    for (next = std::max(next, uint32_t(1)); most > 0 && next < filters_.end(); next++, most--) {
      if (filters_.isUsed(next)) visit(filters_[next]);
    }
    return next >= filters_.end();
  }

  // For the slot of a topic (slot.h).
  uint64_t hashOf(Bytes topic) const { return hashBytes(topic, keys_.topics); }

  // Of an unshared filter: the slot of the topic that it matches, whose owner is told of it; slotCount: it has
  // wildcards, and all are told.
  unsigned slotOfRoute(const Filter& filter) const {
    return filter.hasWildcards() ? slotCount : slotOf(hashOf(filter.text()));
  }

  // Appends to `matches` every filter that matches the topic name (4.7), each once.
  void match(Bytes topic, uint64_t hash, std::vector<Filter*>& matches) {
    const auto visit = [&](uint32_t id) { matches.push_back(&filters_[id]); };
    if (tree_.isEmpty()) return matchText(topic, hash, visit);
    recent_.match(
        hash,
        [&](auto&& note) {
          matchText(topic, hash, note);
          tree_.match(topic, note);
        },
        visit);
  }

 private:
  static constexpr size_t filterBytes = sizeof(Filter) + indexEntryBytes;
  // With its index entry, a route and a key of another worker.
  static constexpr size_t shareBytes = sizeof(Share) + 3 * blockBytes(24);

  // A shared filter itself matches nothing.
  static bool isInTree(Bytes text) { return hasWildcard(text) && !isSharedFilter(text); }

  // The key of topics is stored and shared in a cluster, that of tables is not.
  uint64_t inTable(uint64_t topicHash) const { return foldedMultiply(topicHash ^ keys_.tables, hashMultiplier); }

  template <class Visit>
  void matchText(Bytes topic, uint64_t hash, Visit&& visit) const {
    if (const uint32_t id = findByText(topic, hash); id != 0 && !filters_[id].isShared) visit(id);
  }

  uint32_t findId(Bytes text) const { return isInTree(text) ? tree_.find(text) : findByText(text, hashOf(text)); }

  uint32_t findByText(Bytes text, uint64_t hash) const {
    return byText_.find(inTable(hash), [&](uint32_t id) { return areEqual(filters_[id].text(), text); });
  }

  void addShare(Filter& filter, uint64_t session) {
    Filter& base = acquire(unsharedFilter(filter.text()), session);
    const uint32_t id = shares_.add();
    Share& share = shares_[id];
    share.key = uint32_t(hashOf(filter.text()));
    while (share.key == 0 || !shareKeys_.try_emplace(share.key, id).second) share.key++;
    share.own = &filter;
    share.base = &base;
    share.next = base.share;
    if (share.next != 0) shares_[share.next].previous = id;
    filter.isShared = true;
    filter.share = base.share = id;
  }

  void removeShare(uint32_t id) {
    const Share& share = shares_[id];
    (share.previous == 0 ? share.base->share : shares_[share.previous].next) = share.next;
    if (share.next != 0) shares_[share.next].previous = share.previous;
    shareKeys_.erase(share.key);
    shares_.remove(id);
  }

  const HashKeys keys_;
  FilterTree::Filters filters_;
  HashIndex byText_;
  FilterTree tree_;
  RecentMatches recent_;
  FilterShapes shapes_;
  Slab<Share> shares_;
  std::unordered_map<uint32_t, uint32_t> shareKeys_;
  size_t textBytes_ = 0;
};

}  // namespace rally
