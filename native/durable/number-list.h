// Numbers of messages, in few bytes: each as its distance from the one before, which is short where they are close.
//
//   number - before, zigzag, 7 bits a byte, the high bit says that another byte follows
#pragma once
#include <cstdint>
#include <vector>

#include "../structures/bytes.h"

namespace rally {

class NumberList {
 public:
  bool isEmpty() const { return bytes_.empty(); }
  Bytes bytes() const { return bytes_; }

  void add(uint64_t number) {
    const auto distance = int64_t(number - last_);
    last_ = number;
    auto left = (uint64_t(distance) << 1) ^ uint64_t(distance >> 63);
    for (; left >= 0x80; left >>= 7) bytes_.push_back(uint8_t(left | 0x80));
    bytes_.push_back(uint8_t(left));
  }
  void clear() {
    bytes_.clear();
    last_ = 0;
  }
  void swap(NumberList& other) {
    bytes_.swap(other.bytes_);
    std::swap(last_, other.last_);
  }

  // False where the bytes end within a number, or are none.
  template <class Visit>
  static bool each(Bytes bytes, Visit&& visit) {
    uint64_t last = 0;
    for (size_t at = 0; at < bytes.size();) {
      uint64_t read = 0;
      bool isOver = false;
      for (unsigned shift = 0; !isOver; shift += 7) {
        if (at == bytes.size() || shift > 63) return false;
        read |= uint64_t(bytes[at] & 0x7f) << shift;
        isOver = (bytes[at++] & 0x80) == 0;
      }
      last += (read >> 1) ^ (~(read & 1) + 1);
      visit(last);
    }
    return true;
  }

 private:
  std::vector<uint8_t> bytes_;
  uint64_t last_ = 0;
};

}  // namespace rally
