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
#include <utility>
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

// The same for a stream whose numbers are dealt out to several receivers, and so come in any order: a bit for each from
// the first that is missing on. A number costs the same as in a stream without gaps.
//
//   1 2 3 | 4 5 6 7 |          first_ = 4: all before have come, or are forgotten
//         | 0 1 1 0 |          last_ = 7, bits of a ring, which grows up to `numbersMax`
class DealtSequence {
 public:
  Arrival take(uint32_t number) {
    if (number < first_) return number != 0 && number <= forgottenTo_ ? Arrival::unclear : Arrival::duplicate;
    while (number - first_ >= numbers()) extend(number);
    uint64_t& word = wordOf(number);
    if ((word & bitOf(number)) != 0) return Arrival::duplicate;
    word |= bitOf(number);
    came_++;
    const Arrival arrival = number < last_ ? Arrival::late : number == last_ + 1 ? Arrival::next : Arrival::gap;
    last_ = std::max(last_, number);
    while (first_ <= last_ && (wordOf(first_) & bitOf(first_)) != 0) pass();
    return arrival;
  }

  // The highest number that came.
  uint32_t last() const { return last_; }
  // How many below it have not come.
  uint64_t missing() const { return last_ - came_; }

  static constexpr uint32_t numbersMax = 65'536;

 private:
  uint32_t numbers() const { return uint32_t(words_.size() * 64); }
  uint64_t& wordOf(uint32_t number) { return words_[number / 64 & (words_.size() - 1)]; }
  static uint64_t bitOf(uint32_t number) { return uint64_t(1) << number % 64; }
  void pass() {
    wordOf(first_) &= ~bitOf(first_);
    first_++;
  }

  // Makes room for the number, in the end by forgetting the first ones.
  void extend(uint32_t number) {
    if (numbers() == numbersMax) {
      for (const uint32_t end = std::min(number - numbersMax, last_) + 1; first_ < end;) pass();
      if (first_ + numbersMax <= number) first_ = number - numbersMax + 1;
      forgottenTo_ = first_ - 1;
      return;
    }
    std::vector<uint64_t> before = std::exchange(words_, std::vector<uint64_t>(std::max<size_t>(1, 2 * words_.size())));
    for (uint32_t each = first_; each <= last_; each++)
      wordOf(each) |= before[each / 64 & (before.size() - 1)] & bitOf(each);
  }

  uint32_t first_ = 1;
  uint32_t last_ = 0;
  uint32_t forgottenTo_ = 0;
  uint64_t came_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace load
