// The frames exchanged by two workers of different nodes (link.h): a head, and a piece of one channel's byte stream.
//
//   0  "RL" | version 1 | flags 1 | from worker 1 | to worker 1 | channel 1 | 0
//   8  incarnation of the sender 8 | of the receiver 8
//   24 number 8: 0 if it has no piece | acknowledged 8: all frames up to this one have arrived
//   40 bytes taken of each channel 8, 8
//   56 probe 4 | answer 4: 0 if there is none
//   64 age in ms 4: since the contents of the piece were encoded
//   68 CRC-32C 4, of the piece and then of the head before it
//   72 the piece
//
// Numbers are little-endian.
#pragma once
#include <array>
#include <vector>

#include "../structures/bytes.h"

namespace rally::cluster {

// Increase it when the head or a record changes its format, or a record is added, once a release speaks it. Two nodes
// use the lower of their versions; each supports its own and the previous one.
inline constexpr uint8_t linkVersion = 4;
inline constexpr uint8_t oldestLinkVersion = 3;
static_assert(linkVersion - oldestLinkVersion == 1);

// The two lanes in each direction. Neither waits for the other (lanes/lane.h).
enum class Channel : uint8_t { requests, deliveries, count };
inline constexpr size_t channels = size_t(Channel::count);

// What happened to a received frame. In the order of `frameOutcomes` in core/data-plane/addon.ts, which compares the
// names when it loads the addon.
enum class FrameOutcome : uint8_t {
  taken,
  repeated,        // it had already arrived
  early,           // previous frames are missing, and are requested
  damaged,         // not a frame, or changed in transit
  foreignVersion,  // not the version used by the two nodes
  foreignSender,   // no link is open to its sender, or it was for an earlier incarnation
  malformed,       // no worker would send it: the link is broken and carries no more frames
  count,
};

struct FrameHead {
  enum Flag : uint8_t { wantsMissing = 1 };  // resend everything after `acknowledged`

  uint8_t version = linkVersion;
  uint8_t flags = 0;
  uint8_t from = 0;
  uint8_t to = 0;
  Channel channel = Channel::requests;
  uint64_t fromIncarnation = 0;
  uint64_t toIncarnation = 0;
  uint64_t number = 0;
  uint64_t acknowledged = 0;
  std::array<uint64_t, channels> taken{};
  uint32_t probe = 0;
  uint32_t answer = 0;
  uint32_t ageMs = 0;

  static constexpr size_t bytes = 72;

  // Writes the first bytes of a frame. `pieceCrc`: the CRC of the bytes after them.
  void write(std::span<uint8_t> to, uint32_t pieceCrc) const;
  // If the result is `taken`, `piece` is the bytes after the head.
  static FrameOutcome read(Bytes frame, FrameHead& head, Bytes& piece);
};

}  // namespace rally::cluster
