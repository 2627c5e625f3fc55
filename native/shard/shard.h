// The shard of a worker: the owner of the topics whose hash falls on it. All messages of a topic pass
// here, whoever publishes them, so all subscribers see them in one order; retained messages live here.
//
//   publish -> retained store -> filters that match -> own subscribers     (FrontEndPort::deliverHere)
//                                                   -> workers with a route (FrontEndPort::answer)
//                                                   -> a member of each share  (Shard::send)
//                                                   -> acknowledgement to the front end that asked
#pragma once
#include <algorithm>
#include <vector>

#include "../counters.h"
#include "../messages/source.h"
#include "../topics/filter-table.h"
#include "retained-walks.h"

namespace rally {

// Where a shard's results go: to the front end of the same worker at once, to others over lanes.
class FrontEndPort : public RetainedWalks::Outlet {
 public:
  virtual void deliverHere(const std::vector<Filter*>& filters, Publication& publication) = 0;
  // To a member of the share with this key here; `shardKey` names it in the shard.
  virtual void deliverSharedHere(Publication& publication, uint32_t key, uint32_t shardKey, bool isLast) = 0;
  virtual void acknowledge(unsigned worker, const Source& source, Reason reason) = 0;
};

class Shard {
 public:
  // Of `workers` shards, each has its part of the broker's retained messages.
  Shard(unsigned index, unsigned workers, FilterTable& filters, const Limits& limits, uint64_t hashSeed,
        Counters& counters, FrontEndPort& outlet)
      : index_(index),
        filters_(filters),
        retained_(hashSeed, {(limits.retainedMessagesMax + workers - 1) / workers,
                             (limits.retainedBytesMax + workers - 1) / workers}),
        walks_(retained_, hashSeed, limits, outlet),
        counters_(counters),
        outlet_(outlet) {}

  void setNow(uint64_t nowMs) { nowMs_ = nowMs; }

  // Once a second.
  void tick() {
    retained_.sweep(nowMs_, sweepNodes);
    counters_.set(Counter::retained, retained_.size());
  }

  // Whether somebody waits for proceed(): retained messages that were asked for.
  bool hasWork() const { return walks_.hasReady(); }
  // Once a turn.
  void proceed() {
    walks_.proceed(nowMs_);
    counters_.set(Counter::retained, retained_.size());  // some may have expired
  }

  // `from`: the worker whose front end took the message.
  void publish(Publication& publication, const Source& source, unsigned from) {
    if (hasPassed(publication.expiresAtMs, nowMs_)) {  // on its way here [MQTT-3.3.2-5]
      expire(publication);
      outlet_.acknowledge(from, source, Reason::success);
      return;
    }
    Reason reason = publication.retain ? retain(publication) : Reason::success;
    if (isError(reason) && source.qos > 0) {  // the client will know, and may publish it again
      outlet_.acknowledge(from, source, reason);
      return;
    }
    matches_.clear();
    filters_.match(publication.topic, publication.topicHash, matches_);
    uint64_t routes = 0;
    for (const Filter* filter : matches_) routes |= filter->routes;
    const uint64_t ownBit = uint64_t(1) << index_;
    if (routes & ownBit) outlet_.deliverHere(matches_, publication);
    for (uint64_t others = routes & ~ownBit; others != 0; others &= others - 1) {
      const auto worker = unsigned(__builtin_ctzll(others));
      outlet_.answer(worker, {.kind = RecordKind::deliver,
                              .pointer = MessageRef(publication.keep()).release(),
                              .value = publication.topicHash});
    }
    bool isTaken = routes != 0;
    for (const Filter* filter : matches_) {
      for (uint32_t id = filter->share; id != 0; id = filters_.share(id).next)
        isTaken |= send(filters_.share(id), publication);
    }
    if (source.qos == 0) return;
    if (!isTaken && reason == Reason::success) reason = Reason::noMatchingSubscribers;
    outlet_.acknowledge(from, source, reason);
  }

  // A request from the front end of worker `from`.
  void take(const Record& record, unsigned from) {
    switch (record.kind) {
      case RecordKind::publish: {
        Publication publication = Publication::of(MessageRef(static_cast<Message*>(record.pointer)), record.value);
        publish(publication,
                {record.connection, record.generation, record.packetId, record.qos, publication.originSession}, from);
        break;
      }
      case RecordKind::addRoute: {
        const MessageRef text(static_cast<Message*>(record.pointer));
        filters_.acquire(text->topic()).routes |= uint64_t(1) << from;
        break;
      }
      case RecordKind::removeRoute: {
        const MessageRef text(static_cast<Message*>(record.pointer));
        Filter& filter = filters_.acquire(text->topic());
        filter.routes &= ~(uint64_t(1) << from);
        filters_.releaseIfUnused(filter);
        break;
      }
      case RecordKind::subscribe:
        subscribe(*std::unique_ptr<SubscribeRequest>(static_cast<SubscribeRequest*>(record.pointer)), from);
        break;
      case RecordKind::retainedMore: walks_.ask(record.value, from); break;
      case RecordKind::retainedStop: {
        const MessageRef text(static_cast<Message*>(record.pointer));
        if (text) walks_.stop(record.value, text->topic(), from);
        else walks_.stop(record.value);
        break;
      }
      case RecordKind::moveSession:
        outlet_.answer(record.worker, {.kind = RecordKind::departing, .worker = uint8_t(from), .value = record.value});
        outlet_.answer(from, {.kind = RecordKind::arriving, .value = record.value});
        break;
      case RecordKind::shareRoute: setShareRoute(record, from); break;
      case RecordKind::reshare: {
        Publication publication = Publication::of(MessageRef(static_cast<Message*>(record.pointer)), 0);
        if (record.reason != 0) setFull(record.connection, from, true);
        if (Share* share = filters_.findShare(record.connection)) send(*share, publication);
        break;
      }
      case RecordKind::shareReady: setFull(record.connection, from, false); break;
      case RecordKind::memberLeft: {
        Share* share = filters_.findShare(record.connection);
        const bool isOther = share && std::any_of(share->routes.begin(), share->routes.end(),
                                                  [](const ShareRoute& route) { return route.connected > 0; });
        if (isOther)
          outlet_.answer(from, {.kind = RecordKind::handOver, .generation = share->key, .value = record.value});
        break;
      }
      case RecordKind::flush:
        walks_.suspend(record.value, from);
        outlet_.answer(from, {.kind = RecordKind::flushed, .worker = record.worker, .value = record.value});
        break;
      default: std::abort();
    }
  }

 private:
  // Of the tree of retained messages, looked at in a second: about a millisecond's work.
  static constexpr size_t sweepNodes = 10'000;

  Reason retain(Publication& publication) {
    bool isKept = true;
    if (publication.payload.empty()) retained_.remove(publication.topic);
    else isKept = retained_.set(publication.keep());
    counters_.set(Counter::retained, retained_.size());
    if (!isKept) counters_.add(Counter::retainedRefused);
    return isKept ? Reason::success : Reason::quotaExceeded;
  }

  // A message that nobody gets still takes the place of the one that its topic had retained.
  void expire(const Publication& publication) {
    counters_.add(Counter::droppedExpired);
    if (!publication.retain) return;
    retained_.remove(publication.topic);
    counters_.set(Counter::retained, retained_.size());
  }

  // Sends a message to one member of the share. False when there is none.
  bool send(Share& share, Publication& publication) {
    bool isLast = false;
    const ShareRoute* route = share.choose(isLast);
    if (!route) return false;
    if (route->worker == index_) {
      outlet_.deliverSharedHere(publication, route->key, share.key, isLast);
    } else {
      outlet_.answer(route->worker, {.kind = RecordKind::deliverShared,
                                     .qos = isLast,
                                     .connection = route->key,
                                     .generation = share.key,
                                     .pointer = MessageRef(publication.keep()).release()});
    }
    return true;
  }

  void setShareRoute(const Record& record, unsigned from) {
    const MessageRef text(static_cast<Message*>(record.pointer));
    Filter& filter = filters_.acquire(text->topic());
    Share& share = filters_.share(filter.share);
    std::erase_if(share.routes, [&](const ShareRoute& route) {
      return route.worker == from && (route.key != record.connection || record.reason != 0);
    });
    if (record.reason != 0) {
      if (from != index_) filters_.releaseIfUnused(filter);  // the front end here has not done with it
      return;
    }
    ShareRoute* route = share.routeOf(from);
    if (!route) route = &share.routes.emplace_back(ShareRoute{.key = record.connection, .worker = uint8_t(from)});
    route->connected = record.generation;
    route->able = uint32_t(record.value);
  }

  void setFull(uint32_t key, unsigned worker, bool isFull) {
    Share* share = filters_.findShare(key);
    ShareRoute* route = share ? share->routeOf(worker) : nullptr;
    if (route) route->isFull = isFull;
  }

  void subscribe(SubscribeRequest& request, unsigned from) {
    walks_.begin(request, from, nowMs_);
    counters_.set(Counter::retained, retained_.size());
    outlet_.answer(from, {.kind = RecordKind::subscribed, .value = request.token});
  }

  const unsigned index_;
  FilterTable& filters_;
  RetainedStore retained_;
  RetainedWalks walks_;
  Counters& counters_;
  FrontEndPort& outlet_;
  std::vector<Filter*> matches_;
  uint64_t nowMs_ = 0;
};

}  // namespace rally
