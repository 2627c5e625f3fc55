// A share: the subscribers of `$share/{name}/{filter}`, one of which gets each message (5.0, 4.8.2). The shard that
// owns the topic chooses a worker, weighted by its members; that worker's front end chooses the member.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "../assert.h"
#include "../messages/share-search.h"

namespace rally {

struct Filter;

// A worker with members of a share, as known by a shard. The members may have changed.
struct ShareRoute {
  uint32_t key = 0;        // of the share there
  uint32_t connected = 0;  // members with a connection ...
  uint32_t able = 0;       // ... and those whose session waits for them
  uint32_t durable = 0;    // those that the log has to keep messages for
  uint8_t worker = 0;
  std::array<bool, shareKinds> isFull{};  // nobody there was ready, and it has not said since that a member is
  int64_t credit = 0;                     // of its turns
};

// The worker of another node that gets the next messages too, within a turn of the event loop of the shard: a frame
// between nodes costs as much as the messages in it. What the others have missed they get later. Only for a share with
// so many messages that its members cannot take long for each.
struct RouteRun {
  uint32_t turn = 0;
  uint8_t worker = 0;
  uint8_t left = 0;     // messages
  bool isBusy = false;  // in the last second
  uint32_t counted = 0;
  uint64_t countedSinceMs = 0;

  static constexpr uint8_t length = 16;
  static constexpr uint32_t busyPerSecond = 1'000;

  void count(uint64_t nowMs) {
    counted++;
    const uint64_t passedMs = nowMs - countedSinceMs;
    if (passedMs < 1'000) return;
    isBusy = counted >= busyPerSecond && passedMs < 2'000;
    counted = 0;
    countedSinceMs = nowMs;
  }
};

// Of the shard that asks.
struct ShareTurn {
  uint32_t number = 0;
  uint64_t nowMs = 0;
  uint64_t elsewhere = 0;  // bit w: worker w is on another node
};

// How many messages in a row a member gets (front-end/share-members.h).
struct ShareRun {
  uint32_t place = 0;    // whose turn it is ...
  uint32_t turn = 0;     // ... in this turn of the event loop
  uint16_t left = 0;     // messages that it gets yet
  uint16_t length = 1;   // of each run
  uint32_t lengths = 0;  // so far: it has changed so often
  uint32_t quick = 0;    // members that keep up with this one
};

struct Share {
  Filter* own = nullptr;   // `$share/{name}/{filter}`: its subscribers are the members here
  Filter* base = nullptr;  // `{filter}`, where a match finds it
  uint32_t next = 0;       // the next share of the same base, or 0 ...
  uint32_t previous = 0;   // ... and the one before
  uint32_t key = 0;        // names it to other workers: the same on all of them, but for the few whose hashes collide

  std::vector<ShareRoute> routes;  // what a shard asks
  RouteRun routeRun;

  uint32_t connected = 0;  // of the members here, as ShareRoute says
  uint32_t able = 0;
  uint32_t durable = 0;
  uint64_t toldNumber = 0;                                  // what others are told of them, in route-sums.h; 0: nothing
  std::array<std::array<uint32_t, 3>, shareKinds> rings{};  // of the members here (front-end/share-members.h) ...
  ShareRun run;                                             // ... and whose turn it is
  std::vector<uint32_t> keys;                               // by shard: the key of the share there; 0: the same
  std::array<uint64_t, shareKinds> toldFull{};              // bit s: shard s has been told that nobody here is ready

  uint32_t keyAt(unsigned shard) const { return shard < keys.size() && keys[shard] != 0 ? keys[shard] : key; }
  void setKeyAt(unsigned shard, uint32_t keyThere) {
    if (keyThere == keyAt(shard)) return;
    if (shard >= keys.size()) keys.resize(shard + 1);
    keys[shard] = keyThere;
  }

  void forgetKeys(uint64_t shards) {
    for (unsigned shard = 0; shard < keys.size(); shard++) {
      if ((shards >> shard & 1) != 0) keys[shard] = 0;
    }
    for (uint64_t& told : toldFull) told &= ~shards;
  }

  ShareRoute* routeOf(unsigned worker) {
    for (ShareRoute& route : routes) {
      if (route.worker == worker) return &route;
    }
    return nullptr;
  }

  bool hasAbleMembers() const {
    for (const ShareRoute& route : routes) {
      if (route.able > 0) return true;
    }
    return false;
  }

  bool hasDurableMembers() const {
    for (const ShareRoute& route : routes) {
      if (route.durable > 0) return true;
    }
    return false;
  }

  // The worker to ask next, and in `search` for what; nullptr: all have refused. Among those that may be asked it
  // takes turns (smooth weighted round robin).
  //
  // The search ends: each refusal sets one more bit, and when none is left to set, the level grows. So a worker
  // refuses a message at most three times, which makes 3 x workers hops. (A worker whose share has ended meanwhile
  // does not refuse, but its route is gone by then, and a new one needs a new member.)
  ShareRoute* choose(ShareSearch& search, ShareKind kind, const ShareTurn& turn) {
    if (routes.size() == 1) return only(search);
    routeRun.count(turn.nowMs);
    const ShareLevel last = kind == ShareKind::qos0 ? ShareLevel::waiting
                                                    : ShareLevel::away;  // QoS 0 is not kept for absent members
    for (;;) {
      if (ShareRoute* route = nextAt(search, kind, turn)) return route;
      if (search.level >= last) return nullptr;
      search = {ShareLevel(uint8_t(search.level) + 1), search.isWithheld, 0};
    }
  }

 private:
  // The only worker with members is asked for any of them at once, so that the messages of one topic stay in order.
  ShareRoute* only(ShareSearch& search) {
    ShareRoute& route = routes.front();
    const bool hasRefused = search.level == ShareLevel::away && (search.refused >> route.worker & 1) != 0;
    if (hasRefused || route.able == 0) return nullptr;
    search = {ShareLevel::away, search.isWithheld, 0};
    return &route;
  }

  // A shard's knowledge of a worker may be old. The last level asks all that have members, whatever is known of them.
  static uint32_t weightOf(const ShareRoute& route, const ShareSearch& search, ShareKind kind) {
    if ((search.refused >> route.worker & 1) != 0) return 0;
    if (search.level == ShareLevel::ready) return route.isFull[size_t(kind)] ? 0 : route.connected;
    return search.level == ShareLevel::waiting ? route.connected : route.able;
  }

  ShareRoute* nextAt(const ShareSearch& search, ShareKind kind, const ShareTurn& turn) {
    ShareRoute* best = nullptr;
    ShareRoute* again = nullptr;
    const bool isRunning = routeRun.left > 0 && routeRun.turn == turn.number;
    int64_t total = 0;
    for (ShareRoute& route : routes) {
      const int64_t weight = weightOf(route, search, kind);
      if (weight == 0) continue;
      total += weight;
      route.credit += weight;
      if (!best || route.credit > best->credit) best = &route;
      if (isRunning && route.worker == routeRun.worker) again = &route;
    }
    if (!best) return nullptr;
    if (again) {
      best = again;
      routeRun.left--;
    } else if (routeRun.isBusy && (turn.elsewhere >> best->worker & 1) != 0) {
      routeRun.turn = turn.number;
      routeRun.worker = best->worker;
      routeRun.left = RouteRun::length - 1;
    }
    best->credit -= total;
    return best;
  }
};

}  // namespace rally
