// The messages that wait for one session, in order, and what they come to.
#pragma once
#include "../messages/delivery.h"
#include "../structures/fifo.h"

namespace rally {

class DeliveryQueue {
 public:
  bool empty() const { return all_.empty(); }
  size_t size() const { return all_.size(); }
  size_t messages() const { return all_.size() - retained_; }  // published since the session subscribed
  size_t bytes() const { return bytes_; }                      // of those
  size_t retained() const { return retained_; }                // retained messages for new subscriptions

  const Delivery& front() { return all_.front(); }

  void push(Delivery delivery) {
    if (delivery.isFromStore) retained_++;
    else bytes_ += delivery.message->size();
    all_.push(std::move(delivery));
  }
  Delivery take() {
    Delivery delivery = std::move(all_.front());
    all_.pop();
    if (delivery.isFromStore) retained_--;
    else bytes_ -= delivery.message->size();
    return delivery;
  }
  template <class Visit>
  void each(Visit&& visit) {
    for (uint64_t at = all_.first(); at != all_.end(); at++) visit(all_[at]);
  }
  // Moves those that `isMeant` to `taken`, in order.
  template <class IsMeant>
  void take(IsMeant&& isMeant, std::vector<Delivery>& taken) {
    bool isAny = false;
    each([&](const Delivery& delivery) { isAny = isAny || isMeant(delivery); });
    if (!isAny) return;
    for (DeliveryQueue before = std::exchange(*this, {}); !before.empty();) {
      Delivery delivery = before.take();
      if (isMeant(delivery)) taken.push_back(std::move(delivery));
      else push(std::move(delivery));
    }
  }
  void append(DeliveryQueue later) {
    while (!later.empty()) push(later.take());
  }

 private:
  Fifo<Delivery> all_;
  size_t bytes_ = 0;
  size_t retained_ = 0;
};

}  // namespace rally
