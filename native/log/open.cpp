#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "disk-log.h"
#include "memory-log.h"
#include "real-disk.h"

namespace rally::log {

namespace {

Warning warningFor(const std::string& directory) {
  struct statfs found {};
  if (statfs(directory.c_str(), &found) != 0) return Warning::none;
  switch (uint64_t(found.f_type)) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC: return Warning::memoryFileSystem;
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC: return Warning::networkFileSystem;
    case OVERLAYFS_SUPER_MAGIC: return Warning::overlayFileSystem;
    default: return Warning::none;
  }
}

// The directory exists, and nobody else uses it.
int prepare(RealDisk& disk, DirectoryLock& lock, const Options& options) {
  const int error = disk.makeDirectory();
  return error == 0 && !options.isLocked ? lock.take(options.directory) : error;
}

}  // namespace

std::unique_ptr<Log> openLog(const Options& options, OpenFault& fault) {
  fault = {};
  if (options.durability == Durability::memory) return std::make_unique<MemoryLog>(options);
  auto disk = std::make_unique<RealDisk>(options.directory);
  auto lock = std::make_unique<DirectoryLock>();
  const int error = prepare(*disk, *lock, options);
  if (error == EWOULDBLOCK) fault = {OpenFault::Code::held, lock->holder()};
  else if (error != 0) fault = {OpenFault::Code::notUsable, std::strerror(error)};
  if (error != 0) return nullptr;
  auto log = std::make_unique<DiskLog>(options, std::move(disk), std::move(lock), warningFor(options.directory));
  if (!log->look(fault)) return nullptr;
  return log;
}

}  // namespace rally::log
