// A slot: a 1,024th of all topics, by the keyed hash of the topic's name. Each slot belongs to a worker, so that the
// owner of a topic follows from its name alone (slot-map.h).
//
//   topic --hash with a secret key--> 64 bits --first ten--> slot --> worker
#pragma once
#include <cstdint>

namespace rally {

inline constexpr unsigned slotCount = 1'024;

inline unsigned slotOf(uint64_t topicHash) { return unsigned(topicHash >> 54); }

}  // namespace rally
