// A log created from the second copy of another one (log/replica.h): the same records in their own directory.
//
//   open()  mark(), stored behind the copy: from then on this log continues it  take(chunk) ...  finish()
//
// Records that belong together are written completely or not at all: the copy may end within a group. It may also have
// lost its beginning, as whoever keeps it has been told to drop what a checkpoint repeats: isWhole() says.
#pragma once
#include <chrono>
#include <thread>

#include "../log/log.h"
#include "../log/replica.h"
#include "records.h"

namespace rally {

class LogCopy : private log::Visitor {
 public:
  // nullptr: `fault` has the reason.
  static std::unique_ptr<LogCopy> open(const std::string& directory, log::OpenFault& fault) {
    log::Options options;
    options.directory = directory;
    options.copiesForward = false;
    std::unique_ptr<log::Log> log = log::openLog(options, fault);
    if (!log) return nullptr;
    return std::unique_ptr<LogCopy>(new LogCopy(std::move(log)));
  }
  LogCopy(const LogCopy&) = delete;
  LogCopy& operator=(const LogCopy&) = delete;

  // A chunk that marks that this log continues.
  std::vector<uint8_t> mark() const {
    log::Replica::Appenders nobody;
    log::Replica replica(log_->identity(), nobody);
    std::vector<uint8_t> chunk;
    replica.take(chunk);
    return chunk;
  }

  // False: the chunk is damaged, or the disk has failed or is full.
  bool take(Bytes chunk) {
    log::ChunkHead head;
    Bytes records;
    if (!log::ChunkHead::read(chunk, head, records)) return false;
    using Flag = log::ChunkHead::Flag;
    if ((head.flags & Flag::beginsRun) != 0) group_.clear();  // an earlier copy was not finished
    if ((head.flags & Flag::beginsLog) != 0) isWhole_ = true;
    group_.insert(group_.end(), records.begin(), records.end());
    if ((head.flags & Flag::endsGroup) == 0) return true;
    const bool isAppended = append(Bytes(group_));
    group_.clear();
    return isAppended && makeRoom(pendingBytesMax);
  }
  // Nothing is missing before what was taken: it began with an empty log, or a checkpoint is in it.
  bool isWhole() const { return isWhole_; }
  // Everything is on the disk, and the directory is free: the copy is of no more use. False: the disk has failed or is
  // full.
  bool finish() {
    const bool isWritten = makeRoom(0);
    log_.reset();
    return isWritten;
  }

 private:
  static constexpr size_t pendingBytesMax = 4u << 20;

  explicit LogCopy(std::unique_ptr<log::Log> log) : log_(std::move(log)) {
    log_->recover(*this);
    log_->start();
  }
  // The directory is new.
  void record(const log::Found&) override {}
  void damage(const log::Damage&) override {}

  bool append(Bytes records) {
    log::Appender& appender = log_->appender(0);
    while (!records.empty()) {
      if (records.size() < log::recordHeadBytes) return false;
      const log::RecordHead head = log::RecordHead::at(records.data());
      const size_t bytes = log::framedBytes(head.bodyBytes);
      if (bytes > records.size() || head.version != log::recordVersion) return false;
      if (head.kind == records::CheckpointBegin::kind) hasBegun_ = true;
      if (head.kind == records::CheckpointEnd::kind && hasBegun_) isWhole_ = true;
      appender.append(head.kind, records.subspan(log::recordHeadBytes, head.bodyBytes));
      records = records.subspan(bytes);
    }
    appender.flush();
    return true;
  }
  bool makeRoom(size_t pendingBytes) {
    log::Appender& appender = log_->appender(0);
    for (log::Placement placement;;) {
      while (appender.next(placement)) {}
      if (appender.pendingBytes() <= pendingBytes) return true;
      if (log_->state() >= log::State::full) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::unique_ptr<log::Log> log_;
  std::vector<uint8_t> group_;  // the group in progress
  bool hasBegun_ = false;       // a checkpoint
  bool isWhole_ = false;
};

}  // namespace rally
