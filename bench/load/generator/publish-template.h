// A PUBLISH that is encoded once and patched for each message: in the WebSocket frame, if there is one,
// with its mask applied.
//
//   [frame header, mask key] [first byte, length, topic, packet identifier?, properties] [stamp | filling]
//                                                   patched                              patched
#pragma once
#include "payload.h"
#include "websocket.h"

namespace load {

class PublishTemplate {
 public:
  struct Terms {
    uint8_t version;
    uint8_t qos;
    bool retain;
    size_t payloadBytes;
    bool isWebSocket;
  };

  PublishTemplate(const Terms& terms, std::string_view topic, uint32_t stream)
      : isMasked_(terms.isWebSocket), hasPacketId_(terms.qos > 0), stream_(stream) {
    const Buffer payload = payloadOf({}, terms.payloadBytes);
    const Buffer packet = publishPacket(terms.version, topic, terms.qos, terms.retain, payload);
    if (isMasked_) packetAt_ = appendFrame(bytes_, Opcode::binary, packet);
    else bytes_ = packet;
    stampAt_ = packet.size() - payload.size();
    packetIdAt_ = stampAt_ - (terms.version == version5 ? 1 : 0) - 2;
  }

  size_t size() const { return bytes_.size(); }

  void write(uint8_t* out, uint16_t packetId, uint64_t atNs, uint32_t sequence) const {
    std::memcpy(out, bytes_.data(), bytes_.size());
    const Stamp stamp{atNs, stream_, sequence};
    patch(out, stampAt_, &stamp, stampBytes);
    const uint8_t id[2] = {uint8_t(packetId >> 8), uint8_t(packetId)};
    if (hasPacketId_) patch(out, packetIdAt_, id, sizeof id);
  }

 private:
  // `at`: within the packet, where the mask begins to count.
  void patch(uint8_t* out, size_t at, const void* value, size_t size) const {
    const auto* bytes = static_cast<const uint8_t*>(value);
    for (size_t i = 0; i < size; i++) out[packetAt_ + at + i] = isMasked_ ? bytes[i] ^ maskKey[(at + i) % 4] : bytes[i];
  }

  const bool isMasked_;
  const bool hasPacketId_;
  const uint32_t stream_;
  Buffer bytes_;
  size_t packetAt_ = 0;
  size_t packetIdAt_ = 0;
  size_t stampAt_ = 0;
};

}  // namespace load
