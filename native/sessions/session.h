// A client's session (5.0, 4.1) in the data plane, at the worker where the client is or last was: its subscriptions,
// queue and unacknowledged messages.
#pragma once
#include <memory>

#include "../durable/durable-session.h"
#include "../security/rights.h"
#include "../structures/lazy.h"
#include "../structures/ranking.h"
#include "../structures/short-list.h"
#include "../topics/filter-table.h"
#include "connection-kind.h"
#include "session-move.h"
#include "subscribe-progress.h"
#include "will.h"

namespace rally {

struct Connection;
struct Session;

// The place of a session's subscription: `filter->subscribers[position]`.
struct SubscriptionRef {
  Filter* filter = nullptr;
  uint32_t position = 0;
  uint32_t member = 0;  // of a shared filter: the session's place in the share (front-end/share-members.h)
};

// The session as a member of shares.
enum class Presence : uint8_t { none, away, connected };

// Of QoS 2 messages from the client. Most sessions never have any.
struct ReceivedPacketIds {
  PacketIdSet all;                // that the client has not released
  PacketIdSet before;             // of those, the ones that came on earlier connections ...
  PacketIdSet unanswered;         // ... and for which the owner of the topic has not answered yet
  Ranking<Session>::Place place;  // among those that hold many (session-account.h)

  size_t bytes() const { return all.bytes() + before.bytes() + unanswered.bytes(); }
  bool isEmpty() const { return all.size() == 0 && before.size() == 0 && unanswered.size() == 0; }
};

// Shards that have more retained messages for the session's subscriptions.
struct RetainedShards {
  uint64_t waiting = 0;  // bit s: shard s has some ...
  uint64_t asked = 0;    // ... and has been asked for them

  bool hasUnasked() const { return (waiting & ~asked) != 0; }
};

// Messages that the session did not get in a second that is not over (front-end/drops.h).
struct RecentDrops {
  uint32_t second = 0;  // 0: none
  uint32_t messages = 0;
};

// What goes on over several packets. Most sessions have none of it.
struct Unfinished {
  ReceivedPacketIds received;
  RetainedShards retained;
  RecentDrops drops;

  bool isEmpty() const {
    return received.isEmpty() && received.place.bytes() == 0 && retained.waiting == 0 && drops.second == 0;
  }
};

// There may be a million that are away: what those do not need is a pointer.
struct Session {
  static constexpr unsigned subscriptionBytesBits = 47;

  uint64_t key = 0;
  Connection* connection = nullptr;
  ShortList<SubscriptionRef> subscriptions;
  Window window;
  DeliveryQueue queue;            // waits for room in the window or the outbox
  Ranking<Session>::Place place;  // among those that hold much (session-account.h)
  Lazy<Unfinished> unfinished;
  SubscribeProgress* subscribing = nullptr;  // the first without a SUBACK yet
  std::unique_ptr<SessionMove> move;         // nullptr: it is here, and nowhere else
  std::unique_ptr<Will> will;                // of the connection, or delayed since that is over
  std::unique_ptr<Rights> rights;            // of its client, the last one; nullptr: not known (security/gate.h)
  std::unique_ptr<DurableSession> durable;   // what it is for the log, at the worker where that is
  uint64_t leftAtMs = 0;                     // when it last lost a connection
  uint64_t subscriptionBytes : subscriptionBytesBits = 0;  // what they take at most (front-end/subscriptions.h)
  bool isGivingBack : 1 = false;  // some of its queue is for others, and none is sent until they have it (sharing.h)
  ConnectionKind kind : 2 = ConnectionKind::client;
  Presence presence : 2 = Presence::none;  // as which it counts among the members of shares
  bool isPassedOver : 1 = false;           // a share could do with more than it had room for
  bool isInLine : 1 = false;               // something waits, and goes out in one of the next turns (outbound.h)
  bool isDurable : 1 = false;              // its subscriptions count as such
  bool isInTable : 1 = false;              // of sessions (session-table.h); else it has ended
  uint8_t traces = 0;                      // bit t: trace t is of this session (front-end/watch.h)
  uint32_t expirySeconds = neverExpires;   // that it outlives its connection
  uint32_t matchIndex = 0;                 // its place among the targets of a publication, if it is there
  uint32_t departures = 0;                 // of its connections that are not over yet (front-end/departures.h)
  uint32_t subscriptionsEpoch = 1;         // the rules by which all its subscriptions were judged ...
  uint32_t queueEpoch = 1;                 // ... and those by which all that waits was let through; 0: by none
  uint32_t standing = 0;                   // among the members of shares (front-end/share-members.h); 0: in none

  bool isPersistent() const { return expirySeconds > 0; }
  // Bytes of published messages in the window and the queue together, as sessionQueueBytesMax counts.
  size_t heldBytes() const { return window.bytes() + queue.bytes(); }

  void setSubscriptionBytes(uint64_t bytes) {
    subscriptionBytes = bytes & ((uint64_t(1) << subscriptionBytesBits) - 1);
  }

  // Frees `unfinished` if there is nothing in it.
  void trimUnfinished() {
    if (unfinished.isMade() && unfinished->isEmpty()) unfinished.reset();
  }

  // Messages wait in the queue: for earlier ones on another worker, or for a SUBACK.
  bool isHeld() const { return move || subscribing; }
  bool hasWaiting() const { return !queue.isEmpty() || window.isResending(); }
  bool isCaughtUp() const { return !hasWaiting() && !isHeld(); }

  // Whether the shard knows of the session's new subscription to the filter.
  bool isKnown(Filter& filter, unsigned shard) const {
    for (const SubscribeProgress* progress = subscribing; progress; progress = progress->next) {
      if (progress->newFilters.contains(&filter)) return (progress->awaitedShards >> shard & 1) == 0;
    }
    return true;
  }
};
static_assert(sizeof(Session) == 160);

}  // namespace rally
