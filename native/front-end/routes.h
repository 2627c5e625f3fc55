// What the subscribers of a worker want of a filter, told to whoever owns topics that it matches. Here those are the
// shards of the other workers, over the lanes; beyond one process they are other nodes, which answer late.
//
//   set(filter, live) set(filter, durable) ... areKnown(token)? --no--> Subscriptions::onRoutesKnown(token)
//
// A SUBSCRIBE is finished when all who were told know its filters: what is published behind its SUBACK comes.
#pragma once
#include "../lanes/requests.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "shard-requests.h"

namespace rally {

class Routes {
 public:
  virtual ~Routes() = default;
  // From now on. Told again when it changes: also when a session that subscribes becomes durable, or is not any more.
  virtual void set(const Filter& filter, Interest interest) = 0;
  // Whether all who were told of the filters of the SUBSCRIBE that `token` names know them, or will before anything
  // that follows over the lanes. False: onRoutesKnown() follows, once.
  virtual bool areKnown(uint64_t token) = 0;
};

// To the shards of this process.
class LaneRoutes : public Routes {
 public:
  LaneRoutes(const SlotMap& slots, const FilterTable& filters, ShardRequests& requests)
      : slots_(slots), filters_(filters), requests_(requests) {}

  // The other shards that may own a topic which this filter matches: one, or with wildcards all.
  void set(const Filter& filter, Interest interest) override {
    eachWorker(toTell(filter) & slots_.others(), [&](unsigned worker) {
      requests_.toShard(worker,
                        request::SetInterest{.interest = interest, .carried = Carried(toFilterText(filter.text()))});
    });
  }
  bool areKnown(uint64_t) override { return true; }

  // Who may own a topic that the filter matches, or is about to.
  uint64_t toTell(const Filter& filter) const {
    if (slots_.others() == 0) return slots_.present();
    return filter.hasWildcards() ? slots_.present() : slots_.ownersOf(filters_.hashOf(filter.text()));
  }

 private:
  const SlotMap& slots_;
  const FilterTable& filters_;
  ShardRequests& requests_;
};

}  // namespace rally
