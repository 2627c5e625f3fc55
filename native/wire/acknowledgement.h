// PUBACK, PUBREC, PUBREL and PUBCOMP (5.0, 3.4 to 3.7): the same four shapes in both directions.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "publish.h"

namespace rally {

struct Acknowledgement {
  uint16_t packetId = 0;
  Reason reason = Reason::success;
};

// The reason codes that a client may send in each packet (5.0, 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1).
inline bool isAcknowledgementReason(PacketType type, uint8_t reason) {
  if (reason == 0) return true;
  if (type == PacketType::pubrel || type == PacketType::pubcomp) return reason == 0x92;
  constexpr std::array<uint8_t, 8> reasons = {0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
  for (const uint8_t known : reasons) {
    if (reason == known) return true;
  }
  return false;
}

inline Reason readAcknowledgementProperties(Reader& reader) {
  Reader properties(reader.take(reader.varint()));
  if (!reader.ok() || reader.remaining() > 0) return Reason::malformedPacket;
  bool hasReasonString = false;
  while (properties.remaining() > 0) {
    const auto property = Property(properties.u8());
    if (property == Property::reasonString) {
      if (hasReasonString) return Reason::protocolError;
      hasReasonString = true;
      if (!isUtf8(properties.prefixed())) return Reason::malformedPacket;
    } else if (property == Property::userProperty) {
      if (!isUtf8(properties.prefixed()) || !isUtf8(properties.prefixed())) return Reason::malformedPacket;
    } else {
      return Reason::malformedPacket;
    }
    if (!properties.ok()) return Reason::malformedPacket;
  }
  return Reason::success;
}

inline Reason readAcknowledgement(uint8_t first, Bytes body, uint8_t version, Acknowledgement& out) {
  const auto type = PacketType(first >> 4);
  const uint8_t flags = type == PacketType::pubrel ? 2 : 0;
  // In MQTT 3.1 the flags of a PUBREL carry DUP and QoS and are not reserved.
  if (version >= 4 && (first & 0x0f) != flags) return Reason::malformedPacket;  // [MQTT-3.6.1-1]
  if (body.size() < 2) return Reason::malformedPacket;
  out.packetId = uint16_t(body[0] << 8 | body[1]);
  if (out.packetId == 0) return Reason::protocolError;
  if (body.size() == 2) return Reason::success;
  if (version < mqtt5) return Reason::malformedPacket;
  Reader reader(body.subspan(2));
  const uint8_t reason = reader.u8();
  if (!isAcknowledgementReason(type, reason)) return Reason::protocolError;
  out.reason = Reason(reason);
  return reader.remaining() == 0 ? Reason::success : readAcknowledgementProperties(reader);
}

// The frame: four bytes, or five with a reason other than success in MQTT 5.
struct AcknowledgementFrame {
  std::array<uint8_t, 5> bytes;
  uint8_t size;
  operator Bytes() const { return Bytes(bytes.data(), size); }
};

inline AcknowledgementFrame writeAcknowledgement(PacketType type, uint16_t packetId, Reason reason, uint8_t version) {
  const bool hasReason = version >= mqtt5 && reason != Reason::success;
  const uint8_t flags = type == PacketType::pubrel ? 2 : 0;
  return {{uint8_t(uint8_t(type) << 4 | flags), uint8_t(hasReason ? 3 : 2), uint8_t(packetId >> 8), uint8_t(packetId),
           uint8_t(reason)},
          uint8_t(hasReason ? 5 : 4)};
}

// Why a message was refused, as a sentence; empty if the reason code says it all.
inline std::string_view refusalSentence(Reason reason) {
  switch (reason) {
    case Reason::notAuthorized: return "The client may not publish to this topic.";
    case Reason::quotaExceeded:
      return "No room to store or retain the message, or more user properties than the broker accepts.";
    case Reason::payloadFormatInvalid:
      return "The payload is not UTF-8, although its Payload Format Indicator says so.";
    default: return {};
  }
}

// A PUBACK or PUBREC of MQTT 5 with a Reason String of at most 100 bytes (5.0, 3.4.2.2).
inline std::vector<uint8_t> writeRefusal(PacketType type, uint16_t packetId, Reason reason, std::string_view sentence) {
  const auto size = uint8_t(sentence.size());
  std::vector<uint8_t> frame{uint8_t(uint8_t(type) << 4),
                             uint8_t(size + 7),
                             uint8_t(packetId >> 8),
                             uint8_t(packetId),
                             uint8_t(reason),
                             uint8_t(size + 3),
                             uint8_t(Property::reasonString),
                             0,
                             size};
  frame.insert(frame.end(), sentence.begin(), sentence.end());
  return frame;
}

}  // namespace rally
