// The log of a data directory: everything durable is a record of it (DESIGN.md, section 7).
//
//   worker 0 --Appender--.
//   worker 1 --Appender--+--> writer thread --> one write and one sync for all --> each worker's committed()
//   worker N --Appender--'
//
//   openLog()   takes the directory's lock, finds the segments
//   recover()   gives each live record to the visitor, in the order of the log, and says what was damaged
//   start()     the writer runs; appenders and readers may be used from now on
//   close()     everything that was flushed is committed; the end is marked
//
// openLog() to start() and close() are for one thread. An Appender belongs to its worker's thread, a Reader to the
// thread that made it, and there may be any number of readers. state() and committed() are for everybody.
//
// A log of Durability::memory has no directory: it commits at once and keeps nothing. It is used in the same way.
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

// When a record counts as committed.
enum class Durability : uint8_t {
  memory,  // at once
  os,      // written: it outlives the process, not the machine
  fsync,   // on the disk: it outlives a loss of power
};

enum class State : uint8_t {
  open,
  scarce,  // little room is left on the disk (softFreeBytesMin): go on, and warn
  full,  // refuse what would take more of it (hardFreeBytesMin); ends, cursors and reading go on. Comes back by itself
  failed,  // the disk has failed: nothing will be committed any more, for good
};

struct Options {
  std::string directory;  // made with 0700 where it is missing
  Durability durability = Durability::fsync;
  unsigned workers = 1;
  uint32_t segmentBytes = 64u << 20;
  size_t pendingBytesMax = size_t(32) << 20;  // of a worker
  // Sparse segments are copied forward. Not where the order of the log counts: dropBefore() makes room then.
  bool copiesForward = true;
  bool setsAside = true;                          // damaged bytes, in files of their own
  uint64_t softFreeBytesMin = uint64_t(1) << 30;  // but never more than 5 % of the disk ...
  uint64_t hardFreeBytesMin = 256u << 20;         // ... and 2 %
};

// A record as it is found in the log. The body is valid during the call.
struct Found {
  Position position;  // its name
  Kind kind{};
  uint8_t version = 0;
  Bytes body;
};

// What cannot be read any more. Bytes that could be part of a record are set aside in `damaged/`.
struct Damage {
  enum class What : uint8_t {
    bytes,           // a part of a segment
    segmentHeader,   // the first page of a segment; what is behind it was read
    segmentMissing,  // the file is gone, and all that was in it
    groupsMissing,   // groups of records between two that are there
    foreign,         // the file belongs to another log
    unreadable,      // pages of a segment for which the disk gives an error
  };

  What what{};
  Position at;
  uint64_t bytes = 0;      // if known
  uint64_t groups = 0;     // if known
  std::string setAside{};  // the file with the bytes; empty: none
  bool isKnown = false;    // an earlier start has set it aside and reported it
};

// Records that were being written when the process or the machine stopped, none of which was committed: no damage.
struct TornTail {
  Position at;
  uint64_t bytes = 0;
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  // Each live record once, and perhaps dead ones that are still on the disk: in the order of the log but for records
  // that were copied to reclaim space, which come later than their position says. What is ordered by position (the
  // messages of a topic) has to be sorted by it; of two records that set the same thing, the one that comes later here
  // holds.
  virtual void record(const Found& found) = 0;
  virtual void damage(const Damage& damage) = 0;
  virtual void tornTail(const TornTail&) {}
  virtual void progress(uint64_t bytesDone, uint64_t bytesTotal) { (void)bytesDone, (void)bytesTotal; }
};

struct OpenFault {
  enum class Code : uint8_t {
    none,
    held,         // by another process: `detail` says which, where and since when
    newerFormat,  // `detail`: the version
    notUsable,    // `detail`: what the system says
  };

  Code code = Code::none;
  std::string detail;
};

// What a directory can do less well than it should.
enum class Warning : uint8_t { none, memoryFileSystem, networkFileSystem, overlayFileSystem };

struct Figures {
  uint64_t segments = 0;
  uint64_t bytes = 0;      // of segments, with the spare ones
  uint64_t liveBytes = 0;  // of records
  uint64_t liveRecords = 0;
  uint64_t freeBytes = 0;                                                           // of the disk
  uint64_t committedRecords = 0, committedGroups = 0, writtenBytes = 0, syncs = 0;  // since the start
  uint64_t copiedBytes = 0;
};

enum class ReadStatus : uint8_t { found, gone, damaged };

// Reads records by name. It keeps a block of what it read last, so that reading in the order of positions is cheap.
class Reader {
 public:
  virtual ~Reader() = default;
  // `found` is valid until the next read. `gone`: the record is dead, or never was.
  virtual ReadStatus read(Position position, Found& found) = 0;
};

class Log {
 public:
  virtual ~Log() = default;

  // Whether there is anything to read.
  virtual bool isKeeping() const = 0;
  // Where and how it works less well than it should.
  virtual Warning warning() const { return Warning::none; }
  // 128 random bits, the same for as long as there is the directory.
  virtual LogId identity() const = 0;

  // Gives what is there to the visitor, which may call release() and supersede() below for what it finds dead, at once
  // or when it has seen all of it.
  virtual void recover(Visitor& visitor) = 0;
  virtual void release(Position dead) = 0;
  virtual void supersede(Position dead, Position by) = 0;

  // Called from the writer's thread when the state changes, with a text for people. Set it before start().
  virtual void onState(std::function<void(State state, const std::string& why)> told) = 0;
  virtual void start() = 0;
  virtual void close() = 0;

  State state() const { return state_.load(std::memory_order_acquire); }
  Appender& appender(unsigned worker) { return *appenders_[worker]; }
  virtual std::unique_ptr<Reader> makeReader() = 0;
  virtual Figures figures() const = 0;
  // How long groups of records take to the disk: until they are written and, with Durability::fsync, synced.
  const Latencies& commitTimes() const { return commitTimes_; }

 protected:
  std::atomic<State> state_{State::open};
  Latencies commitTimes_;
  std::vector<std::unique_ptr<Appender>> appenders_;
};

// nullptr: `fault` says why.
std::unique_ptr<Log> openLog(const Options& options, OpenFault& fault);

}  // namespace rally::log
