// The part of a worker's time for sessions that catch up, while other messages come and go: half of it. The worker
// sleeps in between. One that never sleeps competes for its processor with every other busy thread, and loses it for
// milliseconds at a time; one that has slept gets it as soon as a client sends something.
//
//   budget  + half of the time that passes, up to a bound   - the processor time of turns that have served them
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

namespace rally {

class CatchUpPace {
 public:
  // The loop has polled. `nowNs`: of any clock; `busyNs`: the processor time of this thread so far; `hasServed`:
  // whether sessions that catch up have been sent something since it polled before.
  void note(uint64_t nowNs, uint64_t busyNs, bool hasServed) {
    const uint64_t passedNs = nowNs - std::min(nowNs, std::exchange(nowNs_, nowNs));
    const uint64_t spentNs = busyNs - std::min(busyNs, std::exchange(busyNs_, busyNs));
    budgetNs_ = std::min(budgetNs_ + int64_t(std::min(passedNs / 2, budgetNsMax)), int64_t(budgetNsMax));
    if (hasServed) budgetNs_ -= int64_t(std::min(spentNs, debtNsMax));
  }
  bool isOver() const { return budgetNs_ <= 0; }

 private:
  static constexpr uint64_t budgetNsMax = 1'000'000;
  // Of a turn that was long for other reasons.
  static constexpr uint64_t debtNsMax = 2'000'000;

  int64_t budgetNs_ = int64_t(budgetNsMax);
  uint64_t nowNs_ = 0;
  uint64_t busyNs_ = 0;
};

}  // namespace rally
