#include "space.h"

#include <algorithm>

namespace rally::log {

Segment& Space::add(uint32_t number, std::shared_ptr<File> file) {
  const std::lock_guard lock(mutex_);
  Segment& segment = segments_[number];
  RALLY_ASSERT(segment.number == 0);
  segment.number = number;
  segment.fileBytes = file->size();
  segment.file = std::move(file);
  return segment;
}

Segment* Space::find(uint32_t number) {
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : &found->second;
}

void Space::placed(Position at, uint64_t bytes, uint32_t records) {
  Segment* segment = find(at.segment());
  RALLY_ASSERT(segment);
  segment->records += records;
  segment->recordBytes += bytes;
}

void Space::moved(Position name, Position to) {
  const Position from = locationOf(name);
  if (!from || isDead(from)) return markDead(to);
  markDead(from);
  foundCopy(name, to);
}

void Space::foundCopy(Position name, Position at) {
  const std::lock_guard lock(mutex_);
  moved_[name.value] = at;
}

void Space::markDead(Position at) {
  Segment* segment = find(at.segment());
  if (!segment) return;
  segment->dead.push_back(at.offset());
  if (segment->deadSet) segment->deadSet->insert(at.offset());
  if (segment->liveRecords() == 0) mayHaveRecyclable_ = true;
}

void Space::release(Position name) {
  const auto guard = guards_.find(name.value);
  if (guard != guards_.end()) guard->second.isDeadWithout = true;
  else die(name);
}

void Space::die(Position name) {
  const Position at = locationOf(name);
  if (!at) return;
  markDead(at);
  if (at == name) return;
  const std::lock_guard lock(mutex_);
  moved_.erase(name.value);
}

void Space::supersede(Position name, Position by) {
  const Position at = locationOf(name);
  const Position byAt = locationOf(by);
  Guard added{UINT32_MAX, 0, false};
  // Not every segment in this range has bytes of it, but which ones a copy came from is not recorded.
  if (at) added = {firstFrom(name.segment()), at.segment(), false};
  const auto before = guards_.find(name.value);
  if (before != guards_.end()) {
    added.first = std::min(added.first, before->second.first);
    added.last = std::max(added.last, before->second.last);
    guards_.erase(before);
  }
  if (byAt) {
    // Everything in the same segment is affected too.
    added.last = std::min(added.last, byAt.segment() - 1);
    if (added.first <= added.last) guard(by, added);
  }
  die(name);
}

void Space::guard(Position name, Guard added) {
  const auto [found, isNew] = guards_.try_emplace(name.value, added);
  Guard& guard = found->second;
  if (!isNew) {
    guard.last = std::max(guard.last, added.last);
    if (guard.first <= added.first) return;
    guard.first = added.first;
  }
  if (Segment* segment = find(guard.first)) segment->guardedBy.push_back(name);
}

void Space::dropBefore(uint32_t number) {
  for (auto each = segments_.begin(); each != segments_.end() && each->first < number; ++each) giveUp(each->second);
}

void Space::noteEnd(Position name) {
  const auto guard = guards_.find(name.value);
  if (guard == guards_.end()) die(name);
  else guard->second.isDeadWithout = true;
}

bool Space::isDead(Position at) {
  Segment* segment = find(at.segment());
  if (!segment) return false;
  if (!segment->deadSet) {
    segment->deadSet = std::make_unique<std::unordered_set<uint32_t>>(segment->dead.begin(), segment->dead.end());
  }
  return segment->deadSet->contains(at.offset());
}

Segment* Space::recyclable() {
  if (!mayHaveRecyclable_) return nullptr;
  for (auto& [number, segment] : segments_) {
    if (!segment.isSealed || segment.liveRecords() > 0) continue;
    // A record may be released twice without losing anything.
    std::sort(segment.dead.begin(), segment.dead.end());
    segment.dead.erase(std::unique(segment.dead.begin(), segment.dead.end()), segment.dead.end());
    if (segment.liveRecords() == 0) return &segment;
  }
  mayHaveRecyclable_ = false;
  return nullptr;
}

void Space::seal(Segment& segment) {
  segment.isSealed = true;
  mayHaveRecyclable_ = true;
}

void Space::giveUp(Segment& segment) {
  segment.records = 0;  // and not as many as are dead: some of those may be listed twice
  mayHaveRecyclable_ = true;
}

Segment* Space::sparsest() {
  Segment* found = nullptr;
  double share = 0.75;  // of live bytes: with more, copying is not worth it
  for (auto& [number, segment] : segments_) {
    const double own = double(segment.liveBytes()) / double(segment.fileBytes);
    if (!segment.isSealed || segment.isUnreadable || own >= share) continue;
    share = own;
    found = &segment;
  }
  return found;
}

void Space::drop(uint32_t number) {
  std::vector<Position> guarding = std::move(find(number)->guardedBy);
  {
    const std::lock_guard lock(mutex_);
    segments_.erase(number);
  }
  for (const Position name : guarding) {
    const auto found = guards_.find(name.value);
    if (found == guards_.end() || found->second.first != number) continue;  // its duty has been passed on
    Guard& guard = found->second;
    guard.first = firstFrom(number);
    if (guard.first <= guard.last) {
      find(guard.first)->guardedBy.push_back(name);
      continue;
    }
    const bool isDeadWithout = guard.isDeadWithout;
    guards_.erase(found);
    if (isDeadWithout) die(name);
  }
}

// The first existing segment from this number on; UINT32_MAX: none.
uint32_t Space::firstFrom(uint32_t number) const {
  const auto found = segments_.lower_bound(number);
  return found == segments_.end() ? UINT32_MAX : found->first;
}

Position Space::locationOf(Position name) const {
  const auto moved = moved_.find(name.value);
  if (moved != moved_.end()) return moved->second;
  return segments_.contains(name.segment()) ? name : Position{};
}

Space::Located Space::locate(Position name) const {
  const std::lock_guard lock(mutex_);
  const Position at = locationOf(name);
  const auto segment = segments_.find(at.segment());
  return segment == segments_.end() ? Located{} : Located{segment->second.file, at};
}

uint64_t Space::fileBytes() const {
  uint64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.fileBytes;
  return bytes;
}

uint64_t Space::usedBytes() const {
  uint64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.end;
  return bytes;
}

uint64_t Space::liveBytes() const {
  uint64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.liveBytes();
  return bytes;
}

uint64_t Space::liveRecords() const {
  uint64_t records = 0;
  for (const auto& [number, segment] : segments_) records += segment.liveRecords();
  return records;
}

size_t Space::count() const { return segments_.size(); }

}  // namespace rally::log
