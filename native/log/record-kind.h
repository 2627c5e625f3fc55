// The kinds of records. Their numbers are on disks: they never change, and none is used again.
#pragma once
#include <cstdint>

namespace rally::log {

enum class Kind : uint8_t {
  // Of the log itself.
  sealed = 1,    // the last of a segment: which one goes on
  closed = 2,    // the last of an orderly stop
  recycled = 3,  // a segment is gone because nothing in it was alive
  copied = 4,    // a record that lay in another segment (copied-record.h)
  // What the broker logs: see records.h for the body of each.
  property = 16,       // a value that belongs to the store
  filter = 17,         // a topic filter with durable subscribers gets a number
  filterEnd = 18,      // it has none any more
  message = 19,        // for durable subscribers, retained, or both
  retainedClear = 20,  // a topic has no retained message any more
  session = 21,        // a durable session begins or changes
  sessionEnd = 22,
  subscribe = 23,
  unsubscribe = 24,
  cursor = 25,       // how far a session has acknowledged what a filter brought it
  shareCursor = 26,  // the same for a shared subscription's group
  forget = 27,       // QoS 2 from a client: the packet identifier is free again
  sent = 28,         // QoS 2 to a client: a message has a packet identifier ...
  released = 29,     // ... PUBREC has come ...
  done = 30,         // ... and PUBCOMP
  received = 31,     // QoS 2 from a client: the packet identifier is taken
  retained = 32,     // the retained message of a topic
};

inline constexpr uint8_t recordVersion = 1;  // of the bodies that this program writes

// A record that only says that another one is dead. It is dead itself as soon as no bytes of that are left.
inline bool isEnd(Kind kind) {
  switch (kind) {
    case Kind::filterEnd:
    case Kind::retainedClear:
    case Kind::sessionEnd:
    case Kind::unsubscribe:
    case Kind::forget:
    case Kind::done: return true;
    default: return false;
  }
}

inline bool isOfLog(Kind kind) { return uint8_t(kind) < 16; }

}  // namespace rally::log
