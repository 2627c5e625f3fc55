// Writes a complete session with its queue into the log, when it has arrived from another node with its own log.
// Records of an earlier stay in this log no longer apply.
#pragma once
#include "../sessions/session-table.h"
#include "journal.h"

namespace rally {

inline void logWhole(Journal& journal, Session& session, HeldMessages& held) {
  BroughtTargets targets;
  const auto bring = [&](const Delivery& delivery) {
    if (delivery.qos == 0 || !delivery.message) return;
    Publication publication = Publication::of(delivery.message, 0);
    targets.clear();
    targets.add(session.key, delivery.qos, delivery.retain, delivery.isFromStore, delivery.subscriptionIds);
    journal.bring(publication, targets);
  };
  journal.ended(session);
  session.durable->setStamp(journal.stamp());
  session.durable->checkpoint = journal.checkpoint();
  journal.session(session);
  for (const SubscriptionRef& each : session.subscriptions) {
    const Subscriber& subscriber = each.filter->subscribers[each.position];
    journal.subscribed(session, each.filter->text(),
                       {.qos = subscriber.qos,
                        .noLocal = subscriber.noLocal,
                        .retainAsPublished = subscriber.retainAsPublished,
                        .subscriptionId = subscriber.subscriptionId});
  }
  session.unfinished->received.all.each([&](uint16_t packetId) {
    journal.received(session, packetId);
    session.durable->exchanges.own().receivedLogged.add(packetId);
  });
  session.window.eachNumbered([&](uint16_t packetId, const Window::Entry& entry) {
    if (entry.state == Window::State::done) return;
    if (entry.state == Window::State::sent) bring(entry.delivery);
    if (entry.delivery.qos != 2) return;
    const bool isSent = entry.state == Window::State::sent && entry.delivery.message;
    journal.sent(session, packetId, isSent ? entry.delivery.message->logId : 0, false);
  });
  session.queue.each(held, [&](const Delivery& delivery) { bring(delivery); });
}

}  // namespace rally
