// What every message carries, so that the receiver can tell what became of it.
//
//   | when it was sent or due, ns: 8 | stream: 4 | sequence number: 4 | filling |
//
// A stream is one topic of one publisher: the unit in which MQTT promises an order. Numbers are in the
// machine's own byte order, since the same machine reads them.
#pragma once
#include <cstring>
#include <optional>

#include "mqtt.h"

namespace load {

struct Stamp {
  uint64_t atNs = 0;
  uint32_t stream = 0;
  uint32_t sequence = 0;
};
inline constexpr size_t stampBytes = 16;
static_assert(sizeof(Stamp) == stampBytes);

inline constexpr uint8_t filling = 'x';

inline Buffer payloadOf(const Stamp& stamp, size_t bytes) {
  Buffer payload(std::max(bytes, stampBytes), filling);
  std::memcpy(payload.data(), &stamp, stampBytes);
  return payload;
}

// Nothing if it is not a payload of this size.
inline std::optional<Stamp> stampOf(Bytes payload, size_t bytes) {
  if (payload.size() != std::max(bytes, stampBytes)) return std::nullopt;
  if (payload.size() > stampBytes && payload.back() != filling) return std::nullopt;
  Stamp stamp;
  std::memcpy(&stamp, payload.data(), stampBytes);
  return stamp;
}

}  // namespace load
