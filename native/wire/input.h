// The incoming byte stream of one connection, cut into frames.
//
// Chunks are parsed in place. Only data that cannot be passed on yet is kept: the beginning of one incomplete frame,
// or, while the connection is paused, everything received since.
//
//   held_ = [ used | begin of a frame, or whole frames while paused ]      chunk = [frame][frame][fra
//                  usedHeld_
//
// The part of held_ that resume() has used stays in front until it is the larger part, so that a connection which
// pauses after every frame costs no more than its bytes.
#pragma once
#include <vector>

#include "../structures/free-memory.h"
#include "packet.h"
#include "varint.h"

namespace rally {

enum class Flow : uint8_t {
  next,   // the frame was taken, go on
  pause,  // the frame was taken, hand on no more until resume()
  hold,   // the frame was not taken: offer it again at resume()
  end,    // the connection is over, drop what is left
};

constexpr uint16_t typeBit(PacketType type) { return uint16_t(1u << unsigned(type)); }
constexpr uint16_t anyTypeButReserved = uint16_t(~typeBit(PacketType::reserved));

struct FrameRules {
  uint32_t bytesMax = varintMax;        // of a frame, with its header
  bool needsMinimalLength = false;      // only MQTT 5 forbids lengths with more bytes than needed
  uint16_t types = anyTypeButReserved;  // which may come: a bit for each; another is refused at its first byte
};

class Input {
 public:
  // A frame: its first byte (type and flags) and the bytes after the remaining length.
  // `sink(first, body)` gives a Flow. Returns success, or why the stream has ended.
  template <class Sink>
  Reason feed(Bytes chunk, const FrameRules& rules, Sink&& sink) {
    if (ended_) return error_;
    if (paused_) {
      hold(chunk);
      return Reason::success;
    }
    if (!held_.empty()) {
      chunk = complete(chunk);
      const size_t used = parse(held(), rules, sink);
      if (used == 0 && !paused_) return error_;  // still incomplete, or over
      use(used);
      if (ended_) return error_;
      if (paused_) {
        hold(chunk);
        return error_;
      }
    }
    const size_t used = parse(chunk, rules, sink);
    if (!ended_) hold(chunk.subspan(used));
    return error_;
  }

  // Passes on held frames. A sink may pause again.
  template <class Sink>
  Reason resume(const FrameRules& rules, Sink&& sink) {
    if (ended_) return error_;
    paused_ = false;
    use(parse(held(), rules, sink));
    if (ended_ || heldBytes() == 0) release();
    return error_;
  }

  // True when the first byte of a frame has arrived and its type is another.
  bool beginsOtherThan(PacketType type) const { return heldBytes() > 0 && PacketType(held()[0] >> 4) != type; }
  // True when a complete frame waits.
  bool hasFrame() const {
    if (heldBytes() < 2) return false;
    const Varint length = readVarint(held().subspan(1));
    return length.state == Varint::State::complete && heldBytes() >= size_t(1) + length.size + length.value;
  }
  void pause() { paused_ = true; }
  bool paused() const { return paused_; }
  bool ended() const { return ended_; }
  size_t heldBytes() const { return held_.size() - usedHeld_; }
  // Of the heap.
  size_t memoryBytes() const { return held_.capacity(); }
  // The connection has ended: nothing more is accepted, and held data is dropped. Not from within a sink.
  void drop() {
    ended_ = true;
    release();
  }

 private:
  Bytes held() const { return Bytes(held_).subspan(usedHeld_); }
  void hold(Bytes bytes) {
    if (!bytes.empty()) held_.insert(held_.end(), bytes.begin(), bytes.end());
    else if (held_.empty() && held_.capacity() > 0) release();
  }
  // Moves at most as many bytes as were used, and frees their memory.
  void use(size_t bytes) {
    usedHeld_ += bytes;
    if (usedHeld_ == held_.size()) held_.clear();
    else if (usedHeld_ > held_.size() / 2) held_ = std::vector<uint8_t>(held().begin(), held().end());
    else return;
    usedHeld_ = 0;
  }
  void release() {
    freeMemory(held_);
    usedHeld_ = 0;
  }

  // Moves the rest of the incomplete frame from `chunk` into held_; gives the remaining bytes.
  Bytes complete(Bytes chunk) {
    for (;;) {
      const size_t lacking = lackingBytes();
      if (lacking == 0 || chunk.empty()) return chunk;
      const size_t count = lacking < chunk.size() ? lacking : chunk.size();
      held_.insert(held_.end(), chunk.begin(), chunk.begin() + std::ptrdiff_t(count));
      chunk = chunk.subspan(count);
    }
  }

  size_t lackingBytes() const {
    const Varint length = readVarint(held().subspan(1));
    if (length.state == Varint::State::incomplete) return 1;
    if (length.state == Varint::State::malformed) return 0;
    const size_t total = size_t(1) + length.size + length.value;
    return total > heldBytes() ? total - heldBytes() : 0;
  }

  // Gives the number of bytes used; sets paused_, ended_ and error_ on the way.
  template <class Sink>
  size_t parse(Bytes bytes, const FrameRules& rules, Sink& sink) {
    size_t at = 0;
    while (at < bytes.size()) {
      const auto type = PacketType(bytes[at] >> 4);
      if ((rules.types & typeBit(type)) == 0)
        return fail(type == PacketType::reserved ? Reason::malformedPacket : Reason::protocolError, at);
      if (bytes.size() - at < 2) break;
      const Varint length = readVarint(bytes.subspan(at + 1));
      const bool isTooLong = rules.needsMinimalLength && !length.minimal;
      if (length.state == Varint::State::malformed || isTooLong) return fail(Reason::malformedPacket, at);
      if (length.state == Varint::State::incomplete) break;
      const size_t header = size_t(1) + length.size;
      if (header + length.value > rules.bytesMax) return fail(Reason::packetTooLarge, at);
      if (bytes.size() - at < header + length.value) break;
      const Bytes body = bytes.subspan(at + header, length.value);
      // Before a CONNECT the version is not known.
      if (!length.minimal && type == PacketType::connect && isConnectOf5(body)) [[unlikely]]
        return fail(Reason::malformedPacket, at);
      const Flow flow = sink(bytes[at], body);
      if (flow != Flow::hold) at += header + length.value;
      if (flow == Flow::next) continue;
      if (flow == Flow::end) ended_ = true;
      else paused_ = true;
      break;
    }
    return at;
  }

  size_t fail(Reason reason, size_t at) {
    error_ = reason;
    ended_ = true;
    return at;
  }

  std::vector<uint8_t> held_;
  size_t usedHeld_ = 0;
  bool paused_ = false;
  bool ended_ = false;
  Reason error_ = Reason::success;
};

}  // namespace rally
