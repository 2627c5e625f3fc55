// A log whose disk is a list of records in memory: what is committed, and when, is for the test to say.
#pragma once
#include <deque>
#include <optional>
#include <vector>

#include <algorithm>

#include "../../native/durable/records.h"
#include "../../native/durable/wall-clock.h"
#include "../../native/log/segment-format.h"

struct KeptDisk {
  struct Record {
    unsigned worker = 0;
    rally::log::Ticket ticket;
    uint64_t position = 0;
    rally::log::Kind kind{};
    std::vector<uint8_t> body;
  };
  struct Batch {
    unsigned worker = 0;
    rally::log::Ticket from;
    rally::log::Ticket upTo;
    std::vector<Record> records;
    uint64_t drops = 0;  // all before this position
  };

  bool commitsAtOnce = true;
  bool failsToRead = false;
  uint64_t reads = 0;
  uint64_t checkpointBytesMin = UINT64_MAX;
  uint64_t freeBytes = UINT64_MAX;
  uint64_t segments = 2;
  std::optional<rally::log::Figures> shown;  // these, whatever there is
  int64_t clockSetMs = 0;                    // by how much the calendar of its machine is wrong
  size_t pendingBytesMax = size_t(1) << 30;
  std::vector<Record> records;                       // committed
  std::deque<std::pair<uint64_t, uint64_t>> groups;  // of those: where each begins, and its bytes
  uint64_t written = 0;
  std::deque<Batch> pending;  // handed over
  rally::log::Log* user = nullptr;

  // Of its machine; nobody sets the real one of this test.
  uint64_t calendarMs() const { return 1'800'000'000'000 + rally::engineClockMs() + uint64_t(clockSetMs); }
  uint64_t bytes() const {
    uint64_t bytes = 0;
    for (const Record& record : records) bytes += record.body.size() + 12;
    return bytes;
  }
  // As on a disk, where each group of records begins on its own page.
  uint64_t usedBytes() const {
    uint64_t bytes = 0;
    for (const auto& [position, used] : groups) bytes += used;
    return bytes;
  }
  // The first batches that wait become safe.
  void commit(size_t batches = SIZE_MAX) {
    for (; batches > 0 && !pending.empty(); batches--) {
      Batch batch = std::move(pending.front());
      pending.pop_front();
      const rally::log::Position at{written + 4};  // a multiple of 4, as on a disk
      const rally::log::Placement placement{batch.from, batch.upTo, at};
      for (Record& record : batch.records) {
        record.position = placement.of(record.ticket).value;
        records.push_back(std::move(record));
      }
      const uint64_t bytes = batch.upTo.value - batch.from.value;
      if (bytes > 0) groups.push_back({at.value, rally::log::pageAligned(rally::log::groupHeaderBytes + bytes)});
      written += bytes;
      std::erase_if(records, [&](const Record& record) { return record.position < batch.drops; });
      while (!groups.empty() && groups.front().first < batch.drops) groups.pop_front();
      user->appender(batch.worker).commit({&placement, 1}, batch.upTo);
    }
  }
  // What is not committed is lost, and what the process still writes.
  void crash() {
    pending.clear();
    user = nullptr;
  }
};

class KeptReader : public rally::log::Reader {
 public:
  explicit KeptReader(KeptDisk& disk) : disk_(disk) {}

  rally::log::ReadStatus read(rally::log::Position position, rally::log::Found& found) override {
    disk_.reads++;
    if (disk_.failsToRead) return rally::log::ReadStatus::damaged;
    const auto record = std::lower_bound(
        disk_.records.begin(), disk_.records.end(), position.value,
        [](const KeptDisk::Record& each, uint64_t asked) { return each.position < asked; });
    if (record == disk_.records.end() || record->position != position.value) return rally::log::ReadStatus::gone;
    body_ = record->body;
    found = {position, record->kind, 1, body_};
    return rally::log::ReadStatus::found;
  }

 private:
  KeptDisk& disk_;
  std::vector<uint8_t> body_;
};

class KeptLog : public rally::log::Log, public rally::log::BatchSink {
 public:
  KeptLog(KeptDisk& disk, unsigned workers) : disk_(disk) {
    for (unsigned worker = 0; worker < workers; worker++)
      appenders_.push_back(std::make_unique<rally::log::Appender>(worker, this, disk.pendingBytesMax));
    disk.user = this;
  }

  void setState(rally::log::State state) { state_.store(state); }

  bool isKeeping() const override { return true; }
  rally::log::LogId identity() const override { return {42, 43}; }
  void recover(rally::log::Visitor& visitor) override {
    for (const KeptDisk::Record& record : disk_.records)
      visitor.record({.position = {record.position}, .kind = record.kind, .version = 1, .body = record.body});
  }
  void release(rally::log::Position) override {}
  void supersede(rally::log::Position, rally::log::Position) override {}
  void onState(std::function<void(rally::log::State, const std::string&)>) override {}
  void start() override {}
  void close() override {
    if (disk_.user == this) disk_.commit();
  }
  std::unique_ptr<rally::log::Reader> makeReader() override { return std::make_unique<KeptReader>(disk_); }
  rally::log::Figures figures() const override {
    if (disk_.shown) return *disk_.shown;
    rally::log::Figures figures;
    figures.segments = disk_.segments;
    figures.usedBytes = disk_.usedBytes();
    figures.liveBytes = disk_.bytes();
    figures.freeBytes = disk_.freeBytes;
    return figures;
  }

  void take(unsigned worker, rally::log::Batch& batch) override {
    KeptDisk::Batch kept{.worker = worker, .from = batch.from, .upTo = batch.from, .records = {}};
    for (std::span<uint8_t> left = batch.records; !left.empty();) {
      const auto head = rally::log::RecordHead::at(left.data());
      const uint8_t* body = left.data() + rally::log::recordHeadBytes;
      kept.records.push_back({worker, kept.upTo, 0, head.kind, {body, body + head.bodyBytes}});
      kept.upTo.value += rally::log::framedBytes(head.bodyBytes);
      left = left.subspan(rally::log::framedBytes(head.bodyBytes));
    }
    for (const rally::log::Ending& ending : batch.endings) kept.drops = ending.dead;
    batch.records.clear();
    batch.endings.clear();
    if (disk_.user != this) return;
    disk_.pending.push_back(std::move(kept));
    if (disk_.commitsAtOnce) disk_.commit();
  }

 private:
  KeptDisk& disk_;
};
