// Decisions of a program about the topics that a client publishes to, cached for the time that the program gives, so
// that it is asked once for each topic and not for each message.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "../structures/bytes.h"

namespace rally {

class TopicDecisions {
 public:
  enum class Answer : uint8_t { unknown, allowed, denied };

  // `hash`: of the topic, with the broker's key. This removes a decision that counts only once.
  Answer take(Bytes topic, uint64_t hash, uint8_t kind, uint64_t nowMs) {
    const auto found = decisions_.find(hash ^ kind);
    if (found == decisions_.end() || found->second.topic != textOf(topic) || found->second.kind != kind)
      return Answer::unknown;
    const Decision decision = found->second;
    if (decision.isOnce || decision.endsMs <= nowMs) decisions_.erase(found);
    if (!decision.isOnce && decision.endsMs <= nowMs) return Answer::unknown;
    return decision.isAllowed ? Answer::allowed : Answer::denied;
  }

  // The next decide() is about this. `kind`: QoS and retain, on which the decision may depend.
  void ask(Bytes topic, uint64_t hash, uint8_t kind) {
    asked_ = {std::string(textOf(topic)), kind, false, false, 0};
    askedHash_ = hash ^ kind;
    isAsking_ = true;
  }

  // `keptMs` 0: for the one message that waits for it.
  void decide(bool isAllowed, uint64_t keptMs, uint64_t nowMs) {
    if (!std::exchange(isAsking_, false)) return;
    if (decisions_.size() >= decisionsMax) decisions_.clear();
    asked_.isAllowed = isAllowed;
    asked_.isOnce = keptMs == 0;
    asked_.endsMs = nowMs + keptMs;
    decisions_.insert_or_assign(askedHash_, std::move(asked_));
  }

  // The client's identity or rights have changed. Open questions are still answered.
  void forget() { decisions_.clear(); }

 private:
  // For one connection. A client that publishes to more topics causes more questions; beyond this all are forgotten.
  static constexpr size_t decisionsMax = 256;

  struct Decision {
    std::string topic;
    uint8_t kind = 0;
    bool isAllowed = false;
    bool isOnce = false;
    uint64_t endsMs = 0;
  };

  static std::string_view textOf(Bytes topic) { return {reinterpret_cast<const char*>(topic.data()), topic.size()}; }

  std::unordered_map<uint64_t, Decision> decisions_;
  Decision asked_;
  uint64_t askedHash_ = 0;
  bool isAsking_ = false;
};

}  // namespace rally
