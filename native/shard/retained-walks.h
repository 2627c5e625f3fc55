// Retained messages still to be sent to sessions for their new subscriptions, at the shard that keeps them.
//
//   front end                                      shard
//   SUBSCRIBE           ------subscribe----->      a first step at once: enough for a filter that matches little
//                       <---retainedFound---
//                       <---retainedWaits---       there is more
//   has sent them all   ----retainedMore---->      a step in one of the next turns
//                       <---retainedFound---       ...
//                       <---retainedDone----       no more
//
// So a session never holds more of them than one step finds, whatever the size of the store and the speed of its
// client, and no turn of the shard exceeds retainedNodesPerTurn. The waiting filters take at most a few times the
// memory of the session's subscriptions: when they have doubled, those without a subscription are removed, and of equal
// filters all but the newest.
#pragma once
#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "../lanes/deliveries.h"
#include "../limits.h"
#include "../messages/subscribe-request.h"
#include "../topics/retained-store.h"

namespace rally {

class RetainedWalks {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    virtual void answer(unsigned worker, const ShardRecord& record) = 0;
  };

  RetainedWalks(RetainedStore& store, uint64_t seed, const Limits& limits, Outlet& outlet)
      : store_(store), seed_(seed), limits_(limits), outlet_(outlet) {}

  bool hasReady() const { return !ready_.empty(); }
  // The sessions that have not got all of them yet.
  size_t unfinished() const { return sessions_.size(); }
  // Of all that wait, the texts alone.
  size_t filterBytes() const {
    size_t bytes = 0;
    for (const auto& [session, waiting] : sessions_) {
      for (const Walking& walking : waiting.walks) bytes += walking.walk.filter().size();
    }
    return bytes;
  }
  // The version of the store at which the oldest walk began, or the last one.
  uint64_t oldest() const {
    uint64_t oldest = store_.changes();
    for (const auto& [session, waiting] : sessions_) {
      for (const Walking& walking : waiting.walks) oldest = std::min(oldest, walking.walk.begun());
    }
    return oldest;
  }
  // The worker is lost, with its sessions, but for those that another one has by now.
  void onGone(unsigned worker) {
    for (auto each = sessions_.begin(); each != sessions_.end();) {
      const bool isLost = isLostWith(worker, each->second);
      each = isLost ? sessions_.erase(each) : std::next(each);
    }
  }

  // A SUBSCRIBE at the front end of `worker`.
  void begin(SubscribeRequest& request, unsigned worker, uint64_t nowMs) {
    const bool mayStep = !request.isBusy && !sessions_.contains(request.session);
    size_t nodes = mayStep ? limits_.retainedNodesAtOnce : 0;
    for (RetainedFilter& filter : request.retained) {
      Walking walking{{store_, std::move(filter.text)}, filter.options, ++begun_};
      if (nodes > 0 && step(walking, request.session, worker, nowMs, nodes)) continue;
      Waiting& waiting = sessions_[request.session];
      waiting.worker = worker;
      waiting.addedBytes += walking.walk.filter().size();
      waiting.walks.push_back(std::move(walking));
      // It subscribes again and again without reading.
      const bool areMany = waiting.walks.size() > request.walksMax;
      if (areMany || waiting.addedBytes > waiting.addedBytesMax) tidy(waiting);
    }
    if (sessions_.contains(request.session))
      outlet_.answer(worker, delivery::RetainedWaits{.session = request.session});
  }

  // The session, at `worker`, has sent the messages of its last step.
  void ask(uint64_t session, unsigned worker) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) {
      outlet_.answer(worker, delivery::RetainedDone{.session = session});
      return;
    }
    found->second.worker = worker;
    found->second.heir = nobody;
    found->second.isSuspended = false;
    if (std::exchange(found->second.isReady, true)) return;
    ready_.push_back(session);
  }

  // The session is about to move.
  void move(uint64_t session, unsigned from, unsigned to) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    found->second.worker = from;
    found->second.heir = to;
    found->second.isSuspended = false;
  }
  // It leaves `worker`, and will ask again from its new one.
  void suspend(uint64_t session, unsigned worker) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    found->second.isReady = false;
    found->second.isSuspended = true;
    outlet_.answer(worker, delivery::RetainedWaits{.session = session});
  }

  // The session has ended, or at `worker` no longer subscribes to `filter` [MQTT-3.10.4-2].
  void stop(uint64_t session) { sessions_.erase(session); }
  void stop(uint64_t session, Bytes filter, unsigned worker) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    Waiting& waiting = found->second;
    waiting.stopped[hashBytes(filter, seed_)] = begun_;
    if (waiting.stopped.size() < waiting.walks.size()) return;
    std::erase_if(waiting.walks, [&](const Walking& walking) { return isStopped(waiting, walking); });
    waiting.stopped.clear();
    if (!waiting.walks.empty()) return;
    sessions_.erase(found);
    outlet_.answer(worker, delivery::RetainedDone{.session = session});
  }

  // Once a turn: continues walks that were asked to.
  void proceed(uint64_t nowMs) {
    for (size_t left = limits_.retainedNodesPerTurn; left > 0 && !ready_.empty();) {
      const uint64_t session = ready_.front();
      ready_.pop_front();
      const auto found = sessions_.find(session);
      if (found == sessions_.end() || !std::exchange(found->second.isReady, false)) continue;
      size_t nodes = std::min(left, limits_.retainedNodesPerStep);
      left -= nodes;
      Waiting& waiting = found->second;
      const unsigned worker = waiting.worker;
      while (!waiting.walks.empty() && nodes > 0) {
        Walking& first = waiting.walks.front();
        if (isStopped(waiting, first) || step(first, session, worker, nowMs, nodes)) waiting.walks.pop_front();
      }
      const bool isDone = waiting.walks.empty();
      if (isDone) sessions_.erase(found);
      if (isDone) outlet_.answer(worker, delivery::RetainedDone{.session = session});
      else outlet_.answer(worker, delivery::RetainedWaits{.session = session});
    }
  }

 private:
  static constexpr unsigned nobody = SlotMap::nobody;

  struct Walking {
    RetainedStore::Walk walk;
    SubscriptionOptions options;
    uint64_t number;
  };
  struct Waiting {
    std::deque<Walking> walks;
    // Hash of a filter -> number of the last walk that existed when the session gave up the filter. Walks are removed
    // at their turn, or all at once when there are as many of these: no search for each UNSUBSCRIBE.
    std::unordered_map<uint64_t, uint64_t> stopped;
    size_t addedBytes = 0;  // of filters, since tidy()
    size_t addedBytesMax = fewBytes;
    unsigned worker = 0;
    unsigned heir = nobody;    // the worker that the session moves to ...
    bool isSuspended = false;  // ... and that may have it by now
    bool isReady = false;
  };
  static bool isLostWith(unsigned worker, Waiting& waiting) {
    if (waiting.heir == worker) waiting.heir = nobody;
    if (waiting.worker != worker) return false;
    if (!waiting.isSuspended || waiting.heir == nobody) return true;
    waiting.worker = std::exchange(waiting.heir, nobody);
    return false;
  }

  // Of filters that may wait without being looked through.
  static constexpr size_t fewBytes = 4'096;

  // Leaves one walk for each filter that the session still subscribes to.
  void tidy(Waiting& waiting) {
    std::unordered_set<uint64_t> newer;
    std::deque<Walking> left;
    size_t bytes = 0;
    for (; !waiting.walks.empty(); waiting.walks.pop_back()) {
      Walking& last = waiting.walks.back();
      if (isStopped(waiting, last) || !newer.insert(hashOf(last)).second) continue;
      bytes += last.walk.filter().size();
      left.push_front(std::move(last));
    }
    waiting.walks = std::move(left);
    waiting.stopped.clear();
    waiting.addedBytes = 0;
    waiting.addedBytesMax = std::max(bytes, fewBytes);
  }
  uint64_t hashOf(const Walking& walking) const { return hashBytes(walking.walk.filter(), seed_); }

  bool isStopped(const Waiting& waiting, const Walking& walking) const {
    if (waiting.stopped.empty()) return false;
    const auto found = waiting.stopped.find(hashOf(walking));
    return found != waiting.stopped.end() && walking.number <= found->second;
  }

  bool step(Walking& walking, uint64_t session, unsigned worker, uint64_t nowMs, size_t& nodes) {
    const SubscriptionOptions& options = walking.options;
    return walking.walk.step(nowMs, nodes, [&](const MessageRef& message) {
      if (options.noLocal && message->originSession == session) return;
      outlet_.answer(worker, delivery::RetainedFound{.qos = options.qos,
                                                     .subscriptionId = options.subscriptionId,
                                                     .session = session,
                                                     .carried = Carried(message)});
    });
  }

  RetainedStore& store_;
  const uint64_t seed_;
  const Limits& limits_;
  Outlet& outlet_;
  std::unordered_map<uint64_t, Waiting> sessions_;
  std::deque<uint64_t> ready_;
  uint64_t begun_ = 0;  // walks
};

}  // namespace rally
