// The numbers of MQTT that the data plane knows: packet types (5.0, 2.1.2) and reason codes (2.4).
#pragma once
#include <array>

#include "../structures/bytes.h"

namespace rally {

enum class PacketType : uint8_t {
  reserved = 0,
  connect = 1,
  connack = 2,
  publish = 3,
  puback = 4,
  pubrec = 5,
  pubrel = 6,
  pubcomp = 7,
  subscribe = 8,
  suback = 9,
  unsubscribe = 10,
  unsuback = 11,
  pingreq = 12,
  pingresp = 13,
  disconnect = 14,
  auth = 15,
};

enum class Reason : uint8_t {
  success = 0x00,
  noMatchingSubscribers = 0x10,
  unspecifiedError = 0x80,
  malformedPacket = 0x81,
  protocolError = 0x82,
  notAuthorized = 0x87,
  serverUnavailable = 0x88,
  keepAliveTimeout = 0x8d,
  sessionTakenOver = 0x8e,
  topicNameInvalid = 0x90,
  packetIdentifierNotFound = 0x92,
  receiveMaximumExceeded = 0x93,
  topicAliasInvalid = 0x94,
  packetTooLarge = 0x95,
  quotaExceeded = 0x97,
  payloadFormatInvalid = 0x99,
  retainNotSupported = 0x9a,
  qosNotSupported = 0x9b,
};

inline constexpr bool isError(Reason reason) { return uint8_t(reason) >= 0x80; }

// Version numbers as CONNECT carries them (3.1.2.2).
inline constexpr uint8_t mqtt5 = 5;

// Whether the body of a CONNECT, of which this may be the beginning alone, is of MQTT 5.
inline bool isConnectOf5(Bytes body) {
  constexpr std::array<uint8_t, 7> beginning = {0, 4, 'M', 'Q', 'T', 'T', mqtt5};
  return beginsWith(body, beginning);
}

}  // namespace rally
