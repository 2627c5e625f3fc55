// Where a record is in the log, and how it is identified before it is stored.
//
//   Position   segment number (32 bits) | offset in the segment (32 bits): ordered as the log, across all segments
//   Ticket     offset in what one worker has appended since the start: ordered as that worker appended
//
// A position is also the name of a record as long as the record lives. A record that is copied to reclaim space keeps
// its name, and the log finds it. Segment numbers are never reused.
#pragma once
#include <compare>
#include <cstdint>

namespace rally::log {

struct Position {
  uint64_t value = 0;  // 0: none, since segment numbers start at 1

  static Position of(uint32_t segment, uint32_t offset) { return {uint64_t(segment) << 32 | offset}; }
  uint32_t segment() const { return uint32_t(value >> 32); }
  uint32_t offset() const { return uint32_t(value); }
  explicit operator bool() const { return value != 0; }
  auto operator<=>(const Position&) const = default;
};

struct Ticket {
  uint64_t value = 0;
  auto operator<=>(const Ticket&) const = default;
};

// Where a run of a worker's records is stored: `to` is the ticket after the last one.
struct Placement {
  Ticket from;
  Ticket to;
  Position at;

  bool contains(Ticket ticket) const { return from <= ticket && ticket < to; }
  Position of(Ticket ticket) const { return {at.value + (ticket.value - from.value)}; }
};

}  // namespace rally::log
