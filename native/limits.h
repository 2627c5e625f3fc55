// The limits of one worker's data plane, and the features that clients may use. Defaults and reasons are in
// core/config/limits.ts and options.ts; the values are taken from there by name when the broker is made
// (`limitFields`).
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace rally {

struct Limits {
  uint32_t maximumPacketSizeBytes = 1'048'576;
  uint32_t connectPacketSizeBytesMax = 131'072;
  uint32_t connectTimeoutMs = 10'000;
  uint16_t receiveMaximum = 1'024;
  uint16_t inflightMax = 1'024;
  uint16_t topicAliasMaximum = 64;
  uint16_t outgoingTopicAliasesMax = 64;
  size_t topicAliasBytesMax = 16'384;
  size_t topicAliasesTotalBytesMax = size_t(64) << 20;
  uint32_t userPropertiesPerPacketMax = 64;
  uint32_t topicLevelsMax = 128;
  // Features of PUBLISH that clients may use; the host program may use all.
  uint8_t maximumQos = 2;
  bool retainAvailable = true;
  bool checksPayloadFormat = false;
  // The treatment of filters that are allowed only in part, and of denied publishers (security/gate.h).
  bool grantsBroadFilters = false;
  bool endsDeniedPublishers = false;
  size_t filterBranchesMax = 640;
  size_t wildcardRoutesMax = 100'000;
  uint32_t sessionsMax = 250'000;
  size_t subscriptionsPerSessionMax = 10'000;
  uint32_t sharedSubscriptionsPerSessionMax = 64;
  size_t subscriptionBytesPerSessionMax = size_t(8) << 20;
  size_t subscriptionsTotalBytesMax = size_t(1) << 30;
  uint32_t outboxBytesMax = 1'048'576;
  uint32_t outboxMessagesMax = 1'000;
  uint32_t sessionQueueMessagesMax = 10'000;
  size_t sessionQueueBytesMax = 16'777'216;
  uint32_t inputBufferBytesMax = 262'144;
  size_t sessionsTotalBytesMax = size_t(256) << 20;
  size_t queuedMemoryBytesMax = size_t(64) << 20;
  size_t packetIdsTotalBytesMax = size_t(32) << 20;
  size_t inputTotalBytesMax = size_t(256) << 20;
  size_t outboxTotalBytesMax = size_t(1) << 30;
  size_t retainedMessagesMax = 1'000'000;
  size_t retainedBytesMax = size_t(1) << 30;
  size_t topicRatesBytesMax = size_t(16) << 20;
  size_t hostWindowBytes = 1'048'576;
  uint32_t laneRecords = 16'384;
  size_t lanesTotalBytesMax = size_t(64) << 20;
  uint32_t httpHeadBytesMax = 16'384;
  uint32_t httpBodyBytesMax = 1'048'576;
  uint32_t httpIdleTimeoutMs = 60'000;
  uint32_t webSocketPingMs = 30'000;
  uint32_t webSocketSilenceMs = 45'000;
  uint32_t tlsHandshakesPerTurnMax = 4;
  // Nodes of the tree of retained messages that are visited by a SUBSCRIBE, by a step of a session that has asked for
  // more, and by all of them in a turn of a shard: 0.1 us each, and as much again for each message found.
  size_t retainedNodesAtOnce = 256;
  size_t retainedNodesPerStep = 512;
  size_t retainedNodesPerTurn = 2'048;
  // Subscriptions of a session that changes workers, in a slice. Of all sessions that move or have ended: those sent,
  // added and removed in a turn. 1 or 2 us each, so that they take no more than a millisecond of a turn, and the round
  // trip between two workers is negligible beside 256 of them.
  size_t subscriptionsPerSlice = 256;
  size_t subscriptionsPerTurn = 256;
  // The state that a worker encodes for a checkpoint in a turn: a few tenths of a millisecond, during which clients
  // wait. A session is not divided.
  size_t checkpointBytesPerTurn = 131'072;
  uint32_t lastFramesMs = 5'000;
  uint32_t willsPerSecond = 16'000;
  // How long an ending connection may take to close.
  uint32_t closeTimeoutMs = 2'000;

  // From CONNECT to CONNACK: the time of an authentication, and as much again for the session to arrive.
  uint64_t connectingTimeoutMs() const { return 2 * uint64_t(connectTimeoutMs); }
};

// A field that TypeScript sets, by its name there.
struct LimitField {
  const char* name;
  bool (*set)(Limits& limits, double value);  // false: the field cannot hold the value
};

template <auto Field>
constexpr LimitField limitField(const char* name) {
  return {name, [](Limits& limits, double value) {
            auto& field = limits.*Field;
            using Value = std::remove_reference_t<decltype(field)>;
            if (!(value >= 0 && value <= double(std::numeric_limits<Value>::max())) || value != std::floor(value))
              return false;
            field = Value(value);
            return true;
          }};
}

inline constexpr std::array limitFields = {
    limitField<&Limits::maximumPacketSizeBytes>("maximumPacketSizeBytes"),
    limitField<&Limits::connectPacketSizeBytesMax>("connectPacketSizeBytesMax"),
    limitField<&Limits::connectTimeoutMs>("connectTimeoutMs"),
    limitField<&Limits::receiveMaximum>("receiveMaximum"),
    limitField<&Limits::inflightMax>("inflightMax"),
    limitField<&Limits::topicAliasMaximum>("topicAliasMaximum"),
    limitField<&Limits::outgoingTopicAliasesMax>("outgoingTopicAliasesMax"),
    limitField<&Limits::topicAliasBytesMax>("topicAliasBytesMax"),
    limitField<&Limits::topicAliasesTotalBytesMax>("topicAliasesTotalBytesMax"),
    limitField<&Limits::userPropertiesPerPacketMax>("userPropertiesPerPacketMax"),
    limitField<&Limits::topicLevelsMax>("topicLevelsMax"),
    limitField<&Limits::maximumQos>("maximumQoS"),
    limitField<&Limits::retainAvailable>("retainAvailable"),
    limitField<&Limits::checksPayloadFormat>("checksPayloadFormat"),
    limitField<&Limits::grantsBroadFilters>("grantsBroadFilters"),
    limitField<&Limits::endsDeniedPublishers>("endsDeniedPublishers"),
    limitField<&Limits::filterBranchesMax>("filterBranchesMax"),
    limitField<&Limits::wildcardRoutesMax>("wildcardRoutesMax"),
    limitField<&Limits::sessionsMax>("sessionsMax"),
    limitField<&Limits::subscriptionsPerSessionMax>("subscriptionsPerSessionMax"),
    limitField<&Limits::sharedSubscriptionsPerSessionMax>("sharedSubscriptionsPerSessionMax"),
    limitField<&Limits::subscriptionBytesPerSessionMax>("subscriptionBytesPerSessionMax"),
    limitField<&Limits::subscriptionsTotalBytesMax>("subscriptionsTotalBytesMax"),
    limitField<&Limits::outboxBytesMax>("outboxBytesMax"),
    limitField<&Limits::outboxMessagesMax>("outboxMessagesMax"),
    limitField<&Limits::sessionQueueMessagesMax>("sessionQueueMessagesMax"),
    limitField<&Limits::sessionQueueBytesMax>("sessionQueueBytesMax"),
    limitField<&Limits::sessionsTotalBytesMax>("sessionsTotalBytesMax"),
    limitField<&Limits::queuedMemoryBytesMax>("queuedMemoryBytesMax"),
    limitField<&Limits::inputBufferBytesMax>("inputBufferBytesMax"),
    limitField<&Limits::packetIdsTotalBytesMax>("packetIdsTotalBytesMax"),
    limitField<&Limits::inputTotalBytesMax>("inputTotalBytesMax"),
    limitField<&Limits::outboxTotalBytesMax>("outboxTotalBytesMax"),
    limitField<&Limits::retainedMessagesMax>("retainedMessagesMax"),
    limitField<&Limits::retainedBytesMax>("retainedBytesMax"),
    limitField<&Limits::topicRatesBytesMax>("topicRatesBytesMax"),
    limitField<&Limits::lastFramesMs>("lastFramesMs"),
    limitField<&Limits::willsPerSecond>("willsPerSecond"),
    limitField<&Limits::hostWindowBytes>("hostWindowBytes"),
    limitField<&Limits::laneRecords>("laneRecords"),
    limitField<&Limits::lanesTotalBytesMax>("lanesTotalBytesMax"),
    limitField<&Limits::httpHeadBytesMax>("httpHeadBytesMax"),
    limitField<&Limits::httpBodyBytesMax>("httpBodyBytesMax"),
    limitField<&Limits::httpIdleTimeoutMs>("httpIdleTimeoutMs"),
    limitField<&Limits::webSocketPingMs>("webSocketPingMs"),
    limitField<&Limits::webSocketSilenceMs>("webSocketSilenceMs"),
    limitField<&Limits::tlsHandshakesPerTurnMax>("tlsHandshakesPerTurnMax"),
};

}  // namespace rally
