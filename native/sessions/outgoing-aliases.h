// The topic aliases that the broker has set for one client, for one network connection (5.0, 3.3.2.3.4).
//
//   entries_[alias - 1] = { topic, hash, uses }      index_: hash -> alias      seen_: topics without an alias
//
// While aliases are free, each topic gets one. After that, a topic that comes a second time within a short while
// replaces one that was not used lately (second chance), so that many topics in turn do not evict each other.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "../structures/block-bytes.h"
#include "../structures/hash-index.h"
#include "../structures/hash.h"

namespace rally {

// The alias for a PUBLISH: 0 none; `isNew`: the PUBLISH also has the topic, and sets the alias.
struct AliasUse {
  uint16_t alias = 0;
  bool isNew = false;
};

class OutgoingAliases {
 public:
  // A shorter topic is not worth the three bytes of the property; a longer one not the memory.
  static constexpr size_t topicBytesMin = 6;
  static constexpr size_t topicBytesMax = 1'024;

  explicit OutgoingAliases(uint16_t most) : most_(most) {}

  AliasUse find(Bytes topic, uint64_t hash) {
    if (topic.size() < topicBytesMin || topic.size() > topicBytesMax) return {};
    if (const uint32_t alias = index_.find(hash, [&](uint32_t id) { return areEqual(entries_[id - 1].topic, topic); });
        alias != 0) {
      uint8_t& uses = entries_[alias - 1].uses;
      if (uses < usesMax) uses++;
      return {uint16_t(alias), false};
    }
    if (entries_.size() < most_) return {uint16_t(entries_.size() + 1), true};
    const uint16_t alias = replaceable(hash);
    return {alias, alias != 0};
  }

  // The PUBLISH that sets the alias has been sent.
  void set(uint16_t alias, Bytes topic, uint64_t hash) {
    if (alias > entries_.size()) entries_.emplace_back();
    else index_.remove(entries_[alias - size_t(1)].hash, alias);
    Entry& entry = entries_[alias - size_t(1)];
    textBytes_ += blockBytes(topic.size());
    if (!entry.topic.empty()) textBytes_ -= blockBytes(entry.topic.size());
    entry = {{topic.begin(), topic.end()}, hash, 0};
    index_.add(hash, alias);
    if (entries_.size() == most_ && !seen_) seen_ = std::make_unique<Seen>();
  }

  // The memory of all of them, with the table of topics without one.
  size_t bytes() const { return entries_.size() * entryBytes + textBytes_ + (seen_ ? sizeof(Seen) : 0); }
  // The same as bytes(), computed from scratch.
  size_t countBytes() const {
    size_t bytes = seen_ ? sizeof(Seen) : 0;
    for (const Entry& entry : entries_) bytes += bytesOf(entry.topic);
    return bytes;
  }
  static size_t bytesOf(Bytes topic) { return entryBytes + blockBytes(topic.size()); }

 private:
  struct Entry {
    std::vector<uint8_t> topic;
    uint64_t hash = 0;
    uint8_t uses = 0;  // lately
  };
  static constexpr size_t entryBytes = sizeof(Entry) + indexEntryBytes;
  static constexpr uint8_t usesMax = 3;
  static constexpr size_t seenCount = 256;
  using Seen = std::array<uint32_t, seenCount>;

  // The alias that a topic without one may take, or 0.
  uint16_t replaceable(uint64_t hash) {
    uint32_t& seen = (*seen_)[hash % seenCount];
    const auto tag = uint32_t(hash >> 32 | 1);
    if (seen != tag) {
      seen = tag;
      return 0;
    }
    hand_ = uint16_t(hand_ % entries_.size() + 1);
    uint8_t& uses = entries_[hand_ - size_t(1)].uses;
    if (uses == 0) return hand_;
    uses--;
    return 0;
  }

  const uint16_t most_;
  uint16_t hand_ = 0;
  std::vector<Entry> entries_;
  size_t textBytes_ = 0;
  HashIndex index_;
  std::unique_ptr<Seen> seen_;  // from the last alias on
};

}  // namespace rally
