// The memory of all outboxes of a worker: one reserved range of address space, cut into chunks of two
// sizes, so that JavaScript can see any outgoing bytes through a single ArrayBuffer without a copy.
//
//   range: [block 0: 16 KiB][block 1: 16 x 1 KiB][block 2: 16 KiB] ...
//
// A chunk is named by its first KiB ("unit"). Pages cost nothing until they are written. Blocks are
// taken in order of address and reused newest first, which keeps the hot ones in the cache.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace rally {

class Arena {
 public:
  static constexpr uint32_t none = UINT32_MAX;
  static constexpr uint32_t smallBytes = 1024;
  static constexpr uint32_t largeBytes = 16 * smallBytes;

  struct Chunk {
    uint32_t next;      // of the same outbox, or none
    uint16_t used;      // bytes
    bool isLarge;
  };
  static_assert(largeBytes <= UINT16_MAX);

  explicit Arena(size_t bytes) : size_(bytes / largeBytes * largeBytes) {
    range_ = static_cast<uint8_t*>(reserve(size_));
    chunks_ = static_cast<Chunk*>(reserve(units() * sizeof(Chunk)));
  }
  ~Arena() {
    munmap(range_, size_);
    munmap(chunks_, units() * sizeof(Chunk));
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  uint8_t* range() const { return range_; }
  size_t size() const { return size_; }
  size_t usedBytes() const { return used_; }
  // True when `bytes` more certainly fit, whichever chunks they take.
  bool hasRoom(size_t bytes) const { return used_ + bytes + 2 * largeBytes <= size_; }

  Chunk& chunk(uint32_t unit) { return chunks_[unit]; }
  uint8_t* bytes(uint32_t unit) const { return range_ + size_t(unit) * smallBytes; }
  uint32_t capacity(uint32_t unit) const { return chunks_[unit].isLarge ? largeBytes : smallBytes; }

  // A chunk, or none when the arena is full.
  uint32_t take(bool isLarge) {
    if (!isLarge && small_.empty() && !splitBlock()) return none;
    std::vector<uint32_t>& free = isLarge ? large_ : small_;
    uint32_t unit = none;
    if (!free.empty()) {
      unit = free.back();
      free.pop_back();
    } else {
      unit = newBlock();
      if (unit == none) return none;
    }
    chunks_[unit] = {none, 0, isLarge};
    used_ += capacity(unit);
    return unit;
  }
  void giveBack(uint32_t unit) {
    used_ -= capacity(unit);
    (chunks_[unit].isLarge ? large_ : small_).push_back(unit);
  }

 private:
  static void* reserve(size_t bytes) {
    void* range = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) std::abort();
    return range;
  }
  size_t units() const { return size_ / smallBytes; }
  uint32_t newBlock() {
    if (next_ >= units()) return none;
    const uint32_t unit = next_;
    next_ += largeBytes / smallBytes;
    return unit;
  }
  bool splitBlock() {
    uint32_t block = none;
    if (!large_.empty()) {
      block = large_.back();
      large_.pop_back();
    } else {
      block = newBlock();
    }
    if (block == none) return false;
    for (uint32_t i = largeBytes / smallBytes; i > 0; i--) small_.push_back(block + i - 1);
    return true;
  }

  const size_t size_;
  uint8_t* range_;
  Chunk* chunks_;
  size_t used_ = 0;
  uint32_t next_ = 0;
  std::vector<uint32_t> small_;
  std::vector<uint32_t> large_;
};

}  // namespace rally
