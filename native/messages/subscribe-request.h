// A front end's request to shards when a client subscribes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rally {

// A subscription of one SUBSCRIBE packet (5.0, 3.8.3.1).
struct SubscriptionOptions {
  uint8_t qos = 0;
  bool noLocal = false;
  bool retainAsPublished = false;
  uint8_t retainHandling = 0;
  uint32_t subscriptionId = 0;
  bool isPartial = false;  // as Subscriber says; judged again where the session goes

  // From the byte Subscription Options (5.0: 3.8.3.1), which has been validated.
  static SubscriptionOptions of(uint8_t byte) {
    return {.qos = uint8_t(byte & 3),
            .noLocal = (byte & 4) != 0,
            .retainAsPublished = (byte & 8) != 0,
            .retainHandling = uint8_t(byte >> 4)};
  }
};

// A new subscription that wants the retained messages of its filter.
struct RetainedFilter {
  std::vector<uint8_t> text;
  SubscriptionOptions options;
};

// The routes of a SUBSCRIBE's filters have been sent: asks a shard for their retained messages, and to confirm that it
// has begun to send them. One record, so that nothing is published between its parts.
struct SubscribeRequest {
  uint64_t session = 0;
  uint64_t token = 0;
  bool isBusy = false;  // retained messages wait there already: none at once
  size_t walksMax = 0;  // that may wait for the session without being looked through
  std::vector<RetainedFilter> retained;
};

}  // namespace rally
