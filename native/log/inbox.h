// Batches handed over by workers and not yet taken by the writer.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "appender.h"

namespace rally::log {

struct HandedBatch {
  unsigned worker = 0;
  Batch batch;
};

class Inbox final : public BatchSink {
 public:
  void take(unsigned worker, Batch& batch) override {
    bool isWriterAsleep;
    {
      const std::lock_guard lock(mutex_);
      handed_.push_back({worker, std::exchange(batch, {})});
      if (!memory_.empty()) {
        batch = std::move(memory_.back());
        memory_.pop_back();
      }
      isWriterAsleep = std::exchange(isWriterAsleep_, false);
    }
    if (isWriterAsleep) wake_.notify_one();  // it may preempt this thread at once, and needs the mutex
  }

  // Appends all batches to `batches`.
  void collect(std::vector<HandedBatch>& batches) {
    const std::lock_guard lock(mutex_);
    for (HandedBatch& each : handed_) batches.push_back(std::move(each));
    handed_.clear();
  }

  // An emptied batch, to be filled again.
  void giveBack(Batch batch) {
    if (batch.records.capacity() > batchBytesKept) return;
    batch.records.clear();
    batch.endings.clear();
    const std::lock_guard lock(mutex_);
    if (memory_.size() < batchesKept) memory_.push_back(std::move(batch));
  }

  // Sleeps until something arrives, or for this long.
  void wait(std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    if (!handed_.empty() || isStopping_) return;
    isWriterAsleep_ = true;
    wake_.wait_for(lock, longest);
    isWriterAsleep_ = false;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    isStopping_ = true;
    wake_.notify_one();
  }
  bool isStopping() {
    const std::lock_guard lock(mutex_);
    return isStopping_;
  }

 private:
  static constexpr size_t batchBytesKept = 1'048'576;
  static constexpr size_t batchesKept = 64;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<HandedBatch> handed_;
  std::vector<Batch> memory_;
  bool isWriterAsleep_ = false;
  bool isStopping_ = false;
};

}  // namespace rally::log
