// Reads a whole log that nobody uses, and counts what is in it.
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
  uint64_t tornBytes = 0;  // of a group that was being written when a process or a machine stopped
  std::vector<Damage> damage;
};

// With `repairs`, what is damaged is set aside and the log gets an orderly end; without, nothing is changed. Told of
// its progress: how much of all bytes is done.
Report checkLog(const std::string& directory, bool repairs, const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace rally::log
