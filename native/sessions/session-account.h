// What all windows and queues of a worker hold, and who pays when that is too much.
//
//   0 ............... a part of eight is left ........ sessionsTotalBytesMax
//   everybody takes   small ones take, the largest      nobody takes
//                     pays: it loses its newest
//
// Small is a session that holds less than half of what the largest does, within a factor of two, or next to nothing.
// So those that hold most stop growing first, and what others need is taken from them: a session that is away for good
// goes down to what is its share. In the last eighth there is room for many small messages while the largest, whose
// blocks others may hold as well, gives way.
//
// The packet identifiers that clients have not released are an account of their own, since none of them can be given
// up: where there are too many the session that holds most ends.
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
    if (bytes != session.place.bytes) ranking_.set(session, session.place, bytes, 0);
  }
  // Its packet identifiers are more or fewer than before.
  void settlePacketIds(Session& session) {
    const size_t bytes = session.packetIdBytes();
    if (bytes != session.packetIdsPlace.bytes) packetIds_.set(session, session.packetIdsPlace, bytes, 0);
  }
  size_t packetIdBytes() const { return packetIds_.bytes(); }
  // Who has to end for them, or nullptr.
  Session* packetIdsPayer() const {
    return packetIds_.bytes() > limits_.packetIdsTotalBytesMax ? packetIds_.largest() : nullptr;
  }
  void clearPacketIds(Session& session) {
    session.received = {};
    session.receivedBefore = {};
    session.unanswered = {};
    settlePacketIds(session);
  }

  // What it holds goes to another worker with it, or has come from one.
  void depart(Session& session) {
    session.window.depart(held_);
    session.queue.depart(held_);
    ranking_.set(session, session.place, 0, 0);
  }
  // It holds nothing any more, and may be freed.
  void clear(Session& session) {
    session.window.clear(held_);
    session.queue.clear(held_);
    settle(session);
    clearPacketIds(session);
  }

  // Whether the session takes so many bytes more in its bound. A message of a share may go one beyond it, so that
  // whether a member is full does not depend on the message: a share does not look through its members for each size.
  bool fits(const Session& session, size_t bytes, bool isOfShare) const {
    return session.heldBytes() + (isOfShare ? 1 : bytes) <= limits_.sessionQueueBytesMax;
  }
  // Whether all of them together take so many more.
  bool hasRoom(size_t bytes) const { return held_.bytes() + bytes <= easyBytesMax(); }
  // Where they do not: who is to pay for the session, or nullptr.
  Session* payerFor(const Session& session, size_t bytes) const {
    const uint8_t bucket = ranking_.bucketOf(session.place.bytes + bytes);
    Session* const largest = ranking_.largest();
    return largest && (bucket == 0 || bucket + 1 < largest->place.bucket) ? largest : nullptr;
  }
  // The payer loses what it got last, until all together take so many bytes or some entries are gone.
  void charge(Session& payer, size_t bytes) {
    for (int i = 0; i < chargedMax && !hasRoom(bytes); i++) {
      if (!dropNewest(payer)) break;
      counters_.add(Counter::droppedTotalFull);
    }
    settle(payer);
  }
  // At most `max` sessions of those that hold most: `visit(session)`.
  template <class Visit>
  void eachLargest(size_t max, Visit&& visit) const {
    ranking_.eachLargest(max, visit);
  }
  // Whether it would still hold next to nothing.
  bool isSmall(const Session& session, size_t bytes) const {
    return ranking_.bucketOf(session.place.bytes + bytes) == 0;
  }
  // Whether all of them together take so many more for a small session.
  bool hasReserve(size_t bytes) const { return held_.bytes() + bytes <= limits_.sessionsTotalBytesMax; }

 private:
  // Whoever holds less than this is never asked to pay: 5 KiB are some tens of short messages.
  static constexpr size_t smallBytes = 5'120;
  // Some tens of identifiers, which are part of what a session takes (core/config/limits.ts).
  static constexpr size_t fewPacketIdBytes = 256;
  // Entries that one message takes from the largest: some 5 us.
  static constexpr int chargedMax = 64;

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
