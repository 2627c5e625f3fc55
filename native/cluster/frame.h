// What two workers of different nodes send each other (link.h): a head, and a piece of the stream of one channel.
//
//   0  "RL" | version 1 | flags 1 | from worker 1 | to worker 1 | channel 1 | 0
//   8  incarnation of the sender 8 | of the receiver 8
//   24 number 8: 0 if it has no piece | acknowledged 8: all frames up to this one have come
//   40 bytes taken of each channel 8, 8
//   56 probe 4 | answer 4: 0 if there is none
//   64 age in ms 4: since what the piece holds was encoded
//   68 CRC-32C 4, of the piece and then of the head before it
//   72 the piece
//
// Numbers are little-endian.
#pragma once
#include <array>
#include <vector>

#include "../structures/bytes.h"

namespace rally::cluster {

// Goes up when the head or a record has another form. Both ends must have the same one.
inline constexpr uint8_t linkVersion = 2;

// The two lanes in each direction. Neither waits for the other (lanes/lane.h).
enum class Channel : uint8_t { requests, deliveries, count };
inline constexpr size_t channels = size_t(Channel::count);

// What has become of a frame that has come. In the order of `frameOutcomes` in core/data-plane/addon.ts, which compares
// the names when it loads the addon.
enum class FrameOutcome : uint8_t {
  taken,
  repeated,        // it was there already
  early,           // others are missing before it: they are asked for
  damaged,         // the bytes are not a frame, or not as they were sent
  foreignVersion,  // of another version of RallyMQ
  foreignSender,   // no link is open to who has sent it, or it was for somebody before us
  malformed,       // no worker would send it: the link is broken, and nothing more goes over it
  count,
};

struct FrameHead {
  enum Flag : uint8_t { wantsMissing = 1 };  // what follows `acknowledged` is to be sent again

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

  // Into the first bytes of a frame. `pieceCrc`: of what stands behind them.
  void write(std::span<uint8_t> to, uint32_t pieceCrc) const;
  // taken: `piece` is what stands behind it.
  static FrameOutcome read(Bytes frame, FrameHead& head, Bytes& piece);
};

}  // namespace rally::cluster
