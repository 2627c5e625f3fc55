// Between a worker and the session directory on the main thread, about plain clients (front-end/plain-clients.h): what
// a storm consists of passes in batches, without JavaScript of the worker and without posts.
//
//   worker --ask()--> connects --takeConnects()--> session directory
//   worker <--takeAccepts()-- accepts <--accept()-- session directory
//
// A connection has at most one entry on either side, so their number is the bound.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace rally {

// The session directory accepts a client with a new session.
struct PlainAccept {
  uint64_t connection = 0;  // its number
  uint64_t session = 0;
};

class DirectoryLane {
 public:
  // `connects`: records. True: the session directory has to be told.
  bool ask(std::vector<uint8_t> connects) {
    const std::lock_guard lock(mutex_);
    const bool wasEmpty = connects_.empty();
    if (wasEmpty) connects_ = std::move(connects);
    else connects_.insert(connects_.end(), connects.begin(), connects.end());
    return wasEmpty;
  }
  std::vector<uint8_t> takeConnects() {
    const std::lock_guard lock(mutex_);
    return std::exchange(connects_, {});
  }

  // The worker's doorbell is to be rung behind it.
  void accept(const std::vector<PlainAccept>& accepts) {
    const std::lock_guard lock(mutex_);
    accepts_.insert(accepts_.end(), accepts.begin(), accepts.end());
    hasAccepts_.store(!accepts_.empty(), std::memory_order_release);
  }
  bool hasAccepts() const { return hasAccepts_.load(std::memory_order_acquire); }
  std::vector<PlainAccept> takeAccepts() {
    const std::lock_guard lock(mutex_);
    hasAccepts_.store(false, std::memory_order_relaxed);
    return std::exchange(accepts_, {});
  }

  // A worker starts: what is left is of connections that ended with the thread before it.
  void clear() {
    const std::lock_guard lock(mutex_);
    connects_.clear();
    accepts_.clear();
    hasAccepts_.store(false, std::memory_order_relaxed);
  }

 private:
  std::mutex mutex_;
  std::vector<uint8_t> connects_;
  std::vector<PlainAccept> accepts_;
  std::atomic<bool> hasAccepts_{false};
};

}  // namespace rally
