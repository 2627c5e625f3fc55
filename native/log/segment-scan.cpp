#include "segment-scan.h"

#include <algorithm>

namespace rally::log {

namespace {

class Scanner {
 public:
  Scanner(const Scan& scan, ScanSink& sink) : scan_(scan), sink_(sink) {
    const size_t available = scan.from + scan.bytes.size();
    limit_ = uint32_t(std::min<size_t>(scan.knownEnd ? *scan.knownEnd : available, available));
    result_.end = scan.from;
  }

  ScanResult run() {
    uint32_t at = scan_.from;
    while (at < limit_ && !isDone_) at = takeGroup(at);
    // The file has become shorter.
    if (scan_.knownEnd && *scan_.knownEnd > limit_) sink_.damage(std::max(limit_, scan_.from), *scan_.knownEnd);
    return result_;
  }

 private:
  Position position(uint32_t offset) const { return Position::of(scan_.number, offset); }
  Bytes bytes(uint32_t from, uint32_t to) const { return scan_.bytes.subspan(from - scan_.from, to - from); }

  std::optional<GroupHeader> groupAt(uint32_t offset) const {
    if (offset >= limit_) return {};
    return readGroupHeader(bytes(offset, limit_), position(offset), &scan_.log);
  }

  // The first page at or after this offset on which a group begins.
  std::optional<uint32_t> nextGroup(uint32_t offset) const {
    for (uint64_t at = pageAligned(offset); at < limit_; at += pageBytes) {
      if (groupAt(uint32_t(at))) return uint32_t(at);
    }
    return {};
  }

  // Reads what should be a group, and returns where the next one should be.
  uint32_t takeGroup(uint32_t at) {
    const std::optional<GroupHeader> group = groupAt(at);
    if (!group) return skipUnknown(at);
    const uint32_t first = at + uint32_t(groupHeaderBytes);
    const uint64_t end = uint64_t(first) + group->recordBytes;
    const uint32_t next = uint32_t(std::min<uint64_t>(pageAligned(end), limit_));
    if (!scan_.knownEnd && !nextGroup(next) && !isWhole(first, end)) {
      result_.tornBytes = uint32_t(std::min<uint64_t>(end, limit_)) - at;
      return limit_;
    }
    noteNumber(group->number);
    takeRecords(first, uint32_t(std::min<uint64_t>(end, limit_)));
    result_.end = next;
    return next;
  }

  // There is no group here: returns where one is.
  uint32_t skipUnknown(uint32_t at) {
    const std::optional<uint32_t> next = nextGroup(at);
    if (!next && !scan_.knownEnd) return limit_;
    const uint32_t to = next ? *next : limit_;
    const uint32_t end = takeRecords(at, to, false);
    // The space between the last record of a group and the next page was never written to.
    if (end == at || pageAligned(end) < to) sink_.damage(end, to);
    result_.end = to;
    return to;
  }

  void noteNumber(uint64_t number) {
    if (result_.lastGroup != 0 && number > result_.lastGroup + 1) {
      result_.missingGroups += number - result_.lastGroup - 1;
    }
    result_.lastGroup = number;
  }

  // Whether records follow each other without gaps from here to there.
  bool isWhole(uint32_t at, uint64_t end) const {
    if (end > limit_) return false;
    for (uint64_t next = at; next < end;) {
      const uint32_t taken = recordAt(uint32_t(next), uint32_t(end)).bytes;
      if (taken == 0) return false;
      next += taken;
    }
    return true;
  }

  struct Taken {
    RecordHead head;
    Bytes body;
    uint32_t bytes = 0;  // 0: there is none
  };

  Taken recordAt(uint32_t at, uint32_t end) const {
    Taken taken;
    if (!readRecord(bytes(at, end), scan_.log, position(at), taken.head, taken.body)) return {};
    taken.bytes = uint32_t(std::min<uint64_t>(framedBytes(taken.head.bodyBytes), end - at));
    return taken;
  }

  // Gives the records between the two offsets to the sink, and reports what is between them. Returns where the last one
  // ends; what follows it is reported only if `isDamageBehind`.
  uint32_t takeRecords(uint32_t from, uint32_t to, bool isDamageBehind = true) {
    uint32_t end = from;
    for (uint32_t at = from; at < to && !isDone_;) {
      const Taken taken = recordAt(at, to);
      if (taken.bytes == 0) {
        at += uint32_t(recordAlignment);
        continue;
      }
      if (at > end) sink_.damage(end, at);
      deliver(at, taken);
      end = at += taken.bytes;
    }
    if (end < to && isDamageBehind && !isDone_) sink_.damage(end, to);
    return end;
  }

  void deliver(uint32_t at, const Taken& taken) {
    result_.isClosed = taken.head.kind == Kind::closed;
    if (taken.head.kind != Kind::sealed) return sink_.record(position(at), taken.head, taken.body);
    result_.sealed = readSealed(taken.body);
    isDone_ = true;
  }

  const Scan& scan_;
  ScanSink& sink_;
  uint32_t limit_;
  ScanResult result_;
  bool isDone_ = false;
};

}  // namespace

ScanResult scanSegment(const Scan& scan, ScanSink& sink) { return Scanner(scan, sink).run(); }

std::optional<LogId> logOfGroups(Bytes segment, uint32_t number) {
  for (size_t at = pageBytes; at < segment.size(); at += pageBytes) {
    const auto group = readGroupHeader(segment.subspan(at), Position::of(number, uint32_t(at)), nullptr);
    if (group) return group->log;
  }
  return {};
}

std::vector<uint8_t> bodyOf(const Sealed& sealed) {
  std::vector<uint8_t> body(4);
  Encoder(body).number(sealed.nextSegment);
  return body;
}

std::optional<Sealed> readSealed(Bytes body) {
  Decoder decoder(body);
  Sealed sealed;
  sealed.nextSegment = decoder.number<uint32_t>();
  return decoder.ok() ? std::optional<Sealed>(sealed) : std::nullopt;
}

}  // namespace rally::log
