// When free memory is worth returning to the system: otherwise malloc() keeps it for ever.
//
// Checked once a second: after a storm as soon as nothing comes or goes any more, otherwise every ten seconds if there
// is much of it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rally {

class TrimWatch {
 public:
  // `heldBytes`: the current memory of everything that comes and goes. `turnover`: connections opened and closed since
  // the start, each of which takes some uncounted memory. True: return it now.
  bool isDue(uint64_t heldBytes, uint64_t turnover) {
    most_ = std::max(most_, heldBytes);
    const uint64_t freedBytes = most_ - heldBytes + (turnover - turnoverTrimmed_) * bytesPerTurnover;
    const bool isQuiet = heldBytes == heldSeen_ && turnover == turnoverSeen_;
    heldSeen_ = heldBytes;
    turnoverSeen_ = turnover;
    seconds_++;
    const bool isWorthIt = isQuiet ? freedBytes >= quietBytesMin
                                   : freedBytes >= busyBytesMin && seconds_ >= busySecondsMin;
    if (!isWorthIt) return false;
    most_ = heldBytes;
    turnoverTrimmed_ = turnover;
    seconds_ = 0;
    return true;
  }

 private:
  static constexpr uint64_t bytesPerTurnover = 1'024;
  static constexpr uint64_t quietBytesMin = 1 << 20;
  static constexpr uint64_t busyBytesMin = 16 << 20;
  static constexpr uint64_t busySecondsMin = 10;

  uint64_t heldSeen_ = 0;
  uint64_t turnoverSeen_ = 0;
  uint64_t most_ = 0;             // that was held since memory was given back
  uint64_t turnoverTrimmed_ = 0;  // until then
  uint64_t seconds_ = 0;          // since then
};

}  // namespace rally
