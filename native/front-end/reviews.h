// Checks the subscriptions of sessions again: of all sessions when the rules change, of one when its client's identity
// changes or when it has come from another worker. A slice in each turn; until then every delivery is checked.
//
// Subscriptions that would be granted now stay, in whole or in part; those that would be refused end, and the client
// is not told: MQTT has no packet for it.
#pragma once
#include "../security/gate.h"
#include "../structures/fifo.h"
#include "subscriptions.h"

namespace rally {

class Reviews {
 public:
  Reviews(const Limits& limits, Gate& gate, SessionTable& sessions, Subscriptions& subscriptions)
      : limits_(limits), gate_(gate), sessions_(sessions), subscriptions_(subscriptions) {}

  // The rules have changed.
  void beginAll() {
    sessions_.each([&](Session& session) {
      if (session.rights) gate_.noteUnjudged(session.key);
    });
  }

  bool hasWork() const { return !waiting_.isEmpty() || gate_.hasUnjudged(); }

  // Once a turn.
  void proceed() {
    for (const uint64_t key : gate_.takeUnjudged()) waiting_.push({key, SIZE_MAX, 0});
    for (size_t left = limits_.subscriptionsPerTurn; left > 0 && !waiting_.isEmpty(); left--) {
      Review& review = waiting_.front();
      Session* const session = sessions_.find(review.session);
      // A session that leaves, or is moving here, is checked at its new worker, or once it has arrived.
      if (!session || !session->rights || session->move || session->subscriptionsEpoch == gate_.epoch() ||
          isDone(review, *session))
        waiting_.pop();
    }
  }

 private:
  struct Review {
    uint64_t session = 0;
    size_t left = 0;     // subscriptions with a lower index are to be judged
    uint32_t epoch = 0;  // by which the others were
  };

  // Checks one subscription, from the last to the first: the one that replaces a removed one was checked before.
  bool isDone(Review& review, Session& session) {
    if (review.epoch != gate_.epoch()) review = {session.key, SIZE_MAX, gate_.epoch()};
    review.left = std::min(review.left, session.subscriptions.size());
    if (review.left > 0) subscriptions_.review(session, --review.left);
    if (review.left > 0) return false;
    session.subscriptionsEpoch = gate_.epoch();
    return true;
  }

  const Limits& limits_;
  Gate& gate_;
  SessionTable& sessions_;
  Subscriptions& subscriptions_;
  Fifo<Review> waiting_;
};

}  // namespace rally
