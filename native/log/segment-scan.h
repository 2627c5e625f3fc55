// Reads a segment that is in memory, whatever has become of it: gives every record that is whole to a sink, in order,
// and says what is damaged and where the segment ends.
//
//   [ header | group | group | ?????? | group | group, torn ]
//                              damage           end: the writer had come so far
//
// The end is known if a later segment, or this one's last group, tells it (`knownEnd`). If nothing does, this was the
// segment that was written to: then a group that is not whole, with no group behind it, was being written when the
// process or the machine stopped. It is left out in whole, which is normal: nothing of it was committed. Anything else
// that cannot be read is damage, in which records that are whole are looked for at each offset where one may be.
#pragma once
#include "segment-format.h"

namespace rally::log {

class ScanSink {
 public:
  virtual ~ScanSink() = default;
  virtual void record(Position at, const RecordHead& head, Bytes body) = 0;
  // Nothing in there can be read.
  virtual void damage(uint32_t from, uint32_t to) = 0;
};

struct ScanResult {
  uint32_t end = pageBytes;  // behind the last group that counts, where the next one may begin
  uint32_t tornBytes = 0;    // of a group that was being written there, as far as its header tells
  std::optional<Sealed> sealed;
  bool isClosed = false;       // an orderly stop was the last
  uint64_t lastGroup = 0;      // its number; 0: there is none
  uint64_t missingGroups = 0;  // as far as their numbers tell
};

struct Scan {
  Bytes bytes;  // of the segment, from this offset on, where a group should begin
  uint32_t from = pageBytes;
  LogId log{};
  uint32_t number = 0;
  std::optional<uint32_t> knownEnd;
};

ScanResult scanSegment(const Scan& scan, ScanSink& sink);

// The identity of the log that the segment belongs to, from its groups; nothing: it has none.
std::optional<LogId> logOfGroups(Bytes segment, uint32_t number);  // with its header

// The body of a record of the log itself.
std::vector<uint8_t> bodyOf(const Sealed& sealed);
std::optional<Sealed> readSealed(Bytes body);

}  // namespace rally::log
