// A share: the subscribers of `$share/{name}/{filter}`, of whom one gets each message (5.0, 4.8.2). The shard
// that owns the topic chooses a worker, by how many members it has; that worker's front end chooses the member.
#pragma once
#include <cstdint>
#include <vector>

namespace rally {

struct Filter;

// A worker with members of a share, as a shard knows it.
struct ShareRoute {
  uint32_t key = 0;        // of the share there
  uint32_t connected = 0;  // members with a connection ...
  uint32_t able = 0;       // ... and those whose session waits for them
  uint8_t worker = 0;
  bool isFull = false;  // it has sent a message back, and has not said since that a member has room
  int64_t credit = 0;   // of its turns
};

struct Share {
  Filter* own = nullptr;   // `$share/{name}/{filter}`: its subscribers are the members here
  Filter* base = nullptr;  // `{filter}`, where a match finds it
  uint32_t next = 0;       // the next share of the same base, or 0
  uint32_t key = 0;        // names it to other workers; never used again

  std::vector<ShareRoute> routes;  // what a shard asks

  uint32_t connected = 0;  // of the members here, as ShareRoute says
  uint32_t able = 0;
  uint32_t turn = 0;           // whose turn it is here
  std::vector<uint32_t> keys;  // by shard: the key of the share there; 0: not known yet
  uint64_t toldFull = 0;       // bit s: shard s has been told that nobody here has room

  ShareRoute* routeOf(unsigned worker) {
    for (ShareRoute& route : routes) {
      if (route.worker == worker) return &route;
    }
    return nullptr;
  }

  // The worker whose turn it is (smooth weighted round robin): one with members that have room, else with
  // members that are connected, else with sessions that wait. nullptr: there is none. `isLast`: it has to take the
  // message, as the others cannot do better.
  ShareRoute* choose(bool& isLast) {
    isLast = false;
    if (ShareRoute* route = nextBy([](const ShareRoute& each) { return each.isFull ? 0u : each.connected; }))
      return route;
    isLast = true;
    if (ShareRoute* route = nextBy([](const ShareRoute& each) { return each.connected; })) return route;
    return nextBy([](const ShareRoute& each) { return each.able; });
  }

 private:
  template <class Weight>
  ShareRoute* nextBy(Weight&& weightOf) {
    ShareRoute* best = nullptr;
    int64_t total = 0;
    for (ShareRoute& route : routes) {
      const int64_t weight = weightOf(route);
      if (weight == 0) continue;
      total += weight;
      route.credit += weight;
      if (!best || route.credit > best->credit) best = &route;
    }
    if (best) best->credit -= total;
    return best;
  }
};

}  // namespace rally
