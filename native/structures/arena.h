// The memory of all outboxes of a worker: one reserved range of address space, cut into chunks of two
// sizes.
//
//   range: [block 0: one large chunk][block 1: 16 small chunks][block 2: free] ...     16 KiB each
//
// A chunk is named by its first KiB ("unit"). Pages cost nothing until they are written. Blocks are taken in order of
// address and reused newest first, which keeps the hot ones in the cache. A block whose small chunks are all free can
// be reused for anything, so the arena never fragments.
//
//   freeBlocks_  [ given back to the system | not used for a second | used lately ]      taken from the right
//                                 givenBack_                 settled_
//
// Blocks that were free for a whole second are returned to the system, in slices, except those that a busy worker
// needs at once.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "../assert.h"

namespace rally {

class Arena {
 public:
  static constexpr uint32_t none = UINT32_MAX;
  static constexpr uint32_t smallBytes = 1024;
  static constexpr uint32_t largeBytes = 16 * smallBytes;

  struct Chunk {
    uint32_t next;  // of the same outbox, or none
    uint16_t used;  // bytes
    bool isLarge;
  };
  static_assert(largeBytes <= UINT16_MAX);

  explicit Arena(size_t bytes) : blockCount_(uint32_t(bytes / largeBytes)) {
    range_ = static_cast<uint8_t*>(reserve(size()));
    chunks_ = static_cast<Chunk*>(reserve(units() * sizeof(Chunk)));
    splits_ = static_cast<Split*>(reserve(blockCount_ * sizeof(Split)));
  }
  ~Arena() {
    munmap(range_, size());
    munmap(chunks_, units() * sizeof(Chunk));
    munmap(splits_, blockCount_ * sizeof(Split));
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  uint8_t* range() const { return range_; }
  size_t size() const { return size_t(blockCount_) * largeBytes; }
  // True when an outbox can certainly take `bytes` more. A sixteenth is reserved for those that cannot wait.
  bool hasRoom(size_t bytes) const {
    return bytes / largeBytes + 2 + blockCount_ / 16 <= size_t(blockCount_) - usedBlocks_;
  }
  // More than three quarters are in use.
  bool isCrowded() const { return usedBlocks_ > blockCount_ - blockCount_ / 4; }
  size_t usedBytes() const { return size_t(usedBlocks_) * largeBytes; }
  // Memory received from the system, assuming that used blocks still hold theirs.
  size_t residentBytes() const { return (size_t(nextBlock_) - givenBack_) * largeBytes; }

  Chunk& chunk(uint32_t unit) { return chunks_[unit]; }
  uint8_t* bytes(uint32_t unit) const { return range_ + size_t(unit) * smallBytes; }
  uint32_t capacity(uint32_t unit) const { return chunks_[unit].isLarge ? largeBytes : smallBytes; }
  uint32_t room(uint32_t unit) const { return capacity(unit) - chunks_[unit].used; }

  // A chunk, or none when the arena is full.
  uint32_t take(bool isLarge) {
    const uint32_t unit = isLarge ? takeBlock() : takeSmall();
    if (unit != none) chunks_[unit] = {none, 0, isLarge};
    return unit;
  }
  void giveBack(uint32_t unit) {
    if (chunks_[unit].isLarge) giveBackBlock(unit);
    else giveBackSmall(unit);
  }

  // Once a second.
  void tick() {
    settled_ = fewestFree_;
    fewestFree_ = freeBlocks_.size();
  }
  bool hasToGiveBack() const { return givenBack_ + keptBlocks < settled_; }
  // Returns some of it; not more at once, since a page costs 0.1 us.
  void giveBackSome() {
    for (size_t left = blocksPerSlice; left > 0 && hasToGiveBack(); left--) {
      madvise(bytes(freeBlocks_[givenBack_++]), largeBytes, MADV_DONTNEED);
    }
  }

 private:
  static constexpr size_t keptBlocks = 64;
  static constexpr size_t blocksPerSlice = 128;
  static constexpr uint32_t unitsPerBlock = largeBytes / smallBytes;
  static constexpr uint32_t allFree = (1U << unitsPerBlock) - 1;

  // A block that is divided into small chunks. Those with a free chunk form a list, newest first.
  struct Split {
    uint32_t freeUnits;  // bit i: chunk i is free
    uint32_t previous;
    uint32_t next;
  };

  static void* reserve(size_t bytes) {
    void* range = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    RALLY_ASSERT(range != MAP_FAILED);
    return range;
  }
  size_t units() const { return size_t(blockCount_) * unitsPerBlock; }

  // Returns the first unit of a whole block, or none.
  uint32_t takeBlock() {
    if (usedBlocks_ == blockCount_) return none;
    usedBlocks_++;
    if (freeBlocks_.empty()) return nextBlock_++ * unitsPerBlock;
    const uint32_t unit = freeBlocks_.back();
    freeBlocks_.pop_back();
    const size_t left = freeBlocks_.size();
    if (left < fewestFree_) fewestFree_ = left;
    if (left < settled_) settled_ = left;
    if (left < givenBack_) givenBack_ = left;
    return unit;
  }
  void giveBackBlock(uint32_t unit) {
    RALLY_ASSERT(usedBlocks_ > 0 && unit % unitsPerBlock == 0);
    usedBlocks_--;
    freeBlocks_.push_back(unit);
  }

  uint32_t takeSmall() {
    if (firstSplit_ == none) {
      const uint32_t unit = takeBlock();
      if (unit == none) return none;
      splits_[unit / unitsPerBlock].freeUnits = allFree;
      link(unit / unitsPerBlock);
    }
    const uint32_t block = firstSplit_;
    Split& split = splits_[block];
    const auto index = uint32_t(__builtin_ctz(split.freeUnits));
    split.freeUnits &= split.freeUnits - 1;
    if (split.freeUnits == 0) unlink(block);
    return block * unitsPerBlock + index;
  }
  void giveBackSmall(uint32_t unit) {
    const uint32_t block = unit / unitsPerBlock;
    Split& split = splits_[block];
    RALLY_ASSERT((split.freeUnits >> unit % unitsPerBlock & 1) == 0);
    if (split.freeUnits == 0) link(block);
    split.freeUnits |= 1U << unit % unitsPerBlock;
    if (split.freeUnits != allFree || (block == firstSplit_ && split.next == none)) return;  // keeps one at hand
    unlink(block);
    giveBackBlock(block * unitsPerBlock);
  }

  void link(uint32_t block) {
    splits_[block].previous = none;
    splits_[block].next = firstSplit_;
    if (firstSplit_ != none) splits_[firstSplit_].previous = block;
    firstSplit_ = block;
  }
  void unlink(uint32_t block) {
    const Split& split = splits_[block];
    if (split.previous != none) splits_[split.previous].next = split.next;
    else firstSplit_ = split.next;
    if (split.next != none) splits_[split.next].previous = split.previous;
  }

  const uint32_t blockCount_;
  uint8_t* range_;
  Chunk* chunks_;
  Split* splits_;
  uint32_t usedBlocks_ = 0;
  uint32_t nextBlock_ = 0;
  uint32_t firstSplit_ = none;
  std::vector<uint32_t> freeBlocks_;
  size_t fewestFree_ = 0;  // since the last tick
  size_t settled_ = 0;
  size_t givenBack_ = 0;
};

}  // namespace rally
