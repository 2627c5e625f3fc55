// The messages that wait for one session, in order, and what they come to. What they hold is told to the account of
// the worker (held-messages.h), which every change is given.
#pragma once
#include "../structures/fifo.h"
#include "held-messages.h"

namespace rally {

class DeliveryQueue {
 public:
  bool isEmpty() const { return all_.isEmpty(); }
  size_t size() const { return all_.size(); }
  size_t messages() const { return all_.size() - retained_; }  // published since the session subscribed
  size_t retained() const { return retained_; }                // retained messages for new subscriptions
  // What entries hold and they themselves: of those that were published, and of retained ones.
  size_t bytes() const { return contentBytes_ + messages() * sizeof(Delivery); }
  size_t retainedBytes() const { return retainedContentBytes_ + retained_ * sizeof(Delivery); }

  const Delivery& front() { return all_.front(); }

  void push(Delivery&& delivery, HeldMessages& held) {
    const size_t before = all_.bytes();
    held.take(delivery);
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) += delivery.bytes();
    if (delivery.isFromStore) retained_++;
    all_.push(std::move(delivery));
    held.resize(before, all_.bytes());
  }
  Delivery take(HeldMessages& held) {
    const size_t before = all_.bytes();
    Delivery delivery = std::move(all_.front());
    all_.pop();
    leave(delivery, before, held);
    return delivery;
  }
  // The newest one. There must be one.
  Delivery takeNewest(HeldMessages& held) {
    const size_t before = all_.bytes();
    Delivery delivery = std::move(all_.back());
    all_.popBack();
    leave(delivery, before, held);
    return delivery;
  }
  void clear(HeldMessages& held) {
    while (!isEmpty()) take(held);
    trim();
  }
  // Gives back what it keeps while it is empty.
  void trim() { all_.trim(); }

  template <class Visit>
  void each(Visit&& visit) {
    for (uint64_t at = all_.first(); at != all_.end(); at++) visit(all_[at]);
  }
  // Moves those that `isMeant` to `taken`, in order.
  template <class IsMeant>
  void take(IsMeant&& isMeant, std::vector<Delivery>& taken, HeldMessages& held) {
    bool isAny = false;
    each([&](const Delivery& delivery) { isAny = isAny || isMeant(delivery); });
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

  // It goes to another worker as it is, or has come from one.
  void depart(HeldMessages& held) {
    each([&](const Delivery& delivery) { held.giveBack(delivery); });
    held.resize(all_.bytes(), 0);
  }
  void arrive(HeldMessages& held) {
    each([&](const Delivery& delivery) { held.take(delivery); });
    held.resize(0, all_.bytes());
  }
  // The memory of the entries, and what one more may add.
  size_t entryBytes() const { return all_.bytes(); }
  size_t growthBytes() const { return all_.growthBytes(); }

 private:
  void leave(const Delivery& delivery, size_t entriesBefore, HeldMessages& held) {
    held.giveBack(delivery);
    held.resize(entriesBefore, all_.bytes());
    (delivery.isFromStore ? retainedContentBytes_ : contentBytes_) -= delivery.bytes();
    if (delivery.isFromStore) retained_--;
  }

  Fifo<Delivery> all_;
  size_t contentBytes_ = 0;          // of published ones: blocks, each fully, and subscription identifiers
  size_t retainedContentBytes_ = 0;  // likewise
  size_t retained_ = 0;
};

}  // namespace rally
