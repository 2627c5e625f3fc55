// Who is at the other end of a connection and its session, and what follows from that.
//
//                              client  host
//   isCounted                  yes     -     in the counters of connections, sessions, bytes and packets
//   mayUseReservedTopics       -       yes   publishes where only the broker itself may
//   isHeldToAvailability       yes     -     to what the CONNACK said is not available
//   isHeldToBounds             yes     -     of what names, aliases, properties and subscriptions of a client may take
//   isEndedByWrongText         yes     -     by a payload that is not the text it says it is (5.0, 4.13)
//   isHeldToRules              yes     -     of what clients may publish and receive (security/gate.h)
//
// The host is the program that the broker runs in, and the broker itself ($SYS): whatever it does, its connection
// stays.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace rally {

enum class ConnectionKind : uint8_t { client, host };

struct ConnectionRights {
  bool isCounted;
  bool mayUseReservedTopics;
  bool isHeldToAvailability;
  bool isHeldToBounds;
  bool isEndedByWrongText;
  bool isHeldToRules;
};

inline constexpr ConnectionRights rightsOf(ConnectionKind kind) {
  constexpr std::array<ConnectionRights, 2> rights = {{
      {.isCounted = true,
       .mayUseReservedTopics = false,
       .isHeldToAvailability = true,
       .isHeldToBounds = true,
       .isEndedByWrongText = true,
       .isHeldToRules = true},
      {.isCounted = false,
       .mayUseReservedTopics = true,
       .isHeldToAvailability = false,
       .isHeldToBounds = false,
       .isEndedByWrongText = false,
       .isHeldToRules = false},
  }};
  return rights[size_t(kind)];
}

}  // namespace rally
