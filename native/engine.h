// The data plane of one worker: its front end, its shard, and the lanes to the other workers.
//
//   front end --publish--> who owns the topic? --this worker--> shard, at once, no lane
//                                              --another------> inbound lane -> shard there
//   shard --answers--> this worker's front end at once, or outbound lane -> front end there
//
// One thread uses an Engine. It outlives the thread: when a worker has ended in order and is started
// again, the new thread takes over its sessions, subscriptions and retained messages as they are.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "front-end.h"
#include "lanes/lanes.h"
#include "matcher.h"
#include "sessions/session-table.h"
#include "shard.h"
#include "sharing.h"

namespace rally {

class Engine : private Router, private ShardOutlet, private Sharing::Outlet {
 public:
  Engine(unsigned index, Lanes& lanes, const Limits& limits, uint64_t hashSeed)
      : frontEnd(limits, counters, *this),
        index_(index),
        workers_(lanes.workers()),
        lanes_(lanes),
        filters_(hashSeed),
        shard_(index, lanes.workers(), filters_, limits, hashSeed, counters, *this),
        matcher_(frontEnd.outbound),
        sharing_(lanes.workers(), filters_, sessions_, frontEnd.outbound, counters, *this) {}

  unsigned index() const { return index_; }
  Doorbell& doorbell() { return lanes_.doorbell(index_); }

  // --- one turn of the event loop -----------------------------------------------------------------

  void beginTurn(uint64_t nowMs) {
    nowMs_ = nowMs;
    frontEnd.setNow(nowMs);
    shard_.setNow(nowMs);
  }

  // Once a second.
  void tick() {
    frontEnd.tick();
    shard_.tick();
  }

  // Takes what came over the lanes, and goes on with the connections that waited for room in them.
  void drainLanes() {
    frontEnd.takeLeave();
    eachOther([&](unsigned worker) {
      Lane& lane = lanes_.outbound(worker, index_);
      lane.drain(SIZE_MAX, [&](const Record& record) { takeOutbound(record, worker); });
      if (lane.takeProducerWaits()) ring(worker);
    });
    bool isProgressing = true;
    for (int round = 0; round < inboundRoundsMax && isProgressing && !isCrowded(&Lanes::outbound); round++) {
      isProgressing = false;
      eachOther([&](unsigned worker) {
        Lane& lane = lanes_.inbound(worker, index_);
        isProgressing |= lane.drain(inboundBatch, [&](const Record& record) { takeInbound(record, worker); }) > 0;
        if (lane.takeProducerWaits()) ring(worker);
      });
      commitLanes();
    }
    frontEnd.resumeStalled();
  }

  // Writes the outboxes and hands the lanes over. Afterwards the worker may sleep if !hasWork().
  void endTurn() {
    if (!isCrowded(&Lanes::outbound)) shard_.proceed();
    frontEnd.outbound.flush();
    askForRetained();
    sharing_.settle();
    commitLanes();
  }

  bool hasWork() {
    bool hasWork = frontEnd.outbound.isDirty() || frontEnd.outbound.hasAsking() || frontEnd.hasLeft() || !frontEnd.events.empty() ||
                   (frontEnd.hasStalled() && !isCrowded());
    const bool takesInbound = !isCrowded(&Lanes::outbound);
    hasWork |= takesInbound && shard_.hasWork();
    eachOther([&](unsigned worker) {
      hasWork |= !lanes_.outbound(worker, index_).isEmpty() || (takesInbound && !lanes_.inbound(worker, index_).isEmpty()) ||
                 lanes_.inbound(index_, worker).canCommit() || lanes_.outbound(index_, worker).canCommit();
    });
    return hasWork;
  }

  // --- sessions -----------------------------------------------------------------------------------

  Session* findSession(uint64_t key) { return sessions_.find(key); }

  template <class Visit>
  void eachSession(Visit&& visit) {
    sessions_.each(visit);
  }

  // A session outlives its connection until accept() says otherwise. One that is there already stays.
  Session& createSession(uint64_t key, bool isHost = false) {
    if (Session* known = sessions_.find(key)) return *known;
    if (!isHost) counters.add(Counter::sessions);
    Session& session = sessions_.create(key);
    session.isHost = isHost;
    return session;
  }

  void destroySession(Session& session) {
    const std::vector<Delivery> heritage = sharing_.takeAll(session);
    stopRetained(session, {});
    while (!session.subscriptions.empty()) removeSubscription(session, *session.subscriptions.back().filter);
    if (session.connection) frontEnd.end(*session.connection, Reason::unspecifiedError);
    counters.subtract(Counter::queued, session.queue.size());
    if (!session.isHost) counters.subtract(Counter::sessions);
    sessions_.remove(session);
    sharing_.reshare(heritage);
  }

  // The session comes here from worker `from`; it has just been created and given its subscriptions.
  // Event sessionArrived follows when everything is here.
  void moveSessionHere(Session& session, unsigned from) {
    session.move = std::make_unique<SessionMove>();
    session.move->isArriving = true;
    const Record record{.kind = RecordKind::moveSession, .worker = uint8_t(from), .value = session.key};
    for (unsigned worker = 0; worker < workers_; worker++) toShard(worker, record);
  }

  // --- subscriptions ------------------------------------------------------------------------------

  // Names a SUBSCRIBE; never used twice in the life of the engine.
  uint64_t nextToken() { return ++tokens_; }

  // Adds a subscription of the SUBSCRIBE that `token` names, or with token 0 one of a session that moves
  // here. True when it replaced one.
  bool subscribe(Session& session, Bytes text, const SubscriptionOptions& options, uint64_t token) {
    Filter& filter = addFilter(text);
    const bool isNew = workers_ > 1 && token != 0 && !filter.isShared;
    Subscriber subscriber;
    subscriber.subscriptionId = options.subscriptionId & varintMax;
    subscriber.qos = options.qos & 3;
    subscriber.noLocal = options.noLocal;
    subscriber.retainAsPublished = options.retainAsPublished;
    subscriber.isNew = isNew;
    const bool existed = SessionTable::subscribe(session, filter, subscriber);
    if (!existed) counters.add(Counter::subscriptions);
    if (filter.isShared && !existed) sharing_.join(session, filter);
    if (token == 0 || filter.isShared) return existed;  // no retained messages for a shared one (4.8.2)
    PendingSubscribe& pending = pending_[token];
    pending.filters.push_back({text.begin(), text.end()});
    if (options.retainHandling == 0 || (options.retainHandling == 1 && !existed)) {  // [MQTT-3.3.1-9..11]
      pending.requests.push_back({pending.filters.back(), options});
    }
    return existed;
  }

  // All subscriptions of `token` are added: Event subscribed follows when every shard knows them and has begun to
  // send its retained messages. What comes for the session meanwhile waits in its queue.
  void finishSubscribe(Session& session, uint64_t token) {
    PendingSubscribe& pending = pending_[token];
    pending.session = session.key;
    pending.shardsLeft = workers_;
    session.isSubscribing = true;
    session.knowingShards = 0;
    for (unsigned worker = 0; worker < workers_; worker++) {
      auto request = std::make_unique<SubscribeRequest>(SubscribeRequest{session.key, token, session.queue.retained() > 0, {}});
      for (const RetainedFilter& filter : pending.requests) {
        const bool isAsked = hasWildcard(filter.text) || worker == ownerOf(filters_.hashOf(filter.text));
        if (isAsked) request->retained.push_back(filter);
      }
      toShard(worker, {.kind = RecordKind::subscribe, .pointer = request.release()});
    }
  }

  // The SUBACK is in the outbox: what has waited behind it follows (5.0, 3.8.4).
  void endSubscribe(Session& session) {
    session.isSubscribing = false;
    frontEnd.outbound.pump(session);
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
    const bool existed = removeSubscription(session, *filter);
    if (existed) stopRetained(session, text);
    sharing_.reshare(heritage);
    return existed;
  }

  // All connections are gone with the thread that had them; what the sessions hold stays.
  void abandonConnections() {
    frontEnd.eachConnection([&](Connection& connection) { frontEnd.gone(connection); });
    frontEnd.takeLeave();
    frontEnd.eachConnection([&](Connection& connection) { frontEnd.release(connection); });
    frontEnd.events.clear();
    for (const auto& [token, pending] : pending_) {
      if (Session* session = sessions_.find(pending.session)) settleSubscriptions(*session, pending.filters);
    }
    pending_.clear();
    sessions_.each([](Session& session) { session.isSubscribing = false; });
  }

  Counters counters;
  FrontEnd frontEnd;

 private:
  struct PendingSubscribe {
    uint64_t session = 0;
    unsigned shardsLeft = 0;
    std::vector<std::vector<uint8_t>> filters;
    std::vector<RetainedFilter> requests;
  };
  // Records taken from each lane at once, and how often in a turn before the outboxes are written.
  static constexpr size_t inboundBatch = 256;
  static constexpr int inboundRoundsMax = 16;

  template <class Visit>
  void eachOther(Visit&& visit) {
    for (unsigned worker = 0; worker < workers_; worker++) {
      if (worker != index_) visit(worker);
    }
  }

  template <class Visit>
  static void eachBit(uint64_t bits, Visit&& visit) {
    for (; bits != 0; bits &= bits - 1) visit(unsigned(__builtin_ctzll(bits)));
  }

  unsigned ownerOf(uint64_t hash) const { return rally::ownerOf(hash, workers_); }

  // --- front end -> shards ------------------------------------------------------------------------

  uint64_t topicHash(Bytes topic) override { return filters_.hashOf(topic); }
  void presenceChanged(const Session& session) override { sharing_.noteChange(session); }
  bool isCrowded() override { return isCrowded(&Lanes::inbound) || isCrowded(&Lanes::outbound); }

  void publish(Publication& publication, const Source& source) override {
    const unsigned owner = ownerOf(publication.topicHash);
    if (owner == index_) {
      shard_.publish(publication, source, index_);
      return;
    }
    counters.add(Counter::handedOver);
    lanes_.inbound(index_, owner)
        .push({.kind = RecordKind::publish, .qos = source.qos, .packetId = source.packetId, .connection = source.connection,
               .generation = source.generation, .pointer = MessageRef(publication.keep()).release(), .value = publication.topicHash});
  }

  void toShard(unsigned worker, const Record& record) override {
    if (worker == index_) shard_.take(record, index_);
    else lanes_.inbound(index_, worker).push(record);
  }

  void takeInbound(const Record& record, unsigned from) {
    if (record.kind == RecordKind::parcel) receiveParcel(std::unique_ptr<SessionParcel>(static_cast<SessionParcel*>(record.pointer)));
    else shard_.take(record, from);
  }

  // --- shards -> front end ------------------------------------------------------------------------

  void deliverHere(const std::vector<Filter*>& filters, Publication& publication) override {
    matcher_.deliver(filters, publication, index_);
  }

  void deliverSharedHere(Publication& publication, uint32_t key, uint32_t shardKey, bool isLast) override {
    sharing_.deliver(publication, key, index_, shardKey, isLast);
  }

  void acknowledge(unsigned worker, const Source& source, Reason reason) override {
    if (worker == index_) frontEnd.acknowledge(source, reason);
    else answer(worker, {.kind = RecordKind::acknowledge, .qos = source.qos, .packetId = source.packetId, .connection = source.connection,
                         .generation = source.generation, .reason = uint8_t(reason)});
  }

  void answer(unsigned worker, const Record& record) override {
    if (worker == index_) {
      takeOutbound(record, index_);
      return;
    }
    if (record.kind == RecordKind::deliver || record.kind == RecordKind::deliverShared) counters.add(Counter::handedOver);
    lanes_.outbound(index_, worker).push(record);
  }

  void takeOutbound(const Record& record, unsigned shard) {
    switch (record.kind) {
      case RecordKind::deliver: {
        Publication publication = Publication::of(MessageRef(static_cast<Message*>(record.pointer)), record.value);
        if (hasPassed(publication.expiresAtMs, nowMs_)) {  // in the lane
          counters.add(Counter::droppedExpired);
          break;
        }
        matches_.clear();
        filters_.match(publication.topic, publication.topicHash, matches_);
        matcher_.deliver(matches_, publication, shard);
        break;
      }
      case RecordKind::deliverShared: {
        Publication publication = Publication::of(MessageRef(static_cast<Message*>(record.pointer)), 0);
        if (hasPassed(publication.expiresAtMs, nowMs_)) counters.add(Counter::droppedExpired);
        else sharing_.deliver(publication, record.connection, shard, record.generation, record.qos != 0);
        break;
      }
      case RecordKind::handOver:
        sharing_.handOver(record.value, shard, record.generation);
        break;
      case RecordKind::acknowledge:
        frontEnd.acknowledge({record.connection, record.generation, record.packetId, record.qos}, Reason(record.reason));
        break;
      case RecordKind::subscribed:
        onSubscribed(record.value, shard);
        break;
      case RecordKind::retainedFound:
        onRetainedFound(MessageRef(static_cast<Message*>(record.pointer)), record);
        break;
      case RecordKind::retainedWaits:
      case RecordKind::retainedDone:
        onRetainedState(record.value, shard, record.kind == RecordKind::retainedWaits);
        break;
      case RecordKind::departing:
        onDeparting(record.value, shard, record.worker);
        break;
      case RecordKind::arriving:
        onArriving(record.value, shard);
        break;
      case RecordKind::flushed:
        onFlushed(record.value, record.worker);
        break;
      default:
        std::abort();
    }
  }

  void onSubscribed(uint64_t token, unsigned shard) {
    const auto found = pending_.find(token);
    if (found == pending_.end()) return;
    PendingSubscribe& pending = found->second;
    Session* session = sessions_.find(pending.session);
    if (session) session->knowingShards |= uint64_t(1) << shard;
    if (--pending.shardsLeft > 0) return;
    if (session) settleSubscriptions(*session, pending.filters);
    pending_.erase(found);
    frontEnd.events.push_back({EventKind::subscribed, 0, Reason::success, 0, token, {}});
  }

  void settleSubscriptions(Session& session, const std::vector<std::vector<uint8_t>>& filters) {
    for (const std::vector<uint8_t>& text : filters) {
      Filter* filter = filters_.find(text);
      if (Subscriber* subscriber = filter ? SessionTable::find(session, *filter) : nullptr) subscriber->isNew = false;
    }
  }

  void onRetainedFound(MessageRef message, const Record& record) {
    Session* session = sessions_.find(record.value);
    if (!session) return;
    frontEnd.outbound.deliverRetained(*session, std::move(message), record.qos, record.connection);
    frontEnd.outbound.pump(*session);
  }

  void onRetainedState(uint64_t key, unsigned shard, bool hasMore) {
    Session* session = sessions_.find(key);
    if (!session) {
      if (hasMore) toShard(shard, {.kind = RecordKind::retainedStop, .value = key});
      return;
    }
    const uint64_t bit = uint64_t(1) << shard;
    session->retainedShards = hasMore ? session->retainedShards | bit : session->retainedShards & ~bit;
    session->askedShards &= ~bit;
    frontEnd.outbound.pump(*session);
  }

  void askForRetained() {
    for (const uint64_t key : frontEnd.outbound.takeAsking()) {
      Session* session = sessions_.find(key);
      if (!session || session->queue.retained() > 0) continue;
      const uint64_t shards = session->retainedShards & ~std::exchange(session->askedShards, session->retainedShards);
      eachBit(shards, [&](unsigned shard) { toShard(shard, {.kind = RecordKind::retainedMore, .value = key}); });
    }
  }

  // The session has ended, or with `filter` has left that filter.
  void stopRetained(const Session& session, Bytes filter) {
    eachBit(session.retainedShards, [&](unsigned shard) {
      Publication text;
      text.topic = filter;
      toShard(shard, {.kind = RecordKind::retainedStop, .pointer = filter.empty() ? nullptr : MessageRef(text.keep()).release(), .value = session.key});
    });
  }

  // --- routes -------------------------------------------------------------------------------------

  Filter& addFilter(Bytes text) {
    Filter& filter = filters_.acquire(text);
    if (filter.isShared) return filter;  // Sharing::join() tells them
    if (filter.subscribers.empty()) tellOwners(filter, RecordKind::addRoute);
    filter.routes |= uint64_t(1) << index_;
    return filter;
  }

  bool removeSubscription(Session& session, Filter& filter) {
    if (!SessionTable::unsubscribe(session, filter)) return false;
    counters.subtract(Counter::subscriptions);
    if (filter.isShared) {
      sharing_.leave(session, filter);
      filters_.releaseIfUnused(filter);
      return true;
    }
    if (!filter.subscribers.empty()) return true;
    filter.routes &= ~(uint64_t(1) << index_);
    tellOwners(filter, RecordKind::removeRoute);
    filters_.releaseIfUnused(filter);
    return true;
  }

  // The shards that may own a topic which this filter matches: one, or with wildcards all.
  void tellOwners(const Filter& filter, RecordKind kind) {
    eachOther([&](unsigned worker) {
      if (!filter.hasWildcards() && worker != ownerOf(filters_.hashOf(filter.text()))) return;
      Publication text;
      text.topic = filter.text();
      lanes_.inbound(index_, worker).push({.kind = kind, .pointer = MessageRef(text.keep()).release()});
    });
  }

  // --- sessions that change workers ---------------------------------------------------------------
  //
  // Each shard tells the old worker "no more from me" and the new one "from now on from me", each in
  // order with its deliveries. When all have, the old worker asks each shard to say when it has taken what
  // the client has sent there, so that a publisher does not overtake itself and the answers to a SUBSCRIBE
  // still find the session. Then it sends what the session holds, and the new worker puts that in front
  // of what has come since: nothing lost, doubled or out of order.

  void onDeparting(uint64_t key, unsigned shard, unsigned to) {
    Session* session = sessions_.find(key);
    if (!session) return;
    if (!session->move) session->move = std::make_unique<SessionMove>();
    if (!hasSwitched(*session->move, shard)) return;
    session->move->flushesLeft = workers_;
    const Record record{.kind = RecordKind::flush, .worker = uint8_t(to), .value = key};
    for (unsigned worker = 0; worker < workers_; worker++) toShard(worker, record);
  }

  void onFlushed(uint64_t key, unsigned to) {
    Session* session = sessions_.find(key);
    if (!session || !session->move || --session->move->flushesLeft > 0) return;
    auto parcel = std::make_unique<SessionParcel>();
    parcel->key = key;
    parcel->window = std::exchange(session->window, {});
    parcel->queue = std::exchange(session->queue, {});
    parcel->received = std::move(session->received);
    parcel->retainedShards = std::exchange(session->retainedShards, 0);
    counters.subtract(Counter::queued, parcel->queue.size());
    lanes_.inbound(index_, to).push({.kind = RecordKind::parcel, .pointer = parcel.release()});
    destroySession(*session);
  }

  void onArriving(uint64_t key, unsigned shard) {
    Session* session = sessions_.find(key);
    if (!session || !session->move) return;
    if (hasSwitched(*session->move, shard) && session->move->parcel) unpack(*session);
  }

  void receiveParcel(std::unique_ptr<SessionParcel> parcel) {
    Session* session = sessions_.find(parcel->key);
    if (!session || !session->move) return;
    session->move->parcel = std::move(parcel);
    if (unsigned(__builtin_popcountll(session->move->switchedShards)) == workers_) unpack(*session);
  }

  // Notes that `shard` has switched over. True when it was the last.
  bool hasSwitched(SessionMove& move, unsigned shard) const {
    move.switchedShards |= uint64_t(1) << shard;
    return unsigned(__builtin_popcountll(move.switchedShards)) == workers_;
  }

  void unpack(Session& session) {
    const std::unique_ptr<SessionParcel> parcel = std::move(session.move->parcel);
    session.move.reset();
    session.window = std::move(parcel->window);
    session.received = std::move(parcel->received);
    session.retainedShards = parcel->retainedShards;
    counters.add(Counter::queued, parcel->queue.size());
    DeliveryQueue later = std::exchange(session.queue, std::move(parcel->queue));
    session.queue.append(std::move(later));
    frontEnd.events.push_back({EventKind::sessionArrived, 0, Reason::success, 0, session.key, {}});
  }

  // --- lanes --------------------------------------------------------------------------------------

  void ring(unsigned worker) {
    if (lanes_.doorbell(worker).ring()) counters.add(Counter::doorbells);
  }

  void commitLanes() {
    eachOther([&](unsigned worker) {
      const bool hasInbound = lanes_.inbound(index_, worker).commit();
      const bool hasOutbound = lanes_.outbound(index_, worker).commit();
      if (hasInbound || hasOutbound) ring(worker);
    });
  }

  bool isCrowded(Lane& (Lanes::*direction)(unsigned, unsigned)) {
    bool isCrowded = false;
    eachOther([&](unsigned worker) { isCrowded |= (lanes_.*direction)(index_, worker).isCrowded(); });
    return isCrowded;
  }

  const unsigned index_;
  const unsigned workers_;
  Lanes& lanes_;
  FilterTable filters_;
  Shard shard_;
  SessionTable sessions_;
  Matcher matcher_;
  Sharing sharing_;
  std::vector<Filter*> matches_;
  std::unordered_map<uint64_t, PendingSubscribe> pending_;
  uint64_t tokens_ = 0;
  uint64_t nowMs_ = 0;
};

}  // namespace rally
