#include "memory-log.h"

#include "../structures/hash.h"

namespace rally::log {

namespace {

class NothingToRead final : public Reader {
 public:
  ReadStatus read(Position, Found&) override { return ReadStatus::gone; }
};

}  // namespace

MemoryLog::MemoryLog(const Options& options) : id_{randomSeed(), randomSeed()} {
  for (unsigned worker = 0; worker < options.workers; worker++) {
    appenders_.push_back(std::make_unique<Appender>(worker, nullptr, options.pendingBytesMax));
  }
}

std::unique_ptr<Reader> MemoryLog::makeReader() { return std::make_unique<NothingToRead>(); }

}  // namespace rally::log
