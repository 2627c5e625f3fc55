// A text that is usually short: up to `inPlace` bytes are stored in place of the pointer to longer ones.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <utility>

#include "../assert.h"
#include "block-bytes.h"
#include "bytes.h"

namespace rally {

// `Size`: of the length.
template <size_t inPlace, class Size = uint16_t>
class ShortTextOf {
  static_assert(inPlace >= sizeof(void*));

 public:
  ShortTextOf() = default;
  explicit ShortTextOf(Bytes text) : ShortTextOf(std::initializer_list<Bytes>{text}) {}
  // The texts one after another.
  explicit ShortTextOf(std::initializer_list<Bytes> texts) {
    size_t size = 0;
    for (const Bytes text : texts) size += text.size();
    RALLY_ASSERT(size <= std::numeric_limits<Size>::max());
    size_ = Size(size);
    if (isLong()) {
      void* block = std::malloc(size_);
      RALLY_ASSERT(block);
      std::memcpy(raw_, &block, sizeof block);
    }
    uint8_t* to = isLong() ? block() : raw_;
    for (const Bytes text : texts) to = std::copy(text.begin(), text.end(), to);
  }
  ShortTextOf(ShortTextOf&& other) noexcept { swap(other); }
  ShortTextOf& operator=(ShortTextOf other) noexcept {
    swap(other);
    return *this;
  }
  ~ShortTextOf() {
    if (isLong()) std::free(block());
  }

  Bytes bytes() const { return {isLong() ? block() : raw_, size_}; }
  // Heap bytes of a text of this length.
  static constexpr size_t costOf(size_t bytes) { return bytes > inPlace ? blockBytes(bytes) : 0; }

 private:
  bool isLong() const { return size_ > inPlace; }
  uint8_t* block() const {
    uint8_t* block;
    std::memcpy(&block, raw_, sizeof block);
    return block;
  }
  void swap(ShortTextOf& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(size_, other.size_);
  }

  uint8_t raw_[inPlace] = {};
  Size size_ = 0;
};

using ShortText = ShortTextOf<8>;
static_assert(sizeof(ShortText) == 10);
// Most client identifiers, and many topic filters, are in place.
using NameText = ShortTextOf<22>;
static_assert(sizeof(NameText) == 24);

}  // namespace rally
