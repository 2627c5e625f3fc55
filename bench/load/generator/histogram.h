// How often which latency occurred, in nanoseconds, with a bounded relative error (the idea of HdrHistogram).
//
//   value       0 .. 127   128 .. 255   256 .. 511   512 .. 1023   ...
//   bucket of       1          2            4            8          ...   nanoseconds
//
// So each doubling has 64 buckets, and a value is known to 1/64 of itself. 30 KB, whatever comes.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace load {

class Histogram {
 public:
  void record(uint64_t value) {
    counts_[bucketOf(value)]++;
    count_++;
    max_ = std::max(max_, value);
  }

  void add(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); i++) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The value that `share` (0 to 1) of all values do not exceed, rounded up to the end of its bucket; 0
  // if there is none.
  uint64_t quantile(double share) const {
    const auto wanted = std::max<uint64_t>(1, uint64_t(share * double(count_) + 0.999999));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); i++) {
      seen += counts_[i];
      if (seen >= wanted) return std::min(max_, endOf(i));
    }
    return max_;
  }

 private:
  static constexpr unsigned exactBits = 7;  // values of up to so many bits have a bucket each
  static constexpr size_t perDoubling = size_t(1) << (exactBits - 1);
  static constexpr size_t buckets = (64 - exactBits) * perDoubling + 2 * perDoubling;

  static size_t bucketOf(uint64_t value) {
    const unsigned bits = unsigned(std::bit_width(value));
    const unsigned shift = bits > exactBits ? bits - exactBits : 0;
    return shift * perDoubling + size_t(value >> shift);
  }
  // The largest value of a bucket.
  static uint64_t endOf(size_t bucket) {
    if (bucket < 2 * perDoubling) return bucket;
    const size_t shift = bucket / perDoubling - 1;
    return ((uint64_t(bucket - shift * perDoubling) + 1) << shift) - 1;
  }

  std::array<uint64_t, buckets> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace load
