// Clocks, all in nanoseconds.
#pragma once
#include <pthread.h>
#include <time.h>

#include <cstdint>

namespace load {

inline constexpr uint64_t nsPerMs = 1'000'000;
inline constexpr uint64_t nsPerSecond = 1'000'000'000;

inline uint64_t readClock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return uint64_t(time.tv_sec) * nsPerSecond + uint64_t(time.tv_nsec);
}

inline uint64_t nowNs() { return readClock(CLOCK_MONOTONIC); }
inline uint64_t processCpuNs() { return readClock(CLOCK_PROCESS_CPUTIME_ID); }

inline uint64_t threadCpuNs(pthread_t thread) {
  clockid_t clock;
  return pthread_getcpuclockid(thread, &clock) == 0 ? readClock(clock) : 0;
}

inline timespec durationOf(uint64_t ns) { return {time_t(ns / nsPerSecond), long(ns % nsPerSecond)}; }

}  // namespace load
