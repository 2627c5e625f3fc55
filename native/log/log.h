// The log of a data directory: all durable data are records of it (docs/log.md).
//
//   worker 0 --Appender--.
//   worker 1 --Appender--+--> writer thread --> one write and one sync for all --> each worker's committed()
//   worker N --Appender--'
//
//   openLog()   locks the directory, finds the segments
//   recover()   gives each live record to the visitor, in log order, and reports damage
//   start()     starts the writer; from now on appenders and readers may be used
//   close()     commits everything that was flushed, and marks the end
//
// openLog() to start(), and close(), belong to one thread. An Appender belongs to its worker's thread, a Reader to the
// thread that created it; there may be any number of readers. state() and committed() are for all threads.
//
// A log with Durability::memory has no directory: it commits immediately and keeps nothing. Its use is the same.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../structures/histogram.h"
#include "appender.h"
#include "record-frame.h"

namespace rally::log {

class Replica;

// When a record counts as committed.
enum class Durability : uint8_t {
  memory,  // immediately
  os,      // written: it survives the process, not the machine
  fsync,   // on the disk: it survives a power failure
};

enum class State : uint8_t {
  open,
  scarce,  // the disk is nearly full (softFreeBytesMin): continue, with a warning
  full,    // refuse whatever needs space (hardFreeBytesMin); ends, cursors and reading continue. Recovers by itself
  failed,  // the disk has failed: nothing will ever be committed again
};

struct Options {
  std::string directory;  // created with mode 0700 if missing
  bool isLocked = false;  // by the caller, with a DirectoryLock
  Durability durability = Durability::fsync;
  unsigned workers = 1;
  uint32_t segmentBytes = 64u << 20;
  size_t pendingBytesMax = size_t(32) << 20;  // per worker
  // Copies sparse segments forward. Not for logs whose order matters: those free space with dropBefore().
  bool copiesForward = true;
  bool setsAside = true;                          // damaged bytes, in separate files
  bool isReplicated = false;                      // what is committed is also stored elsewhere (replica.h)
  uint64_t softFreeBytesMin = uint64_t(1) << 30;  // but at most 5 % of the disk ...
  uint64_t hardFreeBytesMin = 256u << 20;         // ... and 2 %
};

// A record found in the log. The body is valid during the call.
struct Found {
  Position position;  // its name
  Kind kind{};
  uint8_t version = 0;
  Bytes body;
};

// Something that can no longer be read. Bytes that may be part of a record are set aside in a file of their own.
struct Damage {
  enum class What : uint8_t {
    bytes,           // a part of a segment
    segmentHeader,   // the first page of a segment; the rest was read
    segmentMissing,  // the file is missing, with everything in it
    groupsMissing,   // groups of records missing between two that exist
    foreign,         // the file belongs to another log
    unreadable,      // pages of a segment for which the disk returns an error
  };

  What what{};
  Position at;
  uint64_t bytes = 0;      // if known
  uint64_t groups = 0;     // if known
  std::string setAside{};  // the file with the bytes; empty: none
  bool isKnown = false;    // an earlier start has already set it aside and reported it
};

// Groups that were being written when the process or machine stopped. None was committed, so this is not damage.
struct TornTail {
  Position at;
  uint64_t bytes = 0;
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  // Gets each live record once, and perhaps dead ones that are still on the disk, in log order. Exception: records that
  // were copied to reclaim space come later than their position says. Whatever is ordered by position (the messages of
  // a topic) has to be sorted by it. Of two records that set the same thing, the one visited later is valid.
  virtual void record(const Found& found) = 0;
  // A record that will come soon, unless it is one of a few special ones.
  virtual void soon(const Found& found) { (void)found; }
  virtual void damage(const Damage& damage) = 0;
  virtual void tornTail(const TornTail&) {}
  virtual void progress(uint64_t bytesDone, uint64_t bytesTotal) { (void)bytesDone, (void)bytesTotal; }
};

struct OpenFault {
  enum class Code : uint8_t {
    none,
    held,         // another process holds it: `detail` has its identity, host and start time
    newerFormat,  // `detail`: the version
    notUsable,    // `detail`: the system's error
  };

  Code code = Code::none;
  std::string detail;
};

// Weaknesses of a directory.
enum class Warning : uint8_t { none, memoryFileSystem, networkFileSystem, overlayFileSystem };

struct Figures {
  uint64_t segments = 0;
  uint64_t bytes = 0;      // of segments, including spare ones
  uint64_t usedBytes = 0;  // of segments, up to the end of what was written: what a start has to read
  uint64_t liveBytes = 0;  // of records
  uint64_t liveRecords = 0;
  uint64_t freeBytes = 0;                                                           // of the disk
  uint64_t committedRecords = 0, committedGroups = 0, writtenBytes = 0, syncs = 0;  // since the start
  uint64_t copiedBytes = 0;
};

enum class ReadStatus : uint8_t { found, gone, damaged };

// Reads records by name. It keeps the block that it read last, so reading in the order of positions is cheap.
class Reader {
 public:
  virtual ~Reader() = default;
  // `found` is valid until the next read. `gone`: the record is dead, or never existed.
  virtual ReadStatus read(Position position, Found& found) = 0;
  // What was found is not needed any more: frees the memory that only a large record takes.
  virtual void trim() {}
};

class Log {
 public:
  virtual ~Log() = default;

  // Whether there is anything to read.
  virtual bool isKeeping() const = 0;
  // Limitations in this directory, and their reasons.
  virtual Warning warning() const { return Warning::none; }
  // 128 random bits, constant for the lifetime of the directory.
  virtual LogId identity() const = 0;

  // Gives the existing records to the visitor. For those it finds dead, the visitor may call release() and supersede()
  // below, immediately or after it has seen all.
  virtual void recover(Visitor& visitor) = 0;
  virtual void release(Position dead) = 0;
  virtual void supersede(Position dead, Position by) = 0;

  // Called by the writer's thread when the state changes, with a text for people. Set it before start().
  virtual void onState(std::function<void(State state, const std::string& why)> told) = 0;
  virtual void start() = 0;
  virtual void close() = 0;
  // After close(), when there was no room for everything: removes what was written since start(), as far as possible.
  virtual void takeBack() {}

  State state() const { return state_.load(std::memory_order_acquire); }
  // nullptr: not replicated. It may outlive the log.
  const std::shared_ptr<Replica>& replica() const { return replica_; }
  Appender& appender(unsigned worker) { return *appenders_[worker]; }
  virtual std::unique_ptr<Reader> makeReader() = 0;
  virtual Figures figures() const = 0;
  // How long groups of records take until they are written and, with Durability::fsync, synced.
  const Latencies& commitTimes() const { return commitTimes_; }

 protected:
  std::atomic<State> state_{State::open};
  std::shared_ptr<Replica> replica_;
  Latencies commitTimes_;
  std::vector<std::unique_ptr<Appender>> appenders_;
};

// nullptr: `fault` has the reason.
std::unique_ptr<Log> openLog(const Options& options, OpenFault& fault);

}  // namespace rally::log
