// Those that something is to be done with, each once, in the order in which they were marked. A place lies in its owner
// and says where it stands, so that one that goes is taken out at once: it leaves a hole.
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

  // Whether there may be one.
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
  // Calls `visit(owner)` for each, which is not marked any more then and may be marked again; gives them all.
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
