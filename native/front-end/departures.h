// The work that is left when a session has lost its connection, when its will is due, or when it ends.
//
//   the client's last PUBLISH --> its will --> barrier at every shard that got any of it --> departed()
//                  (same lanes, in this order)     (Barrier, Passed)                        the directory is told
//
// When the directory is told that a connection has ended, it may accept the client on any worker: its new messages
// follow all old ones. There is no wait if everything stayed on this worker. Departures are handled in bounded slices;
// those with a will wait while the lanes are crowded, and are limited in rate: when a network with 100,000 clients is
// lost, subscribers can keep up, and no will is dropped from their queues.
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
    // After a restart of the broker its client is unknown: the will is published if everyone may publish it.
    access = from.rights ? from.rights->access : std::make_shared<const Access>();
  }
};

// Notes every session that has lost its connection, at any moment.
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

  // Whether there are no departures.
  bool isIdle() const { return withWill_.isEmpty() && withoutWill_.isEmpty() && barriers_.empty(); }
  // Whether proceed() could continue now, ...
  bool hasWork() { return !withoutWill_.isEmpty() || mayPublishNext(); }
  // ... or within a few milliseconds.
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

  // The worker is lost: its shard counts as passed.
  void onGone(unsigned worker) {
    std::vector<uint64_t> tokens;
    for (const auto& [token, barrier] : barriers_) {
      if (barrier.isRaised && (barrier.shardsLeft & bitOf(worker)) != 0) tokens.push_back(token);
    }
    for (const uint64_t token : tokens) onPassed(token, worker);
  }

  // A shard has handled everything before the barrier.
  void onPassed(uint64_t token, unsigned shard) {
    const auto found = barriers_.find(token);
    if (found == barriers_.end()) return;  // another node may say anything
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
