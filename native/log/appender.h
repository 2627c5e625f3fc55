// One worker's way into the log. It belongs to that worker's thread; only committed() may be read by others too.
//
//   append() ... append()  release() ...  flush()  ==>  the writer thread  ==>  committed() moves, the bell is rung
//      into the open batch                 once a turn of the worker's loop          next() tells where each run lies
//
//   batch   [ record | record | record ... ]  and what of the log is dead from here on
//
// Records are committed in the order in which they were appended, and those of a batch together or not at all: what
// belongs together is appended between two flushes, each part as a record with a life of its own.
#pragma once
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "../structures/bytes.h"
#include "position.h"
#include "record-kind.h"

namespace rally::log {

// Of a body: the largest PUBLISH of MQTT, and what is added to it.
inline constexpr size_t recordBytesMax = size_t(257) << 20;
inline constexpr size_t largeBatchBytes = 128 * 1'024;

// What is dead, and which record says so.
struct Ending {
  enum class Name : uint8_t { none, position, ticket, allBefore };

  Name deadName = Name::none;
  Name byName = Name::none;
  uint64_t dead = 0;
  uint64_t by = 0;
};

struct Batch {
  std::vector<uint8_t> records;
  std::vector<Ending> endings;
  Ticket from;                   // of its first record
  uint64_t placementsTaken = 0;  // of the worker, when it handed the batch over

  bool isEmpty() const { return records.empty() && endings.empty(); }
};

// Where batches go: the writer, or nowhere.
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  // Takes what is in the batch and leaves an empty one, with memory to use again if there is some.
  virtual void take(unsigned worker, Batch& batch) = 0;
};

class Appender {
 public:
  // Without a sink everything is committed as soon as it is flushed, and nothing is kept.
  Appender(unsigned worker, BatchSink* sink, size_t pendingBytesMax)
      : worker_(worker), sink_(sink), pendingBytesMax_(pendingBytesMax) {}
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Called by the writer's thread after committed() has moved, once a commit. What it rings must decide by itself
  // whether the worker sleeps (lanes/doorbell.h does). Set it before the log is started.
  void onCommit(void (*ring)(void* context), void* context) {
    ring_ = ring;
    ringContext_ = context;
  }

  // A new record with a body of so many bytes, which the caller fills in at once, before it calls anything else here.
  // It never fails: whoever takes in what becomes a record asks isFull() before (as with a lane that is crowded).
  // Records that end something or move a cursor are appended in any case, since they make room.
  std::span<uint8_t> append(Kind kind, size_t bodyBytes, Ticket& ticket);
  Ticket append(Kind kind, Bytes body) {
    Ticket ticket;
    const std::span<uint8_t> space = append(kind, body.size(), ticket);
    if (!body.empty()) std::memcpy(space.data(), body.data(), body.size());
    return ticket;
  }

  // As much is pending as may be (logPendingBytesMax): take in nothing more that has to be logged.
  bool isFull() const { return pendingBytes() >= pendingBytesMax_; }
  size_t pendingBytes() const { return size_t(next_.value - committed_.load(std::memory_order_relaxed)); }

  // The record is dead: nobody will read it, and it means nothing at the next start either, whether its bytes are still
  // there or not (a message that all cursors have passed; a cursor that a later one replaces).
  void release(Position dead) { end({Ending::Name::position, Ending::Name::none, dead.value, 0}); }
  // The same for a record of this worker whose position has not been told yet by next().
  void release(Ticket dead) { end({Ending::Name::ticket, Ending::Name::none, dead.value, 0}); }
  // The record is dead because `by` replaces or ends it (a new retained message of the topic, a session's end). The log
  // keeps `by` for as long as bytes of what it ended are on the disk, so that these cannot come back at a start, also
  // when `by` is itself superseded or released. Call it in the turn in which `by` is appended: not after a flush().
  void supersede(Position dead, Ticket by) {
    end({Ending::Name::position, Ending::Name::ticket, dead.value, by.value});
  }
  void supersede(Ticket dead, Ticket by) { end({Ending::Name::ticket, Ending::Name::ticket, dead.value, by.value}); }

  // All records in the segments before that of this position are dead: a checkpoint that begins there says everything
  // again.
  void dropBefore(Position first) { end({Ending::Name::allBefore, Ending::Name::none, first.value, 0}); }

  // Hands over what has been appended: one batch. At the end of each turn of the worker's loop.
  void flush();
  // Between things that do not belong together: hands over a batch that is large enough for the writer to begin with.
  void flushIfLarge() {
    if (open_.records.size() >= largeBatchBytes) flush();
  }

  // The ticket that comes next.
  Ticket nextTicket() const { return next_; }
  // All records with a ticket below are where the durability says. One atomic load, from any thread.
  Ticket committed() const { return {committed_.load(std::memory_order_acquire)}; }
  bool isCommitted(Ticket ticket) const { return ticket < committed(); }

  // Where a record of this worker lies; none: it is not committed, or lies before what was forgotten. From any thread.
  Position positionOf(Ticket ticket) const;
  // From any thread: nobody will ask for what lies before this.
  void forgetBefore(Position first);

  // The next run of committed records, in order; false: none so far. Take them all in each turn: they take memory.
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
  std::vector<Placement> placements_;  // that next() has not given
  std::deque<Placement> placed_;       // for positionOf(); those that go on where the last ends are one
  std::atomic<bool> hasPlacements_{false};
};

}  // namespace rally::log
