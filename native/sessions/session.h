// A client's session (5.0, 4.1) in the data plane, at the worker where the client is or last was: its subscriptions,
// queue and unacknowledged messages.
#pragma once
#include <memory>
#include <vector>

#include "../durable/durable-session.h"
#include "../security/rights.h"
#include "../structures/ranking.h"
#include "../topics/filter-table.h"
#include "connection-kind.h"
#include "session-move.h"
#include "subscribe-progress.h"
#include "will.h"

namespace rally {

struct Connection;

// The place of a session's subscription: `filter->subscribers[position]`.
struct SubscriptionRef {
  Filter* filter = nullptr;
  uint32_t position = 0;
  uint32_t member = 0;  // of a shared filter: the session's place in the share (front-end/share-members.h)
};

// The session as a member of shares.
enum class Presence : uint8_t { none, away, connected };

struct Session {
  uint64_t key = 0;
  Connection* connection = nullptr;
  uint32_t expirySeconds = neverExpires;  // that it outlives its connection
  ConnectionKind kind = ConnectionKind::client;
  std::vector<SubscriptionRef> subscriptions;
  size_t subscriptionBytes = 0;        // what they take at most (front-end/subscriptions.h)
  uint32_t shares = 0;                 // of those, shared ones ...
  uint32_t standing = 0;               // ... where they have passed it over (front-end/share-members.h) ...
  Presence presence = Presence::none;  // ... as which it counts there
  bool isPassedOver = false;           // one of them could do with more than it had room for
  bool isInLine = false;               // something waits, and goes out in one of the next turns (front-end/outbound.h)
  uint8_t traces = 0;                  // bit t: trace t is of this session (front-end/watch.h)
  Window window;
  DeliveryQueue queue;                          // waits for room in the window or the outbox
  size_t rowPlace = 0;                          // in the session table
  Ranking<Session>::Place place;                // among those that hold much (session-account.h)
  Ranking<Session>::Place packetIdsPlace;       // likewise: those that hold many of ...
  PacketIdSet received;                         // QoS 2, from the client
  PacketIdSet receivedBefore;                   // of those, the ones that came on earlier connections ...
  PacketIdSet unanswered;                       // ... and for which the owner of the topic has not answered yet
  uint64_t matchEpoch = 0;                      // the publication it was last matched for ...
  uint32_t matchIndex = 0;                      // ... and its place among the targets
  uint64_t retainedShards = 0;                  // bit s: shard s has more retained messages for its subscriptions ...
  uint64_t askedShards = 0;                     // ... and has been asked for them
  std::vector<SubscribeProgress*> subscribing;  // without a SUBACK yet
  std::unique_ptr<SessionMove> move;            // nullptr: it is here, and nowhere else
  uint32_t departures = 0;                      // of its connections that are not over yet (front-end/departures.h)
  uint64_t leftAtMs = 0;                        // when it last lost a connection
  std::unique_ptr<Will> will;                   // of the connection, or delayed since that is over
  std::unique_ptr<Rights> rights;               // of its client, the last one; nullptr: not known (security/gate.h)
  uint32_t subscriptionsEpoch = 1;              // the rules by which all its subscriptions were judged ...
  uint32_t queueEpoch = 1;                      // ... and those by which all that waits was let through; 0: by none
  bool isDurable = false;                       // its subscriptions count as such ...
  std::unique_ptr<DurableSession> durable;      // ... and what it is for the log, at the worker where that is

  bool isPersistent() const { return expirySeconds > 0; }
  // Bytes of published messages in the window and the queue together, as sessionQueueBytesMax counts.
  size_t heldBytes() const { return window.bytes() + queue.bytes(); }
  size_t packetIdBytes() const { return received.bytes() + receivedBefore.bytes() + unanswered.bytes(); }

  // Messages wait in the queue: for earlier ones on another worker, or for a SUBACK.
  bool isHeld() const { return move || !subscribing.empty(); }
  bool hasWaiting() const { return !queue.isEmpty() || window.isResending(); }
  bool isCaughtUp() const { return !hasWaiting() && !isHeld(); }

  // Whether the shard knows of the session's new subscription to the filter.
  bool isKnown(Filter& filter, unsigned shard) const {
    for (const SubscribeProgress* progress : subscribing) {
      if (progress->newFilters.contains(&filter)) return (progress->awaitedShards >> shard & 1) == 0;
    }
    return true;
  }
};

}  // namespace rally
