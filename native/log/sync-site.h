// Every place where the log waits for the disk. A build with -DRALLYMQ_FAULTS can leave one out, to verify that the
// crash harness (test/native/log-crash.cpp) notices each.
#pragma once
#include "disk.h"

namespace rally::log {

enum class SyncSite : uint8_t {
  none,
  group,            // before its records are acknowledged
  segmentHeader,    // before the segment gets its name
  segmentName,      // before anything in it is acknowledged
  segmentEnd,       // records that there is a later segment, in case that one is lost
  segmentRecycled,  // before anything that guarded against its records is removed
  directory,        // the directory's existence
};

#ifdef RALLYMQ_FAULTS
inline SyncSite leftOut = SyncSite::none;
#else
inline constexpr SyncSite leftOut = SyncSite::none;
#endif

inline int sync(File& file, SyncSite site) { return leftOut == site ? 0 : file.sync(); }
inline int syncDirectory(Disk& disk, SyncSite site) { return leftOut == site ? 0 : disk.syncDirectory(); }
inline int syncParent(Disk& disk, SyncSite site) { return leftOut == site ? 0 : disk.syncParent(); }

}  // namespace rally::log
