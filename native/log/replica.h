// The second copy of a log, stored elsewhere: its groups of records as a stream of chunks. A record counts as committed
// when it is stored there too.
//
//   writer thread --add()-->  bytes_ [ group | group | group ... ]  --take()--> chunks --> whoever stores them
//                             groups_  the waiting commits                       stored(n): the first n of them are
//
// A chunk consists of whole groups, or is part of a large one:
//
//    0  format     u8
//    1  flags      u8
//    2  zeros      u16
//    4  checksum   u32   CRC-32C of what follows
//    8  owner      u64   of the log that wrote it: the first half of its identity
//   16  end        u64   where its last group ends in that log; 0: the chunk ends within one
//   24  number     u64   from 0, in this run; the first one has no records, and marks the beginning of a run
//   32  records          as in a batch
//
// add() and dropBefore() are called by the writer; take(), stored() and droppable() by the thread that stores.
// figures(), isBehind() and what is about checkpoints are for any thread.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "appender.h"
#include "record-frame.h"

namespace rally::log {

struct ChunkHead {
  enum Flag : uint8_t {
    endsGroup = 1,  // its last record is the last of a group: records that belong together are complete
    beginsRun = 2,  // a log was opened that continues the previous data
    beginsLog = 4,  // with beginsRun: the log was empty before
  };

  uint8_t format = 0;
  uint8_t flags = 0;
  uint16_t zeros = 0;
  uint32_t checksum = 0;
  uint64_t owner = 0;
  uint64_t end = 0;
  uint64_t number = 0;

  static constexpr uint8_t currentFormat = 1;
  static constexpr size_t bytes = 32;
  static constexpr size_t checkedFrom = 8;

  // False: not a chunk, damaged, or of a newer format.
  static bool read(Bytes chunk, ChunkHead& head, Bytes& records) {
    if (chunk.size() < bytes) return false;
    std::memcpy(&head, chunk.data(), sizeof head);
    records = chunk.subspan(bytes);
    return head.format == currentFormat && head.checksum == crc32c(chunk.subspan(checkedFrom));
  }
};
static_assert(sizeof(ChunkHead) == ChunkHead::bytes);

class Replica {
 public:
  using Appenders = std::vector<std::unique_ptr<Appender>>;
  struct Commit {
    unsigned worker = 0;
    std::vector<Placement> placements;
  };
  struct Figures {
    uint64_t waitingBytes = 0;  // committed here, but not stored there
    uint64_t waitingMs = 0;     // the oldest of them
    uint64_t storedChunks = 0;
  };

  // If more bytes than this wait, messages that would have to be stored are refused.
  static constexpr uint64_t behindBytes = 16u << 20;
  // NATS works best with frames of some ten KiB, and allows at most 1 MiB.
  static constexpr size_t chunkBytesMax = 128u << 10;

  // Appenders live until close().
  Replica(const LogId& log, Appenders& appenders) : owner_(log[0]), appenders_(&appenders) {}

  // Called from the writer's thread when there is a chunk after an unsuccessful take(). From any thread.
  void onChunk(std::function<void()> ring) {
    const std::lock_guard lock(mutex_);
    ring_ = std::move(ring);
  }
  uint64_t owner() const { return owner_; }
  // Before the first take(). `isEmpty`: the log was empty before.
  void begin(bool isEmpty) { isEmpty_ = isEmpty; }

  // A group committed here. `end`: where the log continues.
  void add(const std::vector<Bytes>& batches, std::vector<Commit> commits, Position end, uint64_t nowMs);
  // Nothing before this position is needed any longer.
  void dropBefore(Position first);

  // The next chunk; false: none at present.
  bool take(std::vector<uint8_t>& chunk);
  // The first `chunks` of this run are stored.
  void stored(uint64_t chunks);
  // This many of the first chunks of this run are no longer needed.
  uint64_t droppable() const { return droppable_.load(std::memory_order_relaxed); }

  Figures figures(uint64_t nowMs) const;
  // What is stored has lost its beginning: the next checkpoint, which repeats it, is due however small the log is.
  void wantCheckpoint() { isCheckpointWanted_.store(true, std::memory_order_relaxed); }
  bool takeCheckpointWanted() { return isCheckpointWanted_.exchange(false, std::memory_order_relaxed); }

  // Heap bytes of the records that are not taken yet.
  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_.capacity();
  }

  bool isBehind() const { return isBehind_.load(std::memory_order_relaxed); }

  // The log is closed: no commit waits any longer. The remaining chunks can still be taken.
  void close();

 private:
  struct Group {
    uint64_t to = 0;  // of all bytes
    Position end;
    uint64_t addedMs = 0;
    std::vector<Commit> commits;
  };
  struct TakenChunk {
    uint64_t number = 0;
    uint64_t to = 0;
    Position end;  // none: within a group
  };

  void head(std::vector<uint8_t>& chunk, uint8_t flags, Position end);
  void noteWaiting();

  const uint64_t owner_;
  bool isEmpty_ = false;
  std::function<void()> ring_;
  mutable std::mutex mutex_;
  Appenders* appenders_;
  std::vector<uint8_t> bytes_;  // from taken_ on, after the first gone_
  size_t gone_ = 0;
  uint64_t added_ = 0;
  uint64_t taken_ = 0;
  uint64_t stored_ = 0;
  std::deque<Group> groups_;       // not stored yet
  size_t groupsTaken_ = 0;         // of those
  std::deque<TakenChunk> chunks_;  // not stored yet ...
  std::deque<TakenChunk> kept_;    // ... and stored, but not droppable
  uint64_t chunksTaken_ = 0;
  uint64_t chunksStored_ = 0;
  bool isAsleep_ = false;
  std::atomic<uint64_t> droppable_{0};
  std::atomic<bool> isBehind_{false};
  std::atomic<bool> isCheckpointWanted_{false};
};

}  // namespace rally::log
