// The front end of a worker: its connections and their clients' packets.
//
//   bytes -> Input -> frame -> PUBLISH, acknowledgements -> Incoming
//                           -> everything else           -> Event (packet control), the input pauses
//                  after a frame: has the connection used its share of the turn? -> the input pauses (turn-budget.h)
#pragma once
#include <utility>
#include <vector>

#include "../structures/fifo.h"
#include "../structures/slab.h"
#include "../wire/connack.h"
#include "connection-terms.h"
#include "departures.h"
#include "events.h"
#include "incoming.h"
#include "plain-clients.h"
#include "turn-budget.h"

namespace rally {

class FrontEnd : public Outbound::ConnectionEnder {
 public:
  FrontEnd(const Limits& limits, Counters& counters, Accounts& accounts, FilterTable& filters, Journal& journal,
           ShardPort& shards, DepartureSink& departures, Gate& gate)
      : limits_(limits),
        counters_(counters),
        inputs_(accounts.inputs),
        journal_(journal),
        shards_(shards),
        departures_(departures),
        gate_(gate),
        watch_(counters, events_),
        outbound_(limits, counters, accounts, filters, gate, journal, watch_, *this),
        incoming_(limits, counters, shards, gate, watch_, outbound_, *this) {}

  Connection& open(Transport& transport, ConnectionKind kind = ConnectionKind::client) {
    const uint32_t slot = connections_.add();
    Connection& connection = connections_[slot];
    connection.slot = slot;
    connection.generation = ++generations_;
    connection.transport = &transport;
    connection.lastReceivedMs = connection.phaseSinceMs = nowMs_;
    connection.kind = kind;
    if (!rightsOf(kind).isCounted) return connection;
    counters_.add(Counter::connectionsOpened);
    counters_.add(Counter::connections);
    return connection;
  }
  // No connection has a number (plain-clients.h) of an earlier thread, this engine's or another's, that may still be
  // under way. `startedBefore`: the threads so far.
  void numberConnections(uint32_t startedBefore) {
    constexpr unsigned connectionsOfThreadBits = 22;
    generations_ = std::max(generations_, startedBefore << connectionsOfThreadBits);
  }
  // Packet control is told of the connection before anything else of it. What it keeps for itself of a long
  // introduction it takes at once.
  void introduceLater(Connection& connection, Introduction introduction) {
    connection.introduction = std::make_unique<Introduction>(std::move(introduction));
    if (connection.introduction->lines.size() > introductionBytesMax) introduce(connection);
  }
  // By the slot that its events carry.
  Connection& connection(uint32_t slot) {
    RALLY_ASSERT(connections_.isUsed(slot));
    return connections_[slot];
  }

  void setNow(uint64_t nowMs) {
    nowMs_ = nowMs;
    incoming_.setNow(nowMs);
    outbound_.setNow(nowMs);
  }

  // Received bytes of the stream, in order.
  void receive(Connection& connection, Bytes chunk) {
    if (connection.phase >= Phase::ending || connection.pausedBy.isOver()) return;
    if (rightsOf(connection.kind).isCounted) counters_.add(Counter::bytesReceived, chunk.size());
    connection.traffic.bytesReceived += chunk.size();
    connection.lastReceivedMs = nowMs_;
    const Reason reason = connection.input.feed(chunk, rulesOf(connection), FrameSink{*this, connection});
    if (reason != Reason::success && connection.phase == Phase::awaitingConnect && beginsConnectOf5(chunk)) {
      outbound_.send(connection, std::array<uint8_t, 5>{0x20, 3, 0, uint8_t(reason), 0});  // 5.0, 3.2.2.2
    }
    afterInput(connection, reason);
  }

  // Continues with the frames after a packet that packet control has handled.
  void resume(Connection& connection) {
    if (connection.phase >= Phase::ending || connection.pausedBy.holdFrames()) return;
    if (budget_.isSpent(connection)) {
      waitForTurn(connection);
      return;
    }
    const Reason reason = connection.input.resume(rulesOf(connection), FrameSink{*this, connection});
    afterInput(connection, reason);
  }

  // Continues connections that had used up their share of the last turn, and those that were too fast.
  void beginTurn() {
    budget_.beginTurn();
    if (!fast_.empty()) resumeFast();
    for (; !resting_.isEmpty() && resting_.front().untilMs <= nowMs_; resting_.pop())
      spent_.push_back(resting_.front().name);
    std::vector<ConnectionName> waiting;
    waiting.swap(spent_);
    for (const ConnectionName& name : waiting) {
      Connection* connection = find(name);
      if (!connection) continue;
      connection->pausedBy.remove(PausedBy::spent);
      resume(*connection);
    }
  }
  bool hasSpent() const { return !spent_.empty(); }

  // Whether some are held back that may continue within a few milliseconds.
  bool isPaced() const { return !fast_.empty() || !resting_.isEmpty(); }
  // The broker is overloaded: clients with a rate limit may send half as fast.
  void halvePaces(bool isHalved) { arePacesHalved_ = isHalved; }

  // A program has decided about a client's request; nothing happens if the connection has ended. `keptMs`: how long
  // the decision is valid for the topic.
  void decide(Connection& connection, bool isAllowed, uint64_t keptMs) {
    if (!connection.decisions || !connection.pausedBy.has(PausedBy::asked)) return;
    connection.decisions->decide(isAllowed, keptMs, nowMs_);
    connection.pausedBy.remove(PausedBy::asked);
    resume(connection);
  }
  void forgetDecisions(Connection& connection) {
    if (connection.decisions) connection.decisions->forget();
  }
  void forgetDecisions() {
    connections_.each([&](Connection& connection) { forgetDecisions(connection); });
  }

  bool hasStalled() const { return !stalled_.empty(); }
  // Continues connections whose frames found no room in the lanes.
  void resumeStalled() {
    if (stalled_.empty() || shards_.isCrowded() || shards_.isPausing()) return;
    std::vector<ConnectionName> waiting;
    waiting.swap(stalled_);
    for (const ConnectionName& name : waiting) {
      Connection* connection = find(name);
      if (!connection || connection->phase == Phase::gone) continue;
      connection->pausedBy.remove(PausedBy::stalled);
      resume(*connection);
    }
  }

  // From now on, for CONNECTs that come.
  void setPlainTerms(PlainTerms terms) { plainTerms_ = std::move(terms); }

  // A plain client whom the session directory accepts, by the number of its connection; nullptr: it has left, or packet
  // control has adopted it.
  Connection* findPlainConnecting(uint64_t number) {
    const auto slot = uint32_t(number & ((uint64_t(1) << slotBits) - 1));
    if (!connections_.isUsed(slot)) return nullptr;
    Connection& connection = connections_[slot];
    const bool isHere = isPlain(connection) && connection.phase == Phase::connecting;
    return isHere && numberOf(connection) == number ? &connection : nullptr;
  }

  // Accepts such a client, which gets this new session, and continues with its frames. `workers`: of the broker.
  void acceptPlain(Connection& connection, Session& session, unsigned workers) {
    const std::optional<PlainConnect> connect = readPlainConnect(connectByte, connection.introduction->connect);
    RALLY_ASSERT(connect);
    const PlainTerms::OfVersion& ofVersion = plainTerms_.of(connect->version);
    ConnectionTerms terms = readTerms(ofVersion.terms, session.key, workers);
    terms.keepAliveMs = connect->keepAliveSeconds * 1'500U;  // [MQTT-3.1.2-22]
    terms.receiveMaximum = connect->receiveMaximum;
    terms.topicAliasMaximum = connect->topicAliasMaximum;
    connection.introduction->session = session.key;
    const bool isAccepted = accept(connection, session, std::move(terms), ofVersion.connack);
    RALLY_ASSERT(isAccepted);
    resume(connection);
  }

  // Packet control takes a plain client over, and is told of everything from now on. Empty: it is none, or is taken
  // over already.
  std::vector<uint8_t> adoptPlain(uint32_t slot) {
    if (!connections_.isUsed(slot) || !isPlain(connections_[slot])) return {};
    std::vector<uint8_t> client = toAdopt(connections_[slot]);
    connections_[slot].introduction = nullptr;
    return client;
  }

  // Calls `visit(connection)` for each plain client that packet control has not adopted.
  template <class Visit>
  void eachPlain(Visit&& visit) {
    connections_.each([&](Connection& connection) {
      if (isPlain(connection)) visit(connection);
    });
  }

  // Whether packet control is told that the connection is gone.
  bool isGoneTold(const Connection& connection) const {
    if (!connection.introduction) return true;
    const Introduction& introduction = *connection.introduction;
    return isPlain(connection) &&
           (introduction.session == 0 || introduction.hasEvents || plainTerms_.clientIdBytesMax == 0);
  }

  // CONNECT was accepted: sends `connack`, attaches the session and sends its contents. A delayed will of the session
  // is dropped [MQTT-3.1.3-9]. While the session is moving here nothing more is sent or read; sessionArrived()
  // follows. False when the connection has ended: its event ended or gone follows.
  bool accept(Connection& connection, Session& session, ConnectionTerms terms, Bytes connack) {
    const PhaseStep step = stepOf(connection.phase, ConnectionEvent::accepted);
    if (step.action != PhaseAction::attach) return false;
    setPhase(connection, step.next);
    connection.version = terms.version;
    connection.keepAliveMs = terms.keepAliveMs;
    connection.maximumPacketSize = terms.maximumPacketSize;
    connection.withholdsProblems = terms.withholdsProblems;
    connection.resumes = saysSessionPresent(connack);
    connection.inflightMax = terms.receiveMaximum < limits_.inflightMax ? terms.receiveMaximum : limits_.inflightMax;
    connection.topicAliasMaximum = terms.version >= mqtt5 ? limits_.topicAliasMaximum : uint16_t(0);
    const uint16_t aliases = std::min(terms.topicAliasMaximum,
                                      limits_.outgoingTopicAliasesMax);  // [MQTT-3.1.2-26], [MQTT-3.1.2-27]
    if (terms.version >= mqtt5 && aliases > 0) connection.outgoingAliases = std::make_unique<OutgoingAliases>(aliases);
    if (terms.messagesPerSecond != 0 || terms.bytesPerSecond != 0)
      connection.pace = std::make_unique<ClientPace>(terms.messagesPerSecond, terms.bytesPerSecond, nowMs_);
    if (!terms.topicPrefix.empty())
      connection.topicPrefix = std::make_unique<const std::string>(std::move(terms.topicPrefix));
    if (terms.asksToPublish) connection.decisions = std::make_unique<TopicDecisions>();
    connection.unacknowledged = 0;  // Receive Maximum counts anew with each connection (5.0, 4.9)
    if (session.connection) end(*session.connection, Reason::sessionTakenOver);
    connection.session = &session;
    session.connection = &connection;
    session.expirySeconds = terms.sessionExpirySeconds;
    session.will = std::move(terms.will);
    setRights(session, std::move(terms.access));
    if (journal_.isOn() && connection.kind == ConnectionKind::client) makeDurable(session, terms);
    restart(session);
    shards_.presenceChanged(session);
    outbound_.holdFor(session);
    outbound_.send(connection, connack);
    outbound_.pump(session);
    if (!session.move) return true;
    connection.pausedBy.add(PausedBy::stalled);
    connection.input.pause();
    return true;
  }

  // The client of the session, for the rules, from now on; its queue is affected too.
  void setRights(Session& session, std::shared_ptr<const Access> access) {
    const bool isSame = session.rights ? access && *session.rights->access == *access : !access;
    if (isSame) return;
    session.rights = access ? std::make_unique<Rights>(std::move(access)) : nullptr;
    if (session.connection) incoming_.forgetRights(*session.connection);
    const bool hasNothing = session.subscriptions.isEmpty() && !session.hasWaiting() && !session.move;
    session.subscriptionsEpoch = session.queueEpoch = hasNothing ? gate_.epoch() : 0;
    if (!hasNothing) gate_.noteUnjudged(session.key);
  }

  // The session is complete: a client that was accepted before continues.
  void sessionArrived(Session& session) {
    if (session.subscriptionsEpoch != gate_.epoch()) gate_.noteUnjudged(session.key);
    if (!session.connection) return;
    restart(session);
    if (session.durable) journal_.session(session);
    outbound_.holdFor(session);
    if (session.connection->pausedBy.has(PausedBy::stalled)) stalled_.push_back(nameOf(*session.connection));
    outbound_.pump(session);
  }

  // A packet of packet control. If it tells a durable session something, that must be in the log first.
  void tell(Connection& connection, Bytes packet) {
    if (connection.session) outbound_.holdFor(*connection.session);
    outbound_.send(connection, packet);
  }

  // Ends a connection that broke a rule or a limit; packet control sends the DISCONNECT and closes it.
  void end(Connection& connection, Reason reason) override { on(connection, ConnectionEvent::broken, reason); }

  // Ends a connection through no fault of its client: everything received is still handled.
  void finish(Connection& connection, Reason reason) { on(connection, ConnectionEvent::finishing, reason); }

  // Closes a connection once its outbox is written. `reason`: for the session directory, if it has a session.
  void close(Connection& connection, Reason reason = Reason::success) {
    on(connection, ConnectionEvent::refused, reason);
  }

  // The client has sent DISCONNECT. `expirySeconds`: of its session from now on.
  void disconnect(Connection& connection, CloseCause cause, Reason reason, uint32_t expirySeconds) {
    if (connection.session) connection.session->expirySeconds = expirySeconds;
    on(connection, ConnectionEvent::refused, reason, cause);
  }

  // The client will send nothing more, but may still read. Everything received is still handled.
  void streamEnded(Connection& connection) { on(connection, ConnectionEvent::streamEnded); }

  // The socket has closed. The consequences wait for takeLeave(): a failed write calls this in the middle of a
  // delivery. Until then the connection accepts nothing.
  void gone(Connection& connection) {
    if (connection.isSevered) return;
    connection.isSevered = true;
    connection.isBlocked = true;
    severed_.push(nameOf(connection));
  }
  bool hasLeft() const { return !severed_.isEmpty(); }

  // Handles a slice of the connections whose sockets have closed. Their received packets are handled first; event gone
  // and release() follow.
  void takeLeave() {
    for (size_t left = leavesPerTurn; left > 0 && !severed_.isEmpty(); left--) {
      Connection* connection = find(severed_.front());
      severed_.pop();
      if (connection) on(*connection, ConnectionEvent::severed);
    }
  }

  // Ends connections that have nothing left to do, once packet control has handled all events.
  void leaveDrained() {
    std::vector<ConnectionName> drained;
    drained.swap(drained_);
    for (const ConnectionName& name : drained) {
      Connection* connection = find(name);
      if (connection && isDrained(*connection)) leaveNow(*connection);
    }
  }
  bool hasDrained() const { return !drained_.empty(); }

  // The thread has ended, and its connections with it.
  void abandonAll() {
    eachConnection([&](Connection& connection) {
      depart(connection, CloseCause::lost, Reason::success);
      if (connection.phase != Phase::gone) countClosed(connection);
      release(connection);
    });
    while (!severed_.isEmpty()) severed_.pop();
    stalled_.clear();
    drained_.clear();
    spent_.clear();
    while (!resting_.isEmpty()) resting_.pop();
    fast_.clear();
    events_ = {};
  }

  // Closes connections that have not sent their CONNECT.
  void closeUnknown() {
    connections_.each([&](Connection& connection) {
      if (connection.introduction && !isPlain(connection)) close(connection);
    });
  }

  // From now on no will is published: the broker stops.
  void withholdWills() { withholdsWills_ = true; }

  void release(Connection& connection) {
    outbound_.forget(connection);
    inputs_.set(connection, connection.inputPlace, 0, nowMs_);
    connections_.remove(connection.slot);
  }

  // The owner of the topic has accepted or refused the message: PUBACK or PUBREC. False: the connection has ended.
  bool acknowledge(const Source& source, Reason reason, bool isLogged) {
    if (source.qos == 0) return true;
    Connection* connection = find({source.connection, source.generation});
    if (!connection || connection->phase != Phase::connected) return false;
    if (isLogged && isError(reason) && connection->version < mqtt5) {  // it could only be told that it is safe
      end(*connection, reason);
      return false;
    }
    connection->answers.settle(source.packetId, source.qos, reason);
    incoming_.sendAnswers(*connection);
    return true;
  }

  // As above for QoS 2, when the connection has ended. A refused message is a new one when it is repeated; if it has
  // been repeated already, its new connection is told.
  void acknowledgeLate(Session& session, uint16_t packetId, Reason reason) {
    if (!session.unfinished->received.unanswered.contains(packetId)) return;
    ReceivedPacketIds& received = session.unfinished.own().received;
    received.unanswered.remove(packetId);
    if (isError(reason)) {
      received.all.remove(packetId);
      received.before.remove(packetId);
    }
    outbound_.settlePacketIds(session);
    if (!session.connection) return;
    session.connection->answers.settle(packetId, 2, reason);
    incoming_.sendAnswers(*session.connection);
  }

  // Once a second: keep alive (5.0, 3.1.2.10), clients that never send CONNECT or wait too long for their CONNACK,
  // packets of ended clients that cannot be handled, closes that hang.
  void tick() {
    watch_.tick();
    connections_.each([&](Connection& connection) {
      const uint64_t inPhaseMs = nowMs_ - connection.phaseSinceMs;
      const uint64_t silentMs = nowMs_ - connection.lastReceivedMs;
      const bool isLate = connection.phase == Phase::awaitingConnect && inPhaseMs >= limits_.connectTimeoutMs;
      const bool isSilent = connection.phase == Phase::connected && connection.keepAliveMs != 0 &&
                            connection.pausedBy.allowReading() && silentMs >= connection.keepAliveMs;
      const bool isStuck = connection.phase == Phase::connected && connection.pausedBy.isOver() &&
                           silentMs >= limits_.lastFramesMs;
      // An event that packet control has not been told of is nobody's delay: its DISCONNECT is still to come.
      const bool mayHang = connection.phase == Phase::closing ||
                           (connection.phase == Phase::ending && events_.isEmpty());
      const bool hangs = mayHang && inPhaseMs >= limits_.closeTimeoutMs;
      if (isLate && connection.pausedBy.has(PausedBy::stalled)) turnAway(connection);
      else if (isLate || isSilent) end(connection, Reason::keepAliveTimeout);  // [MQTT-3.1.2-22]
      else if (isStuck) leaveNow(connection);
      else if (connection.phase == Phase::connecting && inPhaseMs >= limits_.connectingTimeoutMs())
        end(connection, Reason::serverUnavailable);
      else if (hangs) connection.transport->abort(connection);
    });
  }

  // The process was suspended for that long, or had one long turn, which counts as nobody's silence.
  void forgive(uint64_t gapMs) {
    eachConnection([&](Connection& connection) {
      connection.lastReceivedMs = std::min(connection.lastReceivedMs + gapMs, nowMs_);
      connection.phaseSinceMs = std::min(connection.phaseSinceMs + gapMs, nowMs_);
    });
  }

  template <class Visit>
  void eachConnection(Visit&& visit) {
    connections_.each(visit);
  }

  // The outbox of an ending connection is empty.
  void written(Connection& connection) override { on(connection, ConnectionEvent::written); }

  Watch& watch() { return watch_; }
  Outbound& outbound() { return outbound_; }
  const Outbound& outbound() const { return outbound_; }
  // For packet control, which handles them between two frames, in order, or in a later turn if it has no time.
  Fifo<Event>& events() { return events_; }

 private:
  // A connection that may have gone by its turn.
  struct ConnectionName {
    uint32_t slot;
    uint32_t generation;
  };
  static ConnectionName nameOf(const Connection& connection) { return {connection.slot, connection.generation}; }
  Connection* find(const ConnectionName& name) {
    if (!connections_.isUsed(name.slot)) return nullptr;
    Connection& connection = connections_[name.slot];
    return connection.generation == name.generation ? &connection : nullptr;
  }

  struct FrameSink {
    FrontEnd& frontEnd;
    Connection& connection;
    Flow operator()(uint8_t first, Bytes body) { return frontEnd.onFrame(connection, first, body); }
  };

  FrameRules rulesOf(const Connection& connection) const {
    const bool isConnected = connection.phase == Phase::connected;
    return {isConnected ? limits_.maximumPacketSizeBytes : limits_.connectPacketSizeBytesMax,
            connection.version >= mqtt5, isConnected ? typesOfClient(connection.version) : anyTypeButReserved};
  }

  // The types of packets that a client sends after its CONNECT.
  static constexpr uint16_t typesOfClient(uint8_t version) {
    uint16_t types = version >= mqtt5 ? typeBit(PacketType::auth) : uint16_t(0);
    for (const PacketType type :
         {PacketType::publish, PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp,
          PacketType::subscribe, PacketType::unsubscribe, PacketType::pingreq, PacketType::disconnect})
      types = uint16_t(types | typeBit(type));
    return types;
  }

  void setPhase(Connection& connection, Phase phase) {
    connection.phase = phase;
    connection.phaseSinceMs = nowMs_;
  }

  static bool isPlain(const Connection& connection) {
    return connection.introduction && connection.introduction->isOfPlainClient();
  }

  // Packet control adopts a plain client itself, with the next event of it.
  void introduce(Connection& connection) {
    if (!connection.introduction) return;
    connection.introduction->hasEvents = true;
    if (isPlain(connection)) return;
    const std::unique_ptr<Introduction> introduction = std::move(connection.introduction);
    const std::string lines = std::to_string(introduction->listener) + "\n" + introduction->lines;
    events_.push({EventKind::opened,
                  uint8_t(introduction->isWebSocket),
                  Reason::success,
                  connection.slot,
                  numberOf(connection),
                  {lines.begin(), lines.end()}});
  }

  // The session outlives its connection, and so must be logged.
  void makeDurable(Session& session, const ConnectionTerms& terms) {
    const bool isNew = session.expirySeconds > 0 && !session.durable;
    if (isNew) {
      session.durable = std::make_unique<DurableSession>();
      session.durable->checkpoint = journal_.checkpoint();
    }
    if (!session.durable) return;
    session.durable->setClient(isNew ? terms.clientId : session.durable->clientId(), terms.accessBytes);
    session.durable->setStamp(journal_.stamp());
    journal_.session(session);
    // Behind it: its subscriptions are of a session. One that has come from a node without a log has some already.
    if (isNew && (!session.isDurable || journal_.isClustered())) shards_.becameDurable(session);
  }

  // The contents of the session are sent, and counted, again.
  void restart(Session& session) {
    if (session.unfinished.isMade()) {
      session.unfinished.own().received.before = session.unfinished->received.all;
      outbound_.settlePacketIds(session);
    }
    session.window.restart();
    session.connection->isCatchingUp = session.hasWaiting();
  }

  // The effect of an event on a connection: connection-phase.h.
  void on(Connection& connection, ConnectionEvent event, Reason reason = Reason::success,
          CloseCause cause = CloseCause::lost) {
    const PhaseStep step = stepOf(connection.phase, event);
    const bool wasConnected = connection.phase == Phase::connected;
    if (step.next != connection.phase) setPhase(connection, step.next);
    switch (step.action) {
      case PhaseAction::none:
      case PhaseAction::attach: break;  // accept() does it
      case PhaseAction::leave:
        depart(connection, cause, reason);
        if (connection.isSevered) severed_.push(nameOf(connection));
        else outbound_.markDirty(connection);
        break;
      case PhaseAction::goodbye:
        depart(connection, CloseCause::lost, reason);
        introduce(connection);
        events_.push({EventKind::ended, uint8_t(wasConnected), reason, connection.slot, 0, {}});
        if (connection.isSevered) severed_.push(nameOf(connection));
        break;
      case PhaseAction::readLast: readLast(connection, reason); break;
      case PhaseAction::drain:
        readNoMore(connection, PausedBy::ended);
        leaveIfDrained(connection);
        break;
      case PhaseAction::write: outbound_.markDirty(connection); break;
      case PhaseAction::shut:
        if (connection.pausedBy.has(PausedBy::ended)) connection.transport->abort(connection);
        else connection.transport->close(connection);
        break;
      case PhaseAction::cut: connection.transport->abort(connection); break;
      case PhaseAction::free: free(connection); break;
    }
  }

  // The session leaves the connection: everything that follows for it is a departure.
  void depart(Connection& connection, CloseCause cause, Reason reason) {
    if (!connection.session) return;
    Session& session = *connection.session;
    connection.answers.eachTaken([&](const Answers::Answer& answer) {
      if (!answer.isReady) session.unfinished.own().received.unanswered.add(answer.packetId);
      else if (isError(answer.reason)) session.unfinished.own().received.all.remove(answer.packetId);
    });
    outbound_.settlePacketIds(session);
    connection.session = nullptr;
    session.connection = nullptr;
    outbound_.trim(session);
    session.leftAtMs = nowMs_;
    session.departures++;
    Departure departure{.kind = Departure::Kind::connection,
                        .cause = cause,
                        .reason = reason,
                        .session = session.key,
                        .shards = connection.shards,
                        .will = {},
                        .access = {}};
    const bool isKept = session.durable && session.expirySeconds > 0;  // also while the broker is down
    if (cause == CloseCause::disconnected || (withholdsWills_ && !isKept)) session.will = nullptr;  // [MQTT-3.1.2-10]
    if (session.durable) journal_.left(session, session.will != nullptr);
    if (session.will && !withholdsWills_ && (session.will->delaySeconds == 0 || session.expirySeconds == 0))
      departure.giveWill(session);
    departures_.add(std::move(departure));
    shards_.presenceChanged(session);
  }

  void readLast(Connection& connection, Reason reason) {
    if (!isError(connection.finishedBy)) connection.finishedBy = reason;
    if (!connection.pausedBy.isOver()) connection.transport->readLast(connection);
    if (connection.phase != Phase::connected) return;
    readNoMore(connection, PausedBy::finished);
    leaveIfDrained(connection);
  }

  void readNoMore(Connection& connection, PausedBy reason) {
    const bool wasOver = connection.pausedBy.isOver();
    connection.pausedBy.add(reason);
    if (wasOver) return;
    connection.lastReceivedMs = nowMs_;
    if (!connection.isSevered) connection.transport->setReading(connection, false);
  }

  static bool isDrained(const Connection& connection) {
    const bool isWaiting = connection.input.paused() && connection.input.hasFrame();
    return connection.phase < Phase::ending && connection.pausedBy.isOver() && !isWaiting;
  }
  // Not before packet control has handled all its packets: the last may be a DISCONNECT.
  void leaveIfDrained(const Connection& connection) {
    if (isDrained(connection)) drained_.push_back(nameOf(connection));
  }

  void leaveNow(Connection& connection) {
    if (isError(connection.finishedBy)) on(connection, ConnectionEvent::broken, connection.finishedBy);
    else on(connection, ConnectionEvent::drained);
  }

  void free(Connection& connection) {
    outbound_.forget(connection);
    countClosed(connection);
    events_.push({EventKind::gone, 0, Reason::success, connection.slot, 0, {}});
  }

  void countClosed(const Connection& connection) {
    if (!rightsOf(connection.kind).isCounted) return;
    counters_.add(Counter::connectionsClosed);
    counters_.subtract(Counter::connections);
  }

  // After each chunk: errors of the stream, and the limits on waiting data.
  void afterInput(Connection& connection, Reason reason) {
    judgeInput(connection, reason);
    countInput(connection);
    while (inputs_.bytes() > limits_.inputTotalBytesMax) {
      Connection* const worst = inputs_.worst(nowMs_);
      if (!worst) return;
      if (worst->phase < Phase::ending) outbound_.cut(*worst);
      worst->input.drop();
      countInput(*worst);
    }
  }
  void countInput(Connection& connection) {
    if (rightsOf(connection.kind).isHeldToBounds)
      inputs_.set(connection, connection.inputPlace, connection.input.memoryBytes(), nowMs_);
  }

  void judgeInput(Connection& connection, Reason reason) {
    if (isError(reason)) {
      end(connection, reason);
      return;
    }
    if (connection.phase >= Phase::ending) return;
    if (connection.phase == Phase::awaitingConnect && connection.input.beginsOtherThan(PacketType::connect)) {
      end(connection, Reason::protocolError);  // [MQTT-3.1.0-1]: no need to wait for the rest of it
      return;
    }
    if (connection.pausedBy.isOver()) {
      leaveIfDrained(connection);
      return;
    }
    // A connection that has used its share of the turn is not read while data is left; once all of them together hold
    // much, no connection that has to wait is.
    const bool areMany = inputs_.bytes() > limits_.inputTotalBytesMax / 2 && rightsOf(connection.kind).isHeldToBounds;
    const bool holdsAll = !areMany && !connection.pausedBy.has(PausedBy::spent);
    const size_t heldMax = holdsAll ? size_t(limits_.inputBufferBytesMax) + limits_.maximumPacketSizeBytes : 0;
    const bool wasFull = connection.pausedBy.has(PausedBy::full);
    const bool isFull = connection.input.paused() && connection.input.heldBytes() > heldMax;
    if (isFull && !wasFull) {
      connection.pausedBy.add(PausedBy::full);
      connection.transport->setReading(connection, false);
    } else if (!isFull && wasFull) {
      connection.pausedBy.remove(PausedBy::full);
      readAgain(connection);
    }
  }
  void readAgain(Connection& connection) {
    if (!connection.pausedBy.allowReading()) return;
    connection.lastReceivedMs = nowMs_;  // that we did not read was not its silence
    connection.transport->setReading(connection, true);
  }

  static size_t frameBytesOf(Bytes body) { return body.size() + 2; }

  // Whether its client has to wait before it may send more. When it has gone, everything left is still handled.
  bool isTooFast(Connection& connection, PacketType type, size_t frameBytes) {
    if (connection.pausedBy.isOver()) return false;
    if (connection.pace->take(type == PacketType::publish, frameBytes, nowMs_, arePacesHalved_)) return false;
    connection.pausedBy.add(PausedBy::fast);
    connection.transport->setReading(connection, false);
    fast_.push_back(nameOf(connection));
    return true;
  }

  void resumeFast() {
    fastBefore_.clear();
    fastBefore_.swap(fast_);
    for (const ConnectionName& name : fastBefore_) {
      Connection* connection = find(name);
      if (!connection || connection->phase >= Phase::ending) continue;
      if (!connection->pausedBy.isOver() && !connection->pace->mayTake(nowMs_, arePacesHalved_)) {
        fast_.push_back(name);
        continue;
      }
      connection->pausedBy.remove(PausedBy::fast);
      readAgain(*connection);
      resume(*connection);
    }
  }

  Flow fail(Connection& connection, Reason reason) {
    end(connection, reason);
    return Flow::end;
  }

  Flow onFrame(Connection& connection, uint8_t first, Bytes body) {
    if (connection.phase >= Phase::ending) return Flow::end;
    const auto type = PacketType(first >> 4);
    const bool isPaced = connection.pace && connection.phase == Phase::connected;
    if (isPaced && isTooFast(connection, type, frameBytesOf(body))) return Flow::hold;
    const uint64_t deliveries = outbound_.deliveries();
    const Flow flow = take(connection, type, first, body);
    if (flow != Flow::next) return flow;
    budget_.spend(connection, TurnBudget::ofPacket(type, body.size(), outbound_.deliveries() - deliveries));
    if (!budget_.isSpent(connection)) return Flow::next;
    if (type == PacketType::pingreq && !connection.pausedBy.isOver()) rest(connection);
    else waitForTurn(connection);
    return Flow::pause;
  }
  // It sends PINGREQ without end.
  void rest(Connection& connection) {
    connection.pausedBy.add(PausedBy::spent);
    resting_.push({nameOf(connection), nowMs_ + restMs});
  }
  // It has used its share: beginTurn() continues it.
  void waitForTurn(Connection& connection) {
    connection.pausedBy.add(PausedBy::spent);
    spent_.push_back(nameOf(connection));
  }

  Flow take(Connection& connection, PacketType type, uint8_t first, Bytes body) {
    if (type == PacketType::publish && connection.phase == Phase::connected) {
      const Flow flow = onPublish(connection, first, body);
      if (flow == Flow::hold && connection.pace) connection.pace->giveBack(frameBytesOf(body));  // it comes again
      return flow;
    }
    if (isLogged(type) && journal_.isCrowded()) {
      if (connection.phase == Phase::awaitingConnect) connection.version = isConnectOf5(body) ? mqtt5 : 0;
      return stall(connection);
    }
    if (rightsOf(connection.kind).isCounted) counters_.add(Counter::otherReceived);
    if (connection.phase != Phase::connected) return onEarlyFrame(connection, type, first, body);
    switch (type) {
      case PacketType::puback:
      case PacketType::pubrec:
      case PacketType::pubrel:
      case PacketType::pubcomp: return incoming_.onAcknowledgement(connection, type, first, body);
      case PacketType::pingreq:
        if ((first & 0x0f) != 0 || !body.empty()) return fail(connection, Reason::malformedPacket);
        outbound_.send(connection, pingresp);  // [MQTT-3.12.4-1]
        budget_.spendOnPing(connection);
        return Flow::next;
      case PacketType::disconnect:
        if (isPlain(connection) && first == disconnectByte && body.empty()) {
          disconnect(connection, CloseCause::disconnected, Reason::success, 0);
          return Flow::end;
        }
        return toPacketControl(connection, first, body);
      case PacketType::subscribe:
      case PacketType::unsubscribe:
      case PacketType::auth: return toPacketControl(connection, first, body);
      default:  // a second CONNECT [MQTT-3.1.0-2], or a packet that only servers send
        return fail(connection, type == PacketType::reserved ? Reason::malformedPacket : Reason::protocolError);
    }
  }

  // Before the CONNACK: one CONNECT [MQTT-3.1.0-1], then AUTH for as long as packet control asks, or
  // DISCONNECT [MQTT-3.1.2-30].
  Flow onEarlyFrame(Connection& connection, PacketType type, uint8_t first, Bytes body) {
    const bool isFirst = connection.phase == Phase::awaitingConnect;
    const bool isExpected = isFirst ? type == PacketType::connect
                                    : type == PacketType::auth || type == PacketType::disconnect;
    if (!isExpected) return fail(connection, Reason::protocolError);
    if (isFirst) {
      setPhase(connection, Phase::connecting);
      connection.version = isConnectOf5(body) ? mqtt5 : 0;  // of an earlier one only accept() needs to know more
    }
    return isFirst && takePlainConnect(connection, first, body) ? Flow::pause
                                                                : toPacketControl(connection, first, body);
  }

  // False: packet control has to read it.
  bool takePlainConnect(Connection& connection, uint8_t first, Bytes body) {
    if (plainTerms_.clientIdBytesMax == 0 || !connection.introduction || !connection.introduction->hasOnlyAddress())
      return false;
    const std::optional<PlainConnect> connect = readPlainConnect(first, body);
    if (!connect || !plainTerms_.cover(*connect)) return false;
    budget_.spend(connection, TurnBudget::ofControlPacket(body.size()));
    connection.introduction->connect.assign(body.begin(), body.end());
    const bool isOpen = !events_.isEmpty() && events_.back().kind == EventKind::connects &&
                        events_.back().bytes.size() < connectsBytesMax;
    if (!isOpen) events_.push({EventKind::connects, 0, Reason::success, 0, 0, {}});
    appendConnect(events_.back().bytes, connection, *connect);
    return true;
  }

  Flow toPacketControl(Connection& connection, uint8_t first, Bytes body) {
    budget_.spend(connection, TurnBudget::ofControlPacket(body.size()));
    introduce(connection);
    events_.push({EventKind::packet, first, Reason::success, connection.slot, 0, {body.begin(), body.end()}});
    return Flow::pause;
  }

  Flow onPublish(Connection& connection, uint8_t first, Bytes body) {
    if (shards_.isCrowded() || shards_.isPausing()) return stall(connection);
    return incoming_.onPublish(connection, first, body, events_);
  }

  // Whether packet control may have to log what it says: while the log has no room, it waits as PUBLISH does.
  static bool isLogged(PacketType type) {
    return type == PacketType::connect || type == PacketType::subscribe || type == PacketType::unsubscribe;
  }
  // Its CONNECT has waited long enough for room in the log.
  void turnAway(Connection& connection) {
    constexpr std::array<uint8_t, 5> connack5 = {0x20, 3, 0, uint8_t(Reason::serverUnavailable), 0};
    constexpr std::array<uint8_t, 4> connack3 = {0x20, 2, 0, 3};
    outbound_.send(connection, connection.version >= mqtt5 ? Bytes(connack5) : Bytes(connack3));
    end(connection, Reason::serverUnavailable);
  }
  // Its frame found no room: resumeStalled() continues it.
  Flow stall(Connection& connection) {
    connection.pausedBy.add(PausedBy::stalled);
    stalled_.push_back(nameOf(connection));
    return Flow::hold;
  }

  // A CONNECT that is too large, or whose length has too many bytes, never reaches packet control: its client gets the
  // reason if its version arrived in the same piece.
  static bool beginsConnectOf5(Bytes stream) {
    if (stream.empty() || stream[0] != connectByte) return false;
    const Varint length = readVarint(stream.subspan(1));
    return length.state == Varint::State::complete && isConnectOf5(stream.subspan(size_t(1) + length.size));
  }

  // Of an introduction that waits for the first packet.
  static constexpr size_t introductionBytesMax = 512;
  // Of an event `connects`, about: of 100 clients.
  static constexpr size_t connectsBytesMax = 8'192;
  static constexpr uint8_t connectByte = uint8_t(PacketType::connect) << 4;
  static constexpr uint8_t disconnectByte = uint8_t(PacketType::disconnect) << 4;
  // Connections with closed sockets that are handled in a turn.
  struct Resting {
    ConnectionName name;
    uint64_t untilMs;
  };

  static constexpr size_t leavesPerTurn = 256;
  static constexpr uint64_t restMs = 2;
  static constexpr std::array<uint8_t, 2> pingresp = {0xd0, 0};

  const Limits& limits_;
  Counters& counters_;
  Ranking<Connection>& inputs_;
  Journal& journal_;
  ShardPort& shards_;
  DepartureSink& departures_;
  Gate& gate_;
  Watch watch_;
  Outbound outbound_;
  Incoming incoming_;
  Slab<Connection> connections_;
  Fifo<Event> events_;
  std::vector<ConnectionName> stalled_;
  std::vector<ConnectionName> drained_;     // may leave
  std::vector<ConnectionName> spent_;       // go on in the next turn
  Fifo<Resting> resting_;                   // go on later, in order
  std::vector<ConnectionName> fast_;        // go on when they may, ...
  std::vector<ConnectionName> fastBefore_;  // ... of which these are looked at
  bool arePacesHalved_ = false;
  TurnBudget budget_;
  PlainTerms plainTerms_;
  Fifo<ConnectionName> severed_;  // and not dealt with
  bool withholdsWills_ = false;
  uint32_t generations_ = 0;
  uint64_t nowMs_ = 0;
};

}  // namespace rally
