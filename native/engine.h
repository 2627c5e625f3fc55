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
#include <vector>

#include "front-end/front-end.h"
#include "front-end/matcher.h"
#include "front-end/session-moves.h"
#include "front-end/sharing.h"
#include "front-end/subscriptions.h"
#include "lanes/lanes.h"
#include "sessions/session-table.h"
#include "shard/shard.h"

namespace rally {

class Engine : private ShardPort, private FrontEndPort, private SessionMoves::Outlet {
 public:
  Engine(unsigned index, Lanes& lanes, const Limits& limits, uint64_t hashSeed)
      : frontEnd(limits, counters, *this),
        subscriptions(index, lanes.workers(), filters_, sessions_, sharing_, frontEnd, counters, *this),
        moves(lanes.workers(), sessions_, frontEnd.events, counters, *this),
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
      Lane& lane = lanes_.deliveries(worker, index_);
      noteTaken(lane.drain(SIZE_MAX, [&](const Record& record) { takeDelivery(record, worker); }));
      if (lane.takeProducerWaits()) ring(worker);
    });
    bool isProgressing = true;
    for (int round = 0; round < requestRoundsMax && isProgressing && !isCrowded(&Lanes::deliveries); round++) {
      isProgressing = false;
      eachOther([&](unsigned worker) {
        Lane& lane = lanes_.requests(worker, index_);
        isProgressing |= noteTaken(
            lane.drain(requestBatch, [&](const Record& record) { takeRequest(record, worker); }));
        if (lane.takeProducerWaits()) ring(worker);
      });
      commitLanes();
    }
    frontEnd.resumeStalled();
  }

  // Writes the outboxes and hands the lanes over. Afterwards the worker may sleep if !hasWork().
  void endTurn() {
    if (shard_.hasWork() && !isCrowded(&Lanes::deliveries)) shard_.proceed();
    frontEnd.outbound.flush();
    subscriptions.askForRetained();
    sharing_.settle();
    commitLanes();
  }

  bool hasWork() {
    bool hasWork = frontEnd.outbound.isDirty() || frontEnd.outbound.hasAsking() || frontEnd.hasLeft() ||
                   !frontEnd.events.empty() || (frontEnd.hasStalled() && !isCrowded());
    const bool takesRequests = !isCrowded(&Lanes::deliveries);
    hasWork |= takesRequests && shard_.hasWork();
    eachOther([&](unsigned worker) {
      hasWork |= !lanes_.deliveries(worker, index_).isEmpty() ||
                 (takesRequests && !lanes_.requests(worker, index_).isEmpty()) ||
                 lanes_.requests(index_, worker).canCommit() || lanes_.deliveries(index_, worker).canCommit();
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

  void destroySession(Session& session) override {
    const std::vector<Delivery> heritage = sharing_.takeAll(session);
    subscriptions.removeAll(session);
    if (session.connection) frontEnd.end(*session.connection, Reason::unspecifiedError);
    counters.subtract(Counter::queued, session.queue.size());
    if (!session.isHost) counters.subtract(Counter::sessions);
    sessions_.remove(session);
    sharing_.reshare(heritage);
  }

  // All connections are gone with the thread that had them; what the sessions hold stays.
  void abandonConnections() {
    frontEnd.eachConnection([&](Connection& connection) { frontEnd.gone(connection); });
    frontEnd.takeLeave();
    frontEnd.eachConnection([&](Connection& connection) { frontEnd.release(connection); });
    frontEnd.events.clear();
    subscriptions.abandonPending();
  }

  Counters counters;
  FrontEnd frontEnd;
  Subscriptions subscriptions;
  SessionMoves moves;

 private:
  // Records taken from each lane at once, and how often in a turn before the outboxes are written.
  static constexpr size_t requestBatch = 256;
  static constexpr int requestRoundsMax = 16;

  template <class Visit>
  void eachOther(Visit&& visit) {
    for (unsigned worker = 0; worker < workers_; worker++) {
      if (worker != index_) visit(worker);
    }
  }

  // --- front end -> shards ------------------------------------------------------------------------

  uint64_t topicHash(Bytes topic) override { return filters_.hashOf(topic); }
  void presenceChanged(const Session& session) override { sharing_.noteChange(session); }
  bool isCrowded() override { return isCrowded(&Lanes::requests) || isCrowded(&Lanes::deliveries); }

  void publish(Publication& publication, const Source& source) override {
    const unsigned owner = ownerOf(publication.topicHash, workers_);
    if (owner == index_) {
      shard_.publish(publication, source, index_);
      return;
    }
    counters.add(Counter::handedOver);
    lanes_.requests(index_, owner)
        .push({.kind = RecordKind::publish,
               .qos = source.qos,
               .packetId = source.packetId,
               .connection = source.connection,
               .generation = source.generation,
               .pointer = MessageRef(publication.keep()).release(),
               .value = publication.topicHash});
  }

  void toShard(unsigned worker, const Record& record) override {
    if (worker == index_) shard_.take(record, index_);
    else lanes_.requests(index_, worker).push(record);
  }
  void sendParcel(unsigned worker, std::unique_ptr<SessionParcel> parcel) override {
    lanes_.requests(index_, worker).push({.kind = RecordKind::parcel, .pointer = parcel.release()});
  }

  void takeRequest(const Record& record, unsigned from) {
    if (record.kind == RecordKind::parcel)
      moves.onParcel(std::unique_ptr<SessionParcel>(static_cast<SessionParcel*>(record.pointer)));
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
    if (worker == index_) acknowledge(source, reason);
    else
      answer(worker, {.kind = RecordKind::acknowledge,
                      .qos = source.qos,
                      .packetId = source.packetId,
                      .connection = source.connection,
                      .generation = source.generation,
                      .reason = uint8_t(reason),
                      .value = source.session});
  }

  void acknowledge(const Source& source, Reason reason) {
    if (frontEnd.acknowledge(source, reason) || source.qos != 2) return;
    if (Session* session = sessions_.find(source.session)) frontEnd.acknowledgeLate(*session, source.packetId, reason);
  }

  void answer(unsigned worker, const Record& record) override {
    if (worker == index_) {
      takeDelivery(record, index_);
      return;
    }
    if (record.kind == RecordKind::deliver || record.kind == RecordKind::deliverShared)
      counters.add(Counter::handedOver);
    lanes_.deliveries(index_, worker).push(record);
  }

  void takeDelivery(const Record& record, unsigned shard) {
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
      case RecordKind::handOver: sharing_.handOver(record.value, shard, record.generation); break;
      case RecordKind::acknowledge:
        acknowledge({record.connection, record.generation, record.packetId, record.qos, record.value},
                    Reason(record.reason));
        break;
      case RecordKind::subscribed: subscriptions.onSubscribed(record.value, shard); break;
      case RecordKind::retainedFound:
        subscriptions.onRetainedFound(MessageRef(static_cast<Message*>(record.pointer)), record);
        break;
      case RecordKind::retainedWaits:
      case RecordKind::retainedDone:
        subscriptions.onRetainedState(record.value, shard, record.kind == RecordKind::retainedWaits);
        break;
      case RecordKind::departing: moves.onDeparting(record.value, shard, record.worker); break;
      case RecordKind::arriving: moves.onArriving(record.value, shard); break;
      case RecordKind::flushed: moves.onFlushed(record.value, record.worker); break;
      default: std::abort();
    }
  }

  // --- lanes --------------------------------------------------------------------------------------

  void ring(unsigned worker) {
    if (lanes_.doorbell(worker).ring()) counters.add(Counter::doorbells);
  }

  void commitLanes() {
    eachOther([&](unsigned worker) {
      const bool hasRequests = lanes_.requests(index_, worker).commit();
      const bool hasDeliveries = lanes_.deliveries(index_, worker).commit();
      if (!hasRequests && !hasDeliveries) return;
      counters.add(Counter::laneBatches);
      ring(worker);
    });
  }

  // True when there were any.
  bool noteTaken(size_t records) {
    if (records > 0) counters.add(Counter::laneRecords, records);
    return records > 0;
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
  uint64_t nowMs_ = 0;
};

}  // namespace rally
