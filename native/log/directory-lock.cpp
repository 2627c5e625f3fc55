#include "directory-lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>

namespace rally::log {

namespace {

std::string ownName() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> since{};
  std::strftime(since.data(), since.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  std::array<char, 400> name{};
  std::snprintf(name.data(), name.size(), "process %d on %s since %s", int(getpid()), host.data(), since.data());
  return name.data();
}

std::string contentOf(int fd) {
  std::array<char, 400> bytes{};
  const ssize_t count = pread(fd, bytes.data(), bytes.size(), 0);
  std::string content(bytes.data(), count > 0 ? size_t(count) : 0);
  while (!content.empty() && content.back() == '\n') content.pop_back();
  return content;
}

// Whether this is still the file of that name: whoever held the lock before may have removed it.
bool isAt(const std::string& path, int fd) {
  struct stat own {};
  struct stat there {};
  return fstat(fd, &own) == 0 && stat(path.c_str(), &there) == 0 && own.st_ino == there.st_ino &&
         own.st_dev == there.st_dev;
}

}  // namespace

DirectoryLock::~DirectoryLock() { release(); }

int DirectoryLock::take(const std::string& directory) {
  path_ = directory + "/lock";
  for (bool isTaken = false; !isTaken;) {
    release();
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return errno;
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      holder_ = contentOf(fd_);
      release();
      return error;
    }
    isTaken = isAt(path_, fd_);
  }
  // For information: other processes that are refused read it, but nothing depends on it.
  const std::string name = ownName() + "\n";
  if (ftruncate(fd_, 0) != 0 || pwrite(fd_, name.data(), name.size(), 0) < 0) holder_.clear();
  return 0;
}

void DirectoryLock::remove() {
  if (fd_ < 0) return;
  unlink(path_.c_str());
  release();
}

void DirectoryLock::release() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace rally::log
