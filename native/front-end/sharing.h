// The members of shared subscriptions at a front end (5.0, 4.8.2).
//
//   shard --deliverShared--> the next member that is connected and has room
//         <----reshare------ nobody has: the shard tries another worker, and this one takes no more until ...
//         <---shareReady---- ... a member has room again
//         --deliverShared, isLast--> nobody anywhere has room: waits in the queue of a member, or is dropped
//
// A member that leaves hands over what it has not got: when its session ends, all that waits and what is
// unacknowledged with QoS 1; when it loses its connection, the same, if another member is connected (the shard
// knows: memberLeft -> handOver); when it unsubscribes, what waits. QoS 2 that was sent once stays with its
// session [MQTT-4.8.2-4], [MQTT-4.8.2-5].
#pragma once
#include <algorithm>
#include <vector>

#include "../sessions/session-table.h"
#include "outbound.h"
#include "shard-requests.h"

namespace rally {

class Sharing {
 public:
  Sharing(unsigned workers, FilterTable& filters, SessionTable& sessions, Outbound& outbound, Counters& counters,
          ShardRequests& requests)
      : workers_(workers),
        filters_(filters),
        sessions_(sessions),
        outbound_(outbound),
        counters_(counters),
        requests_(requests) {}

  // --- members ------------------------------------------------------------------------------------

  // The session has a new subscription to this shared filter.
  void join(Session& session, Filter& filter) {
    if (session.shares++ == 0) session.presence = presenceOf(session);
    counters_.add(Counter::sharedSubscriptions);
    Share& share = filters_.share(filter.share);
    share.keys.resize(workers_);
    count(share, session.presence, 1);
    tellOwners(share);
  }

  // The session has no subscription to it any more. The filter may be released now.
  void leave(Session& session, Filter& filter) {
    session.shares--;
    counters_.subtract(Counter::sharedSubscriptions);
    Share& share = filters_.share(filter.share);
    count(share, session.presence, -1);
    tellOwners(share);
  }

  // The session of a member has got a connection, or lost it. What follows waits for settle(), since it may
  // come in the middle of a delivery.
  void noteChange(const Session& session) {
    if (session.shares > 0) changed_.push_back(session.key);
  }

  // At the end of a turn.
  void settle() {
    std::vector<uint64_t> changed;
    changed.swap(changed_);
    for (const uint64_t key : changed) {
      if (Session* session = sessions_.find(key)) updatePresence(*session);
    }
    if (!full_.empty()) tellReady();
  }

  // --- messages -----------------------------------------------------------------------------------

  // A message for a member here. `key`: of the share here, `shardKey`: there.
  void deliver(Publication& publication, uint32_t key, unsigned shard, uint32_t shardKey, bool isLast) {
    Share* share = filters_.findShare(key);
    if (!share ||
        share->own->subscribers.empty()) {  // the last member has left, which the shard knows when it gets this
      reshare(shard, shardKey, publication.keep(), false);
      return;
    }
    share->keys[shard] = shardKey;
    if (const Subscriber* member = choose(*share, publication, isLast)) {
      outbound_.begin();
      outbound_.deliver(*member->session, publication, member->qos, member->retainAsPublished && publication.retain,
                        SubscriptionIds(member->subscriptionId), shardKey);
    } else if (isLast) {
      counters_.add(publication.qos == 0 ? Counter::droppedQos0 : Counter::droppedQueueFull);
    } else {
      if (share->toldFull == 0) full_.push_back(key);
      share->toldFull |= uint64_t(1) << shard;
      reshare(shard, shardKey, publication.keep(), true);
    }
  }

  // Another member of the share with this key at the shard is connected, and the session is not.
  void handOver(uint64_t key, unsigned shard, uint32_t shardKey) {
    Session* session = sessions_.find(key);
    if (!session || session->connection) return;
    reshare(take(*session, true,
                 [&](const Delivery& delivery) { return delivery.share == shardKey && ownerOf(delivery) == shard; }));
  }

  // What waits for the session through this filter, which it is about to leave, for reshare() afterwards.
  std::vector<Delivery> takeQueued(Session& session, const Filter& filter) {
    const Share& share = filters_.share(filter.share);
    return take(session, false, [&](const Delivery& delivery) {
      return delivery.share != 0 && delivery.share == share.keys[ownerOf(delivery)];
    });
  }
  // What the session, which is about to end, has not got.
  std::vector<Delivery> takeAll(Session& session) {
    return take(session, true, [](const Delivery& delivery) { return delivery.share != 0; });
  }
  void reshare(const std::vector<Delivery>& deliveries) {
    for (const Delivery& delivery : deliveries) reshare(ownerOf(delivery), delivery.share, delivery.message, false);
  }

 private:
  // A large share is not searched to its end for each message.
  static constexpr size_t triesMax = 64;

  unsigned ownerOf(const Delivery& delivery) const {
    return rally::ownerOf(filters_.hashOf(delivery.message->topic()), workers_);
  }

  static Presence presenceOf(const Session& session) {
    if (session.connection) return Presence::connected;
    return session.isPersistent ? Presence::away : Presence::none;
  }
  static void count(Share& share, Presence presence, int change) {
    if (presence == Presence::connected) share.connected += uint32_t(change);
    if (presence != Presence::none) share.able += uint32_t(change);
  }

  void updatePresence(Session& session) {
    const Presence before = session.presence;
    const Presence now = presenceOf(session);
    if (session.shares == 0 || now == before) return;
    session.presence = now;
    for (const SubscriptionRef& subscription : session.subscriptions) {
      if (!subscription.filter->isShared) continue;
      Share& share = filters_.share(subscription.filter->share);
      count(share, before, -1);
      count(share, now, 1);
      tellOwners(share);
    }
    if (before == Presence::connected) askForHeirs(session);
  }

  void tellOwners(const Share& share) {
    const unsigned owner = rally::ownerOf(filters_.hashOf(share.base->text()), workers_);
    for (unsigned worker = 0; worker < workers_; worker++) {
      if (!share.base->hasWildcards() && worker != owner) continue;
      requests_.toShard(worker, request::ShareRoute{.isOver = share.own->subscribers.empty(),
                                                    .senderShare = share.key,
                                                    .connected = share.connected,
                                                    .able = share.able,
                                                    .carried = Carried(toFilterText(share.own->text()))});
    }
  }

  // Asks the shards whose messages the session holds whether somebody else could take them.
  void askForHeirs(Session& session) {
    std::vector<std::pair<unsigned, uint32_t>> asked;
    const auto ask = [&](const Delivery& delivery) {
      if (delivery.share == 0) return;
      const std::pair<unsigned, uint32_t> one(ownerOf(delivery), delivery.share);
      if (std::find(asked.begin(), asked.end(), one) == asked.end()) asked.push_back(one);
    };
    session.window.eachUnreceived(ask);
    session.queue.each(ask);
    for (const auto& [shard, key] : asked) {
      requests_.toShard(shard, request::MemberLeft{.share = key, .session = session.key});
    }
  }

  template <class IsMeant>
  std::vector<Delivery> take(Session& session, bool alsoSent, IsMeant&& isMeant) {
    std::vector<Delivery> taken;
    if (alsoSent) session.window.takeUnreceived(isMeant, taken);
    const size_t before = session.queue.size();
    session.queue.take(isMeant, taken);
    counters_.subtract(Counter::queued, before - session.queue.size());
    return taken;
  }

  void reshare(unsigned shard, uint32_t shardKey, const MessageRef& message, bool isFull) {
    requests_.toShard(shard, request::Reshare{.isFull = isFull, .share = shardKey, .carried = Carried(message)});
  }

  // The next member that has room; `isLast`: or could let the message wait, rather one that is connected.
  const Subscriber* choose(Share& share, const Publication& publication, bool isLast) {
    const auto hasRoom = [&](Session& session, uint8_t qos) {
      return outbound_.isReady(session, publication.size(), qos);
    };
    if (const Subscriber* member = next(share, publication, hasRoom)) return member;
    if (!isLast) return nullptr;
    const auto mayWait = [&](Session& session, uint8_t qos) {
      return session.connection && outbound_.mayTake(session, publication, qos);
    };
    if (const Subscriber* member = next(share, publication, mayWait)) return member;
    return next(share, publication,
                [&](Session& session, uint8_t qos) { return outbound_.mayTake(session, publication, qos); });
  }

  template <class IsFit>
  const Subscriber* next(Share& share, const Publication& publication, IsFit&& isFit) {
    const auto& members = share.own->subscribers;
    for (size_t tries = std::min<size_t>(members.size(), triesMax); tries > 0; tries--) {
      if (++share.turn >= members.size()) share.turn = 0;
      const Subscriber& member = members[share.turn];
      if (isFit(*member.session, std::min<uint8_t>(publication.qos, member.qos))) return &member;
    }
    return nullptr;
  }

  void tellReady() {
    std::erase_if(full_, [&](uint32_t key) {
      Share* share = filters_.findShare(key);
      if (!share) return true;
      Publication smallest;
      smallest.qos = 1;
      if (!next(*share, smallest, [&](Session& session, uint8_t qos) { return outbound_.isReady(session, 0, qos); }))
        return false;
      for (unsigned shard = 0; shard < workers_; shard++) {
        if ((share->toldFull >> shard & 1) == 0) continue;
        requests_.toShard(shard, request::ShareReady{.share = share->keys[shard]});
      }
      share->toldFull = 0;
      return true;
    });
  }

  const unsigned workers_;
  FilterTable& filters_;
  SessionTable& sessions_;
  Outbound& outbound_;
  Counters& counters_;
  ShardRequests& requests_;
  std::vector<uint64_t> changed_;  // sessions
  std::vector<uint32_t> full_;     // shares that shards have been told are full
};

}  // namespace rally
