// The two clocks: engines count milliseconds from an arbitrary start, the log uses calendar time.
#pragma once
#include <time.h>

#include <cstdint>

namespace rally {

namespace detail {
inline uint64_t readClockMs(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return uint64_t(time.tv_sec) * 1'000 + uint64_t(time.tv_nsec) / 1'000'000;
}
}  // namespace detail

inline uint64_t wallClockMs() { return detail::readClockMs(CLOCK_REALTIME); }
// The time as counted by libuv's event loops.
inline uint64_t engineClockMs() { return detail::readClockMs(CLOCK_MONOTONIC); }

// Converts a time from one clock to the other.
inline uint64_t toWallClock(uint64_t engineMs) { return wallClockMs() + (engineMs - engineClockMs()); }
inline uint64_t toEngineClock(uint64_t wallMs) { return engineClockMs() + (wallMs - wallClockMs()); }
// The same for a message expiry (0: never). If it passed before the engine's clock began, the result is 1.
inline uint64_t toEngineExpiry(uint64_t wallMs) {
  if (wallMs == 0) return 0;
  const uint64_t nowMs = engineClockMs();
  const uint64_t wallNowMs = wallClockMs();
  const bool isBefore = wallMs < wallNowMs && wallNowMs - wallMs >= nowMs;
  return isBefore ? 1 : nowMs + (wallMs - wallNowMs);
}

}  // namespace rally
