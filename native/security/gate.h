// The interface of authorisation: whether a client may publish to a topic, and whether it may receive a message of a
// topic.
//
//   PUBLISH   -> mayPublish  before it is counted
//   will      -> mayPublish  again, when it is published
//   SUBSCRIBE -> judge       nothing is allowed: refused; all of it: no further checks; a part: each delivery is asked
//   delivery  -> mayReceive  live, of a share, retained, or queued before the rules changed
//
// Without rules every client may do everything; the host program always may. If the client of a session is not known
// (it is moving here, or the broker was restarted), nothing is sent and nothing is lost.
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
  // In force if there are no rules, and for every new session.
  static constexpr uint32_t firstEpoch = 1;

  virtual ~Gate() = default;

  bool mayPublish(const Session& session, Bytes topic, uint64_t topicHash) {
    if (isOpenTo(session)) return true;
    return session.rights && mayPublish(*session.rights, topic, topicHash);
  }
  // A message for an unknown client waits with its session: it is checked when it is sent.
  bool mayReceive(const Session& session, Bytes topic) {
    if (isOpenTo(session)) return true;
    return session.rights ? mayReceive(*session.rights, topic) : !session.connection || session.move;
  }
  // For a filter without `$share/{name}/`.
  FilterVerdict judge(const Session& session, Bytes filter) {
    if (isOpenTo(session)) return FilterVerdict::covered;
    return session.rights ? judge(*session.rights, filter) : FilterVerdict::refused;
  }

  virtual bool mayPublish(Rights& rights, Bytes topic, uint64_t topicHash) = 0;
  virtual bool mayReceive(Rights& rights, Bytes topic) = 0;
  virtual FilterVerdict judge(Rights& rights, Bytes filter) = 0;
  // For the will of a client that has left.
  virtual bool mayPublishWill(const Access& access, Bytes topic) = 0;

  // The number of the rules in force.
  uint32_t epoch() const { return epoch_; }

  // The session's rights have changed, or it has come from another worker: its subscriptions have to be checked.
  void noteUnjudged(uint64_t session) { unjudged_.push_back(session); }
  bool hasUnjudged() const { return !unjudged_.empty(); }
  std::vector<uint64_t> takeUnjudged() { return std::exchange(unjudged_, {}); }

 protected:
  // The rules are new, or have changed.
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
