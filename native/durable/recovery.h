// Gives the engines of a broker what its log has told (recovered-state.h), before their workers run.
//
//   sessions   to the worker that their key falls to, with their subscriptions; their clients fetch them from there
//   lanes      are drained by turns until every shard knows every route
//   deliveries into windows and queues, with journals that are not open yet: nothing of it is logged again
//   orphans    messages of shares that nobody has: to their shares, which is logged
//
// All on one thread.
#pragma once
#include "../broker.h"
#include "recovered-state.h"

namespace rally {

// A session that is there again, for the session directory.
struct RecoveredSession {
  uint64_t key = 0;
  unsigned worker = 0;
  std::string clientId;
  bool wasConnected = false;
};

class Recovery {
 public:
  Recovery(Broker& broker, RecoveredState& state) : broker_(broker), state_(state) {}

  void install() {
    const uint64_t nowMs = engineClockMs();
    eachEngine([&](Engine& engine) { engine.setClock(nowMs); });
    for (auto& [topic, message] : state_.retained()) {
      Engine& engine = ownerOf(message->topic());
      if (!engine.shard().restore(message)) lost_++;
    }
    dropOlderTwins();
    for (auto& [key, session] : state_.sessions()) addSession(session);
    settleLanes();
    for (auto& [key, session] : state_.sessions()) addDeliveries(session);
    settleLanes();
  }
  void adoptOrphans() {
    for (const RecoveredState::Orphan& orphan : state_.orphans()) adopt(orphan);
    settleLanes();
  }

  const std::vector<RecoveredSession>& sessions() const { return recovered_; }
  // Messages and deliveries for which there was no room.
  uint64_t lost() const { return lost_; }

 private:
  template <class Visit>
  void eachEngine(Visit&& visit) {
    for (unsigned worker = 0; worker < broker_.workers(); worker++) visit(broker_.engine(worker));
  }
  Engine& ownerOf(Bytes topic) {
    return broker_.engine(rally::ownerOf(broker_.engine(0).filters().hashOf(topic), broker_.workers()));
  }
  Engine& homeOf(uint64_t key) { return broker_.engine(unsigned(key % broker_.workers())); }

  // A client identifier has one session: the newest. The end of another one may not have come into the log.
  void dropOlderTwins() {
    std::unordered_map<std::string, uint64_t> newest;
    for (const auto& [key, session] : state_.sessions()) {
      uint64_t& known = newest[session.clientId];
      known = std::max(known, key);
    }
    std::erase_if(state_.sessions(), [&](const auto& each) { return newest[each.second.clientId] != each.first; });
  }

  void addSession(RecoveredState::Session& from) {
    Engine& engine = homeOf(from.key);
    Session& session = engine.createSession(from.key, ConnectionKind::client);
    session.expirySeconds = from.expirySeconds;
    // Its client was there until shortly after the last that is known of the broker.
    const uint64_t leftAtMs = from.leftAtMs != 0 ? from.leftAtMs : std::min(wallClockMs(), state_.lastMs + lastNotesMs);
    session.leftAtMs = toEngineClock(leftAtMs);
    session.will = std::move(from.will);
    session.isDurable = true;
    session.durable = std::make_unique<DurableSession>();
    session.durable->clientId = ShortText(bytesOf(from.clientId));
    for (const uint16_t packetId : from.received) {
      session.received.add(packetId);
      session.receivedBefore.add(packetId);
      session.durable->receivedLogged.add(packetId);
    }
    for (const auto& [filter, options] : from.subscriptions) {
      engine.subscriptions().add(session, bytesOf(filter),
                                 {.qos = options.qos,
                                  .noLocal = options.noLocal,
                                  .retainAsPublished = options.retainAsPublished,
                                  .subscriptionId = options.subscriptionId});
    }
    recovered_.push_back({from.key, engine.index(), from.clientId, from.leftAtMs == 0});
  }

  // What was sent with QoS 2 keeps its packet identifier. What waits before it was sent before it too, with QoS 1 and
  // packet identifiers that the log does not know: it takes some that were free between, so that the order stays.
  void addDeliveries(RecoveredState::Session& from) {
    Engine& engine = homeOf(from.key);
    Session& session = *engine.findSession(from.key);
    HeldMessages& held = engine.frontEnd().outbound().held();
    std::vector<RecoveredState::Entry*> before;
    const std::vector<RecoveredState::Entry*> entries = from.entriesInOrder();
    size_t end = entries.size();
    while (end > 0 && entries[end - 1]->packetId == 0) end--;
    std::vector<Delivery> queue;
    for (size_t at = 0; at < end; at++) {
      RecoveredState::Entry& entry = *entries[at];
      if (entry.packetId == 0) {
        before.push_back(&entry);
        continue;
      }
      const uint16_t first = freeBefore(session.window, entry.packetId, before.size());
      for (size_t i = 0; i < before.size(); i++) {
        Delivery delivery = deliveryOf(*before[i]);
        if (!delivery.message) continue;
        const bool isQos1 = delivery.qos == 1 && first != 0;
        if (!isQos1 || !session.window.restore(advanced(first, i), delivery, Window::State::sent, held))
          queue.push_back(std::move(delivery));
      }
      before.clear();
      Delivery delivery = entry.message != 0 ? deliveryOf(entry) : Delivery{};
      delivery.qos = 2;
      const Window::State state = delivery.message ? Window::State::sent : Window::State::released;
      if (!session.window.restore(entry.packetId, std::move(delivery), state, held)) lost_++;
    }
    for (; end < entries.size(); end++) queue.push_back(deliveryOf(*entries[end]));
    for (Delivery& delivery : queue) {
      if (!delivery.message) continue;
      session.queue.push(std::move(delivery), held);
      engine.counters().add(Counter::queued);
    }
    engine.accounts().sessions.settle(session);
  }

  // The first of `count` packet identifiers that are free between the window's last and this one; 0: there are none.
  static uint16_t freeBefore(const Window& window, uint16_t packetId, size_t count) {
    const size_t next = window.nextPacketId() == 0 ? advanced(packetId, 65'535 - std::min<size_t>(count, 65'534))
                                                   : window.nextPacketId();
    const size_t room = (size_t(packetId) + 65'535 - next) % 65'535;
    return room >= count && count > 0 ? uint16_t(next) : uint16_t(0);
  }
  static uint16_t advanced(uint16_t packetId, size_t by) { return uint16_t((packetId - 1 + by) % 65'535 + 1); }

  Delivery deliveryOf(const RecoveredState::Entry& entry) {
    MessageRef message = state_.messageOf(entry.message);
    if (!message) {
      lost_++;
      return {};
    }
    uint32_t share = 0;
    if (entry.share != 0) share = shareKey(message->topic(), entry.share);
    return {std::move(message), entry.subscriptionIds, entry.qos, entry.retain, share, entry.isFromStore};
  }

  // The key of the share at the owner of the topic; 0: it has no members any more.
  uint32_t shareKey(Bytes topic, uint64_t hash) {
    std::vector<Filter*> matches;
    FilterTable& filters = ownerOf(topic).filterTable();
    filters.match(topic, filters.hashOf(topic), matches);
    for (const Filter* filter : matches) {
      for (uint32_t id = filter->share; id != 0; id = filters.share(id).next) {
        if (filters.hashOf(filters.share(id).own->text()) == hash) return filters.share(id).key;
      }
    }
    return 0;
  }

  void adopt(const RecoveredState::Orphan& orphan) {
    Engine& engine = ownerOf(orphan.message->topic());
    Filter* filter = engine.filterTable().find(bytesOf(orphan.filter));
    if (filter && filter->share != 0)
      engine.shard().restoreShared(engine.filterTable().share(filter->share), orphan.message);
    else lost_++;
  }

  void settleLanes() {
    for (bool isSettled = false; !isSettled;) {
      isSettled = true;
      eachEngine([&](Engine& engine) { isSettled = !engine.settleLanes() && isSettled; });
    }
  }

  static Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

  // A broker that is there says so every ten seconds.
  static constexpr uint64_t lastNotesMs = 10'000;

  Broker& broker_;
  RecoveredState& state_;
  std::vector<RecoveredSession> recovered_;
  uint64_t lost_ = 0;
};

}  // namespace rally
