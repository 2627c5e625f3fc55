// Objects of one type under stable 32-bit identifiers and stable addresses: chunks that are never
// moved, and a free list. Identifier 0 is never given out, so it can stand for "none".
//
//   chunks_ -> [1023 objects][1024 objects]...        free_ = identifiers to use again, newest last
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace rally {

template <class T>
class Slab {
 public:
  uint32_t add() {
    if (free_.empty()) {
      if (next_ % chunkSize == 0 || chunks_.empty()) chunks_.push_back(std::make_unique<T[]>(chunkSize));
      return next_++;
    }
    const uint32_t id = free_.back();
    free_.pop_back();
    return id;
  }
  void remove(uint32_t id) {
    (*this)[id] = T();
    free_.push_back(id);
  }
  T& operator[](uint32_t id) { return chunks_[id / chunkSize][id % chunkSize]; }
  const T& operator[](uint32_t id) const { return chunks_[id / chunkSize][id % chunkSize]; }

  // One more than the largest identifier ever given out.
  uint32_t end() const { return next_; }
  size_t size() const { return next_ - 1 - free_.size(); }

 private:
  static constexpr uint32_t chunkSize = 1024;
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<uint32_t> free_;
  uint32_t next_ = 1;
};

}  // namespace rally
