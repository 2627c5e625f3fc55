// Server-side WebSocket framing (RFC 6455, 5). A client's frames are masked and carry a stream of MQTT, in which frame
// boundaries mean nothing. So the payloads of a chunk are unmasked and compacted in place, and the data plane sees one
// contiguous run of bytes.
//
//   chunk in    [head|mask|payload][head|mask|payload][head|ma
//   chunk out   [payload][payload]
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "../wire/utf8.h"

namespace rally {

enum class WebSocketOpcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Status codes of a Close frame (RFC 6455, 7.4.1).
enum class WebSocketClose : uint16_t {
  none = 0,
  normal = 1000,
  protocolError = 1002,
  unsupportedData = 1003,
  invalidPayload = 1007,
};

constexpr size_t webSocketControlBytesMax = 125;
constexpr size_t webSocketHeadBytesMax = 10;
using WebSocketHead = std::array<uint8_t, webSocketHeadBytesMax>;

// The head of a complete message in one unmasked frame; returns its size.
inline size_t writeWebSocketHead(WebSocketHead& head, WebSocketOpcode opcode, uint64_t payloadBytes) {
  head[0] = uint8_t(0x80 | uint8_t(opcode));
  const size_t lengthBytes = payloadBytes <= webSocketControlBytesMax ? 0 : payloadBytes <= UINT16_MAX ? 2 : 8;
  head[1] = lengthBytes == 0 ? uint8_t(payloadBytes) : lengthBytes == 2 ? 126 : 127;
  for (size_t i = 0; i < lengthBytes; i++) head[2 + i] = uint8_t(payloadBytes >> 8 * (lengthBytes - 1 - i));
  return 2 + lengthBytes;
}

class WebSocketReader {
 public:
  struct Result {
    size_t payloadBytes;   // at the beginning of the chunk
    WebSocketClose close;  // none, or the code to close with: the stream is over
    bool isFromClient;     // the client has sent a Close frame
  };

  // Takes the next bytes of the stream. `onControl(opcode, payload)` is called for each Ping and Pong.
  template <class OnControl>
  Result read(std::span<uint8_t> chunk, OnControl&& onControl) {
    size_t at = 0;   // bytes read
    size_t end = 0;  // of the compacted payload
    while (close_ == WebSocketClose::none) {
      if (!isInFrame_) {
        at += readHead(chunk.subspan(at));
        if (!isInFrame_) break;
      }
      const size_t count = size_t(std::min<uint64_t>(remaining_, chunk.size() - at));
      if (isControl(opcode_)) {
        const size_t before = control_.size();
        control_.resize(before + count);
        unmask(std::span(control_).subspan(before), chunk.subspan(at, count));
      } else {
        unmask(chunk.subspan(end, count), chunk.subspan(at, count));
        end += count;
      }
      at += count;
      remaining_ -= count;
      if (remaining_ != 0) break;
      isInFrame_ = false;
      if (isControl(opcode_)) endControl(onControl);
    }
    return {end, close_, isClosedByClient_};
  }

 private:
  static constexpr size_t headBytesMax = 14;

  static bool isControl(WebSocketOpcode opcode) { return uint8_t(opcode) >= 8; }

  // Size of the head that begins with these two bytes: length, then mask.
  static size_t headBytesOf(uint8_t second) {
    const uint8_t length = second & 0x7f;
    return size_t(2) + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
  }

  // Returns the number of bytes used; sets isInFrame_ when the head is complete and valid.
  size_t readHead(Bytes bytes) {
    if (headBytes_ == 0 && bytes.size() >= 2) {
      const size_t size = headBytesOf(bytes[1]);
      if (bytes.size() >= size) {
        if (!mayBegin(bytes[0], bytes[1])) return 0;
        beginFrame(bytes.first(size));
        return size;
      }
    }
    size_t used = 0;
    while (used < bytes.size()) {
      head_[headBytes_++] = bytes[used++];
      if (headBytes_ == 2 && !mayBegin(head_[0], head_[1])) break;
      if (headBytes_ < 2 || headBytes_ < headBytesOf(head_[1])) continue;
      beginFrame(Bytes(head_).first(headBytes_));
      headBytes_ = 0;
      break;
    }
    return used;
  }

  // Whether a frame may begin with these two bytes, which contain everything but its length: refuses an invalid frame
  // as soon as possible.
  bool mayBegin(uint8_t first, uint8_t second) {
    const bool isFinal = (first & 0x80) != 0;
    const bool isMasked = (second & 0x80) != 0;
    const uint8_t reserved = first & 0x70;
    opcode_ = WebSocketOpcode(first & 0x0f);
    remaining_ = second & 0x7f;
    close_ = isMasked && reserved == 0 ? follow(isFinal) : WebSocketClose::protocolError;
    return close_ == WebSocketClose::none;
  }

  void beginFrame(Bytes head) {
    const size_t maskAt = head.size() - 4;
    remaining_ = head[1] & 0x7f;
    if (maskAt > 2) {
      remaining_ = 0;
      for (size_t i = 2; i < maskAt; i++) remaining_ = remaining_ << 8 | head[i];
    }
    const bool isMinimal = maskAt == 2 || remaining_ > (maskAt == 4 ? webSocketControlBytesMax : size_t(UINT16_MAX));
    if (!isMinimal || remaining_ >> 63 != 0) close_ = WebSocketClose::protocolError;
    std::memcpy(&mask_, head.data() + maskAt, sizeof mask_);
    isInFrame_ = close_ == WebSocketClose::none;
  }

  // The valid order of frames (5.4, 5.5).
  WebSocketClose follow(bool isFinal) {
    switch (opcode_) {
      case WebSocketOpcode::continuation:
        if (!isInMessage_) return WebSocketClose::protocolError;
        break;
      case WebSocketOpcode::text:
        return isInMessage_ ? WebSocketClose::protocolError : WebSocketClose::unsupportedData;  // [MQTT-6.0.0-1]
      case WebSocketOpcode::binary:
        if (isInMessage_) return WebSocketClose::protocolError;
        break;
      case WebSocketOpcode::close:
      case WebSocketOpcode::ping:
      case WebSocketOpcode::pong:
        return isFinal && remaining_ <= webSocketControlBytesMax ? WebSocketClose::none : WebSocketClose::protocolError;
      default: return WebSocketClose::protocolError;
    }
    isInMessage_ = !isFinal;
    return WebSocketClose::none;
  }

  template <class OnControl>
  void endControl(OnControl& onControl) {
    const std::vector<uint8_t> payload = std::exchange(control_, {});
    isClosedByClient_ = opcode_ == WebSocketOpcode::close;
    if (isClosedByClient_) close_ = closeOf(payload);
    else onControl(opcode_, Bytes(payload));
  }

  // The answer to a Close frame: a code that the client may send is echoed (5.5.1), if the reason is valid text.
  static WebSocketClose closeOf(Bytes payload) {
    if (payload.empty()) return WebSocketClose::normal;
    if (payload.size() == 1) return WebSocketClose::protocolError;
    const unsigned code = unsigned(payload[0]) << 8 | payload[1];
    const bool isDefined = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                           (code >= 3000 && code <= 4999);
    if (!isDefined) return WebSocketClose::protocolError;
    return isUtf8Payload(payload.subspan(2)) ? WebSocketClose(code) : WebSocketClose::invalidPayload;
  }

  // `to` may overlap `from` if it begins no later: each block is loaded before it is stored.
  void unmask(std::span<uint8_t> to, Bytes from) {
    const uint64_t wide = mask_ | uint64_t(mask_) << 32;
    size_t i = 0;
    for (; i + 32 <= from.size(); i += 32) {
      std::array<uint64_t, 4> block;
      std::memcpy(block.data(), from.data() + i, sizeof block);
      for (uint64_t& word : block) word ^= wide;
      std::memcpy(to.data() + i, block.data(), sizeof block);
    }
    for (; i + 8 <= from.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, from.data() + i, sizeof word);
      word ^= wide;
      std::memcpy(to.data() + i, &word, sizeof word);
    }
    for (; i < from.size(); i++) {
      to[i] = from[i] ^ uint8_t(mask_);
      mask_ = mask_ >> 8 | mask_ << 24;
    }
  }

  uint64_t remaining_ = 0;  // payload bytes of the frame still to come
  uint32_t mask_ = 0;       // the lowest byte applies to the next payload byte
  WebSocketOpcode opcode_ = WebSocketOpcode::continuation;
  bool isInFrame_ = false;    // after a head
  bool isInMessage_ = false;  // between the fragments of a message
  uint8_t headBytes_ = 0;
  std::array<uint8_t, headBytesMax> head_{};  // the beginning of a head
  WebSocketClose close_ = WebSocketClose::none;
  bool isClosedByClient_ = false;
  std::vector<uint8_t> control_;  // the payload of a control frame
};

}  // namespace rally
