// Faults that a soak puts into the data plane on purpose, to see that it finds them. Only an addon built with
// -DRALLYMQ_FAULTS has them (test/soak/broker/faulty-addon.ts); the released one does not.
//
//   RALLYMQ_FAULT=lane-drop             the fault: (lane|delivery)-(drop|double|reorder)
//   RALLYMQ_FAULT_ONE_IN=10000          for one message of this many
//   RALLYMQ_LANE_DELAY_PERCENT=30       how often the commit of a lane is delayed
//   RALLYMQ_FAULT_SEED=7
#pragma once
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../structures/hash.h"

namespace rally::faults {

enum class Fault : uint8_t { none, drop, twice, reorder };
enum class Place : uint8_t { lane, delivery };

// The settings of the environment, read once.
class FaultPlan {
 public:
  static const FaultPlan& instance() {
    static const FaultPlan plan;
    return plan;
  }

  Fault faultAt(Place place) const { return place_ == place ? fault_ : Fault::none; }
  uint64_t oneIn() const { return oneIn_; }
  uint64_t laneDelayPercent() const { return laneDelayPercent_; }
  uint64_t seed() const { return seed_; }
  // So that the same seed assigns topics to the same workers.
  HashKeys hashKeys() const { return {.topics = seed_, .tables = seed_}; }
  // Distinguishes the places of a process. They are created by one thread, always in the same order.
  uint64_t nextPlace() const { return ++places_; }

 private:
  FaultPlan() {
    const char* chosen = std::getenv("RALLYMQ_FAULT");
    const std::string_view name = chosen ? chosen : "";
    const auto dash = name.find('-');
    if (name.substr(0, dash) == "delivery") place_ = Place::delivery;
    const std::string_view what = dash == std::string_view::npos ? "" : name.substr(dash + 1);
    if (what == "drop") fault_ = Fault::drop;
    else if (what == "double") fault_ = Fault::twice;
    else if (what == "reorder") fault_ = Fault::reorder;
    else if (!name.empty()) std::abort();
  }
  static uint64_t numberOf(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  }

  Place place_ = Place::lane;
  Fault fault_ = Fault::none;
  const uint64_t oneIn_ = numberOf("RALLYMQ_FAULT_ONE_IN", 10'000);
  const uint64_t laneDelayPercent_ = numberOf("RALLYMQ_LANE_DELAY_PERCENT", 0);
  const uint64_t seed_ = numberOf("RALLYMQ_FAULT_SEED", 1);
  mutable uint64_t places_ = 0;
};

// The random numbers of one place in one worker: the same ones for the same seed.
class Dice {
 public:
  Dice() : state_(mix(FaultPlan::instance().seed() ^ mix(FaultPlan::instance().nextPlace()))) {}

  uint64_t below(uint64_t end) {
    state_ += 0x9e3779b97f4a7c15;
    return mix(state_) % end;
  }
  // Whether the fault occurs here now.
  Fault next(Place place) {
    const FaultPlan& plan = FaultPlan::instance();
    const Fault fault = plan.faultAt(place);
    return fault != Fault::none && below(plan.oneIn()) == 0 ? fault : Fault::none;
  }

 private:
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t state_;
};

}  // namespace rally::faults
