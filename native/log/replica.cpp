#include "replica.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../structures/free-memory.h"

namespace rally::log {

void Replica::add(const std::vector<Bytes>& batches, std::vector<Commit> commits, Position end, uint64_t nowMs) {
  const std::lock_guard lock(mutex_);
  for (const Bytes batch : batches) {
    bytes_.insert(bytes_.end(), batch.begin(), batch.end());
    added_ += batch.size();
  }
  groups_.push_back({added_, end, nowMs, std::move(commits)});
  noteWaiting();
  if (std::exchange(isAsleep_, false) && ring_) ring_();
}

void Replica::dropBefore(Position first) {
  const std::lock_guard lock(mutex_);
  uint64_t count = 0;
  for (const TakenChunk& each : kept_) {
    if (each.end && each.end > first) break;
    if (each.end) count = each.number + 1;
  }
  if (count == 0) return;
  while (!kept_.empty() && kept_.front().number < count) kept_.pop_front();
  droppable_.store(count, std::memory_order_relaxed);
}

bool Replica::take(std::vector<uint8_t>& chunk) {
  const std::lock_guard lock(mutex_);
  chunk.clear();
  if (chunksTaken_ == 0) {
    using enum ChunkHead::Flag;
    head(chunk, uint8_t(beginsRun | endsGroup | (isEmpty_ ? beginsLog : 0)), {});
    return true;
  }
  size_t bytes = 0;
  Position end;
  for (; groupsTaken_ < groups_.size(); groupsTaken_++) {
    const Group& group = groups_[groupsTaken_];
    if (group.to - taken_ > chunkBytesMax && bytes > 0) break;
    bytes = std::min(size_t(group.to - taken_), chunkBytesMax);
    end = taken_ + bytes == group.to ? group.end : Position{};
    if (!end) break;
  }
  if (bytes == 0) {
    isAsleep_ = true;
    return false;
  }
  taken_ += bytes;
  head(chunk, end ? uint8_t(ChunkHead::Flag::endsGroup) : uint8_t(0), end);
  const auto from = bytes_.begin() + std::ptrdiff_t(gone_);
  chunk.insert(chunk.end(), from, from + std::ptrdiff_t(bytes));
  gone_ += bytes;
  if (gone_ == bytes_.size() || gone_ > behindBytes) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + std::ptrdiff_t(gone_));
    gone_ = 0;
    if (bytes_.empty() && bytes_.capacity() > behindBytes) freeMemory(bytes_);
  }
  ChunkHead whole;
  std::memcpy(&whole, chunk.data(), sizeof whole);
  whole.checksum = crc32c(Bytes(chunk).subspan(ChunkHead::checkedFrom));
  std::memcpy(chunk.data(), &whole, sizeof whole);
  return true;
}

// Of the chunk that is taken now.
void Replica::head(std::vector<uint8_t>& chunk, uint8_t flags, Position end) {
  ChunkHead head{
      .format = ChunkHead::currentFormat, .flags = flags, .owner = owner_, .end = end.value, .number = chunksTaken_};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&head);
  head.checksum = crc32c(Bytes(bytes, sizeof head).subspan(ChunkHead::checkedFrom));
  chunk.insert(chunk.end(), bytes, bytes + sizeof head);
  chunks_.push_back({chunksTaken_++, taken_, end});
}

void Replica::stored(uint64_t chunks) {
  const std::lock_guard lock(mutex_);
  RALLY_ASSERT(chunks <= chunksTaken_);
  while (!chunks_.empty() && chunks_.front().number < chunks) {
    stored_ = chunks_.front().to;
    chunksStored_ = chunks_.front().number + 1;
    kept_.push_back(chunks_.front());
    chunks_.pop_front();
  }
  while (groupsTaken_ > 0 && groups_.front().to <= stored_) {
    for (const Commit& commit : groups_.front().commits) {
      if (appenders_) (*appenders_)[commit.worker]->commit(commit.placements, commit.placements.back().to);
    }
    groups_.pop_front();
    groupsTaken_--;
  }
  noteWaiting();
}

void Replica::noteWaiting() {
  const uint64_t waiting = added_ - stored_;
  const bool wasBehind = isBehind();
  isBehind_.store(waiting > (wasBehind ? behindBytes / 2 : behindBytes), std::memory_order_relaxed);
}

Replica::Figures Replica::figures(uint64_t nowMs) const {
  const std::lock_guard lock(mutex_);
  const uint64_t sinceMs = groups_.empty() ? nowMs : groups_.front().addedMs;
  return {.waitingBytes = added_ - stored_,
          .waitingMs = nowMs > sinceMs ? nowMs - sinceMs : 0,
          .storedChunks = chunksStored_};
}

void Replica::close() {
  const std::lock_guard lock(mutex_);
  appenders_ = nullptr;
}

}  // namespace rally::log
