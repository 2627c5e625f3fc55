// Work on all filters of a worker when workers join or leave and slots change owners, in slices, so that no turn is
// long: a million filters take a few hundred turns.
//
//   tell wildcards   to a worker that has joined: every filter with wildcards that has subscribers here
//   tell slots       to the worker that takes slots: every other filter of theirs that has subscribers here
//   uncover          filters that the one with this text has covered: all others, and that it is gone
//   forget slots     of another owner: the interest of others in their filters
//   forget worker    that is lost: its interest
//
// Jobs are done one after the other, so a worker is told everything in order.
#pragma once
#include <deque>
#include <functional>

#include "../lanes/requests.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "routes.h"
#include "shard-requests.h"
#include "sharing.h"

namespace rally {

struct RouteJob {
  enum class Kind : uint8_t { tellWildcards, tellSlots, uncover, forgetSlots, forgetWorker };
  Kind kind = Kind::tellWildcards;
  unsigned worker = 0;
  SlotSet slots = {};
  std::function<void()> then = {};  // when it is done
};

class RouteJobs {
 public:
  RouteJobs(const SlotMap& slots, FilterTable& filters, Sharing& sharing, LaneRoutes& routes, ShardRequests& requests)
      : slots_(slots), filters_(filters), sharing_(sharing), routes_(routes), requests_(requests) {}

  void add(RouteJob job) { jobs_.push_back(std::move(job)); }
  // Ends the jobs that tell this worker; whatever waited for them continues.
  void dropFor(unsigned worker) {
    for (RouteJob& job : jobs_) {
      const bool tells = job.kind == RouteJob::Kind::tellWildcards || job.kind == RouteJob::Kind::tellSlots;
      if (tells && job.worker == worker) job.slots = {};
    }
  }

  bool hasWork() const { return !jobs_.empty(); }
  // Once a turn.
  void proceed() {
    for (size_t left = filtersPerTurn; left > 0 && !jobs_.empty();) {
      if (!filters_.eachFrom(next_, left, [&](Filter& filter) { apply(jobs_.front(), filter); })) return;
      const std::function<void()> then = std::move(jobs_.front().then);
      jobs_.pop_front();
      next_ = 0;
      if (then) then();
    }
  }

 private:
  static constexpr size_t filtersPerTurn = 4'096;  // some 0.3 ms

  // The filter without `$share/{name}/`.
  const Filter& baseOf(const Filter& filter) { return filter.isShared ? *filters_.share(filter.share).base : filter; }
  unsigned slotOfFilter(const Filter& filter) { return slotOf(filters_.hashOf(baseOf(filter).text())); }

  void apply(const RouteJob& job, Filter& filter) {
    const bool hasWildcards = baseOf(filter).hasWildcards();
    switch (job.kind) {
      case RouteJob::Kind::tellWildcards:
        if (hasWildcards && !slots_.isGone(job.worker)) tell(filter, job.worker);
        break;
      case RouteJob::Kind::tellSlots:
        if (!hasWildcards && job.slots.has(slotOfFilter(filter))) tell(filter, job.worker);
        break;
      case RouteJob::Kind::uncover: routes_.uncover(filter); break;
      case RouteJob::Kind::forgetSlots:
        if (hasWildcards || !job.slots.has(slotOfFilter(filter)) || slots_.mayOwn(slotOfFilter(filter))) break;
        forget(filter, UINT64_MAX);
        break;
      case RouteJob::Kind::forgetWorker: forget(filter, bitOf(job.worker)); break;
    }
  }

  // Tells that it has subscribers here, if it has. The own shard knows, except members of shares.
  void tell(const Filter& filter, unsigned worker) {
    if (filter.subscribers.isEmpty()) return;
    if (filter.isShared) {
      sharing_.tell(filters_.share(filter.share), worker);
    } else if (worker != slots_.own()) {
      const Interest interest = LaneRoutes::interestOf(filter);
      if (filter.isCovered && routes_.isCovered(filter, interest)) return;
      requests_.toShard(worker,
                        request::SetInterest{.interest = interest, .carried = Carried(toFilterText(filter.text()))});
    }
  }

  void forget(Filter& filter, uint64_t workers) {
    const uint64_t others = workers & ~bitOf(slots_.own());
    filter.routes &= ~others;
    filter.durableRoutes &= ~others;
    if (filter.isShared) {
      Share& share = filters_.share(filter.share);
      std::erase_if(share.routes, [&](const ShareRoute& route) { return (workers & bitOf(route.worker)) != 0; });
      if (workers != UINT64_MAX) share.forgetKeys(workers);
    }
    filters_.releaseIfUnused(filter);
  }

  const SlotMap& slots_;
  FilterTable& filters_;
  Sharing& sharing_;
  LaneRoutes& routes_;
  ShardRequests& requests_;
  std::deque<RouteJob> jobs_;
  uint32_t next_ = 0;  // filter that the first job goes on with
};

}  // namespace rally
