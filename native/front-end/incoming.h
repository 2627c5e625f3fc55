// Packets of connected clients on the hot path: PUBLISH in every QoS, and acknowledgements.
//
//   PUBLISH --checked, allowed, alias resolved--> ShardPort (the topic's owner) --answer--> PUBACK, PUBREC, in order
//   PUBACK, PUBREC, PUBCOMP --> the session's window --> Outbound;  PUBREL --> PUBCOMP
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "../wire/publish.h"
#include "events.h"
#include "outbound.h"
#include "recent-topics.h"
#include "shard-port.h"
#include "watch.h"

namespace rally {

class Incoming {
 public:
  Incoming(const Limits& limits, Counters& counters, ShardPort& shards, Gate& gate, Watch& watch, Outbound& outbound,
           Outbound::ConnectionEnder& ender)
      : limits_(limits),
        counters_(counters),
        shards_(shards),
        workers_(uint8_t(shards.workers())),
        gate_(gate),
        watch_(watch),
        outbound_(outbound),
        ender_(ender) {}

  void setNow(uint64_t nowMs) { nowMs_ = nowMs; }

  // A PUBLISH about which a program decides becomes an event, and is offered again after the answer.
  Flow onPublish(Connection& connection, uint8_t first, Bytes body, Fifo<Event>& events) {
    Publish publish;
    Reason reason = readPublish(first, body, connection.version, publish);
    const bool isByAlias = publish.topic.empty();
    uint64_t topicHash = 0;
    if (!isError(reason)) reason = resolveTopic(connection, publish, topicHash);
    const ConnectionRights rights = rightsOf(connection.kind);
    if (!isError(reason) && rights.isHeldToAvailability) reason = checkAvailable(publish);
    if (isError(reason)) {
      return isOfMessage(connection, publish, reason) ? refusePublish(connection, publish, reason)
                                                      : fail(connection, reason);
    }
    // A repetition goes nowhere, whatever its topic.
    const bool isAgain = isRepetition(connection, publish);
    const bool isReserved = isReservedTopic(publish.topic);
    const Bytes topic = fullTopic(connection, publish.topic);  // that of the broker
    bool isDenied = !isAgain && !mayPublish(connection, topic, topicHash);
    if (connection.decisions && !isAgain && !isDenied && !isReserved) {
      const auto kind = uint8_t(publish.qos | (publish.retain ? 4 : 0));
      const TopicDecisions::Answer answer = connection.decisions->take(publish.topic, topicHash, kind, nowMs_);
      if (answer == TopicDecisions::Answer::unknown) return ask(connection, publish.topic, topicHash, kind, events);
      isDenied = answer == TopicDecisions::Answer::denied;
    }
    // Also for a refused message: its client relies on the alias, and programs decide about each message.
    if (publish.topicAlias != 0 && !isByAlias) reason = setAlias(connection, publish.topicAlias, publish.topic);
    if (isError(reason)) return fail(connection, reason);
    connection.traffic.messagesReceived++;
    if (isReserved && !rights.mayUseReservedTopics) return refusePublish(connection, publish, Reason::notAuthorized);
    if (isDenied) return refuseDenied(connection, publish, events);
    if (!isReserved) counters_.add(Counter::publishReceived);
    if (rights.isHeldToBounds && publish.userProperties > limits_.userPropertiesPerPacketMax)
      return refusePublish(connection, publish, Reason::quotaExceeded);
    if (limits_.checksPayloadFormat && publish.isText && !isUtf8Payload(publish.payload)) {
      return refusePublish(connection, publish, Reason::payloadFormatInvalid);
    }
    if (publish.qos > 0) {
      if (isAgain) {
        if (connection.answers.areTooMany()) return fail(connection, Reason::receiveMaximumExceeded);
        answerAgain(connection, publish.packetId);
        return Flow::next;
      }
      if (connection.version >= mqtt5 && connection.unacknowledged >= limits_.receiveMaximum) {
        return fail(connection, Reason::receiveMaximumExceeded);  // [MQTT-3.3.4-9]
      }
      connection.unacknowledged++;
      connection.answers.expect(publish.packetId, publish.qos);
      if (publish.qos == 2) {
        connection.session->unfinished.own().received.all.add(publish.packetId);
        outbound_.settlePacketIds(*connection.session);
      }
    }
    Publication publication{
        topic,       forwarded(publish),      publish.payload,
        topicHash,   connection.session->key, publish.expires ? nowMs_ + uint64_t(publish.expirySeconds) * 1000 : 0,
        publish.qos, publish.retain,          workers_,
        {}};
    const Source source{connection.slot, connection.generation,     publish.packetId,
                        publish.qos,     publication.originSession, connection.session->durable != nullptr};
    connection.shards |= watch_.isDue() ? publishWatched(connection, publication, source)
                                        : shards_.publish(publication, source);
    return connection.phase == Phase::connected ? Flow::next : Flow::end;
  }

  // The client's identity for the rules has changed.
  void forgetRights(const Connection& connection) { recent_.of(connection.slot).forgetAnswer(); }

  Flow onAcknowledgement(Connection& connection, PacketType type, uint8_t first, Bytes body) {
    Acknowledgement ack;
    const Reason reason = readAcknowledgement(first, body, connection.version, ack);
    if (isError(reason)) return fail(connection, reason);
    Session& session = *connection.session;
    if (type == PacketType::pubrel) {
      ReceivedPacketIds& received = session.unfinished.own().received;
      const bool isKnown = received.all.remove(ack.packetId);
      received.unanswered.remove(ack.packetId);  // from now on it may stand for another message
      if (isKnown && !received.before.remove(ack.packetId)) connection.unacknowledged--;
      outbound_.settlePacketIds(session);
      if (session.durable && session.durable->exchanges->receivedLogged.size() > 0 &&
          session.durable->exchanges.own().receivedLogged.remove(ack.packetId)) {
        outbound_.journal().forget(session, ack.packetId);  // or it would swallow another message after a crash
        outbound_.holdFor(session);
      }
      // In MQTT 3.1.1 a PUBREL is always answered with PUBCOMP [v3 MQTT-4.3.3-2]. Where a session goes on, one that
      // is not known has been answered before, and that answer was lost: the message is complete, and "not found",
      // which is no error then (5.0, 3.7.2.1), is taken for one by clients such as MQTT.js.
      answer(connection, PacketType::pubcomp, ack.packetId,
             isKnown || connection.resumes ? Reason::success : Reason::packetIdentifierNotFound);
      return Flow::next;
    }
    Window::Entry* entry = session.window.find(
        ack.packetId, type == PacketType::pubcomp ? Window::State::released : Window::State::sent);
    if (type == PacketType::pubrec) {
      onPubrec(connection, entry, ack);
    } else if (entry && (type == PacketType::pubcomp || entry->delivery.qos == 1)) {
      outbound_.settle(session, entry->delivery, ack.packetId);
      session.window.finish(*entry, outbound_.held());
    }
    outbound_.pump(session);
    return Flow::next;
  }

  // Sends the answers that no earlier one holds back.
  void sendAnswers(Connection& connection) {
    while (connection.phase == Phase::connected && connection.answers.hasReady()) {
      const Answers::Answer answer = connection.answers.takeReady();
      const bool isRefused = isError(answer.reason);
      // A client that has sent PUBREL already is not waiting for anything.
      const bool isOver = answer.isTaken &&
                          (answer.qos == 1 ||
                           (isRefused && connection.session->unfinished.own().received.all.remove(answer.packetId)));
      if (isOver) connection.unacknowledged--;
      if (isOver && answer.qos == 2) outbound_.settlePacketIds(*connection.session);
      const PacketType type = answer.qos == 1 ? PacketType::puback : PacketType::pubrec;
      if (isRefused) refuse(connection, type, answer.packetId, answer.reason);
      else outbound_.send(connection, writeAcknowledgement(type, answer.packetId, answer.reason, connection.version));
    }
  }

 private:
  [[gnu::noinline]] uint64_t publishWatched(const Connection& connection, Publication& publication,
                                            const Source& source) {
    const Session& session = *connection.session;
    watch_.onPublish(publication, session);
    const uint64_t shards = shards_.publish(publication, source);
    if (connection.session == &session) watch_.afterPublish(publication, session);
    return shards;
  }

  Flow fail(Connection& connection, Reason reason) {
    ender_.end(connection, reason);
    return Flow::end;
  }

  // A repeated QoS 2 message [MQTT-4.3.3-10]: the PUBREC was lost, or is still on its way from the owner of the topic,
  // who may refuse the message.
  void answerAgain(Connection& connection, uint16_t packetId) {
    outbound_.charge(connection.answers.size() / 64);  // a search
    if (connection.answers.expects(packetId, 2)) return;
    if (connection.session->unfinished->received.unanswered.contains(packetId))
      connection.answers.expectAgain(packetId, 2);
    else connection.answers.add(packetId, 2, Reason::success);
    sendAnswers(connection);
  }

  // Features that the CONNACK declared unavailable (5.0, 3.2.2.3.4 and 3.2.2.3.5).
  Reason checkAvailable(const Publish& publish) const {
    if (publish.qos > limits_.maximumQos) return Reason::qosNotSupported;               // [MQTT-3.2.2-11]
    if (publish.retain && !limits_.retainAvailable) return Reason::retainNotSupported;  // [MQTT-3.2.2-14]
    return Reason::success;
  }

  // Checks the topic name, or finds it by its alias (5.0, 3.3.2.3.4), and hashes it.
  Reason resolveTopic(Connection& connection, Publish& publish, uint64_t& topicHash) {
    if (publish.topicAlias > connection.topicAliasMaximum) return Reason::topicAliasInvalid;  // [MQTT-3.3.2-9]
    const bool isAlias = publish.topic.empty() && publish.topicAlias != 0;
    if (isAlias && connection.aliases) publish.topic = connection.aliases->find(publish.topicAlias);
    if (isAlias && publish.topic.empty()) return Reason::protocolError;
    RecentTopics::Topic& recent = recent_.of(connection.slot);
    const Bytes topic = fullTopic(connection, publish.topic);
    const bool isPrefixAlone = connection.topicPrefix && publish.topic.empty();  // perhaps another client's topic
    if (isPrefixAlone || !recent.is(topic)) {
      if (!isTopicName(publish.topic, limits_.topicLevelsMax)) return faultOf(connection, publish.topic);
      if (topic.size() > UINT16_MAX) return Reason::topicNameInvalid;
      recent.set(topic, shards_.topicHash(topic));
    }
    topicHash = recent.hash();
    return Reason::success;
  }

  // The answer is stored beside the topic, which was just read: the session's rights are not touched.
  bool mayPublish(const Connection& connection, Bytes topic, uint64_t topicHash) {
    RecentTopics::Topic& recent = recent_.of(connection.slot);
    const uint32_t epoch = gate_.epoch();
    if (!recent.hasAnswer(connection.generation, epoch)) {
      // A prefix may lead below $SYS: a dashboard's.
      const bool isOpen = !connection.topicPrefix || !isReservedTopic(topic);
      recent.setAnswer(connection.generation, epoch, isOpen && gate_.mayPublish(*connection.session, topic, topicHash));
    }
    return recent.isAllowed();
  }

  static bool isRepetition(const Connection& connection, const Publish& publish) {
    return publish.qos == 2 && connection.session->unfinished->received.all.contains(publish.packetId);
  }

  // A topic name is not accepted that is formed correctly: with an acknowledgement that has a reason code the message
  // alone is refused (5.0, 3.4.2.1), as a client would send it again on its next connection. An alias for the topic
  // name cannot be refused with it.
  bool isOfMessage(const Connection& connection, const Publish& publish, Reason reason) {
    return reason == Reason::topicNameInvalid && publish.qos > 0 && connection.version >= mqtt5 &&
           publish.topicAlias == 0 && !isRepetition(connection, publish) &&
           fullTopic(connection, publish.topic).size() <= UINT16_MAX;
  }

  // With the prefix of its client. Valid until the next call.
  Bytes fullTopic(const Connection& connection, Bytes topic) {
    if (!connection.topicPrefix) return topic;
    fullTopic_ = *connection.topicPrefix;
    fullTopic_.append(reinterpret_cast<const char*>(topic.data()), topic.size());
    return bytesOfText(fullTopic_);
  }

  // The error in a topic name.
  static Reason faultOf(const Connection& connection, Bytes topic) {
    if (topic.empty() && connection.version >= mqtt5) return Reason::protocolError;
    // 0x90 is for a topic name that is formed correctly (5.0, 3.14.2.1): one with too many levels.
    const bool isFormed = !topic.empty() && !hasWildcard(topic) && isUtf8(topic);
    return isFormed ? Reason::topicNameInvalid : Reason::malformedPacket;
  }

  // Aliases that take too many bytes are not the error of 0x94, which is for a number that is too large: a limit of
  // the broker is exceeded. An alias cannot be ignored, since the client relies on it.
  Reason setAlias(Connection& connection, uint16_t alias, Bytes topic) {
    const size_t bytes = connection.aliases ? connection.aliases->bytesWith(alias, topic)
                                            : IncomingAliases().bytesWith(alias, topic);
    if (rightsOf(connection.kind).isHeldToBounds && bytes > limits_.topicAliasBytesMax) return Reason::quotaExceeded;
    AliasAccount& account = outbound_.aliases();
    while (Connection* largest = account.set(connection, alias, topic)) {
      account.release(*largest);
      outbound_.cut(*largest);
      if (largest == &connection) return Reason::quotaExceeded;
    }
    return Reason::success;
  }

  Bytes forwarded(const Publish& publish) {
    if (!publish.filtersProperties) return publish.properties;
    properties_.clear();
    copyForwardedProperties(publish.properties, properties_);
    return properties_;
  }

  // The message goes nowhere. Its client gets the reason in the acknowledgement; if there is none, or it has no reason
  // code, the message is only counted, except that invalid text with QoS 0 ends the connection (5.0, 4.13).
  Flow refusePublish(Connection& connection, const Publish& publish, Reason reason) {
    counters_.add(Counter::publishRefused);
    if (watch_.hasTraces())
      watch_.onRefused(*connection.session, fullTopic(connection, publish.topic), publish, reason);
    if (publish.qos > 0) {
      if (connection.answers.areTooMany()) return fail(connection, Reason::receiveMaximumExceeded);
      connection.answers.add(publish.packetId, publish.qos, reason);
      sendAnswers(connection);
      return Flow::next;
    }
    const bool isEnding = reason == Reason::payloadFormatInvalid && rightsOf(connection.kind).isEndedByWrongText;
    return isEnding ? fail(connection, reason) : Flow::next;
  }

  // A program decides about the topic: FrontEnd::decide() follows.
  static Flow ask(Connection& connection, Bytes topic, uint64_t topicHash, uint8_t kind, Fifo<Event>& events) {
    connection.decisions->ask(topic, topicHash, kind);
    connection.pausedBy.add(PausedBy::asked);
    if (connection.introduction) connection.introduction->hasEvents = true;
    events.push({EventKind::publishAsked, kind, Reason::success, connection.slot, 0, {topic.begin(), topic.end()}});
    return Flow::hold;
  }

  // Denied by the rules: it goes nowhere either, or its client is disconnected.
  Flow refuseDenied(Connection& connection, const Publish& publish, Fifo<Event>& events) {
    noteDenied(connection, publish.topic, events);
    if (!limits_.endsDeniedPublishers) return refusePublish(connection, publish, Reason::notAuthorized);
    counters_.add(Counter::publishRefused);
    if (watch_.hasTraces())
      watch_.onRefused(*connection.session, fullTopic(connection, publish.topic), publish, Reason::notAuthorized);
    return fail(connection, Reason::notAuthorized);
  }

  // For the audit: client and topic, but not each time.
  void noteDenied(const Connection& connection, Bytes topic, Fifo<Event>& events) {
    if (nowMs_ - deniedSinceMs_ >= 1'000) {
      deniedSinceMs_ = nowMs_;
      deniedNoted_ = 0;
    }
    if (deniedNoted_++ >= deniedNotedMax) return;
    if (connection.introduction) connection.introduction->hasEvents = true;
    events.push({EventKind::publishDenied, 0, Reason::success, connection.slot, 0, {topic.begin(), topic.end()}});
  }

  // PUBACK or PUBREC with an error, and a sentence if the client wants it [MQTT-3.1.2-29] and it fits
  // [MQTT-3.4.2-2] [MQTT-3.5.2-2].
  void refuse(Connection& connection, PacketType type, uint16_t packetId, Reason reason) {
    const std::string_view sentence = refusalSentence(reason);
    if (connection.version >= mqtt5 && !connection.withholdsProblems && !sentence.empty()) {
      const std::vector<uint8_t> frame = writeRefusal(type, packetId, reason, sentence);
      if (connection.maximumPacketSize == 0 || frame.size() <= connection.maximumPacketSize) {
        outbound_.send(connection, Bytes(frame));
        return;
      }
    }
    outbound_.send(connection, writeAcknowledgement(type, packetId, reason, connection.version));
  }

  void onPubrec(Connection& connection, Window::Entry* entry, const Acknowledgement& ack) {
    Window& window = connection.session->window;
    const bool isKnown = (entry && entry->delivery.qos == 2) || window.find(ack.packetId, Window::State::released);
    if (isError(ack.reason)) {
      if (isKnown && entry) {
        outbound_.settle(*connection.session, entry->delivery, ack.packetId);
        window.finish(*entry, outbound_.held());
      }
      return;
    }
    if (isKnown && entry) release(*connection.session, *entry, ack.packetId);
    answer(connection, PacketType::pubrel, ack.packetId, isKnown ? Reason::success : Reason::packetIdentifierNotFound);
  }

  // The client has the message, and must not get it again, even after a crash.
  void release(Session& session, Window::Entry& entry, uint16_t packetId) {
    Journal& journal = outbound_.journal();
    const bool isNumbered = session.durable && journal.isOn();
    if (!isNumbered || entry.delivery.share != 0) journal.settle(session, entry.delivery);
    session.window.release(entry, outbound_.held());
    if (!isNumbered) return;
    journal.released(session, packetId);
    outbound_.holdFor(session);
  }

  void answer(Connection& connection, PacketType type, uint16_t packetId, Reason reason) {
    outbound_.send(connection, writeAcknowledgement(type, packetId, reason, connection.version));
  }

  const Limits& limits_;
  Counters& counters_;
  ShardPort& shards_;
  const uint8_t workers_;
  Gate& gate_;
  Watch& watch_;
  Outbound& outbound_;
  Outbound::ConnectionEnder& ender_;
  std::vector<uint8_t> properties_;
  std::string fullTopic_;
  RecentTopics recent_;
  uint64_t nowMs_ = 0;
  static constexpr uint32_t deniedNotedMax = 10;  // in a second
  uint64_t deniedSinceMs_ = 0;
  uint32_t deniedNoted_ = 0;
};

}  // namespace rally
