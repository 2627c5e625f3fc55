// The log in a directory: puts its parts together. See log.h for how it is used.
#pragma once
#include <thread>

#include "directory-lock.h"
#include "recovery.h"
#include "writer.h"

namespace rally::log {

class DiskLog final : public Log {
 public:
  // The disk has to be a directory that look() has been asked for.
  DiskLog(const Options& options, std::unique_ptr<Disk> disk, std::unique_ptr<DirectoryLock> lock, Warning warning);
  ~DiskLog() override;

  // Whether the log that is there can be used.
  bool look(OpenFault& fault);

  bool isKeeping() const override { return true; }
  Warning warning() const override { return warning_; }
  LogId identity() const override { return id_; }
  void recover(Visitor& visitor) override;
  void release(Position dead) override { space_.release(dead); }
  void supersede(Position dead, Position by) override { space_.supersede(dead, by); }
  void onState(std::function<void(State, const std::string&)> told) override { health_.onChange(std::move(told)); }
  void start() override;
  void close() override;
  std::unique_ptr<Reader> makeReader() override;
  Figures figures() const override { return writer_.figures(); }

  // Without a thread of its own, for tests: start() but for the thread, and what the thread does.
  bool begin(uint64_t nowMs);
  Writer& writer() { return writer_; }
  Position locate(Position name) const { return space_.locate(name).at; }

 private:
  void run();

  const Options options_;
  const std::unique_ptr<DirectoryLock> lock_;  // let go of last
  const std::unique_ptr<Disk> disk_;
  const Warning warning_;
  LogId id_{};
  Space space_;
  Recovery recovery_;
  Inbox inbox_;
  Health health_;
  Writer writer_;
  std::thread thread_;
};

}  // namespace rally::log
