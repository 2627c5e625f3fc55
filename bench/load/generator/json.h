// Writes JSON text: the caller opens and closes objects and arrays.
#pragma once
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

namespace load {

class Json {
 public:
  Json& open(std::string_view key = {}) { return begin(key, '{'); }
  Json& openList(std::string_view key = {}) { return begin(key, '['); }
  Json& close() { return end('}'); }
  Json& closeList() { return end(']'); }

  Json& number(std::string_view key, double value) {
    name(key);
    char text[32];
    const bool isWhole = std::nearbyint(value) == value && std::fabs(value) < 1e15;
    std::snprintf(text, sizeof text, isWhole ? "%.0f" : "%.6g", value);
    text_ += text;
    return *this;
  }
  Json& flag(std::string_view key, bool value) {
    name(key);
    text_ += value ? "true" : "false";
    return *this;
  }
  Json& text(std::string_view key, std::string_view value) {
    name(key);
    quote(value);
    return *this;
  }

  const std::string& str() const { return text_; }

 private:
  Json& begin(std::string_view key, char bracket) {
    name(key);
    text_ += bracket;
    return *this;
  }
  Json& end(char bracket) {
    text_ += bracket;
    return *this;
  }
  void name(std::string_view key) {
    if (!text_.empty() && text_.back() != '{' && text_.back() != '[') text_ += ',';
    if (key.empty()) return;
    quote(key);
    text_ += ':';
  }
  void quote(std::string_view value) {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') (text_ += '\\') += c;
      else if (static_cast<unsigned char>(c) < 0x20) text_ += ' ';
      else text_ += c;
    }
    text_ += '"';
  }

  std::string text_;
};

}  // namespace load
