#include "link.h"

#include <algorithm>
#include <utility>

#include "../log/crc32c.h"

namespace rally::cluster {

// --- out --------------------------------------------------------------------------------------------

void Link::cut(Channel channel, uint64_t nowMs, FrameSink& sink) {
  Outgoing& out = out_[size_t(channel)];
  if (out.staged.empty() || isBroken_) return;
  size_t start = 0;
  while (start < out.staged.size()) {
    const size_t left = out.staged.size() - start;
    if (credit(channel) < std::min(left, frameBytes)) break;  // no small pieces
    const size_t size = std::min({left, pieceBytesMax, credit(channel)});
    const Bytes piece = Bytes(out.staged).subspan(start, size);
    Sent frame{++lastSent_, channel, log::crc32c(piece), out.stagedSinceMs, {}};
    frame.bytes.reserve(FrameHead::bytes + size);
    frame.bytes.resize(FrameHead::bytes);
    frame.bytes.insert(frame.bytes.end(), piece.begin(), piece.end());
    out.sent += size;
    start += size;
    unacknowledged_.push_back(std::move(frame));
    if (!sendsAgain_) send(unacknowledged_.back(), nowMs, sink);  // otherwise it is sent after the others
  }
  out.staged.erase(out.staged.begin(), out.staged.begin() + std::ptrdiff_t(start));
  out.isLeftOver = !out.staged.empty();
}

void Link::finish(uint64_t nowMs, FrameSink& sink) {
  if (isBroken_) return;
  if (std::exchange(sendsAgain_, false)) {
    for (Sent& frame : unacknowledged_) {
      figures_.framesResent++;
      send(frame, nowMs, sink);
    }
  }
  for (const Channel channel : {Channel::deliveries, Channel::requests}) cut(channel, nowMs, sink);
  if (!hasToTell()) return;
  std::array<uint8_t, FrameHead::bytes> frame;
  write(frame, {}, 0);
  figures_.framesSent++;
  figures_.bytesSent += frame.size();
  sink.onFrame(ends_.peer, frame);
}

void Link::tick() {
  isTellDue_ = isTellDue_ || lastReceived_ != acknowledgedTold_;
  for (const Incoming& in : in_) isTellDue_ = isTellDue_ || in.taken != in.takenTold;
  if (!isWaiting()) {
    quietTicks_ = 0;
    return;
  }
  if (++quietTicks_ < quietTicksMax) return;
  probe_ = std::max<uint32_t>(1, probe_ + 1);
  probedNumber_ = lastSent_;
  isProbeDue_ = true;
}

void Link::reconnect() {
  sendsAgain_ = true;
  wantsMissing_ = true;
}

// Whether something is expected from the other end.
bool Link::isWaiting() const {
  return !unacknowledged_.empty() ||
         std::any_of(out_.begin(), out_.end(), [](const Outgoing& out) { return out.sent != out.taken; });
}

bool Link::hasToTell() const {
  return isTellDue_ || isProbeDue_ || wantsMissing_ || answer_ != 0 ||
         lastReceived_ - acknowledgedTold_ >= untoldFramesMax ||
         std::any_of(in_.begin(), in_.end(),
                     [](const Incoming& in) { return in.taken - in.takenTold >= untoldBytesMax; });
}

void Link::send(Sent& frame, uint64_t nowMs, FrameSink& sink) {
  FrameHead head;
  head.number = frame.number;
  head.channel = frame.channel;
  head.ageMs = uint32_t(std::min<uint64_t>(nowMs - frame.sinceMs, UINT32_MAX));
  write(frame.bytes, head, frame.pieceCrc);
  figures_.framesSent++;
  figures_.bytesSent += frame.bytes.size();
  sink.onFrame(ends_.peer, frame.bytes);
}

// Adds everything that has to be reported.
void Link::write(std::span<uint8_t> frame, FrameHead head, uint32_t pieceCrc) {
  head.flags = std::exchange(wantsMissing_, false) ? uint8_t(FrameHead::wantsMissing) : uint8_t(0);
  head.version = ends_.version;
  head.from = ends_.own;
  head.to = ends_.peer;
  head.fromIncarnation = ends_.ownIncarnation;
  head.toIncarnation = ends_.peerIncarnation;
  head.acknowledged = acknowledgedTold_ = lastReceived_;
  for (size_t i = 0; i < channels; i++) head.taken[i] = in_[i].takenTold = in_[i].taken;
  // A probe covers everything that was sent before it.
  const bool isLast = head.number == 0 || head.number == lastSent_;
  head.probe = isLast && std::exchange(isProbeDue_, false) ? probe_ : 0;
  head.answer = std::exchange(answer_, 0);
  isTellDue_ = false;
  head.write(frame, pieceCrc);
}

// --- in ---------------------------------------------------------------------------------------------

FrameOutcome Link::fail() {
  isBroken_ = true;
  unacknowledged_.clear();
  for (Outgoing& out : out_) out.staged.clear();
  for (Incoming& in : in_) in.partial.clear();
  return FrameOutcome::malformed;
}

// Whether the frame's piece is the next one. Processes everything else that the frame reports.
FrameOutcome Link::note(const FrameHead& head, Bytes piece) {
  if (isBroken_) return FrameOutcome::malformed;
  figures_.framesReceived++;
  figures_.bytesReceived += FrameHead::bytes + piece.size();
  if (head.acknowledged > lastSent_) return fail();
  for (size_t i = 0; i < channels; i++) {
    if (head.taken[i] > out_[i].sent) return fail();
    if (head.taken[i] > out_[i].taken) quietTicks_ = 0;
    out_[i].taken = std::max(out_[i].taken, head.taken[i]);
  }
  while (!unacknowledged_.empty() && unacknowledged_.front().number <= head.acknowledged) {
    unacknowledged_.pop_front();
    quietTicks_ = 0;
  }
  if (head.probe != 0) answer_ = head.probe;
  const bool isLost = head.answer != 0 && head.answer == probe_ && !unacknowledged_.empty() &&
                      unacknowledged_.front().number <= probedNumber_;
  if (isLost || (head.flags & FrameHead::wantsMissing) != 0) sendsAgain_ = !unacknowledged_.empty();

  if (head.number == 0) return FrameOutcome::taken;
  if (head.number <= lastReceived_) {
    isTellDue_ = true;
    return FrameOutcome::repeated;
  }
  if (head.number > lastReceived_ + 1) {
    if (askedBehind_ != lastReceived_) wantsMissing_ = true;
    askedBehind_ = lastReceived_;
    return FrameOutcome::early;
  }
  const Incoming& in = in_[size_t(head.channel)];
  if (in.received + piece.size() - in.taken > windowBytes) return fail();
  lastReceived_++;
  return FrameOutcome::taken;
}

LinkFigures Link::figures(uint64_t nowMs) const {
  LinkFigures figures = figures_;
  uint64_t sinceMs = unacknowledged_.empty() ? nowMs : unacknowledged_.front().sinceMs;
  for (const Sent& frame : unacknowledged_) figures.waitingBytes += frame.bytes.size();
  for (const Outgoing& out : out_) {
    figures.waitingBytes += out.staged.size();
    if (!out.staged.empty()) sinceMs = std::min(sinceMs, out.stagedSinceMs);
  }
  figures.waitingMs = nowMs - sinceMs;
  return figures;
}

}  // namespace rally::cluster
