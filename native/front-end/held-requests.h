// A front end's requests for owners of topics while their slots change owners (slot-moves.h), in order. When a slot
// has its new owner, its requests are sent there.
//
//   entries_  [ publish, slot 7 ][ publish, slot 9 ][ a callback for both ][ publish, slot 7 ]
//
// When there are many here, PUBLISH waits at its connection, as for a crowded lane.
#pragma once
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "../lanes/requests.h"
#include "../topics/slot.h"

namespace rally {

class HeldRequests {
 public:
  HeldRequests(size_t recordsMax, size_t bytesMax) : recordsMax_(recordsMax), bytesMax_(bytesMax) {}
  HeldRequests(const HeldRequests&) = delete;
  ~HeldRequests() {
    for (const Entry& entry : entries_) {
      if (!entry.then) discard(entry.request);
    }
  }

  bool isEmpty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  bool isCrowded() const { return entries_.size() >= recordsMax_ || bytes_ >= bytesMax_; }

  void add(unsigned slot, const Request& request) {
    bytes_ += messageBytes(request);
    entries_.push_back({slot, request, {}});
  }
  // Inserts these before all others, in this order.
  void addFirst(const std::vector<std::pair<unsigned, Request>>& requests) {
    for (size_t i = requests.size(); i > 0; i--) {
      bytes_ += messageBytes(requests[i - 1].second);
      entries_.push_front({requests[i - 1].first, requests[i - 1].second, {}});
    }
  }
  // Calls `then` when all current entries have been sent.
  void behind(std::function<void()> then) { entries_.push_back({0, {}, std::move(then)}); }

  // Calls `send(slot, request)` for requests that are no longer held.
  template <class IsHeld, class Send>
  void release(IsHeld&& isHeld, Send&& send) {
    std::deque<Entry> entries = std::exchange(entries_, {});
    std::deque<Entry> kept;
    for (Entry& entry : entries) {
      const bool stays = entry.then ? !kept.empty() : isHeld(entry.slot);
      if (stays) {
        kept.push_back(std::move(entry));
      } else if (entry.then) {
        entry.then();
      } else {
        bytes_ -= messageBytes(entry.request);
        send(entry.slot, entry.request);
      }
    }
    // New entries follow those that stay.
    for (Entry& entry : entries_) kept.push_back(std::move(entry));
    entries_ = std::move(kept);
  }

 private:
  struct Entry {
    unsigned slot;
    Request request;
    std::function<void()> then;  // in place of a request
  };

  const size_t recordsMax_;
  const size_t bytesMax_;
  std::deque<Entry> entries_;
  size_t bytes_ = 0;
};

}  // namespace rally
