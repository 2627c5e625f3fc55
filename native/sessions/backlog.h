// Messages that wait for sessions of one worker and are in the log: their content is kept in memory as long as there
// is room, and read back when a session is about to get it.
//
//   over queuedMemoryBytesMax   park(): the oldest become stubs (held-messages.h)
//   a stub is next              fetch(session): asks for it and those after it (durable/fetching.h)
//                               hear(): they are in the queues again  ->  takeReady(): the session continues
//
// So absent sessions cost a stub and an entry for each message, whatever its size, and a session that catches up reads
// the log in steps, in order; new messages wait behind that in its queue. Sessions that want the same messages share
// one read.
#pragma once
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "../counters.h"
#include "../durable/fetching.h"
#include "../durable/journal.h"
#include "../limits.h"
#include "session.h"

namespace rally {

class Backlog {
 public:
  Backlog(unsigned worker, const Limits& limits, Counters& counters, HeldMessages& held, Journal& journal)
      : worker_(worker), limits_(limits), counters_(counters), held_(held), journal_(journal) {}

  // Before anything is queued.
  void open(Fetching& fetching) {
    fetching_ = &fetching;
    held_.countParkable();
  }
  bool isOpen() const { return fetching_ != nullptr; }
  Fetching& fetching() { return *fetching_; }

  // Once a turn.
  void park() {
    hasMore_ = false;
    if (!isOver()) return;
    int waits = 0;
    for (int left = parkedPerTurn; left > 0 && waits < waitsMax && isOver(); left--) {
      const HeldMessages::Parking parking = held_.parkOldest(
          [&](const Message& message, log::Position& at) { return locate(message, at); });
      if (parking == HeldMessages::Parking::none) break;
      if (parking == HeldMessages::Parking::done) counters_.add(Counter::parked);
      else waits++;
    }
    hasMore_ = waits == 0 && isOver() && held_.hasUnparked();
  }

  // Whether the content of a delivery must be read before it is sent.
  static bool isAway(const Delivery& delivery) {
    return delivery.message && delivery.message->isStub && !delivery.message->logPlace().isUnreadable();
  }
  // It cannot be read, and nobody will get it.
  static bool isLost(const Delivery& delivery) {
    return delivery.message && delivery.message->isStub && delivery.message->logPlace().isUnreadable();
  }

  // The next delivery of the session isAway(): takeReady() gives the session when it may continue.
  void fetch(Session& session) {
    RALLY_ASSERT(isOpen());
    if (!waiting_.insert(session.key).second) return;
    const Message* const first = session.queue.front(held_).message.get();
    if (const auto reading = reading_.find(first); reading != reading_.end()) {
      readers_[reading->second].push_back(session.key);
      return;
    }
    if (readingBytes_ >= readingBytesMax) {
      delayed_.push(uint64_t(session.key));
      return;
    }
    ask(session);
  }

  // Once a turn: takes messages that have been read.
  void hear() {
    if (!isOpen()) return;
    Fetch fetch;
    for (size_t heard = 0; heard < heardPerTurn && fetching_->take(worker_, Fetching::Box::sessions, fetch);) {
      heard += fetch.stubs.size();
      for (size_t i = 0; i < fetch.stubs.size(); i++) {
        settle(*fetch.stubs[i].get(), std::move(fetch.messages[i]), fetch.places[i]);
      }
      const auto readers = readers_.find(fetch.number);
      for (const uint64_t key : readers->second) ready(key);
      readers_.erase(readers);
      for (size_t i = 0; i < delayedAtOnce && !delayed_.isEmpty(); i++) {
        ready(delayed_.front());
        delayed_.pop();
      }
    }
  }
  // Some of the sessions that may continue.
  template <class Visit>
  void takeReady(Visit&& visit) {
    for (size_t left = readyPerTurn; left > 0 && !ready_.isEmpty(); left--) {
      const uint64_t key = ready_.front();
      ready_.pop();
      visit(key);
    }
  }

  bool hasWork() {
    return isOpen() && (!ready_.isEmpty() || hasMore_ || fetching_->hasAny(worker_, Fetching::Box::sessions));
  }

 private:
  // A few tenths of a millisecond.
  static constexpr int parkedPerTurn = 1'000;
  // Messages whose place in the log is not known yet, checked in a turn.
  static constexpr int waitsMax = 64;
  // What a session requests at once, and all of them together.
  static constexpr size_t fetchedMessagesMax = 256;
  static constexpr size_t fetchedBytesMax = 1'048'576;
  static constexpr size_t fetchedBytesMin = 4'096;
  static constexpr size_t readingBytesMax = size_t(8) << 20;
  // Messages taken in a turn, and sessions that then continue: about a tenth of a millisecond each.
  static constexpr size_t heardPerTurn = 256;
  static constexpr size_t readyPerTurn = 256;
  // Sessions that try again when something has been read.
  static constexpr size_t delayedAtOnce = 64;

  bool isOver() const { return held_.parkableBytes() > limits_.queuedMemoryBytesMax; }
  HeldMessages::Parking locate(const Message& message, log::Position& at) const {
    switch (journal_.locate(message.logPlace(), at)) {
      case Journal::Whereabouts::known: return HeldMessages::Parking::done;
      case Journal::Whereabouts::pending: return HeldMessages::Parking::waiting;
      default: return HeldMessages::Parking::none;
    }
  }

  void ask(Session& session) {
    Fetch fetch{.number = ++fetches_, .stubs = {}, .places = {}, .messages = {}};
    // What does not fit in beside what others have asked for would be parked again before it is sent.
    const size_t share = limits_.queuedMemoryBytesMax / (waiting_.size() + 1);
    const size_t bytesMax = std::clamp(share, fetchedBytesMin, fetchedBytesMax);
    size_t messages = 0;
    size_t bytes = 0;
    session.queue.eachUntil(held_, [&](const Delivery& delivery, RowPlace place) {
      messages++;
      if (!isAway(delivery) || !reading_.try_emplace(delivery.message.get(), fetch.number).second)
        return messages >= fetchedMessagesMax;
      bytes += delivery.message->blockBytes();
      fetch.stubs.push_back(delivery.message);
      fetch.places.push_back(place);
      return messages >= fetchedMessagesMax || bytes >= bytesMax;
    });
    readingBytes_ += bytes;
    readers_[fetch.number].push_back(session.key);
    fetching_->ask(worker_, Fetching::Box::sessions, std::move(fetch));
  }
  void settle(Message& stub, MessageRef message, RowPlace place) {
    reading_.erase(&stub);
    readingBytes_ -= stub.blockBytes();
    if (message) {
      counters_.add(Counter::readBack);
      return held_.unpark(stub, std::move(message), place);
    }
    stub.setLogPlace(LogPlace::unreadable());
  }
  void ready(uint64_t key) {
    waiting_.erase(key);
    ready_.push(uint64_t(key));
  }

  const unsigned worker_;
  const Limits& limits_;
  Counters& counters_;
  HeldMessages& held_;
  Journal& journal_;
  Fetching* fetching_ = nullptr;
  bool hasMore_ = false;
  uint64_t fetches_ = 0;
  size_t readingBytes_ = 0;
  std::unordered_map<const Message*, uint64_t> reading_;         // stubs -> number of the fetch
  std::unordered_map<uint64_t, std::vector<uint64_t>> readers_;  // by fetch: sessions
  std::unordered_set<uint64_t> waiting_;                         // sessions
  Fifo<uint64_t> delayed_;
  Fifo<uint64_t> ready_;
};

}  // namespace rally
