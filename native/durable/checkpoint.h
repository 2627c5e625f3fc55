// Writes the whole durable state of a broker into its log, so that what stands before it is not needed any more. While
// it is written no worker does anything else, and nothing is on its way between them.
//
//   checkpointBegin | retained messages | for each session: itself, subscriptions, messages and deliveries |
//   checkpointEnd
#pragma once
#include <unordered_set>

#include "../broker.h"

namespace rally {

class Checkpoint {
 public:
  // All of it goes by the journal of one engine.
  Checkpoint(Broker& broker, Engine& writer) : broker_(broker), journal_(writer.journal()) {}

  // Gives the ticket of its beginning.
  log::Ticket write(uint64_t run) {
    uint64_t lastMessage = 0;
    for (unsigned worker = 0; worker < broker_.workers(); worker++)
      lastMessage = std::max(lastMessage, broker_.engine(worker).journal().lastMessage());
    const log::Ticket begin = journal_.append(records::CheckpointBegin{run, wallClockMs(), lastMessage});
    for (unsigned worker = 0; worker < broker_.workers(); worker++) {
      Engine& engine = broker_.engine(worker);
      engine.shard().eachRetained([&](const MessageRef& message) {
        if (message->logId != 0) copy(message, records::Message::retains);
        journal_.submitSome();
      });
      engine.eachSession([&](Session& session) {
        if (session.durable) write(session);
        journal_.submitSome();
      });
    }
    for (unsigned worker = 0; worker < broker_.workers(); worker++) {
      broker_.engine(worker).eachSession([&](Session& session) {
        if (!session.durable) writeGuest(session);
      });
    }
    journal_.append(records::CheckpointEnd{run});
    return begin;
  }

 private:
  void copy(const MessageRef& message, uint8_t flags) {
    if (flags == 0 && !copied_.insert(message->logId).second) return;
    copied_.insert(message->logId);
    journal_.copy(message, uint8_t(flags | records::Message::isCopy));
  }

  void write(Session& session) {
    journal_.flushDone(session);
    journal_.session(session);
    for (const SubscriptionRef& each : session.subscriptions) {
      const Subscriber& subscriber = each.filter->subscribers[each.position];
      journal_.subscribed(session, each.filter->text(),
                          {.qos = subscriber.qos,
                           .noLocal = subscriber.noLocal,
                           .retainAsPublished = subscriber.retainAsPublished,
                           .subscriptionId = subscriber.subscriptionId});
    }
    session.durable->receivedLogged.each([&](uint16_t packetId) { journal_.received(session, packetId); });
    session.window.eachNumbered(
        [&](uint16_t packetId, const Window::Entry& entry) { write(session, packetId, entry); });
    session.queue.each([&](const Delivery& delivery) { write(session, delivery); });
  }
  void write(Session& session, uint16_t packetId, const Window::Entry& entry) {
    if (entry.state == Window::State::done) return;
    const bool isLogged = entry.delivery.message && entry.delivery.message->logId != 0;
    if (isLogged) write(session, entry.delivery);
    if (entry.delivery.qos != 2) return;
    const bool isSent = entry.state == Window::State::sent && isLogged;
    journal_.sent(session, packetId, isSent ? entry.delivery.message->logId : 0, entry.delivery.share != 0);
  }
  void write(Session& session, const Delivery& delivery) {
    if (delivery.qos == 0 || !delivery.message || delivery.message->logId == 0) return;
    copy(delivery.message, 0);
    journal_.queued(session.key, delivery, delivery.share != 0 ? shareOf(delivery) : 0);
  }
  // A member of shares that is not durable itself: what it has not done with goes to others if it is lost.
  void writeGuest(Session& session) {
    const auto writeShared = [&](const Delivery& delivery) {
      if (delivery.share != 0) write(session, delivery);
    };
    session.window.each([&](const Window::Entry& entry) { writeShared(entry.delivery); });
    session.queue.each(writeShared);
  }

  // The hash of its whole filter.
  uint64_t shareOf(const Delivery& delivery) {
    const Bytes topic = delivery.message->topic();
    FilterTable& table = broker_.engine(0).filterTable();
    FilterTable& filters = broker_.engine(ownerOf(table.hashOf(topic), broker_.workers())).filterTable();
    const Share* share = filters.findShare(delivery.share);
    return share ? filters.hashOf(share->own->text()) : 0;
  }

  Broker& broker_;
  Journal& journal_;
  std::unordered_set<uint64_t> copied_;
};

}  // namespace rally
