// Remembers the recipient of a topic's last message, for topics with a single subscription, as long as no subscription
// has changed. Matching a topic in a large store costs some ten cache misses, and a start does it ten million times;
// here it costs one, which soon() hides.
//
//   slots_[ hash of the topic & mask ]    a topic may replace another
//
// A topic is identified only by its hash, whose key is secret: two topics with the same 64 bits do not occur.
#pragma once
#include <cstdint>
#include <vector>

namespace rally {

template <class Session>
class MatchMemo {
 public:
  struct Match {
    Session* session = nullptr;
    uint32_t subscriptionId = 0;
    uint8_t qos = 0;
    bool retainAsPublished = false;
  };

  // A subscription has changed.
  void forget() { version_++; }
  // nullptr: not known.
  const Match* find(uint64_t hash) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[hash & (slots_.size() - 1)];
    return slot.hash == hash && slot.version == version_ ? &slot.match : nullptr;
  }
  void put(uint64_t hash, const Match& match) {
    if (++added_ > slots_.size() / 2) grow();
    slots_[hash & (slots_.size() - 1)] = {hash, version_, match};
  }
  // find() will soon be called for it. Inlined, since GCC mistakes a function that only prefetches for a no-op.
  [[gnu::always_inline]] void soon(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint64_t version = 0;  // 0: empty
    Match match;
  };
  static_assert(sizeof(Slot) == 32, "two in a cache line");

  // 64 MiB: more would rarely be in use, and the memory is not held for long.
  static constexpr size_t slotsMax = size_t(1) << 21;
  static constexpr size_t slotsMin = 64;

  // The contents are learnt again.
  void grow() {
    added_ = 0;
    if (slots_.size() < slotsMax) slots_.assign(slots_.empty() ? slotsMin : slots_.size() * 8, {});
  }

  std::vector<Slot> slots_;
  size_t added_ = 0;
  uint64_t version_ = 1;
};

}  // namespace rally
