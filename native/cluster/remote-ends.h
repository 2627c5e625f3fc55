// The workers of other nodes, as one worker of this node sees them: each stands at the other end of the usual lanes, of
// which this worker is both ends, and a link (link.h) carries what goes through them.
//
//   this engine --push--> lane --endTurn()--> link --frames--> link there --receive()--> lane --> the engine there
//
// So an engine knows no difference. What a link has no room for stays in its lane, which is crowded then; what comes is
// bounded by the credit that was given for it.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "../lanes/lanes.h"
#include "link.h"
#include "record-codec.h"

namespace rally::cluster {

class RemoteEnds {
 public:
  RemoteEnds(unsigned index, Lanes& lanes) : index_(index), lanes_(lanes) {}

  // Who takes the frames from now on, or nobody. It does not call this object back.
  void setSink(FrameSink* sink) { sink_ = sink; }

  // The worker is there, in a process with this number: its lanes take records from now on. One that is open already is
  // reconnected. False: there can be no such worker, or another one is still open in its place.
  bool open(unsigned worker, uint64_t incarnation);
  // Frames may have been lost: sends again what is not acknowledged. False, as below: no link is open.
  bool reconnect(unsigned worker);
  // The worker is gone for good. What lies in its lanes is dropped, and what is still pushed to it.
  bool close(unsigned worker);

  FrameOutcome receive(unsigned worker, Bytes frame, uint64_t nowMs);

  void beginTurn();
  void endTurn(uint64_t nowMs);
  // Once a second.
  void tick();
  // Whether what has come finds room in a lane now.
  bool hasWork();

  // Of the links that are open: visit(worker, incarnation, figures).
  template <class Visit>
  void eachLink(uint64_t nowMs, Visit&& visit) const {
    for (unsigned worker = 0; worker < ends_.size(); worker++) {
      if (!isOpen(worker)) continue;
      const Link& link = *ends_[worker]->link;
      visit(worker, link.ends().peerIncarnation, link.figures(nowMs));
    }
  }

 private:
  // What came in one frame and lies in a lane.
  struct Untaken {
    uint64_t end = 0;  // records of the lane, the last one of the frame too
    uint64_t bytes = 0;
  };
  struct Inbound {
    uint64_t pushed = 0;  // records
    std::deque<Untaken> untaken;
  };
  struct RemoteEnd {
    std::unique_ptr<Link> link;  // nullptr: closed
    std::array<Inbound, channels> inbound;
  };

  bool isOpen(unsigned worker) const { return worker < ends_.size() && ends_[worker] && ends_[worker]->link; }
  template <class Visit>
  void eachEnd(Visit&& visit) {
    for (unsigned worker = 0; worker < ends_.size(); worker++) {
      if (ends_[worker]) visit(worker, *ends_[worker]);
    }
  }
  template <class R>
  void carry(Link& link, Channel channel, WorkerLane<R>& lane, uint64_t nowMs);
  template <class R>
  void noteDrained(Link& link, Channel channel, Inbound& inbound, const WorkerLane<R>& lane);
  template <class R>
  bool take(Bytes bytes, const Arrival& arrival, WorkerLane<R>& lane, Inbound& inbound);
  void dropOutbound(unsigned worker);
  void checkNotInTurn() const { RALLY_ASSERT(!isInTurn_); }

  const unsigned index_;
  Lanes& lanes_;
  FrameSink* sink_ = nullptr;
  bool isInTurn_ = false;  // the sink is being called
  std::array<std::unique_ptr<RemoteEnd>, workersMax> ends_;
};

}  // namespace rally::cluster
