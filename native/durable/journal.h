// How a worker writes to the log (native/log/), and holds back answers until their records are committed.
//
//   turn n     message() session() sent() ...  -->  submit()  ==>  the log
//              hold(answer), Outbound::hold(connection, n)
//   later      update(): turn n is committed  -->  takeReady(answer), Outbound::releaseHeld()
//
// Everything appended in a turn is handed to the log before the turn's lanes are handed over: no other worker learns of
// anything before it is in the log, after its causes. So the committed records always form a state that the broker was
// in.
//
// Without a log (`isOn()` is false) nothing is durable, and all of this costs a single test.
#pragma once
#include <deque>
#include <functional>

#include "../lanes/deliveries.h"
#include "../log/replica.h"
#include "../messages/source.h"
#include "../sessions/session.h"
#include "../structures/fifo.h"
#include "brought-targets.h"
#include "log-clock.h"
#include "log-floor.h"
#include "records.h"

namespace rally {

// Writes a session for the checkpoint in progress, unless that already contains it (checkpoint.h).
class SessionCopier {
 public:
  virtual ~SessionCopier() = default;
  virtual void copyFirst(Session& session) = 0;
};

class Journal {
 public:
  // `worker`: its index in this process.
  explicit Journal(unsigned worker) : worker_(worker) {}
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // From now on the log is written. `lastMessage`: the highest message number in it. In a cluster each worker logs the
  // messages for its own sessions (bring()), since the owners of topics have other logs.
  void open(log::Log& log, uint64_t lastMessage, const LogClock& clock, const LogFloor& floor,
            bool isClustered = false) {
    log_ = &log;
    clock_ = &clock;
    notedAheadMs_ = clock.nowMs() - clock.calendarMs();
    isClustered_ = isClustered;
    floor_ = &floor;
    appender_ = &log.appender(worker_);
    messages_ = lastMessage >> workerBits;
  }
  // Call it before the log is closed.
  void close() {
    log_ = nullptr;
    appender_ = nullptr;
    isClustered_ = false;
  }

  uint64_t lastMessage() const { return messages_ << workerBits | worker_; }

  bool isOn() const { return appender_ != nullptr; }
  // It is on, and belongs to a node in a cluster.
  bool isClustered() const { return isClustered_; }
  // The stamp of sessions used from now on (records::SessionStamp).
  uint64_t stamp() const { return stamp_; }
  void setStamp(uint64_t stamp) { stamp_ = stamp; }
  // Accept nothing more, for now, that would have to be logged.
  bool isCrowded() const { return appender_ && appender_->isFull(); }
  // nullptr: no log.
  const Latencies* commitTimes() const { return log_ ? &log_->commitTimes() : nullptr; }
  // The disk is full, or the log's replica is too far behind: refuse everything that would have to be stored.
  bool isRefusing() const {
    return log_ && (log_->state() == log::State::full || (log_->replica() && log_->replica()->isBehind()));
  }
  // Acknowledged messages outlive the node.
  bool isReplicated() const { return log_ && log_->replica(); }

  enum class Whereabouts : uint8_t {
    known,
    pending,  // not committed yet, or being copied to another place
    gone,     // not in the log, or soon no longer
  };
  // Until the next checkpoint begins, the record stays at `at`.
  Whereabouts locate(LogPlace place, log::Position& at) const {
    if (!log_ || place.isNowhere() || place.isUnreadable()) return Whereabouts::gone;
    at = place.position();
    if (place.isTicket()) {
      const log::Appender& appender = log_->appender(place.worker());
      const bool isCommitted = appender.isCommitted(place.ticket());
      at = appender.positionOf(place.ticket());
      if (!at) return isCommitted ? Whereabouts::gone : Whereabouts::pending;
    }
    if (at.value >= floor_->keptFrom.load(std::memory_order_relaxed)) return Whereabouts::known;
    return floor_->isMoving.load(std::memory_order_relaxed) ? Whereabouts::pending : Whereabouts::gone;
  }

  // --- turns ----------------------------------------------------------------------------------------

  // What is appended now is committed once isCommitted(turn()).
  uint64_t turn() const { return isDirty_ ? turn_ : turn_ - 1; }
  bool isCommitted(uint64_t turn) const { return turn <= committedTurn_; }
  // The turn up to now whose lower half is `half`. For one committed long ago it may return a later one.
  uint64_t turnOf(uint32_t half) const { return turn() - (uint32_t(turn()) - half); }
  bool isCommitted(log::Ticket record) const { return appender_->isCommitted(record); }

  // Call it before the lanes are handed over.
  void submit() {
    if (!isDirty_) return;
    appender_->flush();
    submitted_.push({turn_++, last_});
    isDirty_ = false;
    hasLate_ = false;
  }
  // Including records without urgency.
  void submitAll() {
    isDirty_ = isDirty_ || hasLate_;
    submit();
  }
  // Once a turn: checks the progress of the log.
  void update() {
    if (!appender_) return;
    for (log::Placement placement; appender_->next(placement);) {
      if (isWatching_ && placement.contains(watched_)) watchedAt_ = placement.of(watched_);
    }
    while (hasNews()) {
      committedTurn_ = submitted_.front().turn;
      submitted_.pop();
    }
  }
  // Observes where the record just appended will be stored; unknown until update() has seen it committed.
  void watch(log::Ticket record) {
    watched_ = record;
    watchedAt_ = {};
    isWatching_ = true;
  }
  log::Position watchedAt() const { return watchedAt_; }
  // The log before this position is no longer needed.
  void dropBefore(log::Position first) {
    appender_->dropBefore(first);
    isDirty_ = true;
  }

  // --- the checkpoint in progress -------------------------------------------------------------------

  void beginCheckpoint(uint32_t number, SessionCopier* copier) {
    checkpoint_ = number;
    copier_ = copier;
  }
  void endCheckpoint() { copier_ = nullptr; }
  // The last checkpoint that began.
  uint32_t checkpoint() const { return checkpoint_; }
  // Call it when the session is about to leave the worker, or to become a member of a share.
  void copyFirst(Session& session) {
    if (copier_) copier_->copyFirst(session);
  }
  // What is appended belongs to the checkpoint, and answers to clients do not wait for it.
  void setCopying(bool isCopying) { isCopying_ = isCopying; }
  // Between the records of a checkpoint: lets the log start writing the existing ones.
  void submitSome() { appender_->flushIfLarge(); }
  // So much data is waiting for the disk that a checkpoint should not add to it.
  bool isBusy() const { return appender_->pendingBytes() > busyBytes; }
  // About this many bytes so far.
  uint64_t appendedBytes() const { return last_.value; }
  // Whether update() would find anything new.
  bool hasNews() { return !submitted_.isEmpty() && appender_->isCommitted(submitted_.front().last); }
  bool hasOpenTurn() const { return isDirty_; }
  bool hasUnsubmitted() const { return isDirty_ || hasLate_; }

  // --- answers held back ----------------------------------------------------------------------------

  // Holds an answer of the shard to the front end of `worker` until everything appended so far is committed.
  void hold(unsigned worker, const ShardRecord& answer) { held_.push({turn(), uint8_t(worker), answer}); }
  // The same for a PUBACK to a client of this worker; there are many. They precede other answers.
  void holdPuback(const Source& source, Reason reason) {
    pubacks_.push({uint32_t(turn()), source.connection, source.generation, source.packetId, reason});
  }
  bool isHolding() const { return !held_.isEmpty() || !pubacks_.isEmpty(); }
  bool takeReadyPuback(Source& source, Reason& reason) {
    if (pubacks_.isEmpty()) return false;
    const HeldPuback& first = pubacks_.front();
    if (!isCommitted(turnOf(first.turn))) return false;
    source.connection = first.connection;
    source.generation = first.generation;
    source.packetId = first.packetId;
    source.qos = 1;
    reason = first.reason;
    pubacks_.pop();
    return true;
  }
  bool takeReady(unsigned& worker, ShardRecord& answer) {
    if (held_.isEmpty() || !isCommitted(held_.front().turn)) return false;
    worker = held_.front().worker;
    answer = held_.front().answer;
    held_.pop();
    return true;
  }

  // Calls `then` once everything appended so far is committed: usually later, immediately if it already is.
  void whenCommitted(std::function<void()> then) { whenCommitted(SlotMap::nobody, std::move(then)); }
  // The same, unless the worker that `then` tells it is lost before.
  void whenCommitted(unsigned receiver, std::function<void()> then) {
    const uint64_t last = turn();
    if (!isOn() || (isCommitted(last) && waiting_.empty())) then();
    else waiting_.push_back({last, uint8_t(receiver), std::move(then)});
  }
  void callReady() {
    while (!waiting_.empty() && isCommitted(waiting_.front().turn)) {
      const std::function<void()> then = std::move(waiting_.front().then);
      waiting_.pop_front();
      then();
    }
  }

  // The worker is lost, and another one may get its number: what was meant for it is for nobody.
  void dropAnswersTo(unsigned worker) {
    for (uint64_t i = held_.first(); i < held_.end(); i++) {
      if (held_[i].worker == worker) held_[i].worker = SlotMap::nobody;
    }
    std::erase_if(waiting_, [&](const Waiting& each) { return each.receiver == worker; });
  }

  // --- messages (the shard) -------------------------------------------------------------------------

  // Assigns the publication a number, under which the workers of this node log it.
  void number(Publication& publication) { publication.setInLog(++messages_ << workerBits | worker_, {}); }
  // Logs the publication, and assigns it a number unless it has one.
  void message(Publication& publication, uint8_t flags, const Source& source) {
    if (publication.logId == 0) publication.logId = ++messages_ << workerBits | worker_;
    if (publication.retain) flags |= records::Message::isRetainMarked;
    const bool isReceived = source.qos == 2 && source.isDurable && !isClustered_;
    const uint16_t receivedPacketId = isReceived ? source.packetId : uint16_t(0);
    publication.setInLog(publication.logId, placeOf(copyOf(publication, flags, receivedPacketId)));
  }
  // Copies the message for a checkpoint; from then on that copy is its place in the log.
  log::Ticket copy(const MessageRef& message, uint8_t flags) {
    const Publication publication = Publication::of(message, 0);
    if (publication.retain) flags |= records::Message::isRetainMarked;
    const log::Ticket ticket = copyOf(publication, flags, 0);
    message->setLogPlace(placeOf(ticket));
    return ticket;
  }
  // Where the record is, once it is committed.
  log::Position positionOf(log::Ticket record) const { return appender_->positionOf(record); }
  // The place of a record appended by this worker.
  LogPlace placeOf(log::Ticket ticket) const { return {worker_, ticket}; }
  void retainedCleared(Bytes topic) { append(records::RetainedClear{topic}); }
  void retainedStamp(Bytes topic, uint64_t stamp) { append(records::RetainedStamp{stamp, topic}); }
  // A retained message that another node previously had.
  void adopted(const MessageRef& message, uint64_t stamp) {
    Publication publication = Publication::of(message, 0);
    retainedStamp(publication.topic, stamp);
    this->message(publication, records::Message::retains, {});
  }

  // The message is for these sessions of this worker. It gets a number unless it already has one of this node.
  void bring(Publication& publication, const BroughtTargets& targets) {
    if (publication.logId == 0) number(publication);
    append(
        records::Brought{.id = publication.logId,
                         .isRetainMarked = publication.retain,
                         .qos = publication.qos,
                         .origin = publication.originSession,
                         .expiresAtMs = publication.expiresAtMs == 0 ? 0 : clock_->fromEngine(publication.expiresAtMs),
                         .topic = publication.topic,
                         .properties = publication.properties,
                         .payload = publication.payload,
                         .targets = targets.bytes()});
  }

  // --- sessions (the front end) ---------------------------------------------------------------------

  void session(Session& session) {
    records::Session record{.session = session.key,
                            .clientId = session.durable->clientId(),
                            .expirySeconds = session.expirySeconds,
                            .leftAtMs = session.connection ? 0 : clock_->fromEngine(session.leftAtMs),
                            .access = session.durable->access()};
    if (const Will* will = session.will.get()) {
      using enum records::Session::Flag;
      record.flags = uint8_t(hasWill | (will->expires ? willExpires : 0) | (will->message->retain ? willRetains : 0));
      record.willQos = will->message->qos;
      record.willDelaySeconds = will->delaySeconds;
      record.willExpirySeconds = will->expirySeconds;
      record.willTopic = will->message->topic();
      record.willProperties = will->message->properties();
      record.willPayload = will->message->payload();
    }
    append(record);
    if (isClustered_) append(records::SessionStamp{session.key, session.durable->exchanges->stamp});
    note(session);
  }
  void left(Session& session, bool keepsWill) {
    flushDone(session);
    append(records::Left{.session = session.key,
                         .expirySeconds = session.expirySeconds,
                         .atMs = clock_->nowMs(),
                         .keepsWill = keepsWill});
  }
  void willOver(const Session& session) { append(records::WillOver{session.key}); }
  void ended(const Session& session) { append(records::SessionEnd{session.key}); }

  void subscribed(Session& session, Bytes filter, const SubscriptionOptions& options) {
    using enum records::Subscribe::Flag;
    append(records::Subscribe{
        .session = session.key,
        .qos = options.qos,
        .flags = uint8_t((options.noLocal ? noLocal : 0) | (options.retainAsPublished ? retainAsPublished : 0)),
        .subscriptionId = options.subscriptionId,
        .filter = filter});
    note(session);
  }
  void unsubscribed(Session& session, Bytes filter) {
    append(records::Unsubscribe{session.key, filter});
    note(session);
  }

  // --- deliveries (the front end) -------------------------------------------------------------------

  // `share`: the hash of the complete filter of the share that chose the session; 0: none.
  void queued(uint64_t session, const Delivery& delivery, uint64_t share) {
    // The checkpoint may not have this retained message yet.
    if (copier_ && delivery.isFromStore) {
      const bool before = std::exchange(isCopying_, true);
      copy(delivery.message, records::Message::isCopy);
      isCopying_ = before;
    }
    ids_.clear();
    delivery.subscriptionIds.each([&](uint32_t id) { ids_.push_back(id); });
    using enum records::Queued::Flag;
    append(records::Queued{.session = session,
                           .message = delivery.message->logId,
                           .share = share,
                           .qos = delivery.qos,
                           .flags = uint8_t((delivery.retain ? retain : 0) | (delivery.isFromStore ? isFromStore : 0)),
                           .subscriptionIds = bytesOf(ids_)});
  }
  void waiting(const Session& session, const Delivery& like, Bytes messages, bool isSame) {
    ids_.clear();
    like.subscriptionIds.each([&](uint32_t id) { ids_.push_back(id); });
    using Flag = records::Waiting::Flag;
    append(records::Waiting{.session = session.key,
                            .worker = uint8_t(worker_),
                            .qos = like.qos,
                            .flags = uint8_t((like.retain ? Flag::retain : 0) |
                                             (like.isFromStore ? Flag::isFromStore : 0) | (isSame ? Flag::isSame : 0)),
                            .subscriptionIds = bytesOf(ids_),
                            .messages = messages});
  }
  void taken(const std::vector<uint64_t>& messages) { append(records::Taken{uint8_t(worker_), bytesOf(messages)}); }
  void copied(const Session& session) { append(records::Copied{session.key, uint8_t(worker_)}); }
  // The session is finished with a message: acknowledged, expired or dropped. The log is told later.
  void settle(Session& session, uint64_t message, bool isOfShare) {
    if (message == 0 || !isOn()) return;
    if (isOfShare && !isClustered_) {
      append(records::ShareDone{session.key, message});
      return;
    }
    if (!session.durable) return;
    std::vector<uint64_t>& done = session.durable->exchanges.own().done;
    if (done.empty()) unsaid_.push_back(session.key);
    done.push_back(message);
    if (done.size() < doneMax) return;
    appendLate(records::Done{session.key, bytesOf(done)});
    clearDone(session);
  }
  void settle(Session& session, const Delivery& delivery) {
    if (delivery.message && (delivery.qos > 0 || delivery.share != 0))
      settle(session, delivery.message->logId, delivery.share != 0);
  }
  // Hands over all messages that the session is finished with, in this turn.
  void flushDone(Session& session) {
    isDirty_ = isDirty_ || hasLate_;
    if (!session.durable) return;
    if (!session.durable->exchanges->done.empty())
      append(records::Done{session.key, bytesOf(session.durable->exchanges->done)});
    clearDone(session);
  }
  // The sessions passed to settle() since the last call.
  std::vector<uint64_t> takeUnsaid() { return std::exchange(unsaid_, {}); }

  void forget(Session& session, uint16_t packetId) {
    append(records::Forget{session.key, packetId});
    note(session);
  }
  void received(const Session& session, uint16_t packetId) { append(records::Received{session.key, packetId}); }
  // The same, and the client is told once it is committed.
  void receivedNow(Session& session, uint16_t packetId) {
    received(session, packetId);
    note(session);
  }
  void sent(Session& session, uint16_t packetId, uint64_t message, bool isOfShare) {
    append(records::Sent{session.key, packetId, message, isOfShare && !isClustered_});
    note(session);
  }
  void released(Session& session, uint16_t packetId) {
    append(records::Released{session.key, packetId});
    note(session);
  }
  void completed(const Session& session, uint16_t packetId) { appendLate(records::Completed{session.key, packetId}); }

  // Called now and then, so that a start knows roughly when the broker was last running, and when isClockSet().
  void clock() {
    const uint64_t nowMs = clock_->nowMs();
    const uint64_t calendarMs = clock_->calendarMs();
    notedAheadMs_ = nowMs - calendarMs;
    append(records::Clock{nowMs, calendarMs});
  }
  // The machine's clock was set since the last clock().
  bool isClockSet() const {
    const auto changeMs = int64_t(clock_->nowMs() - clock_->calendarMs() - notedAheadMs_);
    return changeMs <= -clockSetMsMin || changeMs >= clockSetMsMin;
  }

  template <class Record>
  log::Ticket append(const Record& record) {
    isDirty_ = true;
    return add(record);
  }

 private:
  static constexpr unsigned workerBits = 6;  // for up to 64 workers
  static constexpr size_t doneMax = 256;
  // Less is the adjustment of a clock, or a thread that had to wait between looking at one clock and at the other.
  static constexpr int64_t clockSetMsMin = 1'000;
  // About as much as the disk writes within a few milliseconds.
  static constexpr size_t busyBytes = 2u << 20;

  struct Submitted {
    uint64_t turn = 0;
    log::Ticket last;
  };
  struct Held {
    uint64_t turn = 0;
    uint8_t worker = 0;
    ShardRecord answer;
  };
  struct HeldPuback {
    uint32_t turn = 0;  // its lower half
    uint32_t connection = 0;
    uint32_t generation = 0;
    uint16_t packetId = 0;
    Reason reason = Reason::success;
  };
  static_assert(sizeof(HeldPuback) == 16);
  struct Waiting {
    uint64_t turn = 0;
    uint8_t receiver = SlotMap::nobody;
    std::function<void()> then;
  };

  template <class Number>
  static Bytes bytesOf(const std::vector<Number>& numbers) {
    return {reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * sizeof(Number)};
  }

  // Later answers to the session's client wait for this turn.
  void note(Session& session) {
    if (session.durable && !isCopying_) session.durable->turn = uint32_t(turn_);
  }

  template <class Record>
  log::Ticket add(const Record& record) {
    last_ = log::append(*appender_, record, isCopying_ ? records::inCheckpoint(Record::kind) : Record::kind);
    return last_;
  }
  // The record has no urgency, so it is not worth its own sync: it accompanies the next urgent one, within a second at
  // the latest.
  template <class Record>
  [[gnu::noinline]] void appendLate(const Record& record) {
    add(record);
    hasLate_ = true;
    isDirty_ = isDirty_ || appender_->isLarge();
  }
  static void clearDone(Session& session) {
    if (!session.connection) session.durable->trim();
    else if (!session.durable->exchanges->done.empty()) session.durable->exchanges.own().done.clear();
  }

  log::Ticket copyOf(const Publication& publication, uint8_t flags, uint16_t receivedPacketId) {
    return append(
        records::Message{.id = publication.logId,
                         .flags = flags,
                         .qos = publication.qos,
                         .receivedPacketId = receivedPacketId,
                         .origin = publication.originSession,
                         .expiresAtMs = publication.expiresAtMs == 0 ? 0 : clock_->fromEngine(publication.expiresAtMs),
                         .topic = publication.topic,
                         .properties = publication.properties,
                         .payload = publication.payload});
  }

  const unsigned worker_;
  log::Log* log_ = nullptr;
  log::Appender* appender_ = nullptr;
  const LogClock* clock_ = nullptr;
  uint64_t notedAheadMs_ = 0;  // how far the log's clock was ahead of the calendar, modulo 2^64
  const LogFloor* floor_ = nullptr;
  uint64_t messages_ = 0;
  uint64_t turn_ = 1;
  uint64_t committedTurn_ = 0;
  bool isDirty_ = false;
  bool hasLate_ = false;  // records without urgency
  log::Ticket last_;
  bool isWatching_ = false;
  log::Ticket watched_;
  log::Position watchedAt_;
  Fifo<Submitted> submitted_;
  Fifo<Held> held_;
  Fifo<HeldPuback> pubacks_;
  std::deque<Waiting> waiting_;
  bool isClustered_ = false;
  uint64_t stamp_ = 0;
  uint32_t checkpoint_ = 0;
  SessionCopier* copier_ = nullptr;
  bool isCopying_ = false;
  std::vector<uint64_t> unsaid_;
  std::vector<uint32_t> ids_;
};

}  // namespace rally
