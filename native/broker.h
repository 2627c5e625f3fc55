// What the workers of one broker have in common: the limits, the lanes and the engines. Made by the
// main thread before the workers start, and ended after they have all stopped.
#pragma once
#include <memory>
#include <vector>

#include "engine.h"

namespace rally {

class Broker {
 public:
  Broker(unsigned workers, const Limits& limits, const HashKeys& keys)
      : limits_(limits), lanes_(workers, limits.laneRecords, limits.lanesTotalBytesMax) {
    for (unsigned worker = 0; worker < workers; worker++) {
      engines_.push_back(std::make_unique<Engine>(worker, lanes_, limits_, keys, rules_));
    }
  }
  ~Broker() {
    lanes_.eachLane([](auto& lane) { lane.clear([](const auto& record) { discard(record); }); });
  }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  unsigned workers() const { return lanes_.workers(); }
  Engine& engine(unsigned worker) { return *engines_[worker]; }

  // What clients may do; the workers are told when it is another one.
  RuleShelf& rules() { return rules_; }

  // What the subscriptions and filters of all workers take, as they have said at the end of their turns.
  size_t subscriptionBytes() { return lanes_.subscriptionBytes(); }

  const Counters& counters(unsigned worker) const { return engines_[worker]->counters(); }
  uint64_t total(Counter counter) const {
    uint64_t sum = 0;
    for (const auto& engine : engines_) sum += engine->counters().get(counter);
    return sum;
  }

 private:
  const Limits limits_;
  RuleShelf rules_;
  Lanes lanes_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace rally
