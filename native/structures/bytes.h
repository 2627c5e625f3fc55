// A view of bytes owned elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace rally {

using Bytes = std::span<const uint8_t>;

// The size of an allocated block: a head of 8 bytes, in steps of 16.
inline constexpr size_t heapHeadBytes = 8;
inline size_t heapBytes(size_t bytes) { return (bytes + heapHeadBytes + 15) & ~size_t(15); }

inline Bytes bytesOfText(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

inline bool beginsWith(Bytes bytes, Bytes prefix) {
  if (prefix.empty()) return true;
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

// Whether it begins with these bytes and continues.
inline bool goesOnBehind(Bytes bytes, Bytes prefix) {
  return bytes.size() > prefix.size() && beginsWith(bytes, prefix);
}

inline bool areEqual(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace rally
