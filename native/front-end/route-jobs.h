// Work on many filters of a worker when workers join or leave, slots change owners and routes change, in slices, so
// that no turn is long: a million filters take a few hundred turns.
//
//   tell wildcards   to a worker that has joined: every filter with wildcards that has subscribers here
//   tell slots       to the worker that takes slots: every other filter of theirs that has subscribers here
//   tell again       to a worker that may know something else: all of both, and that it is all (route-checks.h)
//   uncover, widen   as LaneRoutes::Work says
//   forget slots     of another owner: the interest of others in their filters
//   forget worker    that is lost: its interest
//   forget others    the interest of a worker in filters of which it has not told again
//   nothing          but that all jobs before it are done
//
// Jobs are done one after the other, so a worker is told everything in order.
#pragma once
#include <deque>
#include <functional>

#include "../lanes/requests.h"
#include "../shard/known-routes.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "routes.h"
#include "shard-requests.h"
#include "sharing.h"

namespace rally {

struct RouteJob {
  enum class Kind : uint8_t {
    tellWildcards,
    tellSlots,
    tellAgain,
    uncover,
    widen,
    forgetSlots,
    forgetWorker,
    forgetOthers,
    nothing
  };
  Kind kind = Kind::nothing;
  unsigned worker = 0;
  SlotSet slots = {};
  LaneRoutes::Text text = {};
  std::function<void()> then = {};  // when it is done
};

class RouteJobs {
 public:
  RouteJobs(const SlotMap& slots, FilterTable& filters, KnownRoutes& known, Sharing& sharing, LaneRoutes& routes,
            ShardRequests& requests)
      : slots_(slots), filters_(filters), known_(known), sharing_(sharing), routes_(routes), requests_(requests) {}

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
    for (size_t left = filtersPerTurn; left > 0 && !jobs_.empty(); left -= std::min<size_t>(left, 1)) {
      if (!proceedWith(jobs_.front(), left)) return;
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

  // True: it is done.
  bool proceedWith(const RouteJob& job, size_t& left) {
    if (job.kind == RouteJob::Kind::uncover) return routes_.proceed(LaneRoutes::Work::uncover, job.text, left);
    if (job.kind == RouteJob::Kind::nothing) return true;
    if (job.kind == RouteJob::Kind::widen) return routes_.proceed(LaneRoutes::Work::widen, job.text, left);
    return filters_.eachFrom(next_, left, [&](Filter& filter) { apply(job, filter); });
  }

  void apply(const RouteJob& job, Filter& filter) {
    const bool hasWildcards = baseOf(filter).hasWildcards();
    switch (job.kind) {
      case RouteJob::Kind::tellWildcards:
        if (hasWildcards && !slots_.isGone(job.worker)) tell(filter, job.worker);
        break;
      case RouteJob::Kind::tellSlots:
        if (!hasWildcards && job.slots.has(slotOfFilter(filter))) tell(filter, job.worker);
        break;
      case RouteJob::Kind::tellAgain:
        if (slots_.isGone(job.worker)) break;
        if (hasWildcards || (slots_.ownersOf(filters_.hashOf(baseOf(filter).text())) & bitOf(job.worker)) != 0)
          tell(filter, job.worker);
        break;
      case RouteJob::Kind::forgetSlots:
        if (hasWildcards || !job.slots.has(slotOfFilter(filter)) || slots_.mayOwn(slotOfFilter(filter))) break;
        forget(filter, UINT64_MAX);
        break;
      case RouteJob::Kind::forgetWorker: forget(filter, bitOf(job.worker)); break;
      case RouteJob::Kind::forgetOthers:
        if (known_.isOutdated(filter, next_, job.worker)) forget(filter, bitOf(job.worker));
        break;
      case RouteJob::Kind::uncover:
      case RouteJob::Kind::widen:
      case RouteJob::Kind::nothing: break;
    }
  }

  // Tells that it has subscribers here, if it has. The own shard knows, except members of shares.
  void tell(const Filter& filter, unsigned worker) {
    if (filter.isShared) {
      if (!filter.subscribers.isEmpty()) sharing_.tell(filters_.share(filter.share), worker);
      return;
    }
    if (worker == slots_.own()) return;
    const Interest interest = routes_.toTellNewcomer(filter);
    if (interest == Interest::none) return;
    requests_.toShard(worker,
                      request::SetInterest{.interest = interest, .carried = Carried(toFilterText(filter.text()))});
  }

  void forget(Filter& filter, uint64_t workers) {
    known_.forget(filter, workers & ~bitOf(slots_.own()));
    if (filter.isShared) {
      Share& share = filters_.share(filter.share);
      known_.removeShare(share, workers);
      if (workers != UINT64_MAX) share.forgetKeys(workers);
    }
    filters_.releaseIfUnused(filter);
  }

  const SlotMap& slots_;
  FilterTable& filters_;
  KnownRoutes& known_;
  Sharing& sharing_;
  LaneRoutes& routes_;
  ShardRequests& requests_;
  std::deque<RouteJob> jobs_;
  uint32_t next_ = 0;  // the filter where the first job goes on
};

}  // namespace rally
