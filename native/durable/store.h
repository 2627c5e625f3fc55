// What a broker keeps in its data directory, from the opening of the log to its close.
//
//   open()     the directory is ours                        (the thread that starts the broker)
//   recover()  the log is read, and a broker made of it     (any thread; progress() from any other)
//   close()    everything is committed                      (when the workers have ended)
#pragma once
#include <thread>

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

  Store(std::unique_ptr<log::Log> log, uint64_t checkpointBytesMin)
      : log_(std::move(log)), checkpointBytesMin_(checkpointBytesMin) {}
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
  // They have been told to whom they concern.
  void forgetSessions() { sessions_ = {}; }
  Checkpointer& checkpointer() { return *checkpointer_; }
  const Damage& damage() const { return damage_; }
  uint64_t run() const { return run_; }

  // `rules`: what clients may have; nullptr: everything.
  Broker& recover(unsigned workers, const Limits& limits, uint64_t tableKey,
                  const std::shared_ptr<const RuleBook>& rules = nullptr) {
    const HashKeys keys{.topics = log_->identity()[0], .tables = tableKey};
    auto read = std::make_unique<RecoveredState>(workers, keys, workers * limits.queuedMemoryBytesMax);
    RecoveredState& state = *read;
    Reading reading(*this, state);
    log_->recover(reading);
    state.finish();
    run_ = state.run + 1;
    broker_ = std::make_unique<Broker>(workers, limits, keys);
    if (rules) broker_->rules().put(rules);
    for (unsigned worker = 0; worker < workers; worker++) broker_->engine(worker).adoptRules();
    fetching_ = std::make_unique<Fetching>(*log_, workers);
    for (unsigned worker = 0; worker < workers; worker++) {
      Engine& engine = broker_->engine(worker);
      if (log_->isKeeping()) engine.accounts().backlog.open(*fetching_);
      fetching_->setBell(worker, engine.doorbell());
    }
    Recovery recovery(*broker_, state, *log_);
    recovery.install();
    sessions_ = recovery.takeSessions();
    begin(state.lastMessage);
    recovery.adoptOrphans();
    damage_.lostDeliveries = recovery.lost();
    damage_.unknownRecords = state.unknownRecords();
    // Of a large store that takes seconds, for which nobody should wait.
    cleaner_ = std::thread([garbage = std::move(read)]() mutable { garbage.reset(); });
    return *broker_;
  }

  // Reads back what waits in the log alone. Its thread is begun with start(), or it is driven by a test.
  Fetching& fetching() { return *fetching_; }

  // The workers have ended.
  void close() {
    if (!broker_) return;
    fetching_->stop();
    for (unsigned worker = 0; worker < broker_->workers(); worker++) {
      Engine& engine = broker_->engine(worker);
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
      store_.recordBytes_ += log::framedBytes(found.body.size());
      state_.apply(found);
    }
    void damage(const log::Damage& damage) override { store_.damage_.parts.push_back(damage); }
    void progress(uint64_t bytesDone, uint64_t bytesTotal) override {
      store_.bytesDone_.store(bytesDone, std::memory_order_relaxed);
      store_.bytesTotal_.store(bytesTotal, std::memory_order_relaxed);
    }

   private:
    Store& store_;
    RecoveredState& state_;
  };

  // The log is written from now on. What a start has found out is in it: when clients have left that were connected.
  void begin(uint64_t lastMessage) {
    checkpointer_ = std::make_unique<Checkpointer>(*broker_, *log_, run_, checkpointBytesMin_);
    for (unsigned worker = 0; worker < broker_->workers(); worker++) {
      Engine& engine = broker_->engine(worker);
      engine.openJournal(*log_, lastMessage, *checkpointer_);
      log_->appender(worker).onCommit([](void* bell) { static_cast<Doorbell*>(bell)->ring(); }, &engine.doorbell());
    }
    log_->start();
    Journal& journal = broker_->engine(0).journal();
    journal.append(records::Started{.run = run_, .atMs = wallClockMs()});
    for (const RecoveredSession& each : sessions_) {
      Engine& engine = broker_->engine(each.worker);
      if (each.wasConnected) engine.journal().session(*engine.findSession(each.key));
    }
    for (unsigned worker = 0; worker < broker_->workers(); worker++) broker_->engine(worker).journal().submit();
    // It is written while clients are there already.
    if (recordBytes_ >= checkpointBytesMin_) checkpointer_->ask();
  }

  std::unique_ptr<log::Log> log_;
  const uint64_t checkpointBytesMin_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Fetching> fetching_;
  std::atomic<uint64_t> bytesDone_{0};
  std::atomic<uint64_t> bytesTotal_{0};
  uint64_t recordBytes_ = 0;  // that were read
  std::vector<RecoveredSession> sessions_;
  Damage damage_;
  uint64_t run_ = 0;
  std::thread cleaner_;
};

}  // namespace rally
