// A log that keeps nothing: everything flushed is committed immediately, and there is nothing to read.
#pragma once
#include "log.h"

namespace rally::log {

class MemoryLog final : public Log {
 public:
  explicit MemoryLog(const Options& options);

  bool isKeeping() const override { return false; }
  LogId identity() const override { return id_; }
  void recover(Visitor&) override {}
  void release(Position) override {}
  void supersede(Position, Position) override {}
  void onState(std::function<void(State, const std::string&)>) override {}
  void start() override {}
  void close() override {}
  std::unique_ptr<Reader> makeReader() override;
  Figures figures() const override { return {}; }

 private:
  const LogId id_;
};

}  // namespace rally::log
