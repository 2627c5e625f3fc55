// The position from which the log is kept; checkpoints raise it while the workers are at rest. Shared by all workers.
#pragma once
#include <atomic>
#include <cstdint>

namespace rally {

struct LogFloor {
  std::atomic<uint64_t> keptFrom{0};  // the first position kept; UINT64_MAX: a checkpoint has just begun
  std::atomic<bool> isMoving{false};  // records before it are being copied, and still exist
};

}  // namespace rally
