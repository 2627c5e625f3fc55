// The will of a connected client, or of one whose will is delayed (5.0, 3.1.2.5).
#pragma once
#include "../assert.h"
#include "../messages/message.h"

namespace rally {

inline constexpr uint32_t neverExpires = 0xffffffff;  // as a number of seconds

struct Will {
  MessageRef message;
  uint32_t delaySeconds = 0;
  bool expires = false;  // after expirySeconds, which count from its publication
  uint32_t expirySeconds = 0;

  // The message, to be published now.
  MessageRef take(uint64_t nowMs) {
    RALLY_ASSERT(message);
    if (expires) message->expiresAtMs = nowMs + uint64_t(expirySeconds) * 1'000;
    return std::move(message);
  }
};

}  // namespace rally
