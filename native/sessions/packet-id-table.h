// Packet identifiers, as a set: non-zero 16-bit numbers. A client chooses its identifiers, so their places are mixed
// with a number that it cannot know: no choice makes look-ups slow.
//
//   few    slots_ = [id][ ][id][ ]...    an open hash set, at most half full
//   many   bits_  = 65,536 bits          8 KiB, once slots would take as much
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../structures/bytes.h"
#include "../structures/free-memory.h"
#include "../structures/hash.h"

namespace rally {

class PacketIdTable {
 public:
  size_t size() const { return count_; }
  // Of the heap.
  size_t bytes() const { return bytes_; }

  bool contains(uint16_t id) const {
    if (count_ == 0) return false;
    return bits_.empty() ? slots_[seek(id)] == id : (bits_[id / 64] >> id % 64 & 1) != 0;
  }

  template <class Visit>
  void each(Visit&& visit) const {
    for (const uint16_t id : slots_) {
      if (id != 0) visit(id);
    }
    for (size_t word = 0; word < bits_.size(); word++) {
      for (uint64_t left = bits_[word]; left != 0; left &= left - 1)
        visit(uint16_t(word * 64 + size_t(__builtin_ctzll(left))));
    }
  }

  // False when it was present.
  bool add(uint16_t id) {
    if (bits_.empty() && (count_ + 1) * 2 > slots_.size()) grow();
    if (!bits_.empty()) return addBit(id);
    uint16_t& slot = slots_[seek(id)];
    if (slot == id) return false;
    slot = id;
    count_++;
    return true;
  }

  // False when it was absent.
  bool remove(uint16_t id) {
    if (count_ == 0) return false;
    if (bits_.empty()) {
      const size_t at = seek(id);
      if (slots_[at] != id) return false;
      vacate(at);
    } else if (!removeBit(id)) {
      return false;
    }
    count_--;
    return true;
  }

 private:
  static constexpr size_t slotsMax = 4'096;

  template <class T>
  static size_t bytesOf(const std::vector<T>& all) {
    return all.capacity() == 0 ? 0 : heapBytes(all.capacity() * sizeof(T));
  }
  bool addBit(uint16_t id) {
    const uint64_t bit = uint64_t(1) << id % 64;
    if ((bits_[id / 64] & bit) != 0) return false;
    bits_[id / 64] |= bit;
    count_++;
    return true;
  }
  bool removeBit(uint16_t id) {
    const uint64_t bit = uint64_t(1) << id % 64;
    if ((bits_[id / 64] & bit) == 0) return false;
    bits_[id / 64] &= ~bit;
    return true;
  }
  static size_t home(uint16_t id) { return size_t(foldedMultiply(id ^ seed, seed | 1)); }

  // The slot of `id`, or the free slot for it.
  size_t seek(uint16_t id) const {
    const size_t mask = slots_.size() - 1;
    size_t at = home(id) & mask;
    while (slots_[at] != 0 && slots_[at] != id) at = (at + 1) & mask;
    return at;
  }
  void vacate(size_t at) {
    const size_t mask = slots_.size() - 1;
    for (size_t next = (at + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
      if (((next - home(slots_[next])) & mask) < ((next - at) & mask)) continue;  // at home between the gap and here
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = 0;
  }
  void grow() {
    std::vector<uint16_t> old(slots_.empty() ? 16 : slots_.size() * 2);
    if (old.size() > slotsMax) {
      bits_.resize(65'536 / 64);
      old.clear();
    }
    old.swap(slots_);
    for (const uint16_t id : old) {
      if (id == 0) continue;
      if (bits_.empty()) slots_[seek(id)] = id;
      else bits_[id / 64] |= uint64_t(1) << id % 64;
    }
    if (!bits_.empty()) freeMemory(slots_);
    bytes_ = bytesOf(slots_) + bytesOf(bits_);
  }

  static inline const uint64_t seed = randomSeed();

  std::vector<uint16_t> slots_;
  std::vector<uint64_t> bits_;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace rally
