// The encoding of numbers and byte strings in the log: little-endian, without padding, lengths before bytes.
//
// The first read past the end sets a sticky error, after which all reads return zeros and empty spans. Bytes left over
// at the end are skipped: they are fields that a later version has added.
#pragma once
#include <bit>
#include <cstring>
#include <type_traits>

#include "../assert.h"
#include "../structures/bytes.h"

namespace rally::log {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

class Encoder {
 public:
  explicit Encoder(std::span<uint8_t> space) : space_(space) {}

  template <class Number>
  requires std::is_integral_v<Number> Encoder& number(Number value) { return copy(&value, sizeof value); }
  Encoder& bytes(Bytes bytes) { return copy(bytes.data(), bytes.size()); }
  Encoder& short_(Bytes bytes) {
    RALLY_ASSERT(bytes.size() <= 0xffff);
    return number(uint16_t(bytes.size())).bytes(bytes);
  }
  Encoder& long_(Bytes bytes) { return number(uint32_t(bytes.size())).bytes(bytes); }
  bool isFull() const { return space_.empty(); }

 private:
  Encoder& copy(const void* from, size_t count) {
    RALLY_ASSERT(count <= space_.size());
    if (count > 0) std::memcpy(space_.data(), from, count);
    space_ = space_.subspan(count);
    return *this;
  }

  std::span<uint8_t> space_;
};

class Decoder {
 public:
  explicit Decoder(Bytes bytes) : left_(bytes) {}

  bool ok() const { return ok_; }
  bool isEmpty() const { return left_.empty(); }

  template <class Number>
  Number number() {
    Number value = 0;
    const Bytes from = bytes(sizeof value);
    if (ok_) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  Bytes short_() { return bytes(number<uint16_t>()); }
  Bytes long_() { return bytes(number<uint32_t>()); }
  Bytes bytes(size_t count) {
    if (!ok_ || count > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const Bytes taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }

 private:
  Bytes left_;
  bool ok_ = true;
};

}  // namespace rally::log
