// The least that a log has to do: writes pages to a file that is complete already, and syncs them, over and over.
//
//   syncs FILE BYTES          BYTES with each write, until it is killed
//   syncs FILE BYTES COUNT    so often; prints how long a write and its sync took, in microseconds (p50)
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../native/log/short-slice.h"

namespace {

constexpr off_t fileBytes = 64 << 20;

int fail() {
  std::perror("syncs");
  return 1;
}

// Unless it was used before.
int fill(int file) {
  if (lseek(file, 0, SEEK_END) == fileBytes) return 0;
  const std::vector<char> zeros(1 << 20);
  for (off_t at = 0; at < fileBytes; at += off_t(zeros.size())) {
    if (pwrite(file, zeros.data(), zeros.size(), at) < 0) return -1;
  }
  return fdatasync(file);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  using Clock = std::chrono::steady_clock;
  const auto bytes = off_t(std::atoi(arguments[2]));
  const size_t most = count > 3 ? size_t(std::atoi(arguments[3])) : 0;
  const std::vector<char> records(size_t(bytes), 1);
  std::vector<double> microseconds;
  const int file = open(arguments[1], O_RDWR | O_CREAT, 0600);
  if (file < 0 || fill(file) != 0) return fail();
  rally::log::takeShortSlices();  // as the log's thread does
  for (off_t at = 0; most == 0 || microseconds.size() < most; at = at + 2 * bytes > fileBytes ? 0 : at + bytes) {
    const Clock::time_point before = Clock::now();
    if (pwrite(file, records.data(), records.size(), at) < 0 || fdatasync(file) != 0) return fail();
    if (most != 0) microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("%.0f\n", microseconds[microseconds.size() / 2]);
}
