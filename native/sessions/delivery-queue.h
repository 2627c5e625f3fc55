// The messages that wait for one session, in order, and their size. The entries belong to the worker, and queues with
// the same ones share them; their memory is accounted there as well (held-messages.h).
//
//   in a worker          a row of the worker's entries
//   between two workers  depart()  -->  its own list  -->  arrive()
//
// Of a session that is away, the oldest may be asleep: in few bytes, in front of the row. They wake by themselves when
// somebody asks for what waits.
#pragma once
#include "held-messages.h"
#include "sleeping-deliveries.h"

namespace rally {

class DeliveryQueue {
 public:
  bool isEmpty() const { return row_.isEmpty() && !asleep_; }
  size_t size() const { return row_.size() + (asleep_ ? asleep_->size() : 0); }
  size_t messages() const { return size() - retained_; }  // published since the session subscribed
  size_t retained() const { return retained_; }           // retained messages for new subscriptions
  bool isAsleep() const { return asleep_ != nullptr; }
  // Bytes of entries and what they hold: of published messages, and of retained ones.
  size_t bytes() const { return contentBytes_ + messages() * sizeof(Delivery); }
  size_t retainedBytes() const { return retainedContentBytes_ + retained_ * sizeof(Delivery); }

  const Delivery& front(HeldMessages& held) {
    wake(held);
    return held.rows().front(row_);
  }

  void push(Delivery&& delivery, HeldMessages& held) {
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) += delivery.bytes();
    if (delivery.isFromStore) retained_++;
    held.push(row_, std::move(delivery));
  }
  Delivery take(HeldMessages& held) {
    wake(held);
    return left(held.takeFront(row_));
  }
  // The newest entry. There must be one.
  Delivery takeNewest(HeldMessages& held) {
    if (row_.isEmpty()) wake(held);
    return left(held.takeBack(row_));
  }
  void clear(HeldMessages& held) {
    if (asleep_) {
      contentBytes_ -= asleep_->heldBytes();
      held.resize(asleep_->bytes(), 0);
      asleep_.reset();
    }
    while (!isEmpty()) take(held);
    trim();
  }
  // Frees what it keeps while it is empty.
  void trim() { row_.trim(); }

  template <class Visit>
  void each(HeldMessages& held, Visit&& visit) {
    wake(held);
    held.rows().each(row_, visit);
  }
  // Visits entries from the oldest on, with their places, until `visit` gives true.
  template <class Visit>
  void eachUntil(HeldMessages& held, Visit&& visit) {
    wake(held);
    held.rows().eachUntil(row_, visit);
  }
  // Moves the entries that `isMeant` to `taken`, in order.
  template <class IsMeant>
  void take(IsMeant&& isMeant, std::vector<Delivery>& taken, HeldMessages& held) {
    bool isAny = false;
    each(held, [&](const Delivery& delivery) { isAny = isAny || isMeant(delivery); });
    if (!isAny) return;
    for (DeliveryQueue before = std::exchange(*this, {}); !before.isEmpty();) {
      Delivery delivery = before.take(held);
      if (isMeant(delivery)) taken.push_back(std::move(delivery));
      else push(std::move(delivery), held);
    }
  }
  void append(DeliveryQueue later, HeldMessages& held) {
    while (!later.isEmpty()) push(later.take(held), held);
  }

  // The session is away, and nothing waits for it yet.
  void begin(std::unique_ptr<SleepingDeliveries> asleep, HeldMessages& held) {
    RALLY_ASSERT(isEmpty());
    contentBytes_ += asleep->heldBytes();
    held.resize(0, asleep->bytes());
    asleep_ = std::move(asleep);
  }
  // The session is away: the oldest that are awake go to sleep, as far as they may, and no more than `most`.
  void sleep(HeldMessages& held, size_t most = asleepMax) {
    most = std::min(most, asleepMax - std::min(asleepMax, asleep_ ? asleep_->size() : 0));
    size_t count = 0;
    unsigned workers = 0;
    held.rows().eachUntil(row_, [&](const Delivery& delivery, RowPlace place) {
      if (count == most || !held.maySleep(delivery, place)) return true;
      workers = delivery.message->workers;
      count++;
      return false;
    });
    if (count == 0) return;
    const size_t before = asleep_ ? asleep_->bytes() : 0;
    if (!asleep_) asleep_ = std::make_unique<SleepingDeliveries>(workers);
    for (; count > 0; count--) {
      const Delivery delivery = held.takeFront(row_);
      const Message& stub = *delivery.message.get();
      asleep_->add({.message = stub.logId,
                    .at = stub.logPlace().position(),
                    .contentBytes = stub.contentBytes(),
                    .qos = delivery.qos,
                    .retain = delivery.retain,
                    .ids = delivery.subscriptionIds});
    }
    row_.trim();
    held.resize(before, asleep_->bytes());
  }

  // More wake at once for nobody, since that takes a millisecond or two.
  static constexpr size_t asleepMax = 8'192;

  // It moves to another worker unchanged, or has come from one.
  void depart(HeldMessages& held) {
    if (isEmpty()) return;
    travelling_ = std::make_unique<std::vector<Delivery>>();
    travelling_->reserve(size());
    while (!isEmpty()) travelling_->push_back(take(held));
    trim();
  }
  void arrive(HeldMessages& held) {
    const std::unique_ptr<std::vector<Delivery>> arrived = std::move(travelling_);
    if (!arrived) return;
    for (Delivery& delivery : *arrived) push(std::move(delivery), held);
  }
  // Its contents, in order, while it is between two workers.
  std::span<const Delivery> travelling() const {
    return travelling_ ? std::span<const Delivery>(*travelling_) : std::span<const Delivery>();
  }
  static DeliveryQueue travellingWith(std::vector<Delivery> deliveries) {
    DeliveryQueue queue;
    if (!deliveries.empty()) queue.travelling_ = std::make_unique<std::vector<Delivery>>(std::move(deliveries));
    return queue;
  }
  // Its own memory, and the most that one more entry may add to that and to the shared memory.
  size_t entryBytes() const { return row_.bytes() + (asleep_ ? asleep_->bytes() : 0); }
  size_t growthBytes(HeldMessages& held) { return held.rows().growthBytes(row_); }

 private:
  void wake(HeldMessages& held) {
    if (!asleep_) [[likely]]
      return;
    const std::unique_ptr<SleepingDeliveries> asleep = std::move(asleep_);
    held.resize(asleep->bytes(), 0);
    HeldMessages::Rows::Row behind = std::exchange(row_, {});
    asleep->each([&](const SleepingDelivery& each) { held.push(row_, asleep->awake(each)); });
    while (!behind.isEmpty()) held.push(row_, held.takeFront(behind));
  }
  Delivery left(Delivery delivery) {
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) -= delivery.bytes();
    if (delivery.isFromStore) retained_--;
    return delivery;
  }

  HeldMessages::Rows::Row row_;
  std::unique_ptr<SleepingDeliveries> asleep_;  // in front of the row; not empty
  std::unique_ptr<std::vector<Delivery>> travelling_;
  size_t contentBytes_ = 0;          // of published ones: blocks, each fully, and subscription identifiers
  size_t retainedContentBytes_ = 0;  // likewise
  size_t retained_ = 0;
};

}  // namespace rally
