// A plain CONNECT (5.0, 3.1; 3.1.1, 3.1): of MQTT 3.1.1 or 5, with a client identifier, for a session that ends with
// its connection, and without a will, user name, password or rare properties. Most storms consist of them. Every other
// one, and each with an error, is read by core/wire/decode-connect.ts alone.
#pragma once
#include <optional>

#include "packet.h"
#include "reader.h"
#include "utf8.h"

namespace rally {

struct PlainConnect {
  uint8_t version = 0;  // 4 or 5
  bool cleanStart = false;
  uint16_t keepAliveSeconds = 0;
  uint16_t receiveMaximum = 65'535;
  uint16_t topicAliasMaximum = 0;
  Bytes clientId;
};

// False: there is a property that is not plain, or an error.
inline bool readPlainProperties(Bytes properties, PlainConnect& connect) {
  constexpr uint8_t sessionExpiryInterval = 0x11, receiveMaximum = 0x21, topicAliasMaximum = 0x22;
  Reader reader(properties);
  uint64_t seen = 0;
  while (reader.remaining() > 0) {
    const uint8_t identifier = reader.u8();
    switch (identifier) {
      case sessionExpiryInterval:
        if (reader.u32() != 0) return false;
        break;
      case receiveMaximum:
        connect.receiveMaximum = reader.u16();
        if (connect.receiveMaximum == 0) return false;
        break;
      case topicAliasMaximum: connect.topicAliasMaximum = reader.u16(); break;
      default: return false;
    }
    const uint64_t bit = uint64_t(1) << identifier;
    if (!reader.ok() || (seen & bit) != 0) return false;
    seen |= bit;
  }
  return true;
}

// Nothing: it is not plain. `first` is the first byte of the frame, `body` everything after its remaining length.
inline std::optional<PlainConnect> readPlainConnect(uint8_t first, Bytes body) {
  constexpr uint8_t cleanStart = 2;
  if (first != uint8_t(PacketType::connect) << 4) return {};
  Reader reader(body);
  if (!areEqual(reader.prefixed(), bytesOfText("MQTT"))) return {};
  PlainConnect connect;
  connect.version = reader.u8();
  if (connect.version != 4 && connect.version != mqtt5) return {};
  const uint8_t flags = reader.u8();
  if ((flags & ~cleanStart) != 0) return {};
  connect.cleanStart = flags == cleanStart;
  if (connect.version == 4 && !connect.cleanStart) return {};  // its session outlives the connection
  connect.keepAliveSeconds = reader.u16();
  if (connect.version == mqtt5 && !readPlainProperties(reader.take(reader.varint()), connect)) return {};
  connect.clientId = reader.prefixed();
  if (!reader.ok() || reader.remaining() > 0) return {};
  if (connect.clientId.empty() || !isUtf8(connect.clientId)) return {};
  return connect;
}

}  // namespace rally
