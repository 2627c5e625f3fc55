// Valid topic names and topic filters (5.0, 4.7).
#pragma once
#include <string_view>

#include "utf8.h"

namespace rally {

namespace detail {

inline constexpr uint64_t everyByte(uint8_t byte) { return uint64_t(0x0101010101010101) * byte; }

// The high bit of each byte of an all-ASCII word that equals `byte`.
inline uint64_t bytesEqual(uint64_t asciiWord, uint8_t byte) {
  return ~((asciiWord ^ everyByte(byte)) + everyByte(0x7f)) & everyByte(0x80);
}

}  // namespace detail

// A topic name: not empty [MQTT-4.7.3-1], no wildcards [MQTT-3.3.2-2], UTF-8 without U+0000 [MQTT-4.7.3-2], at most
// `levelsMax` levels. Its length on the wire is below 65,536.
inline bool isTopicName(Bytes topic, uint32_t levelsMax) {
  if (topic.empty()) return false;
  uint32_t levels = 1;
  size_t at = 0;
  while (at < topic.size()) {
    if (topic.size() - at >= 8 && isPlainAscii8(topic.data() + at)) {
      uint64_t word;
      std::memcpy(&word, topic.data() + at, 8);
      if ((detail::bytesEqual(word, '+') | detail::bytesEqual(word, '#')) != 0) return false;
      levels += uint32_t(__builtin_popcountll(detail::bytesEqual(word, '/')));
      at += 8;
      continue;
    }
    const uint8_t byte = topic[at];
    if (byte == '+' || byte == '#') return false;
    if (byte == '/') levels++;
    const size_t size = utf8SequenceSize(topic.subspan(at));
    if (size == 0) return false;
    at += size;
  }
  return levels <= levelsMax;
}

// A topic name or filter up to its first slash.
inline Bytes firstLevel(Bytes topic) {
  const void* slash = topic.empty() ? nullptr : std::memchr(topic.data(), '/', topic.size());
  return slash ? topic.first(size_t(static_cast<const uint8_t*>(slash) - topic.data())) : topic;
}

// Calls `visit(level)` for each level of a topic name or filter until it gives false.
template <class Visit>
void eachLevel(Bytes topic, Visit&& visit) {
  for (;;) {
    const Bytes level = firstLevel(topic);
    if (!visit(level) || level.size() == topic.size()) return;
    topic = topic.subspan(level.size() + 1);
  }
}

// `$SYS/broker/connection/+/state`: the topic on which a mosquitto bridge announces whether it is connected.
inline bool isBridgeState(Bytes topic) {
  constexpr std::string_view prefix = "$SYS/broker/connection/";
  constexpr std::string_view suffix = "/state";
  if (topic.size() < prefix.size() + suffix.size()) return false;
  const Bytes name = topic.subspan(prefix.size(), topic.size() - prefix.size() - suffix.size());
  return std::memcmp(topic.data(), prefix.data(), prefix.size()) == 0 &&
         std::memcmp(topic.last(suffix.size()).data(), suffix.data(), suffix.size()) == 0 &&
         firstLevel(name).size() == name.size();
}

// True for topics that clients may not publish to: those below $SYS, except the state of bridges, and those below
// $share, which nobody can subscribe to.
inline bool isReservedTopic(Bytes topic) {
  if (topic.empty() || topic[0] != '$') return false;
  const auto startsWith = [&](std::string_view level) {
    return topic.size() >= level.size() && std::memcmp(topic.data(), level.data(), level.size()) == 0 &&
           (topic.size() == level.size() || topic[level.size()] == '/');
  };
  return (startsWith("$SYS") && !isBridgeState(topic)) || startsWith("$share");
}

inline bool hasWildcard(Bytes topic) {
  for (const uint8_t byte : topic) {
    if (byte == '+' || byte == '#') return true;
  }
  return false;
}

// `$share/{name}/{filter}` (5.0, 4.8.2).
inline bool isSharedFilter(Bytes text) {
  constexpr uint8_t prefix[] = {'$', 's', 'h', 'a', 'r', 'e', '/'};
  return text.size() > sizeof prefix && std::memcmp(text.data(), prefix, sizeof prefix) == 0;
}
// The filter in a shared filter: the part after the name.
inline Bytes unsharedFilter(Bytes text) {
  size_t at = 7;
  while (at < text.size() && text[at] != '/') at++;
  return text.subspan(at < text.size() ? at + 1 : at);
}

inline bool isLevel(Bytes level, char wildcard) { return level.size() == 1 && level[0] == uint8_t(wildcard); }

// A topic filter, shared or not, as core/wire/topic.ts lets clients send it.
inline bool isTopicFilter(Bytes text) {
  if (text.empty() || !isUtf8(text)) return false;
  if (isSharedFilter(text)) {
    const Bytes name = firstLevel(text.subspan(7));
    if (name.empty() || hasWildcard(name)) return false;
    text = unsharedFilter(text);
    if (text.empty()) return false;
  }
  bool isSound = true;
  size_t end = 0;
  eachLevel(text, [&](Bytes level) {
    end += level.size() + 1;
    const bool isLast = end > text.size();
    isSound = level.size() == 1 ? isLast || !isLevel(level, '#') : !hasWildcard(level);
    return isSound;
  });
  return isSound;
}

// Whether a valid, unshared topic filter matches a topic name. For a single filter: many filters are in the tree
// (topics/filter-tree.h).
inline bool filterMatches(Bytes filter, Bytes topic) {
  const bool isHidden = !topic.empty() && topic[0] == '$';  // [MQTT-4.7.2-1]
  for (bool isFirst = true;; isFirst = false) {
    const Bytes wanted = firstLevel(filter);
    const Bytes level = firstLevel(topic);
    const bool mayBeWildcard = !isFirst || !isHidden;
    if (mayBeWildcard && isLevel(wanted, '#')) return true;
    const bool isSame = wanted.size() == level.size() &&
                        (level.empty() || std::memcmp(wanted.data(), level.data(), level.size()) == 0);
    if (!isSame && !(mayBeWildcard && isLevel(wanted, '+'))) return false;
    const bool isFilterOver = wanted.size() == filter.size();
    if (level.size() == topic.size()) {
      if (isFilterOver) return true;
      return filter.size() == wanted.size() + 2 && filter.back() == '#';  // a/# matches a
    }
    if (isFilterOver) return false;
    filter = filter.subspan(wanted.size() + 1);
    topic = topic.subspan(level.size() + 1);
  }
}

}  // namespace rally
