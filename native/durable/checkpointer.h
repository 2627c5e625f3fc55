// Begins a checkpoint when a start would have to read much of the log that is not needed any more.
//
//   tick(): due  ->  isAsked(): PUBLISH waits, lanes become empty  ->  all workers in pass()  ->  written by the last
//   one  ->  they go on  ->  its end is committed: what stands before its beginning is given up
//
// The workers stand still for as long as it takes to encode the state, not until it is on the disk.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "checkpoint.h"
#include "turn-gate.h"

namespace rally {

class Checkpointer : public TurnGate {
 public:
  // `bytesMin`: of the log, below which it is never due.
  Checkpointer(Broker& broker, log::Log& log, uint64_t run, uint64_t bytesMin)
      : broker_(broker), log_(log), run_(run), bytesMin_(bytesMin) {}

  bool isAsked() const override { return isAsked_.load(std::memory_order_relaxed); }
  uint64_t written() const { return written_.load(std::memory_order_relaxed); }

  void tick() override {
    if (isAsked()) {
      if (++askedTicks_ < patienceTicks) return;
      isAsked_.store(false,
                     std::memory_order_relaxed);  // somebody does not come to rest: clients are not to wait for it
      askedTicks_ = 0;
      restTicks_ = patienceTicks;
      return;
    }
    if (restTicks_ > 0) restTicks_--;
    if (restTicks_ > 0 || log_.state() >= log::State::full || isUncommitted_.load(std::memory_order_acquire)) return;
    const uint64_t bytes = log_.figures().liveBytes;
    if (bytes < bytesMin_ || bytes < 2 * stateBytes_.load(std::memory_order_relaxed)) return;
    askedTicks_ = 0;
    isAsked_.store(true, std::memory_order_relaxed);
    for (unsigned worker = 0; worker < broker_.workers(); worker++) broker_.engine(worker).doorbell().ring();
  }

  void pass(Engine& engine) override {
    if (isUncommitted_.load(std::memory_order_acquire) && writer_ == engine.index()) giveUpOld(engine);
    if (!isAsked()) return;
    engine.journal().submit();  // what is in the state already stands before the checkpoint
    if (!engine.isAtRest()) return;
    std::unique_lock lock(mutex_);
    if (++arrived_ < broker_.workers()) {
      const uint64_t round = round_;
      gathered_.wait_for(lock, patience, [&] { return round_ != round; });
      if (round_ == round) arrived_--;
      return;
    }
    if (areAtRest()) write(engine);
    arrived_ = 0;
    round_++;
    lock.unlock();
    gathered_.notify_all();
  }

  // Before the workers run.
  void write(Engine& engine) {
    const uint64_t bytesBefore = engine.journal().appendedBytes();
    engine.journal().watch(Checkpoint(broker_, engine).write(run_));
    engine.journal().submit();
    stateBytes_.store(engine.journal().appendedBytes() - bytesBefore, std::memory_order_relaxed);
    writer_ = engine.index();
    turn_ = engine.journal().turn();
    isUncommitted_.store(true, std::memory_order_release);
    isAsked_.store(false, std::memory_order_relaxed);
    written_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  // That a worker waits for the others before it takes another turn.
  static constexpr std::chrono::milliseconds patience{5};
  // Seconds for which clients wait for a checkpoint to begin, and are left alone then.
  static constexpr int patienceTicks = 3;

  bool areAtRest() {
    for (unsigned worker = 0; worker < broker_.workers(); worker++) {
      if (!broker_.engine(worker).isAtRest()) return false;
    }
    return true;
  }

  void giveUpOld(Engine& engine) {
    if (!engine.journal().isCommitted(turn_)) return;
    engine.journal().dropBefore(engine.journal().watchedAt());
    isUncommitted_.store(false, std::memory_order_release);
  }

  Broker& broker_;
  log::Log& log_;
  const uint64_t run_;
  const uint64_t bytesMin_;
  std::atomic<bool> isAsked_{false};
  std::atomic<bool> isUncommitted_{false};
  std::atomic<uint64_t> stateBytes_{0};  // of the last one
  std::atomic<uint64_t> written_{0};
  int askedTicks_ = 0;  // of the worker that ticks
  int restTicks_ = 0;
  // Of the last one, for the worker that has written it.
  unsigned writer_ = 0;
  uint64_t turn_ = 0;
  std::mutex mutex_;
  std::condition_variable gathered_;
  unsigned arrived_ = 0;
  uint64_t round_ = 0;
};

}  // namespace rally
