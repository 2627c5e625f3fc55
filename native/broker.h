// The state that the workers of one broker share: the limits, the lanes and the engines. Made by the main thread
// before the workers start, and destroyed after they have all stopped.
#pragma once
#include <memory>
#include <vector>

#include "engine.h"

namespace rally {

class Broker {
 public:
  Broker(unsigned workers, const Limits& limits, const HashKeys& keys)
      : limits_(limits), lanes_(workers, limits.laneRecords, limits.lanesTotalBytesMax) {
    addEngines(keys);
  }
  // As a node of a cluster, whose nodes all have the same keys.
  Broker(const ClusterPlace& place, const Limits& limits, const HashKeys& keys)
      : limits_(limits), lanes_(place, limits.laneRecords, limits.lanesTotalBytesMax) {
    RALLY_ASSERT(place.incarnation != 0);
    addEngines(keys);
  }
  ~Broker() {
    lanes_.eachLane([](auto& lane) { lane.clear([](const auto& record) { discard(record); }); });
  }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // The workers of this process. Their numbers are 0, 1, 2 ..., unless it is a node of a cluster.
  unsigned workers() const { return lanes_.workersHere(); }
  bool hasWorker(unsigned worker) const { return worker < lanes_.workers() && lanes_.isHere(worker); }
  Engine& engine(unsigned worker) {
    RALLY_ASSERT(hasWorker(worker));
    return *engines_[lanes_.rowOf(worker)];
  }

  // By its place among them.
  Engine& engineAt(unsigned row) { return *engines_[row]; }
  bool isClustered() const { return lanes_.isClustered(); }
  bool areWillsOver() const { return lanes_.areWillsOver(); }

  // What clients may do; the workers are told when it is another one.
  RuleShelf& rules() { return rules_; }

  // The memory of the subscriptions and filters of all workers, as reported at the end of their turns.
  size_t subscriptionBytes() { return lanes_.subscriptionBytes(); }

  template <class Visit>
  void eachCounters(Visit&& visit) const {
    for (const auto& engine : engines_) visit(engine->counters());
  }
  uint64_t total(Counter counter) const {
    uint64_t sum = 0;
    for (const auto& engine : engines_) sum += engine->counters().get(counter);
    return sum;
  }

 private:
  void addEngines(const HashKeys& keys) {
    for (unsigned worker = 0; worker < lanes_.workers(); worker++) {
      if (lanes_.isHere(worker)) engines_.push_back(std::make_unique<Engine>(worker, lanes_, limits_, keys, rules_));
    }
  }

  const Limits limits_;
  RuleShelf rules_;
  Lanes lanes_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace rally
