// The counters of a worker since it started. One thread writes; any thread may read. The host program's connection and
// session are not counted, nor are the broker's messages on $SYS.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "structures/histogram.h"

namespace rally {

// In the order of `counterNames` in core/data-plane/addon.ts, which compares the names when it loads the addon.
enum class Counter : uint8_t {
  connectionsOpened,
  connectionsClosed,
  bytesReceived,
  bytesSent,
  publishReceived,
  publishSent,
  droppedQos0,       // a subscriber's outbox was full, or it was away; of a share: those of all members
  droppedQueueFull,  // QoS 1 or 2, a session's queue was full; of a share: those of all members, or there are none left
  droppedTotalFull,  // all sessions of a worker held too much: the newest of the one that holds most, or of this one
  droppedTooLarge,   // larger than the subscriber's Maximum Packet Size
  droppedExpired,    // its Message Expiry Interval had passed
  droppedUnreadable,  // it waited in the log alone and could not be read back: a broken disk
  droppedOutdated,    // it waited for a session that ends since its client has had a later one on another node
  retainedRefused,    // the store of retained messages was full
  storageRefused,     // the disk was full: messages and subscriptions that would have to be stored
  publishRefused,     // a client may not publish it: by the rules, to $SYS, or text that is not UTF-8
  withheld,           // a subscriber may not have it, by the rules: as often as one of its filters matched
  connectionsCut,     // that held most when all connections of a worker held too much, or had set most aliases
  sessionsCut,        // that held most when clients of a worker held too many packet identifiers: they have ended
  otherReceived,      // packets but PUBLISH
  otherSent,          // likewise
  handedOver,         // messages that crossed a lane
  handedOverInVain,   // to a worker where nobody wanted them (front-end/routes.h), or no longer did
  laneBatches,        // times that a worker was shown new records, in its inbound lane, its outbound lane or both
  laneRecords,        // records taken from lanes
  parked,             // messages that wait in queues whose content was left to the log
  readBack,           // likewise: content that was read from it again
  routesRepaired,     // times that a worker knew other routes than another one had told (front-end/route-checks.h)
  doorbells,          // workers that slept and were woken
  tlsHandshakes,      // that came to their end
  tlsResumed,         // of those, by a ticket
  tlsFailed,          // handshakes that ended with an alert, ours or the client's
  connections,        // from here on: what is there now
  sessions,
  subscriptions,
  sharedSubscriptions,  // of those
  retained,
  queued,
  topicFilters,    // that a worker knows: those of its own subscribers, and those of others for the topics of its slots
  wildcardRoutes,  // in a cluster, filters with wildcards that a worker tells others; as of the last second
  wideRoutes,      // of those, wide ones in place of many others; likewise
  retainedBytes,   // with the tree of their topics; as of the last second
  outboxBytes,     // of memory, for what sockets have not taken; likewise
  count,
  gauges = connections,
};

class Counters {
 public:
  void add(Counter counter, uint64_t amount = 1) {
    auto& value = values_[size_t(counter)];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(Counter counter, uint64_t amount = 1) { add(counter, uint64_t(0) - amount); }
  void set(Counter counter, uint64_t amount) { values_[size_t(counter)].store(amount, std::memory_order_relaxed); }
  // The duration of turns of the event loop, without the wait for input: nobody else is served meanwhile.
  TurnTimes loopLag;
  // From reading a PUBLISH to writing it to a subscriber's socket; of sampled messages.
  Latencies deliveryTime;

  uint64_t get(Counter counter) const { return values_[size_t(counter)].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, size_t(Counter::count)> values_{};
};

}  // namespace rally
