// What a worker writes for a checkpoint: the durable state that is its own, a little in each turn, while everything
// goes on.
//
//   begun at rest           sessions that are or were members of shares, of all workers
//   turn by turn            retained messages, of all workers  ->  the other sessions
//
// A session is written whole in one turn. From then on its records in the log say what becomes of it; those before are
// of a session that is not there, and change nothing. So each needs to be written once, wherever in the log that is.
// What was on its way to it from other workers then is found by the numbers of messages (records::Taken): those of an
// owner of topics come in order.
//
// A session that is about to go to another worker, or to become a member of a share, is written before (copyFirst()).
// One that has begun since has all its records behind the beginning. One whose last connection is not over yet
// (departures.h) is written when it is, since its will is in nobody's session.
//
// What stubs stand for is read back beside that (fetching.h), and may come into the log behind the sessions that wait
// for it: the checkpoint is not over before it is there. From then on they tell where it is now.
#pragma once
#include <unordered_map>
#include <unordered_set>

#include "../broker.h"
#include "number-list.h"

namespace rally {

class CheckpointPart : private SessionCopier {
 public:
  explicit CheckpointPart(Engine& engine) : engine_(engine), journal_(engine.journal()) {}

  // What happens from now on is behind its beginning in the log. No worker is in a turn.
  void begin(uint64_t number) {
    number_ = number;
    node_ = 0;
    place_ = engine_.sessionTable().size();
    deferred_.clear();
    step_ = Step::retained;
    journal_.beginCheckpoint(number, this);
  }
  bool hasRetained() const { return step_ == Step::retained; }
  bool hasSessions() const { return step_ == Step::sessions; }
  // Whether there is something to do now, but what has to wait for a connection to be over.
  bool hasMore() {
    if (hasRetained()) return true;
    return hasSessions() && (mayVisit() || hasReadableNow() || hasSettledNow() || isOver());
  }

  // Writes retained messages for about so many bytes; all of them have been written when hasRetained() is false.
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
  // The same for sessions, when all workers have written their retained messages.
  void writeSessions(size_t bytesMax) {
    const SessionTable& sessions = engine_.sessionTable();
    const Copying copying(journal_);
    place_ = std::min(place_, sessions.size());
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

  // Of any worker, while none is in a turn: into this one's journal. `shareOf`: the hash of the whole filter of the
  // share that has brought a delivery.
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
  // What it takes to look at a node of the tree, or at an entry of a queue, as bytes that are encoded.
  static constexpr size_t nodeCost = 16;
  static constexpr size_t entryCost = 4;
  static constexpr size_t sessionCost = 128;

  static bool isLogged(const Delivery& delivery) {
    return delivery.qos > 0 && delivery.message && delivery.message->logId != 0;
  }
  // Whoever has some was written at the beginning, or has come since.
  static void neverShared(const Delivery&) {}

  void noteTaken() {
    taken_.clear();
    for (unsigned owner = 0; owner < engine_.workers(); owner++) taken_.push_back(engine_.takenOf(owner));
    journal_.taken(taken_);
  }

  void visit(Session& session) {
    walked_ += sessionCost;
    if (!session.durable) wantStubsOf(session);
    // A place that waits for a session is written when that has come, or where it comes from.
    const bool isAwaited = session.move && session.move->isArriving();
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
      if (session && session->durable && !(session->move && session->move->isArriving())) copyFirst(*session);
      return true;
    });
  }
  // What others may still hold back is behind everything that is on its way.
  void finish() {
    taken_.assign(engine_.workers(), UINT64_MAX);
    journal_.taken(taken_);
    journal_.endCheckpoint();
    copied_ = {};
    RALLY_ASSERT(!hasWanted() && sleepers_.isEmpty());
    wants_ = settledWants_ = 0;
    wantedNow_ = {};
    lastList_ = {};
    step_ = Step::none;
  }

  void copy(const MessageRef& message) {
    if (message->isStub) return want(message);
    // Nobody else has it: it cannot come again.
    if (message->references.load(std::memory_order_relaxed) == 1) {
      journal_.copy(message, records::Message::isCopy);
      return;
    }
    const auto [known, isNew] = copied_.try_emplace(message->logId);
    if (isNew) known->second = journal_.copy(message, records::Message::isCopy);
    else message->setLogPlace(journal_.placeOf(known->second));
  }

  // --- stubs ----------------------------------------------------------------------------------------

  // A session that is not durable is not written, but what it waits for has to stay in the log.
  void wantStubsOf(Session& session) {
    session.queue.each(engine_.accounts().sessions.held(), [&](const Delivery& delivery) {
      if (Backlog::isAway(delivery)) want(delivery.message);
    });
  }
  void want(const MessageRef& stub) {
    log::Position at;
    const bool isThere = journal_.locate(stub->logPlace(), at) == Journal::Whereabouts::known;
    if (isThere || stub->logPlace().isUnreadable() || !wantedNow_.insert(stub.get()).second) return;
    wanted_.push(MessageRef(stub));
    wants_++;
  }
  // Not while there is much to read back: it takes memory.
  bool mayVisit() const { return place_ > 0 && wanted_.size() + settling_.size() < wantedMax; }
  // Sessions whose stubs stand for what lies behind the beginning of the checkpoint.
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
      if (!fetch.messages[i]) continue;  // whoever wants to send it will know
      const auto [known, isNew] = copied_.try_emplace(fetch.stubs[i]->logId);
      if (isNew) known->second = journal_.copy(fetch.messages[i], records::Message::isCopy);
      settling_.push({std::move(fetch.stubs[i]), known->second});
    }
  }
  // Until its copy is committed a stub stands for what lies before the checkpoint.
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
    session.durable->receivedLogged.each([&](uint16_t packetId) { journal_.received(session, packetId); });
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
  // In its place: it was sent behind what stands before it.
  void sent(Session& session, uint16_t packetId, const Window::Entry& entry) {
    if (entry.delivery.qos != 2) return;
    endRun(session);
    const bool isSent = entry.state == Window::State::sent && isLogged(entry.delivery);
    journal_.sent(session, packetId, isSent ? entry.delivery.message->logId : 0, entry.delivery.share != 0);
  }

  // Those that follow each other and differ in nothing but the message are one record.
  template <class WriteShared>
  void wait(Session& session, const Delivery& delivery, const WriteShared& writeShared) {
    walked_ += entryCost;
    if (!isLogged(delivery)) {  // with QoS 0 it is not written, but has to stay in the log
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
    list_.add(delivery.message->logId);
  }
  void endRun(Session& session) {
    if (!run_) return;
    const bool isSame = list_.bytes().size() == lastList_.bytes().size() &&
                        std::memcmp(list_.bytes().data(), lastList_.bytes().data(), list_.bytes().size()) == 0;
    journal_.waiting(session, *run_, isSame ? Bytes() : list_.bytes(), isSame);
    if (!isSame) lastList_.swap(list_);
    list_.clear();
    run_ = nullptr;
  }
  static bool isAlike(const Delivery& one, const Delivery& other) {
    return one.qos == other.qos && one.retain == other.retain && one.isFromStore == other.isFromStore &&
           one.subscriptionIds == other.subscriptionIds;
  }

  // Of stubs, read at once.
  static constexpr size_t readBytesMax = 1'048'576;
  // Stubs that are read back, or will be.
  static constexpr size_t wantedMax = 16'384;
  struct Sleeper {
    uint64_t session = 0;
    uint64_t wants = 0;  // that have to be settled before
  };
  struct Settling {
    MessageRef stub;
    log::Ticket ticket;  // of the copy
  };

  Engine& engine_;
  Journal& journal_;
  uint64_t number_ = 0;
  Step step_ = Step::none;
  uint32_t node_ = 0;                                 // of the tree of retained messages, where to go on
  size_t place_ = 0;                                  // in the row of sessions: those before it are left
  std::vector<uint64_t> deferred_;                    // sessions whose connection is not over
  std::unordered_map<uint64_t, log::Ticket> copied_;  // messages that several hold
  std::unordered_set<const Message*> wantedNow_;      // stubs that are not settled yet, or cannot be read
  Fifo<MessageRef> wanted_;
  size_t readingBytes_ = 0;  // 0: nothing is being read
  Fifo<Settling> settling_;
  Fifo<Sleeper> sleepers_;
  uint64_t wants_ = 0;         // stubs that were wanted since the beginning ...
  uint64_t settledWants_ = 0;  // ... and of those, the ones that are settled or cannot be read
  std::vector<uint64_t> taken_;
  size_t walked_ = 0;
  const Delivery* run_ = nullptr;  // the first of those that will be one record
  NumberList list_;
  NumberList lastList_;
};

}  // namespace rally
