// Up to where the log is given up by checkpoints. Of all workers; it rises while they are at rest.
#pragma once
#include <atomic>
#include <cstdint>

namespace rally {

struct LogFloor {
  std::atomic<uint64_t> keptFrom{0};  // the position of what stays; UINT64_MAX: of a checkpoint that has just begun
  std::atomic<bool> isMoving{false};  // what lies before is being copied, and still there
};

}  // namespace rally
