// A file that is complete already, to which pages are written and synced, over and over: the least that a log has to
// do.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

class SyncFile {
 public:
  // Fills it, unless it has `bytes` already.
  SyncFile(const std::string& path, off_t bytes) : fd_(open(path.c_str(), O_RDWR | O_CREAT, 0600)), bytes_(bytes) {
    check(fd_ >= 0);
    if (lseek(fd_, 0, SEEK_END) == bytes_) return;
    const std::vector<uint8_t> zeros(1u << 20);
    for (off_t at = 0; at < bytes_; at += off_t(zeros.size())) check(pwrite(fd_, zeros.data(), zeros.size(), at) >= 0);
    check(fdatasync(fd_) == 0);
  }
  SyncFile(const SyncFile&) = delete;
  ~SyncFile() { close(fd_); }

  // Writes the pages behind the last ones, or at the start, and syncs them. Gives how long that took, in microseconds.
  double write(const std::vector<uint8_t>& pages) {
    using Clock = std::chrono::steady_clock;
    const auto size = off_t(pages.size());
    if (at_ + size > bytes_) at_ = 0;
    const Clock::time_point before = Clock::now();
    check(pwrite(fd_, pages.data(), pages.size(), at_) >= 0 && fdatasync(fd_) == 0);
    at_ += size;
    return std::chrono::duration<double, std::micro>(Clock::now() - before).count();
  }

 private:
  static void check(bool isDone) {
    if (isDone) return;
    std::perror("sync-file");
    std::exit(1);
  }

  const int fd_;
  const off_t bytes_;
  off_t at_ = 0;
};
