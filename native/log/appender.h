// One worker's access to the log. It belongs to that worker's thread; only committed() may be read by others.
//
//   append() ... append()  release() ...  flush()  ==>  the writer thread  ==>  committed() moves, the bell is rung
//      into the open batch                 once a turn of the worker's loop          next() tells where each run lies
//
//   batch   [ record | record | record ... ]  and which records are dead from here on
//
// Records are committed in the order in which they were appended, and those of a batch all together or not at all. So
// records that belong together are appended between two flushes.
#pragma once
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "../structures/bytes.h"
#include "../structures/unfilled.h"
#include "position.h"
#include "record-kind.h"

namespace rally::log {

// Of a body: the largest PUBLISH of MQTT, plus some bytes for the fields added to it.
inline constexpr size_t recordBytesMax = size_t(257) << 20;
inline constexpr size_t largeBatchBytes = 128 * 1'024;

// A dead record, and the record that replaces or ends it.
struct Ending {
  enum class Name : uint8_t { none, position, ticket, allBefore };

  Name deadName = Name::none;
  Name byName = Name::none;
  uint64_t dead = 0;
  uint64_t by = 0;
};

struct Batch {
  UnfilledBytes records;
  std::vector<Ending> endings;
  Ticket from;                   // of the first record
  uint64_t placementsTaken = 0;  // the worker's count when it handed over the batch

  bool isEmpty() const { return records.empty() && endings.empty(); }
};

// Where batches go: to the writer, or nowhere.
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  // Takes the contents of the batch and leaves an empty one, with memory to reuse if available.
  virtual void take(unsigned worker, Batch& batch) = 0;
};

class Appender {
 public:
  // Without a sink everything is committed as soon as it is flushed, and nothing is kept.
  Appender(unsigned worker, BatchSink* sink, size_t pendingBytesMax)
      : worker_(worker), sink_(sink), pendingBytesMax_(pendingBytesMax) {}
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Called by the writer's thread after each commit, once committed() has moved. The bell has to decide whether the
  // worker needs waking (lanes/doorbell.h does). Set it before the log is started.
  void onCommit(void (*ring)(void* context), void* context) {
    ring_ = ring;
    ringContext_ = context;
  }

  // Adds a record with a body of this many bytes, which the caller fills in before it calls anything else here. It
  // never fails: callers check isFull() before they accept anything that becomes a record (as with a crowded lane).
  // Records that end something or advance a cursor are always appended, since they free space.
  std::span<uint8_t> append(Kind kind, size_t bodyBytes, Ticket& ticket);
  Ticket append(Kind kind, Bytes body) {
    Ticket ticket;
    const std::span<uint8_t> space = append(kind, body.size(), ticket);
    if (!body.empty()) std::memcpy(space.data(), body.data(), body.size());
    return ticket;
  }

  // The limit of pending bytes is reached (logPendingBytesMax): accept nothing more that must be logged.
  bool isFull() const { return pendingBytes() >= pendingBytesMax_; }
  size_t pendingBytes() const { return size_t(next_.value - committed_.load(std::memory_order_relaxed)); }

  // The record is dead: it will not be read, and has no effect at the next start, whether its bytes still exist or
  // not (a message that all cursors have passed; a cursor replaced by a later one).
  void release(Position dead) { end({Ending::Name::position, Ending::Name::none, dead.value, 0}); }
  // The same for a record of this worker whose position next() has not returned yet.
  void release(Ticket dead) { end({Ending::Name::ticket, Ending::Name::none, dead.value, 0}); }
  // The record is dead because `by` replaces or ends it (a newer retained message of the topic, the end of a session).
  // The log keeps `by` for as long as bytes of the dead record are on the disk, so that it cannot reappear at a start,
  // even when `by` itself is superseded or released. Call it in the turn in which `by` is appended, before flush().
  void supersede(Position dead, Ticket by) {
    end({Ending::Name::position, Ending::Name::ticket, dead.value, by.value});
  }
  void supersede(Ticket dead, Ticket by) { end({Ending::Name::ticket, Ending::Name::ticket, dead.value, by.value}); }

  // All records in the segments before that of this position are dead: a checkpoint that begins there repeats
  // everything.
  void dropBefore(Position first) { end({Ending::Name::allBefore, Ending::Name::none, first.value, 0}); }

  // Hands over everything appended since the last call as one batch. Call it at the end of each turn of the worker's
  // loop.
  void flush();
  // Between records that do not belong together: hands over the batch if it is large enough for the writer to start on
  // it.
  void flushIfLarge() {
    if (isLarge()) flush();
  }
  bool isLarge() const { return open_.records.size() >= largeBatchBytes; }

  // The next ticket to be assigned.
  Ticket nextTicket() const { return next_; }
  // All records with lower tickets are as safe as the durability promises. One atomic load, from any thread.
  Ticket committed() const { return {committed_.load(std::memory_order_acquire)}; }
  bool isCommitted(Ticket ticket) const { return ticket < committed(); }

  // Where a record of this worker is stored; none if it is not committed, or before the forgotten ones. From any
  // thread.
  Position positionOf(Ticket ticket) const;
  // From any thread: nothing before this will be requested.
  void forgetBefore(Position first);

  // The next run of committed records, in order; false if there is none yet. Take all of them in each turn, since they
  // use memory.
  bool next(Placement& placement);

  // The writer's thread: these runs are committed.
  void commit(std::span<const Placement> placements, Ticket upTo);

 private:
  void keep(const Placement& placement);
  void end(Ending ending) {
    if (sink_) open_.endings.push_back(ending);
  }

  const unsigned worker_;
  BatchSink* const sink_;
  const size_t pendingBytesMax_;
  void (*ring_)(void*) = nullptr;
  void* ringContext_ = nullptr;

  Batch open_;
  Ticket next_;  // of the record to be appended next
  std::vector<Placement> taken_;
  size_t takenAt_ = 0;
  uint64_t placementsTaken_ = 0;

  alignas(64) std::atomic<uint64_t> committed_{0};
  mutable std::mutex placementsMutex_;
  std::vector<Placement> placements_;  // not returned by next() yet
  std::deque<Placement> placed_;       // for positionOf(); adjacent runs are merged
  std::atomic<bool> hasPlacements_{false};
};

}  // namespace rally::log
