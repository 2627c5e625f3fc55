// The part of a session that moves, after its subscriptions, when its client comes back on another worker.
#pragma once
#include "../durable/durable-session.h"
#include "../security/rights.h"
#include "delivery-queue.h"
#include "packet-id-set.h"
#include "will.h"
#include "window.h"

namespace rally {

struct SessionParcel {
  uint64_t key = 0;
  uint64_t move = 0;  // its number
  Window window;
  DeliveryQueue queue;
  PacketIdSet received;
  uint64_t retainedShards = 0;
  uint32_t expirySeconds = neverExpires;
  uint64_t leftAtMs = 0;
  std::unique_ptr<Will> will;  // delayed
  std::unique_ptr<Rights> rights;
  std::unique_ptr<DurableSession> durable;
};

}  // namespace rally
