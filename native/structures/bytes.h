// A view of bytes that somebody else owns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace rally {

using Bytes = std::span<const uint8_t>;

// What the allocator takes for a block: a head of 8 bytes, in steps of 16.
inline size_t heapBytes(size_t bytes) { return (bytes + 8 + 15) & ~size_t(15); }

inline bool areEqual(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace rally
