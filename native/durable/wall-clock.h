// The two clocks of the machine: engines count milliseconds from an arbitrary start, and people read the calendar.
// native/durable/log-clock.h: the third one, of a log.
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

}  // namespace rally
