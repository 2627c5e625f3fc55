// Removes what a run of the log has written, as if it had not been: for a run that copies the state and finds no room
// for all of it.
//
// The header of its first segment remains: the segment before names it, and it says which segments exist. Those that
// the run has recycled are not among them, and may include its own first one; nothing in them was alive.
#pragma once
#include <cstdint>

#include "disk.h"

namespace rally::log {

// The log is closed. `first`: the number of the run's first segment. Returns 0 or the errno; then a part may be left,
// which the next start ignores.
int takeBack(Disk& disk, uint32_t first);

}  // namespace rally::log
