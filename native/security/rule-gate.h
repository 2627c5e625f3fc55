// The gate that applies a book of rules. Each worker has its own.
#pragma once
#include "gate.h"

namespace rally {

class RuleGate : public Gate {
 public:
  using Gate::judge;
  using Gate::mayPublish;
  using Gate::mayReceive;

  // `grantsBroadFilters`: a subscription gets the allowed part of its filter; otherwise everything that its filter
  // matches must be allowed, except parts that a rule denies.
  explicit RuleGate(bool grantsBroadFilters) : grantsBroadFilters_(grantsBroadFilters) {}

  // From now on these rules are in force. The subscriptions of all sessions have to be checked again.
  void adopt(std::shared_ptr<const RuleBook> book) {
    book_ = std::move(book);
    renew();
  }

  bool mayPublish(Rights& rights, Bytes topic, uint64_t topicHash) override {
    if (!strip(*rights.access, topic)) return false;
    resolve(rights);
    if (!rights.decisions) rights.decisions = std::make_unique<Decisions>();
    if (const bool* known = rights.decisions->find(topic, topicHash)) return *known;
    const bool isGranted = isAllowed(matchingPublish(rights.sets, *rights.access, topic));
    rights.decisions->set(topic, topicHash, isGranted);
    return isGranted;
  }

  bool mayReceive(Rights& rights, Bytes topic) override {
    if (!strip(*rights.access, topic)) return false;
    resolve(rights);
    return isAllowed(matchingReceive(rights.sets, *rights.access, topic));
  }

  bool mayPublishWill(const Access& access, Bytes topic) override {
    return !book_ || (strip(access, topic) && book_->mayPublish(access, topic));
  }

  FilterVerdict judge(Rights& rights, Bytes filter) override {
    if (!strip(*rights.access, filter)) return FilterVerdict::refused;
    resolve(rights);
    RuleBits covering = 0;
    RuleBits meeting = 0;
    for (const RuleSet* set : rights.sets) {
      covering |= set->receive.covering(filter, rights.access->values());
      meeting |= set->receive.meeting(filter, rights.access->values());
    }
    return verdictOf(covering, meeting);
  }

 private:
  // The rules apply to the topic as the client sees it. False: it is not of its tenant, or the prefix alone: no topic.
  static bool strip(const Access& access, Bytes& topic) {
    const Bytes prefix = bytesOfText(access.topicPrefix);
    if (prefix.empty()) return true;
    if (!goesOnBehind(topic, prefix)) return false;
    topic = topic.subspan(prefix.size());
    return true;
  }

  FilterVerdict verdictOf(RuleBits covering, RuleBits meeting) const {
    const RuleBits deciding = decidingBit(covering);
    const auto before = RuleBits(deciding - 1);  // all, if nothing covers it
    if ((deciding & allowBits) != 0)
      return (meeting & before & denyBits) == 0 ? FilterVerdict::covered : FilterVerdict::partly;
    const bool isSomeAllowed = (meeting & before & allowBits) != 0;
    return grantsBroadFilters_ && isSomeAllowed ? FilterVerdict::partly : FilterVerdict::refused;
  }

  // Finds the rules that apply to the client, if they are not known.
  void resolve(Rights& rights) const {
    if (rights.epoch == epoch()) return;
    rights.sets = book_ ? book_->setsOf(*rights.access) : RuleSets();
    rights.decisions = nullptr;
    rights.epoch = epoch();
  }

  const bool grantsBroadFilters_;
  std::shared_ptr<const RuleBook> book_;
};

}  // namespace rally
