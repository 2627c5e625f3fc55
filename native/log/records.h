// Records as structs: visit() lists the fields that are written and read, in order. Views in a decoded struct point
// into the record.
//
//   struct Seen {
//     static constexpr log::Kind kind = log::Kind(70);
//     uint64_t session = 0;
//     Bytes topic;
//     void visit(auto& body) {
//       body.number(session);
//       body.short_(topic);  // at most 65,535 bytes; long_() for more
//       body.added(since);   // a number that earlier versions did not write: it keeps its value here
//     }
//   };
//   const Ticket ticket = append(appender, Seen{.session = 7, .topic = topic});
//   if (!decode(found, seen)) ...   another kind, or a body that is too short
#pragma once
#include "appender.h"
#include "encoding.h"
#include "log.h"

namespace rally::log {

namespace detail {

struct Measure {
  size_t size = 0;
  bool ok = true;
  void number(auto value) { size += sizeof value; }
  void added(auto value) { number(value); }
  void short_(Bytes bytes) { size += 2 + bytes.size(); }
  void long_(Bytes bytes) { size += 4 + bytes.size(); }
  void fail() { ok = false; }
};

struct Write {
  Encoder encoder;
  void number(auto value) { encoder.number(value); }
  void added(auto value) { number(value); }
  void short_(Bytes bytes) { encoder.short_(bytes); }
  void long_(Bytes bytes) { encoder.long_(bytes); }
  void fail() {}
};

struct Read {
  Decoder decoder;
  bool ok = true;
  void number(auto& value) { value = decoder.number<std::remove_reference_t<decltype(value)>>(); }
  void added(auto& value) {
    if (!decoder.isEmpty()) number(value);
  }
  void short_(Bytes& bytes) { bytes = decoder.short_(); }
  void long_(Bytes& bytes) { bytes = decoder.long_(); }
  void fail() { ok = false; }
};

}  // namespace detail

// The bytes of a record's body.
template <class Record>
size_t encodedBytes(Record& record) {
  detail::Measure measure;
  record.visit(measure);
  RALLY_ASSERT(measure.ok);
  return measure.size;
}

template <class Record>
Ticket append(Appender& appender, Record record, Kind kind = Record::kind) {
  Ticket ticket;
  detail::Write write{Encoder(appender.append(kind, encodedBytes(record), ticket))};
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
