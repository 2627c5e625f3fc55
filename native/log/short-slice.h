// Has the system wake this thread sooner.
//
// A thread that waits for the disk is woken when the disk is done. But on a machine with busy cores the scheduler first
// lets other threads finish their time slice: milliseconds, where the disk took microseconds. A thread that asks for
// short slices goes first; this needs no privilege and gives it no larger share. Linux 6.12 and later; before that, or
// where it is forbidden, nothing changes.
#pragma once
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace rally::log {

// The structure that the system reads (sched_setattr(2)).
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t sliceNs = 0;
  uint64_t deadlineNs = 0;
  uint64_t periodNs = 0;
};

// About the time the writer takes for a group, and the minimum that the system accepts.
inline constexpr uint64_t shortSliceNs = 100'000;

// For this thread. False: not possible.
inline bool readScheduling(SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0;
}

inline void takeShortSlices() {
  SchedulingAttributes own;
  if (!readScheduling(own) || own.policy != SCHED_OTHER) return;  // keep a policy set by others
  own.size = sizeof own;
  own.sliceNs = shortSliceNs;
  syscall(SYS_sched_setattr, 0, &own, 0);
}

}  // namespace rally::log
