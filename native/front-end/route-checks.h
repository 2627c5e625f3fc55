// Whether the workers of a cluster know each other's routes, and what happens if not: no fault may leave a worker for
// ever without the messages of a filter.
//
//   sender    --routesTold: sum, count--> receiver   every 10 s, if nothing is still to be told: equal?
//             <------tellRoutesAgain----- receiver   if not, it notes from now on of which filters it is told
//   sender    --setInterest, shareRoute-> receiver   of all filters, in slices
//             --routesToldAgain---------> receiver   forgets the routes of all others, in slices
//
// A sum (topics/route-sums.h) includes what was told before it in the same lane, and nothing after it, so sums differ
// only if routes do. Exact filters are compared for slots that both take for the receiver's and that are not moving.
//
// Until the end the receiver goes on with what it knows: a route that is right is there all the time.
//
// A receiver that hears no end asks again after two more sums: a sender that is telling sends none.
#pragma once
#include <map>

#include "events.h"
#include "route-jobs.h"

namespace rally {

class RouteChecks {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    // Whether the worker knows the records of these checks.
    virtual bool knowsChecks(unsigned worker) const = 0;
  };

  RouteChecks(const SlotMap& slots, KnownRoutes& known, RouteJobs& jobs, Counters& counters, Fifo<Event>& events,
              ShardRequests& requests, const Outlet& outlet)
      : slots_(slots),
        known_(known),
        jobs_(jobs),
        counters_(counters),
        events_(events),
        requests_(requests),
        outlet_(outlet) {}

  // Of what this worker has told.
  RouteSums& sums() { return sums_; }

  // Once a second.
  void tick() {
    if (++ticks_ < checkTicks || jobs_.hasWork()) return;
    ticks_ = 0;
    eachWorker(slots_.others(), [&](unsigned worker) {
      if (!outlet_.knowsChecks(worker)) return;
      SlotSet slots;
      for (unsigned slot = 0; slot < slotCount; slot++) {
        if (slots_.owner(slot) == worker && !slots_.isHeld(slot)) slots.add(slot);
      }
      requests_.toShard(worker,
                        request::RoutesTold{.carried = Carried(std::make_unique<RouteSummary>(sums_.of(slots)))});
    });
  }

  void take(const request::RoutesTold& told, unsigned from) {
    const std::unique_ptr<RouteSummary> summary = told.carried.take();
    if (const auto found = repairs_.find(from); found != repairs_.end()) {
      if (!found->second.isTold && ++found->second.unanswered >= unansweredMax) ask(from);
      return;
    }
    bool areOurs = true;
    summary->slots.each([&](unsigned slot) { areOurs = areOurs && slots_.owner(slot) == slots_.own(); });
    if (!areOurs || slots_.isGone(from)) return;
    const RouteSummary here = known_.summaryOf(from, summary->slots);
    if (here.sum == summary->sum && here.count == summary->count) return;
    counters_.add(Counter::routesRepaired);
    const std::string reason = std::to_string(here.count) + " instead of " + std::to_string(summary->count) +
                               " routes of worker " + std::to_string(from);
    std::vector<uint8_t> lines{'\n'};  // behind the address, which there is none of
    lines.insert(lines.end(), reason.begin(), reason.end());
    events_.push({EventKind::noticed, uint8_t(Notice::routesDiffer), Reason::success, 0, 0, std::move(lines)});
    ask(from);
  }

  // What covers others and is gone meanwhile is told behind what it has covered, and the end behind both.
  void take(const request::TellRoutesAgain& asked, unsigned from) {
    const auto tellEnd = [this, from, number = asked.number] {
      requests_.toShard(from, request::RoutesToldAgain{.number = number});
    };
    jobs_.add({.kind = RouteJob::Kind::tellAgain, .worker = from, .then = [this, tellEnd] {
                 jobs_.add({.kind = RouteJob::Kind::nothing, .then = tellEnd});
               }});
  }

  void take(const request::RoutesToldAgain& told, unsigned from) {
    const auto found = repairs_.find(from);
    if (found == repairs_.end() || found->second.number != told.number || found->second.isTold) return;
    found->second.isTold = true;
    jobs_.add({.kind = RouteJob::Kind::forgetOthers, .worker = from, .then = [this, from, number = told.number] {
                 const auto repair = repairs_.find(from);
                 if (repair != repairs_.end() && repair->second.number == number) onGone(from);
               }});
  }

  // The worker is lost, or done.
  void onGone(unsigned worker) {
    known_.stopNoting(worker);
    repairs_.erase(worker);
  }

 private:
  static constexpr unsigned checkTicks = 10;  // seconds
  static constexpr unsigned unansweredMax = 2;

  // While a worker tells everything again.
  struct Repair {
    uint32_t number = 0;
    bool isTold = false;      // it has
    unsigned unanswered = 0;  // sums that have come instead
  };

  void ask(unsigned worker) {
    repairs_[worker] = {.number = ++lastNumber_};
    known_.note(worker);
    requests_.toShard(worker, request::TellRoutesAgain{.number = lastNumber_});
  }

  const SlotMap& slots_;
  KnownRoutes& known_;
  RouteJobs& jobs_;
  Counters& counters_;
  Fifo<Event>& events_;
  ShardRequests& requests_;
  const Outlet& outlet_;
  RouteSums sums_;
  unsigned ticks_ = 0;
  uint32_t lastNumber_ = 0;
  std::map<unsigned, Repair> repairs_;  // by worker that tells again
};

}  // namespace rally
