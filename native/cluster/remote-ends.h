// The workers of other nodes, as seen by one worker of this node: each is the other end of the usual lanes. This worker
// handles both ends of those lanes, and a link (link.h) carries the records.
//
//   this engine --push--> lane --endTurn()--> link --frames--> link there --receive()--> lane --> the engine there
//
// So an engine treats them like workers of its own node. Records for which a link has no room stay in its lane, which
// is then crowded; arrivals are limited by the credit given.
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

  // The new recipient of frames, or none. It must not call this object back.
  void setSink(FrameSink* sink) { sink_ = sink; }

  // The worker exists, in a process with this incarnation, and both support this version: its lanes take records from
  // now on. An open link reconnects. False: there can be no such worker, the version is not supported, or another
  // worker is still open in its place.
  bool open(unsigned worker, uint64_t incarnation, uint8_t version = linkVersion);
  // Of an open link; otherwise the newest version.
  uint8_t versionOf(unsigned worker) const {
    return isOpen(worker) ? ends_[worker]->link->ends().version : linkVersion;
  }
  // Frames may have been lost: resends unacknowledged frames. False, here and below: no link is open.
  bool reconnect(unsigned worker);
  // The worker is gone for good. The contents of its lanes are dropped, and so are records still pushed.
  bool close(unsigned worker);

  FrameOutcome receive(unsigned worker, Bytes frame, uint64_t nowMs);

  void beginTurn();
  void endTurn(uint64_t nowMs);
  // Once a second.
  void tick();
  // Whether something received now fits into a lane.
  bool hasWork();

  // For each open link: visit(worker, incarnation, figures).
  template <class Visit>
  void eachLink(uint64_t nowMs, Visit&& visit) const {
    for (unsigned worker = 0; worker < ends_.size(); worker++) {
      if (!isOpen(worker)) continue;
      const Link& link = *ends_[worker]->link;
      visit(worker, link.ends().peerIncarnation, link.figures(nowMs));
    }
  }

 private:
  // The records of one frame while they are in a lane.
  struct Untaken {
    uint64_t end = 0;  // a count of the lane's records, up to the last of the frame
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
    eachWorker(known_, [&](unsigned worker) { visit(worker, *ends_[worker]); });
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
  uint64_t known_ = 0;  // bit w: worker w has one, permanently
};

}  // namespace rally::cluster
