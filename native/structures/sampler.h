// Samples messages: all of them while they are few, otherwise about perSecond of them a second, at random distances,
// so that messages that alternate are sampled alike. Each sample represents all messages since the previous one, so
// sums are right on average.
//
//   stride 1   x x x x x x        stride 4   . . x . . . . x . x . . . . . x        distance: 1 to 2 * stride - 1
//
// A message that is skipped costs a subtraction and a test.
#pragma once
#include <algorithm>
#include <cstdint>

namespace rally {

class Sampler {
 public:
  static constexpr uint32_t perSecond = 500;

  // For each message. True: this one is sampled; take() must follow.
  bool isDue() { return --left_ == 0; }

  // Whether the last one was sampled and take() has not been called yet.
  bool isTaking() const { return left_ == 0; }

  // Returns the number of messages that this one represents.
  uint32_t take() {
    const uint32_t messages = stride_;
    seen_ += messages;
    // There are far more in this second than in the previous one.
    if (++taken_ % perSecond == 0) stride_ = std::min(stride_ * burstFactor, strideMax);
    left_ = distance();
    return messages;
  }

  // Once a second.
  void tick() {
    const uint32_t before = stride_;
    stride_ = uint32_t(std::clamp<uint64_t>((seen_ + perSecond - 1) / perSecond, 1, strideMax));
    if (stride_ < before) left_ = std::min(left_, distance());
    seen_ = 0;
    taken_ = 0;
  }

 private:
  static constexpr uint32_t burstFactor = 8;
  static constexpr uint32_t strideMax = 1 << 20;

  uint32_t distance() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return 1 + uint32_t((random_ >> 32) % (2 * uint64_t(stride_) - 1));
  }

  uint32_t left_ = 1;
  uint32_t stride_ = 1;
  uint32_t taken_ = 0;
  uint64_t seen_ = 0;  // in this second
  uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace rally
