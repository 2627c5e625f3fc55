#include "log.h"
#include "memory-log.h"

namespace rally::log {

std::unique_ptr<Log> openLog(const Options& options, OpenFault& fault) {
  if (options.durability == Durability::memory) return std::make_unique<MemoryLog>(options);
  fault = {OpenFault::Code::notUsable, "a log on a disk is not built in yet"};
  return nullptr;
}

}  // namespace rally::log
