// PUBLISH to the wire. One publication usually goes to many connections as the same bytes, so everything before the
// payload is encoded once for each of eight forms (without properties, with them, with a topic and its new alias, with
// an alias alone; each with or without packet identifier) and patched for each receiver.
//
//   [first byte][remaining length][topic][packet identifier?][properties? alias?]   | payload
//    patched: QoS, DUP, RETAIN            patched                         patched
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "../messages/delivery.h"
#include "../messages/message.h"
#include "../sessions/outgoing-aliases.h"
#include "publish.h"

namespace rally {

class PublishWriter {
 public:
  // The largest packet that a remaining length can state.
  static constexpr size_t packetBytesMax = 1 + varintBytesMax + varintMax;

  // The encoded beginning of a PUBLISH; the payload follows it. Valid until the next call.
  struct Head {
    std::vector<uint8_t> bytes;  // not set if the packet is larger than packetBytesMax
    size_t packetBytes = 0;      // with the payload
    size_t packetIdAt = 0;
    size_t aliasAt = 0;
    bool isReady = false;

    void patch(uint8_t qos, bool duplicate, bool retain, uint16_t packetId, uint16_t alias) {
      bytes[0] = uint8_t(uint8_t(PacketType::publish) << 4 | (duplicate ? 8 : 0) | qos << 1 | (retain ? 1 : 0));
      if (qos > 0) write(packetIdAt, packetId);
      if (alias != 0) write(aliasAt, alias);
    }

   private:
    void write(size_t at, uint16_t number) {
      bytes[at] = uint8_t(number >> 8);
      bytes[at + 1] = uint8_t(number);
    }
  };

  // Starts on another publication.
  void begin(uint64_t nowMs) {
    nowMs_ = nowMs;
    for (Head& head : heads_) head.isReady = false;
  }

  // This many bytes of the topic are not for the client. After begin(), before head().
  void setHidden(size_t topicBytes) {
    if (topicBytes == hiddenBytes_) return;
    hiddenBytes_ = topicBytes;
    for (Head& head : heads_) head.isReady = false;
  }

  // Only MQTT 5 has aliases.
  Head& head(const Publication& publication, uint8_t version, uint8_t qos, const SubscriptionIds& ids, AliasUse use) {
    const Form form = version < mqtt5  ? Form::plain
                      : use.alias == 0 ? Form::properties
                      : use.isNew      ? Form::newAlias
                                       : Form::alias;
    if (version >= mqtt5 && !ids.isEmpty()) {
      encode(single_, publication, form, qos > 0, ids);
      return single_;
    }
    Head& head = heads_[size_t(form) * 2 + (qos > 0 ? 1 : 0)];
    if (!head.isReady) encode(head, publication, form, qos > 0, {});
    return head;
  }

 private:
  enum class Form : uint8_t { plain, properties, newAlias, alias };
  static constexpr size_t expiryBytes = 5;
  static constexpr size_t aliasBytes = 3;

  void encode(Head& head, const Publication& publication, Form form, bool hasPacketId, const SubscriptionIds& ids) {
    const bool hasProperties = form != Form::plain;
    const bool hasAlias = form == Form::newAlias || form == Form::alias;
    const Bytes topic = form == Form::alias ? Bytes() : publication.topic.subspan(hiddenBytes_);
    size_t properties = publication.properties.size() + (publication.expiresAtMs != 0 ? expiryBytes : 0) +
                        (hasAlias ? aliasBytes : 0);
    ids.each([&](uint32_t id) { properties += 1 + varintSize(id); });
    const size_t behindLength = 2 + topic.size() + (hasPacketId ? 2 : 0) +
                                (hasProperties ? varintSize(uint32_t(properties)) + properties : 0);
    const size_t remaining = behindLength + publication.payload.size();
    const size_t lengthBytes = varintSize(uint32_t(std::min<size_t>(remaining, varintMax)));
    head.packetBytes = 1 + lengthBytes + remaining;
    head.isReady = true;
    if (remaining > varintMax) return;  // a publisher's largest packet, with more properties than it had, or its topic
    head.bytes.resize(1 + lengthBytes + behindLength);
    Octets out{head.bytes.data() + 1};  // patch() writes the first
    writeVarint(out, uint32_t(remaining));
    out.push_back(uint8_t(topic.size() >> 8));
    out.push_back(uint8_t(topic.size()));
    out.append(topic);
    head.packetIdAt = size_t(out.at - head.bytes.data());
    if (hasPacketId) out.at += 2;
    if (hasProperties) {
      writeVarint(out, uint32_t(properties));
      head.aliasAt = size_t(out.at - head.bytes.data()) + 1;
      if (hasAlias) {
        out.push_back(uint8_t(Property::topicAlias));
        out.at += 2;
      }
      encodeProperties(out, publication, ids);
    }
    RALLY_ASSERT(out.at == head.bytes.data() + head.bytes.size());
  }

  // Writes into memory that is large enough.
  struct Octets {
    uint8_t* at;

    void push_back(uint8_t octet) { *at++ = octet; }
    void append(Bytes bytes) {
      if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
      at += bytes.size();
    }
  };

  void encodeProperties(Octets& out, const Publication& publication, const SubscriptionIds& ids) {
    if (publication.expiresAtMs != 0) {
      const uint32_t seconds = secondsLeft(publication.expiresAtMs);
      out.push_back(uint8_t(Property::messageExpiryInterval));
      for (int shift = 24; shift >= 0; shift -= 8) out.push_back(uint8_t(seconds >> shift));
    }
    ids.each([&](uint32_t id) {
      out.push_back(uint8_t(Property::subscriptionIdentifier));
      writeVarint(out, id);
    });
    out.append(publication.properties);
  }

  // The rest of a Message Expiry Interval [MQTT-3.3.2-6]; 0 only when nothing is left. To the nearest second: the turn
  // of the publisher's worker may have begun a few milliseconds after this one, and the interval must not grow by
  // that.
  uint32_t secondsLeft(uint64_t expiresAtMs) const {
    const uint64_t leftMs = expiresAtMs > nowMs_ ? expiresAtMs - nowMs_ : 0;
    const uint64_t seconds = leftMs > 0 && leftMs < 500 ? 1 : (leftMs + 500) / 1000;
    return uint32_t(seconds < UINT32_MAX ? seconds : UINT32_MAX);
  }

  std::array<Head, 8> heads_;
  Head single_;
  uint64_t nowMs_ = 0;
  size_t hiddenBytes_ = 0;
};

}  // namespace rally
