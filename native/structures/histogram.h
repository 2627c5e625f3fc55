// A histogram of durations. One thread writes; any thread may read.
//
//   bounds   1 ms   2 ms   5 ms  ...  5 s   (more)
//   counts [  90  |   7  |   2  | .. |  0  |  0   ]   each above the previous bound and not above its own
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rally {

template <const auto& boundsInUs>
class Histogram {
 public:
  static constexpr const auto& boundsUs = boundsInUs;
  static constexpr size_t buckets = boundsUs.size() + 1;

  // Counts it `times` times.
  void add(uint64_t nanoseconds, uint64_t times = 1) {
    size_t bucket = 0;
    while (bucket < boundsUs.size() && nanoseconds > boundsUs[bucket] * uint64_t(1'000)) bucket++;
    raise(counts_[bucket], times);
    raise(sum_, nanoseconds * times);
  }

  uint64_t count(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  uint64_t sumNanoseconds() const { return sum_.load(std::memory_order_relaxed); }

 private:
  static void raise(std::atomic<uint64_t>& value, uint64_t amount) {
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, buckets> counts_{};
  std::atomic<uint64_t> sum_{0};
};

// For turns of the event loop.
inline constexpr std::array<uint32_t, 12> turnBoundsUs = {1'000,   2'000,   5'000,   10'000,    20'000,    50'000,
                                                          100'000, 200'000, 500'000, 1'000'000, 2'000'000, 5'000'000};
using TurnTimes = Histogram<turnBoundsUs>;

// For deliveries, which take a turn or two, or wait for the disk.
inline constexpr std::array<uint32_t, 14> latencyBoundsUs = {
    50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 50'000, 100'000, 200'000, 1'000'000, 5'000'000};
using Latencies = Histogram<latencyBoundsUs>;

}  // namespace rally
