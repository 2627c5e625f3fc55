// What is there because of clients, counted one by one, against the accounts of the broker.
#pragma once
#include "hand-driven-broker.h"

namespace rally {

// What the sessions of a worker hold, counted entry by entry.
struct Census {
  std::map<Message*, uint32_t> holders;
  size_t bytes = 0;
  size_t largest = 0;

  void add(const Delivery& delivery) {
    size_t ids = 0;
    delivery.subscriptionIds.each([&](uint32_t) { ids++; });
    if (ids > 1) bytes += heapBytes(sizeof(std::vector<uint32_t>)) + heapBytes(ids * sizeof(uint32_t));
    if (Message* message = delivery.message.get(); message && holders[message]++ == 0)
      bytes += heapBytes(sizeof(Message) + message->workers * sizeof(Holding) + message->topic().size() +
                         message->properties().size() + message->payload().size());
  }
};

inline bool checkSessions(HandDrivenBroker& broker, unsigned worker) {
  Census census;
  bool isSame = true;
  size_t packetIds = 0;
  std::set<const Delivery*> queued;  // queues share them
  HeldMessages& account = broker.engine(worker).accounts().sessions.held();
  broker.engine(worker).eachSession([&](Session& session) {
    packetIds += session.unfinished->received.bytes();
    size_t held = 0;
    session.window.each([&](Window::Entry& entry) {
      census.add(entry.delivery);
      held += sizeof(Window::Entry) + entry.delivery.bytes();
    });
    session.queue.each(account, [&](const Delivery& delivery) {
      queued.insert(&delivery);
      held += sizeof(Delivery) + delivery.bytes();
    });
    census.bytes += session.window.entryBytes() + session.queue.entryBytes();
    census.largest = std::max(census.largest, held);
    isSame = CHECK_EQ(session.heldBytes() + session.queue.retainedBytes(), held) && isSame;
    isSame = CHECK_EQ(session.place.bytes(), held) && isSame;
  });
  for (const Delivery* delivery : queued) census.add(*delivery);
  census.bytes += account.rows().bytes();
  size_t stored = 0;
  account.rows().eachStored([&](const Delivery& delivery) { stored += queued.contains(&delivery); });
  isSame = CHECK_EQ(stored, queued.size()) && isSame;
  for (const auto& [message, count] : census.holders) isSame = CHECK_EQ(message->holders(worker), count) && isSame;
  isSame = CHECK_EQ(broker.engine(worker).accounts().sessions.packetIdBytes(), packetIds) && isSame;
  return CHECK_EQ(account.bytes(), census.bytes) && isSame;
}

inline bool checkInputs(HandDrivenBroker& broker, unsigned worker) {
  size_t bytes = 0;
  broker.engine(worker).frontEnd().eachConnection(
      [&](Connection& connection) { bytes += connection.input.memoryBytes(); });
  return CHECK_EQ(broker.engine(worker).accounts().inputs.bytes(), bytes);
}

inline bool checkOutboxes(HandDrivenBroker& broker, unsigned worker, const std::vector<std::weak_ptr<Link>>& links) {
  FrontEnd& frontEnd = broker.engine(worker).frontEnd();
  Arena& arena = frontEnd.outbound().arena();
  std::set<size_t> blocks;
  const auto add = [&](const Outbox& outbox) {
    size_t bytes = 0;
    for (uint32_t unit = outbox.first(); unit != Arena::none; unit = arena.chunk(unit).next) {
      blocks.insert(unit / (Arena::largeBytes / Arena::smallBytes));
      bytes += arena.chunk(unit).used;
    }
    CHECK_EQ(bytes, outbox.bytes());
  };
  frontEnd.eachConnection([&](Connection& connection) { add(connection.outbox); });
  for (const auto& each : links) {
    const std::shared_ptr<Link> link = each.lock();
    if (link && link->worker == worker) add(link->unsentChunks);
  }
  const size_t used = arena.usedBytes() / Arena::largeBytes;
  return CHECK(used == blocks.size() || used == blocks.size() + 1);  // one cut into small chunks is kept at hand
}

inline bool checkAliases(HandDrivenBroker& broker, unsigned worker) {
  size_t bytes = 0;
  bool isSame = true;
  broker.engine(worker).frontEnd().eachConnection([&](Connection& connection) {
    if (connection.aliases) {
      bytes += connection.aliases->countBytes();
      isSame = CHECK_EQ(connection.aliases->bytes(), connection.aliases->countBytes()) && isSame;
    }
    if (connection.outgoingAliases) bytes += connection.outgoingAliases->countBytes();
  });
  return CHECK_EQ(broker.engine(worker).frontEnd().outbound().aliases().bytes(), bytes) && isSame;
}

inline bool checkRetained(HandDrivenBroker& broker, unsigned worker) {
  const RetainedStore& retained = broker.engine(worker).shard().retained();
  return CHECK_EQ(retained.bytes(), retained.countBytes());
}

// What subscriptions take, when the broker has come to rest.
inline bool checkNames(HandDrivenBroker& broker) {
  bool isSame = true;
  size_t total = 0;
  for (unsigned worker = 0; worker < broker.workers(); worker++) {
    Engine& engine = broker.engine(worker);
    isSame = CHECK_EQ(engine.filters().bytes(), engine.filters().countBytes()) && isSame;
    size_t subscriptions = 0;
    size_t members = 0;
    engine.eachSession([&](const Session& session) {
      size_t own = 0;
      for (const SubscriptionRef& each : session.subscriptions) {
        own += Subscriptions::bytesOf(each.filter->text());
        members += each.filter->isShared;
      }
      subscriptions += session.subscriptions.size();
      isSame = CHECK_EQ(session.subscriptionBytes, own) && isSame;
    });
    const size_t each = Subscriptions::bytesOf(bytesOf("a")) - FilterTable::bytesOf(bytesOf("a"));
    const size_t expected = engine.filters().countBytes() + engine.routes().bytes() + subscriptions * each +
                            members * ShareMembers::memberBytes;
    isSame = CHECK_EQ(engine.subscriptions().bytes(), expected) && isSame;
    total += expected;
  }
  return CHECK_EQ(broker.subscriptionBytes(), total) && isSame;
}

}  // namespace rally
