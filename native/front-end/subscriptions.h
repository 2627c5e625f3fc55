// The subscriptions of a front end's sessions: the filters with their subscribers, the routes that tell the shards of
// them, and the retained messages for new ones.
//
//   subscribe() ... finishSubscribe() --routes, then one SubscribeRequest--> every shard
//        event subscribed (SUBACK) <-- when all have answered: onSubscribed()
//                    <--retained messages, step by step: onRetainedState(), askForRetained()
//
// When a session ends, its subscriptions accept nothing more; they are removed over the next turns, so that nobody
// waits while a million of them are.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../lanes/deliveries.h"
#include "../sessions/session-table.h"
#include "front-end.h"
#include "routes.h"
#include "shard-requests.h"
#include "sharing.h"

namespace rally {

class Subscriptions {
 public:
  Subscriptions(const SlotMap& slots, const Limits& limits, FilterTable& filters, SessionTable& sessions,
                Sharing& sharing, FrontEnd& frontEnd, Gate& gate, Counters& counters, Journal& journal, Routes& routes,
                ShardRequests& requests, std::atomic<size_t>& totalBytes)
      : slots_(slots),
        limits_(limits),
        filters_(filters),
        sessions_(sessions),
        sharing_(sharing),
        frontEnd_(frontEnd),
        gate_(gate),
        counters_(counters),
        journal_(journal),
        routes_(&routes),
        requests_(requests),
        totalBytes_(totalBytes) {}

  // Before there are subscriptions: further receivers of routes.
  void useRoutes(Routes& routes) { routes_ = &routes; }

  // Names a SUBSCRIBE; never used twice in the life of the engine.
  uint64_t nextToken() { return ++tokens_; }

  // Whether the session may subscribe to the filter. Other sessions' filters must neither use up the memory nor slow
  // down every publication. Existing subscriptions may be repeated.
  bool hasRoomFor(Session& session, Bytes text) {
    const bool hasBranches = filters_.shapes().hasRoom(session.key, filters_.branchesLacking(text),
                                                       limits_.filterBranchesMax);
    return hasBranches &&
           (!rightsOf(session.kind).isHeldToBounds || hasQuota(session, text) || isSubscribed(session, text));
  }

  // The rules' answer for the filter and the session. A shared one is allowed as a whole or not at all: messages
  // denied to one member would have to look for another.
  FilterVerdict judge(Session& session, Bytes text) {
    if (!isSharedFilter(text)) return gate_.judge(session, text);
    const FilterVerdict verdict = gate_.judge(session, unsharedFilter(text));
    return verdict == FilterVerdict::covered ? verdict : FilterVerdict::refused;
  }
  // Checks its subscription with this index again: it stays, in whole or in part, or ends.
  void review(Session& session, size_t index) {
    Filter& filter = *session.subscriptions[index].filter;
    const FilterVerdict verdict = judge(session, filter.text());
    filter.subscribers[session.subscriptions[index].position].isPartial = verdict == FilterVerdict::partly;
    if (verdict != FilterVerdict::refused) return;
    const std::vector<uint8_t> text(filter.text().begin(), filter.text().end());
    unsubscribe(session, text);
  }

  // Bytes of the subscriptions here, and of all filters that this worker knows.
  size_t bytes() const {
    return filters_.bytes() + routes_->bytes() + counters_.get(Counter::subscriptions) * subscriptionBytes +
           counters_.get(Counter::sharedSubscriptions) * memberBytes;
  }
  // Once a turn, and before a decision: updates the account of all workers.
  void settleAccount() {
    const size_t now = bytes();
    if (now == toldBytes_) return;
    totalBytes_.fetch_add(now - std::exchange(toldBytes_, now), std::memory_order_relaxed);
  }
  // What a session is charged for a filter: as if nobody else had it.
  static size_t bytesOf(Bytes text) {
    return subscriptionBytes + FilterTable::bytesOf(text) + (isSharedFilter(text) ? memberBytes : 0);
  }

  // The disk is full, and the session's subscriptions would have to be stored. Counts the refusal.
  bool isRefusing(const Session& session) {
    if (!session.durable || !journal_.isRefusing()) return false;
    counters_.add(Counter::storageRefused);
    return true;
  }

  // Adds a subscription of the SUBSCRIBE that `token` names. True when it replaced one. A session that is leaving is
  // not changed.
  bool subscribe(Session& session, Bytes text, const SubscriptionOptions& options, uint64_t token) {
    if (session.move) return false;
    if (isSharedFilter(text)) journal_.copyFirst(session);
    SubscribeProgress& progress = progressOf(session, token);
    Filter& filter = addFilter(text, session, options.qos);
    const bool isNew = slots_.others() != 0 && !filter.isShared;
    const bool existed = add(session, filter, options, isNew);
    if (session.durable) journal_.subscribed(session, text, options);
    if (filter.isShared) return existed;  // no retained messages for a shared one (4.8.2)
    if (isNew && !existed) progress.newFilters.insert(&filter);
    if (options.retainHandling == 0 || (options.retainHandling == 1 && !existed)) {  // [MQTT-3.3.1-9..11]
      progress.requests.push_back({{text.begin(), text.end()}, options});
    }
    return existed;
  }

  // It has come from another worker with its messages, which may belong to shares that it has left.
  void noteArrival(Session& session) { sharing_.noteArrival(session); }

  // Adds a subscription that the session has had on another worker. True when it replaced one.
  bool add(Session& session, Bytes text, const SubscriptionOptions& options) {
    return add(session, addFilter(text, session, options.qos), options, false);
  }

  // All subscriptions of `token` are added: event subscribed follows when every shard knows them and has begun to send
  // its retained messages. Until then messages for the session wait in its queue. While slots change owners this
  // waits, so that exactly one shard has the retained messages.
  void finishSubscribe(Session& session, uint64_t token) {
    SubscribeProgress& progress = progressOf(session, token);
    progress.areRoutesKnown = routes_->areKnown(token);
    if (slots_.isAnyHeld()) held_.push_back(token);
    else askShards(progress);
  }
  // All slots have an owner.
  void finishHeld() {
    const std::vector<uint64_t> tokens = std::exchange(held_, {});
    for (const uint64_t token : tokens) {
      const auto found = progress_.find(token);
      if (found == progress_.end()) continue;
      if (found->second.session) {
        askShards(found->second);
      } else {
        found->second.awaitedShards = 0;
        announceIfKnown(found);
      }
    }
  }
  // The worker is lost: its shard is not asked any more.
  void onGone(unsigned worker) {
    std::vector<uint64_t> tokens;
    for (const auto& [token, progress] : progress_) {
      if ((progress.awaitedShards & bitOf(worker)) != 0 && progress.awaitedShards != UINT64_MAX)
        tokens.push_back(token);
    }
    for (const uint64_t token : tokens) onSubscribed(token, worker);
    sessions_.each([&](Session& session) {
      if (!session.unfinished.isMade()) return;
      session.unfinished.own().retained.waiting &= ~bitOf(worker);
      session.unfinished.own().retained.asked &= ~bitOf(worker);
    });
  }

  // After event subscribed, with the SUBACK in the outbox or the client gone: releases what has waited for it, unless
  // another SUBSCRIBE holds it (5.0, 3.8.4).
  void endSubscribe(Session& session, uint64_t token) {
    const auto found = progress_.find(token);
    if (found == progress_.end() || found->second.session != &session || !isKnownToAll(found->second)) return;
    SubscribeProgress** link = &session.subscribing;
    while (*link != &found->second) link = &(*link)->next;
    *link = found->second.next;
    progress_.erase(found);
    frontEnd_.outbound().pump(session);
  }

  bool isSubscribed(Session& session, Bytes text) {
    Filter* filter = filters_.find(text);
    return filter && SessionTable::find(session, *filter);
  }

  // False when there was no such subscription, or the session is leaving.
  bool unsubscribe(Session& session, Bytes text) {
    Filter* filter = filters_.find(text);
    if (!filter || session.move) return false;
    const Subscriber* subscriber = SessionTable::find(session, *filter);
    if (!subscriber) return false;
    if (filter->isShared) sharing_.noteLeft(session, *filter);
    const uint32_t member = filter->isShared ? SessionTable::memberOf(session, *filter) : 0;
    uncountDurable(*filter, *subscriber);
    SessionTable::unsubscribe(session, *filter);
    if (session.durable) journal_.unsubscribed(session, text);
    stopRetained(session, text);
    for (SubscribeProgress* each = session.subscribing; each; each = each->next) each->newFilters.erase(filter);
    onRemoved(session, *filter, member);
    return true;
  }

  // The session has ended: nothing more is delivered to it. `heritage` goes to other members of shares once it is a
  // member of none.
  void end(SessionTable::Taken session, std::vector<Delivery> heritage) {
    RALLY_ASSERT(!session->connection && !session->move);
    filters_.shapes().forget(session->key);
    stopRetained(*session, {});
    leaveProgress(*session);
    session->expirySeconds = 0;
    session->move = std::make_unique<SessionMove>();
    session->move->acceptedShards = 0;
    ending_.push_back({std::move(session), std::move(heritage)});
    if (ending_.back().session->subscriptions.size() > limits_.subscriptionsPerSlice) return;
    while (!ending_.back().session->subscriptions.isEmpty()) removeLast(*ending_.back().session);
    const Ending over = std::move(ending_.back());
    ending_.pop_back();
    sharing_.reshare(over.heritage);
  }

  // The session has become durable, with the subscriptions that it has.
  void noteDurable(Session& session) {
    session.isDurable = true;
    for (const SubscriptionRef& each : session.subscriptions) {
      const Subscriber& subscriber = each.filter->subscribers[each.position];
      const SubscriptionOptions options{.qos = subscriber.qos,
                                        .noLocal = subscriber.noLocal,
                                        .retainAsPublished = subscriber.retainAsPublished,
                                        .subscriptionId = subscriber.subscriptionId};
      journal_.subscribed(session, each.filter->text(), options);
      if (each.filter->isShared) sharing_.noteDurable(*each.filter, each.member);
      else countDurable(*each.filter, subscriber);
    }
  }

  bool hasWork() const { return !ending_.empty(); }
  // Once a turn: removes subscriptions of sessions that have ended.
  void proceed() {
    for (size_t left = limits_.subscriptionsPerTurn; left > 0 && !ending_.empty();) {
      Session& session = *ending_.front().session;
      for (; left > 0 && !session.subscriptions.isEmpty(); left--) removeLast(session);
      if (!session.subscriptions.isEmpty()) return;
      const Ending over = std::move(ending_.front());
      ending_.pop_front();
      sharing_.reshare(over.heritage);
    }
  }

  // The thread has ended, and with it the connections that have sent a SUBSCRIBE.
  void abandonPending() {
    for (auto& [token, progress] : progress_) {
      if (!progress.session) continue;
      settle(progress);
      progress.session->subscribing = nullptr;
    }
    progress_.clear();
  }

  // --- records of shards ----------------------------------------------------------------------------

  void onSubscribed(uint64_t token, unsigned shard) {
    const auto found = progress_.find(token);
    if (found == progress_.end()) return;
    found->second.awaitedShards &= ~bitOf(shard);
    announceIfKnown(found);
  }

  // As promised by Routes::areKnown().
  void onRoutesKnown(uint64_t token) {
    const auto found = progress_.find(token);
    if (found == progress_.end()) return;
    found->second.areRoutesKnown = true;
    announceIfKnown(found);
  }

  void onRetainedFound(const delivery::RetainedFound& found) {
    MessageRef message = found.carried.take();
    Session* session = sessions_.find(found.session);
    if (!session) return;
    if (!gate_.mayReceive(*session, message->topic())) {
      counters_.add(Counter::withheld);
      return;
    }
    frontEnd_.outbound().deliverRetained(*session, std::move(message), found.qos, found.subscriptionId);
    frontEnd_.outbound().pump(*session);
  }

  void onRetainedState(uint64_t key, unsigned shard, bool hasMore) {
    Session* session = sessions_.find(key);
    if (!session) {
      if (hasMore) requests_.toShard(shard, request::RetainedStop{.session = key, .carried = {}});
      return;
    }
    if (hasMore || session->unfinished.isMade()) {
      const uint64_t bit = bitOf(shard);
      RetainedShards& retained = session->unfinished.own().retained;
      retained.waiting = hasMore ? retained.waiting | bit : retained.waiting & ~bit;
      retained.asked &= ~bit;
      session->trimUnfinished();
    }
    frontEnd_.outbound().pump(*session);
  }

  // At the end of a turn: for the sessions that have sent the retained messages of their last step.
  void askForRetained() {
    for (const uint64_t key : frontEnd_.outbound().takeAsking()) {
      Session* session = sessions_.find(key);
      if (!session || session->queue.retained() > 0) continue;
      const uint64_t shards = session->unfinished->retained.waiting & ~session->unfinished->retained.asked;
      if (shards != 0) session->unfinished.own().retained.asked = session->unfinished->retained.waiting;
      eachWorker(shards, [&](unsigned shard) { requests_.toShard(shard, request::RetainedMore{.session = key}); });
    }
  }

 private:
  // In the session and in the filter, each in a list that is at most twice as long when it has grown.
  static constexpr size_t subscriptionBytes = sizeof(SubscriptionRef) + 2 * sizeof(Subscriber);
  static constexpr size_t memberBytes = ShareMembers::memberBytes;

  // Of filters that are subscribed to again while their retained messages still wait.
  static constexpr size_t repeatsMax = 16;

  // The remains of a session that has ended.
  struct Ending {
    SessionTable::Taken session;
    std::vector<Delivery> heritage;
  };

  bool hasQuota(const Session& session, Bytes text) {
    if (session.subscriptions.size() >= limits_.subscriptionsPerSessionMax) return false;
    if (isSharedFilter(text) && sharing_.sharesOf(session) >= limits_.sharedSubscriptionsPerSessionMax) return false;
    const size_t bytes = bytesOf(text);
    const size_t own = session.subscriptionBytes;
    if (own + bytes > limits_.subscriptionBytesPerSessionMax) return false;
    // Half of the room is reserved, in equal parts for all possible sessions, whatever others do.
    const size_t half = limits_.subscriptionsTotalBytesMax / 2;
    if (own + bytes <= half / limits_.sessionsMax) return true;
    settleAccount();
    return leavesAsMuch(own, totalBytes_.load(std::memory_order_relaxed), bytes, half);
  }

  unsigned ownerOf(Bytes topic) const { return slots_.ownerOf(filters_.hashOf(topic)); }

  SubscribeProgress& progressOf(Session& session, uint64_t token) {
    SubscribeProgress& progress = progress_[token];
    if (progress.token == 0) {
      progress.token = token;
      progress.session = &session;
      SubscribeProgress** link = &session.subscribing;
      while (*link) link = &(*link)->next;
      *link = &progress;
    }
    RALLY_ASSERT(token != 0 && progress.session == &session);
    return progress;
  }
  bool isKnownToAll(const SubscribeProgress& progress) const {
    return progress.areRoutesKnown && progress.awaitedShards == 0;
  }
  void announceIfKnown(std::unordered_map<uint64_t, SubscribeProgress>::iterator found) {
    SubscribeProgress& progress = found->second;
    if (!isKnownToAll(progress)) return;
    const uint64_t token = found->first;
    if (progress.session) settle(progress);
    else progress_.erase(found);
    frontEnd_.events().push({EventKind::subscribed, 0, Reason::success, 0, token, {}});
  }
  // All shards know the filters.
  static void settle(SubscribeProgress& progress) {
    for (Filter* filter : progress.newFilters) {
      Subscriber* subscriber = SessionTable::find(*progress.session, *filter);
      RALLY_ASSERT(subscriber);
      subscriber->isNew = false;
    }
    progress.newFilters.clear();
  }
  // The session has ended: packet control is still told of SUBSCRIBEs that not all shards have answered.
  void leaveProgress(Session& session) {
    for (SubscribeProgress* progress = std::exchange(session.subscribing, nullptr); progress;) {
      SubscribeProgress* const next = progress->next;
      progress->session = nullptr;
      if (isKnownToAll(*progress)) progress_.erase(progress->token);
      progress = next;
    }
  }

  void askShards(SubscribeProgress& progress) {
    Session& session = *progress.session;
    const bool hasRetained = session.queue.retained() > 0;  // of earlier ones: this worker's shard adds to them at once
    progress.awaitedShards = slots_.present();
    eachWorker(slots_.present(), [&](unsigned worker) {
      auto asked = std::make_unique<SubscribeRequest>(SubscribeRequest{
          session.key, progress.token, hasRetained, 2 * session.subscriptions.size() + repeatsMax, {}});
      for (const RetainedFilter& filter : progress.requests) {
        const bool isAsked = hasWildcard(filter.text) || worker == ownerOf(filter.text);
        if (isAsked) asked->retained.push_back(filter);
      }
      requests_.toShard(worker, request::Subscribe{.carried = Carried(std::move(asked))});
    });
  }

  bool add(Session& session, Filter& filter, const SubscriptionOptions& options, bool isNew) {
    Subscriber subscriber;
    subscriber.subscriptionId = options.subscriptionId & varintMax;
    subscriber.qos = options.qos & 3;
    subscriber.noLocal = options.noLocal;
    subscriber.retainAsPublished = options.retainAsPublished;
    subscriber.isNew = isNew;
    subscriber.isPartial = options.isPartial;
    const Subscriber* before = SessionTable::find(session, filter);
    const bool wasDurable = before && isDurable(*before);
    const bool isNowDurable = session.isDurable && options.qos > 0;
    if (wasDurable && !isNowDurable) uncountDurable(filter, *before);
    const bool existed = SessionTable::subscribe(session, filter, subscriber);
    if (isNowDurable && !wasDurable) countDurable(filter, *SessionTable::find(session, filter));
    if (!existed) {
      counters_.add(Counter::subscriptions);
      session.setSubscriptionBytes(session.subscriptionBytes + bytesOf(filter.text()));
    }
    if (filter.isShared) {
      if (existed) sharing_.update(session, filter);
      else sharing_.join(session, filter);
    }
    return existed;
  }

  // The session has ended, or with `filter` has left that filter.
  void stopRetained(const Session& session, Bytes filter) {
    eachWorker(session.unfinished->retained.waiting, [&](unsigned shard) {
      Carried<FilterText> text = filter.empty() ? Carried<FilterText>() : Carried(toFilterText(filter));
      requests_.toShard(shard, request::RetainedStop{.session = session.key, .carried = text});
    });
  }

  // For a subscription of the session with this QoS, which add() adds now.
  Filter& addFilter(Bytes text, const Session& session, uint8_t qos) {
    Filter& filter = filters_.acquire(text, session.key);
    if (filter.isShared) return filter;                   // Sharing::join() tells them
    const bool isDurable = session.isDurable && qos > 0;  // countDurable() tells them
    if (filter.subscribers.isEmpty() && !isDurable) routes_->set(filter, Interest::live);
    filter.routes |= bitOf(slots_.own());
    return filter;
  }

  static bool isDurable(const Subscriber& subscriber) { return subscriber.session->isDurable && subscriber.qos > 0; }
  // For an unshared filter: the shards are told of the first durable subscriber, and when the last is gone.
  void countDurable(Filter& filter, const Subscriber& subscriber) {
    if (filter.isShared || !isDurable(subscriber) || filter.durable++ > 0) return;
    filter.durableRoutes |= bitOf(slots_.own());
    routes_->set(filter, Interest::durable);
  }
  void uncountDurable(Filter& filter, const Subscriber& subscriber) {
    if (filter.isShared || !isDurable(subscriber) || --filter.durable > 0) return;
    filter.durableRoutes &= ~(bitOf(slots_.own()));
    routes_->set(filter, Interest::live);
  }

  void removeLast(Session& session) {
    RALLY_ASSERT(!session.subscriptions.isEmpty());
    const SubscriptionRef& last = session.subscriptions.back();
    uncountDurable(*last.filter, last.filter->subscribers[last.position]);
    const uint32_t member = session.subscriptions.back().member;
    Filter& filter = SessionTable::unsubscribeLast(session);
    onRemoved(session, filter, member);
  }
  // `member`: the place in the share, for a shared filter.
  void onRemoved(Session& session, Filter& filter, uint32_t member) {
    counters_.subtract(Counter::subscriptions);
    session.setSubscriptionBytes(session.subscriptionBytes - bytesOf(filter.text()));
    if (filter.isShared) {
      sharing_.leave(session, filter, member);
      filters_.releaseIfUnused(filter);
      return;
    }
    if (!filter.subscribers.isEmpty()) return;
    filter.routes &= ~(bitOf(slots_.own()));
    routes_->set(filter, Interest::none);
    filters_.releaseIfUnused(filter);
  }

  const SlotMap& slots_;
  const Limits& limits_;
  FilterTable& filters_;
  SessionTable& sessions_;
  Sharing& sharing_;
  FrontEnd& frontEnd_;
  Gate& gate_;
  Counters& counters_;
  Journal& journal_;
  Routes* routes_;
  ShardRequests& requests_;
  std::atomic<size_t>& totalBytes_;                           // of all workers
  size_t toldBytes_ = 0;                                      // of those, ours
  std::unordered_map<uint64_t, SubscribeProgress> progress_;  // by token
  std::deque<Ending> ending_;
  std::vector<uint64_t> held_;  // tokens of what finishSubscribe() has put off
  uint64_t tokens_ = 0;
};

}  // namespace rally
