// The life of a connection as a table of phases and events.
//
//                    accepted   refused    broken     finishing  streamEnded  drained    written   severed
//   awaitingConnect  attach     leave      goodbye    goodbye    drain        leave      .         drain
//   connecting       attach     leave      goodbye    goodbye    drain        leave      .         drain
//   connected        .          leave      goodbye    readLast   drain        leave      .         drain
//   ending           .          write      .          .          drain        .          shut      free
//   closing          .          .          .          .          cut          .          .         free
//   gone             .          .          .          .          .            .          .         .
//
// attach leads to connected, leave and goodbye to ending, shut to closing, free to gone; all others stay. The end of
// the stream comes after all data before it: `drain` reads no more and leaves when no complete packet is left in the
// input, in any phase (drained). A CONNECT that is being decided is abandoned then. The connection of the host program
// is accepted without a CONNECT.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace rally {

enum class Phase : uint8_t {
  awaitingConnect,  // nothing but CONNECT may come
  connecting,       // packet control has the CONNECT
  connected,
  ending,   // no frame is taken any more; what is written still goes out
  closing,  // the transport was told to close
  gone,     // the socket is no more; the slot waits to be freed
};

enum class ConnectionEvent : uint8_t {
  accepted,     // packet control lets it in
  refused,      // packet control wants it closed: a CONNECT, or behind a DISCONNECT from either side
  broken,       // it broke a rule or a bound
  finishing,    // the server ends it, and what it has sent still counts
  streamEnded,  // nothing more will come
  drained,      // nothing more will come, and nothing complete is left
  written,      // the outbox is empty
  severed,      // the socket is no more
};

enum class PhaseAction : uint8_t {
  none,
  attach,    // to its session
  leave,     // without a word; what is in the outbox goes out
  goodbye,   // packet control says why
  readLast,  // reads what the socket has, then drains
  drain,     // reads no more, and leaves once nothing complete is left
  write,     // what is in the outbox
  shut,      // tells the transport to close
  cut,       // tells the transport that there is nothing to wait for
  free,      // gives the slot back
};

struct PhaseStep {
  Phase next = Phase::gone;
  PhaseAction action = PhaseAction::none;
  bool operator==(const PhaseStep&) const = default;
};

inline constexpr size_t phaseCount = 6;
inline constexpr size_t connectionEventCount = 8;

inline constexpr PhaseStep stepOf(Phase phase, ConnectionEvent event) {
  using enum PhaseAction;
  constexpr std::array<std::array<PhaseAction, connectionEventCount>, phaseCount> actions = {{
      {attach, leave, goodbye, goodbye, drain, leave, none, drain},
      {attach, leave, goodbye, goodbye, drain, leave, none, drain},
      {none, leave, goodbye, readLast, drain, leave, none, drain},
      {none, write, none, none, drain, none, shut, free},
      {none, none, none, none, cut, none, none, free},
      {none, none, none, none, none, none, none, none},
  }};
  const PhaseAction action = actions[size_t(phase)][size_t(event)];
  switch (action) {
    case attach: return {Phase::connected, action};
    case leave:
    case goodbye: return {Phase::ending, action};
    case shut: return {Phase::closing, action};
    case free: return {Phase::gone, action};
    default: return {phase, action};
  }
}

}  // namespace rally
