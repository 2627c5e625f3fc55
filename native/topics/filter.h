// A topic filter that this worker knows: as a shard, with the workers that have subscribers; as a front end, with its
// own sessions that subscribe.
#pragma once
#include "../messages/interest.h"
#include "../structures/short-list.h"
#include "../structures/short-text.h"

namespace rally {

struct Session;

// One session's subscription to a filter, at the session's front end.
struct Subscriber {
  Session* session = nullptr;
  uint32_t indexInSession : 30 = 0;  // where the session refers back to it
  bool isPartial : 1 = false;        // not all that the filter matches is allowed: each delivery is asked about
  // Accepts messages only from shards that know it; others have sent theirs before the subscription, for other
  // subscribers here. Its retained messages come in between.
  bool isNew : 1 = false;
  uint32_t subscriptionId : 28 = 0;  // 0: none (5.0, 3.8.2.1.2); at most varintMax
  uint8_t qos : 2 = 0;               // maximum QoS
  bool noLocal : 1 = false;
  bool retainAsPublished : 1 = false;
};
static_assert(sizeof(Subscriber) == 16);

struct Filter {
  uint64_t routes = 0;         // bit w: worker w has a subscriber
  uint64_t durableRoutes = 0;  // bit w: worker w has one that the log has to keep messages for
  ShortList<Subscriber> subscribers;
  ShortText bytes;
  bool isShared : 1 = false;  // the text is that of a shared filter
  // In a cluster: what others are told that the subscribers here want, and of a filter with wildcards whether that is
  // nothing since another one covers it, whether this is a wide one, and whether a wide one counts it
  // (front-end/routes.h).
  Interest told : 2 = Interest::none;
  bool isCovered : 1 = false;
  bool isWide : 1 = false;
  bool isCounted : 1 = false;
  uint32_t node = 0;     // of the tree, where it hangs (filter-tree.h); 0: no wildcard
  uint32_t share = 0;    // the first of its shares, or of a shared filter its own; 0: none
  uint32_t durable = 0;  // of the subscribers here, those that the log has to keep messages for

  Bytes text() const { return bytes.bytes(); }
  bool hasWildcards() const { return node != 0; }
};
static_assert(sizeof(Filter) == 64);

}  // namespace rally
