// The seam of authorisation: whether a client may publish to a topic, and whether it may have a message of a topic.
//
//   PUBLISH  -> mayPublish  before it is counted             SUBSCRIBE    -> judge: nothing of it is allowed: refused
//   will     -> mayPublish  when it goes out                                        all of it: it is never asked about
//   again delivery -> mayReceive  live, of a share, retained,                             part of it: each delivery is
//   asked about
//               queued before the rules were what they are
//
// A session without Rights is excepted: the host program, and everybody where no rules are configured.
#pragma once
#include <vector>

#include "rights.h"

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

  bool mayPublish(Rights* rights, Bytes topic, uint64_t topicHash) {
    return !rights || decidesPublish(*rights, topic, topicHash);
  }
  bool mayReceive(Rights* rights, Bytes topic) { return !rights || decidesReceive(*rights, topic); }
  // Of a client that has left.
  bool mayPublishWill(const Access* access, Bytes topic) { return !access || decidesWill(*access, topic); }
  // Of a filter without `$share/{name}/`.
  FilterVerdict judge(Rights* rights, Bytes filter) {
    return rights ? decidesFilter(*rights, filter) : FilterVerdict::covered;
  }

  // The rules that are in force, by number.
  uint32_t epoch() const { return epoch_; }

  // The session's rights have changed, or it has come from another worker: its subscriptions are to be judged.
  void noteUnjudged(uint64_t session) { unjudged_.push_back(session); }
  bool hasUnjudged() const { return !unjudged_.empty(); }
  std::vector<uint64_t> takeUnjudged() { return std::exchange(unjudged_, {}); }

 protected:
  // The rules are others.
  void renew() { epoch_++; }

 private:
  virtual bool decidesPublish(Rights& rights, Bytes topic, uint64_t topicHash) = 0;
  virtual bool decidesReceive(Rights& rights, Bytes topic) = 0;
  virtual bool decidesWill(const Access& access, Bytes topic) = 0;
  virtual FilterVerdict decidesFilter(Rights& rights, Bytes filter) = 0;

  uint32_t epoch_ = firstEpoch;
  std::vector<uint64_t> unjudged_;
};

}  // namespace rally
