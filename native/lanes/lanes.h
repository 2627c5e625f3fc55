// All lanes and doorbells of a broker, and the accounts of what its workers hold together. The only thing that they
// share.
#pragma once
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

class Lanes {
 public:
  // `records` in each lane, and `bytesMax` of messages in all that begin at one worker, each of which has the same
  // part.
  Lanes(unsigned workers, size_t records, size_t bytesMax) : workers_(workers), doorbells_(workers) {
    if (workers == 1) return;
    const size_t laneBytesMax = bytesMax / (2 * (size_t(workers) - 1));
    for (size_t i = 0; i < size_t(workers) * workers; i++) {
      requests_.push_back(std::make_unique<WorkerLane<Request>>(records, laneBytesMax));
      deliveries_.push_back(std::make_unique<WorkerLane<ShardRecord>>(records, laneBytesMax));
    }
  }

  unsigned workers() const { return workers_; }
  // Front end `from` to shard `to`.
  WorkerLane<Request>& requests(unsigned from, unsigned to) { return *requests_[size_t(from) * workers_ + to]; }
  // Shard `from` to front end `to`.
  WorkerLane<ShardRecord>& deliveries(unsigned from, unsigned to) { return *deliveries_[size_t(from) * workers_ + to]; }
  template <class Visit>
  void eachLane(Visit&& visit) {
    for (auto& lane : requests_) visit(*lane);
    for (auto& lane : deliveries_) visit(*lane);
  }
  Doorbell& doorbell(unsigned worker) { return doorbells_[worker]; }
  // Numbers a move of a session or of slots that begins at the worker: as no other move in the cluster, and larger than
  // all that have been seen here.
  uint64_t nextMove(unsigned worker) {
    return (moves_.fetch_add(1, std::memory_order_relaxed) + 1) * workersMax + worker;
  }
  void seeMove(uint64_t number) {
    uint64_t seen = moves_.load(std::memory_order_relaxed);
    while (seen < number / workersMax &&
           !moves_.compare_exchange_weak(seen, number / workersMax, std::memory_order_relaxed)) {}
  }
  // What subscriptions and filters take on all workers: of the broker and not of each worker, or sessions that move
  // from one to another could fill it up again and again.
  std::atomic<size_t>& subscriptionBytes() { return subscriptionBytes_; }

 private:
  const unsigned workers_;
  std::vector<std::unique_ptr<WorkerLane<Request>>> requests_;
  std::vector<std::unique_ptr<WorkerLane<ShardRecord>>> deliveries_;
  std::vector<Doorbell> doorbells_;
  std::atomic<uint64_t> moves_{0};
  std::atomic<size_t> subscriptionBytes_{0};
};

}  // namespace rally
