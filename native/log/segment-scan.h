// Reads a segment in memory, whatever its state: passes every complete record to a sink, in order, and reports what is
// damaged and where the segment ends.
//
//   [ header | group | group | ?????? | group | group, torn ]
//                              damage           end: the writer got this far
//
// The end is known if a later segment, or this one's last group, states it (`knownEnd`). Otherwise this was the current
// segment: an incomplete group with no group after it was being written when the process or machine stopped. It is
// skipped completely, which is normal, since nothing of it was committed. Anything else that cannot be read is damage,
// which is searched for complete records at each possible offset.
#pragma once
#include "segment-format.h"

namespace rally::log {

class ScanSink {
 public:
  virtual ~ScanSink() = default;
  virtual void record(Position at, const RecordHead& head, Bytes body) = 0;
  // Nothing in this range can be read.
  virtual void damage(uint32_t from, uint32_t to) = 0;
};

struct ScanResult {
  uint32_t end = pageBytes;  // after the last valid group, where the next one may begin
  uint32_t tornBytes = 0;    // of a group that was being written there, according to its header
  std::optional<Sealed> sealed;
  bool isClosed = false;       // it ends with an orderly stop
  uint64_t lastGroup = 0;      // its number; 0: none
  uint64_t missingGroups = 0;  // according to their numbers
};

struct Scan {
  Bytes bytes;  // of the segment, from this offset on, where a group should begin
  uint32_t from = pageBytes;
  LogId log{};
  uint32_t number = 0;
  std::optional<uint32_t> knownEnd;
};

ScanResult scanSegment(const Scan& scan, ScanSink& sink);

// The identity of the log that the segment belongs to, according to its groups; empty: unknown.
std::optional<LogId> logOfGroups(Bytes segment, uint32_t number);  // including its header

// The body of a record that belongs to the log itself.
std::vector<uint8_t> bodyOf(const Sealed& sealed);
std::optional<Sealed> readSealed(Bytes body);

}  // namespace rally::log
