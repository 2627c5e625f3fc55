// The real size of blocks of memory, for the accounts that limit it.
#pragma once
#include <algorithm>
#include <cstddef>

namespace rally {

// Of malloc(), for this many bytes: a head of 8, in steps of 16, at least 32 (glibc).
constexpr size_t blockBytes(size_t bytes) { return std::max<size_t>(32, (bytes + 8 + 15) / 16 * 16); }

// An entry of a hash index (hash-index.h): two slots of 8, since it is half full on average.
inline constexpr size_t indexEntryBytes = 16;

}  // namespace rally
