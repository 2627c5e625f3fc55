// The memory of all windows and queues of a worker, and who pays when it is too much.
//
//   0 ..................... an eighth is left ........ sessionsTotalBytesMax
//   all sessions accept   small ones accept, the      none accepts
//                         largest loses its newest
//
// A session is small if it holds less than half of the largest, within a factor of two, or very little. So the largest
// stop growing first, and room for others is taken from them: a session that never returns shrinks to its share. In
// the last eighth there is room for many small messages while the largest, whose messages others may hold as well,
// gives way.
//
// The packet identifiers that clients have not released are a separate account, since none of them may be forgotten:
// when there are too many, the session that holds most ends.
#pragma once
#include "../counters.h"
#include "../durable/journal.h"
#include "../limits.h"
#include "session.h"

namespace rally {

class SessionAccount {
 public:
  SessionAccount(unsigned worker, const Limits& limits, Counters& counters, Journal& journal)
      : limits_(limits),
        counters_(counters),
        journal_(journal),
        held_(worker),
        ranking_(smallBytes),
        packetIds_(fewPacketIdBytes) {}

  HeldMessages& held() { return held_; }
  size_t bytes() const { return held_.bytes(); }

  // The session holds more or less than before.
  void settle(Session& session) {
    const size_t bytes = session.heldBytes() + session.queue.retainedBytes();
    if (bytes != session.place.bytes()) ranking_.set(session, session.place, bytes, 0);
  }
  // The number of its packet identifiers has changed.
  void settlePacketIds(Session& session) {
    const size_t bytes = session.unfinished->received.bytes();
    if (bytes != session.unfinished->received.place.bytes())
      packetIds_.set(session, session.unfinished.own().received.place, bytes, 0);
  }
  // Frees what it keeps while there are none.
  void trimPacketIds(Session& session) {
    if (session.unfinished->received.isEmpty()) clearPacketIds(session);
  }
  size_t packetIdBytes() const { return packetIds_.bytes(); }
  // The session that has to end for them, or nullptr.
  Session* packetIdsPayer() const {
    return packetIds_.bytes() > limits_.packetIdsTotalBytesMax ? packetIds_.largest() : nullptr;
  }
  void clearPacketIds(Session& session) {
    if (!session.unfinished.isMade()) return;
    ReceivedPacketIds& received = session.unfinished.own().received;
    received.all = received.before = received.unanswered = {};
    settlePacketIds(session);
    session.trimUnfinished();
  }

  // Its contents move to another worker, or have come from one.
  void depart(Session& session) {
    session.window.depart(held_);
    session.queue.depart(held_);
    ranking_.set(session, session.place, 0, 0);
  }
  // It is empty, and may be freed.
  void clear(Session& session) {
    session.window.clear(held_);
    session.queue.clear(held_);
    settle(session);
    clearPacketIds(session);
  }

  // Whether this many bytes more are within the session's limit. A message of a share may exceed it, so that a full
  // member does not depend on the size of a message: a share does not search its members for each size.
  bool fits(const Session& session, size_t bytes, bool isOfShare) const {
    return session.heldBytes() + (isOfShare ? 1 : bytes) <= limits_.sessionQueueBytesMax;
  }
  // Whether this many bytes more are within the limit of all of them.
  bool hasRoom(size_t bytes) const { return held_.bytes() + bytes <= easyBytesMax(); }
  // If they are not: the session that pays for this one, or nullptr.
  Session* payerFor(const Session& session, size_t bytes) const {
    const uint8_t bucket = ranking_.bucketOf(session.place.bytes() + bytes);
    Session* const largest = ranking_.largest();
    return largest && (bucket == 0 || bucket + 1 < largest->place.bucket()) ? largest : nullptr;
  }
  // The payer loses its newest messages until the bytes fit or this many entries are gone. Returns their number.
  uint32_t charge(Session& payer, size_t bytes) {
    uint32_t dropped = 0;
    for (; dropped < chargedMax && !hasRoom(bytes); dropped++) {
      if (!dropNewest(payer)) break;
      counters_.add(Counter::droppedTotalFull);
    }
    settle(payer);
    return dropped;
  }
  // At most `max` of the sessions that hold most: `visit(session)`.
  template <class Visit>
  void eachLargest(size_t max, Visit&& visit) const {
    ranking_.eachLargest(max, visit);
  }
  // Whether it would still hold very little.
  bool isSmall(const Session& session, size_t bytes) const {
    return ranking_.bucketOf(session.place.bytes() + bytes) == 0;
  }
  // Whether this many bytes more are within the limit of all, for a small session.
  bool hasReserve(size_t bytes) const { return held_.bytes() + bytes <= limits_.sessionsTotalBytesMax; }

 private:
  // A session that holds less than this never pays: 5 KiB are a few dozen short messages.
  static constexpr size_t smallBytes = 5'120;
  // A few dozen identifiers, which are part of the size of a session (core/config/limits.ts).
  static constexpr size_t fewPacketIdBytes = 256;
  // Entries that one message takes from the largest: about 5 us.
  static constexpr uint32_t chargedMax = 64;

  size_t easyBytesMax() const { return limits_.sessionsTotalBytesMax - limits_.sessionsTotalBytesMax / 8; }

  bool dropNewest(Session& session) {
    if (session.queue.isEmpty()) return session.window.forgetNewest(held_);
    journal_.settle(session, session.queue.takeNewest(held_));
    counters_.subtract(Counter::queued);
    return true;
  }

  const Limits& limits_;
  Counters& counters_;
  Journal& journal_;
  HeldMessages held_;
  Ranking<Session> ranking_;
  Ranking<Session> packetIds_;
};

}  // namespace rally
