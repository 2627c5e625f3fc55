// From a publication to the sessions of this worker that subscribe to it: each once, however many of its filters
// match, with their highest QoS and all their subscription identifiers [MQTT-3.3.4-2], [MQTT-3.3.4-4].
#pragma once
#include <vector>

#include "../security/gate.h"
#include "outbound.h"

namespace rally {

class Matcher {
 public:
  Matcher(Outbound& outbound, Gate& gate, Counters& counters) : outbound_(outbound), gate_(gate), counters_(counters) {}

  // `shard`: the worker that owns the topic. `isLogged`: for the durable sessions among them, before they have it.
  void deliver(const std::vector<Filter*>& filters, Publication& publication, unsigned shard, bool isLogged = false) {
    if (isLogged) [[unlikely]]
      return deliverLogged(filters, publication, shard);
    outbound_.begin(publication);
    if (filters.size() == 1 && !filters[0]->isWide) {
      for (const Subscriber& subscriber : filters[0]->subscribers) {
        if (!isFor(subscriber, *filters[0], publication, shard)) continue;
        outbound_.deliver(*subscriber.session, publication, subscriber.qos,
                          subscriber.retainAsPublished && publication.retain,
                          SubscriptionIds(subscriber.subscriptionId));
      }
      return;
    }
    collect(filters, publication, shard);
    if (targets_.empty()) counters_.add(Counter::handedOverInVain);
    for (const Target& target : targets_) {
      outbound_.deliver(*target.session, publication, target.qos, target.retain, target.ids);
    }
  }

 private:
  // A record with more for whom it is would make the others wait.
  static constexpr size_t targetBytesMax = 65'536;

  struct Target {
    Session* session;
    uint8_t qos;
    bool retain;
    SubscriptionIds ids;
  };

  [[gnu::noinline]] void deliverLogged(const std::vector<Filter*>& filters, Publication& publication, unsigned shard) {
    collect(filters, publication, shard);
    if (targets_.empty()) counters_.add(Counter::handedOverInVain);
    Journal& journal = outbound_.journal();
    brought_.clear();
    for (const Target& target : targets_) {
      const uint8_t qos = std::min(target.qos, publication.qos);
      if (qos > 0) outbound_.noteIfArriving(*target.session);
      if (qos == 0 || !target.session->durable) continue;
      brought_.add(target.session->key, qos, target.retain, false, target.ids);
      if (brought_.size() < targetBytesMax) continue;
      journal.bring(publication, brought_);
      brought_.clear();
    }
    if (!brought_.isEmpty()) journal.bring(publication, brought_);
    outbound_.begin(publication);
    for (const Target& target : targets_)
      outbound_.deliver(*target.session, publication, target.qos, target.retain, target.ids);
  }

  bool isFor(const Subscriber& subscriber, Filter& filter, const Publication& publication, unsigned shard) {
    const Session& session = *subscriber.session;
    if (subscriber.noLocal && session.key == publication.originSession) return false;  // [MQTT-3.8.3-3]
    if (subscriber.isNew && !session.isKnown(filter, shard)) return false;
    if (session.move && !session.move->accepts(shard)) return false;
    const bool isAsked = subscriber.isPartial || session.subscriptionsEpoch != gate_.epoch();
    return !isAsked || mayReceive(session, publication.topic);
  }

  bool mayReceive(const Session& session, Bytes topic) {
    const bool isAllowed = gate_.mayReceive(session, topic);
    if (!isAllowed) counters_.add(Counter::withheld);
    return isAllowed;
  }

  void collect(const std::vector<Filter*>& filters, const Publication& publication, unsigned shard) {
    targets_.clear();
    for (Filter* filter : filters) {
      for (const Subscriber& subscriber : filter->subscribers) {
        if (!isFor(subscriber, *filter, publication, shard)) continue;
        Session& session = *subscriber.session;
        const bool retain = subscriber.retainAsPublished && publication.retain;
        const bool isFirst = session.matchIndex >= targets_.size() || targets_[session.matchIndex].session != &session;
        if (isFirst) {
          session.matchIndex = uint32_t(targets_.size());
          targets_.push_back({&session, subscriber.qos, retain, SubscriptionIds(subscriber.subscriptionId)});
          continue;
        }
        Target& target = targets_[session.matchIndex];
        if (subscriber.qos > target.qos) target.qos = subscriber.qos;
        target.retain = target.retain || retain;
        target.ids.add(subscriber.subscriptionId);
      }
    }
  }

  Outbound& outbound_;
  Gate& gate_;
  Counters& counters_;
  std::vector<Target> targets_;
  BroughtTargets brought_;
};

}  // namespace rally
