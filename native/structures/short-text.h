// A text that is usually short: up to eight bytes are stored in place of the pointer to longer ones.
#pragma once
#include <cstdlib>
#include <cstring>
#include <utility>

#include "../assert.h"
#include "block-bytes.h"
#include "bytes.h"

namespace rally {

class ShortText {
 public:
  ShortText() = default;
  explicit ShortText(Bytes text) : size_(uint16_t(text.size())) {
    if (isLong()) {
      void* block = std::malloc(size_);
      RALLY_ASSERT(block);
      std::memcpy(raw_, &block, sizeof block);
    }
    if (size_ > 0) std::memcpy(isLong() ? block() : raw_, text.data(), size_);
  }
  ShortText(ShortText&& other) noexcept { swap(other); }
  ShortText& operator=(ShortText other) noexcept {
    swap(other);
    return *this;
  }
  ~ShortText() {
    if (isLong()) std::free(block());
  }

  Bytes bytes() const { return {isLong() ? block() : raw_, size_}; }
  // Heap bytes of a text of this length.
  static constexpr size_t costOf(size_t bytes) { return bytes > sizeof raw_ ? blockBytes(bytes) : 0; }

 private:
  bool isLong() const { return size_ > sizeof raw_; }
  uint8_t* block() const {
    uint8_t* block;
    std::memcpy(&block, raw_, sizeof block);
    return block;
  }
  void swap(ShortText& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(size_, other.size_);
  }

  uint8_t raw_[8] = {};
  uint16_t size_ = 0;
};
static_assert(sizeof(ShortText) == 10);

}  // namespace rally
