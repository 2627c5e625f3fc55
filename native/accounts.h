// What the clients of one worker make it keep, by kind. Each kind has a total (core/config/limits.ts), a sum, and a
// largest holder, who pays when the total is reached.
//
//   sessions  windows and queues        sessionsTotalBytesMax  the largest session loses its newest
//   outboxes  what sockets do not take  outboxTotalBytesMax    the connection that has held most for longest ends
//   inputs    packets not yet complete, and frames that wait
//                                       inputTotalBytesMax     the same
//
// The sum of the outboxes is that of the arena (structures/arena.h), and only those whose socket accepts nothing are
// ranked: the others are empty at the end of the turn.
#pragma once
#include "front-end/connection.h"
#include "sessions/backlog.h"
#include "sessions/session-account.h"

namespace rally {

struct Accounts {
  Accounts(unsigned worker, const Limits& limits, Counters& counters, Journal& journal)
      : sessions(worker, limits, counters, journal), backlog(worker, limits, counters, sessions.held(), journal) {}

  SessionAccount sessions;
  Backlog backlog;
  Ranking<Connection> outboxes{1};
  Ranking<Connection> inputs{inputBytesMin};

 private:
  // Every stream has half a packet of a few hundred bytes now and then.
  static constexpr size_t inputBytesMin = 4'096;
};

}  // namespace rally
