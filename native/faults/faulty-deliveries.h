// Deliveries to sessions, of which one is now and then lost, doubled or swapped with the next (fault-plan.h).
#pragma once
#include <optional>

#include "../messages/delivery.h"
#include "fault-plan.h"

namespace rally::faults {

class FaultyDeliveries {
 public:
  // Takes a delivery to a session, and calls `outbound.deliver()` with what the session gets instead. False for those
  // calls: they proceed as usual.
  template <class Outbound, class Session>
  bool takes(Outbound& outbound, Session& session, Publication& publication, uint8_t qos, bool retain,
             const SubscriptionIds& ids, uint32_t share) {
    if (isPassing_) return false;
    isPassing_ = true;
    const Fault fault = dice_.next(Place::delivery);
    if (fault == Fault::reorder && !held_) {
      held_ = Held{
          session.key,
          {.message = publication.keep(), .subscriptionIds = ids, .qos = qos, .retain = retain, .share = share}};
    } else if (fault != Fault::drop) {
      outbound.deliver(session, publication, qos, retain, ids, share);
      if (fault == Fault::twice) outbound.deliver(session, publication, qos, retain, ids, share);
      if (held_ && held_->session == session.key) deliverHeld(outbound, session, publication);
    }
    isPassing_ = false;
    return true;
  }

 private:
  // A message that comes after the next one of its session.
  struct Held {
    uint64_t session = 0;
    Delivery delivery;
  };

  template <class Outbound, class Session>
  void deliverHeld(Outbound& outbound, Session& session, const Publication& current) {
    const Delivery late = std::move(held_->delivery);
    held_.reset();
    Publication publication = Publication::of(late.message, 0);
    outbound.begin(publication);  // another one than the one that is being delivered ...
    outbound.deliver(session, publication, late.qos, late.retain, late.subscriptionIds, late.share);
    outbound.begin(current);  // ... which goes on
  }

  Dice dice_;
  std::optional<Held> held_;
  bool isPassing_ = false;
};

}  // namespace rally::faults
