#include "reclaimer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "../structures/free-memory.h"

namespace rally::log {

void Reclaimer::begin(const Segment& victim) {
  victim_ = victim.number;
  next_ = uint32_t(pageBytes);
  found_.clear();
  taken_ = 0;
  hasFailed_ = false;
}

void Reclaimer::copy(std::vector<uint8_t>& records, std::vector<Copy>& copies, size_t bytesMax) {
  Segment* victim = space_.find(victim_);
  if (!victim) return finish();  // its last live record has died, so it gets recycled
  const size_t end = records.size() + bytesMax;
  size_t readBytes = 0;
  while (records.size() < end) {
    if (taken_ == found_.size()) {
      if (next_ >= victim->end) return finish();
      if (readBytes >= bytesMax) return;  // many groups that are almost dead, each on its own page
      readOn(*victim);
      readBytes += window_.size();
      continue;
    }
    const FoundRecord& found = found_[taken_++];
    CopiedRecord copied{found.at, found.head.kind, found.head.version, found.body};
    if (found.head.kind == Kind::copied) {
      if (!copied.read(found.body)) continue;
    } else if (isOfLog(found.head.kind)) {
      continue;
    }
    if (space_.isDead(found.at)) continue;
    const size_t at = records.size();
    copied.write(appendFrame(records, Kind::copied, CopiedRecord::headBytes + copied.body.size()));
    addChecksum(records.data() + at);
    copies.push_back({copied.name, uint32_t(at), uint32_t(records.size() - at)});
    copiedBytes_ += records.size() - at;
  }
}

// Continues with the next group, or with damage before it.
void Reclaimer::readOn(const Segment& victim) {
  found_.clear();
  taken_ = 0;
  uint32_t to = victim.end;
  const Position at = Position::of(victim_, next_);
  std::array<uint8_t, groupHeaderBytes> head;
  if (readAll(*victim.file, next_, head) == 0) {
    if (const auto group = readGroupHeader(Bytes(head), at, &log_)) {
      to = uint32_t(std::min<uint64_t>(to, pageAligned(next_ + groupHeaderBytes + group->recordBytes)));
    }
  }
  window_.resize(to - next_);
  struct Sink final : ScanSink {
    std::vector<FoundRecord>& found;
    explicit Sink(std::vector<FoundRecord>& into) : found(into) {}
    void record(Position position, const RecordHead& recordHead, Bytes body) override {
      found.push_back({position, recordHead, body});
    }
    void damage(uint32_t, uint32_t) override {}
  } sink(found_);
  if (readAll(*victim.file, next_, window_) == 0) {
    scanSegment({.bytes = window_, .from = next_, .log = log_, .number = victim_, .knownEnd = to}, sink);
  } else {
    hasFailed_ = true;
  }
  next_ = to;
}

void Reclaimer::finish() {
  // The disk may be able to read it at the next start: the segment stays.
  Segment* const kept = hasFailed_ ? space_.find(victim_) : nullptr;
  if (kept) kept->isUnreadable = true;
  finished_ = kept ? 0 : victim_;
  victim_ = 0;
  freeMemory(window_);
  freeMemory(found_);
  taken_ = 0;
}

void Reclaimer::committed() {
  Segment* segment = space_.find(std::exchange(finished_, 0));
  // Its live records that were not copied cannot be read.
  if (segment && segment->liveRecords() > 0) space_.giveUp(*segment);
}

}  // namespace rally::log
