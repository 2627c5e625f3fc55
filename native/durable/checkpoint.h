// One worker's part of a checkpoint: it writes its durable state, a little in each turn, while the broker keeps
// working.
//
//   workers paused          sessions that are or were members of shares, of all workers
//   turn by turn            all workers' retained messages, then their other sessions
//
// A session is written in a single turn. Later records in the log describe its changes; earlier ones concern a
// session that the checkpoint does not have yet, and are ignored. So each session is written once, anywhere in the
// log. Messages in transit to it from other workers are identified by their numbers (records::Taken), since those of
// one topic owner arrive in order.
//
// A session that is about to move to another worker, or to become a member of a share, is written first (copyFirst()).
// A session created after the checkpoint began has all its records in it anyway. A session whose last connection is
// still ending (departures.h) is written afterwards, because until then no session contains its will.
//
// The content of stubs is read back meanwhile (fetching.h), and may be written after the sessions that wait for it. The
// checkpoint ends only when all of it is written, and the stubs then point to the new copies.
#pragma once
#include <unordered_map>
#include <unordered_set>

#include "../broker.h"
#include "../structures/free-memory.h"
#include "number-list.h"

namespace rally {

class CheckpointPart : private SessionCopier {
 public:
  explicit CheckpointPart(Engine& engine) : engine_(engine), journal_(engine.journal()) {}

  // Everything logged from now on comes after the checkpoint's beginning. Call it while no worker is in a turn.
  void begin(uint32_t number) {
    number_ = number;
    node_ = 0;
    place_ = engine_.sessionTable().placesEnd();
    deferred_.clear();
    step_ = Step::retained;
    journal_.beginCheckpoint(number, this);
  }
  bool hasRetained() const { return step_ == Step::retained; }
  bool hasSessions() const { return step_ == Step::sessions; }
  // Whether there is work to do now, apart from sessions whose connection is still ending.
  bool hasMore() {
    if (hasRetained()) return true;
    return hasSessions() && (mayVisit() || hasReadableNow() || hasSettledNow() || isOver());
  }

  // Writes about this many bytes of retained messages. When hasRetained() is false, all of them have been written.
  void writeRetained(size_t bytesMax) {
    const Copying copying(journal_);
    for (size_t cost = 0; cost < bytesMax;) {
      const bool isOver = engine_.shard().eachRetainedFrom(
          node_, nodesAtOnce, [&](const MessageRef& message, uint64_t stamp) {
            if (message->logId != 0 && stamp != 0) journal_.retainedStamp(message->topic(), stamp);
            if (message->logId != 0) journal_.copy(message, records::Message::retains | records::Message::isCopy);
            cost += message->size();
          });
      cost += nodesAtOnce * nodeCost;
      journal_.submitSome();
      if (!isOver) continue;
      step_ = Step::sessions;
      return;
    }
  }
  // The same for sessions, once all workers have written their retained messages.
  void writeSessions(size_t bytesMax) {
    SessionTable& sessions = engine_.sessionTable();
    const Copying copying(journal_);
    if (mayVisit()) noteTaken();
    const uint64_t end = journal_.appendedBytes() + bytesMax;
    walked_ = 0;
    while (mayVisit() && journal_.appendedBytes() + walked_ < end) visit(sessions.at(--place_));
    if (place_ == 0) retryDeferred();
    copyRead();
    settlePlaces();
    putToSleep();
    askForWanted();
    if (isOver()) finish();
  }

  // Writes a session of any worker into this worker's journal, while none is in a turn. `shareOf`: the hash of the
  // share's complete filter for a delivery.
  template <class ShareOf>
  void writeSharer(Session& session, HeldMessages& held, const ShareOf& shareOf) {
    const Copying copying(journal_);
    const auto writeShared = [&](const Delivery& delivery) {
      if (delivery.share == 0 || !isLogged(delivery)) return;
      copy(delivery.message);
      journal_.queued(session.key, delivery, shareOf(delivery));
    };
    if (session.durable) {
      write(session, held, writeShared);
      return;
    }
    session.window.each([&](const Window::Entry& entry) { writeShared(entry.delivery); });
    session.queue.each(held, writeShared);
  }

  void copyFirst(Session& session) override {
    if (!session.durable) return wantStubsOf(session);
    if (session.durable->checkpoint == number_) return;
    const Copying copying(journal_);
    noteTaken();
    write(session, engine_.accounts().sessions.held(), neverShared);
  }

 private:
  enum class Step : uint8_t { none, retained, sessions };
  struct Copying {
    Journal& journal;
    explicit Copying(Journal& own) : journal(own) { journal.setCopying(true); }
    ~Copying() { journal.setCopying(false); }
  };

  static constexpr size_t nodesAtOnce = 64;
  // The cost of visiting a tree node or an empty place, a queue entry or a session, in bytes of encoded output.
  static constexpr size_t nodeCost = 16;
  static constexpr size_t entryCost = 4;
  static constexpr size_t sessionCost = 128;

  static bool isLogged(const Delivery& delivery) {
    return delivery.qos > 0 && delivery.message && delivery.message->logId != 0;
  }
  // Sessions with shared deliveries were written at the beginning, or have arrived since.
  static void neverShared(const Delivery&) {}

  void noteTaken() {
    taken_.clear();
    for (unsigned owner = 0; owner < engine_.workers(); owner++) taken_.push_back(engine_.takenOf(owner));
    journal_.taken(taken_);
  }

  void visit(Session* at) {
    walked_ += at ? sessionCost : nodeCost;
    if (!at) return;
    Session& session = *at;
    if (!session.durable) wantStubsOf(session);
    // A session that is still arriving is written once it is here, or by the worker it comes from.
    const bool isAwaited = session.move && session.move->isAwaited();
    if (!session.durable || session.durable->checkpoint == number_ || isAwaited) return;
    if (session.departures > 0) {
      deferred_.push_back(session.key);
      return;
    }
    write(session, engine_.accounts().sessions.held(), neverShared);
    journal_.submitSome();
  }
  void retryDeferred() {
    std::erase_if(deferred_, [&](uint64_t key) {
      Session* session = engine_.findSession(key);
      if (session && session->departures > 0 && !session->move) return false;
      if (session && session->durable && !(session->move && session->move->isAwaited())) copyFirst(*session);
      return true;
    });
  }
  // Messages still held back by others come after everything in transit.
  void finish() {
    taken_.assign(engine_.workers(), UINT64_MAX);
    journal_.taken(taken_);
    journal_.endCheckpoint();
    freeMemory(copied_);
    RALLY_ASSERT(!hasWanted() && sleepers_.isEmpty());
    wants_ = settledWants_ = 0;
    freeMemory(wantedNow_);
    freeMemory(unreadable_);
    lists_ = {};
    step_ = Step::none;
  }

  void copy(const MessageRef& message) {
    if (message->isStub) return want(message);
    // No other session has it, so it is copied only once.
    if (engine_.accounts().sessions.held().isAlone(*message.get())) {
      journal_.copy(message, records::Message::isCopy);
      return;
    }
    const auto [known, isNew] = copied_.try_emplace(message->logId);
    if (isNew) known->second = journal_.copy(message, records::Message::isCopy);
    else message->setLogPlace(journal_.placeOf(known->second));
  }

  // --- stubs ----------------------------------------------------------------------------------------

  // A session that is not durable is not written, but the messages it waits for must stay in the log.
  void wantStubsOf(Session& session) {
    session.queue.each(engine_.accounts().sessions.held(), [&](const Delivery& delivery) {
      if (Backlog::isAway(delivery)) want(delivery.message);
    });
  }
  void want(const MessageRef& stub) {
    log::Position at;
    const bool isThere = journal_.locate(stub->logPlace(), at) == Journal::Whereabouts::known;
    if (isThere || stub->logPlace().isUnreadable() || unreadable_.contains(stub->logPlace().value())) return;
    if (!wantedNow_.insert(stub.get()).second) return;
    wanted_.push(MessageRef(stub));
    wants_++;
  }
  // Not while much is waiting to be read back, to save memory.
  bool mayVisit() const { return place_ > 0 && wanted_.size() + settling_.size() < wantedMax; }
  // Sessions whose stubs now point into the checkpoint.
  void putToSleep() {
    if (readingBytes_ == 0 && settling_.isEmpty()) settledWants_ = wants_ - wanted_.size();
    for (; !sleepers_.isEmpty() && sleepers_.front().wants <= settledWants_; sleepers_.pop()) {
      Session* const session = engine_.findSession(sleepers_.front().session);
      if (session && !session->connection && !session->move) session->queue.sleep(engine_.accounts().sessions.held());
    }
  }
  bool hasWanted() const { return !wanted_.isEmpty() || readingBytes_ > 0 || !settling_.isEmpty(); }
  bool isOver() const { return place_ == 0 && deferred_.empty() && !hasWanted(); }
  bool hasReadableNow() const {
    return readingBytes_ > 0 && fetching().hasAny(engine_.row(), Fetching::Box::checkpoint);
  }
  bool hasSettledNow() { return !settling_.isEmpty() && journal_.isCommitted(settling_.front().ticket); }

  void askForWanted() {
    if (readingBytes_ > 0 || wanted_.isEmpty() || !settling_.isEmpty()) return;
    Fetch fetch;
    while (!wanted_.isEmpty() && readingBytes_ < readBytesMax) {
      readingBytes_ += wanted_.front()->blockBytes();
      fetch.stubs.push_back(wanted_.front());
      wanted_.pop();
    }
    std::sort(fetch.stubs.begin(), fetch.stubs.end(), [](const MessageRef& one, const MessageRef& other) {
      return one->logPlace().value() < other->logPlace().value();
    });
    fetching().ask(engine_.row(), Fetching::Box::checkpoint, std::move(fetch));
  }
  void copyRead() {
    if (!hasReadableNow()) return;
    Fetch fetch;
    fetching().take(engine_.row(), Fetching::Box::checkpoint, fetch);
    readingBytes_ = 0;
    for (size_t i = 0; i < fetch.stubs.size(); i++) {
      if (!fetch.messages[i]) {  // the sender will notice
        wantedNow_.erase(fetch.stubs[i].get());
        unreadable_.insert(fetch.stubs[i]->logPlace().value());
        continue;
      }
      const auto [known, isNew] = copied_.try_emplace(fetch.stubs[i]->logId);
      if (isNew) known->second = journal_.copy(fetch.messages[i], records::Message::isCopy);
      settling_.push({std::move(fetch.stubs[i]), known->second});
    }
  }
  // Until its copy is committed, a stub points to the old place, before the checkpoint.
  void settlePlaces() {
    for (; hasSettledNow(); settling_.pop()) {
      const Settling& oldest = settling_.front();
      oldest.stub->setLogPlace(LogPlace(journal_.positionOf(oldest.ticket)));
      wantedNow_.erase(oldest.stub.get());
    }
  }
  Fetching& fetching() const { return engine_.accounts().backlog.fetching(); }

  template <class WriteShared>
  void write(Session& session, HeldMessages& held, const WriteShared& writeShared) {
    const bool wasAsleep = session.queue.isAsleep();
    session.durable->checkpoint = number_;
    journal_.flushDone(session);
    journal_.session(session);
    for (const SubscriptionRef& each : session.subscriptions) {
      const Subscriber& subscriber = each.filter->subscribers[each.position];
      journal_.subscribed(session, each.filter->text(),
                          {.qos = subscriber.qos,
                           .noLocal = subscriber.noLocal,
                           .retainAsPublished = subscriber.retainAsPublished,
                           .subscriptionId = subscriber.subscriptionId});
    }
    session.durable->exchanges->receivedLogged.each([&](uint16_t packetId) { journal_.received(session, packetId); });
    session.window.eachNumbered([&](uint16_t packetId, const Window::Entry& entry) {
      if (entry.state == Window::State::done) return;
      wait(session, entry.delivery, writeShared);
      sent(session, packetId, entry);
    });
    session.queue.each(held, [&](const Delivery& delivery) { wait(session, delivery, writeShared); });
    endRun(session);
    journal_.copied(session);
    if (wasAsleep) sleepers_.push({session.key, wants_});
  }
  // Written at this position because it was sent after the entries before it.
  void sent(Session& session, uint16_t packetId, const Window::Entry& entry) {
    if (entry.delivery.qos != 2) return;
    endRun(session);
    const bool isSent = entry.state == Window::State::sent && isLogged(entry.delivery);
    journal_.sent(session, packetId, isSent ? entry.delivery.message->logId : 0, entry.delivery.share != 0);
  }

  // Consecutive deliveries that differ only in their message become one record.
  template <class WriteShared>
  void wait(Session& session, const Delivery& delivery, const WriteShared& writeShared) {
    walked_ += entryCost;
    if (!isLogged(delivery)) {  // a QoS 0 delivery is not written, but its message must stay in the log
      if (Backlog::isAway(delivery)) want(delivery.message);
      return;
    }
    if (delivery.share != 0) {
      endRun(session);
      writeShared(delivery);
      return;
    }
    if (run_ && !isAlike(*run_, delivery)) endRun(session);
    if (!run_) run_ = &delivery;
    copy(delivery.message);
    lists_.add(delivery.message->logId);
  }
  void endRun(Session& session) {
    if (!run_) return;
    const SuccessiveLists::Written list = lists_.end();
    journal_.waiting(session, *run_, list.bytes, list.isSame);
    run_ = nullptr;
  }
  static bool isAlike(const Delivery& one, const Delivery& other) {
    return one.qos == other.qos && one.retain == other.retain && one.isFromStore == other.isFromStore &&
           one.subscriptionIds == other.subscriptionIds;
  }

  // Bytes of stubs that are read at once.
  static constexpr size_t readBytesMax = 1'048'576;
  // The maximum number of stubs that are being read back or are to be.
  static constexpr size_t wantedMax = 16'384;
  struct Sleeper {
    uint64_t session = 0;
    uint64_t wants = 0;  // stubs that have to be settled first
  };
  struct Settling {
    MessageRef stub;
    log::Ticket ticket;  // of the copy
  };

  Engine& engine_;
  Journal& journal_;
  uint32_t number_ = 0;
  Step step_ = Step::none;
  uint32_t node_ = 0;                                 // of the tree of retained messages: where to continue
  uint32_t place_ = 0;                                // in the session table: those before it are still to be visited
  std::vector<uint64_t> deferred_;                    // sessions whose connection is still ending
  std::unordered_map<uint64_t, log::Ticket> copied_;  // messages that several sessions wait for
  std::unordered_set<const Message*> wantedNow_;      // stubs that are not settled yet
  std::unordered_set<uint64_t> unreadable_;           // places in the log
  Fifo<MessageRef> wanted_;
  size_t readingBytes_ = 0;  // 0: nothing is being read
  Fifo<Settling> settling_;
  Fifo<Sleeper> sleepers_;
  uint64_t wants_ = 0;         // stubs to read back since the beginning ...
  uint64_t settledWants_ = 0;  // ... and how many of them are settled or unreadable
  std::vector<uint64_t> taken_;
  size_t walked_ = 0;
  const Delivery* run_ = nullptr;  // the first delivery of the next record
  SuccessiveLists lists_;
};

}  // namespace rally
