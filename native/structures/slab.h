// Objects of one type under stable 32-bit identifiers and stable addresses, in chunks that are never moved. Identifier
// 0 is never used, so it can mean "none".
//
//   chunks_ -> [1024 objects][1024 objects][freed]...      roomy_ = chunks with room; the first is filled first
//   uses_   -> [a bit each  ][a bit each  ][-    ]...      freed_ = places of freed chunks
//
// A chunk is freed when its last object is removed and there is room elsewhere, so a removed object must not be
// accessed: isUsed() tells, and AddressSanitizer.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "../assert.h"
#include "forbidden-memory.h"

namespace rally {

// `chunkSize`: objects in a chunk, a power of two.
template <class T, uint32_t chunkSize = 1024>
class Slab {
  static_assert(chunkSize >= 64 && std::has_single_bit(chunkSize));

 public:
  uint32_t add() {
    if (roomy_.empty()) open();
    const uint32_t chunk = *roomy_.begin();
    const uint32_t id = chunk * chunkSize + uses_[chunk].take();
    allowMemory(&(*this)[id], 1);
    if (uses_[chunk].count == chunkSize) roomy_.erase(chunk);
    end_ = std::max(end_, id + 1);
    size_++;
    return id;
  }
  void remove(uint32_t id) {
    RALLY_ASSERT(isUsed(id));
    const uint32_t chunk = id / chunkSize;
    (*this)[id] = T();
    forbidMemory(&(*this)[id], 1);
    if (uses_[chunk].count == chunkSize) roomy_.insert(chunk);
    uses_[chunk].leave(id % chunkSize);
    size_--;
    if (uses_[chunk].count == 0 && roomy_.size() > 1) free(chunk);
  }
  T& operator[](uint32_t id) { return chunks_[id / chunkSize][id % chunkSize]; }
  const T& operator[](uint32_t id) const { return chunks_[id / chunkSize][id % chunkSize]; }

  bool isUsed(uint32_t id) const { return id != 0 && id < end_ && uses_[id / chunkSize].has(id % chunkSize); }
  // One more than the largest identifier so far.
  uint32_t end() const { return end_; }
  size_t size() const { return size_; }

  // Calls `visit(object)` for each object in use, and may remove objects meanwhile; added ones may be visited or not.
  template <class Visit>
  void each(Visit&& visit) {
    for (uint32_t chunk = 0; chunk < uses_.size(); chunk++) {
      for (uint32_t word = 0; word < uses_[chunk].bits.size(); word++) {
        for (uint64_t left = uses_[chunk].bits[word]; left != 0; left &= left - 1) {
          const uint32_t id = chunk * chunkSize + word * 64 + uint32_t(__builtin_ctzll(left));
          if (isUsed(id)) visit((*this)[id]);
        }
      }
    }
  }

 private:
  struct FreeChunk {
    void operator()(T* objects) const {
      allowMemory(objects, chunkSize);
      delete[] objects;
    }
  };

  // Which objects of a chunk are in use.
  struct Use {
    std::array<uint64_t, chunkSize / 64> bits{};
    uint32_t count = 0;

    bool has(uint32_t offset) const { return (bits[offset / 64] >> offset % 64 & 1) != 0; }
    uint32_t take() {
      uint32_t word = 0;
      while (~bits[word] == 0) word++;
      const auto bit = uint32_t(__builtin_ctzll(~bits[word]));
      bits[word] |= uint64_t(1) << bit;
      count++;
      return word * 64 + bit;
    }
    void leave(uint32_t offset) {
      bits[offset / 64] &= ~(uint64_t(1) << offset % 64);
      count--;
    }
  };

  void open() {
    if (freed_.empty()) {
      freed_.push_back(uint32_t(chunks_.size()));
      chunks_.emplace_back();
      uses_.emplace_back();
    }
    const uint32_t chunk = freed_.back();
    freed_.pop_back();
    chunks_[chunk].reset(new T[chunkSize]());
    forbidMemory(chunks_[chunk].get(), chunkSize);
    if (chunk == 0) uses_[chunk].take();  // identifier 0
    roomy_.insert(chunk);
  }
  void free(uint32_t chunk) {
    chunks_[chunk] = nullptr;
    roomy_.erase(chunk);
    freed_.push_back(chunk);
  }

  std::vector<std::unique_ptr<T[], FreeChunk>> chunks_;
  std::vector<Use> uses_;
  std::set<uint32_t> roomy_;
  std::vector<uint32_t> freed_;
  uint32_t end_ = 1;
  size_t size_ = 0;
};

}  // namespace rally
