// Sums of routes, by which two workers of a cluster compare what one has told and the other knows, without sending it
// again: the number of routes, and the sum of their hashes. They do not depend on the order of changes, and a change
// costs an addition.
//
//   wildcards   told to all workers, in one sum
//   exact       told to the owner of the slot alone, so one sum for each slot
//
// The hash has the secret key of the cluster, so no client can choose filters that cancel each other out.
#pragma once
#include <array>

#include "../messages/interest.h"
#include "../messages/route-summary.h"
#include "../structures/hash.h"

namespace rally {

// A route as a number; 0: there is none. `textHash`: of the whole filter, with the key of topics.
inline uint64_t routeNumber(uint64_t textHash, Interest interest) {
  return interest == Interest::none ? 0 : hashNumber(textHash ^ uint64_t(interest)) | 1;
}
inline uint64_t shareNumber(uint64_t textHash, uint32_t connected, uint32_t able, uint32_t durable) {
  return hashNumber(hashNumber(hashNumber(textHash ^ connected) ^ able) ^ durable) | 1;
}

class RouteSums {
 public:
  // A route has become another one. `slot`: of its filter; slotCount: it has wildcards.
  void change(unsigned slot, uint64_t before, uint64_t now) {
    Sum& sum = slot == slotCount ? wildcards_ : exact_[slot];
    sum.sum += now - before;
    sum.count += uint64_t(now != 0) - uint64_t(before != 0);
  }

  // Of all filters with wildcards, and the others of these slots.
  RouteSummary of(const SlotSet& slots) const {
    RouteSummary summary{.slots = slots, .sum = wildcards_.sum, .count = wildcards_.count};
    slots.each([&](unsigned slot) {
      summary.sum += exact_[slot].sum;
      summary.count += exact_[slot].count;
    });
    return summary;
  }

 private:
  struct Sum {
    uint64_t sum = 0;
    uint64_t count = 0;
  };

  Sum wildcards_;
  std::array<Sum, slotCount> exact_{};
};

}  // namespace rally
