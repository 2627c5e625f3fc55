// The kinds of records. Their numbers are on disks: they never change, and none is used again. The log has those below
// 16; what the others mean is known to whoever logs them.
#pragma once
#include <cstdint>

namespace rally::log {

enum class Kind : uint8_t {
  sealed = 1,    // the last of a segment: which one goes on
  closed = 2,    // the last of an orderly stop
  recycled = 3,  // a segment is gone because nothing in it was alive
  copied = 4,    // a record that lay in another segment (copied-record.h)
};

inline constexpr uint8_t recordVersion = 1;  // of the bodies that this program writes

inline bool isOfLog(Kind kind) { return uint8_t(kind) < 16; }

// A record that only says that another one is dead. It is dead itself as soon as no bytes of that are left.
inline bool isEnd(Kind kind) { return uint8_t(kind) >= 128; }

}  // namespace rally::log
