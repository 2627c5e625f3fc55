// Writes a checkpoint when a large part of what a start would have to read is obsolete.
//
//   tick(): due  ->  isAsked(): PUBLISH waits, lanes become empty  ->  all workers in pass()  ->  begun by the last one
//   ->  they continue, and each writes its part, turn by turn  ->  ended by the one that began it  ->  its end is
//   committed: everything before its beginning is released
//
// The workers pause only while the members of shares and their queues are written. Everything else is written while
// they work (checkpoint.h). If the process ends before the end of the checkpoint is committed, nothing has changed.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "checkpoint.h"
#include "turn-gate.h"

namespace rally {

class Checkpointer : public TurnGate {
 public:
  // `bytesMin`: the size of the log below which no checkpoint is due. `stateBytes`: the size of the last one; 0: none.
  Checkpointer(Broker& broker, log::Log& log, const LogClock& clock, uint64_t run, uint64_t bytesMin,
               uint64_t stateBytes)
      : broker_(broker), log_(log), clock_(clock), run_(run), bytesMin_(bytesMin), stateBytes_(stateBytes) {
    eachWorker([&](Engine& engine) { parts_.push_back(std::make_unique<CheckpointPart>(engine)); });
  }

  bool isAsked() const override { return isAsked_.load(std::memory_order_relaxed); }
  // The number of checkpoints completed.
  uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  // A checkpoint has begun, and the segments it replaces have not been given up yet.
  bool isUnderWay() const { return isUnderWay_.load(std::memory_order_acquire); }

  void tick() override {
    if (isAsked()) {
      // Some worker does not come to rest: do not keep clients waiting for it.
      isAsked_.store(false, std::memory_order_relaxed);
      restTicks_ = restTicksAfter;
      return;
    }
    if (restTicks_ > 0) restTicks_--;
    const log::State state = log_.state();
    if (restTicks_ > 0 || state == log::State::failed || isUnderWay()) return;
    if (log_.replica() && log_.replica()->takeCheckpointWanted()) return ask();
    const log::Figures figures = log_.figures();
    const uint64_t bytes = figures.usedBytes;
    if (bytes < bytesMin_ || figures.segments < 2) return;  // the segment in which it would begin is kept
    const uint64_t stateBytes = stateBytes_.load(std::memory_order_relaxed);
    // On a full disk the state as it is now counts (hasRoom()): most of it may have gone since the last checkpoint.
    if (state != log::State::full && bytes < 2 * stateBytes) return;
    ask();
  }
  // A checkpoint is to begin as soon as the workers come to rest, if there is room for it.
  void ask() {
    isAsked_.store(true, std::memory_order_relaxed);
    ringAll();
  }

  void pass(Engine& engine) override {
    if (writer_ == engine.row() && hasEnded_) giveUpOld(engine);
    if (!isAsked()) return;
    engine.journal().submitAll();  // the state already includes it, so it belongs before the checkpoint
    if (!engine.isAtRest()) return;
    std::unique_lock lock(mutex_);
    if (++arrived_ < broker_.workers()) {
      const uint64_t round = round_;
      gathered_.wait_for(lock, patience, [&] { return round_ != round; });
      if (round_ == round) arrived_--;
      return;
    }
    if (areAtRest() && hasRoom()) begin(engine);
    arrived_ = 0;
    round_++;
    lock.unlock();
    gathered_.notify_all();
  }

  // Called when all workers are at rest.
  void begin(Engine& engine) {
    writer_ = engine.row();
    hasEnded_ = false;
    number_++;
    partBytes_.store(0, std::memory_order_relaxed);
    partsWithRetained_.store(broker_.workers(), std::memory_order_relaxed);
    partsLeft_.store(broker_.workers(), std::memory_order_relaxed);
    floor.isMoving.store(true, std::memory_order_relaxed);
    floor.keptFrom.store(UINT64_MAX, std::memory_order_relaxed);
    Journal& journal = engine.journal();
    uint64_t lastMessage = 0;
    eachWorker([&](Engine& each) { lastMessage = std::max(lastMessage, each.journal().lastMessage()); });
    const uint64_t bytesBefore = journal.appendedBytes();
    journal.watch(journal.append(records::CheckpointBegin{run_, clock_.nowMs(), lastMessage}));
    journal.clock();
    for (const std::unique_ptr<CheckpointPart>& part : parts_) part->begin(number_);
    CheckpointPart& own = *parts_[writer_];
    // The shares are written before the deliveries that refer to them.
    for (const bool areMembers : {true, false}) {
      eachWorker([&](Engine& each) {
        each.eachSharer([&](Session& session) {
          if ((session.durable && session.standing != 0) != areMembers) return;
          own.writeSharer(session, each.accounts().sessions.held(),
                          [&](const Delivery& delivery) { return shareOf(delivery); });
          journal.submitSome();
        });
      });
    }
    partBytes_.fetch_add(journal.appendedBytes() - bytesBefore, std::memory_order_relaxed);
    journal.submit();
    isUnderWay_.store(true, std::memory_order_release);
    isAsked_.store(false, std::memory_order_relaxed);
    ringAll();
  }

  void proceed(Engine& engine) override {
    if (!isUnderWay()) return;
    CheckpointPart& part = *parts_[engine.row()];
    Journal& journal = engine.journal();
    if (writer_ == engine.row() && floor.keptFrom.load(std::memory_order_relaxed) == UINT64_MAX) noteBegun(journal);
    const bool isBusy = journal.isBusy();
    const uint64_t bytesBefore = journal.appendedBytes();
    const size_t bytesMax = engine.limits().checkpointBytesPerTurn;
    if (part.hasRetained() && !isBusy) {
      part.writeRetained(bytesMax);
      count(journal, bytesBefore);
      if (!part.hasRetained()) pass(journal, partsWithRetained_);
    } else if (part.hasSessions() && !isBusy && partsWithRetained_.load(std::memory_order_acquire) == 0) {
      part.writeSessions(bytesMax);
      count(journal, bytesBefore);
      if (!part.hasSessions()) pass(journal, partsLeft_);
    }
    const bool isWritten = partsLeft_.load(std::memory_order_acquire) == 0;
    if (isWritten && writer_ == engine.row() && !hasEnded_) end(engine);
  }
  bool hasWork(Engine& engine) override {
    if (!isUnderWay()) return false;
    CheckpointPart& part = *parts_[engine.row()];
    const bool isTurn = part.hasRetained() || partsWithRetained_.load(std::memory_order_acquire) == 0;
    if (isTurn && part.hasMore() && !engine.journal().isBusy()) return true;
    return writer_ == engine.row() && !hasEnded_ && partsLeft_.load(std::memory_order_acquire) == 0;
  }

 private:
  // How long a worker waits for the others before it takes another turn.
  static constexpr std::chrono::milliseconds patience{5};
  // Seconds until the next attempt after one could not begin within a second.
  static constexpr int restTicksAfter = 5;
  // The same after one: until the figures of the log, which are a second old at most, are those of what it has left.
  static constexpr int restTicksBehind = 3;

  template <class Visit>
  void eachWorker(Visit&& visit) {
    for (unsigned row = 0; row < broker_.workers(); row++) visit(broker_.engineAt(row));
  }
  void ringAll() {
    eachWorker([](Engine& engine) { engine.doorbell().ring(); });
  }
  bool areAtRest() {
    bool areAtRest = true;
    eachWorker([&](Engine& engine) { areAtRest = areAtRest && engine.isAtRest(); });
    return areAtRest;
  }

  // One that fills the disk before it ends would leave no room for what frees space, and on a full disk it has to free
  // more than it takes. Called when all workers are at rest. False: not now.
  bool hasRoom() {
    uint64_t bytes = 0;
    eachWorker([&](Engine& engine) { bytes += engine.stateBytes(); });
    const log::Figures figures = log_.figures();
    const bool isFull = log_.state() == log::State::full;
    if (isFull ? 2 * bytes <= std::min(figures.freeBytes, figures.usedBytes) : bytes <= figures.freeBytes) return true;
    isAsked_.store(false, std::memory_order_relaxed);
    restTicks_.store(restTicksAfter, std::memory_order_relaxed);
    return false;
  }

  // A worker's writes must be in the log before the others learn of them.
  void pass(Journal& journal, std::atomic<unsigned>& left) {
    journal.submit();
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) ringAll();
  }
  void count(const Journal& journal, uint64_t bytesBefore) {
    partBytes_.fetch_add(journal.appendedBytes() - bytesBefore, std::memory_order_relaxed);
  }

  void end(Engine& engine) {
    engine.journal().append(records::CheckpointEnd{run_});
    turn_ = engine.journal().turn();
    hasEnded_ = true;
    stateBytes_.store(partBytes_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    written_.fetch_add(1, std::memory_order_relaxed);
  }
  // Everything from the beginning of the checkpoint is kept.
  void noteBegun(Journal& journal) {
    if (const log::Position begunAt = journal.watchedAt())
      floor.keptFrom.store(begunAt.value, std::memory_order_relaxed);
  }
  void giveUpOld(Engine& engine) {
    if (!engine.journal().isCommitted(turn_)) return;
    noteBegun(engine.journal());
    engine.journal().dropBefore(engine.journal().watchedAt());
    for (unsigned worker = 0; worker < broker_.workers(); worker++)
      log_.appender(worker).forgetBefore(engine.journal().watchedAt());
    floor.isMoving.store(false, std::memory_order_relaxed);
    hasEnded_ = false;
    restTicks_.store(restTicksBehind, std::memory_order_relaxed);
    isUnderWay_.store(false, std::memory_order_release);
  }

  // The hash of the share's complete filter. Called while all workers are at rest.
  uint64_t shareOf(const Delivery& delivery) {
    if (broker_.isClustered()) return 0;  // in a cluster the log treats it as the session's own
    const Bytes topic = delivery.message->topic();
    FilterTable& table = broker_.engine(0).filterTable();
    FilterTable& filters = broker_.engine(broker_.engine(0).slots().ownerOf(table.hashOf(topic))).filterTable();
    const Share* share = filters.findShare(delivery.share);
    return share ? filters.hashOf(share->own->text()) : 0;
  }

  Broker& broker_;
  log::Log& log_;
  const LogClock& clock_;
  const uint64_t run_;
  const uint64_t bytesMin_;
  std::vector<std::unique_ptr<CheckpointPart>> parts_;  // by worker
  std::atomic<bool> isAsked_{false};
  std::atomic<bool> isUnderWay_{false};
  std::atomic<unsigned> partsWithRetained_{0};  // that have not written all of them yet
  std::atomic<unsigned> partsLeft_{0};
  std::atomic<uint64_t> partBytes_{0};  // of the checkpoint being written
  std::atomic<uint64_t> stateBytes_;    // of the last one
  std::atomic<uint64_t> written_{0};
  uint32_t number_ = 0;
  std::atomic<int> restTicks_{0};
  unsigned writer_ = 0;  // the worker that began it; it also writes the next two
  bool hasEnded_ = false;
  uint64_t turn_ = 0;
  std::mutex mutex_;
  std::condition_variable gathered_;
  unsigned arrived_ = 0;
  uint64_t round_ = 0;
};

}  // namespace rally
