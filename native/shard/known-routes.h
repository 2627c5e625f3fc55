// What other workers have told this shard of the interest of their subscribers: the routes of the filters and shares
// (topics/filter.h, share.h), and in a cluster a sum of them for each worker, which front-end/route-checks.h compares.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "../topics/filter-table.h"
#include "../topics/route-sums.h"

namespace rally {

class KnownRoutes {
 public:
  explicit KnownRoutes(FilterTable& filters) : filters_(filters) {}

  // Before there are any: sums are kept from now on.
  void startCluster() { isClustered_ = true; }

  void set(Filter& filter, unsigned worker, Interest interest) {
    const uint64_t bit = bitOf(worker);
    if (isClustered_) change(filter, worker, interestOf(filter, bit), interest);
    if ((noting_ & bit) != 0) [[unlikely]]
      noteTold(filter, worker);
    filter.routes = interest == Interest::none ? filter.routes & ~bit : filter.routes | bit;
    filter.durableRoutes = interest == Interest::durable ? filter.durableRoutes | bit : filter.durableRoutes & ~bit;
  }

  void setShare(Share& share, const ShareRoute& told) {
    ShareRoute* route = share.routeOf(told.worker);
    if (route && route->key != told.key) {  // it is another one there
      removeShare(share, bitOf(told.worker));
      route = nullptr;
    }
    if (!route) route = &share.routes.emplace_back(ShareRoute{.key = told.key, .worker = told.worker});
    else if (isClustered_) change(share, *route, numberOf(share, *route), 0);
    route->connected = told.connected;
    route->able = told.able;
    route->durable = told.durable;
    if (isClustered_) change(share, *route, 0, numberOf(share, *route));
    if ((noting_ & bitOf(told.worker)) != 0) [[unlikely]]
      noteTold(*share.own, told.worker);
  }
  void removeShare(Share& share, uint64_t workers) {
    std::erase_if(share.routes, [&](const ShareRoute& route) {
      if ((workers & bitOf(route.worker)) == 0) return false;
      if (isClustered_) change(share, route, numberOf(share, route), 0);
      return true;
    });
  }

  // The filter has no routes of these workers any more.
  void forget(Filter& filter, uint64_t workers) {
    if (isClustered_) {
      eachWorker(filter.routes & workers,
                 [&](unsigned worker) { change(filter, worker, interestOf(filter, bitOf(worker)), Interest::none); });
    }
    filter.routes &= ~workers;
    filter.durableRoutes &= ~workers;
  }

  // The worker tells everything again: of which filters is noted, until the others are forgotten.
  void note(unsigned worker) { noting_ |= bitOf(worker); }
  void stopNoting(unsigned worker) {
    noting_ &= ~bitOf(worker);
    told_.erase(worker);
  }
  // Whether the filter with this number has a route of the worker, of which it has not told again.
  bool isOutdated(const Filter& filter, uint32_t number, unsigned worker) {
    if ((noting_ & bitOf(worker)) == 0) return false;
    const bool hasRoute = (filter.routes & bitOf(worker)) != 0 ||
                          (filter.isShared && filters_.share(filter.share).routeOf(worker) != nullptr);
    const std::vector<bool>& told = told_[worker];
    return hasRoute && (number >= told.size() || !told[number]);
  }

  // What the worker has told, of these slots.
  RouteSummary summaryOf(unsigned worker, const SlotSet& slots) const {
    return sums_[worker] ? sums_[worker]->of(slots) : RouteSummary{.slots = slots};
  }

 private:
  static Interest interestOf(const Filter& filter, uint64_t bit) {
    if ((filter.durableRoutes & bit) != 0) return Interest::durable;
    return (filter.routes & bit) != 0 ? Interest::live : Interest::none;
  }
  uint64_t numberOf(const Share& share, const ShareRoute& route) const {
    return shareNumber(filters_.hashOf(share.own->text()), route.connected, route.able, route.durable);
  }

  void change(const Filter& filter, unsigned worker, Interest before, Interest now) {
    if (before == now) return;
    const uint64_t hash = filters_.hashOf(filter.text());
    sumsOf(worker).change(filters_.slotOfRoute(filter), routeNumber(hash, before), routeNumber(hash, now));
  }
  void change(const Share& share, const ShareRoute& route, uint64_t before, uint64_t now) {
    sumsOf(route.worker).change(filters_.slotOfRoute(*share.base), before, now);
  }
  // A number may be that of another filter later, which has a route of the worker only if it tells of that one too.
  [[gnu::noinline]] void noteTold(const Filter& filter, unsigned worker) {
    std::vector<bool>& told = told_[worker];
    const size_t number = filters_.numberOf(filter);
    if (number >= told.size()) told.resize(number + number / 2 + 64);
    told[number] = true;
  }

  RouteSums& sumsOf(unsigned worker) {
    if (!sums_[worker]) sums_[worker] = std::make_unique<RouteSums>();
    return *sums_[worker];
  }

  FilterTable& filters_;
  bool isClustered_ = false;
  uint64_t noting_ = 0;                                      // workers that tell everything again ...
  std::map<unsigned, std::vector<bool>> told_;               // ... of which filters, by number
  std::array<std::unique_ptr<RouteSums>, workersMax> sums_;  // by worker
};

}  // namespace rally
