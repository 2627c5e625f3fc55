// A SUBSCRIBE from its first filter to its SUBACK. A session may have several: its client may reconnect before one is
// answered.
#pragma once
#include <unordered_set>
#include <vector>

#include "../messages/subscribe-request.h"

namespace rally {

struct Filter;
struct Session;

struct SubscribeProgress {
  uint64_t token = 0;                   // names it
  Session* session = nullptr;           // nullptr: it has ended
  SubscribeProgress* next = nullptr;    // of the session, later ones
  uint64_t awaitedShards = UINT64_MAX;  // bit s: shard s may not know the filters yet
  bool areRoutesKnown = false;          // by all shards that were told (front-end/routes.h)
  // The filters that are new to the session: it accepts their messages only from shards that know them.
  std::unordered_set<Filter*> newFilters;
  std::vector<RetainedFilter> requests;
};

}  // namespace rally
