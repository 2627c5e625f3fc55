// An index from a 64-bit hash to 32-bit identifiers, which are never 0. The keys stay with their
// owner, who says at each look-up whether an identifier is the one meant.
//
//   slots_ = [tag, id][tag, id][-, 0]...    open addressing, linear probing, at most 3/4 full;
//   tag = upper half of the hash, home slot = tag & mask; removal shifts the followers back. Halved when it is less
//   than 1/8 full.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rally {

class HashIndex {
 public:
  // The identifier under `hash` for which `isSame(id)`, or 0.
  template <class IsSame>
  uint32_t find(uint64_t hash, IsSame&& isSame) const {
    if (count_ == 0) return 0;
    const uint32_t tag = tagOf(hash);
    for (uint32_t at = tag & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.id == 0) return 0;
      if (slot.tag == tag && isSame(slot.id)) return slot.id;
    }
  }

  void add(uint64_t hash, uint32_t id) {
    if ((count_ + 1) * 4 > slots_.size() * 3) resize(std::max(slotsMin, slots_.size() * 2));
    place({tagOf(hash), id});
    count_++;
  }

  void remove(uint64_t hash, uint32_t id) {
    uint32_t at = tagOf(hash) & mask_;
    while (slots_[at].id != id) at = (at + 1) & mask_;
    for (uint32_t next = (at + 1) & mask_; slots_[next].id != 0; next = (next + 1) & mask_) {
      const uint32_t home = slots_[next].tag & mask_;
      if (((next - home) & mask_) < ((next - at) & mask_)) continue;  // it is at home between the gap and here
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = {};
    count_--;
    if (count_ * 8 < slots_.size() && slots_.size() > slotsMin) resize(slots_.size() / 2);
  }

  size_t size() const { return count_; }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t id = 0;
  };

  static constexpr size_t slotsMin = 16;

  static uint32_t tagOf(uint64_t hash) { return uint32_t(hash >> 32); }

  void place(Slot slot) {
    uint32_t at = slot.tag & mask_;
    while (slots_[at].id != 0) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void resize(size_t slots) {
    std::vector<Slot> old(slots);
    old.swap(slots_);
    mask_ = uint32_t(slots_.size() - 1);
    for (const Slot& slot : old) {
      if (slot.id != 0) place(slot);
    }
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
  uint32_t mask_ = 0;
};

}  // namespace rally
