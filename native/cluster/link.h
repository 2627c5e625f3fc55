// The connection between a worker here and one of another node, as a protocol on bytes: frames out, frames in, and a
// clock. The transport keeps frames in order but may lose any number of them, as NATS does when a connection breaks.
//
//   add(record) ... cut() --frame n--> receive(): next?    its records, in order
//                 kept until                      before?  dropped: it had already arrived
//   acknowledged <-- with the next frame back --  beyond?  dropped: the missing ones are requested
//
// Each frame has a piece of one channel's stream, [ size 5 | record ] [ size 5 | record ] ..., so a record may be
// larger than a frame. The two channels are independent: of each, at most `windowBytes` may be in transit, until the
// other worker has taken them from its lane. So the memory of a link is bounded at both ends, and a lane whose link has
// no room fills up and becomes crowded, as between workers of one node.
//
// Acknowledgements and credit travel with returning frames, or alone when enough has accumulated, or once a second. An
// end that waits for either in vain sends a probe. The answer comes after all frames sent before the probe, so anything
// not acknowledged by then is lost and is resent.
#pragma once
#include <deque>

#include "../assert.h"
#include "frame.h"

namespace rally::cluster {

// Takes frames, synchronously.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void onFrame(unsigned worker, Bytes frame) = 0;
};

// The figures of one link since it was opened.
struct LinkFigures {
  uint64_t framesSent = 0;
  uint64_t bytesSent = 0;
  uint64_t framesReceived = 0;
  uint64_t bytesReceived = 0;
  uint64_t framesResent = 0;
  uint64_t waitingBytes = 0;  // sent but not acknowledged, or not sent yet
  uint64_t waitingMs = 0;     // the age of the oldest
};

class Link {
 public:
  struct Ends {
    uint64_t ownIncarnation = 0;
    uint64_t peerIncarnation = 0;
    uint8_t own = 0;  // worker
    uint8_t peer = 0;
    uint8_t version = linkVersion;  // used by both
  };

  // 1 MiB for each direction of a pair of workers; 63 of them are less than lanesTotalBytesMax by default.
  static constexpr size_t windowBytes = 524'288;
  // NATS works best with frames of 8 to 32 KiB: a frame is cut when it reaches the first size, and a record larger than
  // the second is sent in pieces.
  static constexpr size_t frameBytes = 16'384;
  static constexpr size_t pieceBytesMax = 32'768;

  explicit Link(const Ends& ends) : ends_(ends) {}

  const Ends& ends() const { return ends_; }
  // Something arrived that no worker would send: the link carries no more frames, in either direction.
  bool isBroken() const { return isBroken_; }
  LinkFigures figures(uint64_t nowMs) const;

  // --- out ------------------------------------------------------------------------------------------

  // Whether the next record of the channel may be added.
  bool mayAdd(Channel channel) const { return !isBroken_ && !out_[size_t(channel)].isLeftOver && credit(channel) > 0; }
  // `encode(bytes)` appends the record. True: cut() is due before more is added.
  template <class Encode>
  bool add(Channel channel, uint64_t nowMs, Encode&& encode) {
    Outgoing& out = out_[size_t(channel)];
    if (out.staged.empty()) out.stagedSinceMs = nowMs;
    const size_t start = out.staged.size();
    out.staged.resize(start + sizeBytes);
    encode(out.staged);
    const uint64_t size = out.staged.size() - start - sizeBytes;
    RALLY_ASSERT(size >> 8 * sizeBytes == 0);
    std::memcpy(out.staged.data() + start, &size, sizeBytes);
    return out.staged.size() >= frameBytes;
  }
  // Sends what was added, as far as the channel's credit allows.
  void cut(Channel channel, uint64_t nowMs, FrameSink& sink);

  // At the end of a turn: sends everything else that has to be reported.
  void finish(uint64_t nowMs, FrameSink& sink);
  // Once a second.
  void tick();
  // Frames may have been lost: resends unacknowledged frames, and makes the other end do the same.
  void reconnect();

  // --- in -------------------------------------------------------------------------------------------

  // Takes a frame whose head was read. `take(channel, record, ageMs)` gets each record, and returns false if it is
  // malformed.
  template <class Take>
  FrameOutcome receive(const FrameHead& head, Bytes piece, uint64_t nowMs, Take&& take) {
    FrameOutcome outcome = note(head, piece);
    if (outcome != FrameOutcome::taken || piece.empty()) return outcome;
    if (!append(in_[size_t(head.channel)], head, piece, nowMs, take)) outcome = fail();
    return outcome;
  }
  // The worker has taken this many more of the bytes delivered by receive().
  void noteTaken(Channel channel, uint64_t bytes) { in_[size_t(channel)].taken += bytes; }

 private:
  static constexpr size_t sizeBytes = 5;  // a record may be as large as a session (sessionQueueBytesMax)
  // How many frames may arrive, and bytes may be taken, before they are reported in a frame of their own.
  static constexpr uint64_t untoldFramesMax = 16;
  static constexpr uint64_t untoldBytesMax = windowBytes / 4;
  // Ticks without an answer before a probe is sent.
  static constexpr unsigned quietTicksMax = 2;

  struct Outgoing {
    std::vector<uint8_t> staged;  // of the stream, not sent yet
    bool isLeftOver = false;      // cut() had no credit for it
    uint64_t stagedSinceMs = 0;
    uint64_t sent = 0;   // bytes of the stream ...
    uint64_t taken = 0;  // ... and how many of them the other worker has taken
  };
  struct Incoming {
    std::vector<uint8_t> partial;  // the beginning of a record
    uint64_t partialSinceMs = 0;
    uint64_t received = 0;  // bytes of the stream ...
    uint64_t taken = 0;     // ... how many of them this worker has taken ...
    uint64_t takenTold = 0;
  };
  struct Sent {
    uint64_t number = 0;
    Channel channel = Channel::requests;
    uint32_t pieceCrc = 0;
    uint64_t sinceMs = 0;
    std::vector<uint8_t> bytes;  // with room for the head
  };

  size_t credit(Channel channel) const {
    const Outgoing& out = out_[size_t(channel)];
    return windowBytes - size_t(out.sent - out.taken);
  }
  bool isWaiting() const;
  bool hasToTell() const;
  void send(Sent& frame, uint64_t nowMs, FrameSink& sink);
  void write(std::span<uint8_t> frame, FrameHead head, uint32_t pieceCrc);

  FrameOutcome note(const FrameHead& head, Bytes piece);
  FrameOutcome fail();
  template <class Take>
  bool append(Incoming& in, const FrameHead& head, Bytes piece, uint64_t nowMs, Take&& take) {
    in.received += piece.size();
    if (in.partial.empty()) in.partialSinceMs = nowMs - head.ageMs;
    const bool isWhole = in.partial.empty();
    if (!isWhole) in.partial.insert(in.partial.end(), piece.begin(), piece.end());
    Bytes left = isWhole ? piece : Bytes(in.partial);
    bool isAny = false;
    for (uint64_t size = 0; left.size() >= sizeBytes; isAny = true) {
      std::memcpy(&size, left.data(), sizeBytes);
      if (left.size() - sizeBytes < size) break;
      const uint64_t ageMs = isAny ? head.ageMs : nowMs - in.partialSinceMs;
      if (!take(head.channel, left.subspan(sizeBytes, size), ageMs)) return false;
      left = left.subspan(sizeBytes + size);
    }
    if (isWhole) in.partial.assign(left.begin(), left.end());
    else in.partial.erase(in.partial.begin(), in.partial.end() - std::ptrdiff_t(left.size()));
    if (isAny) in.partialSinceMs = nowMs - head.ageMs;
    return true;
  }

  const Ends ends_;
  bool isBroken_ = false;
  std::array<Outgoing, channels> out_;
  std::array<Incoming, channels> in_;

  std::deque<Sent> unacknowledged_;
  uint64_t lastSent_ = 0;
  bool sendsAgain_ = false;
  unsigned quietTicks_ = 0;
  uint32_t probe_ = 0;
  uint64_t probedNumber_ = 0;  // the last one that was sent before the probe
  bool isProbeDue_ = false;

  uint64_t lastReceived_ = 0;
  uint64_t acknowledgedTold_ = 0;
  uint64_t askedBehind_ = UINT64_MAX;  // everything after this number has been requested
  bool wantsMissing_ = false;
  uint32_t answer_ = 0;
  bool isTellDue_ = false;

  LinkFigures figures_;
};

}  // namespace rally::cluster
