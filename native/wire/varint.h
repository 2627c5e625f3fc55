// The variable byte integer of MQTT (5.0, 1.5.5; 3.1.1, 2.2.3): one to four bytes, seven bits each,
// least significant first, the high bit says that another byte follows.
#pragma once
#include "../structures/bytes.h"

namespace rally {

inline constexpr uint32_t varintMax = 268'435'455;
inline constexpr size_t varintBytesMax = 4;

struct Varint {
  enum class State : uint8_t { complete, incomplete, malformed };
  State state = State::incomplete;
  uint8_t size = 0;     // bytes that encode it
  bool minimal = true;  // no shorter encoding exists [MQTT-1.5.5-1]
  uint32_t value = 0;
};

inline Varint readVarint(Bytes bytes) {
  Varint result;
  for (size_t i = 0; i < varintBytesMax; i++) {
    if (i == bytes.size()) return result;
    const uint8_t byte = bytes[i];
    result.value |= uint32_t(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      result.state = Varint::State::complete;
      result.size = uint8_t(i + 1);
      result.minimal = i == 0 || byte != 0;
      return result;
    }
  }
  result.state = Varint::State::malformed;
  return result;
}

inline constexpr size_t varintSize(uint32_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

// Appends `value` to anything with push_back(uint8_t).
template <class Sink>
void writeVarint(Sink& sink, uint32_t value) {
  do {
    const uint8_t low = value & 0x7f;
    value >>= 7;
    sink.push_back(uint8_t(value != 0 ? low | 0x80 : low));
  } while (value != 0);
}

}  // namespace rally
