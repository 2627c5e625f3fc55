// The state of the log, for all threads, and a callback for changes.
#pragma once
#include <functional>

#include "log.h"

namespace rally::log {

class Health {
 public:
  explicit Health(std::atomic<State>& state) : state_(state) {}

  void onChange(std::function<void(State, const std::string&)> told) { told_ = std::move(told); }
  State state() const { return state_.load(std::memory_order_relaxed); }
  bool isFailed() const { return state() == State::failed; }

  // The state `failed` is final.
  void set(State state, const std::string& why) {
    if (state == this->state() || isFailed()) return;
    state_.store(state, std::memory_order_release);
    if (told_) told_(state, why);
  }

 private:
  std::atomic<State>& state_;
  std::function<void(State, const std::string&)> told_;
};

}  // namespace rally::log
