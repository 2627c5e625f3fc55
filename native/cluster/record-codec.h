// The records of the lanes (lanes/requests.h, deliveries.h) as bytes, for workers of other nodes: all of a record, and
// all that it carries.
//
//   [ kind 1 | fields in their order ]     numbers little-endian; sizes in 7 bits a byte; what may be absent: 0 or 1
//
// Fields are not listed here but found (structures/fields.h), so that none can be forgotten. A record that has other
// fields is another format: test/native/record-codec.test.cpp has the bytes of each, and `linkVersion` in frame.h goes
// up with them.
//
// The clocks of two nodes have nothing in common, so times travel as durations.
#pragma once
#include <vector>

#include "../lanes/deliveries.h"
#include "../lanes/requests.h"

namespace rally::cluster {

// Workers of a cluster have numbers below this: routes are bits of one number.
inline constexpr unsigned workersMax = 64;

// Where a record comes to.
struct Arrival {
  uint64_t nowMs = 0;    // on the clock of the engine
  uint64_t ageMs = 0;    // since the record was encoded
  unsigned workers = 1;  // of this node, which may hold its messages
};

// Appends the record, which is used up.
void encode(const Request& record, uint64_t nowMs, std::vector<uint8_t>& to);
void encode(const ShardRecord& record, uint64_t nowMs, std::vector<uint8_t>& to);

// False: the bytes are not exactly one record, or say what no worker would; then there is none.
[[nodiscard]] bool decode(Bytes bytes, const Arrival& arrival, Request& record);
[[nodiscard]] bool decode(Bytes bytes, const Arrival& arrival, ShardRecord& record);

}  // namespace rally::cluster
