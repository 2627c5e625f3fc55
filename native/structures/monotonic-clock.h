// A clock that never goes back, the same on all threads and in JavaScript (process.hrtime()).
#pragma once
#include <time.h>

#include <cstdint>

namespace rally {

inline uint64_t monotonicNs() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
}

// The processor time that this thread has used.
inline uint64_t threadNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
}

}  // namespace rally
