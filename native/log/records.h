// The bodies of the records that the broker logs: a struct for each kind, which says in visit() once what is written
// and read, in order. Sessions and filters have numbers, which are never used again in a log; clocks are wall clocks,
// so that intervals go on while the broker is down.
//
//   const Ticket ticket = append(appender, records::Cursor{.session = 7, .filter = 3, .upTo = position});
//   records::Cursor cursor;
//   if (!decode(found, cursor)) ...   another kind, or a body that is too short
//
// Views in what was decoded point into the record.
#pragma once
#include <array>

#include "appender.h"
#include "encoding.h"
#include "log.h"

namespace rally::log {

namespace records {

// A value of the store: what has to be the same after a start, such as the key of the slots.
struct Property {
  static constexpr Kind kind = Kind::property;
  Bytes name;
  Bytes value;

  void visit(auto& body) {
    body.short_(name);
    body.long_(value);
  }
};

struct Filter {
  static constexpr Kind kind = Kind::filter;
  uint64_t filter = 0;
  Bytes text;  // with `$share/name/` where it is a shared subscription's

  void visit(auto& body) {
    body.number(filter);
    body.short_(text);
  }
};

struct FilterEnd {
  static constexpr Kind kind = Kind::filterEnd;
  uint64_t filter = 0;

  void visit(auto& body) { body.number(filter); }
};

// The numbers of the durable filters that a message matched.
struct MatchedFilters {
  static constexpr size_t countMax = 16;

  std::array<uint64_t, countMax> numbers{};
  uint8_t count = 0;

  void visit(auto& body) {
    body.number(count);
    if (count > countMax) return body.fail();
    for (uint8_t i = 0; i < count; i++) body.number(numbers[i]);
  }
};

struct Message {
  static constexpr Kind kind = Kind::message;
  enum Flag : uint8_t {
    isForSubscribers = 1,
    isForHistory = 2,    // kept for replay, by a rule
    hasToBeMatched = 4,  // it matched more filters than are listed: match it again
    isRetain = 8         // RETAIN was set
  };

  uint8_t flags = 0;
  uint8_t qos = 0;
  uint64_t publisher = 0;  // its session
  uint64_t publishedAtMs = 0;
  uint64_t expiresAtMs = 0;  // 0: never
  MatchedFilters filters;
  // Up to here a reader that builds an index has to read.
  Bytes topic;
  Bytes properties;  // as in a PUBLISH of MQTT 5, without their length
  Bytes payload;

  void visit(auto& body) {
    body.number(flags);
    body.number(qos);
    body.number(publisher);
    body.number(publishedAtMs);
    body.number(expiresAtMs);
    filters.visit(body);
    body.short_(topic);
    body.long_(properties);
    body.long_(payload);
  }
};

// The retained message of its topic. It has a life of its own: if it is for durable subscribers too, there is a
// `message` in the same batch.
struct Retained {
  static constexpr Kind kind = Kind::retained;
  uint8_t qos = 0;
  uint64_t publisher = 0;
  uint64_t publishedAtMs = 0;
  uint64_t expiresAtMs = 0;
  Bytes topic;
  Bytes properties;
  Bytes payload;

  void visit(auto& body) {
    body.number(qos);
    body.number(publisher);
    body.number(publishedAtMs);
    body.number(expiresAtMs);
    body.short_(topic);
    body.long_(properties);
    body.long_(payload);
  }
};

// The retained message of a topic is removed.
struct RetainedClear {
  static constexpr Kind kind = Kind::retainedClear;
  Bytes topic;

  void visit(auto& body) { body.short_(topic); }
};

struct Session {
  static constexpr Kind kind = Kind::session;
  enum Flag : uint8_t { hasWill = 1, willExpires = 2, willIsRetained = 4 };

  uint64_t session = 0;
  uint64_t epoch = 0;  // grows with each connection of the client
  Bytes clientId;
  Bytes username;
  uint8_t version = 5;  // of MQTT, of the latest connection
  uint32_t expirySeconds = 0;
  uint64_t leftAtMs = 0;  // 0: the client is connected
  uint8_t flags = 0;
  uint8_t willQos = 0;
  uint32_t willDelaySeconds = 0;
  uint32_t willExpirySeconds = 0;
  Bytes willTopic;
  Bytes willProperties;
  Bytes willPayload;

  void visit(auto& body) {
    body.number(session);
    body.number(epoch);
    body.short_(clientId);
    body.short_(username);
    body.number(version);
    body.number(expirySeconds);
    body.number(leftAtMs);
    body.number(flags);
    body.number(willQos);
    body.number(willDelaySeconds);
    body.number(willExpirySeconds);
    body.short_(willTopic);
    body.long_(willProperties);
    body.long_(willPayload);
  }
};

struct SessionEnd {
  static constexpr Kind kind = Kind::sessionEnd;
  uint64_t session = 0;

  void visit(auto& body) { body.number(session); }
};

struct Subscribe {
  static constexpr Kind kind = Kind::subscribe;
  enum Flag : uint8_t { noLocal = 1, retainAsPublished = 2 };

  uint64_t session = 0;
  uint64_t filter = 0;
  uint8_t qos = 0;
  uint8_t flags = 0;
  uint8_t retainHandling = 0;
  uint32_t subscriptionId = 0;
  Position from;  // messages before are not for it

  void visit(auto& body) {
    body.number(session);
    body.number(filter);
    body.number(qos);
    body.number(flags);
    body.number(retainHandling);
    body.number(subscriptionId);
    body.number(from.value);
  }
};

struct Unsubscribe {
  static constexpr Kind kind = Kind::unsubscribe;
  uint64_t session = 0;
  uint64_t filter = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(filter);
  }
};

// All that the filter brought the session up to and with this position is acknowledged or dropped.
struct Cursor {
  static constexpr Kind kind = Kind::cursor;
  uint64_t session = 0;
  uint64_t filter = 0;
  Position upTo;

  void visit(auto& body) {
    body.number(session);
    body.number(filter);
    body.number(upTo.value);
  }
};

struct ShareCursor {
  static constexpr Kind kind = Kind::shareCursor;
  uint64_t filter = 0;
  Position upTo;

  void visit(auto& body) {
    body.number(filter);
    body.number(upTo.value);
  }
};

// The session has published with QoS 2: in the same batch as what is logged of its message.
struct Received {
  static constexpr Kind kind = Kind::received;
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

// PUBREL has come for it.
struct Forget {
  static constexpr Kind kind = Kind::forget;
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

struct Sent {
  static constexpr Kind kind = Kind::sent;
  uint64_t session = 0;
  uint16_t packetId = 0;
  Position message;
  uint64_t filter = 0;  // whose cursor it is ahead of

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
    body.number(message.value);
    body.number(filter);
  }
};

struct Released {
  static constexpr Kind kind = Kind::released;
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

struct Done {
  static constexpr Kind kind = Kind::done;
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

}  // namespace records

namespace detail {

struct Measure {
  size_t size = 0;
  bool ok = true;
  void number(auto value) { size += sizeof value; }
  void short_(Bytes bytes) { size += 2 + bytes.size(); }
  void long_(Bytes bytes) { size += 4 + bytes.size(); }
  void fail() { ok = false; }
};

struct Write {
  Encoder encoder;
  void number(auto value) { encoder.number(value); }
  void short_(Bytes bytes) { encoder.short_(bytes); }
  void long_(Bytes bytes) { encoder.long_(bytes); }
  void fail() {}
};

struct Read {
  Decoder decoder;
  bool ok = true;
  void number(auto& value) { value = decoder.number<std::remove_reference_t<decltype(value)>>(); }
  void short_(Bytes& bytes) { bytes = decoder.short_(); }
  void long_(Bytes& bytes) { bytes = decoder.long_(); }
  void fail() { ok = false; }
};

}  // namespace detail

// The bytes of a record's body.
template <class Record>
size_t encodedBytes(Record record) {
  detail::Measure measure;
  record.visit(measure);
  RALLY_ASSERT(measure.ok);
  return measure.size;
}

template <class Record>
Ticket append(Appender& appender, Record record) {
  Ticket ticket;
  detail::Write write{Encoder(appender.append(Record::kind, encodedBytes(record), ticket))};
  record.visit(write);
  RALLY_ASSERT(write.encoder.isFull());
  return ticket;
}

template <class Record>
bool decode(const Found& found, Record& record) {
  if (found.kind != Record::kind) return false;
  detail::Read read{Decoder(found.body)};
  record.visit(read);
  return read.ok && read.decoder.ok();
}

}  // namespace rally::log
