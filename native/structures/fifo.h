// A growing queue with access by sequence number: element `n` is the n-th ever added.
//
//   few    slots_[ n & mask ]                     for first() <= n < end(); it doubles when it is full
//   many   chunks_[ n / 64 & mask ][ n % 64 ]     a chunk is allocated with its first element and freed with its last
//
// So a long one is never copied and holds no more than its elements, a chunk at each end and the list of chunks. An
// empty one keeps the array of the few, which trim() frees, and owns no memory until something is added. It takes 24
// bytes itself, since there are millions.
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
  ~Fifo() { free(); }

  uint64_t first() const { return first_; }
  uint64_t end() const { return first_ + size_; }
  size_t size() const { return size_; }
  bool isEmpty() const { return size_ == 0; }
  // Heap bytes; 0 for an empty one.
  size_t bytes() const {
    if (isEmpty()) return 0;
    return isLong() ? chunkCount() * chunkBytes + heapBytes(places() * sizeof(Chunk))
                    : heapBytes(capacity_ * sizeof(T));
  }
  // The most that the next push() adds to it.
  size_t growthBytes() const {
    return !isFull() ? 0 : capacity_ == 0 ? heapBytes(firstCapacity * sizeof(T)) : chunkBytes;
  }

  // Sets the number of the next element, while it is empty.
  void beginAt(uint64_t sequence) {
    RALLY_ASSERT(isEmpty());
    first_ = sequence;
  }

  T& operator[](uint64_t sequence) {
    RALLY_ASSERT(sequence - first_ < size_);
    return at(sequence);
  }
  const T& operator[](uint64_t sequence) const {
    RALLY_ASSERT(sequence - first_ < size_);
    return at(sequence);
  }
  T& front() { return (*this)[first_]; }
  T& back() { return (*this)[end() - 1]; }

  void push(T&& value) {
    if (isFull()) grow();
    at(end()) = std::move(value);
    size_++;
  }
  void pop() {
    front() = T();
    first_++;
    size_--;
    if (!isLong()) return;
    if (first_ % chunkSize == 0) chunkOf(first_ - 1).reset();
    shrink();
  }
  void popBack() {
    back() = T();
    size_--;
    if (!isLong()) return;
    if (end() % chunkSize == 0) chunkOf(end()).reset();
    shrink();
  }
  void trim() {
    if (!isEmpty()) return;
    free();
    slots_ = nullptr;
    capacity_ = 0;
  }

 private:
  using Chunk = std::unique_ptr<T[]>;
  static constexpr uint32_t firstCapacity = 4;
  static constexpr uint32_t chunkSize = 64;
  static constexpr uint32_t firstPlaces = 4;
  static constexpr uint32_t capacityMax = uint32_t(1) << 31;
  static constexpr size_t chunkBytes = (chunkSize * sizeof(T) + 8 + 15) & ~size_t(15);

  bool isLong() const { return capacity_ > chunkSize; }
  uint32_t places() const { return capacity_ / chunkSize; }
  // Of a long one, which is not empty.
  size_t chunkCount() const { return size_t((end() - 1) / chunkSize - first_ / chunkSize + 1); }
  // There is no free slot.
  bool isFull() const { return isLong() ? end() % chunkSize == 0 : size_ == capacity_; }
  T& at(uint64_t sequence) const {
    return isLong() ? chunkOf(sequence)[sequence % chunkSize] : slots_[sequence & (capacity_ - 1)];
  }
  Chunk& chunkOf(uint64_t sequence) const { return chunks_[sequence / chunkSize & (places() - 1)]; }

  void grow() {
    if (isLong()) addChunk(end());
    else if (capacity_ < chunkSize) toArray(capacity_ == 0 ? firstCapacity : capacity_ * 2);
    else toChunks();
  }
  void addChunk(uint64_t sequence) {
    if (sequence / chunkSize - first_ / chunkSize >= places()) addPlaces();
    chunkOf(sequence) = std::make_unique<T[]>(chunkSize);
  }
  void addPlaces() {
    RALLY_ASSERT(capacity_ < capacityMax);
    auto chunks = std::make_unique<Chunk[]>(places() * 2);
    for (uint64_t number = first_ / chunkSize; number <= (end() - 1) / chunkSize; number++)
      chunks[number & (places() * 2 - 1)] = std::move(chunks_[number & (places() - 1)]);
    delete[] chunks_;
    chunks_ = chunks.release();
    capacity_ *= 2;
  }

  void toChunks() {
    const std::unique_ptr<T[]> slots(slots_);
    const uint32_t mask = capacity_ - 1;
    chunks_ = std::make_unique<Chunk[]>(firstPlaces).release();
    capacity_ = firstPlaces * chunkSize;
    for (uint64_t sequence = first_; sequence != end(); sequence++) {
      if (!chunkOf(sequence)) addChunk(sequence);
      at(sequence) = std::move(slots[sequence & mask]);
    }
    if (end() % chunkSize == 0) addChunk(end());
  }
  void toArray(uint32_t capacity) {
    auto slots = std::make_unique<T[]>(capacity);
    for (uint64_t sequence = first_; sequence != end(); sequence++)
      slots[sequence & (capacity - 1)] = std::move(at(sequence));
    free();
    slots_ = slots.release();
    capacity_ = capacity;
  }
  // Few are left.
  void shrink() {
    if (size_ <= chunkSize / 4) toArray(chunkSize / 2);
  }
  void free() {
    if (isLong()) delete[] chunks_;
    else delete[] slots_;
  }

  void swap(Fifo& other) noexcept {
    const bool isLongHere = isLong();
    T* const slots = isLongHere ? nullptr : slots_;
    Chunk* const chunks = isLongHere ? chunks_ : nullptr;
    if (other.isLong()) chunks_ = other.chunks_;
    else slots_ = other.slots_;
    if (isLongHere) other.chunks_ = chunks;
    else other.slots_ = slots;
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  uint64_t first_ = 0;
  union {
    T* slots_ = nullptr;
    Chunk* chunks_;
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;  // of slots_, or, when it is more than a chunk, of all places in chunks_
};
static_assert(sizeof(Fifo<int>) == 24);

}  // namespace rally
