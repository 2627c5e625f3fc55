// Sessions that change workers, because their client has come back on another one.
//
//   new front end  --moveSession-->  each shard  --departing-->  old front end    no more from me
//                                                --arriving-->   new front end    from now on from me
//   old front end  --flush-->        each shard  --flushed-->    old front end    has taken all the client sent
//   old front end  --parcel-->       new front end               what the session holds
//
// Departing and arriving come in order with the deliveries of their shard. The flush is there so that a publisher
// does not overtake itself, and the answers to a SUBSCRIBE still find the session. The new worker puts the parcel in
// front of what has come since: nothing is lost, doubled or out of order.
#pragma once
#include <memory>

#include "../sessions/session-table.h"
#include "front-end.h"
#include "shard-requests.h"

namespace rally {

class SessionMoves {
 public:
  class Outlet : public ShardRequests {
   public:
    virtual void destroySession(Session& session) = 0;
  };

  SessionMoves(unsigned workers, SessionTable& sessions, std::vector<Event>& events, Counters& counters, Outlet& outlet)
      : workers_(workers), sessions_(sessions), events_(events), counters_(counters), outlet_(outlet) {}

  // The session comes here from worker `from`; it has just been created and given its subscriptions.
  // Event sessionArrived follows when everything is here.
  void begin(Session& session, unsigned from) {
    session.move = std::make_unique<SessionMove>();
    session.move->isArriving = true;
    toAllShards(request::MoveSession{.from = uint8_t(from), .session = session.key});
  }

  // --- at the old worker --------------------------------------------------------------------------

  void onDeparting(uint64_t key, unsigned shard, unsigned to) {
    Session* session = sessions_.find(key);
    if (!session) return;
    if (!session->move) session->move = std::make_unique<SessionMove>();
    if (!hasSwitched(*session->move, shard)) return;
    session->move->flushesLeft = workers_;
    toAllShards(request::Flush{.to = uint8_t(to), .session = key});
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
    counters_.subtract(Counter::queued, parcel->queue.size());
    outlet_.toShard(to, request::Parcel{.carried = Carried(std::move(parcel))});
    outlet_.destroySession(*session);
  }

  // --- at the new worker --------------------------------------------------------------------------

  void onArriving(uint64_t key, unsigned shard) {
    Session* session = sessions_.find(key);
    if (!session || !session->move) return;
    if (hasSwitched(*session->move, shard) && session->move->parcel) unpack(*session);
  }

  void onParcel(std::unique_ptr<SessionParcel> parcel) {
    Session* session = sessions_.find(parcel->key);
    if (!session || !session->move) return;
    session->move->parcel = std::move(parcel);
    if (unsigned(__builtin_popcountll(session->move->switchedShards)) == workers_) unpack(*session);
  }

 private:
  void toAllShards(const Request& request) {
    for (unsigned worker = 0; worker < workers_; worker++) outlet_.toShard(worker, request);
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
    counters_.add(Counter::queued, parcel->queue.size());
    DeliveryQueue later = std::exchange(session.queue, std::move(parcel->queue));
    session.queue.append(std::move(later));
    events_.push_back({EventKind::sessionArrived, 0, Reason::success, 0, session.key, {}});
  }

  const unsigned workers_;
  SessionTable& sessions_;
  std::vector<Event>& events_;
  Counters& counters_;
  Outlet& outlet_;
};

}  // namespace rally
