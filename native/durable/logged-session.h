// A session in the state from the log (recovered-state.h): its subscriptions and its queue.
#pragma once
#include <memory>
#include <unordered_set>
#include <vector>

#include "../messages/delivery.h"
#include "../sessions/sleeping-deliveries.h"
#include "../sessions/will.h"
#include "../structures/shared-rows.h"
#include "logged-subscriptions.h"

namespace rally {

// A message in a session's queue, or one that was sent to it with QoS 2.
struct LoggedEntry {
  uint64_t message = 0;  // 0: released
  uint64_t share = 0;    // the hash of the share's filter
  uint8_t qos : 2 = 0;
  bool retain : 1 = false;
  bool isFromStore : 1 = false;
  // The log has the messages of each topic owner in order. The order in which messages of different owners reached the
  // session is known only if one was sent before another, or between epochs.
  uint8_t owner = 0;
  uint16_t packetId = 0;  // 0: not sent with QoS 2
  uint32_t epoch = 0;
  uint64_t sentOrder = 0;  // among the sent ones
  SubscriptionIds subscriptionIds;

  // A sent entry belongs only to its session.
  bool isSameAs(const LoggedEntry& other) const {
    return message == other.message && message != 0 && share == other.share && qos == other.qos &&
           retain == other.retain && isFromStore == other.isFromStore && packetId == 0 && other.packetId == 0 &&
           epoch == other.epoch && owner == other.owner && subscriptionIds == other.subscriptionIds;
  }
};
static_assert(sizeof(LoggedEntry) == 40, "a large store has many millions");
using LoggedRows = SharedRows<LoggedEntry>;

struct LoggedSession {
  uint64_t key = 0;
  NameText clientId;
  uint32_t expirySeconds = 0;
  uint32_t ownEpochs = 0;   // epochs that began for this session alone: with its copy in a checkpoint
  uint32_t matchIndex = 0;  // its place among the targets of a message, if it is there
  uint32_t sent = 0;        // entries with a packet identifier
  uint64_t leftAtMs = 0;    // 0: its client was connected
  uint64_t stamp = 0;       // see records::SessionStamp
  std::vector<uint8_t> access;
  std::unique_ptr<Will> will;
  LoggedSubscriptions subscriptions;
  LoggedRows::Row entries;
  std::unique_ptr<SleepingDeliveries> asleep;  // the rest of the queue; its messages are not in `messages`
  Lazy<std::unordered_set<uint16_t>> received;
};

}  // namespace rally
