// Sending of a front end: deliveries into sessions, packets into outboxes, outboxes to sockets.
//
//   deliver(session) --caught up, window and outbox have room--> outbox --end of turn--> transport
//          \--otherwise--> session.queue --pump(): acknowledgement, socket writable--> outbox
//
// Everything sent to a session passes through its queue in order, or finds it empty: nothing is overtaken. A
// connection that accepts nothing blocks only its own outbox and queue.
//
// A turn sends only so much of what waits in queues, and where several sessions have much, a little of each in turn.
// Those for which nothing is left stand in line for the next turn, so that thousands which catch up together delay
// nobody else by more than one such part. It is small while other messages come and go, and larger otherwise, since
// each turn costs something.
#pragma once
#include <vector>

#include "../accounts.h"
#include "../counters.h"
#include "../durable/journal.h"
#include "../limits.h"
#include "../security/gate.h"
#include "../wire/acknowledgement.h"
#include "../wire/publish-writer.h"
#include "alias-account.h"
#include "catch-up-pace.h"
#include "connection.h"
#include "drops.h"
#include "tenant-topics.h"
#include "watch.h"
#ifdef RALLYMQ_FAULTS
#include "../faults/faulty-deliveries.h"
#endif

namespace rally {

class Outbound {
 public:
  class ConnectionEnder {
   public:
    virtual ~ConnectionEnder() = default;
    // The stream cannot continue.
    virtual void end(Connection& connection, Reason reason) = 0;
    // Everything before the end has been sent.
    virtual void written(Connection& connection) = 0;
  };

  Outbound(const Limits& limits, Counters& counters, Accounts& accounts, FilterTable& filters, Gate& gate,
           Journal& journal, Watch& watch, ConnectionEnder& ender)
      : limits_(limits),
        counters_(counters),
        accounts_(accounts),
        sessions_(accounts.sessions),
        tenantTopics_(filters),
        gate_(gate),
        journal_(journal),
        watch_(watch),
        ender_(ender),
        arena_(limits.outboxTotalBytesMax),
        aliases_(limits.topicAliasesTotalBytesMax) {}

  Arena& arena() { return arena_; }
  HeldMessages& held() { return sessions_.held(); }
  void settlePacketIds(Session& session) { sessions_.settlePacketIds(session); }
  // The session loses its connection: frees what is empty.
  void trim(Session& session) {
    session.window.trim();
    session.queue.trim();
    sessions_.trimPacketIds(session);
  }
  AliasAccount& aliases() { return aliases_; }
  const AliasAccount& aliases() const { return aliases_; }
  void addTransport(Transport& transport) { transports_.push_back(&transport); }
  void removeTransport(Transport& transport) { std::erase(transports_, &transport); }
  void setNow(uint64_t nowMs) { nowMs_ = nowMs; }

  // The next turn begins: sessions that stand in line come first.
  template <class Find>
  void continueLines(Find&& find) {
    const uint64_t live = deliveries_ - waited_ + counters_.get(Counter::publishReceived);
    if (std::exchange(live_, live) != live) liveMs_ = nowMs_;
    const bool isLive = nowMs_ - liveMs_ < liveMsMax;
    isResting_ = isLive && pace_.isOver();
    turns_++;
    keepingUp_.beginTurn(isLive);
    if (isResting_) catchingUp_.rest();
    else catchingUp_.beginTurn(isLive);
    for (Line* const line : {&keepingUp_, &catchingUp_}) {
      while (!line->sessions.isEmpty() && !line->isSpent()) {
        const uint64_t key = line->sessions.front();
        line->sessions.pop();
        Session* const session = find(key);
        if (!session) continue;
        session->isInLine = false;
        pump(*session);
      }
    }
  }
  void standInLine(Session& session) {
    if (session.isInLine) return;
    session.isInLine = true;
    lineOf(session).sessions.push(uint64_t(session.key));
  }
  bool hasLine() const { return !keepingUp_.sessions.isEmpty() || (!catchingUp_.sessions.isEmpty() && !isResting_); }
  // Whether it sends more when some time has passed.
  bool isPaced() const { return !catchingUp_.sessions.isEmpty() && isResting_; }
  // Whether it has to know the time when the loop has polled.
  bool isCatchingUp() const { return !catchingUp_.sessions.isEmpty() || hasServed_ || pace_.isOver(); }
  // As CatchUpPace::note().
  void noteTime(uint64_t nowNs, uint64_t busyNs) {
    const bool isNext = turns_ - std::exchange(notedTurn_, turns_) <= turnsPerPoll;
    pace_.note(nowNs, busyNs, std::exchange(hasServed_, false) && isNext);
  }

  bool isDirty() const { return dirty_.hasAny(); }
  // The number of attempts so far, by which packets and records are charged for deliveries.
  uint64_t deliveries() const { return deliveries_; }
  // What waits for a session has come or gone with it: as much work as to deliver it.
  void charge(size_t deliveries) { deliveries_ += deliveries; }

  // Any packet except PUBLISH. If the client does not accept it, its connection ends, since it waits for it.
  void send(Connection& connection, Bytes packet) {
    if (connection.phase >= Phase::closing || connection.isSevered) return;
    if (connection.maximumPacketSize != 0 && packet.size() > connection.maximumPacketSize) {  // [MQTT-3.1.2-24]
      ender_.end(connection, Reason::packetTooLarge);
      return;
    }
    if (connection.transport->sendAside(connection, packet)) return;
    // A client that sends and does not read fills its outbox with acknowledgements.
    if (waitingBytes(connection) > 2 * size_t(limits_.outboxBytesMax)) {
      ender_.end(connection, Reason::quotaExceeded);
      return;
    }
    if (rightsOf(connection.kind).isCounted) counters_.add(Counter::otherSent);
    append(connection, packet);
    markDirty(connection);
  }

  // Further packets are sent only after this turn of the journal is committed.
  void hold(Connection& connection, uint64_t turn) {
    if (journal_.isCommitted(turn)) return;
    if (!connection.held) {
      connection.held = std::make_unique<HeldOutput>(connection);
      holding_.add(*connection.held, connection.held->place);
    }
    connection.held->await(turn);
  }
  void holdFor(Session& session) {
    if (session.connection && session.durable) hold(*session.connection, journal_.turnOf(session.durable->turn));
  }
  // Once a turn: sends the packets that may now be sent.
  void releaseHeld() {
    if (holding_.hasAny()) holding_.drain(&HeldOutput::place, [&](HeldOutput& held) { releaseHeld(held); });
  }
  Journal& journal() { return journal_; }
  Drops& drops() { return drops_; }
  // The exchange under this packet identifier is complete.
  void settle(Session& session, const Delivery& delivery, uint16_t packetId) {
    const bool isNumbered = delivery.qos == 2 && session.durable && journal_.isOn();
    if (!isNumbered || delivery.share != 0) journal_.settle(session, delivery);
    if (isNumbered) journal_.completed(session, packetId);
  }

  // Begins a publication; deliver() and the rest of the turn refer to it.
  void begin(const Publication& publication) {
    isWatched_ = watch_.watches(publication);
    timedLeft_ = timedMax;
    writer_.begin(nowMs_);
    topicHash_ = 0;
  }

  // `share`: as in Delivery.
  void deliver(Session& session, Publication& publication, uint8_t maximumQos, bool retain, const SubscriptionIds& ids,
               uint32_t share = 0) {
    if (isWatched_) [[unlikely]]
      deliverWatched(session, publication, maximumQos, retain, ids, share);
    else deliverNow(session, publication, maximumQos, retain, ids, share);
  }

  // What deliver() would do with a message of a share, apart from its size: when the memory of all outboxes or
  // sessions is used up, every member would do the same.
  ShareLevel levelOf(Session& session, uint8_t qos) {
    Connection* connection = session.connection;
    const bool hasPlace = connection && hasPlaceIn(*connection);
    const auto mayAdd = [&] {
      return session.window.hasRoom(connection->inflightMax) && sessions_.fits(session, 0, true);
    };
    if (hasPlace && session.isCaughtUp() && (qos == 0 || mayAdd())) return ShareLevel::ready;
    if (!mayQueueShared(session) || (qos == 0 && !hasPlace)) return ShareLevel::full;
    if (connection && !connection->isSevered) return ShareLevel::waiting;
    return connection || session.isPersistent() ? ShareLevel::away : ShareLevel::full;
  }
  // The session holds less, and may do better than when a share passed it over: takeImproved() returns it.
  void noteRoom(Session& session) {
    sessions_.settle(session);
    if (session.isPassedOver) improved_.push_back(session.key);
    session.isPassedOver = false;
  }
  bool hasImproved() const { return !improved_.empty(); }
  // Swaps the list of sessions from noteRoom() for an empty one.
  void takeImproved(std::vector<uint64_t>& sessions) { improved_.swap(sessions); }

  // In a cluster with logs: the session is to have a message that its log will get when it is here: takeArriving()
  // returns it.
  void noteIfArriving(const Session& session) {
    if (session.isDurable && session.move && session.move->isArriving()) arriving_.push_back(session.key);
  }
  std::vector<uint64_t> takeArriving() { return std::exchange(arriving_, {}); }

  // A retained message for a new subscription. It waits in the session's queue, however long that is: the shards send
  // only one step at a time (retained-walks.h).
  void deliverRetained(Session& session, MessageRef message, uint8_t maximumQos, uint32_t subscriptionId) {
    if (!session.connection && !session.isPersistent()) return;
    if (!hasRoomInAll(session, session.queue.growthBytes(held()) + message->blockBytes())) return;
    const uint8_t qos = message->qos < maximumQos ? message->qos : maximumQos;
    Delivery delivery{.message = std::move(message),
                      .subscriptionIds = SubscriptionIds(subscriptionId),
                      .qos = qos,
                      .retain = true,
                      .isFromStore = true};
    if (qos > 0 && session.durable && journal_.isClustered()) bringRetained(session, delivery);
    else if (qos > 0 && session.durable && delivery.message->logId != 0) journal_.queued(session.key, delivery, 0);
    push(session, std::move(delivery));
  }

  // Sends the queue as long as the window and the outbox have room.
  void pump(Session& session) {
    if (session.hasWaiting() && !session.isHeld() && !session.isGivingBack) sendWaiting(session);
    noteRoom(session);
    if (session.isHeld()) return;
    if (session.unfinished->retained.hasUnasked() && session.queue.retained() == 0 && session.connection &&
        hasRoom(*session.connection, 0, Part::half))
      asking_.push_back(session.key);
  }
  // The sessions that have sent their retained messages, if the shards have more for them.
  bool hasAsking() const { return !asking_.empty(); }
  std::vector<uint64_t> takeAsking() { return std::exchange(asking_, {}); }

  // The socket has accepted everything that was written.
  void unblocked(Connection& connection) {
    connection.isBlocked = false;
    connection.unsentBytes = 0;
    connection.unsentMessages = 0;
    rank(connection);
    if (!connection.outbox.isEmpty() || connection.phase == Phase::ending) markDirty(connection);
    if (connection.session) pump(*connection.session);
  }

  // The socket has accepted some of it.
  void progressed(Connection& connection, size_t unsentBytes) {
    connection.unsentBytes = unsentBytes;
    rank(connection);
    accounts_.outboxes.touch(connection.outboxPlace, nowMs_);
  }

  void markDirty(Connection& connection) { dirty_.add(connection, connection.dirtyPlace); }

  // Writes all non-empty outboxes. Sessions that waited for room continue, so a few rounds may be needed; the rest
  // waits for the next turn.
  void flush() {
    for (int round = 0; round < roundsMax && dirty_.hasAny(); round++) {
      const auto& written = dirty_.drain(&Connection::dirtyPlace, [&](Connection& connection) {
        if (!connection.isBlocked && !connection.outbox.isEmpty()) write(connection);
      });
      commit();
      for (Connection* connection : written) afterWrite(*connection);
    }
    commit();
    relieve();
    if (starved_.hasAny()) feedStarved();
    if (watch_.hasUnwritten()) watch_.settle();
  }

  // Ends the connection that has made the worker hold most for longest.
  void cut(Connection& connection) {
    counters_.add(Counter::connectionsCut);
    ender_.end(connection, Reason::quotaExceeded);
  }

  void forget(Connection& connection) {
    connection.outbox.clear(arena_);
    dropHeld(connection);
    accounts_.outboxes.set(connection, connection.outboxPlace, 0, nowMs_);
    dirty_.remove(connection, connection.dirtyPlace);
    starved_.remove(connection, connection.starvedPlace);
    aliases_.release(connection);
    watch_.forget(connection);
  }

 private:
  static constexpr int roundsMax = 16;
  // What a turn sends from queues: some tenths of a millisecond of work, ...
  static constexpr size_t lineMessagesPerTurn = 1'000;
  static constexpr size_t lineBytesPerTurn = 524'288;
  // ... or some hundredths, when there was another message in the last second.
  static constexpr size_t liveMessagesPerTurn = 128;
  static constexpr size_t liveBytesPerTurn = 65'536;
  static constexpr uint64_t liveMsMax = 1'000;
  // Of that, for one session while others wait.
  static constexpr size_t messagesAtOnce = 64;
  static constexpr size_t bytesAtOnce = 65'536;
  // Of the engine, each time that the loop polls (node/engine-host.h).
  static constexpr uint64_t turnsPerPoll = 2;
  // Deliveries of a publication that are sampled: the others take as long.
  static constexpr uint32_t timedMax = 4;
  // The most that the head of a PUBLISH has besides topic and properties, with many subscription identifiers.
  static constexpr size_t headBytesMax = 1'024;
  // Retained messages fill half of an outbox at most, which leaves room for new ones.
  enum class Part : uint8_t { half, whole };
  static constexpr uint64_t aliasSeed = 0x9ae16a3b2f90404f;

  // It may have come from another node.
  void bringRetained(const Session& session, const Delivery& delivery) {
    Publication publication = Publication::of(delivery.message, 0);
    if (isReservedTopic(publication.topic)) return;
    BroughtTargets targets;
    targets.add(session.key, delivery.qos, delivery.retain, delivery.isFromStore, delivery.subscriptionIds);
    journal_.bring(publication, targets);
  }

  void deliverNow(Session& session, Publication& publication, uint8_t maximumQos, bool retain,
                  const SubscriptionIds& ids, uint32_t share) {
    deliveries_++;
#ifdef RALLYMQ_FAULTS
    if (faults_.takes(*this, session, publication, maximumQos, retain, ids, share)) return;
#endif
    const uint8_t qos = publication.qos < maximumQos ? publication.qos : maximumQos;
    Connection* connection = session.connection;
    const bool hasPlace = connection && hasRoom(*connection, publication.size());
    const bool isReady = hasPlace && session.isCaughtUp() &&
                         (qos == 0 || session.window.hasRoom(connection->inflightMax));
    if (qos == 0 && isReady) {
      sendPublish(*connection, session, publication, qos, retain, ids, share);
      return;
    }
    if (qos == 0 && !hasPlace) {
      countDrop(session, DropReason::outboxFull);
      if (share != 0) journal_.settle(session, publication.logId, true);
      return;
    }
    if (!connection && !session.isPersistent()) return;
    const bool isKept = !isReady || keepsSent(session, share);
    const size_t bytes = sizeof(Window::Entry) + ids.bytes() + (isKept ? publication.blockBytes() : 0);
    if (!mayKeep(session, bytes, isReady ? session.window.growthBytes() : session.queue.growthBytes(held()), qos,
                 share)) {
      if (qos > 0 || share != 0) journal_.settle(session, publication.logId, share != 0);
      return;
    }
    if (isReady) sendPublish(*connection, session, publication, qos, retain, ids, share);
    else enqueue(session, publication, qos, retain, ids, share);
  }

  [[gnu::noinline]] void deliverWatched(Session& session, Publication& publication, uint8_t maximumQos, bool retain,
                                        const SubscriptionIds& ids, uint32_t share) {
    if (timedLeft_ > 0) timedLeft_--;
    else isWatched_ = watch_.watchesAll(publication);
    watchSent(session, publication, std::min(publication.qos, maximumQos), retain,
              [&] { deliverNow(session, publication, maximumQos, retain, ids, share); });
  }

  // The fate of a message is derived from the counters that have changed, so that the code that decides need not
  // report it.
  template <class Send>
  [[gnu::noinline]] void watchSent(Session& session, Publication& publication, uint8_t qos, bool retain, Send&& send) {
    constexpr std::array drops = {DropReason::outboxFull, DropReason::queueFull, DropReason::allQueuesFull,
                                  DropReason::tooLarge};
    std::array<uint64_t, drops.size()> before{};
    for (size_t i = 0; i < drops.size(); i++) before[i] = counters_.get(counterOf(drops[i]));
    const uint64_t sent = counters_.get(Counter::publishSent);
    const uint64_t queued = counters_.get(Counter::queued);
    send();
    const auto tell = [&](RecordKind kind, DropReason why = DropReason::none) {
      watch_.onDelivery(kind, session, publication, qos, retain, why);
    };
    if (counters_.get(Counter::publishSent) > sent) {
      if (session.connection && publication.mark) watch_.onSent(*session.connection, session, publication);
      tell(RecordKind::delivered);
      return;
    }
    if (counters_.get(Counter::queued) > queued) return tell(RecordKind::queued);
    for (size_t i = 0; i < drops.size(); i++) {
      if (counters_.get(counterOf(drops[i])) > before[i]) return tell(RecordKind::dropped, drops[i]);
    }
  }

  void sendWaiting(Session& session) {
    Line& line = lineOf(session);
    const size_t messagesBefore = line.messagesLeft;
    const size_t bytesBefore = line.bytesLeft;
    while (session.connection && session.connection->phase == Phase::connected && session.hasWaiting()) {
      const bool hadMuch = messagesBefore - line.messagesLeft >= messagesAtOnce ||
                           bytesBefore - line.bytesLeft >= bytesAtOnce;
      if (line.isSpent() || (hadMuch && !line.sessions.isEmpty())) return standInLine(session);
      Connection& connection = *session.connection;
      // In the queue it is there once for all sessions, in the outbox for this one alone: unblocked() continues.
      if (connection.isBlocked) return;
      const bool isResending = session.window.isResending();
      const Delivery& next = isResending ? session.window.resent().delivery : session.queue.front(held());
      if (!hasRoom(connection, next.message ? next.message->size() : 0, next.isFromStore ? Part::half : Part::whole))
        return;
      if (isResending) {
        if (!session.window.mayResend(connection.inflightMax)) return;
        spend(line, next);
        resendOldest(connection, session);
        continue;
      }
      if (next.qos > 0 && !hasRoomInWindow(session, next)) return;
      const bool isLost = Backlog::isLost(next);
      const bool hasExpired = hasPassed(next.message->expiresAtMs, nowMs_);
      if (!hasExpired && Backlog::isAway(next)) return accounts_.backlog.fetch(session);
      deliveries_++;
      waited_++;
      spend(line, next);
      const Delivery delivery = session.queue.take(sessions_.held());
      counters_.subtract(Counter::queued);
      if (hasExpired || isLost) {
        const DropReason why = hasExpired ? DropReason::expired : DropReason::unreadable;
        countDrop(session, why);
        noteLost(session, delivery, why);
        journal_.settle(session, delivery);
        continue;
      }
      if (isWithheld(session, delivery)) {
        noteLost(session, delivery, DropReason::withheld);
        journal_.settle(session, delivery);
        continue;
      }
      Publication publication = Publication::of(delivery.message, 0);
      if (delivery.isFromStore) publication.mark = nullptr;  // it came long ago
      begin(publication);
      const auto send = [&] {
        sendPublish(connection, session, publication, delivery.qos, delivery.retain, delivery.subscriptionIds,
                    delivery.share);
      };
      if (isWatched_) [[unlikely]]
        watchSent(session, publication, delivery.qos, delivery.retain, send);
      else send();
    }
    if (session.connection && !session.hasWaiting()) session.connection->isCatchingUp = false;
  }

  // Sessions that something waits for, for which the turn had nothing left, and what it has left.
  struct Line {
    Fifo<uint64_t> sessions;
    size_t messagesLeft = 0;
    size_t bytesLeft = 0;

    void beginTurn(bool isLive) {
      messagesLeft = isLive ? liveMessagesPerTurn : lineMessagesPerTurn;
      bytesLeft = isLive ? liveBytesPerTurn : lineBytesPerTurn;
    }
    void rest() { messagesLeft = bytesLeft = 0; }
    bool isSpent() const { return messagesLeft == 0 || bytesLeft == 0; }
  };
  Line& lineOf(const Session& session) {
    return session.connection && session.connection->isCatchingUp ? catchingUp_ : keepingUp_;
  }
  void spend(Line& line, const Delivery& next) {
    line.messagesLeft--;
    line.bytesLeft -= std::min(line.bytesLeft, next.message ? next.message->size() : 0);
    hasServed_ |= &line == &catchingUp_;
  }

  void noteLost(const Session& session, const Delivery& delivery, DropReason why) {
    if (!watch_.hasTraces()) return;
    // A stub's content is only in the log, including its topic.
    const bool isStub = delivery.message->isStub;
    const Publication lost = isStub ? Publication{} : Publication::of(delivery.message, 0);
    watch_.onDelivery(RecordKind::dropped, session, lost, delivery.qos, delivery.retain, why);
  }

  void write(Connection& connection) {
    if (rightsOf(connection.kind).isCounted) counters_.add(Counter::bytesSent, connection.outbox.bytes());
    connection.traffic.bytesSent += connection.outbox.bytes();
    connection.traffic.messagesSent += connection.outbox.messages();
    connection.transport->write(connection);
  }

  void commit() {
    for (Transport* transport : transports_) transport->commit();
  }

  bool fits(const Connection& connection, Part part) const {
    const auto bounded = [&](uint32_t bound) { return part == Part::whole ? bound : (bound + 1) / 2; };
    const uint32_t heldMessages = connection.held ? connection.held->messages() : 0;
    return waitingBytes(connection) < bounded(limits_.outboxBytesMax) &&
           connection.outbox.messages() + heldMessages + connection.unsentMessages < bounded(limits_.outboxMessagesMax);
  }
  static size_t waitingBytes(const Connection& connection) {
    return connection.outbox.bytes() + (connection.held ? connection.held->bytes() : 0) + connection.unsentBytes;
  }

  void releaseHeld(HeldOutput& held) {
    Connection& connection = held.connection;
    bool isAny = false;
    for (; !held.isEmpty() && journal_.isCommitted(held.turn()); isAny = true) {
      if (!held.release(arena_, connection.outbox)) ender_.end(connection, Reason::quotaExceeded);
    }
    if (isAny) markDirty(connection);
    if (held.isEmpty()) connection.held.reset();
    else holding_.add(held, held.place);
  }
  void dropHeld(Connection& connection) {
    if (!connection.held) return;
    connection.held->clear(arena_);
    holding_.remove(*connection.held, connection.held->place);
    connection.held.reset();
  }

  // True when this part of the outbox has room for one more message. A full one is written early, if the socket
  // accepts it.
  bool hasRoom(Connection& connection, size_t messageBytes, Part part = Part::whole) {
    const size_t bytes = messageBytes + headBytesMax;
    if (hasPlaceIn(connection, part) && hasMemory(connection, bytes)) return true;
    if (hasMemory(connection, bytes)) return false;
    if (writeEarly(connection) && fits(connection, part) && hasMemory(connection, bytes)) return true;
    if (!connection.isSevered && !hasMemory(connection, bytes)) starve(connection);
    return false;
  }
  // When the memory of all outboxes runs short, the rest is for those whose sockets accept something.
  bool hasMemory(const Connection& connection, size_t bytes) const {
    if (!arena_.hasRoom(bytes)) return false;
    const size_t waitingMax = arena_.size() / 16'384;  // of 4,096 at once in the last quarter
    return !connection.isBlocked || !arena_.isCrowded() ||
           connection.outbox.bytes() + connection.unsentBytes < waitingMax;
  }
  // The same without the memory of all outboxes.
  bool hasPlaceIn(Connection& connection, Part part = Part::whole) {
    if (connection.isSevered) return false;
    return fits(connection, part) || (writeEarly(connection) && fits(connection, part));
  }
  // False when there is nothing to write, or the socket has closed.
  bool writeEarly(Connection& connection) {
    if (connection.isSevered || connection.isBlocked || connection.outbox.isEmpty()) return false;
    write(connection);
    connection.transport->commit();
    return !connection.isSevered;
  }

  // The memory of all outboxes is used up: the session continues when others have been written.
  void starve(Connection& connection) { starved_.add(connection, connection.starvedPlace); }
  void rank(Connection& connection) {
    const size_t bytes = connection.isBlocked && !connection.isSevered
                             ? connection.outbox.bytes() + connection.unsentBytes
                             : 0;
    if (rightsOf(connection.kind).isHeldToBounds)
      accounts_.outboxes.set(connection, connection.outboxPlace, bytes, nowMs_);
  }
  // While the outboxes together are crowded, the one that has held most for longest ends.
  void relieve() {
    if (!arena_.isCrowded()) return;
    while (arena_.isCrowded()) {
      Connection* const worst = accounts_.outboxes.worst(nowMs_);
      if (!worst) break;
      const bool wasEnding = worst->phase >= Phase::ending;
      if (!wasEnding) cut(*worst);
      const size_t before = arena_.usedBytes();
      dropHeld(*worst);
      worst->outbox.clear(
          arena_);  // whole packets, so that the goodbye may follow what the socket has begun to take ...
      const size_t freed = before - arena_.usedBytes();
      const bool keepsMuch = 4 * (worst->unsentBytes + Arena::largeBytes) > freed;
      if (wasEnding || keepsMuch) worst->transport->abort(*worst);  // ... if that is the lesser part
      accounts_.outboxes.set(*worst, worst->outboxPlace, 0, nowMs_);
    }
    commit();
  }
  void feedStarved() {
    starved_.drain(&Connection::starvedPlace, [&](Connection& connection) {
      if (connection.session) pump(*connection.session);
    });
  }

  void append(Connection& connection, Bytes bytes) {
    if (connection.held) [[unlikely]]
      return appendHeld(connection, bytes);
    if (!connection.outbox.append(arena_, bytes)) ender_.end(connection, Reason::quotaExceeded);
  }

  [[gnu::noinline]] void appendHeld(Connection& connection, Bytes bytes) {
    if (!connection.held->append(arena_, bytes)) ender_.end(connection, Reason::quotaExceeded);
  }

  void sendPublish(Connection& connection, Session& session, Publication& publication, uint8_t qos, bool retain,
                   const SubscriptionIds& ids, uint32_t share) {
    AliasUse use;
    PublishWriter::Head* head = headFor(connection, session, publication, qos, ids, use);
    if (!head) {
      if (qos > 0 || share != 0) journal_.settle(session, publication.logId, share != 0);
      return;
    }
    uint16_t packetId = 0;
    if (qos > 0)
      packetId = add(session, {.message = keepsSent(session, share) ? publication.keep(&held().blocks()) : MessageRef(),
                               .subscriptionIds = ids,
                               .qos = qos,
                               .retain = retain,
                               .share = share});
    if (qos == 2 && session.durable && publication.logId != 0) {
      journal_.sent(session, packetId, publication.logId, share != 0);
      holdFor(session);
    }
    if (qos == 0 && share != 0) journal_.settle(session, publication.logId, true);
    head->patch(qos, false, retain, packetId, use.alias);
    appendPublish(connection, *head, publication, use);
  }

  // The part before the payload for this connection; nullptr when the packet is too large for its client, or the topic
  // is not for it to see.
  PublishWriter::Head* headFor(Connection& connection, Session& session, const Publication& publication, uint8_t qos,
                               const SubscriptionIds& ids, AliasUse& use) {
    const Bytes prefix = connection.topicPrefix ? bytesOfText(*connection.topicPrefix) : Bytes();
    if (!prefix.empty() && tenantTopics_.isHidden(session, prefix, publication.topic)) [[unlikely]] {
      counters_.add(Counter::withheld);
      return nullptr;
    }
    writer_.setHidden(prefix.size());
    if (connection.outgoingAliases) {
      if (topicHash_ == 0) topicHash_ = hashBytes(publication.topic, aliasSeed);
      use = connection.outgoingAliases->find(publication.topic, topicHash_);
      if (use.isNew && !aliases_.hasRoomForOurs(publication.topic)) use = {};
    }
    PublishWriter::Head* head = &writer_.head(publication, connection.version, qos, ids, use);
    const size_t bytesMax = connection.maximumPacketSize != 0 ? connection.maximumPacketSize : SIZE_MAX;
    const auto isTooLarge = [&] { return head->packetBytes > std::min(bytesMax, PublishWriter::packetBytesMax); };
    if (use.isNew && isTooLarge()) {  // by the bytes of the alias?
      use = {};
      head = &writer_.head(publication, connection.version, qos, ids, use);
    }
    if (!isTooLarge()) return head;
    countDrop(session, DropReason::tooLarge);  // [MQTT-3.1.2-25]
    return nullptr;
  }

  void appendPublish(Connection& connection, const PublishWriter::Head& head, const Publication& publication,
                     AliasUse use) {
    append(connection, head.bytes);
    append(connection, publication.payload);
    if (use.isNew) aliases_.setOurs(connection, use.alias, publication.topic, topicHash_);
    if (connection.held) connection.held->countMessage();
    else connection.outbox.countMessage();
    counters_.add(Counter::publishSent);
    markDirty(connection);
  }

  void resendOldest(Connection& connection, Session& session) {
    Window::Entry& entry = session.window.resent();
    const uint16_t packetId = session.window.resentPacketId();
    session.window.advance();
    if (entry.state == Window::State::released) {
      send(connection, writeAcknowledgement(PacketType::pubrel, packetId, Reason::success, connection.version));
    } else if (entry.state == Window::State::sent) {
      const Delivery& delivery = entry.delivery;
      // The session does not outlive its connection, or has held too much, or may not receive the message any more.
      if (!delivery.message || isWithheld(session, delivery)) {
        settle(session, delivery, packetId);
        session.window.finish(entry, sessions_.held());
        return;
      }
      Publication publication = Publication::of(delivery.message, 0);
      publication.mark = nullptr;  // the time that a lost connection took is not ours
      begin(publication);
      if (isWatched_)
        watch_.onDelivery(RecordKind::delivered, session, publication, delivery.qos, delivery.retain, DropReason::none);
      AliasUse use;
      PublishWriter::Head* head = headFor(connection, session, publication, delivery.qos, delivery.subscriptionIds,
                                          use);
      if (!head) {
        settle(session, delivery, packetId);
        session.window.finish(entry, sessions_.held());
        return;
      }
      head->patch(delivery.qos, true, delivery.retain, packetId, use.alias);  // [MQTT-3.3.1-1]
      appendPublish(connection, *head, publication, use);
    }
  }

  bool mayQueueShared(const Session& session) const {
    if (session.move && session.move->state == SessionMove::State::kept) return false;  // it is elsewhere already
    return session.queue.messages() < limits_.sessionQueueMessagesMax && sessions_.fits(session, 0, true);
  }

  // Whether a message that is sent with QoS 1 or 2 is kept until it is acknowledged.
  static bool keepsSent(const Session& session, uint32_t share) { return session.isPersistent() || share != 0; }

  // Whether window and queue have room for this many bytes more; if not, counts the message as dropped.
  bool mayKeep(Session& session, size_t bytes, size_t growthBytes, uint8_t qos, uint32_t share) {
    if (sessions_.fits(session, bytes, share != 0)) return hasRoomInAll(session, bytes + growthBytes);
    countFullQueue(session, qos);
    return false;
  }
  void countDrop(Session& session, DropReason why) {
    counters_.add(counterOf(why));
    drops_.note(session, why);
  }
  void countFullQueue(Session& session, uint8_t qos) {
    countDrop(session, qos == 0 ? DropReason::outboxFull : DropReason::queueFull);
  }
  bool hasRoomInAll(Session& session, size_t bytes) {
    return sessions_.hasRoom(bytes) || findRoomInAll(session, bytes);
  }
  // The sessions of the worker hold too much together: the largest one pays, if that is another.
  bool findRoomInAll(Session& session, size_t bytes) {
    Session* const payer = sessions_.payerFor(session, bytes);
    if (payer) {
      if (const uint32_t dropped = sessions_.charge(*payer, bytes); dropped > 0)
        drops_.note(*payer, DropReason::allQueuesFull, dropped);
      noteRoom(*payer);
    }
    if ((payer || sessions_.isSmall(session, bytes)) && sessions_.hasReserve(bytes)) return true;
    countDrop(session, DropReason::allQueuesFull);
    return false;
  }
  // A retained message does not count in the session while it waits. One at a time enters the window in any case.
  bool hasRoomInWindow(const Session& session, const Delivery& next) const {
    if (!session.window.hasRoom(session.connection->inflightMax)) return false;
    return !next.isFromStore || !session.isPersistent() || session.window.isEmpty() ||
           sessions_.fits(session, next.bytes() + sizeof(Window::Entry), false);
  }

  void enqueue(Session& session, Publication& publication, uint8_t qos, bool retain, const SubscriptionIds& ids,
               uint32_t share) {
    if (session.queue.messages() < limits_.sessionQueueMessagesMax) {
      push(session,
           {.message = publication.keep(), .subscriptionIds = ids, .qos = qos, .retain = retain, .share = share});
      return;
    }
    countFullQueue(session, qos);
    if (qos > 0 || share != 0) journal_.settle(session, publication.logId, share != 0);
  }
  // Whether the rules have changed since the message was queued, and no longer allow it.
  bool isWithheld(const Session& session, const Delivery& delivery) {
    if (session.queueEpoch == gate_.epoch()) return false;
    if (gate_.mayReceive(session, delivery.message->topic())) return false;
    counters_.add(Counter::withheld);
    return true;
  }
  // Before adding a message that the current rules have allowed.
  void noteJudged(Session& session) const {
    if (session.queue.isEmpty() && session.window.isEmpty()) session.queueEpoch = gate_.epoch();
  }
  void push(Session& session, Delivery&& delivery) {
    noteJudged(session);
    session.queue.push(std::move(delivery), sessions_.held());
    sessions_.settle(session);
    counters_.add(Counter::queued);
    if (!session.connection && session.queue.size() % sleepEvery == 0)
      session.queue.sleep(sessions_.held(), 2 * sleepEvery);
  }
  uint16_t add(Session& session, Delivery&& delivery) {
    noteJudged(session);
    const uint16_t packetId = session.window.add(std::move(delivery), sessions_.held());
    sessions_.settle(session);
    return packetId;
  }

  void afterWrite(Connection& connection) {
    if (connection.isBlocked) rank(connection);
    if (connection.isBlocked || connection.phase == Phase::gone) return;
    if (connection.session) pump(*connection.session);
    if (connection.phase == Phase::ending && connection.outbox.isEmpty() && !connection.held)
      ender_.written(connection);
  }

  // Messages for a session that is away until those before them are looked at, whether they are in the log alone by
  // now.
  static constexpr size_t sleepEvery = 16;

  const Limits& limits_;
  Counters& counters_;
  Accounts& accounts_;
  SessionAccount& sessions_;
  TenantTopics tenantTopics_;
  Gate& gate_;
  Journal& journal_;
  Watch& watch_;
  ConnectionEnder& ender_;
  Drops drops_;
  Arena arena_;
  AliasAccount aliases_;
  PublishWriter writer_;
  std::vector<Transport*> transports_;
  Marks<Connection> dirty_;
  Marks<Connection> starved_;
  Marks<HeldOutput> holding_;
  std::vector<uint64_t> asking_;
  std::vector<uint64_t> improved_;
  std::vector<uint64_t> arriving_;
  Line keepingUp_;
  Line catchingUp_;  // clients that have come back to messages that waited
  CatchUpPace pace_;
  bool isResting_ = false;  // the second line is not served in this turn
  bool hasServed_ = false;  // it was, since noteTime() ...
  uint64_t notedTurn_ = 0;  // ... in this turn
  uint64_t turns_ = 0;
  uint64_t deliveries_ = 0;
  uint64_t waited_ = 0;     // of those, from queues
  uint64_t live_ = 0;       // other deliveries and messages received ...
  uint64_t liveMs_ = 0;     // ... and when that was last more
  bool isWatched_ = false;  // the publication
  uint32_t timedLeft_ = 0;  // of its deliveries, that are timed
  uint64_t nowMs_ = 0;
  uint64_t topicHash_ = 0;  // of the publication, for aliases; 0: not computed yet
#ifdef RALLYMQ_FAULTS
  faults::FaultyDeliveries faults_;
#endif
};

}  // namespace rally
