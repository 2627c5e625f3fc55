// An index from a 64-bit hash to 32-bit identifiers, which are never 0 or UINT32_MAX. The keys stay with their owner,
// who decides at each look-up whether an identifier is the right one.
//
//   slots_ = [tag, id][tag, id][-, 0]...    open addressing, linear probing, at most 3/4 full
//   old_   = [moved][moved][tag, id]...     the slots before it was doubled or halved: each change moves a few of them
//
// The tag is the upper half of the hash, and the home slot tag & mask; removal shifts the followers back. The index is
// halved when it is less than 1/8 full. No change takes long, however large the index is. proceed() moves slots too,
// since a look-up in both costs more.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "../assert.h"

namespace rally {

class HashIndex {
 public:
  // The identifier under `hash` for which `isSame(id)`, or 0.
  template <class IsSame>
  uint32_t find(uint64_t hash, IsSame&& isSame) const {
    if (count_ == 0) return 0;
    const uint32_t tag = tagOf(hash);
    for (uint32_t at = tag & slots_.mask;; at = (at + 1) & slots_.mask) {
      const Slot& slot = slots_[at];
      if (slot.id == 0) break;
      if (slot.tag == tag && isSame(slot.id)) return slot.id;
    }
    return old_.size() == 0 ? 0 : findOld(tag, isSame);
  }

  void add(uint64_t hash, uint32_t id) {
    RALLY_ASSERT(id != 0 && id != moved);
    if ((count_ + 1) * 4 > slots_.size() * 3) resize(std::max(slotsMin, slots_.size() * 2));
    place({tagOf(hash), id});
    count_++;
    moveSome();
  }

  // About this many elements will be added.
  void reserve(size_t count) {
    size_t slots = std::max(slotsMin, slots_.size());
    while (count * 4 > slots * 3) slots *= 2;
    if (slots > slots_.size()) resize(slots);
  }

  // The identifier must be in the index.
  void remove(uint64_t hash, uint32_t id) {
    RALLY_ASSERT(count_ > 0);
    if (!removeNew(tagOf(hash), id)) removeOld(tagOf(hash), id);
    count_--;
    moveSome();
    if (count_ * 8 < slots_.size() && slots_.size() > slotsMin) resize(slots_.size() / 2);
  }

  // Moves some of the slots still in old_.
  void proceed() { moveSome(slotsPerTurn); }

  size_t size() const { return count_; }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t id = 0;
  };
  // A power of two of slots, or none. From calloc(): pages of a large one cost nothing until they are written.
  class Table {
   public:
    Table() = default;
    explicit Table(size_t slots)
        : mask(uint32_t(slots - 1)), size_(slots), slots_(static_cast<Slot*>(std::calloc(slots, sizeof(Slot)))) {
      if (!slots_) std::abort();
    }
    Slot& operator[](uint32_t at) { return slots_.get()[at]; }
    const Slot& operator[](uint32_t at) const { return slots_.get()[at]; }
    size_t size() const { return size_; }

    uint32_t mask = 0;

   private:
    struct Free {
      void operator()(Slot* slots) const { std::free(slots); }
    };
    size_t size_ = 0;
    std::unique_ptr<Slot, Free> slots_;
  };

  static constexpr size_t slotsMin = 16;
  // Slots of old_ moved with each change: enough to finish long before the next doubling or halving.
  static constexpr size_t slotsPerChange = 32;
  static constexpr size_t slotsPerTurn = 1'024;  // 10 us
  static constexpr uint32_t moved = UINT32_MAX;  // in old_: in slots_ now, or removed

  static uint32_t tagOf(uint64_t hash) { return uint32_t(hash >> 32); }

  template <class IsSame>
  uint32_t findOld(uint32_t tag, IsSame&& isSame) const {
    for (uint32_t at = tag & old_.mask;; at = (at + 1) & old_.mask) {
      const Slot& slot = old_[at];
      if (slot.id == 0) return 0;
      if (slot.tag == tag && slot.id != moved && isSame(slot.id)) return slot.id;
    }
  }

  bool removeNew(uint32_t tag, uint32_t id) {
    uint32_t at = tag & slots_.mask;
    while (slots_[at].id != id) {
      if (slots_[at].id == 0) return false;
      at = (at + 1) & slots_.mask;
    }
    for (uint32_t next = (at + 1) & slots_.mask; slots_[next].id != 0; next = (next + 1) & slots_.mask) {
      const uint32_t home = slots_[next].tag & slots_.mask;
      if (((next - home) & slots_.mask) < ((next - at) & slots_.mask)) continue;  // at home between the gap and here
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = {};
    return true;
  }
  void removeOld(uint32_t tag, uint32_t id) {
    RALLY_ASSERT(old_.size() > 0);
    uint32_t at = tag & old_.mask;
    while (old_[at].id != id) {
      RALLY_ASSERT(old_[at].id != 0);
      at = (at + 1) & old_.mask;
    }
    old_[at].id = moved;
  }

  void place(Slot slot) {
    uint32_t at = slot.tag & slots_.mask;
    while (slots_[at].id != 0) at = (at + 1) & slots_.mask;
    slots_[at] = slot;
  }
  void resize(size_t slots) {
    while (old_.size() > 0) moveSome();
    old_ = std::exchange(slots_, Table(slots));
    movedSlots_ = 0;
    if (old_.size() <= slotsMin) {
      while (old_.size() > 0) moveSome();
    }
  }
  void moveSome(size_t slots = slotsPerChange) {
    if (old_.size() == 0) return;
    const size_t end = std::min(old_.size(), movedSlots_ + slots);
    for (; movedSlots_ < end; movedSlots_++) {
      Slot& slot = old_[uint32_t(movedSlots_)];
      if (slot.id == 0 || slot.id == moved) continue;
      place(slot);
      slot.id = moved;
    }
    if (movedSlots_ == old_.size()) old_ = Table();
  }

  Table slots_;
  Table old_;
  size_t movedSlots_ = 0;
  size_t count_ = 0;
};

}  // namespace rally
