// CONNACK (5.0, 3.2; 3.1.1, 3.2), which packet control writes.
#pragma once
#include "varint.h"

namespace rally {

// Whether it says that the session was there before. False of none, and in MQTT 3.1, whose CONNACK cannot say so.
inline bool saysSessionPresent(Bytes connack) {
  if (connack.empty()) return false;
  const size_t flags = 1 + readVarint(connack.subspan(1)).size;
  return flags < connack.size() && (connack[flags] & 1) != 0;
}

}  // namespace rally
