// A text that is usually short: up to `inPlace` bytes are stored in place of the pointer to longer ones.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
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
  explicit ShortTextOf(Bytes text) : size_(Size(text.size())) {
    RALLY_ASSERT(text.size() <= std::numeric_limits<Size>::max());
    if (isLong()) {
      void* block = std::malloc(size_);
      RALLY_ASSERT(block);
      std::memcpy(raw_, &block, sizeof block);
    }
    if (size_ > 0) std::memcpy(isLong() ? block() : raw_, text.data(), size_);
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
// Of any length.
using LongText = ShortTextOf<8, uint32_t>;

}  // namespace rally
