// What a worker has told another one of the interest of its subscribers, in short (topics/route-sums.h).
#pragma once
#include <cstdint>

#include "../topics/slot-map.h"

namespace rally {

struct RouteSummary {
  SlotSet slots = {};  // those of the receiver, whose filters it includes, and all filters with wildcards
  uint64_t sum = 0;
  uint64_t count = 0;
};

}  // namespace rally
