// One process at a time on a directory: the file `lock` there, which says who holds it. The system lets go of it when
// the process ends, however it does.
#pragma once
#include <string>

namespace rally::log {

class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  // 0, EWOULDBLOCK: another process holds it, or the errno.
  int take(const std::string& directory);
  // What the holder has written: `process 4711 on host since 2026-11-28T09:00:00Z`.
  const std::string& holder() const { return holder_; }

 private:
  int fd_ = -1;
  std::string holder_;
};

}  // namespace rally::log
