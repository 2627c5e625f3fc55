// The log in a directory: combines its parts. See log.h for its use.
#pragma once
#include <thread>

#include "directory-lock.h"
#include "recovery.h"
#include "writer.h"

namespace rally::log {

class DiskLog final : public Log {
 public:
  // look() must have been called for the disk's directory.
  DiskLog(const Options& options, std::unique_ptr<Disk> disk, std::unique_ptr<DirectoryLock> lock, Warning warning);
  ~DiskLog() override;

  // Whether the existing log can be used.
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
  void takeBack() override;
  std::unique_ptr<Reader> makeReader() override;
  Figures figures() const override { return writer_.figures(); }

  // For tests, without a thread: start() apart from the thread, and the thread's steps.
  bool begin(uint64_t nowMs);
  Writer& writer() { return writer_; }
  Position locate(Position name) const { return space_.locate(name).at; }

 private:
  void run();

  const Options options_;
  const std::unique_ptr<DirectoryLock> lock_;  // released last
  const std::unique_ptr<Disk> disk_;
  const Warning warning_;
  LogId id_{};
  Space space_;
  Recovery recovery_;
  uint32_t firstSegment_ = 0;  // since start()
  Inbox inbox_;
  Health health_;
  Writer writer_;
  std::thread thread_;
};

}  // namespace rally::log
