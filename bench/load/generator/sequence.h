// Finds what is missing, came twice or came late in a stream that is numbered 1, 2, 3, ...
//
//   last_ = 9    gaps_: [3,3] [6,7]    3, 6 and 7 are missing: if one comes it is late, however late; 5 would be a
//   duplicate
//
// It remembers the gaps and not what came, so a stream without any costs nothing. Of more than `gapsMax` it forgets the
// oldest: a number from there that comes is late or a duplicate, and nobody can tell which.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace load {

enum class Arrival : uint8_t { next, gap, late, duplicate, unclear };

class Sequence {
 public:
  Sequence() = default;
  explicit Sequence(size_t gapsMax) : gapsMax_(gapsMax) {}

  Arrival take(uint32_t number) {
    if (number > last_) {
      const uint32_t skipped = number - last_ - 1;
      if (skipped > 0) addGap({last_ + 1, number - 1});
      last_ = number;
      return skipped == 0 ? Arrival::next : Arrival::gap;
    }
    if (number != 0 && number <= forgottenTo_) return Arrival::unclear;
    // There is no number 0, so it is in no gap.
    const auto gap = std::lower_bound(gaps_.begin(), gaps_.end(), number,
                                      [](const Gap& each, uint32_t wanted) { return each.last < wanted; });
    if (gap == gaps_.end() || number < gap->first) return Arrival::duplicate;
    fill(gap, number);
    return Arrival::late;
  }

  // What lies between is for others.
  void skipTo(uint32_t number) { last_ = std::max(last_, number); }

  // The highest number that came.
  uint32_t last() const { return last_; }
  // How many below it have not come.
  uint64_t missing() const { return missing_; }

 private:
  struct Gap {
    uint32_t first;
    uint32_t last;
  };

  void addGap(Gap gap) {
    missing_ += gap.last - gap.first + 1;
    gaps_.push_back(gap);
    if (gaps_.size() <= gapsMax_) return;
    const size_t forgotten = gapsMax_ / 4 + 1;  // several at once, since the others have to move up
    forgottenTo_ = gaps_[forgotten - 1].last;
    gaps_.erase(gaps_.begin(), gaps_.begin() + ptrdiff_t(forgotten));
  }

  void fill(std::vector<Gap>::iterator gap, uint32_t number) {
    missing_--;
    if (gap->first == gap->last) {
      gaps_.erase(gap);
    } else if (number == gap->first) {
      gap->first++;
    } else if (number == gap->last) {
      gap->last--;
    } else {
      const uint32_t first = gap->first;
      gap->first = number + 1;
      gaps_.insert(gap, {first, number - 1});
    }
  }

  size_t gapsMax_ = 4'096;
  uint32_t last_ = 0;
  uint32_t forgottenTo_ = 0;
  uint64_t missing_ = 0;
  std::vector<Gap> gaps_;
};

}  // namespace load
