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
  // Removes the file and releases the lock: nothing of it is left in the directory.
  void remove();
  // The identity written by the holder: `process 4711 on host since 2026-11-28T09:00:00Z`.
  const std::string& holder() const { return holder_; }

 private:
  void release();

  std::string path_;
  int fd_ = -1;
  std::string holder_;
};

}  // namespace rally::log
