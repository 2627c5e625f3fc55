// Message numbers in few bytes: each as the difference from the previous one, which is short if they are close
// (structures/short-number.h).
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../log/crc32c.h"
#include "../structures/bytes.h"
#include "../structures/short-number.h"

namespace rally {

class NumberList {
 public:
  // Tells a list from others.
  using Check = std::array<uint8_t, 4>;

  bool isEmpty() const { return bytes_.empty(); }
  Bytes bytes() const { return bytes_; }
  static Check checkOf(Bytes bytes) {
    const uint32_t checksum = log::crc32c(bytes);
    Check check;
    std::memcpy(check.data(), &checksum, sizeof checksum);
    return check;
  }

  void add(uint64_t number) {
    putShort(bytes_, toZigzag(int64_t(number - last_)));
    last_ = number;
  }
  void clear() {
    bytes_.clear();
    last_ = 0;
  }
  void swap(NumberList& other) {
    bytes_.swap(other.bytes_);
    std::swap(last_, other.last_);
  }

  // False: the bytes end within a number, or are malformed.
  template <class Visit>
  static bool each(Bytes bytes, Visit&& visit) {
    uint64_t last = 0;
    for (size_t at = 0; at < bytes.size();) {
      uint64_t distance = 0;
      if (!takeShort(bytes, at, distance)) return false;
      last += fromZigzag(distance);
      visit(last);
    }
    return true;
  }

 private:
  std::vector<uint8_t> bytes_;
  uint64_t last_ = 0;
};

// The lists that are written one after the other: of one that is like the previous one, only the check is.
class SuccessiveLists {
 public:
  struct Written {
    Bytes bytes;  // valid until the next one has ended
    bool isSame = false;
  };

  // To the list that has begun.
  void add(uint64_t number) { list_.add(number); }
  Written end() {
    const bool isSame = areEqual(list_.bytes(), previous_.bytes());
    if (!isSame) {
      previous_.swap(list_);
      check_ = NumberList::checkOf(previous_.bytes());
    }
    list_.clear();
    return {isSame ? Bytes(check_) : previous_.bytes(), isSame};
  }

 private:
  NumberList list_;
  NumberList previous_;
  NumberList::Check check_{};
};

}  // namespace rally
