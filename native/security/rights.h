// The rights of a session at its worker: the identity of its client, the rules that apply to it, and their answers for
// the topics that it published to last.
#pragma once
#include <array>
#include <memory>

#include "../structures/short-text.h"
#include "rule-book.h"

namespace rally {

// Cached answers, valid for the same rules: one for each of eight classes of hashes.
class Decisions {
 public:
  // Whether the topic is allowed; nullptr: it was not asked, or too long ago.
  const bool* find(Bytes topic, uint64_t hash) const {
    const Entry& entry = entries_[hash % entries_.size()];
    const bool isSame = entry.hash == hash && areEqual(entry.topic.bytes(), topic);
    return isSame ? &entry.isAllowed : nullptr;
  }
  void set(Bytes topic, uint64_t hash, bool isAllowed) {
    if (topic.size() > topicBytesMax) return;
    Entry& entry = entries_[hash % entries_.size()];
    entry.topic = ShortText(topic);
    entry.hash = hash;
    entry.isAllowed = isAllowed;
  }

 private:
  static constexpr size_t topicBytesMax = 128;  // so that a session remembers no more than 2 KB

  struct Entry {
    uint64_t hash = 0;
    ShortText topic;
    bool isAllowed = false;
  };
  std::array<Entry, 8> entries_;
};

struct Rights {
  explicit Rights(std::shared_ptr<const Access> ofClient) : access(std::move(ofClient)) {}

  std::shared_ptr<const Access> access;
  uint32_t epoch = 0;  // of the rules from which all below follows; 0: it is not known yet
  RuleSets sets;
  std::unique_ptr<Decisions> decisions;
};

}  // namespace rally
