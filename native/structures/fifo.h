// A growing queue with access by sequence number: element `n` is the n-th ever added.
//
//   few    slots_[ n & mask ]                     for first() <= n < end(); it doubles when it is full
//   many   chunks_[ n / 64 & mask ][ n % 64 ]     a chunk is allocated with its first element and freed with its last
//
// So a long one is never copied and holds no more than its elements, a chunk at each end and the list of chunks. An
// empty one keeps the array of the few, which trim() frees, and owns no memory until something is added.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "../assert.h"
#include "bytes.h"

namespace rally {

template <class T>
class Fifo {
 public:
  Fifo() = default;
  Fifo(Fifo&& other) noexcept { swap(other); }
  Fifo& operator=(Fifo other) noexcept {
    swap(other);
    return *this;
  }

  uint64_t first() const { return first_; }
  uint64_t end() const { return end_; }
  size_t size() const { return size_t(end_ - first_); }
  bool isEmpty() const { return end_ == first_; }
  // Heap bytes; 0 for an empty one.
  size_t bytes() const {
    if (isEmpty()) return 0;
    return places_ == 0 ? heapBytes(capacity_ * sizeof(T))
                        : chunkCount_ * chunkBytes + heapBytes(places_ * sizeof(Chunk));
  }
  // The most that the next push() adds to it.
  size_t growthBytes() const {
    return !isFull() ? 0 : capacity_ == 0 ? heapBytes(firstCapacity * sizeof(T)) : chunkBytes;
  }

  // Sets the number of the next element, while it is empty.
  void beginAt(uint64_t sequence) {
    RALLY_ASSERT(isEmpty() && places_ == 0);
    first_ = end_ = sequence;
  }

  T& operator[](uint64_t sequence) {
    RALLY_ASSERT(sequence - first_ < size());
    return at(sequence);
  }
  T& front() { return (*this)[first_]; }
  T& back() { return (*this)[end_ - 1]; }

  void push(T&& value) {
    if (isFull()) grow();
    at(end_++) = std::move(value);
  }
  void pop() {
    front() = T();
    first_++;
    if (places_ == 0) return;
    if (first_ % chunkSize == 0) dropChunk(first_ - 1);
    shrink();
  }
  void popBack() {
    back() = T();
    end_--;
    if (places_ == 0) return;
    if (end_ % chunkSize == 0) dropChunk(end_);
    shrink();
  }
  void trim() {
    if (!isEmpty()) return;
    slots_.reset();
    capacity_ = 0;
  }

 private:
  using Chunk = std::unique_ptr<T[]>;
  static constexpr size_t firstCapacity = 4;
  static constexpr size_t chunkSize = 64;
  static constexpr size_t firstPlaces = 4;
  static constexpr size_t chunkBytes = (chunkSize * sizeof(T) + 8 + 15) & ~size_t(15);

  // There is no free slot.
  bool isFull() const { return places_ == 0 ? size() == capacity_ : end_ % chunkSize == 0; }
  T& at(uint64_t sequence) {
    return places_ == 0 ? slots_[sequence & (capacity_ - 1)] : chunkOf(sequence)[sequence % chunkSize];
  }
  Chunk& chunkOf(uint64_t sequence) { return chunks_[sequence / chunkSize & (places_ - 1)]; }

  void grow() {
    if (places_ == 0 && capacity_ < chunkSize) toArray(capacity_ == 0 ? firstCapacity : capacity_ * 2);
    else if (places_ == 0) toChunks();
    else addChunk(end_);
  }
  void addChunk(uint64_t sequence) {
    if (sequence / chunkSize - first_ / chunkSize >= places_) addPlaces();
    chunkOf(sequence) = std::make_unique<T[]>(chunkSize);
    chunkCount_++;
  }
  void addPlaces() {
    auto chunks = std::make_unique<Chunk[]>(places_ * 2);
    for (uint64_t number = first_ / chunkSize; number <= (end_ - 1) / chunkSize; number++)
      chunks[number & (places_ * 2 - 1)] = std::move(chunks_[number & (places_ - 1)]);
    chunks_ = std::move(chunks);
    places_ *= 2;
  }
  void dropChunk(uint64_t sequence) {
    chunkOf(sequence).reset();
    chunkCount_--;
  }

  void toChunks() {
    const Chunk slots = std::move(slots_);
    const size_t mask = std::exchange(capacity_, chunkSize) - 1;
    chunks_ = std::make_unique<Chunk[]>(firstPlaces);
    places_ = firstPlaces;
    for (uint64_t sequence = first_; sequence != end_; sequence++) {
      if (!chunkOf(sequence)) addChunk(sequence);
      at(sequence) = std::move(slots[sequence & mask]);
    }
    if (end_ % chunkSize == 0) addChunk(end_);
  }
  void toArray(size_t capacity) {
    auto slots = std::make_unique<T[]>(capacity);
    for (uint64_t sequence = first_; sequence != end_; sequence++)
      slots[sequence & (capacity - 1)] = std::move(at(sequence));
    chunks_.reset();
    places_ = chunkCount_ = 0;
    slots_ = std::move(slots);
    capacity_ = capacity;
  }
  // Few are left.
  void shrink() {
    if (size() <= chunkSize / 4) toArray(chunkSize / 2);
  }

  void swap(Fifo& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(chunks_, other.chunks_);
    std::swap(capacity_, other.capacity_);
    std::swap(places_, other.places_);
    std::swap(chunkCount_, other.chunkCount_);
    std::swap(first_, other.first_);
    std::swap(end_, other.end_);
  }

  Chunk slots_;
  std::unique_ptr<Chunk[]> chunks_;
  size_t capacity_ = 0;    // of slots_
  size_t places_ = 0;      // of chunks_; 0: all elements are in slots_
  size_t chunkCount_ = 0;  // of those, in use
  uint64_t first_ = 0;
  uint64_t end_ = 0;
};

}  // namespace rally
