// The packets of MQTT 3.1.1 and 5.0 that a load needs. Written apart from the broker's own codec, so that a
// mistake in one shows in the other.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace load {

using Bytes = std::span<const uint8_t>;
using Buffer = std::vector<uint8_t>;

enum class Packet : uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,
};

inline constexpr uint8_t version5 = 5;
// Reason codes from here on are errors.
inline constexpr uint8_t firstError = 0x80;

inline void append16(Buffer& out, size_t value) {
  out.push_back(uint8_t(value >> 8));
  out.push_back(uint8_t(value));
}

inline void append32(Buffer& out, uint32_t value) {
  append16(out, value >> 16);
  append16(out, value & 0xffff);
}

inline void appendVarint(Buffer& out, size_t value) {
  for (; value >= 128; value /= 128) out.push_back(uint8_t(value % 128 + 128));
  out.push_back(uint8_t(value));
}

inline void appendText(Buffer& out, std::string_view text) {
  append16(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

inline Buffer packetOf(Packet type, uint8_t flags, const Buffer& body) {
  Buffer packet{uint8_t(uint8_t(type) << 4 | flags)};
  appendVarint(packet, body.size());
  packet.insert(packet.end(), body.begin(), body.end());
  return packet;
}

struct ConnectTerms {
  uint8_t version = version5;
  std::string clientId;
  bool isClean = true;
  uint32_t expirySeconds = 0;  // of the session; MQTT 5 alone
};

inline Buffer connectPacket(const ConnectTerms& terms) {
  Buffer body;
  appendText(body, "MQTT");
  body.push_back(terms.version);
  body.push_back(terms.isClean ? 2 : 0);
  append16(body, 0);  // no keep alive: a generator under full load must not look dead
  if (terms.version == version5) {
    Buffer properties{0x21};  // Receive Maximum
    append16(properties, 65'535);
    if (terms.expirySeconds != 0) {
      properties.push_back(0x11);
      append32(properties, terms.expirySeconds);
    }
    appendVarint(body, properties.size());
    body.insert(body.end(), properties.begin(), properties.end());
  }
  appendText(body, terms.clientId);
  return packetOf(Packet::connect, 0, body);
}

inline Buffer subscribePacket(uint8_t version, uint16_t packetId, std::span<const std::string> filters, uint8_t qos) {
  Buffer body;
  append16(body, packetId);
  if (version == version5) body.push_back(0);
  for (const std::string& filter : filters) {
    appendText(body, filter);
    body.push_back(qos);
  }
  return packetOf(Packet::subscribe, 2, body);
}

inline Buffer unsubscribePacket(uint8_t version, uint16_t packetId, std::span<const std::string> filters) {
  Buffer body;
  append16(body, packetId);
  if (version == version5) body.push_back(0);
  for (const std::string& filter : filters) appendText(body, filter);
  return packetOf(Packet::unsubscribe, 2, body);
}

inline Buffer publishPacket(uint8_t version, std::string_view topic, uint8_t qos, bool retain, Bytes payload) {
  Buffer body;
  appendText(body, topic);
  if (qos > 0) append16(body, 1);
  if (version == version5) body.push_back(0);
  body.insert(body.end(), payload.begin(), payload.end());
  return packetOf(Packet::publish, uint8_t(qos << 1 | (retain ? 1 : 0)), body);
}

// PUBACK, PUBREC, PUBREL or PUBCOMP.
inline std::array<uint8_t, 4> acknowledgement(Packet type, uint16_t packetId) {
  const uint8_t flags = type == Packet::pubrel ? 2 : 0;
  return {uint8_t(uint8_t(type) << 4 | flags), 2, uint8_t(packetId >> 8), uint8_t(packetId)};
}

inline constexpr std::array<uint8_t, 2> disconnectPacket{uint8_t(Packet::disconnect) << 4, 0};

inline std::optional<uint16_t> read16(Bytes bytes, size_t at = 0) {
  if (bytes.size() < at + 2) return std::nullopt;
  return uint16_t(bytes[at] << 8 | bytes[at + 1]);
}

struct Varint {
  size_t value = 0;
  size_t size = 0;  // in bytes; 0: incomplete, or longer than allowed
};

inline Varint readVarint(Bytes bytes) {
  size_t value = 0;
  for (size_t i = 0; i < 4 && i < bytes.size(); i++) {
    value |= size_t(bytes[i] & 127) << (7 * i);
    if (bytes[i] < 128) return {value, i + 1};
  }
  return {};
}

struct Frame {
  uint8_t first = 0;
  Bytes body;
  size_t size = 0;  // with its header; 0: not complete
  Packet type() const { return Packet(first >> 4); }
};

inline Frame firstFrame(Bytes bytes) {
  if (bytes.size() < 2) return {};
  const Varint length = readVarint(bytes.subspan(1));
  if (length.size == 0 || bytes.size() < 1 + length.size + length.value) return {};
  return {bytes[0], bytes.subspan(1 + length.size, length.value), 1 + length.size + length.value};
}

struct ReceivedPublish {
  uint8_t qos = 0;
  bool isDuplicate = false;  // DUP: may have been sent before
  uint16_t packetId = 0;
  Bytes payload;
};

// Nothing if the frame is too short for what it says.
inline std::optional<ReceivedPublish> readPublish(const Frame& frame, uint8_t version) {
  ReceivedPublish publish;
  publish.qos = uint8_t(frame.first >> 1 & 3);
  publish.isDuplicate = (frame.first & 8) != 0;
  const auto topicBytes = read16(frame.body);
  if (!topicBytes || frame.body.size() < 2u + *topicBytes) return std::nullopt;
  Bytes rest = frame.body.subspan(2u + *topicBytes);
  if (publish.qos > 0) {
    const auto packetId = read16(rest);
    if (!packetId) return std::nullopt;
    publish.packetId = *packetId;
    rest = rest.subspan(2);
  }
  if (version == version5) {
    const Varint properties = readVarint(rest);
    if (properties.size == 0 || rest.size() < properties.size + properties.value) return std::nullopt;
    rest = rest.subspan(properties.size + properties.value);
  }
  publish.payload = rest;
  return publish;
}

// Receive Maximum of a CONNACK (5.0, 3.2.2.3.3), which is where properties of other kinds may stand before it.
inline uint16_t receiveMaximumOf(Bytes connackBody) {
  constexpr uint16_t byDefault = 65'535;
  if (connackBody.size() < 3) return byDefault;
  const Varint length = readVarint(connackBody.subspan(2));
  if (connackBody.size() < 2 + length.size + length.value) return byDefault;
  Bytes rest = connackBody.subspan(2 + length.size, length.value);
  while (!rest.empty()) {
    const uint8_t identifier = rest[0];
    if (identifier == 0x21) return read16(rest, 1).value_or(byDefault);
    size_t size = 0;
    switch (identifier) {
      case 0x24:
      case 0x25:
      case 0x28:
      case 0x29:
      case 0x2a: size = 2; break;
      case 0x13:
      case 0x22: size = 3; break;
      case 0x11:
      case 0x27: size = 5; break;
      case 0x26: {
        const size_t name = read16(rest, 1).value_or(0);
        size = 5 + name + read16(rest, 3 + name).value_or(0);
        break;
      }
      default: size = 3u + read16(rest, 1).value_or(0);  // text
    }
    if (size > rest.size()) return byDefault;
    rest = rest.subspan(size);
  }
  return byDefault;
}

}  // namespace load
