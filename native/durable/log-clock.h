// The clock of a log: the times in its records. It begins as calendar time, but is never set and never goes back, so an
// interval takes as long as it should even if the machine's clock is set meanwhile.
//
//   while a broker runs   it advances like the engines' clock, whatever happens to the calendar
//   between two runs      it advances like the calendar; not at all if that shows an earlier time than before
//
// For the second, the log contains how far it is ahead of the calendar (records::Clock): a running broker notes that
// every ten seconds, and when the machine's clock has been set.
#pragma once
#include <algorithm>
#include <functional>

#include "wall-clock.h"

namespace rally {

class LogClock {
 public:
  using Calendar = std::function<uint64_t()>;

  // The clock of a new log.
  explicit LogClock(Calendar calendar = wallClockMs) : calendar_(std::move(calendar)) { resume(0, 0); }

  // The log was last used at `lastMs`, `aheadMs` (modulo 2^64) ahead of the calendar.
  void resume(uint64_t lastMs, uint64_t aheadMs) {
    const uint64_t calendarNowMs = calendarMs();
    const uint64_t nowMs = std::max(lastMs, calendarNowMs + aheadMs);
    offsetMs_ = nowMs - engineClockMs();
    aheadMs_ = nowMs - calendarNowMs;
  }

  uint64_t nowMs() const { return fromEngine(engineClockMs()); }
  uint64_t calendarMs() const { return calendar_(); }

  uint64_t fromEngine(uint64_t engineMs) const { return engineMs + offsetMs_; }
  uint64_t toEngine(uint64_t logMs) const { return logMs - offsetMs_; }
  // The same for a message expiry (0: never). If it passed before the engine's clock began, the result is 1.
  uint64_t toEngineExpiry(uint64_t logMs) const {
    if (logMs == 0) return 0;
    const uint64_t nowMs = engineClockMs();
    const uint64_t logNowMs = fromEngine(nowMs);
    const bool isBefore = logMs < logNowMs && logNowMs - logMs >= nowMs;
    return isBefore ? 1 : toEngine(logMs);
  }
  // For people and other programs, as of the beginning of this run. 1: before the calendar began.
  uint64_t toCalendar(uint64_t logMs) const { return uint64_t(std::max<int64_t>(1, int64_t(logMs - aheadMs_))); }

 private:
  Calendar calendar_;
  uint64_t offsetMs_ = 0;  // ahead of the engines' clock, ...
  uint64_t aheadMs_ = 0;   // ... and of the calendar; both modulo 2^64
};

}  // namespace rally
