// native/wire/acknowledgement.h: any body is refused with a reason or read; what is written reads back.
#include "fuzz.h"

#include "../../native/wire/acknowledgement.h"

using namespace rally;

FUZZ("acknowledgement") {
  const auto version = uint8_t(input.between(3, 5));
  const auto type = PacketType(input.between(4, 7));
  const uint8_t flags = input.chance(90) ? (type == PacketType::pubrel ? 2 : 0) : uint8_t(input.below(16));
  const Exact body{input.rest()};
  const Bytes bytes(body);
  Acknowledgement ack;
  const Reason reason = readAcknowledgement(uint8_t(uint8_t(type) << 4 | flags), body, version, ack);
  if (reason != Reason::success) {
    CHECK(isError(reason));
    return;
  }
  CHECK_EQ(ack.packetId, bytes[0] << 8 | bytes[1]);
  CHECK(ack.packetId != 0);
  CHECK_EQ(ack.reason, bytes.size() > 2 ? bytes[2] : 0);
  CHECK(isAcknowledgementReason(type, uint8_t(ack.reason)));
  CHECK(version == 5 || bytes.size() == 2);
  const AcknowledgementFrame frame = writeAcknowledgement(type, ack.packetId, ack.reason, version);
  const Bytes written = frame;
  CHECK_EQ(written[1], written.size() - 2);
  Acknowledgement again;
  CHECK_EQ(readAcknowledgement(written[0], Exact(written.subspan(2)), version, again), Reason::success);
  CHECK(again.packetId == ack.packetId && again.reason == ack.reason);
  const bool isRefusal = version == 5 && isError(ack.reason) &&
                         (type == PacketType::puback || type == PacketType::pubrec);
  if (!isRefusal) return;
  const Octets refusal = writeRefusal(type, ack.packetId, ack.reason, refusalSentence(ack.reason));
  CHECK_EQ(refusal[1], refusal.size() - 2);
  CHECK_EQ(readAcknowledgement(refusal[0], Exact(Bytes(refusal).subspan(2)), version, again), Reason::success);
  CHECK(again.packetId == ack.packetId && again.reason == ack.reason);
}
