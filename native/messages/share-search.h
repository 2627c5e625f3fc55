// The progress of a message of a share in its search for a member (topics/share.h).
#pragma once
#include <cstddef>
#include <cstdint>

namespace rally {

// What a member can do with the next message, best first.
enum class ShareLevel : uint8_t {
  ready,    // sends it at once
  waiting,  // is connected: keeps it until its window and outbox have room
  away,     // keeps it for the next connection of its session
  full,     // cannot take it
};

// Members differ for QoS 0 and for QoS 1 and 2, which count towards their windows and wait for those that are away.
enum class ShareKind : uint8_t { qos0, acknowledged };
inline constexpr size_t shareKinds = 2;
inline ShareKind shareKindOf(uint8_t qos) { return qos == 0 ? ShareKind::qos0 : ShareKind::acknowledged; }

// The outcome of offering a message to the members at a worker.
enum class ShareOutcome : uint8_t {
  taken,
  full,      // no member is good enough for the level that was asked
  withheld,  // those that could take it may not receive it by the current rules
  over,      // the last member has left, which the shard knows before it gets the answer
};

// The workers asked so far. Each refusal adds a worker to `refused`; when none is left to ask, `level` grows and all
// are asked again.
struct ShareSearch {
  ShareLevel level = ShareLevel::ready;  // members no worse than this may take it
  bool isWithheld = false;               // some could take it and may not have it
  uint64_t refused = 0;                  // bit w: worker w has no such member
};

}  // namespace rally
