#include "remote-ends.h"

namespace rally::cluster {

namespace {

template <class R>
void drop(WorkerLane<R>& lane) {
  lane.clear([](const R& record) { discard(record); });
}

}  // namespace

bool RemoteEnds::open(unsigned worker, uint64_t incarnation, uint8_t version) {
  checkNotInTurn();
  if (!lanes_.isRemote(worker) || version < oldestLinkVersion || version > linkVersion) return false;
  if (isOpen(worker)) {
    const bool isSame = ends_[worker]->link->ends().peerIncarnation == incarnation;
    return isSame && reconnect(worker);
  }
  lanes_.open(index_, worker);
  auto end = std::make_unique<RemoteEnd>();
  end->link = std::make_unique<Link>(
      Link::Ends{lanes_.incarnation(), incarnation, uint8_t(index_), uint8_t(worker), version});
  end->inbound[size_t(Channel::requests)].pushed = lanes_.requests(worker, index_).drained();
  end->inbound[size_t(Channel::deliveries)].pushed = lanes_.deliveries(worker, index_).drained();
  ends_[worker] = std::move(end);
  known_ |= bitOf(worker);
  return true;
}

bool RemoteEnds::reconnect(unsigned worker) {
  if (!isOpen(worker)) return false;
  ends_[worker]->link->reconnect();
  return true;
}

bool RemoteEnds::close(unsigned worker) {
  checkNotInTurn();
  if (!isOpen(worker)) return false;
  ends_[worker] = std::make_unique<RemoteEnd>();
  drop(lanes_.requests(worker, index_));
  drop(lanes_.deliveries(worker, index_));
  dropOutbound(worker);
  return true;
}

FrameOutcome RemoteEnds::receive(unsigned worker, Bytes frame, uint64_t nowMs) {
  checkNotInTurn();
  FrameHead head;
  Bytes piece;
  if (const FrameOutcome outcome = FrameHead::read(frame, head, piece); outcome != FrameOutcome::taken) return outcome;
  if (!isOpen(worker) || head.from != worker || head.to != index_) return FrameOutcome::foreignSender;
  RemoteEnd& end = *ends_[worker];
  const Link::Ends& ends = end.link->ends();
  if (head.fromIncarnation != ends.peerIncarnation || head.toIncarnation != ends.ownIncarnation)
    return FrameOutcome::foreignSender;
  if (head.version != ends.version) return FrameOutcome::foreignVersion;

  Inbound& inbound = end.inbound[size_t(head.channel)];
  const uint64_t pushedBefore = inbound.pushed;
  const FrameOutcome outcome = end.link->receive(
      head, piece, nowMs, [&](Channel channel, Bytes record, uint64_t ageMs) {
        const Arrival arrival{nowMs, ageMs, lanes_.workersHere(), ends.version};
        return channel == Channel::requests ? take(record, arrival, lanes_.requests(worker, index_), inbound)
                                            : take(record, arrival, lanes_.deliveries(worker, index_), inbound);
      });
  if (outcome != FrameOutcome::taken || piece.empty()) return outcome;
  // Pieces of an incomplete record are stored elsewhere: if they counted, a large record could never arrive.
  if (inbound.pushed == pushedBefore) end.link->noteTaken(head.channel, piece.size());
  else inbound.untaken.push_back({inbound.pushed, piece.size()});
  if (head.channel == Channel::requests) lanes_.requests(worker, index_).commit();
  else lanes_.deliveries(worker, index_).commit();
  return outcome;
}

template <class R>
bool RemoteEnds::take(Bytes bytes, const Arrival& arrival, WorkerLane<R>& lane, Inbound& inbound) {
  R record;
  if (!decode(bytes, arrival, record)) return false;
  record.visit([&](const auto& each) {
    if constexpr (requires { each.move; }) lanes_.seeMove(each.move);
  });
  lane.push(record);
  inbound.pushed++;
  return true;
}

void RemoteEnds::beginTurn() {
  eachEnd([&](unsigned worker, RemoteEnd&) {
    if (lanes_.requests(worker, index_).canCommit()) lanes_.requests(worker, index_).commit();
    if (lanes_.deliveries(worker, index_).canCommit()) lanes_.deliveries(worker, index_).commit();
  });
}

void RemoteEnds::endTurn(uint64_t nowMs) {
  isInTurn_ = true;
  eachEnd([&](unsigned worker, RemoteEnd& end) {
    if (!end.link || end.link->isBroken()) {
      dropOutbound(worker);
      return;
    }
    noteDrained(*end.link, Channel::requests, end.inbound[size_t(Channel::requests)], lanes_.requests(worker, index_));
    noteDrained(*end.link, Channel::deliveries, end.inbound[size_t(Channel::deliveries)],
                lanes_.deliveries(worker, index_));
    if (!sink_) return;
    carry(*end.link, Channel::deliveries, lanes_.deliveries(index_, worker), nowMs);
    carry(*end.link, Channel::requests, lanes_.requests(index_, worker), nowMs);
    end.link->finish(nowMs, *sink_);
  });
  isInTurn_ = false;
}

// From the lane into frames, as far as the other end has room.
template <class R>
void RemoteEnds::carry(Link& link, Channel channel, WorkerLane<R>& lane, uint64_t nowMs) {
  const auto add = [&](const R& record) {
    RALLY_ASSERT(isInVersion(record, link.ends().version));
    return !link.add(channel, nowMs, [&](std::vector<uint8_t>& to) { encode(record, nowMs, to); });
  };
  while (link.mayAdd(channel) && lane.drain(SIZE_MAX, add) > 0) link.cut(channel, nowMs, *sink_);
}

template <class R>
void RemoteEnds::noteDrained(Link& link, Channel channel, Inbound& inbound, const WorkerLane<R>& lane) {
  for (; !inbound.untaken.empty() && inbound.untaken.front().end <= lane.drained(); inbound.untaken.pop_front())
    link.noteTaken(channel, inbound.untaken.front().bytes);
}

void RemoteEnds::dropOutbound(unsigned worker) {
  drop(lanes_.requests(index_, worker));
  drop(lanes_.deliveries(index_, worker));
}

void RemoteEnds::tick() {
  eachEnd([](unsigned, RemoteEnd& end) {
    if (end.link) end.link->tick();
  });
}

bool RemoteEnds::hasWork() {
  bool hasWork = false;
  eachEnd([&](unsigned worker, RemoteEnd&) {
    hasWork |= lanes_.requests(worker, index_).canCommit() || lanes_.deliveries(worker, index_).canCommit();
  });
  return hasWork;
}

}  // namespace rally::cluster
