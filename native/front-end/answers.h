// The PUBACKs and PUBRECs that a connection is owed, in the order of its PUBLISH packets [MQTT-4.6.0-2]
// [MQTT-4.6.0-3]. Each shard answers in order; different shards do not.
//
//   first                         end
//     | ready | ready | waits | ready | waits |
//       `-----+-----'  takeReady(), until the first that waits
//
// While one is slow, tens of thousands may follow it. So the search for the next one begins after the last one
// found: most answers come in batches of one shard, in order.
#pragma once
#include <algorithm>

#include "../structures/fifo.h"
#include "../wire/packet.h"

namespace rally {

class Answers {
 public:
  struct Answer {
    uint16_t packetId = 0;
    uint8_t qos = 0;
    bool isReady = false;
    bool isTaken = false;  // the message counts against Receive Maximum
    Reason reason = Reason::success;
  };

  // A PUBLISH was received; its answer is on its way.
  void expect(uint16_t packetId, uint8_t qos) { answers_.push({.packetId = packetId, .qos = qos, .isTaken = true}); }
  // A PUBLISH was repeated whose answer is still on its way.
  void expectAgain(uint16_t packetId, uint8_t qos) { answers_.push({.packetId = packetId, .qos = qos}); }
  // A PUBLISH was received whose answer is known: it is refused, or a repetition.
  void add(uint16_t packetId, uint8_t qos, Reason reason) {
    answers_.push({.packetId = packetId, .qos = qos, .isReady = true, .reason = reason});
  }

  // An answer has arrived, for one that waits.
  void settle(uint16_t packetId, uint8_t qos, Reason reason) {
    if (answers_.isEmpty()) return;
    if (Answer& first = answers_.front(); isAwaited(first, packetId, qos)) [[likely]]
      settle(first, reason);
    else settleBehind(packetId, qos, reason);
  }

  bool expects(uint16_t packetId, uint8_t qos) {
    for (uint64_t at = answers_.first(); at != answers_.end(); at++) {
      if (isAwaited(answers_[at], packetId, qos)) return true;
    }
    return false;
  }

  // Calls `visit(answer)` for each QoS 2 message that was received and whose answer was not sent.
  template <class Visit>
  void eachTaken(Visit&& visit) {
    for (uint64_t at = answers_.first(); at != answers_.end(); at++) {
      if (answers_[at].isTaken && answers_[at].qos == 2) visit(answers_[at]);
    }
  }

  size_t size() const { return answers_.size(); }
  // A client has no more packet identifiers than these: one of them has come again without its answer.
  bool areTooMany() const { return answers_.size() > UINT16_MAX; }

  bool hasReady() { return !answers_.isEmpty() && answers_.front().isReady; }
  Answer takeReady() {
    const Answer answer = answers_.front();
    answers_.pop();
    return answer;
  }

 private:
  static bool isAwaited(const Answer& answer, uint16_t packetId, uint8_t qos) {
    return !answer.isReady && answer.packetId == packetId && answer.qos == qos;
  }
  static void settle(Answer& answer, Reason reason) {
    answer.isReady = true;
    answer.reason = reason;
  }
  [[gnu::noinline]] void settleBehind(uint16_t packetId, uint8_t qos, Reason reason) {
    const uint64_t start = std::max(behindLast_, answers_.first());
    if (!settleIn(start, answers_.end(), packetId, qos, reason))
      settleIn(answers_.first(), start, packetId, qos, reason);
  }
  bool settleIn(uint64_t from, uint64_t to, uint16_t packetId, uint8_t qos, Reason reason) {
    for (uint64_t at = from; at != to; at++) {
      Answer& answer = answers_[at];
      if (!isAwaited(answer, packetId, qos)) continue;
      settle(answer, reason);
      behindLast_ = at + 1;
      return true;
    }
    return false;
  }

  Fifo<Answer> answers_;
  uint64_t behindLast_ = 0;  // that settle() has found
};

}  // namespace rally
