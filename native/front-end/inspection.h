// Operators' questions about the sessions and retained messages of a worker. They only read, in bounded pieces: for
// more, ask again.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "../accounts.h"
#include "../shard/shard.h"
#include "../topics/filter-table.h"
#include "connection.h"

namespace rally {

// One session, in numbers.
struct SessionFigures {
  size_t subscriptions;
  size_t subscriptionBytes;
  size_t queued;       // messages that wait for room in the window or the outbox
  size_t inFlight;     // QoS 1 and 2, sent and not acknowledged
  size_t heldBytes;    // of those two
  size_t qos2Pending;  // packet identifiers of QoS 2 that the client has not released
  size_t unsentBytes;  // to the client, that its socket has not taken
  uint32_t expirySeconds;
  uint32_t keepAliveMs;
  ClientTraffic traffic;  // of its connection; 0: there is none
};

class Inspection {
 public:
  // Of one question.
  static constexpr size_t rowsMax = 1'000;
  // Nodes of the tree of retained messages: about 2 ms.
  static constexpr size_t retainedNodesMax = 20'000;

  static SessionFigures figuresOf(const Session& session) {
    const Connection* connection = session.connection;
    return {.subscriptions = session.subscriptions.size(),
            .subscriptionBytes = session.subscriptionBytes,
            .queued = session.queue.size(),
            .inFlight = session.window.inflight(),
            .heldBytes = session.heldBytes(),
            .qos2Pending = session.unfinished->received.all.size(),
            .unsentBytes = connection ? connection->outbox.bytes() + connection->unsentBytes : 0,
            .expirySeconds = session.expirySeconds,
            .keepAliveMs = connection ? connection->keepAliveMs : 0,
            .traffic = connection ? connection->traffic : ClientTraffic()};
  }

  // The sessions with the largest queues, and those whose sockets accept nothing, at most `max` of each, some of them
  // twice: `visit(session, time since its socket accepts nothing; 0: it does)`.
  template <class Visit>
  static void eachSlow(const Accounts& accounts, size_t max, Visit&& visit) {
    const auto take = [&](const Session& session) {
      const Connection* connection = session.connection;
      visit(session, connection ? connection->outboxPlace.sinceMs() : 0);
    };
    const size_t wanted = std::min(max, rowsMax);
    accounts.sessions.eachLargest(wanted, take);
    accounts.outboxes.eachLargest(wanted, [&](const Connection& connection) {
      if (connection.session) take(*connection.session);
    });
  }

  // Its subscriptions from the one with the index `from` on, at most `max`: `visit(filter, subscriber)`.
  template <class Visit>
  static void eachSubscription(const Session& session, size_t from, size_t max, Visit&& visit) {
    const size_t end = std::min(session.subscriptions.size(), from + std::min(max, rowsMax));
    for (size_t index = from; index < end; index++) {
      const SubscriptionRef& each = session.subscriptions[index];
      visit(*each.filter, each.filter->subscribers[each.position]);
    }
  }

  // Where a list of matches goes on: below that many subscribers of the filter with this number.
  struct MatchPlace {
    uint32_t filter = 0;  // 0: there is nothing more
    uint32_t subscribers = 0;
    static constexpr MatchPlace first() { return {1, UINT32_MAX}; }
  };

  // The subscriptions of this worker that match a topic name, including shared ones, at most `max`: `visit(filter,
  // subscriber)`. From `place` on, which is then that of the rest. Filters in the order of their numbers, subscribers
  // from the last to the first: the last one takes the place of one that leaves, so all that stay are visited, whoever
  // comes or goes between two pages. Gives the number of all.
  template <class Visit>
  static size_t eachMatch(FilterTable& filters, Bytes topic, size_t max, MatchPlace& place, Visit&& visit) {
    std::vector<Filter*> matches;
    filters.match(topic, filters.hashOf(topic), matches);
    std::vector<std::pair<uint32_t, Filter*>> numbered;
    const auto add = [&](Filter& filter) { numbered.emplace_back(filters.numberOf(filter), &filter); };
    for (Filter* filter : matches) {
      add(*filter);
      for (uint32_t id = filter->share; id != 0; id = filters.share(id).next) add(*filters.share(id).own);
    }
    std::ranges::sort(numbered);
    const MatchPlace from = std::exchange(place, {});
    size_t left = std::min(max, rowsMax);
    size_t count = 0;
    for (const auto& [number, filter] : numbered) {
      const auto all = uint32_t(filter->subscribers.size());
      count += all;
      if (from.filter == 0 || number < from.filter || place.filter != 0) continue;
      uint32_t below = number == from.filter ? std::min(all, from.subscribers) : all;
      for (; below > 0 && left > 0; left--) visit(*filter, filter->subscribers[--below]);
      if (below > 0) place = {number, below};
    }
    return count;
  }

  // The retained messages of this worker's topics that match a topic filter, at most `max`: `visit(message)`. Behind
  // `place` (empty: from the beginning), which is then that of the rest. True if there is none. Messages that are set
  // meanwhile are visited or not; if what was at `place` is gone, some are visited again.
  template <class Visit>
  static bool eachRetained(RetainedStore& store, Bytes filter, size_t max, uint64_t nowMs, std::vector<uint8_t>& place,
                           Visit&& visit) {
    RetainedStore::Walk walk(store, {filter.begin(), filter.end()});
    walk.goBehind(place);
    const size_t wanted = std::min(max, rowsMax);
    size_t found = 0;
    for (size_t looked = 0; looked < retainedNodesMax && found <= wanted; looked += nodesPerStep) {
      size_t nodes = nodesPerStep;
      const bool isOver = walk.step(nowMs, nodes, [&](const MessageRef& message) {
        if (++found > wanted) return;
        visit(message);
        if (found == wanted) place = walk.place();
      });
      if (isOver && found <= wanted) return true;
    }
    if (found == 0 || found < wanted) place = walk.place();
    return false;
  }

  // The message counts of this worker's topics: the levels below `above` (nullptr: the first levels) after `after`
  // (nullptr: all) in the order of their bytes, at most `max`: `visit(level, figures, whether there are more below)`.
  template <class Visit>
  static void eachTopicLevel(TopicRates& rates, const Bytes* above, const Bytes* after, size_t max, uint64_t nowMs,
                             Visit&& visit) {
    const uint32_t node = above ? rates.find(*above) : TopicRates::root;
    if (node != 0) rates.eachBelow(node, after, std::min(max, rowsMax + 1), nowMs, visit);
  }

 private:
  static constexpr size_t nodesPerStep = 64;
};

}  // namespace rally
