// Numbers in as few bytes as they need: 7 bits a byte, the high bit says that another byte follows. What may be below
// zero is written as zigzag: 0, -1, 1, -2 ...
#pragma once
#include <vector>

#include "bytes.h"

namespace rally {

inline void putShort(std::vector<uint8_t>& bytes, uint64_t number) {
  for (; number >= 0x80; number >>= 7) bytes.push_back(uint8_t(number | 0x80));
  bytes.push_back(uint8_t(number));
}
// Starts at `at`, and moves it past the number. False if the bytes end within a number, or there are none.
inline bool takeShort(Bytes bytes, size_t& at, uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift <= 63 && at < bytes.size(); shift += 7) {
    const uint8_t byte = bytes[at++];
    number |= uint64_t(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

inline uint64_t toZigzag(int64_t number) { return (uint64_t(number) << 1) ^ uint64_t(number >> 63); }
inline uint64_t fromZigzag(uint64_t number) { return (number >> 1) ^ (~(number & 1) + 1); }

}  // namespace rally
