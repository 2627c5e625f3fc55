// A growing queue with access by sequence number: element `n` is the n-th ever added.
//
//   slots_[ n & mask ]   for first() <= n < end(); owns no memory until something is added.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "../assert.h"

namespace rally {

template <class T>
class Fifo {
 public:
  uint64_t first() const { return first_; }
  uint64_t end() const { return end_; }
  size_t size() const { return size_t(end_ - first_); }
  bool empty() const { return end_ == first_; }
  T& operator[](uint64_t sequence) {
    RALLY_ASSERT(sequence - first_ < size());
    return slots_[sequence & (capacity_ - 1)];
  }
  T& front() { return (*this)[first_]; }

  void push(T value) {
    if (size() == capacity_) resize(capacity_ == 0 ? 4 : capacity_ * 2);
    slots_[end_++ & (capacity_ - 1)] = std::move(value);
  }
  void pop() {
    front() = T();
    if (++first_ == end_ && capacity_ > keptCapacity) release();
  }

 private:
  static constexpr size_t keptCapacity = 64;

  void resize(size_t capacity) {
    auto slots = std::make_unique<T[]>(capacity);
    for (uint64_t at = first_; at != end_; at++) slots[at & (capacity - 1)] = std::move((*this)[at]);
    slots_ = std::move(slots);
    capacity_ = capacity;
  }
  void release() {
    slots_.reset();
    capacity_ = 0;
  }

  std::unique_ptr<T[]> slots_;
  size_t capacity_ = 0;
  uint64_t first_ = 0;
  uint64_t end_ = 0;
};

}  // namespace rally
