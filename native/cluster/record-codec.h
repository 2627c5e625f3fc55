// Encodes the records of the lanes (lanes/requests.h, deliveries.h) as bytes for workers of other nodes, with
// everything they carry.
//
//   [ kind 1 | fields in order ]     numbers little-endian; sizes in 7 bits a byte; optional values after a 0 or 1
//
// Fields are not listed here but discovered (structures/fields.h), so none can be forgotten. Changing a record's fields
// changes the format: test/native/record-codec.test.cpp has the bytes of each, and `linkVersion` in frame.h must be
// increased too.
//
// The clocks of two nodes are unrelated, so times are sent as durations.
//
// New records are added at the end of their list, and sent only over links whose version includes them.
#pragma once
#include <vector>

#include "../lanes/deliveries.h"
#include "../lanes/requests.h"
#include "frame.h"

namespace rally::cluster {

// The link version that introduced the record.
template <class Kind>
inline constexpr uint8_t sinceVersion = oldestLinkVersion;
template <>
inline constexpr uint8_t sinceVersion<request::SessionReleased> = 4;
template <>
inline constexpr uint8_t sinceVersion<request::RoutesTold> = 4;
template <>
inline constexpr uint8_t sinceVersion<request::TellRoutesAgain> = 4;
template <>
inline constexpr uint8_t sinceVersion<request::RoutesToldAgain> = 4;

template <class R>
bool isInVersion(const R& record, uint8_t version) {
  bool isIn = false;
  record.visit([&]<class Kind>(const Kind&) { isIn = version >= sinceVersion<Kind>; });
  return isIn;
}

// The context of an arriving record.
struct Arrival {
  uint64_t nowMs = 0;    // on the clock of the engine
  uint64_t ageMs = 0;    // time since the record was encoded
  unsigned workers = 1;  // of this node: they may hold its messages
  uint8_t version = linkVersion;
};

// Appends the record, and takes ownership of its carried contents.
void encode(const Request& record, uint64_t nowMs, std::vector<uint8_t>& to);
void encode(const ShardRecord& record, uint64_t nowMs, std::vector<uint8_t>& to);

// False: the bytes are not exactly one record, or contain something no worker would send; then there is no record.
[[nodiscard]] bool decode(Bytes bytes, const Arrival& arrival, Request& record);
[[nodiscard]] bool decode(Bytes bytes, const Arrival& arrival, ShardRecord& record);

}  // namespace rally::cluster
