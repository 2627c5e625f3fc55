// The way from one worker to another.
//
// From each worker to each other one there are two lanes, so that the stages form no circle:
//
//   front end a --requests--> shard b         PUBLISH and requests (requests.h); taken only while the lanes for
//                                             b's deliveries have room
//   shard b --deliveries--> front end c       deliveries and answers (deliveries.h); always taken
//
// A push never fails: what finds the ring full waits on the producer's side (`spill_`), and
// `isCrowded()` tells the producer to take no more work that would end here.
#pragma once
#include <deque>

#include "../structures/ring.h"
#include "record.h"

namespace rally {

template <class R>
class Lane {
 public:
  // `records`: capacity of the ring. A lane is crowded when less than a quarter of it is free or its messages have
  // `bytesMax`, and loaded when more than a sixteenth is taken.
  explicit Lane(size_t records, size_t bytesMax = SIZE_MAX)
      : ring_(records), crowdedBelow_(records / 4), loadedBelow_(records - records / 16), bytesMax_(bytesMax) {}

  // Producer.
  void push(const R& record) {
    pushedBytes_ += bytesOf(record);
    if (!spill_.empty() || !ring_.push(record)) spill_.push_back(record);
  }
  // Publishes what was pushed. True when the consumer has something new to look at.
  bool commit() {
    pushSpilled();
    // After each note that there is more, the consumer may have made room before it could see the note.
    while (!spill_.empty()) {
      noteWaiting();
      if (!pushSpilled()) break;
    }
    return ring_.commit();
  }
  // True when commit() could hand over more than it did last time.
  bool canCommit() { return !spill_.empty() && ring_.hasRoom(1); }
  // True when the consumer has taken all that was pushed.
  bool isSettled() const { return spill_.empty() && ring_.isSettled(); }
  // A lane that is crowded or has spilled asks its consumer to ring back when it has made room.
  bool isCrowded() {
    if (hasSpace()) return false;
    noteWaiting();
    return !hasSpace();
  }

  // True when the lane has enough records that nobody waits for: more would delay the records that follow. As
  // above, its consumer rings back.
  bool isLoaded() {
    if (ring_.hasRoom(loadedBelow_)) return false;
    noteWaiting();
    return !ring_.hasRoom(loadedBelow_);
  }

  // Takes everything out, when neither side runs any more.
  template <class Take>
  void clear(Take&& take) {
    for (commit(); !isEmpty(); commit()) drain(SIZE_MAX, take);
  }

  // Consumer.
  template <class Take>
  size_t drain(size_t most, Take&& take) {
    uint64_t bytes = 0;
    const size_t count = ring_.drain(most, [&](const R& record) {
      bytes += bytesOf(record);
      return take(record);
    });
    if (bytes > 0)
      drainedBytes_.store(drainedBytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    hasMadeRoom_ |= count > 0;
    return count;
  }
  bool isEmpty() const { return ring_.isEmpty(); }
  // Records taken in all.
  uint64_t drained() const { return ring_.drained(); }
  // True once after the producer has found the lane crowded and drain() has made room.
  bool takeProducerWaits() {
    if (!std::exchange(hasMadeRoom_, false)) return false;
    // Room made, then the note read: the other half of noteWaiting().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return producerWaits_.load(std::memory_order_relaxed) && producerWaits_.exchange(false, std::memory_order_relaxed);
  }

 private:
  // Note written, then the room looked at again. Without a full fence on both sides a processor may read
  // before its own write is visible to others: the producer would find no room, the consumer no note, and
  // the producer would sleep beside an empty lane.
  void noteWaiting() {
    producerWaits_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  // True when something has found room.
  bool pushSpilled() {
    const size_t before = spill_.size();
    while (!spill_.empty() && ring_.push(spill_.front())) spill_.pop_front();
    return spill_.size() < before;
  }
  bool hasSpace() { return spill_.empty() && ring_.hasRoom(crowdedBelow_) && hasRoomForBytes(); }
  bool hasRoomForBytes() {
    if (pushedBytes_ - drainedSeen_ < bytesMax_) return true;
    drainedSeen_ = drainedBytes_.load(std::memory_order_relaxed);
    return pushedBytes_ - drainedSeen_ < bytesMax_;
  }

  static size_t bytesOf(const R& record) {
    if constexpr (requires { messageBytes(record); }) return messageBytes(record);
    else return 0;
  }

  static constexpr size_t cacheLine = 64;

  Ring<R> ring_;
  std::deque<R> spill_;
  const size_t crowdedBelow_;
  const size_t loadedBelow_;
  const size_t bytesMax_;
  // Of messages, free-running. The producer looks at the consumer's again only when its copy says "full".
  uint64_t pushedBytes_ = 0;
  uint64_t drainedSeen_ = 0;
  std::atomic<bool> producerWaits_{false};
  alignas(cacheLine) std::atomic<uint64_t> drainedBytes_{0};
  bool hasMadeRoom_ = false;  // the consumer's, since it last looked whether the producer waits
};

}  // namespace rally
