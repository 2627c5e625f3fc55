// The seam of authorisation: whether a client may publish to a topic, and whether it may have a message of a topic.
//
//   PUBLISH  -> mayPublish  before it is counted             SUBSCRIBE    -> judge: nothing of it is allowed: refused
//   will     -> mayPublish  when it goes out                                        all of it: it is never asked about
//   again delivery -> mayReceive  live, of a share, retained,                             part of it: each delivery is
//   asked about
//               queued before the rules were what they are
//
// Where no rules are configured everybody may do everything, and the host program may always. Of a session whose client
// is not known (it is on its way here, or the broker was started again) nothing goes out, and nothing is lost.
#pragma once
#include <vector>

#include "../sessions/session.h"

namespace rally {

enum class FilterVerdict : uint8_t {
  refused,  // nothing that it matches is allowed, or too little of it
  partly,   // each delivery is asked about
  covered,  // all that it matches is allowed
};

class Gate {
 public:
  // In force where no rules are configured, and of every new session.
  static constexpr uint32_t firstEpoch = 1;

  virtual ~Gate() = default;

  bool mayPublish(const Session& session, Bytes topic, uint64_t topicHash) {
    if (isOpenTo(session)) return true;
    return session.rights && mayPublish(*session.rights, topic, topicHash);
  }
  // One whose client is not known waits for it, with its session: it is asked about when it is sent.
  bool mayReceive(const Session& session, Bytes topic) {
    if (isOpenTo(session)) return true;
    return session.rights ? mayReceive(*session.rights, topic) : !session.connection || session.move;
  }
  // Of a filter without `$share/{name}/`.
  FilterVerdict judge(const Session& session, Bytes filter) {
    if (isOpenTo(session)) return FilterVerdict::covered;
    return session.rights ? judge(*session.rights, filter) : FilterVerdict::refused;
  }

  virtual bool mayPublish(Rights& rights, Bytes topic, uint64_t topicHash) = 0;
  virtual bool mayReceive(Rights& rights, Bytes topic) = 0;
  virtual FilterVerdict judge(Rights& rights, Bytes filter) = 0;
  // Of a client that has left, whose will it is.
  virtual bool mayPublishWill(const Access& access, Bytes topic) = 0;

  // The rules that are in force, by number.
  uint32_t epoch() const { return epoch_; }

  // The session's rights have changed, or it has come from another worker: its subscriptions are to be judged.
  void noteUnjudged(uint64_t session) { unjudged_.push_back(session); }
  bool hasUnjudged() const { return !unjudged_.empty(); }
  std::vector<uint64_t> takeUnjudged() { return std::exchange(unjudged_, {}); }

 protected:
  // There are rules, or others.
  void renew() {
    hasRules_ = true;
    epoch_++;
  }

 private:
  bool isOpenTo(const Session& session) const { return !hasRules_ || !rightsOf(session.kind).isHeldToRules; }

  bool hasRules_ = false;
  uint32_t epoch_ = firstEpoch;
  std::vector<uint64_t> unjudged_;
};

}  // namespace rally
