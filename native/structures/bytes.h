// A view of bytes that somebody else owns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace rally {

using Bytes = std::span<const uint8_t>;

inline bool areEqual(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace rally
