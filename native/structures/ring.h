// A bounded single-producer single-consumer ring.
//
//   consumed_ <= written_ <= staged_ <= consumed_ + capacity      (free-running 64-bit counts)
//
// The producer stages records and publishes them together with commit(), one release store per batch. Each side keeps
// a copy of the other's index on its own cache line and reads it again only when the copy says "full" or "empty".
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace rally {

template <class T>
class Ring {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Slots take no memory before their first use.
  explicit Ring(size_t capacity)
      : slots_(std::make_unique_for_overwrite<T[]>(std::bit_ceil(capacity))), mask_(std::bit_ceil(capacity) - 1) {}

  // Producer.
  bool push(const T& value) {
    if (staged_ - consumedSeen_ > mask_) {
      consumedSeen_ = consumed_.load(std::memory_order_acquire);
      if (staged_ - consumedSeen_ > mask_) return false;
    }
    slots_[staged_++ & mask_] = value;
    return true;
  }
  // Makes all pushed records visible. True when there were any.
  bool commit() {
    if (written_.load(std::memory_order_relaxed) == staged_) return false;
    written_.store(staged_, std::memory_order_release);
    return true;
  }
  // True when `count` more records fit.
  bool hasRoom(size_t count) {
    if (mask_ + 1 - size_t(staged_ - consumedSeen_) >= count) return true;
    consumedSeen_ = consumed_.load(std::memory_order_acquire);
    return mask_ + 1 - size_t(staged_ - consumedSeen_) >= count;
  }

  // True when the consumer has taken everything that was pushed.
  bool isSettled() const { return staged_ == consumed_.load(std::memory_order_acquire); }

  // Consumer. Calls `take(record)` for at most `most` records, or until it gives false; gives how many.
  template <class Take>
  size_t drain(size_t most, Take&& take) {
    uint64_t at = consumed_.load(std::memory_order_relaxed);
    if (at == writtenSeen_) writtenSeen_ = written_.load(std::memory_order_acquire);
    const uint64_t first = at;
    const uint64_t end = writtenSeen_ - at > most ? at + most : writtenSeen_;
    for (bool goesOn = true; goesOn && at != end; at++) goesOn = takeOne(take, slots_[at & mask_]);
    if (at != first) consumed_.store(at, std::memory_order_release);
    return size_t(at - first);
  }
  // Records taken in all.
  uint64_t drained() const { return consumed_.load(std::memory_order_relaxed); }
  bool isEmpty() const { return written_.load(std::memory_order_acquire) == consumed_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t cacheLine = 64;

  template <class Take>
  static bool takeOne(Take& take, const T& value) {
    if constexpr (std::is_same_v<decltype(take(value)), bool>) return take(value);
    take(value);
    return true;
  }

  alignas(cacheLine) std::atomic<uint64_t> written_{0};
  uint64_t staged_ = 0;
  uint64_t consumedSeen_ = 0;
  alignas(cacheLine) std::atomic<uint64_t> consumed_{0};
  uint64_t writtenSeen_ = 0;
  alignas(cacheLine) const std::unique_ptr<T[]> slots_;
  const size_t mask_;
};

}  // namespace rally
