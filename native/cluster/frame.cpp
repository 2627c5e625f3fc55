#include "frame.h"

#include "../log/crc32c.h"
#include "../log/encoding.h"

namespace rally::cluster {

namespace {

constexpr uint8_t magic[] = {'R', 'L'};
constexpr size_t crcOffset = FrameHead::bytes - sizeof(uint32_t);

}  // namespace

void FrameHead::write(std::span<uint8_t> frame, uint32_t pieceCrc) const {
  log::Encoder body(frame.first(bytes));
  body.bytes(magic).number(version).number(flags).number(from).number(to).number(uint8_t(channel)).number(uint8_t(0));
  body.number(fromIncarnation).number(toIncarnation).number(number).number(acknowledged);
  for (const uint64_t each : taken) body.number(each);
  body.number(probe).number(answer).number(ageMs);
  body.number(log::crc32c(frame.first(crcOffset), pieceCrc));
}

FrameOutcome FrameHead::read(Bytes frame, FrameHead& head, Bytes& piece) {
  if (frame.size() < bytes || !areEqual(frame.first(sizeof magic), magic)) return FrameOutcome::damaged;
  log::Decoder body(frame.subspan(sizeof magic));
  head.version = body.number<uint8_t>();
  if (head.version < oldestLinkVersion || head.version > linkVersion) return FrameOutcome::foreignVersion;
  head.flags = body.number<uint8_t>();
  head.from = body.number<uint8_t>();
  head.to = body.number<uint8_t>();
  const auto channel = body.number<uint8_t>();
  const auto nothing = body.number<uint8_t>();
  head.fromIncarnation = body.number<uint64_t>();
  head.toIncarnation = body.number<uint64_t>();
  head.number = body.number<uint64_t>();
  head.acknowledged = body.number<uint64_t>();
  for (uint64_t& each : head.taken) each = body.number<uint64_t>();
  head.probe = body.number<uint32_t>();
  head.answer = body.number<uint32_t>();
  head.ageMs = body.number<uint32_t>();
  const auto crc = body.number<uint32_t>();
  piece = frame.subspan(bytes);
  if (crc != log::crc32c(frame.first(crcOffset), log::crc32c(piece))) return FrameOutcome::damaged;
  if (channel >= channels || nothing != 0 || (head.flags & ~wantsMissing) != 0) return FrameOutcome::malformed;
  head.channel = Channel(channel);
  return (head.number == 0) == piece.empty() ? FrameOutcome::taken : FrameOutcome::malformed;
}

}  // namespace rally::cluster
