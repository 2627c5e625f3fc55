// A session that changes workers, as seen by one of them. The protocol: front-end/session-moves.h.
#pragma once
#include <memory>
#include <vector>

#include "session-parcel.h"

namespace rally {

// The stay of a session at a worker, from the move that brings it to the one that takes it away.
struct Stay {
  uint64_t arrival = 0;      // the move that brings it; 0: it was here before
  uint64_t departure = 0;    // the move that takes it away; 0: none that is known
  uint8_t from = 0;          // worker
  uint8_t to = 0;            // worker
  bool isEmpty = false;      // worker `from` has nothing for it
  bool isAbandoned = false;  // nobody wants it where it was to go: it ends when it has arrived here
};

struct SessionMove {
  enum class State : uint8_t { settled, fetching, switching, landing, sending, leaving, flushing, kept };

  State state = State::settled;
  uint64_t acceptedShards = UINT64_MAX;   // bit s: what shard s sends for the session belongs here
  Stay stay;                              // the one that the state is about ...
  std::vector<Stay> later;                // ... and those that follow, in order
  size_t sent = 0;                        // sending: subscriptions that are on their way
  uint64_t departingShards = 0;           // leaving: those that say when they have switched over; 0: not known yet
  uint64_t flushingShards = 0;            // flushing: those that may not have taken all its client sent
  std::unique_ptr<SessionParcel> parcel;  // switching: what came from the other worker ...
  std::vector<uint64_t> unstored;         // ... and the engine's numbers of what has come since, to be stored with it
  bool isStored = false;                  // landing: the log here has it

  bool accepts(unsigned shard) const { return (acceptedShards >> shard & 1) != 0; }
  bool acceptsAll() const { return acceptedShards == UINT64_MAX; }
  // What it holds has not come.
  bool isAwaited() const { return state == State::fetching || state == State::switching; }
  // Not of this worker alone yet.
  bool isArriving() const { return isAwaited() || state == State::landing; }
  Stay& last() { return later.empty() ? stay : later.back(); }
  const Stay& last() const { return later.empty() ? stay : later.back(); }
};

}  // namespace rally
