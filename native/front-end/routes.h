// The interest of a worker's subscribers in filters, told to the owners of matching topics: to the shards of the other
// workers, over the lanes, and in a cluster to other nodes, which answer late.
//
//   set(filter, live) set(filter, durable) ... areKnown(token)? --no--> Subscriptions::onRoutesKnown(token)
//
// In a cluster a filter with wildcards is not told while another told filter of this worker covers it, as a/#
// covers a/+/b: the owner of a topic sends each of its messages once, and this worker finds all matching filters. When
// the covering filter is removed, the covered ones are told first (route-jobs.h), and then its removal.
//
// A SUBSCRIBE is complete when all of them know its filters: messages published after its SUBACK are delivered.
#pragma once
#include <functional>

#include "../lanes/requests.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "shard-requests.h"

namespace rally {

class Routes {
 public:
  virtual ~Routes() = default;
  // From now on. Repeated when it changes, also when a subscribed session becomes durable or ceases to be.
  virtual void set(Filter& filter, Interest interest) = 0;
  // Whether all know the filters of the SUBSCRIBE that `token` names, or will before anything that follows over the
  // lanes. False: onRoutesKnown() follows, once.
  virtual bool areKnown(uint64_t token) = 0;
};

// To the shards of this process.
class LaneRoutes : public Routes {
 public:
  LaneRoutes(const SlotMap& slots, FilterTable& filters, ShardRequests& requests)
      : slots_(slots), filters_(filters), requests_(requests) {}

  using Text = std::vector<uint8_t>;
  // From now on filters are covered. `uncover(text)` has to call uncover() for all filters, and then retire(text).
  void cover(std::function<void(Text)> uncover) { uncover_ = std::move(uncover); }

  // The other shards that may own a topic which this filter matches: one, or with wildcards all.
  void set(Filter& filter, Interest interest) override {
    if (!uncover_ || !filter.hasWildcards()) {
      tell(filter.text(), toTell(filter), interest);
      return;
    }
    const bool staysCovered = interest != Interest::none && filter.told == Interest::none &&
                              isCovered(filter, interest);
    covered_ += size_t(staysCovered) - size_t(filter.isCovered);
    const bool wasCovered = filter.isCovered;
    filter.isCovered = staysCovered;
    if (staysCovered || (wasCovered && interest == Interest::none)) return;
    const Interest before = filter.told;
    filter.told = interest;
    if (interest < before && covered_ > 0) uncover_(Text(filter.text().begin(), filter.text().end()));
    else tell(filter.text(), slots_.present(), interest);
  }

  // Whether another filter that others are told of matches whatever this one does. What this one may match is found
  // like a topic, in which a `+` is a level that only a wildcard matches, and without a `#` at its end: whatever ends
  // with `#` and matches that matches all below, too.
  bool isCovered(const Filter& filter, Interest interest) {
    const Bytes text = filter.text();
    const bool isMulti = endsWithMulti(text);
    if (isMulti && text.size() == 1) return false;
    const Bytes matched = isMulti ? text.first(text.size() - 2) : text;
    matches_.clear();
    filters_.match(matched, filters_.hashOf(matched), matches_);
    return std::any_of(matches_.begin(), matches_.end(), [&](const Filter* other) {
      return other != &filter && other->told >= interest && (!isMulti || endsWithMulti(other->text()));
    });
  }
  // Tells of a filter that nothing covers any more.
  void uncover(Filter& filter) {
    if (!filter.isCovered) return;
    const Interest interest = interestOf(filter);
    if (isCovered(filter, interest)) return;
    filter.isCovered = false;
    covered_--;
    filter.told = interest;
    tell(filter.text(), slots_.present(), interest);
  }
  // Of a filter that has covered others: what its subscribers want now, if there are any.
  void retire(Bytes text) {
    const Filter* filter = filters_.find(text);
    tell(text, slots_.present(), filter ? filter->told : Interest::none);
  }
  static Interest interestOf(const Filter& filter) { return filter.durable > 0 ? Interest::durable : Interest::live; }

  bool areKnown(uint64_t) override { return true; }

  // The workers that may own a matching topic, or are about to.
  uint64_t toTell(const Filter& filter) const {
    if (slots_.others() == 0) return slots_.present();
    return filter.hasWildcards() ? slots_.present() : slots_.ownersOf(filters_.hashOf(filter.text()));
  }

 private:
  static bool endsWithMulti(Bytes text) { return !text.empty() && text.back() == '#'; }

  void tell(Bytes text, uint64_t workers, Interest interest) {
    eachWorker(workers & slots_.others(), [&](unsigned worker) {
      requests_.toShard(worker, request::SetInterest{.interest = interest, .carried = Carried(toFilterText(text))});
    });
  }

  const SlotMap& slots_;
  FilterTable& filters_;
  ShardRequests& requests_;
  std::function<void(Text)> uncover_;
  size_t covered_ = 0;  // filters
  std::vector<Filter*> matches_;
};

}  // namespace rally
