// How often something took how long, in buckets. One thread writes; any thread may read.
//
//   bounds   1 ms   2 ms   5 ms  ...  5 s   (more)
//   counts [  90  |   7  |   2  | .. |  0  |  0   ]   each of what is above the bound before and not above its own
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rally {

class Histogram {
 public:
  static constexpr std::array<uint32_t, 12> boundsMs = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 2'000, 5'000};
  static constexpr size_t buckets = boundsMs.size() + 1;

  void add(uint64_t nanoseconds) {
    size_t bucket = 0;
    while (bucket < boundsMs.size() && nanoseconds > boundsMs[bucket] * uint64_t(1'000'000)) bucket++;
    raise(counts_[bucket], 1);
    raise(sum_, nanoseconds);
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

}  // namespace rally
