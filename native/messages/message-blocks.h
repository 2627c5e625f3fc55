// Blocks of memory of short messages that a worker has done with, for the next ones: malloc() takes a detour for more
// than a few of a size, which costs as much as the rest of what a kept message costs.
//
//   first_[ size / 16 ] -> block -> block      each begins with the next one
//
// Messages are of any thread, and so are blocks: they are malloc()'s.
#pragma once
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "../structures/bytes.h"

namespace rally {

class MessageBlocks {
 public:
  MessageBlocks() = default;
  MessageBlocks(const MessageBlocks&) = delete;
  MessageBlocks& operator=(const MessageBlocks&) = delete;
  ~MessageBlocks() { clear(); }

  // A new block, of malloc(). Those that may be taken again have all the room of their size.
  static void* make(size_t bytes) {
    const size_t size = heapBytes(bytes);
    return std::malloc(size > sizeMax ? bytes : size - heapHeadBytes);
  }

  // A block of at least this many bytes, or nullptr.
  void* take(size_t bytes) {
    const size_t size = heapBytes(bytes);
    if (size > sizeMax || !first_[size / step]) return nullptr;
    void* const block = first_[size / step];
    std::memcpy(&first_[size / step], block, sizeof(void*));
    bytes_ -= size;
    return block;
  }

  // Frees the block or keeps it. `size`: as malloc() counts, and so as take() does (heapBytes()); 0: not known.
  void put(void* block, size_t size) {
    if (size == 0 || size > sizeMax || bytes_ + size > bytesMax) {
      std::free(block);
      return;
    }
    std::memcpy(block, &first_[size / step], sizeof(void*));
    first_[size / step] = block;
    bytes_ += size;
  }

  void clear() {
    for (void*& first : first_) {
      while (first) {
        void* next = nullptr;
        std::memcpy(&next, first, sizeof next);
        std::free(std::exchange(first, next));
      }
    }
    bytes_ = 0;
  }

 private:
  static constexpr size_t step = 16;  // of malloc()
  static constexpr size_t sizeMax = 512;
  // Of some hundred short messages in flight.
  static constexpr size_t bytesMax = 65'536;

  std::array<void*, sizeMax / step + 1> first_{};
  size_t bytes_ = 0;
};

}  // namespace rally
