// UTF-8 as MQTT requires it (5.0, 1.5.4): well-formed, no surrogates [MQTT-1.5.4-1], no U+0000 [MQTT-1.5.4-2].
#pragma once
#include <cstring>

#include "varint.h"

namespace rally {

// Length in bytes of the well-formed sequence that starts `bytes` (which is not empty), or 0.
inline size_t utf8SequenceSize(Bytes bytes) {
  const uint8_t lead = bytes[0];
  if (lead < 0x80) return lead != 0 ? 1 : 0;
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < size) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = bytes[1];
  if (lead == 0xe0 && second < 0xa0) return 0;  // overlong
  if (lead == 0xed && second > 0x9f) return 0;  // surrogate
  if (lead == 0xf0 && second < 0x90) return 0;  // overlong
  if (lead == 0xf4 && second > 0x8f) return 0;  // above U+10FFFF
  return size;
}

// True for eight bytes of ASCII without a zero byte.
inline bool isPlainAscii8(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, 8);
  constexpr uint64_t high = 0x8080808080808080;
  constexpr uint64_t ones = 0x0101010101010101;
  return (((word - ones) | word) & high) == 0;
}

inline bool isUtf8(Bytes bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at >= 8 && isPlainAscii8(bytes.data() + at)) {
      at += 8;
      continue;
    }
    const size_t size = utf8SequenceSize(bytes.subspan(at));
    if (size == 0) return false;
    at += size;
  }
  return true;
}

// UTF-8 as a payload may hold it (5.0, 3.3.2.3.2): U+0000 is allowed there.
inline bool isUtf8Payload(Bytes bytes) {
  for (size_t start = 0;;) {
    const void* zero = start < bytes.size() ? std::memchr(bytes.data() + start, 0, bytes.size() - start) : nullptr;
    const size_t end = zero ? size_t(static_cast<const uint8_t*>(zero) - bytes.data()) : bytes.size();
    if (!isUtf8(bytes.subspan(start, end - start))) return false;
    if (!zero) return true;
    start = end + 1;
  }
}

}  // namespace rally
