// What is left to do when a session has lost its connection, when its will is due, or when it ends.
//
//   the client's last PUBLISH --> its will --> barrier at every shard that got any of it --> departed()
//                  (same lanes, in this order)     (Barrier, Passed)                        the directory is told
//
// So whoever is told that a connection is over may let the client in on any worker: what it sends now comes behind.
// Nobody is kept waiting where everything stayed on this worker. Departures take their turn in bounded slices, and
// those with a will wait while the lanes are crowded, and keep to a pace: when a network with 100,000 clients is lost,
// whoever watches them can take what comes, and no will is dropped in its queue.
#pragma once
#include <algorithm>
#include <memory>
#include <unordered_map>

#include "../counters.h"
#include "../lanes/requests.h"
#include "../limits.h"
#include "../security/gate.h"
#include "../sessions/session.h"
#include "../structures/fifo.h"
#include "../topics/slot-map.h"
#include "../wire/packet.h"
#include "shard-port.h"
#include "shard-requests.h"

namespace rally {

// In the order of `closeCauses` in core/data-plane/addon.ts, which compares the names when it loads the addon.
enum class CloseCause : uint8_t {
  lost,                  // the will goes out
  disconnected,          // by a normal DISCONNECT: no will [MQTT-3.1.2-10]
  disconnectedWithWill,  // by a DISCONNECT that asks for it
  count,
};

struct Departure {
  enum class Kind : uint8_t { connection, will, session };
  Kind kind = Kind::connection;
  CloseCause cause = CloseCause::lost;
  Reason reason = Reason::success;
  uint64_t session = 0;
  bool hadWill = false;
  uint64_t shards = 0;  // bit s: shard s of another worker gets something of it
  std::unique_ptr<Will> will;
  std::shared_ptr<const Access> access;  // by which the will is judged: the last one of its client

  void giveWill(Session& from) {
    will = std::move(from.will);
    if (!will) return;
    // Nobody knows whose it was if the broker was started again since: it is what everyone may publish.
    access = from.rights ? from.rights->access : std::make_shared<const Access>();
  }
};

// Hears of every session that has lost its connection, in the middle of whatever goes on.
class DepartureSink {
 public:
  virtual ~DepartureSink() = default;
  virtual void add(Departure departure) = 0;
};

class Departures : public DepartureSink {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    virtual void departed(const Departure& departure) = 0;
  };

  Departures(const SlotMap& slots, unsigned workers, const Limits& limits, Counters& counters, Gate& gate,
             ShardPort& shards, ShardRequests& requests, Outlet& outlet)
      : slots_(slots),
        willsPerSecond_(std::max(1u, limits.willsPerSecond / workers)),
        burstMilliwills_(std::max<uint64_t>(1, willsAtOnce / workers) * 1'000),
        counters_(counters),
        gate_(gate),
        shards_(shards),
        requests_(requests),
        outlet_(outlet),
        milliwills_(burstMilliwills_) {}

  void setNow(uint64_t nowMs) {
    if (nowMs > nowMs_) milliwills_ = std::min(milliwills_ + (nowMs - nowMs_) * willsPerSecond_, burstMilliwills_);
    nowMs_ = nowMs;
  }

  void add(Departure departure) override { (departure.will ? withWill_ : withoutWill_).push(std::move(departure)); }

  // Whether nothing is under way.
  bool isIdle() const { return withWill_.isEmpty() && withoutWill_.isEmpty() && barriers_.empty(); }
  // Whether proceed() would get on now, ...
  bool hasWork() { return !withoutWill_.isEmpty() || mayPublishNext(); }
  // ... or in some milliseconds.
  bool isPaced() const { return !withWill_.isEmpty() && !hasPace(); }

  // Once a turn, outside of any delivery.
  void proceed() {
    for (size_t left = perTurn; left > 0 && !withoutWill_.isEmpty(); left--) raiseBarrier(takeFrom(withoutWill_));
    for (size_t left = perTurn; left > 0 && mayPublishNext(); left--) {
      Departure departure = takeFrom(withWill_);
      publish(departure);
      raiseBarrier(std::move(departure));
    }
  }

  // The worker is gone for good: its shard passes everything.
  void onGone(unsigned worker) {
    std::vector<uint64_t> tokens;
    for (const auto& [token, barrier] : barriers_) {
      if (barrier.isRaised && (barrier.shardsLeft & bitOf(worker)) != 0) tokens.push_back(token);
    }
    for (const uint64_t token : tokens) onPassed(token, worker);
  }

  // A shard has taken all that stood before the barrier.
  void onPassed(uint64_t token, unsigned shard) {
    const auto found = barriers_.find(token);
    RALLY_ASSERT(found != barriers_.end());
    found->second.shardsLeft &= ~bitOf(shard);
    if (found->second.shardsLeft != 0) return;
    finish(found);
  }

 private:
  static constexpr size_t perTurn = 256;
  static constexpr uint64_t willsAtOnce = 1'000;  // of all workers, before they keep to the pace

  struct BarrierState {
    uint64_t shardsLeft = 0;
    Departure departure;
    bool isRaised = false;
  };

  using Barriers = std::unordered_map<uint64_t, BarrierState>;  // by token

  void finish(Barriers::iterator barrier) {
    const Departure departure = std::move(barrier->second.departure);
    barriers_.erase(barrier);
    outlet_.departed(departure);
  }

  bool hasPace() const { return milliwills_ >= 1'000; }
  bool mayPublishNext() { return !withWill_.isEmpty() && hasPace() && !shards_.isCrowded(); }

  static Departure takeFrom(Fifo<Departure>& waiting) {
    Departure departure = std::move(waiting.front());
    waiting.pop();
    return departure;
  }

  void publish(Departure& departure) {
    milliwills_ -= 1'000;
    departure.hadWill = true;
    const std::unique_ptr<Will> will = std::move(departure.will);
    MessageRef message = will->take(nowMs_);
    if (!gate_.mayPublishWill(*departure.access, message->topic())) {
      counters_.add(Counter::publishRefused);
      return;
    }
    const uint64_t topicHash = shards_.topicHash(message->topic());
    Publication publication = Publication::of(std::move(message), topicHash);
    departure.shards |= shards_.publish(publication, {});
  }

  void raiseBarrier(Departure departure) {
    const uint64_t shards = departure.shards;
    if (shards == 0) {
      outlet_.departed(departure);
      return;
    }
    const uint64_t token = ++tokens_;
    barriers_.emplace(token, BarrierState{.shardsLeft = shards, .departure = std::move(departure)});
    requests_.behindHeld([this, token] { sendBarrier(token); });
  }
  void sendBarrier(uint64_t token) {
    BarrierState& barrier = barriers_.at(token);
    const uint64_t shards = barrier.shardsLeft &= slots_.present();
    barrier.isRaised = true;
    eachWorker(shards, [&](unsigned shard) { requests_.toShard(shard, request::Barrier{.token = token}); });
    if (shards == 0) finish(barriers_.find(token));
  }

  const SlotMap& slots_;
  const uint64_t willsPerSecond_;  // of this worker
  const uint64_t burstMilliwills_;
  Counters& counters_;
  Gate& gate_;
  ShardPort& shards_;
  ShardRequests& requests_;
  Outlet& outlet_;
  uint64_t milliwills_;  // that may go out now
  uint64_t nowMs_ = 0;
  Fifo<Departure> withWill_;
  Fifo<Departure> withoutWill_;
  Barriers barriers_;
  uint64_t tokens_ = 0;
};

}  // namespace rally
