#include "segment-files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "segment-scan.h"

namespace rally::log {

namespace {

// Spare segments: created in advance. They also reserve disk space, so that a full disk can still log what frees space.
// While there are fewer than this, reclaimed segments become spare ones.
constexpr size_t sparesWanted = 2;
// How far ahead zeros are written: as far as a busy writer gets in some milliseconds.
constexpr uint64_t zerosAhead = 4u << 20;
constexpr uint64_t zerosAheadBusy = 1u << 20;
constexpr uint64_t zerosAtOnce = 256u << 10;

// Of a sync: it is unknown what was written, so it cannot be tried again.
int lasting(int error) { return error == ENOSPC || error == EDQUOT ? EIO : error; }

const std::vector<uint8_t>& zeros() {
  static const std::vector<uint8_t> bytes(zerosAtOnce);
  return bytes;
}

}  // namespace

void SegmentFiles::begin(const Start& start, std::vector<std::string> spareNames) {
  start_ = start;
  for (const std::string& name : spareNames) adopt(name);
}

void SegmentFiles::adopt(const std::string& name) {
  uint32_t number = 0;
  const bool isNumbered = std::sscanf(name.c_str(), "spare-%u", &number) == 1 && number <= segmentNumberMax;
  if (isNumbered) nextSpare_ = std::max(nextSpare_, number + 1);
  Spare spare{name, nullptr, false};
  const bool isUsable = isNumbered && spares_.size() < sparesWanted && disk_.open(name, false, spare.file) == 0 &&
                        spare.file->size() == options_.segmentBytes;
  spare.isWritten = isUsable && spare.file->isFilled();
  if (isUsable) spares_.push_back(std::move(spare));
  else disk_.unlink(name);
}

bool SegmentFiles::hasRoomFor(uint64_t bytes) const {
  return active_ && active_->end + pageAligned(bytes) + pageBytes <= active_->fileBytes;
}

int SegmentFiles::openFirst(uint64_t nowMs) {
  Segment* unsealed = space_.find(start_.unsealed);
  if (unsealed) {
    const int error = seal(*unsealed, start_.previousEnd.segment(), start_.group, nowMs);
    if (error != 0) return error;
    start_.group++;
    start_.unsealed = 0;
  }
  return openNext(0, nowMs);
}

int SegmentFiles::openNext(uint64_t groupBytes, uint64_t nowMs) {
  Segment* const before = active_ ? active_ : space_.find(start_.previousEnd.segment());
  if (!named_) {
    const int error = nameNext(groupBytes, before, nowMs);
    if (error != 0) return error;
  }
  if (before) {
    const int error = seal(*before, named_->number, sealNumber_, nowMs);
    if (error != 0) return error;
    if (before != active_) shorten(*before);
  }
  active_ = std::exchange(named_, nullptr);
  start_.segment++;
  return 0;
}

// Makes the file of the next segment.
int SegmentFiles::nameNext(uint64_t groupBytes, const Segment* before, uint64_t nowMs) {
  const uint64_t needed = pageBytes + pageAligned(groupBytes) + pageBytes;
  const uint64_t bytes = std::max<uint64_t>(options_.segmentBytes, needed);
  RALLY_ASSERT(bytes <= UINT32_MAX);
  if (start_.segment > segmentNumberMax) return EOVERFLOW;
  Spare spare;
  int error = takeSpare(bytes, spare);
  if (error != 0) return error;
  if (active_) start_.previousEnd = Position::of(active_->number, active_->end);
  sealNumber_ = start_.group;
  const uint64_t nextGroup = before ? start_.group + 1 : start_.group;
  error = name(spare, nextGroup, nowMs);
  if (error == ENOSPC || error == EDQUOT) {
    if (bytes == options_.segmentBytes) spares_.insert(spares_.begin(), std::move(spare));
    else disk_.unlink(spare.name);
  }
  if (error != 0) return error;
  start_.group = nextGroup;
  named_ = &space_.add(start_.segment, spare.file);
  zeroedTo_ = spare.isWritten ? named_->fileBytes : pageBytes;
  return 0;
}

// Writes the spare file's header and then renames it. Its space is reserved, but some file systems need more for every
// write.
int SegmentFiles::name(Spare& spare, uint64_t nextGroup, uint64_t nowMs) {
  SegmentHeader header{.log = log(), .segment = start_.segment, .createdAtMs = nowMs};
  header.previousEnd = start_.previousEnd;
  header.nextGroup = nextGroup;
  for (const auto& [number, segment] : space_.segments()) {
    if (!header.present.empty() && header.present.back().last + 1 == number) header.present.back().last = number;
    else header.present.push_back({number, number});
  }
  std::array<uint8_t, pageBytes> page;
  header.write(page);
  int error = writeAll(*spare.file, 0, {Bytes(page)});
  if (error != 0) return error;
  error = sync(*spare.file, SyncSite::segmentHeader);
  if (error != 0) return lasting(error);
  error = disk_.rename(spare.name, segmentName(start_.segment));
  return error != 0 ? error : lasting(syncDirectory(disk_, SyncSite::segmentName));
}

int SegmentFiles::seal(Segment& segment, uint32_t nextSegment, uint64_t groupNumber, uint64_t nowMs) {
  const std::vector<uint8_t> body = bodyOf(Sealed{nextSegment});
  std::vector<uint8_t> group(groupHeaderBytes);
  const uint32_t bytes = appendFramed(group, Kind::sealed, body);
  const Position at = Position::of(segment.number, segment.end);
  place(group.data() + groupHeaderBytes, log(), Position{at.value + groupHeaderBytes});
  GroupHeader{.recordBytes = bytes, .records = 1, .number = groupNumber, .writtenAtMs = nowMs, .log = log()}.write(
      group, at);
  group.resize(pageBytes);
  const int error = writeAll(*segment.file, segment.end, {Bytes(group)});
  if (error != 0) return error;
  space_.seal(segment);
  return lasting(sync(*segment.file, SyncSite::segmentEnd));
}

// Nothing will be written to it any more.
void SegmentFiles::shorten(Segment& segment) {
  const uint64_t bytes = segment.end + pageBytes;
  if (segment.fileBytes > bytes && !segment.file->isShared() && segment.file->truncate(bytes) == 0)
    segment.fileBytes = bytes;
}

int SegmentFiles::takeSpare(uint64_t bytes, Spare& spare) {
  while (bytes == options_.segmentBytes && !spares_.empty()) {
    spare = std::move(spares_.front());
    spares_.erase(spares_.begin());
    if (!spare.file->isShared()) return 0;
    disk_.unlink(spare.name);
  }
  return makeSpare(bytes, spare);
}

int SegmentFiles::makeSpare(uint64_t bytes, Spare& spare) {
  spare = {spareName(nextSpare_++), nullptr, false};
  int error = disk_.open(spare.name, true, spare.file);
  if (error != 0) return error;
  error = spare.file->preallocate(bytes);
  if (error == EOPNOTSUPP) error = spare.file->truncate(bytes);
  if (error == 0) return 0;
  spare.file.reset();
  disk_.unlink(spare.name);
  return error;
}

bool SegmentFiles::prepare(bool isBusy) {
  if (!active_) return false;
  zeroedTo_ = std::max<uint64_t>(zeroedTo_, active_->end);
  const uint64_t ahead = isBusy ? zerosAheadBusy : zerosAhead;
  if (zeroedTo_ < std::min<uint64_t>(active_->fileBytes, active_->end + ahead)) {
    const size_t count = size_t(std::min(zerosAtOnce, active_->fileBytes - zeroedTo_));
    // If that is impossible, writing the groups will report it.
    if (writeAll(*active_->file, zeroedTo_, {Bytes(zeros()).first(count)}) != 0) zeroedTo_ = active_->fileBytes;
    else zeroedTo_ += count;
    return true;
  }
  if (spares_.size() >= sparesWanted || isOutOfSpace_) return false;
  Spare spare;
  isOutOfSpace_ = makeSpare(options_.segmentBytes, spare) != 0;
  if (!isOutOfSpace_) spares_.push_back(std::move(spare));
  return !isOutOfSpace_;
}

int SegmentFiles::recycle(uint32_t number) {
  Segment* segment = space_.find(number);
  Spare spare{spareName(nextSpare_), segment->file, true};
  int error;
  if (spares_.size() < sparesWanted && segment->fileBytes == options_.segmentBytes && !segment->file->isShared()) {
    nextSpare_++;
    error = disk_.rename(segmentName(number), spare.name);
    if (error == 0) spares_.push_back(std::move(spare));
  } else {
    error = disk_.unlink(segmentName(number));
  }
  if (error == 0) error = syncDirectory(disk_, SyncSite::segmentRecycled);
  if (error == 0) space_.drop(number);
  retry();
  return error;
}

}  // namespace rally::log
