// The terms of a connection and its session, settled at CONNECT, and their form when they come from JavaScript.
//
//   [ version 1 | flags 1 | keep alive ms 4 | receive maximum 2 | maximum packet size 4 | topic alias maximum 2 |
//     session expiry s 4 | messages per s 4 | bytes per s 4 |
//     client id, as in CONNECT: of a session that outlives the connection, otherwise empty |
//     prefix of its topics, likewise; empty: none ]
//   with rules:   [ the client's identity, as in security/access.h ]
//   with a will:  [ QoS and retain 1 | delay s 4 | has expiry 1 | expiry s 4 | topic, as in PUBLISH | properties, as in
//     PUBLISH | payload ]
//
// Written by core/data-plane/connection-terms.ts. All numbers are big endian, as in MQTT.
#pragma once
#include <memory>

#include "../assert.h"
#include "../security/access.h"
#include "../sessions/will.h"
#include "../wire/reader.h"

namespace rally {

struct ConnectionTerms {
  uint8_t version = 4;
  bool withholdsProblems = false;  // Request Problem Information is 0 (5.0, 3.1.2.11.7)
  uint32_t keepAliveMs = 0;
  uint16_t receiveMaximum = 65'535;
  uint32_t maximumPacketSize = 0;     // 0: no limit
  uint16_t topicAliasMaximum = 0;     // of the client: how many aliases it takes
  uint32_t sessionExpirySeconds = 0;  // that the session outlives the connection
  uint32_t messagesPerSecond = 0;     // of the client; 0: any number
  uint32_t bytesPerSecond = 0;
  bool asksToPublish = false;  // a program decides what the client may publish
  Bytes clientId;              // of a session that does, while the terms are read; else empty
  std::string topicPrefix;
  std::unique_ptr<Will> will;
  Bytes accessBytes;                     // while the terms are read: what `access` was read from
  std::shared_ptr<const Access> access;  // nullptr: there are no rules for it
};

// `session`: that of the client with the will. `workers`: of the broker.
inline ConnectionTerms readTerms(Bytes bytes, uint64_t session, unsigned workers) {
  constexpr uint8_t withholdsProblems = 1, hasWill = 2, hasAccess = 4, asksToPublish = 8;
  Reader reader(bytes);
  ConnectionTerms terms;
  terms.version = reader.u8();
  const uint8_t flags = reader.u8();
  terms.withholdsProblems = (flags & withholdsProblems) != 0;
  terms.keepAliveMs = reader.u32();
  terms.receiveMaximum = reader.u16();
  terms.maximumPacketSize = reader.u32();
  terms.topicAliasMaximum = reader.u16();
  terms.asksToPublish = (flags & asksToPublish) != 0;
  terms.sessionExpirySeconds = reader.u32();
  terms.messagesPerSecond = reader.u32();
  terms.bytesPerSecond = reader.u32();
  terms.clientId = reader.prefixed();
  terms.topicPrefix = toString(reader.prefixed());
  if ((flags & hasAccess) != 0) {
    const size_t before = reader.remaining();
    terms.access = readAccess(reader);
    terms.accessBytes = bytes.subspan(bytes.size() - before, before - reader.remaining());
  }
  if ((flags & hasWill) != 0) {
    terms.will = std::make_unique<Will>();
    const uint8_t first = reader.u8();
    terms.will->delaySeconds = reader.u32();
    terms.will->expires = reader.u8() != 0;
    terms.will->expirySeconds = reader.u32();
    Publication publication;
    publication.topic = reader.prefixed();
    publication.properties = reader.take(reader.varint());
    publication.payload = reader.rest();
    publication.originSession = session;
    publication.workers = uint8_t(workers);
    publication.qos = first & 3;
    publication.retain = (first & 4) != 0;
    terms.will->message = publication.keep();
  }
  RALLY_ASSERT(reader.ok());
  return terms;
}

}  // namespace rally
