// The facts about a session for the session directory, from the worker that has it.
//
//   [ key 8 | SessionState 1 | expiry s 4 | has will 1 | will delay s 4 | ms without a connection 6 ]   big endian
//
// Read by core/data-plane/session-row.ts.
#pragma once
#include <array>

#include "session-moves.h"

namespace rally {

using SessionRow = std::array<uint8_t, 24>;

inline SessionRow rowOf(uint64_t key, const Session* session, uint64_t nowMs) {
  SessionRow row{};
  size_t at = 0;
  const auto put = [&](uint64_t value, size_t bytes) {
    while (bytes-- > 0) row[at++] = uint8_t(value >> 8 * bytes);
  };
  put(key, 8);
  put(uint8_t(session ? SessionMoves::stateOf(*session) : SessionState::absent), 1);
  if (!session) return row;
  put(session->expirySeconds, 4);
  put(session->will != nullptr, 1);
  put(session->will ? session->will->delaySeconds : 0, 4);
  // It may have left before the clock began, or on a worker whose turn began a little later.
  const auto awayMs = int64_t(nowMs - session->leftAtMs);
  put(session->connection || awayMs < 0 ? 0 : uint64_t(awayMs), 6);
  return row;
}

}  // namespace rally
