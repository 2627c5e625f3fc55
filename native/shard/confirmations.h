// Acknowledgements of a shard in a cluster with logs. They wait until all workers with durable sessions for the
// message have it in their logs.
//
//   begin()               -> token        of the message
//   expect(token, worker)                 it goes there, to be stored
//   finish(token, who asked)              no further workers
//   takeLater(token, worker)              it will be stored there, with a session that is on its way to that worker
//   take(token, worker) ...               it is stored there: the last one answers
//
//   entries_   [ done ][ 2 later ][ done ][ behind ][ 1 awaited ][ behind ]      first_: the token of the first one
//                                                   ^ open_: all entries before it are settled
//
// An entry that is done is answered at once, whatever precedes it. A `behind` entry waits for everything before it, but
// not for messages that are stored later: a session arrives only after its old worker has got its `behind` answer.
#pragma once
#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "../lanes/deliveries.h"
#include "../messages/source.h"

namespace rally {

class Confirmations {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    // All workers have stored it; with an error, one could not.
    virtual void acknowledgeStored(unsigned worker, const Source& source, Reason reason) = 0;
    // A `behind` entry: everything before it is stored now.
    virtual void answerStored(unsigned worker, const ShardRecord& record) = 0;
  };

  explicit Confirmations(Outlet& outlet) : outlet_(outlet) {}

  // What is asked for now is behind nothing.
  bool isOpen() const { return open_ == entries_.size(); }

  // Never 0.
  uint32_t begin() {
    if (first_ + uint32_t(entries_.size()) == 0) entries_.push_back({.isDone = true});  // that token is none
    entries_.emplace_back();
    return first_ + uint32_t(entries_.size()) - 1;
  }
  void expect(uint32_t token, unsigned worker) { find(token)->awaited.push_back(uint8_t(worker)); }
  void finish(uint32_t token, unsigned worker, const Source& source, Reason reason) {
    Entry& entry = *find(token);
    entry.worker = uint8_t(worker);
    entry.source = source;
    entry.reason = reason;
    entry.isFinished = true;
    settle(entry);
    pop();
  }
  void behind(unsigned worker, const ShardRecord& record) {
    entries_.push_back({.worker = uint8_t(worker), .isBehind = true, .record = record});
  }

  // Whether the worker has not said yet what has become of it.
  bool awaits(uint32_t token, unsigned worker) {
    const Entry* entry = token == 0 ? nullptr : find(token);
    return entry && std::find(entry->awaited.begin(), entry->awaited.end(), worker) != entry->awaited.end();
  }
  void takeLater(uint32_t token, unsigned worker) {
    Entry* entry = find(token);
    if (!entry) return;
    const auto found = std::find(entry->awaited.begin(), entry->awaited.end(), worker);
    if (found == entry->awaited.end()) return;
    *found |= isLater;
    pop();
  }
  void take(uint32_t token, unsigned worker, bool isRefused) {
    Entry* entry = find(token);
    if (!entry) return;
    std::vector<uint8_t>& awaited = entry->awaited;
    auto found = std::find(awaited.begin(), awaited.end(), worker);
    if (found == awaited.end()) found = std::find(awaited.begin(), awaited.end(), worker | isLater);
    if (found == awaited.end()) return;
    awaited.erase(found);
    if (isRefused) entry->reason = Reason::quotaExceeded;
    settle(*entry);
    pop();
  }
  // The worker is gone for good, and what it had with it; with `isKept` others have what was confirmed, and whoever has
  // published what was not learns that. So does who has published for a session that was on its way there: it stays
  // where it was, without the message. Its own questions need no answer: another worker may get its number.
  void onGone(unsigned worker, bool isKept) {
    for (Entry& entry : entries_) {
      if (entry.worker == worker) forget(entry);
      const auto isThere = [&](uint8_t each) { return (each & ~isLater) == worker; };
      const auto wasLater = [&](uint8_t each) { return each == (worker | isLater); };
      const bool isForComing = std::any_of(entry.awaited.begin(), entry.awaited.end(), wasLater);
      if (std::erase_if(entry.awaited, isThere) == 0) continue;
      if (isKept || isForComing) entry.reason = Reason::quotaExceeded;
      settle(entry);
    }
    pop();
  }

 private:
  static constexpr uint8_t isLater = 0x80;  // beside the number of a worker
  static_assert(workersMax <= isLater);

  struct Entry {
    uint8_t worker = 0;  // who asked
    Reason reason = Reason::success;
    bool isFinished = false;
    bool isDone = false;
    bool isBehind = false;
    Source source = {};
    std::vector<uint8_t> awaited = {};
    ShardRecord record = {};  // of one that is behind

    bool holdsUp() const {
      if (isDone || isBehind) return false;
      return !isFinished || std::any_of(awaited.begin(), awaited.end(), [](uint8_t each) { return each < isLater; });
    }
  };

  Entry* find(uint32_t token) {
    const uint32_t index = token - first_;
    return index < entries_.size() ? &entries_[index] : nullptr;
  }
  static void forget(Entry& entry) {
    entry.source = {};
    if (!std::exchange(entry.isBehind, false)) return;
    entry.isDone = true;
    discard(entry.record);
  }
  void settle(Entry& entry) {
    if (entry.isDone || !entry.isFinished || !entry.awaited.empty()) return;
    entry.isDone = true;
    outlet_.acknowledgeStored(entry.worker, entry.source, entry.reason);
  }
  void pop() {
    while (open_ < entries_.size() && !entries_[open_].holdsUp()) {
      Entry& entry = entries_[open_++];
      if (!entry.isBehind) continue;
      entry.isBehind = false;
      entry.isDone = true;
      outlet_.answerStored(entry.worker, ShardRecord(entry.record));
    }
    for (; !entries_.empty() && entries_.front().isDone; open_--) {
      entries_.pop_front();
      first_++;
    }
  }

  Outlet& outlet_;
  std::deque<Entry> entries_;
  uint32_t first_ = 1;
  size_t open_ = 0;
};

}  // namespace rally
