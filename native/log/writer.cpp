#include "writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../structures/monotonic-clock.h"

namespace rally::log {

namespace {

// More is not faster, and delays the first ones.
constexpr uint64_t groupBytesMax = 4u << 20;
// How much is copied with each group: as much as the workers have handed over, so that reclaiming keeps up, but at
// least this. More if there are no batches.
constexpr uint64_t copyBytesMin = 64u << 10;
constexpr uint64_t copyBytesIdle = 256u << 10;
constexpr uint64_t measureEveryMs = 1'000;

const std::array<uint8_t, pageBytes> zeroPage{};

bool isOutOfSpace(int error) { return error == ENOSPC || error == EDQUOT; }
// Only a new segment needs one, before anything is in it.
bool isOutOfDescriptors(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

Writer::Writer(Disk& disk, Space& space, const Options& options, Appenders& appenders, Inbox& inbox, Health& health,
               Latencies& commitTimes)
    : disk_(disk),
      space_(space),
      options_(options),
      appenders_(appenders),
      inbox_(inbox),
      health_(health),
      commitTimes_(commitTimes),
      files_(disk, space, options),
      reclaimer_(space, files_.log()),
      recent_(options.workers) {}

bool Writer::begin(const SegmentFiles::Start& start, std::vector<std::string> spareNames, uint64_t nowMs) {
  files_.begin(start, std::move(spareNames));
  measureSpace(nowMs);
  openFirst(nowMs);
  return !health_.isFailed();
}

// False: there is no room for it, or the disk has failed.
bool Writer::openFirst(uint64_t nowMs) {
  const int error = files_.openFirst(nowMs);
  if (isOutOfSpace(error)) return outOfSpace("there is no room on the disk for a segment");
  if (isOutOfDescriptors(error)) return outOfSpace("there is no file descriptor for a segment");
  if (error != 0) return failed("its first segment cannot be made", error), false;
  isStuck_ = false;
  return true;
}

bool Writer::step(uint64_t nowMs) {
  if (health_.isFailed()) return false;
  if (!files_.isOpen() && !openFirst(nowMs)) return keepHouse(nowMs, false);
  inbox_.collect(waiting_);
  if (group_.isEmpty()) assemble();
  const bool hasCommitted = !group_.isEmpty() && commit(nowMs);
  return keepHouse(nowMs, hasCommitted) || hasCommitted;
}

// --- a group ---

void Writer::assemble() {
  group_ = {};
  addBatches();
  group_.own.resize(groupHeaderBytes);
  addReclaimed();
  group_.bytes += group_.own.size();
}

void Writer::addReclaimed() {
  if (const Segment* segment = space_.recyclable()) {
    group_.recycled = segment->number;
    std::array<uint8_t, 4> body;
    Encoder(body).number(segment->number);
    appendFramed(group_.own, Kind::recycled, body);
  }
  if (!reclaimer_.isBusy()) return;
  const uint64_t most = group_.batches.empty() ? copyBytesIdle : std::max(copyBytesMin, group_.bytes);
  reclaimer_.copy(group_.own, group_.copies, most);
}

void Writer::addBatches() {
  size_t count = 0;
  while (count < waiting_.size() && (count == 0 || group_.bytes < groupBytesMax)) {
    group_.bytes += waiting_[count].batch.records.size();
    count++;
  }
  const auto end = waiting_.begin() + std::ptrdiff_t(count);
  group_.batches.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
}

// Writes the group; false: there is no room for it, or the disk has failed.
bool Writer::commit(uint64_t nowMs) {
  if (group_.hasRecords()) {
    if (!makeRoom(nowMs)) return false;
    placeGroup(nowMs);
    const uint64_t startNs = monotonicNs();
    const int error = writeGroup();
    if (error == 0) commitTimes_.add(monotonicNs() - startNs);
    if (isOutOfSpace(error)) return outOfSpace("the disk is full");
    if (error != 0) return failed("it cannot be written", error), false;
    isStuck_ = false;
    acknowledge(nowMs);
  }
  account();
  return !health_.isFailed();
}

bool Writer::makeRoom(uint64_t nowMs) {
  if (group_.isPlaced || files_.hasRoomFor(group_.bytes)) return true;
  const int error = files_.openNext(group_.bytes, nowMs);
  if (isOutOfSpace(error)) return outOfSpace("there is no room on the disk for another segment");
  if (isOutOfDescriptors(error)) return outOfSpace("there is no file descriptor for another segment");
  if (error != 0) failed("a segment cannot be made", error);
  hasChanged_ = true;
  return error == 0;
}

void Writer::placeGroup(uint64_t nowMs) {
  if (group_.isPlaced) return;  // the last attempt found no space
  const Position at = Position::of(files_.active().number, files_.active().end);
  uint64_t offset = groupHeaderBytes;
  group_.records = placeRecords(std::span(group_.own).subspan(groupHeaderBytes), Position{at.value + offset});
  offset = group_.own.size();
  for (HandedBatch& handed : group_.batches) {
    const uint32_t records = placeRecords(handed.batch.records, Position{at.value + offset});
    group_.places.push_back({offset, records});
    group_.records += records;
    offset += handed.batch.records.size();
  }
  const GroupHeader header{.recordBytes = uint32_t(group_.bytes - groupHeaderBytes),
                           .records = group_.records,
                           .number = files_.takeGroupNumber(),
                           .writtenAtMs = nowMs,
                           .log = files_.log()};
  header.write(group_.own, at);
  group_.isPlaced = true;
}

// Returns how many there are.
uint32_t Writer::placeRecords(std::span<uint8_t> records, Position at) {
  uint32_t count = 0;
  while (!records.empty()) {
    const RecordHead head = RecordHead::at(records.data());
    place(records.data(), files_.log(), at);
    if (isEnd(head.kind)) group_.ends.push_back(at);
    const size_t bytes = framedBytes(head.bodyBytes);
    records = records.subspan(bytes);
    at.value += bytes;
    count++;
  }
  return count;
}

int Writer::writeGroup() {
  std::vector<Bytes> parts{Bytes(group_.own)};
  for (const HandedBatch& handed : group_.batches) parts.push_back(Bytes(handed.batch.records));
  // Whole pages, so that the system need not read the rest of the last one.
  parts.push_back(Bytes(zeroPage).first(pageAligned(group_.bytes) - group_.bytes));
  Segment& segment = files_.active();
  const int error = writeAll(*segment.file, segment.end, std::move(parts));
  if (error != 0 || options_.durability != Durability::fsync) return error;
  counts_.syncs.fetch_add(1, std::memory_order_relaxed);
  const int failure = sync(*segment.file, SyncSite::group);
  return isOutOfSpace(failure) ? EIO : failure;  // it is unknown which bytes were written
}

// --- what follows from a commit ---

void Writer::acknowledge(uint64_t nowMs) {
  Segment& segment = files_.active();
  std::vector<Placement> placements;
  std::vector<Replica::Commit> commits;
  for (size_t i = 0; i < group_.batches.size();) {
    const unsigned worker = group_.batches[i].worker;
    placements.clear();
    // A worker's runs are joined where possible.
    for (; i < group_.batches.size() && group_.batches[i].worker == worker; i++) {
      const Batch& batch = group_.batches[i].batch;
      const Ticket to{batch.from.value + batch.records.size()};
      if (to == batch.from) continue;
      placements.push_back(
          {batch.from, to, Position::of(segment.number, segment.end + uint32_t(group_.places[i].offset))});
      recent_[worker].placements.push_back(placements.back());
    }
    if (placements.empty()) continue;
    if (replica_) commits.push_back({worker, placements});
    else appenders_[worker]->commit(placements, placements.back().to);
  }
  if (replica_ && !commits.empty()) handToReplica(std::move(commits), nowMs);
}

void Writer::handToReplica(std::vector<Replica::Commit> commits, uint64_t nowMs) {
  std::vector<Bytes> batches;
  for (const HandedBatch& handed : group_.batches) batches.push_back(Bytes(handed.batch.records));
  const Segment& segment = files_.active();
  replica_->add(batches, std::move(commits), Position::of(segment.number, segment.end + uint32_t(group_.bytes)), nowMs);
}

void Writer::account() {
  Segment& segment = files_.active();
  const Position at = Position::of(segment.number, segment.end);
  if (group_.hasRecords()) {
    segment.end += uint32_t(pageAligned(group_.bytes));
    counts_.committedGroups.fetch_add(1, std::memory_order_relaxed);
    counts_.writtenBytes.fetch_add(pageAligned(group_.bytes), std::memory_order_relaxed);
  }
  for (const Reclaimer::Copy& copy : group_.copies) {
    const Position to{at.value + copy.at};
    space_.placed(to, copy.bytes);
    space_.moved(copy.name, to);
  }
  reclaimer_.committed();
  for (size_t i = 0; i < group_.batches.size(); i++) {
    const Group::Place place = group_.hasRecords() ? group_.places[i] : Group::Place();
    accountBatch(group_.batches[i], Position{at.value + place.offset}, place.records);
  }
  for (const Position end : group_.ends) space_.noteEnd(end);
  counts_.committedRecords.fetch_add(group_.records, std::memory_order_relaxed);
  if (group_.recycled != 0) {
    hasChanged_ = true;
    const int error = files_.recycle(group_.recycled);
    if (error != 0) failed("a segment cannot be recycled", error);
  }
  for (HandedBatch& handed : group_.batches) inbox_.giveBack(std::move(handed.batch));
  group_ = {};
}

void Writer::accountBatch(const HandedBatch& handed, Position at, uint32_t records) {
  if (records > 0) space_.placed(at, handed.batch.records.size(), records);
  for (const Ending& ending : handed.batch.endings) apply(handed.worker, ending);
  Recent& recent = recent_[handed.worker];
  while (recent.first < handed.batch.placementsTaken && !recent.placements.empty()) {
    recent.placements.pop_front();
    recent.first++;
  }
}

void Writer::apply(unsigned worker, const Ending& ending) {
  if (ending.deadName == Ending::Name::allBefore) {
    if (replica_) replica_->dropBefore(Position{ending.dead});
    return space_.dropBefore(Position{ending.dead}.segment());
  }
  const Position dead = resolve(worker, ending.deadName, ending.dead);
  if (ending.byName == Ending::Name::none) space_.release(dead);
  else space_.supersede(dead, resolve(worker, ending.byName, ending.by));
}

Position Writer::resolve(unsigned worker, Ending::Name name, uint64_t value) const {
  if (name == Ending::Name::position) return {value};
  const std::deque<Placement>& placements = recent_[worker].placements;
  // The latest ones are at the end, and most often asked for.
  for (auto each = placements.rbegin(); each != placements.rend(); ++each) {
    if (each->contains(Ticket{value})) return each->of(Ticket{value});
  }
  failAssertion("a record is named by a ticket that next() has not told of yet", __FILE__, __LINE__);
}

// --- work in advance ---

bool Writer::keepHouse(uint64_t nowMs, bool isBusy) {
  if (health_.isFailed()) return false;
  if (nowMs - measuredAtMs_ >= measureEveryMs) measureSpace(nowMs);
  if (hasChanged_ && !reclaimer_.isBusy()) chooseVictim();
  if (files_.prepare(isBusy)) return true;
  return !isStuck_ && group_.isEmpty() && (reclaimer_.isBusy() || space_.recyclable());
}

void Writer::measureSpace(uint64_t nowMs) {
  measuredAtMs_ = nowMs;
  files_.retry();
  std::shared_ptr<File> same;
  if (files_.isOpen() && disk_.open(segmentName(files_.active().number), false, same) == ENOENT)
    return failed("its files have been removed", ENOENT);  // what is written to them is lost when this process ends
  DiskSpace space;
  if (disk_.space(space) != 0) return;
  const uint64_t soft = std::min(options_.softFreeBytesMin, space.totalBytes / 20);
  const uint64_t hard = std::min(options_.hardFreeBytesMin, space.totalBytes / 50);
  counts_.freeBytes.store(space.freeBytes, std::memory_order_relaxed);
  counts_.usedBytes.store(space_.usedBytes(), std::memory_order_relaxed);
  counts_.liveBytes.store(space_.liveBytes(), std::memory_order_relaxed);
  counts_.bytes.store(space_.fileBytes() + files_.spareBytes(), std::memory_order_relaxed);
  counts_.segments.store(space_.count(), std::memory_order_relaxed);
  counts_.liveRecords.store(space_.liveRecords(), std::memory_order_relaxed);
  counts_.copiedBytes.store(reclaimer_.copiedBytes(), std::memory_order_relaxed);
  if (!isStuck_) {
    const bool hadRoom = health_.state() == State::open || std::exchange(wasStuck_, false);
    if (space.freeBytes < hard) health_.set(State::full, "the disk is almost full");
    else if (space.freeBytes < soft && hadRoom) health_.set(State::scarce, "the disk has little room left");
    else if (space.freeBytes >= soft) health_.set(State::open, "the disk has room again");
  }
  hasChanged_ = true;
}

// Starts when the segments approach twice the size of the live records.
void Writer::chooseVictim() {
  hasChanged_ = false;
  if (!options_.copiesForward) return;
  if (space_.fileBytes() <= space_.liveBytes() * 9 / 5 + 2ull * options_.segmentBytes) return;
  if (const Segment* segment = space_.sparsest()) reclaimer_.begin(*segment);
}

void Writer::finish(uint64_t nowMs) {
  if (!files_.isOpen()) return;
  for (;;) {
    inbox_.collect(waiting_);
    if (group_.isEmpty()) assemble();
    if (group_.isEmpty()) break;
    if (health_.isFailed() || !commit(nowMs)) return;
  }
  if (health_.isFailed()) return;
  group_.own.resize(groupHeaderBytes);
  group_.bytes = groupHeaderBytes + appendFramed(group_.own, Kind::closed, {});
  commit(nowMs);
}

void Writer::failed(const char* what, int error) {
  health_.set(State::failed, std::string("the log has failed: ") + what + ": " + std::strerror(error));
}

bool Writer::outOfSpace(const char* what) {
  isStuck_ = wasStuck_ = true;
  health_.set(State::full, what);
  return false;
}

Figures Writer::figures() const {
  const auto value = [](const std::atomic<uint64_t>& count) { return count.load(std::memory_order_relaxed); };
  return {.segments = value(counts_.segments),
          .bytes = value(counts_.bytes),
          .usedBytes = value(counts_.usedBytes),
          .liveBytes = value(counts_.liveBytes),
          .liveRecords = value(counts_.liveRecords),
          .freeBytes = value(counts_.freeBytes),
          .committedRecords = value(counts_.committedRecords),
          .committedGroups = value(counts_.committedGroups),
          .writtenBytes = value(counts_.writtenBytes),
          .syncs = value(counts_.syncs),
          .copiedBytes = value(counts_.copiedBytes)};
}

}  // namespace rally::log
