// PUBLISH from the wire (5.0, 3.3; 3.1.1, 3.3): a view into the received bytes, checked.
#pragma once
#include <vector>

#include "packet.h"
#include "reader.h"
#include "topic.h"

namespace rally {

enum class Property : uint8_t {
  payloadFormatIndicator = 0x01,
  messageExpiryInterval = 0x02,
  contentType = 0x03,
  responseTopic = 0x08,
  correlationData = 0x09,
  subscriptionIdentifier = 0x0b,
  reasonString = 0x1f,
  topicAlias = 0x23,
  userProperty = 0x26,
};

struct Publish {
  uint8_t qos = 0;
  bool duplicate = false;
  bool retain = false;
  uint16_t packetId = 0;
  Bytes topic;
  uint16_t topicAlias = 0;  // 0: none
  bool expires = false;
  uint32_t expirySeconds = 0;
  bool isText = false;  // by its Payload Format Indicator
  uint32_t userProperties = 0;
  Bytes properties;  // as received, without the length
  // The properties forwarded to subscribers unchanged [MQTT-3.3.2-4], [MQTT-3.3.2-15..20] are `properties` less the
  // topic alias and the expiry; true when there is something to take out.
  bool filtersProperties = false;
  Bytes payload;
};

// Reads one property of a PUBLISH into `publish`. `seen` has a bit for each identifier so far.
inline Reason readPublishProperty(Reader& reader, uint64_t& seen, Publish& publish) {
  const uint32_t identifier = reader.varint();
  if (!reader.ok() || identifier > 0x2a) return Reason::malformedPacket;
  const auto property = Property(identifier);
  const uint64_t bit = uint64_t(1) << identifier;
  if ((seen & bit) != 0 && property != Property::userProperty) return Reason::protocolError;
  seen |= bit;
  switch (property) {
    case Property::payloadFormatIndicator: {
      const uint8_t indicator = reader.u8();
      if (indicator > 1) return Reason::protocolError;
      publish.isText = indicator == 1;
      break;
    }
    case Property::messageExpiryInterval:
      publish.expires = true;
      publish.expirySeconds = reader.u32();
      publish.filtersProperties = true;
      break;
    case Property::contentType:
      if (!isUtf8(reader.prefixed())) return Reason::malformedPacket;  // [MQTT-3.3.2-19]
      break;
    case Property::responseTopic: {
      const Bytes topic = reader.prefixed();
      if (!isUtf8(topic)) return Reason::malformedPacket;  // [MQTT-3.3.2-13]
      // [MQTT-3.3.2-14]; no topic name is empty [MQTT-4.7.3-1].
      if (topic.empty() || hasWildcard(topic)) return Reason::malformedPacket;
      break;
    }
    case Property::correlationData: reader.prefixed(); break;
    case Property::topicAlias:
      publish.topicAlias = reader.u16();
      if (reader.ok() && publish.topicAlias == 0) return Reason::topicAliasInvalid;  // [MQTT-3.3.2-8]
      publish.filtersProperties = true;
      break;
    case Property::userProperty:
      publish.userProperties++;
      if (!isUtf8(reader.prefixed()) || !isUtf8(reader.prefixed())) return Reason::malformedPacket;
      break;
    default:  // a subscription identifier may not come from a client [MQTT-3.3.4-6]
      return property == Property::subscriptionIdentifier ? Reason::protocolError : Reason::malformedPacket;
  }
  return reader.ok() ? Reason::success : Reason::malformedPacket;
}

inline Reason readPublishProperties(Reader& reader, Publish& publish) {
  publish.properties = reader.take(reader.varint());
  if (!reader.ok()) return Reason::malformedPacket;
  Reader properties(publish.properties);
  uint64_t seen = 0;
  while (properties.remaining() > 0) {
    const Reason reason = readPublishProperty(properties, seen, publish);
    if (reason != Reason::success) return reason;
  }
  return Reason::success;
}

// Fills `publish` from a frame. The topic name is checked by the caller, which may know it already.
inline Reason readPublish(uint8_t first, Bytes body, uint8_t version, Publish& publish) {
  publish.qos = (first >> 1) & 3;
  publish.duplicate = (first & 8) != 0;
  publish.retain = (first & 1) != 0;
  if (publish.qos == 3) return Reason::malformedPacket;  // [MQTT-3.3.1-4]
  // MQTT 3.1 does not forbid DUP with QoS 0.
  if (version >= 4 && publish.qos == 0 && publish.duplicate) return Reason::malformedPacket;  // [MQTT-3.3.1-2]
  Reader reader(body);
  publish.topic = reader.prefixed();
  if (publish.qos > 0) {
    publish.packetId = reader.u16();
    if (reader.ok() && publish.packetId == 0) return Reason::protocolError;  // [MQTT-2.2.1-3]
  }
  if (!reader.ok()) return Reason::malformedPacket;
  if (version >= mqtt5) {
    const Reason reason = readPublishProperties(reader, publish);
    if (reason != Reason::success) return reason;
  }
  publish.payload = reader.rest();
  return Reason::success;
}

// Appends to `out` the properties that are forwarded to subscribers.
inline void copyForwardedProperties(Bytes properties, std::vector<uint8_t>& out) {
  Reader reader(properties);
  while (reader.remaining() > 0) {
    const size_t start = properties.size() - reader.remaining();
    uint64_t seen = 0;
    Publish ignored;
    const uint8_t identifier = properties[start];
    if (readPublishProperty(reader, seen, ignored) != Reason::success) return;
    const bool forwarded = Property(identifier) != Property::topicAlias &&
                           Property(identifier) != Property::messageExpiryInterval;
    const size_t end = properties.size() - reader.remaining();
    if (forwarded)
      out.insert(out.end(), properties.begin() + std::ptrdiff_t(start), properties.begin() + std::ptrdiff_t(end));
  }
}

}  // namespace rally
