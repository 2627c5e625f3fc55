// A log that is read from a list of records.
#pragma once
#include <vector>

#include "../../native/durable/recovered-state.h"

struct Reading {
  rally::HashKeys keys{.topics = 1, .tables = 2};
  rally::RecoveredState state;
  std::vector<uint8_t> body;
  uint64_t at = 4;

  explicit Reading(size_t messageBytesMax = SIZE_MAX) : state(1, keys, messageBytesMax) {}

  template <class Record>
  void apply(Record record) {
    body.resize(rally::log::encodedBytes(record));
    rally::log::detail::Write write{rally::log::Encoder(body)};
    record.visit(write);
    state.apply({.position = {at}, .kind = Record::kind, .version = rally::log::recordVersion, .body = body});
    at += 4 + body.size() / 4 * 4;
  }
  void message(uint64_t id, uint8_t qos, Bytes topic) {
    apply(rally::records::Message{
        .id = id << 6, .flags = rally::records::Message::isForSessions, .qos = qos, .topic = topic});
  }
  void done(uint64_t session, uint64_t id) {
    const uint64_t number = id << 6;
    apply(rally::records::Done{session, Bytes(reinterpret_cast<const uint8_t*>(&number), sizeof number)});
  }
};
