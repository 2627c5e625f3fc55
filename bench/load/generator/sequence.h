// Finds what is missing, came twice or came late in a stream that is numbered 1, 2, 3, ...
//
//   last_ = 9    seen_: ... 5 . 7 8 9      6 is missing; if it comes now it is late, 7 would be a duplicate
//
// It remembers the last `Window` numbers. One that is older counts as a duplicate.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace load {

enum class Arrival : uint8_t { next, gap, late, duplicate };

template <size_t Window>
class Sequence {
  static_assert(Window % 64 == 0);

 public:
  Arrival take(uint32_t number) {
    if (number > last_) {
      const uint32_t skipped = number - last_ - 1;
      for (uint32_t i = skipped < Window ? last_ + 1 : number - uint32_t(Window) + 1; i != number; i++) unmark(i);
      mark(number);
      last_ = number;
      missing_ += skipped;
      return skipped == 0 ? Arrival::next : Arrival::gap;
    }
    if (last_ - number >= Window || isMarked(number)) return Arrival::duplicate;
    mark(number);
    missing_--;
    return Arrival::late;
  }

  // The highest number that came.
  uint32_t last() const { return last_; }
  // How many below it have not come.
  uint64_t missing() const { return missing_; }

 private:
  static uint64_t bitOf(uint32_t number) { return uint64_t(1) << (number % 64); }
  uint64_t& wordOf(uint32_t number) { return seen_[number % Window / 64]; }
  void mark(uint32_t number) { wordOf(number) |= bitOf(number); }
  void unmark(uint32_t number) { wordOf(number) &= ~bitOf(number); }
  bool isMarked(uint32_t number) { return (wordOf(number) & bitOf(number)) != 0; }

  uint32_t last_ = 0;
  uint64_t missing_ = 0;
  // There is no number 0: if one comes it is not late.
  std::array<uint64_t, Window / 64> seen_{1};
};

}  // namespace load
