// The members of shared subscriptions at a front end (5.0, 4.8.2).
//
//   shard --deliverShared--> the next member that is suitable at the requested level
//         <----reshare------ there is none: the shard asks the next worker, and finally for less (topics/share.h)
//         <---shareReady---- after a refusal: a member is ready again
//
// A member that leaves gives back its messages: when its session ends, the queue and unacknowledged QoS 1; when it
// loses its connection, the same, if another member is connected (the shard knows: memberLeft -> handOver); when it
// unsubscribes, the queue. QoS 2 that was sent once stays with its session [MQTT-4.8.2-4], [MQTT-4.8.2-5]. The last two
// wait for the end of the turn, so that a session is searched once, however many shares it leaves.
#pragma once
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../lanes/deliveries.h"
#include "../security/gate.h"
#include "../sessions/session-table.h"
#include "../topics/route-sums.h"
#include "../topics/slot-map.h"
#include "outbound.h"
#include "shard-requests.h"
#include "share-members.h"

namespace rally {

class Sharing {
 public:
  Sharing(const SlotMap& slots, FilterTable& filters, SessionTable& sessions, Outbound& outbound, Gate& gate,
          Counters& counters, ShardRequests& requests)
      : slots_(slots),
        filters_(filters),
        sessions_(sessions),
        outbound_(outbound),
        gate_(gate),
        counters_(counters),
        requests_(requests),
        level_{outbound} {}

  void beginTurn(uint64_t nowMs) { members_.beginTurn(nowMs); }
  // Before there are members: these are the sums of what others are told.
  void startCluster(RouteSums& sums) { sums_ = &sums; }

  // --- members ------------------------------------------------------------------------------------

  // In how many shares the session is a member.
  size_t sharesOf(const Session& session) const { return members_.sharesOf(session); }

  // The session has a new subscription to this shared filter, its last one.
  void join(Session& session, Filter& filter) {
    SubscriptionRef& subscription = session.subscriptions.back();
    RALLY_ASSERT(subscription.filter == &filter && filter.isShared);
    if (session.standing == 0) session.presence = presenceOf(session);
    noteSharer(session);
    counters_.add(Counter::sharedSubscriptions);
    Share& share = filters_.share(filter.share);
    subscription.member = members_.add(share, filter.subscribers[subscription.position], level_);
    noteReady(share, ShareKind::qos0);
    noteReady(share, ShareKind::acknowledged);
    count(share, session.presence, 1);
    share.durable += isDurable(filter.subscribers[subscription.position]);
    tellOwners(share);
  }

  // The options of its subscription have changed.
  void update(Session& session, Filter& filter) {
    const uint32_t member = SessionTable::memberOf(session, filter);
    const Subscriber& subscriber = *SessionTable::find(session, filter);
    Share& share = filters_.share(filter.share);
    const uint32_t durableBefore = share.durable;
    share.durable -= isDurable(members_.subscriberOf(member));
    share.durable += isDurable(subscriber);
    members_.update(member, subscriber, level_);
    noteReady(share, ShareKind::qos0);
    noteReady(share, ShareKind::acknowledged);
    if (share.durable != durableBefore) tellOwners(share);
  }
  // The session has become durable, and has this subscription.
  void noteDurable(Filter& filter, uint32_t member) {
    Share& share = filters_.share(filter.share);
    share.durable += isDurable(members_.subscriberOf(member));
    tellOwners(share);
  }

  // The session, which was this member, has no subscription to it any more. The filter may be released now.
  void leave(Session& session, Filter& filter, uint32_t member) {
    Share& share = filters_.share(filter.share);
    share.durable -= isDurable(members_.subscriberOf(member));
    members_.remove(member);
    counters_.subtract(Counter::sharedSubscriptions);
    count(share, session.presence, -1);
    tellOwners(share);
  }

  // Visits the sessions that are members or hold messages of a share, and others that did: for a checkpoint.
  template <class Visit>
  void eachSharer(Visit&& visit) {
    std::erase_if(sharers_, [&](uint64_t key) {
      Session* session = sessions_.find(key);
      if (!session || (session->standing == 0 && !holdsShared(*session))) return true;
      visit(*session);
      return false;
    });
  }
  void noteSharer(const Session& session) { sharers_.insert(session.key); }
  void noteArrival(Session& session) {
    if (outbound_.journal().isOn() && holdsShared(session)) noteSharer(session);
  }

  // A member's session has got a connection, which the shards learn at once, or lost it, the effects of which wait for
  // settle(), since it may happen in the middle of a delivery.
  void noteChange(const Session& session) {
    if (session.standing == 0) return;
    if (session.connection) updatePresence(*sessions_.find(session.key));
    else changed_.push_back(session.key);
  }

  // The members of a share here.
  void tell(const Share& share, unsigned worker) {
    requests_.toShard(worker, request::ShareRoute{.isOver = share.own->subscribers.isEmpty(),
                                                  .senderShare = share.key,
                                                  .connected = share.connected,
                                                  .able = share.able,
                                                  .durable = share.durable,
                                                  .carried = Carried(toFilterText(share.own->text()))});
  }

  // At the end of a turn.
  void settle() {
    std::vector<uint64_t> changed;
    changed.swap(changed_);
    for (const uint64_t key : changed) {
      if (Session* session = sessions_.find(key)) updatePresence(*session);
    }
    giveBack();
    raiseImproved();
    if (!readied_.empty()) tellReady();
  }

  // --- messages -----------------------------------------------------------------------------------

  // Gives a member here the message, none worse than `worst`, for a shard that knows the share by this key.
  ShareOutcome deliver(Publication& publication, Share& share, unsigned shard, uint32_t shardKey, ShareLevel worst) {
    if (share.own->subscribers.isEmpty()) return ShareOutcome::over;
    share.setKeyAt(shard, shardKey);
    raiseImproved();
    const ShareKind kind = shareKindOf(publication.qos);
    bool isWithheldFromSome = false;
    const auto mayHave = [&](const Session& session) {
      const bool isMeant = !isWithheld(session, publication.topic) && !isHidden(session, share, publication.topic);
      isWithheldFromSome = isWithheldFromSome || !isMeant;
      return isMeant;
    };
    const Subscriber* member = members_.choose(share, kind, worst, level_, mayHave);
    if (!member && isWithheldFromSome) return ShareOutcome::withheld;
    if (!member) {
      share.toldFull[size_t(kind)] |= uint64_t(1) << shard;
      return ShareOutcome::full;
    }
    const bool retain = member->retainAsPublished && publication.retain;
    const SubscriptionIds ids(member->subscriptionId);
    if (outbound_.journal().isClustered()) {
      bring(publication, *member, retain, ids);
    } else if (publication.logId != 0 && outbound_.journal().isOn()) {
      const uint8_t qos = std::min<uint8_t>(publication.qos, member->qos);
      outbound_.journal().queued(
          member->session->key,
          {.message = publication.keep(), .subscriptionIds = ids, .qos = qos, .retain = retain, .share = shardKey},
          filters_.hashOf(share.own->text()));
    }
    outbound_.begin(publication);
    outbound_.deliver(*member->session, publication, member->qos, retain, ids, shardKey);
    return ShareOutcome::taken;
  }

  // The same for a message of another worker's shard, which gets it back if no member accepts it.
  // True: a member has it.
  bool receive(Publication& publication, const delivery::DeliverShared& sent, unsigned shard) {
    Share* const share = filters_.findShare(sent.share);
    const ShareOutcome outcome = share ? deliver(publication, *share, shard, sent.senderShare, sent.level)
                                       : ShareOutcome::over;
    if (outcome == ShareOutcome::taken) return true;
    requests_.toShard(shard, request::Reshare{.outcome = outcome,
                                              .level = sent.level,
                                              .isWithheld = sent.isWithheld,
                                              .share = sent.senderShare,
                                              .token = sent.token,
                                              .carried = Carried(publication.keep()),
                                              .refused = sent.refused});
    return false;
  }

  // Another member of the share with this key at the shard is connected, and the session is not.
  void handOver(uint64_t key, unsigned shard, uint32_t shardKey) {
    returns_[key].handedOver.insert(nameOf(shard, shardKey));
  }

  // The session has left the share.
  void noteLeft(Session& session, const Filter& filter) {
    if (session.queue.shared() == 0) return;
    session.isGivingBack = true;
    const Share& share = filters_.share(filter.share);
    std::unordered_set<uint64_t>& left = returns_[session.key].left;
    if (share.keys.empty()) left.insert(nameOf(anyShard, share.key));
    else eachWorker(slots_.present(), [&](unsigned shard) { left.insert(nameOf(shard, share.keyAt(shard))); });
  }

  // At the end of a turn, first before what it has logged is handed over: members give back what is not theirs any
  // more.
  void giveBack() {
    if (returns_.empty()) return;
    for (const auto& each : std::exchange(returns_, {})) {
      const Returned& returned = each.second;
      Session* session = sessions_.find(each.first);
      // Another node may have it already, with all that it holds.
      if (!session || (session->move && session->move->state == SessionMove::State::kept)) continue;
      const bool isAway = !session->connection;
      const auto isHandedOver = [&](const Delivery& delivery) {
        return isAway && delivery.share != 0 && returned.handedOver.contains(nameOf(ownerOf(delivery), delivery.share));
      };
      const auto isLeft = [&](const Delivery& delivery) {
        if (delivery.share == 0 || returned.left.empty()) return false;
        return returned.left.contains(nameOf(anyShard, delivery.share)) ||
               returned.left.contains(nameOf(ownerOf(delivery), delivery.share));
      };
      reshare(take(*session, isHandedOver,
                   [&](const Delivery& delivery) { return isHandedOver(delivery) || isLeft(delivery); }));
      if (!session->isGivingBack) continue;
      session->isGivingBack = false;
      outbound_.pump(*session);
    }
  }
  // The messages that a session about to end has not received.
  std::vector<Delivery> takeAll(Session& session) {
    sharers_.erase(session.key);
    const auto isOfShare = [](const Delivery& delivery) { return delivery.share != 0; };
    return take(session, isOfShare, isOfShare);
  }
  void reshare(const std::vector<Delivery>& deliveries) {
    for (const Delivery& delivery : deliveries)
      requests_.toOwner(filters_.hashOf(delivery.message->topic()),
                        request::Reshare{.share = delivery.share, .carried = Carried(delivery.message)});
  }

 private:
  struct Readied {
    uint32_t share;
    ShareKind kind;
  };
  // What a session could do with a message of this QoS.
  struct LevelOf {
    Outbound& outbound;
    ShareLevel operator()(Session& session, uint8_t qos) const { return outbound.levelOf(session, qos); }
  };

  // Shares whose messages a session gives back, by nameOf().
  struct Returned {
    std::unordered_set<uint64_t> left;        // what is queued of them ...
    std::unordered_set<uint64_t> handedOver;  // ... and also what was sent and not acknowledged
  };
  // The key is the same at all shards.
  static constexpr unsigned anyShard = UINT8_MAX;
  static uint64_t nameOf(unsigned shard, uint32_t key) { return uint64_t(shard) << 32 | key; }

  unsigned ownerOf(const Delivery& delivery) const {
    return slots_.ownerOf(filters_.hashOf(delivery.message->topic()));
  }

  // In a cluster the log knows the message as the session's own.
  void bring(Publication& publication, const Subscriber& member, bool retain, const SubscriptionIds& ids) {
    const uint8_t qos = std::min<uint8_t>(publication.qos, member.qos);
    if (qos > 0) outbound_.noteIfArriving(*member.session);
    if (qos == 0 || !member.session->durable || isReservedTopic(publication.topic)) return;
    // The owner, on this node, did not know of a durable member yet; others may have the message already.
    const bool isShared = publication.kept && publication.kept->references.load(std::memory_order_relaxed) > 1;
    if (publication.logId == 0 && isShared) return;
    BroughtTargets targets;
    targets.add(member.session->key, qos, retain, false, ids);
    outbound_.journal().bring(publication, targets);
  }

  bool holdsShared(Session& session) {
    bool holds = false;
    session.window.each([&](const Window::Entry& entry) { holds = holds || entry.delivery.share != 0; });
    session.queue.each(outbound_.held(), [&](const Delivery& delivery) { holds = holds || delivery.share != 0; });
    return holds;
  }

  // A shared subscription is allowed as a whole or not at all. The rules may have changed since it was checked.
  bool isWithheld(const Session& session, Bytes topic) {
    return session.subscriptionsEpoch != gate_.epoch() && !gate_.mayReceive(session, topic);
  }
  // Of members that are away the prefix is not known: what they must not see ends when they are back.
  static bool isHidden(const Session& session, const Share& share, Bytes topic) {
    const std::string* prefix = session.connection ? session.connection->topicPrefix.get() : nullptr;
    return prefix && TenantTopics::isHiddenFromWildcard(share.base->text(), bytesOfText(*prefix), topic);
  }
  static bool isDurable(const Subscriber& subscriber) { return subscriber.session->isDurable && subscriber.qos > 0; }

  static Presence presenceOf(const Session& session) {
    if (session.connection) return Presence::connected;
    return session.isPersistent() ? Presence::away : Presence::none;
  }
  static void count(Share& share, Presence presence, int change) {
    if (presence == Presence::connected) share.connected += uint32_t(change);
    if (presence != Presence::none) share.able += uint32_t(change);
  }

  void updatePresence(Session& session) {
    const Presence before = session.presence;
    const Presence now = presenceOf(session);
    if (session.standing == 0 || now == before) return;
    session.presence = now;
    members_.eachShareOf(session, [&](Share& share) {
      count(share, before, -1);
      count(share, now, 1);
      tellOwners(share);
    });
    if (before == Presence::connected) askForHeirs(session);
  }

  void tellOwners(Share& share) {
    if (sums_) {
      const uint64_t before = share.toldNumber;
      share.toldNumber = share.own->subscribers.isEmpty() ? 0
                                                          : shareNumber(filters_.hashOf(share.own->text()),
                                                                        share.connected, share.able, share.durable);
      sums_->change(filters_.slotOfRoute(*share.base), before, share.toldNumber);
    }
    const uint64_t told = share.base->hasWildcards() ? slots_.present()
                                                     : slots_.ownersOf(filters_.hashOf(share.base->text()));
    eachWorker(told, [&](unsigned worker) { tell(share, worker); });
  }

  // Asks the shards of the session's messages whether other members could take them.
  void askForHeirs(Session& session) {
    std::vector<std::pair<unsigned, uint32_t>> asked;
    const auto ask = [&](const Delivery& delivery) {
      if (delivery.share != 0) asked.emplace_back(ownerOf(delivery), delivery.share);
    };
    session.window.eachUnreceived(ask);
    session.queue.each(outbound_.held(), ask);
    std::sort(asked.begin(), asked.end());
    asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
    for (const auto& [shard, key] : asked) {
      if (shard == SlotMap::nobody) continue;  // it cannot be decided now: the messages stay with it
      requests_.toShard(shard, request::MemberLeft{.share = key, .session = session.key});
    }
  }

  template <class IsMeantSent, class IsMeant>
  std::vector<Delivery> take(Session& session, IsMeantSent&& isMeantSent, IsMeant&& isMeant) {
    std::vector<Delivery> taken;
    session.window.takeUnreceived(isMeantSent, taken, outbound_.held());
    const size_t before = session.queue.size();
    if (session.queue.shared() > 0) session.queue.take(isMeant, taken, outbound_.held());
    counters_.subtract(Counter::queued, before - session.queue.size());
    // Where the log does not know of shares, it is not the session's any more. It learns that later than whoever gets
    // it.
    Journal& journal = outbound_.journal();
    if (journal.isClustered()) {
      for (const Delivery& delivery : taken) journal.settle(session, delivery);
    }
    outbound_.noteRoom(session);
    return taken;
  }

  // Members that were passed over and may do better now are checked again.
  void raiseImproved() {
    if (!outbound_.hasImproved()) return;
    outbound_.takeImproved(improved_);
    for (const uint64_t key : improved_) {
      if (Session* session = sessions_.find(key))
        members_.raise(*session, level_, [&](const Share& share, ShareKind kind) { noteReady(share, kind); });
    }
    improved_.clear();
  }

  // A member may be ready now for messages of this kind.
  void noteReady(const Share& share, ShareKind kind) {
    if (share.toldFull[size_t(kind)] != 0) readied_.push_back({share.key, kind});
  }
  void tellReady() {
    for (const Readied& each : readied_) {
      const ShareKind kind = each.kind;
      Share* share = filters_.findShare(each.share);
      if (!share || share->toldFull[size_t(kind)] == 0 || !members_.hasReady(*share, kind, level_)) continue;
      eachWorker(std::exchange(share->toldFull[size_t(kind)], 0), [&](unsigned shard) {
        requests_.toShard(shard, request::ShareReady{.messages = kind, .share = share->keyAt(shard)});
      });
    }
    readied_.clear();
  }

  const SlotMap& slots_;
  FilterTable& filters_;
  SessionTable& sessions_;
  Outbound& outbound_;
  Gate& gate_;
  Counters& counters_;
  ShardRequests& requests_;
  RouteSums* sums_ = nullptr;  // none: this is not a cluster
  ShareMembers members_;
  const LevelOf level_;
  std::unordered_set<uint64_t> sharers_;            // sessions that are or were members
  std::unordered_map<uint64_t, Returned> returns_;  // by session
  std::vector<uint64_t> changed_;                   // sessions
  std::vector<uint64_t> improved_;                  // sessions, while they are raised
  // Shares that shards have been told are full, and that may have a member again.
  std::vector<Readied> readied_;
};

}  // namespace rally
