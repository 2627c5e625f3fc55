// The front end of a worker: its connections, and what their clients send.
//
//   bytes -> Input -> frame -> PUBLISH, acknowledgements -> Incoming
//                           -> everything else           -> Event (the control plane), the input pauses
#pragma once
#include <vector>

#include "../structures/slab.h"
#include "events.h"
#include "incoming.h"

namespace rally {

// What CONNECT settled for a connection.
struct ConnectionTerms {
  uint8_t version = 4;
  uint32_t keepAliveMs = 0;
  uint16_t receiveMaximum = 65'535;
  uint32_t maximumPacketSize = 0;  // 0: no limit
  uint16_t topicAliasMaximum = 0;  // of the client: how many aliases it takes
  bool isPersistent = false;       // the session outlives the connection
  bool withholdsProblems = false;  // Request Problem Information is 0 (5.0, 3.1.2.11.7)
};

class FrontEnd : public Outbound::ConnectionEnder {
 public:
  FrontEnd(const Limits& limits, Counters& counters, ShardPort& shards)
      : limits_(limits),
        counters_(counters),
        shards_(shards),
        outbound_(limits, counters, *this),
        incoming_(limits, counters, shards, outbound_, *this) {}

  Connection& open(Transport& transport, bool isHost = false) {
    const uint32_t slot = connections_.add();
    Connection& connection = connections_[slot];
    connection.slot = slot;
    connection.generation = ++generations_;
    connection.transport = &transport;
    connection.lastReceivedMs = connection.phaseSinceMs = nowMs_;
    connection.isHost = isHost;
    if (isHost) return connection;
    counters_.add(Counter::connectionsOpened);
    counters_.add(Counter::connections);
    return connection;
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

  // Bytes of the stream, in order.
  void receive(Connection& connection, Bytes chunk) {
    if (connection.phase >= Phase::ending) return;
    if (!connection.isHost) counters_.add(Counter::bytesReceived, chunk.size());
    connection.lastReceivedMs = nowMs_;
    const Reason reason = connection.input.feed(chunk, rulesOf(connection), FrameSink{*this, connection});
    if (reason == Reason::packetTooLarge && connection.phase == Phase::awaitingConnect && beginsConnectOf5(chunk)) {
      outbound_.send(connection, connectTooLarge);  // 5.0, 3.2.2.2
    }
    afterInput(connection, reason);
  }

  // Goes on with the frames after a packet that the control plane has dealt with.
  void resume(Connection& connection) {
    if (connection.phase >= Phase::ending || connection.isStalled) return;
    const Reason reason = connection.input.resume(rulesOf(connection), FrameSink{*this, connection});
    afterInput(connection, reason);
  }

  bool hasStalled() const { return !stalled_.empty(); }
  // Goes on with the connections whose frames did not fit into the lanes.
  void resumeStalled() {
    if (stalled_.empty() || shards_.isCrowded()) return;
    std::vector<Connection*> waiting;
    waiting.swap(stalled_);
    for (Connection* connection : waiting) {
      connection->isStalled = false;
      resume(*connection);
    }
  }

  // CONNECT was accepted: `connack` goes out, the session is attached and what it holds follows. While it is on its way
  // here nothing more is sent and nothing taken; sessionArrived() follows.
  void accept(Connection& connection, Session& session, const ConnectionTerms& terms, Bytes connack) {
    if (connection.phase >= Phase::ending) return;  // its event ended or gone is on the way
    setPhase(connection, Phase::connected);
    connection.version = terms.version;
    connection.keepAliveMs = terms.keepAliveMs;
    connection.maximumPacketSize = terms.maximumPacketSize;
    connection.withholdsProblems = terms.withholdsProblems;
    connection.inflightMax = terms.receiveMaximum < limits_.inflightMax ? terms.receiveMaximum : limits_.inflightMax;
    connection.topicAliasMaximum = terms.version >= mqtt5 ? limits_.topicAliasMaximum : uint16_t(0);
    const uint16_t aliases = std::min(terms.topicAliasMaximum,
                                      limits_.outgoingTopicAliasesMax);  // [MQTT-3.1.2-26], [MQTT-3.1.2-27]
    if (terms.version >= mqtt5 && aliases > 0) connection.outgoingAliases = std::make_unique<OutgoingAliases>(aliases);
    connection.unacknowledged = 0;  // Receive Maximum counts anew with each connection (5.0, 4.9)
    if (session.connection) end(*session.connection, Reason::sessionTakenOver);
    connection.session = &session;
    session.connection = &connection;
    session.isPersistent = terms.isPersistent;
    restart(session);
    shards_.presenceChanged(session);
    outbound_.send(connection, connack);
    outbound_.pump(session);
    if (!session.move) return;
    connection.isStalled = true;
    connection.input.pause();
  }

  // The session is complete: a client that was accepted before goes on.
  void sessionArrived(Session& session) {
    if (!session.connection) return;
    restart(session);
    if (session.connection->isStalled) stalled_.push_back(session.connection);
    outbound_.pump(session);
  }

  // Ends a connection that broke a rule or a bound; the control plane says goodbye and closes it.
  void end(Connection& connection, Reason reason) override {
    if (connection.phase >= Phase::ending) return;
    const bool wasConnected = connection.phase == Phase::connected;
    detach(connection);
    setPhase(connection, Phase::ending);
    events_.push_back({EventKind::ended, uint8_t(wasConnected), reason, connection.slot, 0, {}});
  }

  // Closes a connection once its outbox is written.
  void close(Connection& connection) {
    if (connection.phase >= Phase::closing) return;
    detach(connection);
    if (connection.phase != Phase::ending) setPhase(connection, Phase::ending);
    outbound_.markDirty(connection);
  }

  // The socket is no more. What follows from it waits for takeLeave(): a write that fails comes here in the
  // middle of a delivery. Until then the connection takes nothing.
  void gone(Connection& connection) {
    if (connection.hasLeft) return;
    connection.hasLeft = true;
    connection.isBlocked = true;
    left_.push_back(&connection);
  }
  bool hasLeft() const { return !left_.empty(); }

  // Deals with the connections that are gone. Event gone and release() follow.
  void takeLeave() {
    while (!left_.empty()) {
      Connection& connection = *left_.back();
      left_.pop_back();
      takeLast(connection);
      detach(connection);
      setPhase(connection, Phase::gone);
      outbound_.forget(connection);
      if (connection.isStalled) std::erase(stalled_, &connection);
      if (!connection.isHost) {
        counters_.add(Counter::connectionsClosed);
        counters_.subtract(Counter::connections);
      }
      events_.push_back({EventKind::gone, 0, Reason::success, connection.slot, 0, {}});
    }
  }

  void release(Connection& connection) {
    outbound_.forget(connection);
    connections_.remove(connection.slot);
  }

  // The owner of the topic has the message (or refuses it): PUBACK or PUBREC. False: the connection is over.
  bool acknowledge(const Source& source, Reason reason) {
    if (source.qos == 0) return true;
    RALLY_ASSERT(source.connection < connections_.end());
    Connection& connection = connections_[source.connection];
    if (connection.generation != source.generation || connection.phase != Phase::connected) return false;
    connection.answers.settle(source.packetId, source.qos, reason);
    incoming_.sendAnswers(connection);
    return true;
  }

  // As above for QoS 2, when the connection is over. A refused message is another one when it comes again; if it has
  // come again meanwhile, its new connection is told.
  void acknowledgeLate(Session& session, uint16_t packetId, Reason reason) {
    if (!session.unanswered.remove(packetId)) return;
    if (isError(reason)) {
      session.received.remove(packetId);
      session.receivedBefore.remove(packetId);
    }
    if (!session.connection) return;
    session.connection->answers.settle(packetId, 2, reason);
    incoming_.sendAnswers(*session.connection);
  }

  // Once a second: keep alive (5.0, 3.1.2.10), clients that never send CONNECT or wait too long for their
  // CONNACK, closes that hang.
  void tick() {
    for (uint32_t slot = 1; slot < connections_.end(); slot++) {
      Connection& connection = connections_[slot];
      if (!connection.transport) continue;
      const uint64_t inPhaseMs = nowMs_ - connection.phaseSinceMs;
      const bool isLate = connection.phase == Phase::awaitingConnect && inPhaseMs >= limits_.connectTimeoutMs;
      const bool isSilent = connection.phase == Phase::connected && connection.keepAliveMs != 0 &&
                            connection.isReading && nowMs_ - connection.lastReceivedMs >= connection.keepAliveMs;
      const bool hangs = (connection.phase == Phase::ending || connection.phase == Phase::closing) &&
                         inPhaseMs >= limits_.closeTimeoutMs;
      if (isLate || isSilent) end(connection, Reason::keepAliveTimeout);  // [MQTT-3.1.2-22]
      else if (connection.phase == Phase::connecting && inPhaseMs >= limits_.connectingTimeoutMs())
        end(connection, Reason::serverUnavailable);
      else if (hangs) connection.transport->abort(connection);
    }
  }

  // The process stood still for so long, suspended or in one long turn: that is nobody's silence.
  void forgive(uint64_t gapMs) {
    eachConnection([&](Connection& connection) {
      connection.lastReceivedMs = std::min(connection.lastReceivedMs + gapMs, nowMs_);
      connection.phaseSinceMs = std::min(connection.phaseSinceMs + gapMs, nowMs_);
    });
  }

  template <class Visit>
  void eachConnection(Visit&& visit) {
    for (uint32_t slot = 1; slot < connections_.end(); slot++) {
      if (connections_[slot].transport) visit(connections_[slot]);
    }
  }

  Outbound& outbound() { return outbound_; }
  // For the packet control of this worker, which takes them between two frames.
  std::vector<Event>& events() { return events_; }

 private:
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

  // The types of packets that a client sends behind its CONNECT.
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

  // What the session holds is sent, and counted, anew.
  static void restart(Session& session) {
    session.receivedBefore = session.received;
    session.window.restart();
  }

  void detach(Connection& connection) {
    if (!connection.session) return;
    Session& session = *connection.session;
    connection.answers.eachTaken([&](const Answers::Answer& answer) {
      if (!answer.isReady) session.unanswered.add(answer.packetId);
      else if (isError(answer.reason)) session.received.remove(answer.packetId);
    });
    connection.session = nullptr;
    session.connection = nullptr;
    shards_.presenceChanged(session);
  }

  // The client has closed while frames were waiting behind a packet for the control plane: what it
  // published is still taken, and a DISCONNECT is still heard, so that its will stays [MQTT-3.14.4-3].
  void takeLast(Connection& connection) {
    if (connection.phase != Phase::connected || !connection.input.paused()) return;
    connection.input.resume(rulesOf(connection), [&](uint8_t first, Bytes body) {
      const auto type = PacketType(first >> 4);
      if (type == PacketType::publish && !connection.session->move) return onFrame(connection, first, body);
      if (type != PacketType::disconnect) return Flow::next;
      toControlPlane(connection, first, body);
      return Flow::end;
    });
  }

  // After each chunk: errors of the stream, and the bound on what may wait.
  void afterInput(Connection& connection, Reason reason) {
    if (isError(reason)) {
      end(connection, reason);
      return;
    }
    if (connection.phase >= Phase::ending) return;
    if (connection.phase == Phase::awaitingConnect && connection.input.beginsOtherThan(PacketType::connect)) {
      end(connection, Reason::protocolError);  // [MQTT-3.1.0-1]: no need to wait for the rest of it
      return;
    }
    const size_t heldMax = size_t(limits_.inputBufferBytesMax) + limits_.maximumPacketSizeBytes;
    const bool isFull = connection.input.paused() && connection.input.heldBytes() > heldMax;
    if (isFull && connection.isReading) {
      if (connection.transport->setReading(connection, false)) connection.isReading = false;
      else shed(connection);
    } else if (!isFull && !connection.isReading) {
      connection.isReading = true;
      connection.lastReceivedMs = nowMs_;  // that we did not read was not its silence
      connection.transport->setReading(connection, true);
    }
  }

  // A transport that cannot be paused (the host program's) brings more than may wait: QoS 0 is dropped and
  // counted, anything else ends the connection.
  void shed(Connection& connection) {
    connection.input.resume(rulesOf(connection), [&](uint8_t first, Bytes) {
      const bool isQos0 = PacketType(first >> 4) == PacketType::publish && (first & 6) == 0;
      if (!isQos0) return Flow::end;
      counters_.add(Counter::droppedInput);
      return Flow::next;
    });
    if (connection.input.ended()) end(connection, Reason::quotaExceeded);
    else connection.input.pause();
  }

  Flow fail(Connection& connection, Reason reason) {
    end(connection, reason);
    return Flow::end;
  }

  Flow onFrame(Connection& connection, uint8_t first, Bytes body) {
    if (connection.phase >= Phase::ending) return Flow::end;
    const auto type = PacketType(first >> 4);
    if (type == PacketType::publish && connection.phase == Phase::connected) return onPublish(connection, first, body);
    if (!connection.isHost) counters_.add(Counter::otherReceived);
    if (connection.phase != Phase::connected) return onEarlyFrame(connection, type, first, body);
    switch (type) {
      case PacketType::puback:
      case PacketType::pubrec:
      case PacketType::pubrel:
      case PacketType::pubcomp: return incoming_.onAcknowledgement(connection, type, first, body);
      case PacketType::pingreq:
        if ((first & 0x0f) != 0 || !body.empty()) return fail(connection, Reason::malformedPacket);
        outbound_.send(connection, pingresp);  // [MQTT-3.12.4-1]
        return Flow::next;
      case PacketType::subscribe:
      case PacketType::unsubscribe:
      case PacketType::disconnect:
      case PacketType::auth: return toControlPlane(connection, first, body);
      default:  // a second CONNECT [MQTT-3.1.0-2], or a packet that only servers send
        return fail(connection, type == PacketType::reserved ? Reason::malformedPacket : Reason::protocolError);
    }
  }

  // Before the CONNACK: one CONNECT [MQTT-3.1.0-1], then AUTH for as long as the control plane asks, or
  // DISCONNECT [MQTT-3.1.2-30].
  Flow onEarlyFrame(Connection& connection, PacketType type, uint8_t first, Bytes body) {
    const bool isFirst = connection.phase == Phase::awaitingConnect;
    const bool isExpected = isFirst ? type == PacketType::connect
                                    : type == PacketType::auth || type == PacketType::disconnect;
    if (!isExpected) return fail(connection, Reason::protocolError);
    if (isFirst) setPhase(connection, Phase::connecting);
    return toControlPlane(connection, first, body);
  }

  Flow toControlPlane(Connection& connection, uint8_t first, Bytes body) {
    events_.push_back({EventKind::packet, first, Reason::success, connection.slot, 0, {body.begin(), body.end()}});
    return Flow::pause;
  }

  Flow onPublish(Connection& connection, uint8_t first, Bytes body) {
    if (shards_.isCrowded()) {
      connection.isStalled = true;
      stalled_.push_back(&connection);
      return Flow::hold;
    }
    return incoming_.onPublish(connection, first, body);
  }

  // The only CONNECT that never reaches the control plane is the one that is too large: its client learns why if
  // its version came in the same piece.
  static bool beginsConnectOf5(Bytes stream) {
    Reader reader(stream);
    const bool isConnect = reader.u8() == uint8_t(PacketType::connect) << 4;
    reader.varint();
    const Bytes name = reader.prefixed();
    return isConnect && name.size() == 4 && std::memcmp(name.data(), "MQTT", 4) == 0 && reader.u8() == mqtt5;
  }

  static constexpr std::array<uint8_t, 2> pingresp = {0xd0, 0};
  static constexpr std::array<uint8_t, 5> connectTooLarge = {0x20, 3, 0, uint8_t(Reason::packetTooLarge), 0};

  const Limits& limits_;
  Counters& counters_;
  ShardPort& shards_;
  Outbound outbound_;
  Incoming incoming_;
  Slab<Connection> connections_;
  std::vector<Event> events_;
  std::vector<Connection*> stalled_;
  std::vector<Connection*> left_;
  uint32_t generations_ = 0;
  uint64_t nowMs_ = 0;
};

}  // namespace rally
