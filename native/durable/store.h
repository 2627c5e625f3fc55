// The contents of a broker's data directory, from the opening of the log to its close.
//
//   open()     locks the directory                          (the thread that starts the broker)
//   read()     reads the log                                (any thread; progress() from any other)
//   recover()  gives its contents to a broker               (any thread)
//   close()    commits everything                           (when the workers have ended)
#pragma once
#include <malloc.h>

#include <thread>

#include "../structures/free-memory.h"
#include "checkpointer.h"
#include "recovery.h"

namespace rally {

class Store {
 public:
  struct Progress {
    uint64_t bytesDone = 0;
    uint64_t bytesTotal = 0;
  };
  struct Damage {
    std::vector<log::Damage> parts;
    uint64_t lostDeliveries = 0;
    uint64_t unknownRecords = 0;
  };

  Store(std::unique_ptr<log::Log> log, uint64_t checkpointBytesMin, LogClock clock = LogClock())
      : log_(std::move(log)), checkpointBytesMin_(checkpointBytesMin), clock_(std::move(clock)) {}
  ~Store() {
    RALLY_ASSERT(!broker_);  // closed
    if (cleaner_.joinable()) cleaner_.join();
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  log::Log& log() { return *log_; }
  Progress progress() const {
    return {bytesDone_.load(std::memory_order_relaxed), bytesTotal_.load(std::memory_order_relaxed)};
  }
  const std::vector<RecoveredSession>& sessions() const { return sessions_; }
  // They have been passed on to those concerned.
  void forgetSessions() { freeMemory(sessions_); }
  Checkpointer& checkpointer() { return *checkpointer_; }
  const Damage& damage() const { return damage_; }
  uint64_t run() const { return run_; }

  // `isWhole`: for a node of a cluster, which has all message content in memory, and knows sessions() before it joins.
  void read(unsigned workers, const Limits& limits, uint64_t tableKey, bool isWhole = false) {
    const HashKeys keys{.topics = log_->identity()[0], .tables = tableKey};
    state_ = std::make_unique<RecoveredState>(workers, keys, isWhole ? SIZE_MAX : workers * limits.queuedMemoryBytesMax,
                                              clock_);
    Reading reading(*this, *state_);
    log_->recover(reading);
    state_->finish();
    clock_ = state_->clock();
    run_ = state_->run + 1;
    if (isWhole) listSessions(workers);
  }
  // The last run before this one.
  uint64_t lastRun() const { return run_ - 1; }

  // `rules`: the rights of clients; nullptr: everything. Reads the log unless already done.
  Broker& recover(unsigned workers, const Limits& limits, uint64_t tableKey,
                  const std::shared_ptr<const RuleBook>& rules = nullptr) {
    if (!state_) read(workers, limits, tableKey);
    // Session keys begin with it. Some may have come from other nodes, when this one was in a cluster.
    state_->sessions().each([&](const RecoveredState::Session& each) { run_ = std::max(run_, (each.key >> 32) + 1); });
    const HashKeys keys{.topics = log_->identity()[0], .tables = tableKey};
    return recover(std::make_unique<Broker>(workers, limits, keys), rules);
  }
  // As a node of a cluster.
  Broker& recover(const ClusterPlace& place, const Limits& limits, const HashKeys& keys,
                  const std::shared_ptr<const RuleBook>& rules = nullptr) {
    if (!state_) read(unsigned(__builtin_popcountll(place.here)), limits, keys.tables, true);
    run_ = std::max(run_, place.incarnation);  // session keys begin with it
    return recover(std::make_unique<Broker>(place, limits, keys), rules);
  }

  // Reads back messages that are only in the log. start() begins its thread, or a test drives it.
  Fetching& fetching() { return *fetching_; }

  // Call it when the workers have ended.
  void close() {
    if (!broker_) return;
    fetching_->stop();
    for (unsigned row = 0; row < broker_->workers(); row++) {
      Engine& engine = broker_->engineAt(row);
      engine.eachSession([&](Session& session) { engine.journal().flushDone(session); });
      engine.journal().submit();
    }
    log_->close();
    broker_.reset();
    fetching_.reset();
  }

 private:
  class Reading : public log::Visitor {
   public:
    Reading(Store& store, RecoveredState& state) : store_(store), state_(state) {}
    void record(const log::Found& found) override {
      const size_t bytes = log::framedBytes(found.body.size());
      store_.recordBytes_ += bytes;
      if (found.kind == records::CheckpointBegin::kind) store_.checkpointBytes_ = 0;
      if (records::isInCheckpoint(found.kind)) store_.checkpointBytes_ += bytes;
      state_.apply(found);
    }
    void soon(const log::Found& found) override { state_.soon(found); }
    void damage(const log::Damage& damage) override { store_.damage_.parts.push_back(damage); }
    void progress(uint64_t bytesDone, uint64_t bytesTotal) override {
      store_.bytesDone_.store(bytesDone, std::memory_order_relaxed);
      store_.bytesTotal_.store(bytesTotal, std::memory_order_relaxed);
    }

   private:
    Store& store_;
    RecoveredState& state_;
  };

  void listSessions(unsigned workers) {
    Recovery::dropOlderTwins(*state_);
    sessions_.reserve(state_->sessions().size());
    for (const RecoveredState::Session* each : Recovery::inOrder(*state_))
      sessions_.push_back({each->key, Recovery::rowOf(each->key, workers), toString(each->clientId.bytes()),
                           each->leftAtMs == 0, each->stamp});
  }

  Broker& recover(std::unique_ptr<Broker> broker, const std::shared_ptr<const RuleBook>& rules) {
    broker_ = std::move(broker);
    if (rules) broker_->rules().put(rules);
    fetching_ = std::make_unique<Fetching>(*log_, clock_, broker_->workers());
    for (unsigned row = 0; row < broker_->workers(); row++) {
      Engine& engine = broker_->engineAt(row);
      engine.adoptRules();
      // A session moves to other nodes with its complete queue.
      if (log_->isKeeping() && !broker_->isClustered()) engine.accounts().backlog.open(*fetching_);
      fetching_->setBell(row, engine.doorbell());
    }
    std::unique_ptr<RecoveredState> read = std::move(state_);
    RecoveredState& state = *read;
    Recovery recovery(*broker_, state, *log_);
    recovery.install();
    sessions_ = recovery.takeSessions();
    begin(state.lastMessage);
    recovery.adoptOrphans();
    damage_.lostDeliveries = recovery.lost();
    damage_.unknownRecords = state.unknownRecords();
    // For a large store this takes seconds, and must not delay anything.
    cleaner_ = std::thread([garbage = std::move(read)]() mutable {
      garbage.reset();
      malloc_trim(0);
    });
    return *broker_;
  }

  // The log is written from now on. It includes findings of the start: when previously connected clients left.
  void begin(uint64_t lastMessage) {
    if (log_->replica()) log_->replica()->begin(recordBytes_ == 0);
    checkpointer_ = std::make_unique<Checkpointer>(*broker_, *log_, clock_, run_, checkpointBytesMin_,
                                                   checkpointBytes_);
    for (unsigned row = 0; row < broker_->workers(); row++) {
      Engine& engine = broker_->engineAt(row);
      engine.openJournal(*log_, lastMessage, clock_, *checkpointer_);
      log_->appender(row).onCommit([](void* bell) { static_cast<Doorbell*>(bell)->ring(); }, &engine.doorbell());
    }
    log_->start();
    Journal& journal = broker_->engineAt(0).journal();
    journal.append(records::Started{.run = run_, .atMs = clock_.nowMs()});
    journal.clock();
    for (const RecoveredSession& each : sessions_) {
      Engine& engine = broker_->engineAt(each.worker);
      if (each.isChanged) engine.journal().session(*engine.findSession(each.key));
      engine.journal().submitSome();
    }
    for (unsigned row = 0; row < broker_->workers(); row++) broker_->engineAt(row).journal().submit();
    // The second copy may lack the end of this log. It is written while clients are already connected.
    if (log_->replica() && recordBytes_ > 0) checkpointer_->ask();
  }

  std::unique_ptr<log::Log> log_;
  const uint64_t checkpointBytesMin_;
  LogClock clock_;
  std::unique_ptr<RecoveredState> state_;  // between read() and recover()
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Fetching> fetching_;
  std::atomic<uint64_t> bytesDone_{0};
  std::atomic<uint64_t> bytesTotal_{0};
  uint64_t recordBytes_ = 0;      // bytes read ...
  uint64_t checkpointBytes_ = 0;  // ... and those of the last checkpoint
  std::vector<RecoveredSession> sessions_;
  Damage damage_;
  uint64_t run_ = 0;
  std::thread cleaner_;
};

}  // namespace rally
