// A cursor over the bytes of one packet. Every bound is checked here and nowhere else; the first
// read past the end sets a sticky error, after which all reads give zeros and empty spans.
#pragma once
#include "varint.h"

namespace rally {

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return bytes_.size() - at_; }

  uint8_t u8() {
    const Bytes b = take(1);
    return ok_ ? b[0] : 0;
  }
  uint16_t u16() {
    const Bytes b = take(2);
    return ok_ ? uint16_t(b[0] << 8 | b[1]) : 0;
  }
  uint32_t u32() {
    const Bytes b = take(4);
    return ok_ ? uint32_t(b[0]) << 24 | uint32_t(b[1]) << 16 | uint32_t(b[2]) << 8 | b[3] : 0;
  }
  uint32_t varint() {
    const Varint v = readVarint(bytes_.subspan(at_));
    if (v.state != Varint::State::complete || !v.minimal) {
      fail();
      return 0;
    }
    at_ += v.size;
    return v.value;
  }
  // Two bytes of length, then that many bytes: a UTF-8 string or binary data (1.5.4, 1.5.6).
  Bytes prefixed() { return take(u16()); }
  Bytes take(size_t count) {
    if (!ok_ || count > remaining()) {
      fail();
      return {};
    }
    const Bytes taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  Bytes rest() { return take(remaining()); }

 private:
  void fail() {
    ok_ = false;
    at_ = bytes_.size();
  }

  Bytes bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace rally
