// Marked owners that need work, each once, in the order of marking. A place is a member of its owner and knows its
// position, so that removal is immediate: it leaves a hole.
//
//   marked_ = [a][ ][c][d]       d.place = 4
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "../assert.h"

namespace rally {

template <class Owner>
class Marks {
 public:
  struct Place {
    uint32_t number = 0;  // counted from 1; 0: not marked
  };

  // Whether there may be any.
  bool hasAny() const { return !marked_.empty(); }

  void add(Owner& owner, Place& place) {
    if (place.number != 0) return;
    marked_.push_back(&owner);
    place.number = uint32_t(marked_.size());
  }
  // Not from within drain().
  void remove(const Owner& owner, Place& place) {
    if (place.number == 0) return;
    Owner*& marked = marked_[std::exchange(place.number, 0) - 1];
    RALLY_ASSERT(marked == &owner);
    marked = nullptr;
  }
  // Calls `visit(owner)` for each, which is unmarked before and may be marked again; gives their number.
  template <class Visit>
  const std::vector<Owner*>& drain(Place Owner::*place, Visit&& visit) {
    drained_.clear();
    drained_.swap(marked_);
    std::erase(drained_, nullptr);
    for (Owner* owner : drained_) {
      (owner->*place).number = 0;
      visit(*owner);
    }
    return drained_;
  }

 private:
  std::vector<Owner*> marked_;
  std::vector<Owner*> drained_;
};

}  // namespace rally
