// The random numbers of the tests: the same for the same seed on any machine. A fuzzer takes them from its input
// instead, so that changing a byte of it changes one choice; when it is used up all choices are the first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace check {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  explicit Random(std::span<const uint8_t> choices) : choices_(choices), hasChoices_(true) {}

  // Whether a fuzzer's input is used up.
  bool isSpent() const { return hasChoices_ && choices_.empty(); }
  // What is left of a fuzzer's input.
  std::span<const uint8_t> rest() { return std::exchange(choices_, {}); }

  // splitmix64
  uint64_t next() {
    if (hasChoices_) return take(8);
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 <= n < end
  size_t below(size_t end) {
    if (hasChoices_) return size_t(take(end <= 1 ? 0 : end <= 256 ? 1 : end <= 65'536 ? 2 : 8) % end);
    return size_t(next() % end);
  }
  // first <= n <= last
  size_t between(size_t first, size_t last) { return first + below(last - first + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }
  uint8_t byte() { return hasChoices_ ? uint8_t(take(1)) : uint8_t(next()); }

  std::vector<uint8_t> bytes(size_t count) {
    std::vector<uint8_t> all(count);
    for (uint8_t& each : all) each = byte();
    return all;
  }
  std::string text(size_t count, const std::string& alphabet) {
    std::string all(count, ' ');
    for (char& each : all) each = alphabet[below(alphabet.size())];
    return all;
  }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& all) {
    for (size_t i = all.size(); i > 1; i--) std::swap(all[i - 1], all[below(i)]);
  }

 private:
  uint64_t take(size_t bytes) {
    uint64_t value = 0;
    for (; bytes > 0 && !choices_.empty(); bytes--) {
      value = value << 8 | choices_[0];
      choices_ = choices_.subspan(1);
    }
    return value;
  }

  uint64_t state_ = 0;
  std::span<const uint8_t> choices_;
  bool hasChoices_ = false;
};

}  // namespace check
