// Lets only one process at a time use a directory: it locks the file `lock` there and writes its identity into it. The
// system releases the lock however the process ends.
#pragma once
#include <string>

namespace rally::log {

class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  // Returns 0; EWOULDBLOCK: another process holds the lock; or another errno.
  int take(const std::string& directory);
  // The identity written by the holder: `process 4711 on host since 2026-11-28T09:00:00Z`.
  const std::string& holder() const { return holder_; }

 private:
  int fd_ = -1;
  std::string holder_;
};

}  // namespace rally::log
