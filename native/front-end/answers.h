// The PUBACKs and PUBRECs that a connection is owed, in the order of its PUBLISH packets [MQTT-4.6.0-2]
// [MQTT-4.6.0-3]. Each shard answers in order; different shards do not.
//
//   first                         end
//     | ready | ready | waits | ready | waits |
//       `-----+-----'  takeReady(), until the first that waits
#pragma once
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

  // An answer has arrived. It is for the first that waits, unless other shards are slower.
  void settle(uint16_t packetId, uint8_t qos, Reason reason) {
    for (uint64_t at = answers_.first(); at != answers_.end(); at++) {
      Answer& answer = answers_[at];
      if (answer.isReady || answer.packetId != packetId || answer.qos != qos) continue;
      answer.isReady = true;
      answer.reason = reason;
      return;
    }
  }

  bool expects(uint16_t packetId, uint8_t qos) {
    for (uint64_t at = answers_.first(); at != answers_.end(); at++) {
      const Answer& answer = answers_[at];
      if (!answer.isReady && answer.packetId == packetId && answer.qos == qos) return true;
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

  bool hasReady() { return !answers_.isEmpty() && answers_.front().isReady; }
  Answer takeReady() {
    const Answer answer = answers_.front();
    answers_.pop();
    return answer;
  }

 private:
  Fifo<Answer> answers_;
};

}  // namespace rally
