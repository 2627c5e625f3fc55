// Wakes a worker that sleeps in its event loop: an eventfd and a flag. The bell is rung at most once
// per sleep, and not at all while the worker is awake, for waking is what costs.
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "../assert.h"

namespace rally {

class Doorbell {
 public:
  Doorbell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { RALLY_ASSERT(fd_ >= 0); }
  ~Doorbell() { close(fd_); }
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  int fd() const { return fd_; }

  // The sleeper: announces the sleep, then must look at its lanes once more before it sleeps.
  void sleep() {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void wake() { asleep_.store(false, std::memory_order_relaxed); }
  // The sleeper: takes a ring that came.
  void answer() const {
    uint64_t rings;
    [[maybe_unused]] const auto taken = read(fd_, &rings, sizeof rings);  // all of them
  }

  // Anybody, after committing to a lane. True when the sleeper had to be woken.
  bool ring() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!asleep_.load(std::memory_order_relaxed) || !asleep_.exchange(false, std::memory_order_relaxed)) return false;
    const uint64_t one = 1;
    // The counter of an eventfd cannot overflow with one ring per sleep.
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
    return true;
  }

 private:
  const int fd_;
  std::atomic<bool> asleep_{false};
};

}  // namespace rally
