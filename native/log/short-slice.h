// Has the system wake this thread sooner.
//
// A thread that waits for the disk is woken when that is done, but on a machine whose cores are busy with other threads
// the scheduler lets these finish their slice first: milliseconds, where the disk took microseconds. A thread that says
// that it needs the processor only briefly goes before them, for which it needs no right and gets no larger share.
// Linux 6.12 and later; before that, and where it is forbidden, nothing changes.
#pragma once
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace rally::log {

// As the system reads it (sched_setattr(2)).
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

// About what the writer takes for a group, and the least that the system knows.
inline constexpr uint64_t shortSliceNs = 100'000;

// Of this thread. False: it cannot be told.
inline bool readScheduling(SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0;
}

inline void takeShortSlices() {
  SchedulingAttributes own;
  if (!readScheduling(own) || own.policy != SCHED_OTHER) return;  // somebody has decided about it
  own.size = sizeof own;
  own.sliceNs = shortSliceNs;
  syscall(SYS_sched_setattr, 0, &own, 0);
}

}  // namespace rally::log
