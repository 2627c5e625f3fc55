// The kind of peer of a connection and its session, and its rights.
//
//                              client  host
//   isCounted                  yes     -     in the counters of connections, sessions, bytes and packets
//   mayUseReservedTopics       -       yes   publishes to the broker's own topics
//   isHeldToAvailability       yes     -     to features that the CONNACK declared unavailable
//   isHeldToBounds             yes     -     to limits on names, aliases, properties and subscriptions
//   isEndedByWrongText         yes     -     by a payload that is not UTF-8 although it claims to be (5.0, 4.13)
//   isHeldToRules              yes     -     to the rules for publishing and receiving (security/gate.h)
//
// The host is the program that embeds the broker, and the broker itself ($SYS): whatever it does, its connection
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
