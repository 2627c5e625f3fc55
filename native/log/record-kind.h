// The kinds of records. Their numbers are on disks: never change or reuse one. Those below 16 belong to the log; the
// others are defined by its users.
#pragma once
#include <cstdint>

namespace rally::log {

enum class Kind : uint8_t {
  sealed = 1,    // the last record of a segment: names the next one
  closed = 2,    // the last record of an orderly stop
  recycled = 3,  // a segment was reclaimed because nothing in it was alive
  copied = 4,    // a record that was in another segment (copied-record.h)
};

inline constexpr uint8_t recordVersion = 1;  // of bodies written by this version

inline bool isOfLog(Kind kind) { return uint8_t(kind) < 16; }

// A record that only states that another one is dead. It is dead itself once no bytes of the other one are left.
inline bool isEnd(Kind kind) { return uint8_t(kind) >= 128; }

}  // namespace rally::log
