// Queued messages of an absent client that are in the log alone and belong to no other session: some 12 bytes for each,
// where an entry of a queue and its stub take 112. A queue has them in front of its entries until it is read
// (delivery-queue.h); during a start they are after the ones that it must process (durable/recovered-state.h).
//
//   flags        QoS (2 bits) | retain | other subscription identifiers than those before: their count and they follow
//                | a later epoch than the one before (of a start): the difference follows
//   number       of the message: the distance from the one before
//   position     in the log, where records lie at multiples of 4: a quarter of the distance from the one before
//   bytes        of its content: the difference to those before
#pragma once
#include <algorithm>
#include <memory>

#include "../messages/delivery.h"
#include "../structures/short-number.h"

namespace rally {

struct SleepingDelivery {
  uint64_t message = 0;
  log::Position at;
  size_t contentBytes = 0;
  uint8_t qos = 0;
  bool retain = false;
  uint32_t epoch = 0;
  SubscriptionIds ids;
};

class SleepingDeliveries {
 public:
  // `workers`: of the broker, as every message knows them.
  explicit SleepingDeliveries(unsigned workers) : workers_(uint8_t(workers)) {}

  // An earlier epoch than the one before counts as that.
  void add(SleepingDelivery each) {
    RALLY_ASSERT(each.at.value % quarter == 0);
    each.epoch = std::max(each.epoch, last_.epoch);
    const bool hasOtherIds = !(each.ids == last_.ids);
    const bool isLater = each.epoch != last_.epoch;
    bytes_.push_back(uint8_t(each.qos | (each.retain ? retainFlag : 0) | (hasOtherIds ? otherIdsFlag : 0) |
                             (isLater ? laterFlag : 0)));
    if (hasOtherIds) putIds(each.ids);
    if (isLater) putShort(bytes_, each.epoch - last_.epoch);
    putShort(bytes_, toZigzag(int64_t(each.message - last_.message)));
    putShort(bytes_, toZigzag(int64_t(each.at.value - last_.at.value) / int64_t(quarter)));
    putShort(bytes_, toZigzag(int64_t(each.contentBytes) - int64_t(last_.contentBytes)));
    contentBytes_ += each.contentBytes;
    heldBytes_ += Message::blockBytes(workers_, each.contentBytes) + each.ids.bytes();
    count_++;
    last_ = std::move(each);
  }
  // One is added soon. Inlined, since GCC takes a function that only prefetches for one that does nothing.
  [[gnu::always_inline]] void soon() const {
    __builtin_prefetch(&bytes_, 1);
    __builtin_prefetch(&count_, 1);
  }
  // Nothing is added for now.
  void trim() { bytes_.shrink_to_fit(); }

  size_t size() const { return count_; }
  // Of the heap.
  size_t bytes() const { return heapBytes(sizeof(*this)) + heapBytes(bytes_.capacity()); }
  // What the deliveries hold, as if they were awake.
  size_t heldBytes() const { return heldBytes_; }
  // Of the messages alone.
  size_t contentBytes() const { return contentBytes_; }

  // In order.
  template <class Visit>
  void each(Visit&& visit) const {
    SleepingDelivery next;
    for (size_t at = 0; at < bytes_.size();) {
      const uint8_t flags = bytes_[at++];
      next.qos = flags & qosBits;
      next.retain = (flags & retainFlag) != 0;
      if ((flags & otherIdsFlag) != 0) next.ids = takeIds(at);
      if ((flags & laterFlag) != 0) next.epoch += uint32_t(takeNumber(at));
      next.message += takeDistance(at);
      next.at.value += takeDistance(at) * quarter;
      next.contentBytes += size_t(takeDistance(at));
      visit(std::as_const(next));
    }
  }
  // As a delivery, of a stub.
  Delivery awake(const SleepingDelivery& each) const {
    return {.message = stubFor(workers_, each.message, LogPlace(each.at), each.contentBytes),
            .subscriptionIds = each.ids,
            .qos = each.qos,
            .retain = each.retain};
  }

 private:
  static constexpr uint8_t qosBits = 3;
  static constexpr uint8_t retainFlag = 4;
  static constexpr uint8_t otherIdsFlag = 8;
  static constexpr uint8_t laterFlag = 16;
  static constexpr uint64_t quarter = 4;

  void putIds(const SubscriptionIds& ids) {
    size_t count = 0;
    ids.each([&](uint32_t) { count++; });
    putShort(bytes_, count);
    ids.each([&](uint32_t id) { putShort(bytes_, id); });
  }
  SubscriptionIds takeIds(size_t& at) const {
    SubscriptionIds ids;
    for (uint64_t left = takeNumber(at); left > 0; left--) ids.add(uint32_t(takeNumber(at)));
    return ids;
  }
  uint64_t takeDistance(size_t& at) const { return fromZigzag(takeNumber(at)); }
  uint64_t takeNumber(size_t& at) const {
    uint64_t number = 0;
    const bool isThere = takeShort(bytes_, at, number);
    RALLY_ASSERT(isThere);
    return number;
  }

  std::vector<uint8_t> bytes_;
  SleepingDelivery last_;
  size_t heldBytes_ = 0;
  size_t contentBytes_ = 0;
  uint32_t count_ = 0;
  const uint8_t workers_;
};

}  // namespace rally
