// The queued messages of one session, in order, and their size. The entries belong to the worker, and queues with
// equal entries share them; their memory is accounted there as well (held-messages.h).
//
//   in a worker          a row of the worker's entries
//   between two workers  depart()  -->  its own list  -->  arrive()
//
// For a session whose client is away, the oldest may be asleep: in compact form, in front of the row. They wake
// automatically when the queue is read. Parts that a queue does not have cost one pointer.
#pragma once
#include "../structures/lazy.h"
#include "held-messages.h"
#include "sleeping-deliveries.h"

namespace rally {

class DeliveryQueue {
 public:
  bool isEmpty() const { return awake_->row.isEmpty() && !asleep_; }
  size_t size() const { return awake_->row.size() + (asleep_ ? asleep_->size() : 0); }
  size_t messages() const { return size() - retained(); }  // published since the session subscribed
  size_t retained() const { return awake_->retained; }     // retained messages for new subscriptions
  size_t shared() const { return awake_->shared; }         // through shared subscriptions
  bool isAsleep() const { return asleep_ != nullptr; }
  // Bytes of entries and what they hold: of published messages, and of retained ones.
  size_t bytes() const {
    return awake_->contentBytes + (asleep_ ? asleep_->heldBytes() : 0) + messages() * sizeof(Delivery);
  }
  size_t retainedBytes() const { return awake_->retainedContentBytes + retained() * sizeof(Delivery); }

  const Delivery& front(HeldMessages& held) {
    wake(held);
    return held.rows().front(awake_.own().row);
  }

  void push(Delivery&& delivery, HeldMessages& held) {
    Awake& awake = awake_.own();
    (delivery.isFromStore ? awake.retainedContentBytes : awake.contentBytes) += delivery.bytes();
    if (delivery.isFromStore) awake.retained++;
    if (delivery.share != 0) awake.shared++;
    held.push(awake.row, std::move(delivery));
  }
  Delivery take(HeldMessages& held) {
    wake(held);
    return left(held.takeFront(awake_.own().row));
  }
  // The newest entry. There must be one.
  Delivery takeNewest(HeldMessages& held) {
    if (awake_->row.isEmpty()) wake(held);
    return left(held.takeBack(awake_.own().row));
  }
  void clear(HeldMessages& held) {
    if (asleep_) {
      held.giveBack(*asleep_);
      asleep_.reset();
    }
    while (!isEmpty()) take(held);
    trim();
  }
  // Frees what it keeps while it is empty.
  void trim() {
    if (awake_->row.isEmpty()) awake_.reset();
  }

  template <class Visit>
  void each(HeldMessages& held, Visit&& visit) {
    wake(held);
    if (!isEmpty()) held.rows().each(awake_.own().row, visit);
  }
  // Visits entries from the oldest on, with their places, until `visit` gives true.
  template <class Visit>
  void eachUntil(HeldMessages& held, Visit&& visit) {
    wake(held);
    if (!isEmpty()) held.rows().eachUntil(awake_.own().row, visit);
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
    held.take(*asleep);
    asleep_ = std::move(asleep);
  }
  // The session is away: the oldest that are awake go to sleep, as far as they may, and no more than `most`.
  void sleep(HeldMessages& held, size_t most = asleepMax) {
    if (awake_->row.isEmpty()) return;
    Awake& awake = awake_.own();
    most = std::min(most, asleepMax - std::min(asleepMax, asleep_ ? asleep_->size() : 0));
    size_t count = 0;
    unsigned workers = 0;
    held.rows().eachUntil(awake.row, [&](const Delivery& delivery, RowPlace place) {
      if (count == most || !held.maySleep(delivery, place)) return true;
      workers = delivery.message->workers;
      count++;
      return false;
    });
    if (count == 0) return;
    if (asleep_) held.giveBack(*asleep_);
    else asleep_ = std::make_unique<SleepingDeliveries>(workers);
    for (; count > 0; count--) {
      const Delivery delivery = left(held.takeFront(awake.row));
      const Message& stub = *delivery.message.get();
      asleep_->add({.message = stub.logId,
                    .at = stub.logPlace().position(),
                    .contentBytes = stub.contentBytes(),
                    .qos = delivery.qos,
                    .retain = delivery.retain,
                    .ids = delivery.subscriptionIds});
    }
    awake.row.trim();
    held.take(*asleep_);
    trim();
  }

  // More wake at once for nobody, since that takes a millisecond or two.
  static constexpr size_t asleepMax = 8'192;

  // It moves to another worker unchanged, or has come from one.
  void depart(HeldMessages& held) {
    if (isEmpty()) return;
    std::vector<Delivery> travelling;
    travelling.reserve(size());
    while (!isEmpty()) travelling.push_back(take(held));
    trim();
    *this = travellingWith(std::move(travelling));
  }
  // The same, for another worker to have, as if it had departed.
  DeliveryQueue copy(HeldMessages& held) {
    std::vector<Delivery> travelling;
    travelling.reserve(size());
    each(held, [&](const Delivery& delivery) { travelling.push_back(delivery); });
    return travellingWith(std::move(travelling));
  }
  void arrive(HeldMessages& held) {
    if (travelling().empty()) return;
    std::vector<Delivery> arrived = std::move(awake_.own().travelling);
    awake_.reset();
    for (Delivery& delivery : arrived) push(std::move(delivery), held);
  }
  // Its contents, in order, while it is between two workers.
  std::span<const Delivery> travelling() const { return awake_->travelling; }
  static DeliveryQueue travellingWith(std::vector<Delivery> deliveries) {
    DeliveryQueue queue;
    if (!deliveries.empty()) queue.awake_.own().travelling = std::move(deliveries);
    return queue;
  }
  // Its own memory, and the most that one more entry may add to that and to the shared memory.
  size_t entryBytes() const { return awake_->row.bytes() + (asleep_ ? asleep_->bytes() : 0); }
  size_t growthBytes(HeldMessages& held) { return held.rows().growthBytes(awake_->row); }

 private:
  struct Awake {
    HeldMessages::Rows::Row row;
    size_t contentBytes = 0;          // of published ones: blocks, each fully, and subscription identifiers
    size_t retainedContentBytes = 0;  // likewise
    uint32_t retained = 0;
    uint32_t shared = 0;
    std::vector<Delivery> travelling;
  };

  void wake(HeldMessages& held) {
    if (!asleep_) [[likely]]
      return;
    const std::unique_ptr<SleepingDeliveries> asleep = std::move(asleep_);
    held.giveBack(*asleep);
    DeliveryQueue behind = std::exchange(*this, {});
    asleep->each([&](const SleepingDelivery& each) { push(asleep->awake(each), held); });
    append(std::move(behind), held);
  }
  Delivery left(Delivery delivery) {
    Awake& awake = awake_.own();
    (delivery.isFromStore ? awake.retainedContentBytes : awake.contentBytes) -= delivery.bytes();
    if (delivery.isFromStore) awake.retained--;
    if (delivery.share != 0) awake.shared--;
    return delivery;
  }

  std::unique_ptr<SleepingDeliveries> asleep_;  // in front of the row; not empty
  Lazy<Awake> awake_;
};

}  // namespace rally
