// The hash of topics and levels: eight bytes a step, multiply and fold. Its keys are random, so that no client can
// choose topics that collide or that all belong to one worker.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "bytes.h"

namespace rally {

// Secret random numbers.
struct HashKeys {
  uint64_t topics = 0;  // of the slots of topics (topics/slot.h): the same for as long as what is stored by slot
  uint64_t tables = 0;  // of tables in memory
};

inline constexpr uint64_t hashMultiplier = 0x9e3779b97f4a7c15;

inline uint64_t foldedMultiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return uint64_t(product) ^ uint64_t(product >> 64);
}

// Of a number that nobody outside chooses, such as one that is counted up.
inline uint64_t hashNumber(uint64_t number) { return foldedMultiply(number ^ 0x243f6a8885a308d3, hashMultiplier); }

// For a table of this process only: nobody outside knows which of its keys collide.
inline uint64_t randomSeed() {
  uint64_t seed;
  if (getentropy(&seed, sizeof seed) != 0) std::abort();
  return seed;
}

// Inlined always: as a function of its own it cost a PUBLISH 7 %, once enough others used it.
[[gnu::always_inline]] inline uint64_t hashBytes(Bytes bytes, uint64_t seed) {
  constexpr uint64_t k1 = 0xd6e8feb86659fd93;
  uint64_t hash = seed ^ (hashMultiplier * (bytes.size() + 1));
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = foldedMultiply(hash ^ word, k1);
  }
  uint64_t tail = 0;
  if (left > 0) std::memcpy(&tail, at, left);
  return foldedMultiply(hash ^ tail, hashMultiplier ^ seed);
}

}  // namespace rally
