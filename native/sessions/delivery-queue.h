// The messages that wait for one session, in order, and their size. The entries belong to the worker, and queues with
// the same ones share them; their memory is accounted there as well (held-messages.h).
//
//   in a worker          a row of the worker's entries
//   between two workers  depart()  -->  its own list  -->  arrive()
#pragma once
#include "held-messages.h"

namespace rally {

class DeliveryQueue {
 public:
  bool isEmpty() const { return row_.isEmpty(); }
  size_t size() const { return row_.size(); }
  size_t messages() const { return row_.size() - retained_; }  // published since the session subscribed
  size_t retained() const { return retained_; }                // retained messages for new subscriptions
  // Bytes of entries and what they hold: of published messages, and of retained ones.
  size_t bytes() const { return contentBytes_ + messages() * sizeof(Delivery); }
  size_t retainedBytes() const { return retainedContentBytes_ + retained_ * sizeof(Delivery); }

  const Delivery& front(HeldMessages& held) { return held.rows().front(row_); }

  void push(Delivery&& delivery, HeldMessages& held) {
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) += delivery.bytes();
    if (delivery.isFromStore) retained_++;
    held.push(row_, std::move(delivery));
  }
  Delivery take(HeldMessages& held) { return left(held.takeFront(row_)); }
  // The newest entry. There must be one.
  Delivery takeNewest(HeldMessages& held) { return left(held.takeBack(row_)); }
  void clear(HeldMessages& held) {
    while (!isEmpty()) take(held);
    trim();
  }
  // Frees what it keeps while it is empty.
  void trim() { row_.trim(); }

  template <class Visit>
  void each(HeldMessages& held, Visit&& visit) {
    held.rows().each(row_, visit);
  }
  // Visits entries from the oldest on, with their places, until `visit` gives true.
  template <class Visit>
  void eachUntil(HeldMessages& held, Visit&& visit) {
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
  size_t entryBytes() const { return row_.bytes(); }
  size_t growthBytes(HeldMessages& held) { return held.rows().growthBytes(row_); }

 private:
  Delivery left(Delivery delivery) {
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) -= delivery.bytes();
    if (delivery.isFromStore) retained_--;
    return delivery;
  }

  HeldMessages::Rows::Row row_;
  std::unique_ptr<std::vector<Delivery>> travelling_;
  size_t contentBytes_ = 0;          // of published ones: blocks, each fully, and subscription identifiers
  size_t retainedContentBytes_ = 0;  // likewise
  size_t retained_ = 0;
};

}  // namespace rally
