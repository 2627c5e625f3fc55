// The layout of segments and groups on the disk. All numbers are little-endian.
//
//   0000000042.seg
//   0 KiB    [ segment header                                     ]  one page
//   4 KiB    [ group header | record | record ... | unused        ]  a commit of the writer: starts on its own page,
//   20 KiB   [ group header | record                     | unused ]  so a torn write cannot damage earlier
//   ...                                                              commits
//   last     [ group header | sealed record              | unused ]  names the next segment
//   rest     old contents: zeros, or an earlier segment, which the checksums reject
//
// A segment's header states where the previous segment ended: anything after that was never committed. It also lists
// the existing segments, so that a missing one is noticed; segments reclaimed later are named by `recycled` records in
// the segment itself. Magic, version and checksum of a segment header stay in place in all versions of the format.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "encoding.h"
#include "record-frame.h"

namespace rally::log {

inline constexpr uint32_t formatVersion = 1;
inline constexpr size_t pageBytes = 4'096;
inline constexpr uint64_t segmentMagic = 0x31474f4c594c4152;  // "RALYLOG1"
inline constexpr uint32_t groupMagic = 0x31505247;            // "GRP1"
inline constexpr size_t groupHeaderBytes = 64;

inline uint64_t pageAligned(uint64_t bytes) { return (bytes + pageBytes - 1) & ~uint64_t(pageBytes - 1); }

struct SegmentRange {
  uint32_t first = 0;
  uint32_t last = 0;
};

struct SegmentHeader {
  LogId log{};
  uint32_t segment = 0;
  uint64_t createdAtMs = 0;
  Position previousEnd{};  // none: the first segment
  uint64_t nextGroup = 0;  // the number of its first group
  // The segments that existed when it was created. If they do not fit, the oldest are left out.
  std::vector<SegmentRange> present{};

  void write(std::span<uint8_t, pageBytes> page) const;
};

enum class HeaderState : uint8_t { valid, damaged, newer };

// `newer`: a complete header of a later version of the format, `version`.
HeaderState readSegmentHeader(Bytes page, SegmentHeader& header, uint32_t& version);

struct GroupHeader {
  uint32_t recordBytes = 0;  // of all its records
  uint32_t records = 0;
  uint64_t number = 0;  // increases by one
  uint64_t writtenAtMs = 0;
  LogId log{};

  void write(std::span<uint8_t> space, Position at) const;
};

// The group that begins with these bytes, if any. With a log identity, only groups of that log.
std::optional<GroupHeader> readGroupHeader(Bytes bytes, Position at, const LogId* log);

// The body of `sealed`.
struct Sealed {
  uint32_t nextSegment = 0;
};

// Segments get numbers up to this one, at 64 MiB each after 238 PiB. A file with a larger one is not the log's: after
// it the numbers would begin again.
inline constexpr uint32_t segmentNumberMax = 4'000'000'000;

std::string segmentName(uint32_t segment);
std::optional<uint32_t> segmentOfName(const std::string& name);
std::string spareName(uint32_t number);
bool isSpareName(const std::string& name);

}  // namespace rally::log
