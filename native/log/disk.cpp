#include "disk.h"

#include <cerrno>

namespace rally::log {

int writeAll(File& file, uint64_t offset, std::vector<Bytes> parts) {
  std::span<Bytes> left(parts);
  while (!left.empty()) {
    if (left[0].empty()) {
      left = left.subspan(1);
      continue;
    }
    size_t written = 0;
    const int error = file.write(offset, left, written);
    if (error != 0) return error;
    if (written == 0) return ENOSPC;
    offset += written;
    for (; written > 0; left = left.subspan(left[0].empty() ? 1 : 0)) {
      const size_t done = std::min(written, left[0].size());
      left[0] = left[0].subspan(done);
      written -= done;
    }
  }
  return 0;
}

int readAll(const File& file, uint64_t offset, std::span<uint8_t> into) {
  while (!into.empty()) {
    size_t count = 0;
    const int error = file.read(offset, into, count);
    if (error != 0) return error;
    if (count == 0) return EIO;
    offset += count;
    into = into.subspan(count);
  }
  return 0;
}

}  // namespace rally::log
