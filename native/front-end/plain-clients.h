// Clients with a plain CONNECT (wire/plain-connect.h), which cost the worker no JavaScript: the front end asks the
// session directory itself, in bytes that packet control passes on unread, and accepts the client by the terms that
// packet control has set for all of them. Packet control learns of such a client when it has to do something for it.
//
//   CONNECT -> record -> session directory -> accepted: CONNACK, no event
//                                          -> anything else, and each packet for packet control: it adopts the client
#pragma once
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "../wire/plain-connect.h"
#include "connection.h"

namespace rally {

// The terms of plain clients, by packet control.
struct PlainTerms {
  struct OfVersion {
    std::vector<uint8_t> terms;  // as readTerms() reads them: without those that the CONNECT itself has
    std::vector<uint8_t> connack;
  };

  uint32_t clientIdBytesMax = 0;  // 0: no CONNECT is plain
  uint16_t serverKeepAliveSeconds = 0;
  OfVersion mqtt4;
  OfVersion mqtt5;

  const OfVersion& of(uint8_t version) const { return version == 4 ? mqtt4 : mqtt5; }

  // Whether they are those of this client.
  bool cover(const PlainConnect& connect) const {
    if (connect.clientId.size() > clientIdBytesMax) return false;
    if (serverKeepAliveSeconds == 0) return true;
    const bool isAnnounced = connect.version >= rally::mqtt5 && connect.keepAliveSeconds > serverKeepAliveSeconds;
    return connect.keepAliveSeconds != 0 && !isAnnounced;
  }
};

// The number of a connection for the other threads: the slot, and from bit 24 on the end of its generation. In
// JavaScript it is an exact number.
inline constexpr unsigned slotBits = 24;
inline uint64_t numberOf(const Connection& connection) {
  constexpr uint32_t generationBits = 29;
  RALLY_ASSERT(connection.slot < uint32_t(1) << slotBits);
  return uint64_t(connection.generation & ((uint32_t(1) << generationBits) - 1)) << slotBits | connection.slot;
}

// A record as core/control/posted.ts reads it, in the form of core/control/record-bytes.ts.
class PostedRecord {
 public:
  explicit PostedRecord(std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  void u8(uint8_t value) { bytes_.push_back(value); }
  void u16(uint16_t value) { number(value, 2); }
  void u32(uint32_t value) { number(value, 4); }
  // Exact below 2^53.
  void f64(uint64_t value) { number(std::bit_cast<uint64_t>(double(value)), 8); }
  void text(Bytes utf8) {
    u32(uint32_t(utf8.size()));
    bytes_.insert(bytes_.end(), utf8.begin(), utf8.end());
  }

 private:
  void number(uint64_t value, unsigned size) {
    for (unsigned i = size; i > 0; i--) bytes_.push_back(uint8_t(value >> (i - 1) * 8));
  }

  std::vector<uint8_t>& bytes_;
};

// Appends a message `connect`.
inline void appendConnect(std::vector<uint8_t>& records, const Connection& connection, const PlainConnect& connect) {
  constexpr uint8_t kind = 0;
  constexpr uint16_t cleanStart = 1, webSocket = 2;
  PostedRecord record(records);
  record.u8(kind);
  record.u16(uint16_t((connect.cleanStart ? cleanStart : 0) | (connection.introduction->isWebSocket ? webSocket : 0)));
  record.f64(numberOf(connection));
  record.u8(connect.version);
  record.u32(0);  // seconds that the session outlives the connection
  record.u32(0);  // the listener
  record.text(connect.clientId);
  record.text(bytesOfText(connection.introduction->address()));
}

inline Bytes plainClientId(const Connection& connection) {
  const std::optional<PlainConnect> connect = readPlainConnect(uint8_t(PacketType::connect) << 4,
                                                               connection.introduction->connect);
  RALLY_ASSERT(connect);
  return connect->clientId;
}

// What packet control has to know of a client that it adopts, as core/front-end/plain-client.ts reads it.
inline std::vector<uint8_t> toAdopt(const Connection& connection) {
  const Introduction& introduction = *connection.introduction;
  std::vector<uint8_t> bytes;
  PostedRecord record(bytes);
  record.f64(numberOf(connection));
  record.f64(introduction.session);
  record.u8(introduction.isWebSocket);
  record.text(bytesOfText(introduction.address()));
  record.text(introduction.connect);
  return bytes;
}

}  // namespace rally
