// Text in HTTP: characters, names and lists (RFC 9110, 5.6).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "../structures/bytes.h"

namespace rally {

// Why a request is refused: the status code, and a sentence for the client. Status 0: it is not refused.
struct HttpRefusal {
  uint16_t status = 0;
  std::string_view sentence;

  explicit operator bool() const { return status != 0; }
};

struct HttpField {
  std::string_view name;
  std::string_view value;
};

inline std::string_view asText(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline Bytes asBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

inline char lower(char character) {
  return character >= 'A' && character <= 'Z' ? char(character + ('a' - 'A')) : character;
}

// `wanted` is in lower case.
inline bool isName(std::string_view text, std::string_view wanted) {
  if (text.size() != wanted.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    if (lower(text[i]) != wanted[i]) return false;
  }
  return true;
}

inline bool beginsWithName(std::string_view text, std::string_view wanted) {
  return isName(text.substr(0, wanted.size()), wanted);
}

inline bool isTokenCharacter(char character) {
  const char small = lower(character);
  if ((small >= 'a' && small <= 'z') || (small >= '0' && small <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(character) != std::string_view::npos;
}

inline bool isToken(std::string_view text) {
  for (const char character : text) {
    if (!isTokenCharacter(character)) return false;
  }
  return !text.empty();
}

// Without leading and trailing spaces and tabs.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `visit(member)` for each member of a comma-separated list.
template <class Visit>
void eachMember(std::string_view list, Visit&& visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    visit(trimmed(list.substr(0, comma)));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
}

inline bool hasMember(std::string_view list, std::string_view wanted) {
  bool found = false;
  eachMember(list, [&](std::string_view member) { found |= isName(member, wanted); });
  return found;
}

// A number consisting of decimal digits; false if it is not one, or has more digits than any length.
inline bool readDecimal(std::string_view text, uint64_t& number) {
  if (text.empty() || text.size() > 18) return false;
  number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    number = number * 10 + uint64_t(digit - '0');
  }
  return true;
}

}  // namespace rally
