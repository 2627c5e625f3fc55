// The packet identifiers of QoS 2 messages that a client has sent and not yet released: a small open
// hash set of non-zero 16-bit numbers, at most half full. A client chooses its identifiers, so where they go is
// mixed with a number that it cannot know: no choice makes the others' look-ups long.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../structures/hash.h"

namespace rally {

class PacketIdSet {
 public:
  size_t size() const { return count_; }

  bool contains(uint16_t id) const { return count_ > 0 && slots_[seek(id)] == id; }

  // False when it was there already.
  bool add(uint16_t id) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    uint16_t& slot = slots_[seek(id)];
    if (slot == id) return false;
    slot = id;
    count_++;
    return true;
  }

  // False when it was not there.
  bool remove(uint16_t id) {
    if (count_ == 0) return false;
    size_t at = seek(id);
    if (slots_[at] != id) return false;
    const size_t mask = slots_.size() - 1;
    for (size_t next = (at + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
      if (((next - home(slots_[next])) & mask) < ((next - at) & mask)) continue;  // at home between the gap and here
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = 0;
    count_--;
    return true;
  }

 private:
  static size_t home(uint16_t id) { return size_t(foldedMultiply(id ^ seed, seed | 1)); }

  // Where `id` is, or the free slot where it would go.
  size_t seek(uint16_t id) const {
    const size_t mask = slots_.size() - 1;
    size_t at = home(id) & mask;
    while (slots_[at] != 0 && slots_[at] != id) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<uint16_t> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const uint16_t id : old) {
      if (id != 0) slots_[seek(id)] = id;
    }
  }

  static inline const uint64_t seed = randomSeed();

  std::vector<uint16_t> slots_;
  size_t count_ = 0;
};

}  // namespace rally
