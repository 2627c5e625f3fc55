// The rate limit of a client: a bucket of messages and one of bytes, which fill with time and hold the allowance of
// one second. A client that has emptied one is not read for a while; nothing that it sends is dropped.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rally {

class ClientPace {
 public:
  // 0: any number.
  ClientPace(uint32_t messagesPerSecond, uint32_t bytesPerSecond, uint64_t nowMs)
      : messages_(messagesPerSecond), bytes_(bytesPerSecond), atMs_(nowMs) {}

  // Takes a packet. False: it has to wait. A packet may exceed the rest, and then the next waits longer.
  bool take(bool isMessage, size_t packetBytes, uint64_t nowMs, bool isHalved) {
    fill(nowMs, isHalved);
    if (!mayTake()) return false;
    if (isMessage) messages_.spend(1);
    bytes_.spend(packetBytes);
    return true;
  }

  // A message that was counted is offered again.
  void giveBack(size_t packetBytes) {
    messages_.giveBack(1);
    bytes_.giveBack(packetBytes);
  }

  // Whether take() would succeed now.
  bool mayTake(uint64_t nowMs, bool isHalved) {
    fill(nowMs, isHalved);
    return mayTake();
  }

 private:
  // In thousandths, so that a millisecond counts at a slow rate.
  class Bucket {
   public:
    explicit Bucket(uint32_t perSecond) : perSecond_(perSecond), milliunits_(int64_t(perSecond) * 1'000) {}
    void fill(uint64_t passedMs, bool isHalved) {
      if (perSecond_ == 0) return;
      const uint64_t countedMs = std::min<uint64_t>(passedMs, longestMs);
      const int64_t gain = int64_t(countedMs) * perSecond_ / (isHalved ? 2 : 1);
      milliunits_ = std::min(milliunits_ + gain, int64_t(perSecond_) * 1'000);
    }
    bool hasSome() const { return perSecond_ == 0 || milliunits_ >= 1'000; }
    void spend(size_t units) {
      if (perSecond_ != 0) milliunits_ -= int64_t(units) * 1'000;
    }

    void giveBack(size_t units) {
      if (perSecond_ != 0) milliunits_ += int64_t(units) * 1'000;
    }

   private:
    // The longest debt: that of the largest packet at the slowest rate.
    static constexpr uint64_t longestMs = uint64_t(1) << 30;
    uint32_t perSecond_;
    int64_t milliunits_;
  };

  void fill(uint64_t nowMs, bool isHalved) {
    if (nowMs <= atMs_) return;
    messages_.fill(nowMs - atMs_, isHalved);
    bytes_.fill(nowMs - atMs_, isHalved);
    atMs_ = nowMs;
  }
  bool mayTake() const { return messages_.hasSome() && bytes_.hasSome(); }

  Bucket messages_;
  Bucket bytes_;
  uint64_t atMs_;
};

}  // namespace rally
