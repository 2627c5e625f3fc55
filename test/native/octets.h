// Bytes in tests: from and to hex and text, and exact blocks of memory, so that AddressSanitizer sees
// every read past the end.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../../native/wire/varint.h"

using rally::Bytes;
using Octets = std::vector<uint8_t>;

inline Bytes bytesOf(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string textOf(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Octets octetsOf(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// "30 05 0001 61 78": spaces are for the reader.
inline Octets fromHex(std::string_view hex) {
  Octets all;
  int high = -1;
  for (const char each : hex) {
    if (each == ' ') continue;
    const int digit = each <= '9' ? each - '0' : each - 'a' + 10;
    if (high >= 0) all.push_back(uint8_t(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return all;
}

inline std::string toHex(Bytes bytes) {
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

inline bool isSame(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// A copy that ends where its memory ends.
class Exact {
 public:
  explicit Exact(Bytes bytes) : memory_(new uint8_t[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), memory_.get());
  }
  operator Bytes() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  size_t size_;
};

inline std::vector<std::string> levelsOf(const std::string& topic) {
  std::vector<std::string> levels(1);
  for (const char each : topic) {
    if (each == '/') levels.emplace_back();
    else levels.back() += each;
  }
  return levels;
}

// What section 4.7 says, word for word: the oracle of all topic structures.
inline bool matchesByTheBook(const std::string& filter, const std::string& topic) {
  const std::vector<std::string> f = levelsOf(filter);
  const std::vector<std::string> t = levelsOf(topic);
  if (topic[0] == '$' && (f[0] == "+" || f[0] == "#")) return false;
  for (size_t i = 0; i < f.size(); i++) {
    if (f[i] == "#") return true;  // also the parent level: then i == t.size()
    if (i == t.size()) return false;
    if (f[i] != "+" && f[i] != t[i]) return false;
    if (i + 1 == f.size()) return t.size() == f.size();
    if (i + 1 == t.size()) return f.size() == i + 2 && f[i + 1] == "#";
  }
  return false;
}
