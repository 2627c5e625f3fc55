// The topic names published to last: most clients repeat one, which is then validated and hashed once. The result
// depends on the name alone, so connections share the entries, and one whose entry was overwritten validates and
// hashes again.
#pragma once
#include <array>

#include "../structures/bytes.h"

namespace rally {

class RecentTopics {
 public:
  // A cache line.
  class alignas(64) Topic {
   public:
    uint64_t hash() const { return hash_; }
    // Whether it is this topic name.
    bool is(Bytes topic) const { return size_ != 0 && areEqual(topic, {text_.data(), size_}); }
    void set(Bytes topic, uint64_t hash) {
      size_ = topic.size() <= text_.size() ? uint8_t(topic.size()) : 0;  // one that is longer is not remembered
      std::memcpy(text_.data(), topic.data(), size_);
      hash_ = hash;
      epoch_ = 0;
    }

    // Whether a connection may publish to it, by the rules of this epoch, which is never 0.
    bool hasAnswer(uint32_t generation, uint32_t epoch) const { return epoch_ == epoch && generation_ == generation; }
    bool isAllowed() const { return isAllowed_; }
    void setAnswer(uint32_t generation, uint32_t epoch, bool isAllowed) {
      generation_ = generation;
      epoch_ = epoch;
      isAllowed_ = isAllowed;
    }
    void forgetAnswer() { epoch_ = 0; }

   private:
    uint64_t hash_ = 0;
    uint32_t generation_ = 0;
    uint32_t epoch_ = 0;  // 0: there is no answer
    bool isAllowed_ = false;
    uint8_t size_ = 0;
    std::array<uint8_t, 46> text_;
  };
  static_assert(sizeof(Topic) == 64);

  Topic& of(uint32_t connectionSlot) { return topics_[connectionSlot % topics_.size()]; }

 private:
  std::array<Topic, 512> topics_;  // 32 KiB
};

}  // namespace rally
