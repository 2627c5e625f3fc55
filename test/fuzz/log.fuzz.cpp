// The reader of segments (native/log/segment-scan.h) on whatever a disk may hold: bytes that have nothing to do with a
// log, and a real segment of which any bytes have been changed, cut off or exchanged.
#include "fuzz.h"

#include "../../native/log/segment-scan.h"

using namespace rally;

namespace {

constexpr log::LogId logId{11, 12};
constexpr uint32_t number = 5;

struct Checker final : log::ScanSink {
  Bytes segment;
  uint32_t last = 0;
  size_t records = 0;

  // Whole, in order, and where it says that it is.
  void record(log::Position at, const log::RecordHead& head, Bytes body) override {
    CHECK(at.segment() == number && at.offset() > last && at.offset() % log::recordAlignment == 0);
    CHECK(body.size() == head.bodyBytes);
    CHECK(body.data() == segment.data() + at.offset() + log::recordHeadBytes);
    CHECK(at.offset() + log::recordHeadBytes + body.size() <= segment.size());
    last = at.offset();
    records++;
  }
  void damage(uint32_t from, uint32_t to) override { CHECK(from < to && from >= log::pageBytes); }
};

void addGroup(Octets& segment, uint64_t group, check::Random& input, size_t& records) {
  std::vector<uint8_t> bytes(log::groupHeaderBytes);
  const auto at = log::Position::of(number, uint32_t(segment.size()));
  const size_t count = input.between(1, 4);
  for (size_t i = 0; i < count; i++) {
    const Octets body(input.below(300), uint8_t(i));
    const size_t offset = bytes.size();
    log::appendFramed(bytes, log::Kind(64), body);
    log::place(bytes.data() + offset, logId, log::Position{at.value + offset});
  }
  records += count;
  log::GroupHeader{.recordBytes = uint32_t(bytes.size() - log::groupHeaderBytes),
                   .records = uint32_t(count),
                   .number = group,
                   .writtenAtMs = 1,
                   .log = logId}
      .write(bytes, at);
  bytes.resize(log::pageAligned(bytes.size()));
  segment.insert(segment.end(), bytes.begin(), bytes.end());
}

void scan(const Octets& segment, std::optional<uint32_t> knownEnd, size_t recordsMax) {
  const Exact exact(segment);
  Checker checker;
  checker.segment = Bytes(exact);
  const log::ScanResult result = log::scanSegment({.bytes = checker.segment.subspan(log::pageBytes),
                                                   .from = uint32_t(log::pageBytes),
                                                   .log = logId,
                                                   .number = number,
                                                   .knownEnd = knownEnd},
                                                  checker);
  CHECK(checker.records <= recordsMax && result.end >= log::pageBytes);
  log::logOfGroups(checker.segment, number);
  log::SegmentHeader header;
  uint32_t version = 0;
  log::readSegmentHeader(checker.segment, header, version);
}

}  // namespace

FUZZ("log") {
  Octets segment(log::pageBytes);
  log::SegmentHeader{.log = logId, .segment = number}.write(
      std::span<uint8_t, log::pageBytes>(segment.data(), log::pageBytes));
  size_t records = 0;
  for (size_t groups = input.below(5), group = 1; groups > 0; groups--, group++)
    addGroup(segment, group, input, records);
  scan(segment, {}, records);
  for (size_t changes = input.below(8); changes > 0 && segment.size() > log::pageBytes; changes--) {
    const size_t at = input.below(segment.size());
    switch (input.below(4)) {
      case 0: segment[at] = input.byte(); break;
      case 1: segment.resize(std::max(at, log::pageBytes)); break;
      case 2: {
        const size_t other = input.below(segment.size());
        const size_t apart = at > other ? at - other : other - at;
        const size_t count = std::min({size_t(512), apart, segment.size() - std::max(at, other)});
        std::swap_ranges(segment.begin() + std::ptrdiff_t(at), segment.begin() + std::ptrdiff_t(at + count),
                         segment.begin() + std::ptrdiff_t(other));
        break;
      }
      default: {
        const auto rest = input.bytes(input.below(64));
        segment.insert(segment.end(), rest.begin(), rest.end());
      }
    }
  }
  const uint32_t end = uint32_t(input.below(segment.size() + 4'096));
  scan(segment, {}, records);
  if (end >= log::pageBytes) scan(segment, end, records);
}
