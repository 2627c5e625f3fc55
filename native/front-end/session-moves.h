// Sessions that move to another worker because their client has reconnected there.
//
//   new front end  --fetchSession-->   old front end               asks for the next subscriptions
//   old front end  --subscriptions-->  new front end               a slice of them, until all are there
//   new front end  --moveSession-->    each shard  --departing-->  old front end   no more from this shard
//                                                  --arriving-->   new front end   from now on from this shard
//   old front end  --flush-->          each shard  --flushed-->    old front end   everything of the client is handled
//   old front end  --parcel-->         new front end               the contents of the session
// and between two nodes, where the old front end keeps the session until then
//   new front end  --sessionLanded-->  old front end               it is in the log there
//   old front end  --sessionReleased-> new front end               and nowhere else: it may be used
//
// Departing and arriving are in order with the deliveries of their shard. The flush prevents a publisher from
// overtaking itself, and lets the answers to a SUBSCRIBE still reach the session. The new worker puts the parcel before
// later arrivals: nothing is lost, duplicated or out of order. All of it is in engines, which outlive their threads:
// if a thread ends, the move continues when its worker runs again.
//
// A node may be lost. At every moment of a move its workers are in one of two cases: the old worker has the whole
// session, and the new one has neither accepted its client nor confirmed a message for it; or only the new worker has
// it. So whatever is lost, the other one has the latest state of the session.
//
// The next move of a session may begin before this one has finished. Moves are numbered in the order of their
// beginning, across the broker. At each worker a session has a sequence of stays; move n ends the stay with the last
// arrival before n, which does not begin to send before it is complete itself (`settled`).
//
//               begin        fetch            slice           arriving   parcel     departing  flushed   abandon
//   (none)      fetching (1) nothing          -               -          undone (7) -          -         -
//   settled     later stay   sending (3)      - (4)           -          undone     -          -         -
//   fetching    later stay   noted            fetching,       -          noted      -          -         ended (6)
//                                             switching (2)
//   switching   later stay   noted            -               counted    noted (5)  -          -         ended
//   landing     later stay   noted            -               -          undone     -          -         ended
//   sending     later stay   the next slice,  -               -          undone     -          -         ended
//                            or leaving
//   leaving     later stay   nothing          -               -          undone     counted,   -         ended
//                                                                                   flushing
//   flushing    later stay   nothing          -               -          undone     -          counted,  ended
//                                                                                              (none) (8)
//   kept        later stay   nothing          (none) (9)      -          undone     -          -         ended
//
// Two records are only meaningful in one state each. `landed`: the kept session is given up: (none), and
// sessionReleased is the answer, in every state. `released`: landing becomes settled.
//
//               its origin is lost                     its destination is lost
//   fetching    ended: it is not whole (10)            the departure is forgotten
//   switching   with the parcel: goes on; or ended     the departure is forgotten
//   landing     settled, when it is stored             the departure is forgotten
//   others      -                                      settled
//
//   -  A record of a move no longer in progress here: ignored.
//   1  The session is created, and worker `from` is asked. At its own worker: arrived at once, or when it arrives.
//   2  After the last slice. If worker `from` has nothing: settled, unchanged.
//   3  If it has to leave. A client that is still connected is disconnected, unless a later stay has it.
//   4  In a later stay: the session with this key has ended at its origin, and is taken apart.
//   5  With the last `arriving` too: settled, event sessionArrived; a noted departure begins. From another node:
//   landing
//      first, until it is stored and released.
//   6  Of a departure: this stay ends, with its contents. If it is the last one, the session is destroyed.
//   7  Its contents are treated as those of a destroyed session.
//   8  The parcel is sent. The next stay, if any, begins to fetch. To another node: kept, unless there is one.
//   9  The first of the next stay: the session returns, so the other node has received it. The next stay fetches.
//  10  Event sessionArrived follows, without a session: its client claims it again from the node that takes over the
//      log of its origin.
//
// When a session is destroyed (by the session directory), both sides are told: `abandon` goes to its origin, and an
// empty parcel, or a slice with `nothing`, to its destination. So no worker waits forever for a session, and each
// begin() is followed by sessionArrived.
#pragma once
#include <algorithm>
#include <deque>
#include <functional>
#include <memory>

#include "../sessions/session-table.h"
#include "front-end.h"
#include "shard-requests.h"
#include "subscriptions.h"

namespace rally {

// What the session directory needs to know about a session.
enum class SessionState : uint8_t {
  absent,     // there is none
  settled,    // here
  leaving,    // here; event closed or settled follows (departures.h)
  arriving,   // not yet here: event sessionArrived follows
  departing,  // on its way to another worker, which has asked for it
  count,
};

class SessionMoves {
 public:
  class Outlet : public ShardRequests {
   public:
    virtual uint64_t nextMove() = 0;
    // A move with this number has been reported.
    virtual void seeMove(uint64_t number) = 0;
    // An end that packet control has not requested itself.
    virtual Session& createSession(uint64_t key) = 0;
    virtual void destroySession(Session& session) = 0;
    // The session is gone from here; its connection and its move have been taken from it.
    virtual void retire(SessionTable::Taken session) = 0;
    // Whether it belongs to another node, ...
    virtual bool isRemote(unsigned worker) const = 0;
    // ... which supports the record SessionReleased.
    virtual bool knowsReleases(unsigned worker) const = 0;
    virtual void whenCommitted(std::function<void()> then) = 0;
    // The same, unless the worker that `then` tells it is lost before.
    virtual void whenCommitted(unsigned receiver, std::function<void()> then) = 0;
    // The queue of a session arriving from worker `from` contains its messages sent here. The session, which comes from
    // another node, is now completely here.
    virtual void sessionLanding(Session& session, unsigned from) = 0;
    virtual void sessionLanded(Session& session) = 0;
    // Earlier messages for the session are stored with it, or no longer need to be; or they are lost with it.
    virtual void noteStored(const std::vector<uint64_t>& messages, bool isLost) = 0;
  };

  SessionMoves(const SlotMap& slots, const Limits& limits, SessionTable& sessions, Subscriptions& subscriptions,
               FrontEnd& frontEnd, SessionAccount& account, Counters& counters, Outlet& outlet)
      : slots_(slots),
        limits_(limits),
        sessions_(sessions),
        subscriptions_(subscriptions),
        frontEnd_(frontEnd),
        account_(account),
        counters_(counters),
        outlet_(outlet) {}

  // The session moves here from worker `from`. Event sessionArrived follows when everything has arrived. Returns the
  // number of the move; 0: the session is already here.
  uint64_t begin(uint64_t key, unsigned from) {
    RALLY_ASSERT(from < workersMax);
    Session* session = sessions_.find(key);
    if (from == slots_.own() && session && session->move && session->move->last().departure != 0)
      from = session->move->last().to;  // it has left
    if (from == slots_.own() || slots_.isGone(from)) {
      if (!session && from == slots_.own()) session = &outlet_.createSession(key);
      if (!session || !session->move) announce(key);
      return 0;
    }
    const Stay stay{.arrival = outlet_.nextMove(), .from = uint8_t(from)};
    if (session) {
      if (session->connection) frontEnd_.end(*session->connection, Reason::sessionTakenOver);
      moveOf(*session).later.push_back(stay);
    } else {
      start(outlet_.createSession(key), stay);
    }
    outlet_.toShard(from, request::FetchSession{.session = key, .move = stay.arrival});
    return stay.arrival;
  }

  // The session is being destroyed: no worker may wait for it any longer.
  void abandon(Session& session) {
    if (!session.move) return;
    if (session.move->state == SessionMove::State::kept) dropKept(session);
    const std::unique_ptr<SessionMove> move = std::move(session.move);
    outlet_.noteStored(move->unstored, false);
    if (move->isArriving()) giveUpArrival(session.key, move->stay);
    const bool isParcelAwaited = move->state == SessionMove::State::leaving ||
                                 move->state == SessionMove::State::flushing;
    if (move->stay.departure != 0 && isParcelAwaited) sendParcel(session.key, move->stay, {});
    else giveUpDeparture(session.key, move->stay);
    for (const Stay& stay : move->later) {
      giveUpArrival(session.key, stay);
      giveUpDeparture(session.key, stay);
    }
  }

  // The worker is lost: nothing more comes from it, and it waits for nothing.
  void onGone(unsigned worker) {
    std::vector<uint64_t> keys;
    sessions_.each([&](const Session& session) {
      if (session.move) keys.push_back(session.key);
    });
    for (const uint64_t key : keys) {
      keepWhatWasToGo(*sessions_.find(key), worker);
      endArrivals(key, worker);
      passShard(key, worker);
    }
  }

  static SessionState stateOf(const Session& session) {
    if (!session.move) return session.departures > 0 ? SessionState::leaving : SessionState::settled;
    if (session.move->last().departure != 0) return SessionState::departing;
    const bool hasArrived = session.move->later.empty() && !session.move->isArriving();
    return hasArrived ? SessionState::settled : SessionState::arriving;
  }

  // --- records from other front ends ----------------------------------------------------------------

  void take(const request::FetchSession& asked, unsigned from) {
    outlet_.seeMove(asked.move);
    Session* session = sessions_.find(asked.session);
    if (session && isIn(*session, SessionMove::State::sending) && session->move->stay.departure == asked.move) {
      sending_.push_back({asked.session, asked.move});
      return;
    }
    Stay* stay = session ? stayBefore(*session, asked.move) : nullptr;
    if (!stay || stay->departure != 0) {
      giveUpDeparture(asked.session, {.departure = asked.move, .to = uint8_t(from)});
      return;
    }
    stay->departure = asked.move;
    stay->to = uint8_t(from);
    if (stay == &session->move->stay && session->move->state == SessionMove::State::settled) depart(*session);
  }

  void take(const request::SubscriptionsOfSession& asked, unsigned) { adding_.push_back(asked.carried.take()); }

  void take(const request::AbandonMove& asked, unsigned) {
    Session* session = sessions_.find(asked.session);
    if (!session || !session->move) return;
    SessionMove& move = *session->move;
    Stay* stay = move.stay.departure == asked.move ? &move.stay : nullptr;
    for (Stay& each : move.later) {
      if (each.departure == asked.move) stay = &each;
    }
    if (!stay) return;
    stay->departure = 0;
    if (stay == &move.last()) {
      outlet_.destroySession(*session);
      return;
    }
    stay->isAbandoned = true;
    if (stay == &move.stay && !move.isArriving()) advance(*session);
  }

  void take(const request::Parcel& asked, unsigned from) {
    std::unique_ptr<SessionParcel> parcel = asked.carried.take();
    Session* session = sessions_.find(parcel->key);
    const bool isAwaited = session && session->move && session->move->isAwaited() &&
                           session->move->stay.arrival == parcel->move;
    if (!isAwaited) {
      undo(*parcel);
      if (outlet_.isRemote(from)) tellLanded(parcel->key, from, parcel->move);
      return;
    }
    session->move->parcel = std::move(parcel);  // an empty one may arrive before the last slice is added
    if (session->move->acceptsAll()) unpack(*session);
  }

  void take(const request::SessionLanded& told, unsigned from) {
    Session* session = sessions_.find(told.session);
    if (session && isIn(*session, SessionMove::State::kept) && session->move->stay.departure == told.move)
      giveUpKept(*session);
    else release(told.session, from, told.move);
  }

  void take(const request::SessionReleased& told, unsigned) {
    Session* session = sessions_.find(told.session);
    if (session && isIn(*session, SessionMove::State::landing) && session->move->stay.arrival == told.move)
      land(*session);
  }

  // Whether this worker has sessions going to other nodes whose logs may not have them yet.
  bool isKeeping() const { return kept_ > 0; }

  // --- records from shards --------------------------------------------------------------------------

  void onDeparting(const delivery::Departing& from, unsigned shard) {
    Session* session = sessions_.find(from.session);
    if (!session || !isIn(*session, SessionMove::State::leaving) || session->move->stay.departure != from.move) return;
    SessionMove& move = *session->move;
    move.departingShards = from.shards;
    move.acceptedShards &= ~bitOf(shard);
    flushIfDeparted(*session);
  }

  void onFlushed(const delivery::Flushed& by, unsigned shard) {
    Session* session = sessions_.find(by.session);
    if (!session || !isIn(*session, SessionMove::State::flushing) || session->move->stay.departure != by.move) return;
    session->move->flushingShards &= ~bitOf(shard);
    handOverIfFlushed(*session);
  }

  void onArriving(const delivery::Arriving& at, unsigned shard) {
    Session* session = sessions_.find(at.session);
    if (!session || !isIn(*session, SessionMove::State::switching) || session->move->stay.arrival != at.move) return;
    session->move->acceptedShards |= bitOf(shard);
    if (session->move->acceptsAll() && session->move->parcel) unpack(*session);
  }

  // --- in slices ------------------------------------------------------------------------------------

  bool hasWork() const { return !sending_.empty() || !adding_.empty(); }

  // Once a turn: receives and sends subscriptions.
  void proceed() {
    for (size_t done = 0; done < limits_.subscriptionsPerTurn && !sending_.empty();) {
      const auto [key, number] = sending_.front();
      sending_.pop_front();
      done += 1 + sendSlice(key, number);
    }
    for (size_t done = 0; done < limits_.subscriptionsPerTurn && !adding_.empty();) {
      const std::unique_ptr<SubscriptionSlice> slice = std::move(adding_.front());
      adding_.pop_front();
      done += 1 + slice->rows.size();
      if (Session* session = sessions_.find(slice->session); session && session->move) add(*session, *slice);
    }
  }

 private:
  struct Sending {
    uint64_t session;
    uint64_t move;
  };

  void toShards(uint64_t shards, const Request& request) {
    eachWorker(shards, [&](unsigned shard) { outlet_.toShard(shard, request); });
  }
  void announce(uint64_t key) { frontEnd_.events().push({EventKind::sessionArrived, 0, Reason::success, 0, key, {}}); }

  static bool isIn(const Session& session, SessionMove::State state) {
    return session.move && session.move->state == state;
  }
  static SessionMove& moveOf(Session& session) {
    if (!session.move) session.move = std::make_unique<SessionMove>();
    return *session.move;
  }
  // The stay that the move with this number ends, or nullptr.
  static Stay* stayBefore(Session& session, uint64_t number) {
    SessionMove& move = moveOf(session);
    for (size_t i = move.later.size(); i > 0; i--) {
      if (move.later[i - 1].arrival < number) return &move.later[i - 1];
    }
    return move.stay.arrival < number ? &move.stay : nullptr;
  }

  // Tells its origin that the move has ended.
  void giveUpArrival(uint64_t key, const Stay& stay) {
    outlet_.toShard(stay.from, request::AbandonMove{.session = key, .move = stay.arrival});
    announce(key);
  }
  // Tells its destination not to wait.
  void giveUpDeparture(uint64_t key, const Stay& stay) {
    if (stay.departure == 0) return;
    auto slice = std::make_unique<SubscriptionSlice>();
    slice->session = key;
    slice->move = stay.departure;
    slice->isNothing = true;
    outlet_.toShard(stay.to, request::SubscriptionsOfSession{.carried = Carried(std::move(slice))});
  }

  // --- lost workers ---------------------------------------------------------------------------------

  void keepWhatWasToGo(Session& session, unsigned worker) {
    SessionMove& move = *session.move;
    const auto stayHere = [&](Stay& stay) {
      if (stay.departure == 0 || stay.to != worker) return false;
      stay.departure = 0;
      return true;
    };
    for (Stay& stay : move.later) stayHere(stay);
    if (!stayHere(move.stay) || move.isArriving()) return;
    if (move.state == SessionMove::State::kept) kept_--;
    move.state = SessionMove::State::settled;
    move.acceptedShards = UINT64_MAX;
    if (!move.later.empty()) return;
    session.move.reset();
    frontEnd_.outbound().noteRoom(session);
  }

  void endArrivals(uint64_t key, unsigned worker) {
    Session* session = sessions_.find(key);
    if (!session->move) return;
    std::vector<uint64_t> later;
    for (const Stay& stay : session->move->later) {
      if (stay.from == worker) later.push_back(stay.arrival);
    }
    const Stay stay = session->move->stay;
    if (session->move->isArriving() && stay.from == worker) endArrival(*session);
    for (const uint64_t number : later) {
      session = sessions_.find(key);
      if (session && session->move) onNothing(*session, number);
    }
  }
  // An incomplete session is discarded: the log of its origin has it.
  void endArrival(Session& session) {
    SessionMove& move = *session.move;
    if (move.state == SessionMove::State::landing) {
      if (move.isStored) land(session);
      return;
    }
    if (move.parcel) return;
    toShards(slots_.present(), request::RetainedStop{.session = session.key, .carried = {}});
    outlet_.noteStored(std::exchange(move.unstored, {}), true);
    const unsigned from = move.stay.from;
    if (std::all_of(move.later.begin(), move.later.end(), [&](const Stay& each) { return each.from == from; })) {
      outlet_.destroySession(session);
      return;
    }
    Stay again = move.stay;  // a client waits for the next one
    again.isEmpty = true;
    move.stay.departure = 0;
    move.later.insert(move.later.begin(), again);
    advance(session);
  }

  void passShard(uint64_t key, unsigned worker) {
    Session* session = sessions_.find(key);
    if (!session || !session->move) return;
    SessionMove& move = *session->move;
    if (move.state == SessionMove::State::leaving) {
      flushIfDeparted(*session);
    } else if (move.state == SessionMove::State::flushing && move.flushingShards != 0) {
      move.flushingShards &= ~bitOf(worker);
      handOverIfFlushed(*session);
    } else if (move.state == SessionMove::State::switching) {
      move.acceptedShards |= bitOf(worker);
      if (move.acceptsAll() && move.parcel) unpack(*session);
    }
  }

  // --- at the old worker ----------------------------------------------------------------------------

  void depart(Session& session) {
    SessionMove& move = *session.move;
    frontEnd_.outbound().journal().copyFirst(session);
    if (move.later.empty() && session.connection) frontEnd_.end(*session.connection, Reason::sessionTakenOver);
    move.state = SessionMove::State::sending;
    move.acceptedShards = UINT64_MAX;
    move.departingShards = 0;
    move.sent = 0;
    sending_.push_back({session.key, move.stay.departure});
  }

  // All shards have switched over to the new worker.
  void flushIfDeparted(Session& session) {
    SessionMove& move = *session.move;
    if (move.departingShards == 0 || (move.acceptedShards & move.departingShards & ~slots_.gone()) != 0) return;
    move.state = SessionMove::State::flushing;
    move.acceptedShards = 0;
    outlet_.behindHeld([this, key = session.key, number = move.stay.departure] { flush(key, number); });
  }
  void flush(uint64_t key, uint64_t number) {
    Session* session = sessions_.find(key);
    if (!session || !isIn(*session, SessionMove::State::flushing) || session->move->stay.departure != number) return;
    const uint64_t shards = session->move->flushingShards = slots_.present();
    toShards(shards, request::Flush{.session = key, .move = number});
  }
  void handOverIfFlushed(Session& session) {
    if (session.move->flushingShards != 0) return;
    frontEnd_.outbound().journal().copyFirst(session);  // a checkpoint may have begun meanwhile
    if (session.move->later.empty() && outlet_.isRemote(session.move->stay.to)) {
      session.move->state = SessionMove::State::kept;
      kept_++;
      sendParcel(session.key, session.move->stay, copyOf(session));
      return;
    }
    sendParcel(session.key, session.move->stay, contentOf(session));
    if (session.move->later.empty()) {
      session.move.reset();
      outlet_.destroySession(session);
    } else {
      advance(session);
    }
  }

  // The other node has it: it ends here, and in this log, without further effects.
  void giveUpKept(Session& session) {
    dropKept(session);
    if (!session.move->later.empty()) {
      advance(session);
      return;
    }
    session.move.reset();
    outlet_.destroySession(session);
  }
  void dropKept(Session& session) {
    kept_--;
    std::unique_ptr<DurableSession> durable = std::move(contentOf(session).durable);
    session.durable = std::move(durable);
    session.move->state = SessionMove::State::settled;
    const Stay& stay = session.move->stay;
    if (!slots_.isGone(stay.to)) release(session.key, stay.to, stay.departure);
    session.move->stay.departure = 0;
  }
  void release(uint64_t key, unsigned to, uint64_t number) {
    const bool isTold = outlet_.isRemote(to) && outlet_.knowsReleases(to);
    if (isTold) outlet_.toShard(to, request::SessionReleased{.session = key, .move = number});
  }

  // Returns the number of subscriptions sent.
  size_t sendSlice(uint64_t key, uint64_t number) {
    Session* session = sessions_.find(key);
    if (!session || !isIn(*session, SessionMove::State::sending) || session->move->stay.departure != number) return 0;
    SessionMove& move = *session->move;
    auto slice = std::make_unique<SubscriptionSlice>();
    slice->session = key;
    slice->move = number;
    slice->total = session->subscriptions.size();
    slice->isDurable = session->isDurable;
    const size_t end = std::min(slice->total, move.sent + limits_.subscriptionsPerSlice);
    slice->rows.reserve(end - move.sent);
    const size_t count = end - move.sent;
    for (; move.sent < end; move.sent++) {
      const SubscriptionRef& each = session->subscriptions[move.sent];
      slice->add(each.filter->text(), optionsOf(each.filter->subscribers[each.position]));
    }
    slice->isLast = move.sent == slice->total;
    if (slice->isLast) move.state = SessionMove::State::leaving;
    outlet_.toShard(move.stay.to, request::SubscriptionsOfSession{.carried = Carried(std::move(slice))});
    return count;
  }

  static SubscriptionOptions optionsOf(const Subscriber& subscriber) {
    return {.qos = subscriber.qos,
            .noLocal = subscriber.noLocal,
            .retainAsPublished = subscriber.retainAsPublished,
            .subscriptionId = subscriber.subscriptionId};
  }

  SessionParcel contentOf(Session& session) {
    counters_.subtract(Counter::queued, session.queue.size());
    frontEnd_.outbound().charge(session.queue.size());
    frontEnd_.outbound().journal().flushDone(session);
    account_.depart(session);
    PacketIdSet received;
    uint64_t retainedShards = 0;
    if (session.unfinished.isMade()) {
      received = std::exchange(session.unfinished.own().received.all, {});
      retainedShards = std::exchange(session.unfinished.own().retained, {}).waiting;
    }
    return {.window = std::exchange(session.window, {}),
            .queue = std::exchange(session.queue, {}),
            .received = std::move(received),
            .retainedShards = retainedShards,
            .expirySeconds = session.expirySeconds,
            .leftAtMs = session.leftAtMs,
            .will = session.connection ? nullptr : std::move(session.will),
            .rights = std::move(session.rights),
            .durable = std::move(session.durable)};
  }
  // The same, without changing the session.
  SessionParcel copyOf(Session& session) {
    HeldMessages& held = account_.held();
    SessionParcel copy;
    copy.window = session.window.copy();
    copy.queue = session.queue.copy(held);
    copy.received = session.unfinished->received.all;
    copy.retainedShards = session.unfinished->retained.waiting;
    copy.expirySeconds = session.expirySeconds;
    copy.leftAtMs = session.leftAtMs;
    if (session.will && !session.connection) copy.will = std::make_unique<Will>(*session.will);
    if (session.rights) copy.rights = std::make_unique<Rights>(session.rights->access);
    if (session.durable) {
      copy.durable = std::make_unique<DurableSession>();
      copy.durable->setClient(session.durable->clientId(), session.durable->access());
    }
    frontEnd_.outbound().charge(session.queue.size());
    frontEnd_.outbound().journal().flushDone(session);
    return copy;
  }
  void sendParcel(uint64_t key, const Stay& stay, SessionParcel content) {
    auto parcel = std::make_unique<SessionParcel>(std::move(content));
    parcel->key = key;
    parcel->move = stay.departure;
    outlet_.toShard(stay.to, request::Parcel{.carried = Carried(std::move(parcel))});
  }

  // The stay has ended, and its remains are removed. The next one begins, with its waiting client.
  Session& advance(Session& ended) {
    RALLY_ASSERT(ended.move && !ended.move->later.empty());
    const uint64_t key = ended.key;
    std::unique_ptr<SessionMove> move = std::move(ended.move);
    outlet_.noteStored(move->unstored, false);
    Connection* connection = std::exchange(ended.connection, nullptr);
    const uint32_t expirySeconds = ended.expirySeconds;
    std::unique_ptr<Will> will = connection ? std::move(ended.will) : nullptr;
    std::unique_ptr<Rights> rights = connection ? std::move(ended.rights) : nullptr;
    outlet_.retire(sessions_.take(ended));
    Session& session = outlet_.createSession(key);
    session.expirySeconds = expirySeconds;
    session.will = std::move(will);
    session.rights = std::move(rights);
    if (session.rights) session.subscriptionsEpoch = session.queueEpoch = 0;
    session.connection = connection;
    if (connection) connection->session = &session;
    const Stay next = move->later.front();
    start(session, next);
    session.move->later.assign(move->later.begin() + 1, move->later.end());
    if (next.isEmpty) settle(session);
    return session;
  }

  // --- at the new worker ----------------------------------------------------------------------------

  void start(Session& session, const Stay& stay) {
    SessionMove& move = moveOf(session);
    move.stay = stay;
    move.state = SessionMove::State::fetching;
    move.acceptedShards = 0;
    move.isStored = false;
  }

  void add(Session& session, const SubscriptionSlice& slice) {
    if (slice.isNothing) {
      onNothing(session, slice.move);
      return;
    }
    const bool isKept = isIn(session, SessionMove::State::kept);
    if (isKept && !session.move->later.empty() && session.move->later.front().arrival == slice.move) {
      session.durable.reset();  // the log keeps it until it returns
      dropKept(session);
    }
    const SessionMove& known = *session.move;
    const bool isOfNext = !known.later.empty() && known.later.front().arrival == slice.move;
    const bool isInPlace = known.state == SessionMove::State::settled && known.stay.departure == 0;
    Session& arriving = isOfNext && isInPlace ? advance(session) : session;
    SessionMove& move = *arriving.move;
    if (move.state != SessionMove::State::fetching || move.stay.arrival != slice.move) return;
    if (arriving.subscriptions.isEmpty())
      arriving.subscriptions.reserve(std::min(slice.total, limits_.subscriptionsPerSessionMax));
    arriving.isDurable = arriving.isDurable || slice.isDurable;
    slice.each([&](Bytes text, const SubscriptionOptions& options) { subscriptions_.add(arriving, text, options); });
    if (!slice.isLast) {
      outlet_.toShard(move.stay.from, request::FetchSession{.session = arriving.key, .move = move.stay.arrival});
      return;
    }
    move.state = SessionMove::State::switching;
    const uint64_t shards = slots_.present();
    move.acceptedShards = ~shards;  // shards that join later have it from the beginning
    toShards(shards, request::MoveSession{
                         .from = move.stay.from, .session = arriving.key, .move = move.stay.arrival, .shards = shards});
  }

  // Its origin has no session.
  void onNothing(Session& session, uint64_t number) {
    SessionMove& move = *session.move;
    if (move.stay.arrival == number && move.state == SessionMove::State::fetching) {
      settle(session);
      return;
    }
    for (size_t i = 0; i < move.later.size(); i++) {
      if (move.later[i].arrival != number) continue;
      Stay& before = i == 0 ? move.stay : move.later[i - 1];
      if (before.departure != 0 || before.isAbandoned) {
        move.later[i].isEmpty = true;
        return;
      }
      before.departure = move.later[i].departure;  // the previous stay provides the session
      before.to = move.later[i].to;
      move.later.erase(move.later.begin() + std::ptrdiff_t(i));
      if (i == 0 && move.state == SessionMove::State::settled) settle(session);
      return;
    }
  }

  void unpack(Session& session) {
    const std::unique_ptr<SessionParcel> parcel = std::move(session.move->parcel);
    parcel->window.arrive(account_.held());
    parcel->queue.arrive(account_.held());
    session.window = std::move(parcel->window);
    if (parcel->received.size() > 0 || session.unfinished.isMade())
      session.unfinished.own().received.all = std::move(parcel->received);
    account_.settlePacketIds(session);
    setRetained(session, parcel->retainedShards);
    takeDurable(session, std::move(parcel->durable));
    outlet_.sessionLanding(session, session.move->stay.from);
    if (!session.connection) {
      session.expirySeconds = parcel->expirySeconds;
      session.leftAtMs = parcel->leftAtMs;
      session.will = std::move(parcel->will);
      session.rights = std::move(parcel->rights);
      if (session.rights) session.rights->epoch = 0;  // its epoch was of the other worker's gate
    }
    session.subscriptionsEpoch = session.queueEpoch = session.rights ? 0 : Gate::firstEpoch;
    counters_.add(Counter::queued, parcel->queue.size());
    frontEnd_.outbound().charge(parcel->queue.size());
    DeliveryQueue later = std::exchange(session.queue, std::move(parcel->queue));
    session.queue.append(std::move(later), account_.held());
    account_.settle(session);
    subscriptions_.noteArrival(session);
    const uint64_t number = session.move->stay.arrival;
    const unsigned from = session.move->stay.from;
    if (!outlet_.isRemote(from)) {
      land(session);
      return;
    }
    outlet_.sessionLanded(session);
    if (slots_.isGone(from) || outlet_.knowsReleases(from)) {
      session.move->state = SessionMove::State::landing;
      outlet_.whenCommitted([this, key = session.key, number] { onStored(key, number); });
    } else {
      tellLanded(session.key, from, number);
      land(session);
    }
  }
  // This log has the session. The previous holder gives it up, unless it is lost.
  void onStored(uint64_t key, uint64_t number) {
    Session* session = sessions_.find(key);
    if (!session || !isIn(*session, SessionMove::State::landing) || session->move->stay.arrival != number) return;
    session->move->isStored = true;
    const unsigned from = session->move->stay.from;
    if (slots_.isGone(from)) land(*session);
    else outlet_.toShard(from, request::SessionLanded{.session = key, .move = number});
  }
  void tellLanded(uint64_t key, unsigned from, uint64_t number) {
    outlet_.whenCommitted(from, [this, from, told = request::SessionLanded{.session = key, .move = number}] {
      outlet_.toShard(from, told);
    });
  }
  // Only this worker has the session.
  void land(Session& session) {
    outlet_.noteStored(std::exchange(session.move->unstored, {}), false);
    settle(session);
  }

  static void setRetained(Session& session, uint64_t shards) {
    if (shards != 0 || session.unfinished.isMade()) session.unfinished.own().retained.waiting = shards;
  }
  // A client accepted earlier may have made it durable already.
  static void takeDurable(Session& session, std::unique_ptr<DurableSession> durable) {
    if (!durable) return;
    session.durable = std::move(durable);
    session.durable->turn = 0;  // turns of another worker are meaningless here
    session.isDurable = true;
  }

  // Everything has arrived.
  void settle(Session& session) {
    SessionMove& move = *session.move;
    move.state = SessionMove::State::settled;
    move.acceptedShards = UINT64_MAX;
    announce(session.key);
    if (move.stay.isAbandoned) {
      advance(session);
    } else if (move.stay.departure != 0) {
      depart(session);
    } else if (move.later.empty()) {
      session.move.reset();
      frontEnd_.sessionArrived(session);
    }
  }

  // A parcel without a receiver: its session has ended.
  void undo(SessionParcel& parcel) {
    SessionTable::Taken session = sessions_.createTaken(parcel.key);
    session->window = std::move(parcel.window);
    session->queue = std::move(parcel.queue);
    session->window.arrive(account_.held());
    session->queue.arrive(account_.held());
    setRetained(*session, parcel.retainedShards);
    session->durable = std::move(parcel.durable);
    counters_.add(Counter::queued, session->queue.size());
    counters_.add(Counter::sessions);
    outlet_.retire(std::move(session));
  }

  const SlotMap& slots_;
  const Limits& limits_;
  SessionTable& sessions_;
  Subscriptions& subscriptions_;
  FrontEnd& frontEnd_;
  SessionAccount& account_;
  Counters& counters_;
  Outlet& outlet_;
  size_t kept_ = 0;                                        // sessions in that state
  std::deque<Sending> sending_;                            // requested slices
  std::deque<std::unique_ptr<SubscriptionSlice>> adding_;  // received slices
};

}  // namespace rally
