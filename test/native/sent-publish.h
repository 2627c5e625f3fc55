// A PUBLISH as a client sees it: written and read here with nothing of the product.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "octets.h"

struct SentPublish {
  std::string topic = {};
  std::string payload = {};
  uint8_t qos = 0;
  bool duplicate = false;
  bool retain = false;
  uint16_t packetId = 0;
  std::vector<uint32_t> subscriptionIds = {};
  std::optional<uint32_t> expirySeconds = {};
  uint16_t topicAlias = 0;
  Octets otherProperties = {};  // encoded, in order
};

inline void appendVarint(Octets& out, uint32_t value) {
  for (; value >= 128; value /= 128) out.push_back(uint8_t(value % 128 + 128));
  out.push_back(uint8_t(value));
}
inline void appendU16(Octets& out, size_t value) {
  out.push_back(uint8_t(value >> 8));
  out.push_back(uint8_t(value));
}
inline void appendText(Octets& out, const std::string& text) {
  appendU16(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}
inline void appendOctets(Octets& out, const Octets& more) { out.insert(out.end(), more.begin(), more.end()); }

inline Octets frameOf(int first, const Octets& body) {
  Octets out = {uint8_t(first)};
  appendVarint(out, uint32_t(body.size()));
  appendOctets(out, body);
  return out;
}

inline Octets bodyOf(const SentPublish& publish, uint8_t version) {
  Octets body;
  appendText(body, publish.topic);
  if (publish.qos > 0) appendU16(body, publish.packetId);
  if (version >= 5) {
    Octets properties;
    if (publish.topicAlias != 0) {
      properties.push_back(0x23);
      appendU16(properties, publish.topicAlias);
    }
    if (publish.expirySeconds) {
      properties.push_back(0x02);
      appendU16(properties, *publish.expirySeconds >> 16);
      appendU16(properties, *publish.expirySeconds & 0xffff);
    }
    appendOctets(properties, publish.otherProperties);
    appendVarint(body, uint32_t(properties.size()));
    appendOctets(body, properties);
  }
  body.insert(body.end(), publish.payload.begin(), publish.payload.end());
  return body;
}
inline uint8_t firstByteOf(const SentPublish& publish) {
  return uint8_t(0x30 | (publish.duplicate ? 8 : 0) | publish.qos << 1 | (publish.retain ? 1 : 0));
}
inline Octets encode(const SentPublish& publish, uint8_t version) {
  return frameOf(firstByteOf(publish), bodyOf(publish, version));
}

// Nothing when the bytes are not a whole and valid PUBLISH of this version.
inline std::optional<SentPublish> decodePublish(uint8_t first, Bytes body, uint8_t version) {
  SentPublish publish;
  publish.qos = (first >> 1) & 3;
  publish.duplicate = (first & 8) != 0;
  publish.retain = (first & 1) != 0;
  const auto number = [](Bytes& from, size_t size) {
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | from[i];
    from = from.subspan(size);
    return value;
  };
  const auto varint = [](Bytes& from) {
    uint32_t value = 0;
    for (int shift = 0; !from.empty(); shift += 7) {
      const uint8_t byte = from[0];
      from = from.subspan(1);
      value |= uint32_t(byte & 0x7f) << shift;
      if (byte < 128) break;
    }
    return value;
  };
  if (first >> 4 != 3 || publish.qos == 3 || body.size() < 2) return std::nullopt;
  const size_t topicBytes = number(body, 2);
  if (body.size() < topicBytes) return std::nullopt;
  publish.topic = textOf(body.first(topicBytes));
  body = body.subspan(topicBytes);
  if (publish.qos > 0) {
    if (body.size() < 2) return std::nullopt;
    publish.packetId = uint16_t(number(body, 2));
    if (publish.packetId == 0) return std::nullopt;
  }
  if (version >= 5) {
    const size_t size = varint(body);
    if (body.size() < size) return std::nullopt;
    Bytes properties = body.first(size);
    body = body.subspan(size);
    while (!properties.empty()) {
      const Bytes start = properties;
      size_t used = 0;
      switch (number(properties, 1)) {
        case 0x01: used = 1; break;
        case 0x23: publish.topicAlias = uint16_t(number(properties, 2)); continue;
        case 0x02: publish.expirySeconds = number(properties, 4); continue;
        case 0x0b: publish.subscriptionIds.push_back(varint(properties)); continue;
        case 0x03:
        case 0x08:
        case 0x09: used = 2u + properties[0] * 256u + properties[1]; break;
        case 0x26: {
          const size_t name = 2u + properties[0] * 256u + properties[1];
          used = name + 2u + properties[name] * 256u + properties[name + 1];
          break;
        }
        default: return std::nullopt;
      }
      const Octets whole = octetsOf(start.first(1 + used));
      appendOctets(publish.otherProperties, whole);
      properties = properties.subspan(used);
    }
  }
  publish.payload = textOf(body);
  return publish;
}

inline std::string textProperty(uint8_t identifier, const std::string& text) {
  Octets out = {identifier};
  appendText(out, text);
  return textOf(out);
}
