// Reads a complete log that is not in use, and counts its contents.
#pragma once
#include <map>

#include "log.h"

namespace rally::log {

struct Report {
  OpenFault fault;
  uint64_t segments = 0;
  uint64_t bytes = 0;  // of segments
  uint64_t records = 0;
  uint64_t recordBytes = 0;
  uint64_t tornBytes = 0;  // of a group that was being written when a process or machine stopped
  std::vector<Damage> damage;
};

// With `repairs`, damaged parts are set aside and the log gets a proper end; without, nothing is changed. `isLocked`:
// by the caller. Reports its progress as a fraction of all bytes.
Report checkLog(const std::string& directory, bool repairs, bool isLocked,
                const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace rally::log
