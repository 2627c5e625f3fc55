// What the sessions of a front end subscribe to: the filters with their subscribers, the routes by which the
// shards know of them, and the retained messages for new ones.
//
//   subscribe() ... finishSubscribe() --routes, then one SubscribeRequest--> every shard
//        event subscribed (SUBACK) <-- when all have answered: onSubscribed()
//                    <--retained messages, step by step: onRetainedState(), askForRetained()
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "../lanes/deliveries.h"
#include "../sessions/session-table.h"
#include "front-end.h"
#include "shard-requests.h"
#include "sharing.h"

namespace rally {

class Subscriptions {
 public:
  Subscriptions(unsigned index, unsigned workers, const Limits& limits, FilterTable& filters, SessionTable& sessions,
                Sharing& sharing, FrontEnd& frontEnd, Counters& counters, ShardRequests& requests)
      : index_(index),
        workers_(workers),
        limits_(limits),
        filters_(filters),
        sessions_(sessions),
        sharing_(sharing),
        frontEnd_(frontEnd),
        counters_(counters),
        requests_(requests) {}

  // Names a SUBSCRIBE; never used twice in the life of the engine.
  uint64_t nextToken() { return ++tokens_; }

  // Whether a filter may be added. What others subscribe to must not make every publication slow.
  bool hasRoomFor(const Session& session, Bytes text) {
    return filters_.shapes().hasRoom(session.key, filters_.branchesLacking(text), limits_.filterBranchesMax);
  }

  // Adds a subscription of the SUBSCRIBE that `token` names, or with token 0 one of a session that moves
  // here. True when it replaced one.
  bool subscribe(Session& session, Bytes text, const SubscriptionOptions& options, uint64_t token) {
    Filter& filter = addFilter(text, session.key);
    const bool isNew = workers_ > 1 && token != 0 && !filter.isShared;
    Subscriber subscriber;
    subscriber.subscriptionId = options.subscriptionId & varintMax;
    subscriber.qos = options.qos & 3;
    subscriber.noLocal = options.noLocal;
    subscriber.retainAsPublished = options.retainAsPublished;
    subscriber.isNew = isNew;
    const bool existed = SessionTable::subscribe(session, filter, subscriber);
    if (!existed) counters_.add(Counter::subscriptions);
    if (filter.isShared) {
      if (existed) sharing_.update(session, filter);
      else sharing_.join(session, filter);
    }
    if (token == 0 || filter.isShared) return existed;  // no retained messages for a shared one (4.8.2)
    Pending& pending = pending_[token];
    pending.filters.push_back({text.begin(), text.end()});
    if (options.retainHandling == 0 || (options.retainHandling == 1 && !existed)) {  // [MQTT-3.3.1-9..11]
      pending.requests.push_back({pending.filters.back(), options});
    }
    return existed;
  }

  // All subscriptions of `token` are added: Event subscribed follows when every shard knows them and has begun to
  // send its retained messages. What comes for the session meanwhile waits in its queue.
  void finishSubscribe(Session& session, uint64_t token) {
    Pending& pending = pending_[token];
    pending.session = session.key;
    pending.shardsLeft = workers_;
    session.isSubscribing = true;
    session.knowingShards = 0;
    const bool hasRetained = session.queue.retained() > 0;  // of earlier ones: this worker's shard adds to them at once
    for (unsigned worker = 0; worker < workers_; worker++) {
      auto asked = std::make_unique<SubscribeRequest>(
          SubscribeRequest{session.key, token, hasRetained, session.subscriptions.size() + repeatsMax, {}});
      for (const RetainedFilter& filter : pending.requests) {
        const bool isAsked = hasWildcard(filter.text) || worker == ownerOf(filter.text);
        if (isAsked) asked->retained.push_back(filter);
      }
      requests_.toShard(worker, request::Subscribe{.carried = Carried(std::move(asked))});
    }
  }

  // The SUBACK is in the outbox: what has waited behind it follows (5.0, 3.8.4).
  void endSubscribe(Session& session) {
    session.isSubscribing = false;
    frontEnd_.outbound().pump(session);
  }

  bool isSubscribed(Session& session, Bytes text) {
    Filter* filter = filters_.find(text);
    return filter && SessionTable::find(session, *filter);
  }

  // False when there was no such subscription.
  bool unsubscribe(Session& session, Bytes text) {
    Filter* filter = filters_.find(text);
    if (!filter) return false;
    const bool isMember = filter->isShared && SessionTable::find(session, *filter);
    const std::vector<Delivery> heritage = isMember ? sharing_.takeQueued(session, *filter) : std::vector<Delivery>();
    const bool existed = remove(session, *filter);
    if (existed) stopRetained(session, text);
    sharing_.reshare(heritage);
    return existed;
  }

  // The session ends.
  void removeAll(Session& session) {
    filters_.shapes().forget(session.key);
    stopRetained(session, {});
    while (!session.subscriptions.empty()) remove(session, *session.subscriptions.back().filter);
  }

  // The connections that have sent a SUBSCRIBE are gone with their thread.
  void abandonPending() {
    for (const auto& [token, pending] : pending_) {
      if (Session* session = sessions_.find(pending.session)) settle(*session, pending.filters);
    }
    pending_.clear();
    sessions_.each([](Session& session) { session.isSubscribing = false; });
  }

  // --- what shards say ----------------------------------------------------------------------------

  void onSubscribed(uint64_t token, unsigned shard) {
    const auto found = pending_.find(token);
    if (found == pending_.end()) return;
    Pending& pending = found->second;
    Session* session = sessions_.find(pending.session);
    if (session) session->knowingShards |= uint64_t(1) << shard;
    if (--pending.shardsLeft > 0) return;
    if (session) settle(*session, pending.filters);
    pending_.erase(found);
    frontEnd_.events().push_back({EventKind::subscribed, 0, Reason::success, 0, token, {}});
  }

  void onRetainedFound(const delivery::RetainedFound& found) {
    MessageRef message = found.carried.take();
    Session* session = sessions_.find(found.session);
    if (!session) return;
    frontEnd_.outbound().deliverRetained(*session, std::move(message), found.qos, found.subscriptionId);
    frontEnd_.outbound().pump(*session);
  }

  void onRetainedState(uint64_t key, unsigned shard, bool hasMore) {
    Session* session = sessions_.find(key);
    if (!session) {
      if (hasMore) requests_.toShard(shard, request::RetainedStop{.session = key, .carried = {}});
      return;
    }
    const uint64_t bit = uint64_t(1) << shard;
    session->retainedShards = hasMore ? session->retainedShards | bit : session->retainedShards & ~bit;
    session->askedShards &= ~bit;
    frontEnd_.outbound().pump(*session);
  }

  // At the end of a turn: for the sessions that have sent the retained messages they had got.
  void askForRetained() {
    for (const uint64_t key : frontEnd_.outbound().takeAsking()) {
      Session* session = sessions_.find(key);
      if (!session || session->queue.retained() > 0) continue;
      const uint64_t shards = session->retainedShards & ~std::exchange(session->askedShards, session->retainedShards);
      eachShard(shards, [&](unsigned shard) { requests_.toShard(shard, request::RetainedMore{.session = key}); });
    }
  }

 private:
  // Of filters that are subscribed to again while their retained messages still wait.
  static constexpr size_t repeatsMax = 16;

  // A SUBSCRIBE that shards have not all answered.
  struct Pending {
    uint64_t session = 0;
    unsigned shardsLeft = 0;
    std::vector<std::vector<uint8_t>> filters;
    std::vector<RetainedFilter> requests;
  };

  unsigned ownerOf(Bytes topic) const { return rally::ownerOf(filters_.hashOf(topic), workers_); }

  template <class Visit>
  static void eachShard(uint64_t bits, Visit&& visit) {
    for (; bits != 0; bits &= bits - 1) visit(unsigned(__builtin_ctzll(bits)));
  }

  void settle(Session& session, const std::vector<std::vector<uint8_t>>& filters) {
    for (const std::vector<uint8_t>& text : filters) {
      Filter* filter = filters_.find(text);
      if (Subscriber* subscriber = filter ? SessionTable::find(session, *filter) : nullptr) subscriber->isNew = false;
    }
  }

  // The session has ended, or with `filter` has left that filter.
  void stopRetained(const Session& session, Bytes filter) {
    eachShard(session.retainedShards, [&](unsigned shard) {
      Carried<FilterText> text = filter.empty() ? Carried<FilterText>() : Carried(toFilterText(filter));
      requests_.toShard(shard, request::RetainedStop{.session = session.key, .carried = text});
    });
  }

  Filter& addFilter(Bytes text, uint64_t session) {
    Filter& filter = filters_.acquire(text, session);
    if (filter.isShared) return filter;  // Sharing::join() tells them
    if (filter.subscribers.empty()) tellOwners<request::AddRoute>(filter);
    filter.routes |= uint64_t(1) << index_;
    return filter;
  }

  bool remove(Session& session, Filter& filter) {
    const uint32_t member = filter.isShared ? SessionTable::memberOf(session, filter) : 0;
    if (!SessionTable::unsubscribe(session, filter)) return false;
    counters_.subtract(Counter::subscriptions);
    if (filter.isShared) {
      sharing_.leave(session, filter, member);
      filters_.releaseIfUnused(filter);
      return true;
    }
    if (!filter.subscribers.empty()) return true;
    filter.routes &= ~(uint64_t(1) << index_);
    tellOwners<request::RemoveRoute>(filter);
    filters_.releaseIfUnused(filter);
    return true;
  }

  // The other shards that may own a topic which this filter matches: one, or with wildcards all.
  template <class Told>
  void tellOwners(const Filter& filter) {
    for (unsigned worker = 0; worker < workers_; worker++) {
      if (worker == index_ || (!filter.hasWildcards() && worker != ownerOf(filter.text()))) continue;
      requests_.toShard(worker, Told{.carried = Carried(toFilterText(filter.text()))});
    }
  }

  const unsigned index_;
  const unsigned workers_;
  const Limits& limits_;
  FilterTable& filters_;
  SessionTable& sessions_;
  Sharing& sharing_;
  FrontEnd& frontEnd_;
  Counters& counters_;
  ShardRequests& requests_;
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t tokens_ = 0;
};

}  // namespace rally
