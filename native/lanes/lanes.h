// All lanes and doorbells of a broker, and the accounts of what its workers hold together: the only state that they
// share.
#pragma once
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "deliveries.h"
#include "doorbell.h"
#include "lane.h"
#include "requests.h"
#ifdef RALLYMQ_FAULTS
#include "../faults/faulty-lane.h"
#endif

namespace rally {

#ifdef RALLYMQ_FAULTS
template <class R>
using WorkerLane = faults::FaultyLane<R>;
#else
template <class R>
using WorkerLane = Lane<R>;
#endif

// The workers of a cluster that belong to this process.
struct ClusterPlace {
  unsigned workers = 0;       // of all nodes: their numbers are below this
  uint64_t here = 0;          // bit w: worker w is here
  uint64_t incarnation = 0;   // of this process: no two have the same
  bool areWillsOver = false;  // those of the sessions in its log: other nodes have published them, or will
};

class Lanes {
 public:
  // `records` in each lane, and `bytesMax` of messages in all lanes that begin at one worker, in equal parts.
  Lanes(unsigned workers, size_t records, size_t bytesMax)
      : Lanes(ClusterPlace{workers, UINT64_MAX >> (64 - workers), 0}, records, bytesMax) {}
  Lanes(const ClusterPlace& place, size_t records, size_t bytesMax)
      : workers_(place.workers),
        place_(place),
        records_(records),
        laneBytesMax_(workers_ == 1 ? bytesMax : bytesMax / (2 * (size_t(workers_) - 1))),
        doorbells_(workers_) {
    RALLY_ASSERT(place.workers > 0 && place.workers <= 64 && place.here != 0 &&
                 (place.here & ~(UINT64_MAX >> (64 - place.workers))) == 0);
    if (workers_ == 1) return;
    requests_.resize(size_t(workers_) * workers_);
    deliveries_.resize(size_t(workers_) * workers_);
    for (unsigned from = 0; from < workers_; from++) {
      for (unsigned to = 0; to < workers_; to++) {
        if (isHere(from) && isHere(to)) add(from, to, records_);
      }
    }
  }

  unsigned workers() const { return workers_; }
  bool isHere(unsigned worker) const { return (place_.here >> worker & 1) != 0; }
  uint64_t here() const { return place_.here; }
  bool isClustered() const { return place_.incarnation != 0; }
  bool areWillsOver() const { return place_.areWillsOver; }
  bool isRemote(unsigned worker) const { return worker < workers_ && !isHere(worker); }
  // The workers of this process: their number, and their places in the row.
  unsigned workersHere() const { return unsigned(__builtin_popcountll(place_.here)); }
  unsigned rowOf(unsigned worker) const {
    return unsigned(__builtin_popcountll(place_.here & ((uint64_t(1) << worker) - 1)));
  }
  uint64_t incarnation() const { return place_.incarnation; }

  // Between a worker here and one of another node, used by the thread of the first, which is at both ends of all four
  // lanes.
  void open(unsigned here, unsigned remote) {
    RALLY_ASSERT(isHere(here) && isRemote(remote));
    if (requests_[size_t(here) * workers_ + remote]) return;
    add(here, remote, std::min(records_, remoteRecordsMax));
    add(remote, here, std::min(records_, remoteRecordsMax));
  }

  // Front end `from` to shard `to`.
  WorkerLane<Request>& requests(unsigned from, unsigned to) { return *requests_[size_t(from) * workers_ + to]; }
  // Shard `from` to front end `to`.
  WorkerLane<ShardRecord>& deliveries(unsigned from, unsigned to) { return *deliveries_[size_t(from) * workers_ + to]; }
  template <class Visit>
  void eachLane(Visit&& visit) {
    for (auto& lane : requests_) {
      if (lane) visit(*lane);
    }
    for (auto& lane : deliveries_) {
      if (lane) visit(*lane);
    }
  }
  Doorbell& doorbell(unsigned worker) { return doorbells_[worker]; }
  // The number of a move of a session or of slots that begins at the worker: different from all others in the cluster,
  // and larger than all that have been seen here (a Lamport clock).
  uint64_t nextMove(unsigned worker) {
    return (moves_.fetch_add(1, std::memory_order_relaxed) + 1) << moveBits | worker;
  }
  // The largest number that is known here.
  uint64_t lastMove() const { return moves_.load(std::memory_order_relaxed) << moveBits | lastMoveBits; }
  void seeMove(uint64_t number) {
    uint64_t known = moves_.load(std::memory_order_relaxed);
    while (known < number >> moveBits &&
           !moves_.compare_exchange_weak(known, number >> moveBits, std::memory_order_relaxed)) {}
  }
  // Memory of subscriptions and filters on all workers: one account for the broker and not for each worker, or
  // sessions that move could fill it again and again.
  std::atomic<size_t>& subscriptionBytes() { return subscriptionBytes_; }

 private:
  // Records in a lane to or from another node, behind which a link has room of its own: there may be very many lanes.
  static constexpr size_t remoteRecordsMax = 4'096;
  static constexpr unsigned moveBits = 6;
  static constexpr uint64_t lastMoveBits = (1 << moveBits) - 1;

  void add(unsigned from, unsigned to, size_t records) {
    const size_t at = size_t(from) * workers_ + to;
    requests_[at] = std::make_unique<WorkerLane<Request>>(records, laneBytesMax_);
    deliveries_[at] = std::make_unique<WorkerLane<ShardRecord>>(records, laneBytesMax_);
  }

  const unsigned workers_;
  const ClusterPlace place_;
  const size_t records_;
  const size_t laneBytesMax_;
  std::vector<std::unique_ptr<WorkerLane<Request>>> requests_;
  std::vector<std::unique_ptr<WorkerLane<ShardRecord>>> deliveries_;
  std::vector<Doorbell> doorbells_;
  std::atomic<uint64_t> moves_{0};
  std::atomic<size_t> subscriptionBytes_{0};
};

}  // namespace rally
