#include "appender.h"

#include <algorithm>

#include "record-frame.h"

namespace rally::log {

namespace {

// The checksums of the records whose bodies the caller has filled in by now.
void addChecksums(std::span<uint8_t> records) {
  while (!records.empty()) {
    addChecksum(records.data());
    records = records.subspan(framedBytes(RecordHead::at(records.data()).bodyBytes));
  }
}

}  // namespace

std::span<uint8_t> Appender::append(Kind kind, size_t bodyBytes, Ticket& ticket) {
  RALLY_ASSERT(bodyBytes <= recordBytesMax);
  ticket = next_;
  next_.value += framedBytes(bodyBytes);
  return appendFrame(open_.records, kind, bodyBytes);
}

void Appender::flush() {
  if (open_.isEmpty()) return;
  if (!sink_) {
    // Nothing is kept, but positions serve as names: those of the memory log encode worker and ticket.
    const Position at{(uint64_t(worker_) + 1) << 48 | open_.from.value};
    taken_.push_back({open_.from, next_, at});
    open_.records.clear();
    committed_.store(next_.value, std::memory_order_release);
  } else {
    addChecksums(open_.records);
    open_.placementsTaken = placementsTaken_;
    sink_->take(worker_, open_);
    RALLY_ASSERT(open_.isEmpty());
  }
  open_.from = next_;
}

bool Appender::next(Placement& placement) {
  if (takenAt_ == taken_.size()) {
    taken_.clear();
    takenAt_ = 0;
    if (!hasPlacements_.load(std::memory_order_acquire)) return false;
    const std::lock_guard lock(placementsMutex_);
    taken_.swap(placements_);
    hasPlacements_.store(false, std::memory_order_relaxed);
  }
  placement = taken_[takenAt_++];
  placementsTaken_++;
  return true;
}

void Appender::commit(std::span<const Placement> placements, Ticket upTo) {
  {
    const std::lock_guard lock(placementsMutex_);
    placements_.insert(placements_.end(), placements.begin(), placements.end());
    for (const Placement& each : placements) keep(each);
    hasPlacements_.store(true, std::memory_order_release);
  }
  committed_.store(upTo.value, std::memory_order_release);
  if (ring_) ring_(ringContext_);
}

void Appender::keep(const Placement& placement) {
  const bool goesOn = !placed_.empty() && placed_.back().to == placement.from &&
                      placed_.back().of(placement.from) == placement.at;
  if (goesOn) placed_.back().to = placement.to;
  else placed_.push_back(placement);
}

Position Appender::positionOf(Ticket ticket) const {
  const std::lock_guard lock(placementsMutex_);
  const auto behind = std::upper_bound(placed_.begin(), placed_.end(), ticket,
                                       [](Ticket asked, const Placement& each) { return asked < each.from; });
  if (behind == placed_.begin() || !std::prev(behind)->contains(ticket)) return {};
  return std::prev(behind)->of(ticket);
}

void Appender::forgetBefore(Position first) {
  const std::lock_guard lock(placementsMutex_);
  while (!placed_.empty() && placed_.front().of(placed_.front().to) <= first) placed_.pop_front();
}

}  // namespace rally::log
