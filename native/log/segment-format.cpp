#include "segment-format.h"

#include <cstdio>

namespace rally::log {

namespace {

// After magic, version and checksum.
constexpr size_t headerFieldsAt = 16;
constexpr size_t rangesMax = (pageBytes - 128) / sizeof(SegmentRange);

uint32_t pageChecksum(Bytes page) { return crc32c(page.subspan(headerFieldsAt), crc32c(page.first(12))); }

}  // namespace

//   0 magic u64 | 8 version u32 | 12 checksum u32 | 16 log u64 u64 | segment u32 | created u64 | previous end u64 |
//   next group u64 | ranges u32 | first u32, last u32 ... | zeros
void SegmentHeader::write(std::span<uint8_t, pageBytes> page) const {
  std::memset(page.data(), 0, page.size());
  const size_t count = std::min(present.size(), rangesMax);
  Encoder encoder(page);
  encoder.number(segmentMagic).number(formatVersion).number(uint32_t(0)).number(log[0]).number(log[1]);
  encoder.number(segment).number(createdAtMs).number(previousEnd.value).number(nextGroup).number(uint32_t(count));
  for (const SegmentRange& range : std::span(present).last(count)) encoder.number(range.first).number(range.last);
  Encoder(page.subspan(12)).number(pageChecksum(page));
}

HeaderState readSegmentHeader(Bytes page, SegmentHeader& header, uint32_t& version) {
  if (page.size() < pageBytes) return HeaderState::damaged;
  page = page.first(pageBytes);
  Decoder decoder(page);
  const uint64_t magic = decoder.number<uint64_t>();
  version = decoder.number<uint32_t>();
  const uint32_t checksum = decoder.number<uint32_t>();
  if (magic != segmentMagic || checksum != pageChecksum(page)) return HeaderState::damaged;
  if (version > formatVersion) return HeaderState::newer;
  header.log = {decoder.number<uint64_t>(), 0};
  header.log[1] = decoder.number<uint64_t>();
  header.segment = decoder.number<uint32_t>();
  header.createdAtMs = decoder.number<uint64_t>();
  header.previousEnd = {decoder.number<uint64_t>()};
  header.nextGroup = decoder.number<uint64_t>();
  const uint32_t count = decoder.number<uint32_t>();
  header.present.clear();
  for (uint32_t i = 0; i < count && decoder.ok(); i++) {
    const uint32_t first = decoder.number<uint32_t>();
    header.present.push_back({first, decoder.number<uint32_t>()});
  }
  return decoder.ok() ? HeaderState::valid : HeaderState::damaged;
}

//   0 magic u32 | 4 checksum u32, for this place | 8 record bytes u32 | records u32 | number u64 | written u64 |
//   log u64 u64 | zeros up to 64
void GroupHeader::write(std::span<uint8_t> space, Position at) const {
  const std::span<uint8_t> own = space.first(groupHeaderBytes);
  std::memset(own.data(), 0, own.size());
  Encoder(own).number(groupMagic).number(uint32_t(0)).number(recordBytes).number(records).number(number);
  Encoder(own.subspan(24)).number(writtenAtMs).number(log[0]).number(log[1]);
  Encoder(own.subspan(4)).number(crc32c(own.subspan(8)) ^ uint32_t(hashOfPlace(log, at)));
}

std::optional<GroupHeader> readGroupHeader(Bytes bytes, Position at, const LogId* log) {
  if (bytes.size() < groupHeaderBytes) return {};
  const Bytes own = bytes.first(groupHeaderBytes);
  Decoder decoder(own);
  if (decoder.number<uint32_t>() != groupMagic) return {};
  const uint32_t checksum = decoder.number<uint32_t>();
  GroupHeader header;
  header.recordBytes = decoder.number<uint32_t>();
  header.records = decoder.number<uint32_t>();
  header.number = decoder.number<uint64_t>();
  header.writtenAtMs = decoder.number<uint64_t>();
  header.log[0] = decoder.number<uint64_t>();
  header.log[1] = decoder.number<uint64_t>();
  if (log && header.log != *log) return {};
  if (checksum != (crc32c(own.subspan(8)) ^ uint32_t(hashOfPlace(header.log, at)))) return {};
  return header;
}

std::string segmentName(uint32_t segment) {
  char name[24];
  std::snprintf(name, sizeof name, "%010u.seg", segment);
  return name;
}

std::optional<uint32_t> segmentOfName(const std::string& name) {
  unsigned segment = 0;
  if (name.size() != 14 || std::sscanf(name.c_str(), "%10u.seg", &segment) != 1) return {};
  if (segment == 0 || segment > segmentNumberMax || segmentName(segment) != name) return {};
  return segment;
}

std::string spareName(uint32_t number) { return "spare-" + std::to_string(number); }

bool isSpareName(const std::string& name) { return name.starts_with("spare-"); }

}  // namespace rally::log
