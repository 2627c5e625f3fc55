// Gives the state from the log (recovered-state.h) to the engines of a broker, before their workers run.
//
//   sessions   to the worker that their key selects, with their subscriptions; clients fetch them from there
//   lanes      turns are taken until every shard knows every route
//   deliveries into windows and queues; journals are still closed, so nothing is logged again
//   orphans    messages of shares that no session has: to their shares, which is logged
//
// In a cluster other nodes may own the topics: retained messages are offered to their owners once these are known, and
// messages that came through a share belong to the session.
//
// Everything runs on one thread, except that the sessions of a large store are added by one thread for each worker,
// which uses only that worker's engine.
#pragma once
#include <atomic>
#include <barrier>
#include <thread>

#include "../broker.h"
#include "sending-order.h"

namespace rally {

// A recovered session, for the session directory.
struct RecoveredSession {
  uint64_t key = 0;
  unsigned worker = 0;  // its index in this process
  std::string clientId;
  bool isChanged = false;  // by the start, so the log must be updated
  uint64_t stamp = 0;      // see records::SessionStamp
};

class Recovery {
 public:
  // `log`: to read stubs whose content is needed now.
  Recovery(Broker& broker, RecoveredState& state, log::Log& log)
      : broker_(broker), state_(state), stubs_(log, state.clock()) {}

  void install() {
    const uint64_t nowMs = engineClockMs();
    eachEngine([&](Engine& engine) { engine.setClock(nowMs); });
    for (auto& [topic, kept] : state_.retained()) {
      const auto& [message, stamp] = kept;
      if (broker_.isClustered()) {
        broker_.engineAt(0).noteMove(stamp);
        broker_.engineAt(unsigned(topic.size() % broker_.workers())).offer(message, stamp);
        continue;
      }
      ownerOf(message->topic()).shard().restore(message);
    }
    dropOlderTwins(state_);
    const std::vector<RecoveredState::Session*> sessions = inOrder(state_);
    list(sessions);
    if (sessions.size() >= threadsMin && broker_.workers() > 1) addSessionsByThreads(sessions);
    else
      for (RecoveredState::Session* session : sessions) addSession(homeOf(session->key), *session);
    settleLanes();
    for (RecoveredState::Session* session : sessions) addDeliveries(*session);
    settleLanes();
  }
  void adoptOrphans() {
    for (const RecoveredState::Orphan& orphan : state_.orphans()) adopt(orphan);
    settleLanes();
  }

  // The index of a session's worker, among this many.
  static unsigned rowOf(uint64_t key, unsigned workers) { return unsigned(key % workers); }
  // By key, which is roughly their order in memory.
  static std::vector<RecoveredState::Session*> inOrder(RecoveredState& state) {
    std::vector<std::pair<uint64_t, RecoveredState::Session*>> byKey;
    byKey.reserve(state.sessions().size());
    state.sessions().each([&](RecoveredState::Session& session) { byKey.emplace_back(session.key, &session); });
    std::sort(byKey.begin(), byKey.end());
    std::vector<RecoveredState::Session*> sessions;
    sessions.reserve(byKey.size());
    for (const auto& [key, session] : byKey) sessions.push_back(session);
    return sessions;
  }
  // A client identifier has one session: the newest. The end of an older one may be missing in the log.
  static void dropOlderTwins(RecoveredState& state) {
    struct Named {
      uint64_t hash;
      RecoveredState::Session* session;

      // Those with the same name are side by side, newest first.
      bool operator<(const Named& other) const {
        if (hash != other.hash) return hash < other.hash;
        const Bytes name = session->clientId.bytes();
        const Bytes otherName = other.session->clientId.bytes();
        if (!areEqual(name, otherName))
          return std::lexicographical_compare(name.begin(), name.end(), otherName.begin(), otherName.end());
        return std::tie(session->stamp, session->key) > std::tie(other.session->stamp, other.session->key);
      }
    };
    std::vector<Named> named;
    named.reserve(state.sessions().size());
    state.sessions().each([&](RecoveredState::Session& session) {
      named.push_back({hashBytes(session.clientId.bytes(), 0), &session});
    });
    std::sort(named.begin(), named.end());
    std::vector<uint64_t> older;
    for (size_t i = 1; i < named.size(); i++)
      if (areEqual(named[i].session->clientId.bytes(), named[i - 1].session->clientId.bytes()))
        older.push_back(named[i].session->key);
    for (const uint64_t key : older) state.sessions().erase(key);
  }

  std::vector<RecoveredSession> takeSessions() { return std::move(recovered_); }
  // Messages and deliveries lost for lack of memory.
  uint64_t lost() const { return lost_; }

 private:
  template <class Visit>
  void eachEngine(Visit&& visit) {
    for (unsigned row = 0; row < broker_.workers(); row++) visit(broker_.engineAt(row));
  }
  Engine& ownerOf(Bytes topic) {
    return broker_.engine(broker_.engine(0).slots().ownerOf(broker_.engine(0).filters().hashOf(topic)));
  }
  Engine& homeOf(uint64_t key) { return broker_.engineAt(rowOf(key, broker_.workers())); }

  void list(const std::vector<RecoveredState::Session*>& sessions) {
    recovered_.reserve(sessions.size());
    for (const RecoveredState::Session* each : sessions) {
      const bool isWillOver = broker_.areWillsOver() && each->will;
      recovered_.push_back({each->key, rowOf(each->key, broker_.workers()), toString(each->clientId.bytes()),
                            each->leftAtMs == 0 || isWillOver, each->stamp});
    }
    eachEngine([&](Engine& engine) { engine.sessionTable().reserve(sessions.size() / broker_.workers()); });
  }
  // Each worker's on its own thread, until every shard knows every route.
  void addSessionsByThreads(const std::vector<RecoveredState::Session*>& sessions) {
    std::atomic<bool> isAny{false};
    bool isOver = false;
    std::barrier rounds(ptrdiff_t(broker_.workers()), [&]() noexcept { isOver = !isAny.exchange(false); });
    std::vector<std::thread> threads;
    for (unsigned row = 0; row < broker_.workers(); row++) {
      threads.emplace_back([&, row] {
        Engine& engine = broker_.engineAt(row);
        for (RecoveredState::Session* session : sessions)
          if (rowOf(session->key, broker_.workers()) == row) addSession(engine, *session);
        do {
          if (engine.settleLanes()) isAny = true;
          rounds.arrive_and_wait();
        } while (!isOver);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  void addSession(Engine& engine, RecoveredState::Session& from) {
    Session& session = engine.createSession(from.key, ConnectionKind::client);
    session.expirySeconds = from.expirySeconds;
    // If its client was connected: until shortly after the broker was last known to be running, but not in the future.
    const uint64_t leftAtMs = from.leftAtMs != 0 ? from.leftAtMs : state_.lastMs + lastNotesMs;
    session.leftAtMs = state_.clock().toEngine(std::min(state_.clock().nowMs(), leftAtMs));
    if (!broker_.areWillsOver()) session.will = std::move(from.will);
    session.isDurable = true;
    session.durable = std::make_unique<DurableSession>();
    session.durable->setClient(from.clientId.bytes(), {});
    session.durable->setStamp(from.stamp);
    if (broker_.isClustered()) engine.noteMove(from.stamp);
    if (!from.access.empty()) {
      Reader reader(from.access);
      engine.frontEnd().setRights(session, readAccess(reader));
    }
    for (const uint16_t packetId : from.received.look()) {
      session.unfinished.own().received.all.add(packetId);
      session.unfinished.own().received.before.add(packetId);
      session.durable->exchanges.own().receivedLogged.add(packetId);
    }
    for (const auto& [filter, options] : from.subscriptions) {
      engine.subscriptions().add(session, filter.bytes(),
                                 {.qos = options.qos,
                                  .noLocal = options.noLocal,
                                  .retainAsPublished = options.retainAsPublished,
                                  .subscriptionId = options.subscriptionId});
    }
    from.subscriptions.clear();  // their memory is reused for the next ones
    // The current rules decide what it may receive.
    if (session.rights) session.subscriptionsEpoch = session.queueEpoch = 0;
  }

  // Messages sent with QoS 2 keep their packet identifiers.
  void addDeliveries(RecoveredState::Session& from) {
    Engine& engine = homeOf(from.key);
    Session& session = *engine.findSession(from.key);
    HeldMessages& held = engine.frontEnd().outbound().held();
    const SendingOrder order = sendingOrderOf(state_.rows(), from);
    std::vector<Delivery> queue;
    for (const auto& [entry, packetId] : order.window) {
      Delivery delivery = entry->message != 0 ? deliveryOf(*entry, true) : Delivery{};
      const bool isExact = entry->packetId != 0;
      if (isExact) delivery.qos = 2;
      else if (!delivery.message) continue;
      if (delivery.share != 0) engine.noteSharer(session);
      const Window::State state = delivery.message ? Window::State::sent : Window::State::released;
      if (session.window.canRestore(packetId)) session.window.restore(packetId, std::move(delivery), state, held);
      else if (delivery.message) queue.push_back(std::move(delivery));
    }
    std::span<const RecoveredState::Entry* const> waiting(order.waiting);
    if (state_.isLarge() && queue.empty()) waiting = waiting.subspan(putToSleep(session, waiting, from.asleep, held));
    for (const RecoveredState::Entry* entry : waiting) queue.push_back(deliveryOf(*entry, entry->share != 0));
    if (from.asleep)
      from.asleep->each([&](const SleepingDelivery& each) { queue.push_back(from.asleep->awake(each)); });
    from.asleep.reset();
    for (Delivery& delivery : queue) {
      if (!delivery.message) continue;
      if (delivery.share != 0) engine.noteSharer(session);
      session.queue.push(std::move(delivery), held);
      engine.counters().add(Counter::queued);
    }
    engine.accounts().sessions.settle(session);
    from.window.reset();
    state_.rows().clear(from.entries);  // their memory is reused for the next ones
  }

  using Sleeping = std::unique_ptr<SleepingDeliveries>;

  // Puts the first entries to sleep, as long as no other session waits for them, and `behind` too if possible. Returns
  // their number.
  size_t putToSleep(Session& session, std::span<const RecoveredState::Entry* const> waiting, Sleeping& behind,
                    HeldMessages& held) {
    Sleeping asleep;
    if (waiting.empty() && behind && behind->size() <= DeliveryQueue::asleepMax) asleep.swap(behind);
    else asleep = asleepOf(waiting);
    const size_t count = std::min(asleep->size(), waiting.size());
    const bool hasRoom = behind && asleep->size() + behind->size() <= DeliveryQueue::asleepMax;
    if (count == waiting.size() && hasRoom) {
      behind->each([&](SleepingDelivery each) {
        each.epoch = 0;
        asleep->add(std::move(each));
      });
      behind.reset();
    }
    if (asleep->size() == 0) return 0;
    asleep->trim();
    homeOf(session.key).counters().add(Counter::queued, asleep->size());
    session.queue.begin(std::move(asleep), held);
    return count;
  }
  Sleeping asleepOf(std::span<const RecoveredState::Entry* const> waiting) {
    auto asleep = std::make_unique<SleepingDeliveries>(broker_.workers());
    for (const RecoveredState::Entry* entry : waiting) {
      if (entry->share != 0 || entry->isFromStore || asleep->size() == DeliveryQueue::asleepMax) break;
      const std::optional<RecoveredState::Whereabouts> message = state_.whereaboutsOf(entry->message);
      if (!message) break;
      asleep->add({.message = entry->message,
                   .at = message->at,
                   .contentBytes = message->contentBytes,
                   .qos = entry->qos,
                   .retain = entry->retain,
                   .ids = entry->subscriptionIds});
    }
    return asleep;
  }

  Delivery deliveryOf(const RecoveredState::Entry& entry, bool isWhole) {
    MessageRef message = state_.messageOf(entry.message);
    if (isWhole && message && message->isStub) message = stubs_.read(*message.get());
    if (!message) {
      lost_++;
      return {};
    }
    uint32_t share = 0;
    if (entry.share != 0 && !broker_.isClustered()) share = shareKey(message->topic(), entry.share);
    return {.message = std::move(message),
            .subscriptionIds = entry.subscriptionIds,
            .qos = entry.qos,
            .retain = entry.retain,
            .isFromStore = entry.isFromStore,
            .share = share};
  }

  // The key of the share at the owner of the topic; 0: it no longer has members.
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

  void adopt(RecoveredState::Orphan orphan) {
    if (broker_.isClustered()) {
      lost_++;  // from a broker outside a cluster: the members of the share are not known yet
      return;
    }
    if (orphan.message->isStub) orphan.message = stubs_.read(*orphan.message.get());
    if (!orphan.message) {
      lost_++;
      return;
    }
    if (hasPassed(orphan.message->expiresAtMs, engineClockMs())) return;
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

  // With fewer sessions, threads are not worthwhile.
  static constexpr size_t threadsMin = 10'000;
  // A running broker logs the time every ten seconds.
  static constexpr uint64_t lastNotesMs = 10'000;

  Broker& broker_;
  RecoveredState& state_;
  StubReader stubs_;
  std::vector<RecoveredSession> recovered_;
  uint64_t lost_ = 0;
};

}  // namespace rally
