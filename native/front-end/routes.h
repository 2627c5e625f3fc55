// The interest of a worker's subscribers in filters, told to the owners of matching topics: to the shards of the other
// workers, over the lanes, and in a cluster to other nodes, which answer late.
//
//   set(filter, live) set(filter, durable) ... areKnown(token)? --no--> Subscriptions::onRoutesKnown(token)
//
// A SUBSCRIBE is complete when all of them know its filters: messages published after its SUBACK are delivered.
#pragma once
#include "../lanes/requests.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "shard-requests.h"

namespace rally {

class Routes {
 public:
  virtual ~Routes() = default;
  // From now on. Repeated when it changes, also when a subscribed session becomes durable or ceases to be.
  virtual void set(const Filter& filter, Interest interest) = 0;
  // Whether all know the filters of the SUBSCRIBE that `token` names, or will before anything that follows over the
  // lanes. False: onRoutesKnown() follows, once.
  virtual bool areKnown(uint64_t token) = 0;
};

// To the shards of this process.
class LaneRoutes : public Routes {
 public:
  LaneRoutes(const SlotMap& slots, const FilterTable& filters, ShardRequests& requests)
      : slots_(slots), filters_(filters), requests_(requests) {}

  // The other shards that may own a topic matching this filter: one, or with wildcards all.
  void set(const Filter& filter, Interest interest) override {
    eachWorker(toTell(filter) & slots_.others(), [&](unsigned worker) {
      requests_.toShard(worker,
                        request::SetInterest{.interest = interest, .carried = Carried(toFilterText(filter.text()))});
    });
  }
  bool areKnown(uint64_t) override { return true; }

  // The workers that may own a matching topic, or are about to.
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
