// Placeholders in rules for facts about the client: `%u`, `%c` and claims. In the filter of a compiled rule a
// placeholder is a level that begins with U+0000, which no topic contains.
//
//   \0u  the user name       \0c  the client identifier       \0:name  the claim `name`
//
// A placeholder means exactly one literal level. A value that is not a level (empty, or with '/', '+', '#' or U+0000
// in it) is unfit: no rule allows anything because of it, and a deny rule denies every level there.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../structures/bytes.h"

namespace rally {

class PlaceholderValue {
 public:
  PlaceholderValue() = default;
  explicit PlaceholderValue(std::string text) : text_(std::move(text)) {
    const auto isUnfit = [](char byte) { return byte == '/' || byte == '+' || byte == '#' || byte == '\0'; };
    isFit_ = !text_.empty() && std::none_of(text_.begin(), text_.end(), isUnfit);
  }

  bool isFit() const { return isFit_; }
  bool is(Bytes level) const { return isFit_ && areEqual(bytes(), level); }
  Bytes bytes() const { return {reinterpret_cast<const uint8_t*>(text_.data()), text_.size()}; }
  bool operator==(const PlaceholderValue& other) const { return text_ == other.text_; }

 private:
  std::string text_;
  bool isFit_ = false;
};

// The values of one client.
struct PlaceholderValues {
  const PlaceholderValue* userName = nullptr;  // nullptr: it has none
  const PlaceholderValue* clientId = nullptr;
  const std::vector<std::pair<std::string, PlaceholderValue>>* claims = nullptr;

  // The value for a level of a compiled rule; nullptr: the client has none, and the rule does not apply to it.
  const PlaceholderValue* find(Bytes placeholder) const {
    if (placeholder[1] == 'u') return userName;
    if (placeholder[1] == 'c') return clientId;
    if (!claims) return nullptr;
    for (const auto& [name, value] : *claims) {
      const Bytes bytes(reinterpret_cast<const uint8_t*>(name.data()), name.size());
      if (areEqual(bytes, placeholder.subspan(2))) return &value;
    }
    return nullptr;
  }
};

inline bool isPlaceholder(Bytes level) { return level.size() >= 2 && level[0] == 0; }

}  // namespace rally
