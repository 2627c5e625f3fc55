// The WebSocket side of a client: its upgrade request, frames out (masked) and frames in (RFC 6455).
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "mqtt.h"

namespace load {

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// One key for all frames: the broker does the same work with it, and encoded frames can be patched.
inline constexpr std::array<uint8_t, 4> maskKey{0x5a, 0xc3, 0x1e, 0x96};

inline std::string upgradeRequest(std::string_view host, uint16_t port, std::string_view path) {
  std::string request = "GET ";
  request.append(path).append(" HTTP/1.1\r\nHost: ").append(host).append(":").append(std::to_string(port));
  return request.append(
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: cmFsbHltcS1iZW5jaC1rZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
}

// Appends one masked frame; gives where its payload begins in `out`.
inline size_t appendFrame(Buffer& out, Opcode opcode, Bytes payload) {
  constexpr uint8_t masked = 0x80;
  out.push_back(uint8_t(0x80 | uint8_t(opcode)));
  if (payload.size() < 126) {
    out.push_back(uint8_t(masked | payload.size()));
  } else if (payload.size() <= 0xffff) {
    out.push_back(masked | 126);
    append16(out, payload.size());
  } else {
    out.push_back(masked | 127);
    append32(out, 0);
    append32(out, uint32_t(payload.size()));
  }
  out.insert(out.end(), maskKey.begin(), maskKey.end());
  const size_t begin = out.size();
  out.resize(begin + payload.size());
  for (size_t i = 0; i < payload.size(); i++) out[begin + i] = payload[i] ^ maskKey[i % 4];
  return begin;
}

// Takes the server's frames apart, which may be cut anywhere.
class Unframer {
 public:
  // Moves the payloads of data frames to the front of `bytes` and gives how many bytes they have together.
  size_t unframe(std::span<uint8_t> bytes) {
    size_t taken = 0;
    size_t written = 0;
    while (taken < bytes.size()) {
      if (payloadLeft_ == 0 && !readHeader(bytes, taken)) break;
      const size_t count = size_t(std::min<uint64_t>(payloadLeft_, bytes.size() - taken));
      if (isControl()) {
        control_.insert(control_.end(), bytes.begin() + ptrdiff_t(taken), bytes.begin() + ptrdiff_t(taken + count));
      } else {
        if (written != taken) std::memmove(bytes.data() + written, bytes.data() + taken, count);
        written += count;
      }
      taken += count;
      payloadLeft_ -= count;
      if (payloadLeft_ == 0 && isControl()) endControl();
    }
    return written;
  }

  bool isClosed() const { return isClosed_; }
  // The payload of a ping that wants its pong; gives it once.
  std::optional<Buffer> takePing() { return std::exchange(ping_, std::nullopt); }

 private:
  // False when more bytes are needed.
  bool readHeader(Bytes bytes, size_t& taken) {
    while (taken < bytes.size()) {
      header_[headerBytes_++] = bytes[taken++];
      if (headerBytes_ < 2) continue;
      const uint8_t length = header_[1] & 127;
      const size_t lengthBytes = length == 127 ? 8 : length == 126 ? 2 : 0;
      if (headerBytes_ < 2 + lengthBytes) continue;
      payloadLeft_ = lengthBytes == 0 ? length : 0;
      for (size_t i = 0; i < lengthBytes; i++) payloadLeft_ = payloadLeft_ << 8 | header_[2 + i];
      opcode_ = Opcode(header_[0] & 15);
      headerBytes_ = 0;
      if (payloadLeft_ > 0) return taken < bytes.size();
      if (isControl()) endControl();
    }
    return false;
  }

  bool isControl() const { return uint8_t(opcode_) >= 8; }
  void endControl() {
    if (opcode_ == Opcode::close) isClosed_ = true;
    if (opcode_ == Opcode::ping) ping_ = std::move(control_);
    control_.clear();
  }

  std::array<uint8_t, 10> header_{};
  size_t headerBytes_ = 0;
  uint64_t payloadLeft_ = 0;
  Opcode opcode_ = Opcode::binary;
  bool isClosed_ = false;
  Buffer control_;
  std::optional<Buffer> ping_;
};

}  // namespace load
