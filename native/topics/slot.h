// A slot: a 1,024th of all topics, by the keyed hash of the topic's name. Slots are dealt out to workers, so that the
// owner of a topic follows from its name alone.
//
//   topic --hash, with a key that nobody outside knows--> 64 bits --first ten--> slot --> worker
#pragma once
#include <cstdint>

namespace rally {

inline constexpr unsigned slotCount = 1'024;

inline unsigned slotOf(uint64_t topicHash) { return unsigned(topicHash >> 54); }

// Which of `workers` owns the topics with this hash.
inline unsigned ownerOf(uint64_t topicHash, unsigned workers) { return slotOf(topicHash) * workers / slotCount; }

}  // namespace rally
