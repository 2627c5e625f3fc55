// The shard of a worker: the owner of the topics whose hash falls on it. All messages of a topic pass through it,
// independent of the publisher, so all subscribers see them in one order; it keeps the retained messages.
//
//   publish -> retained store -> filters that match -> own subscribers     (FrontEndPort::deliverHere)
//                                                   -> workers with a route (FrontEndPort::answer)
//                                                   -> a member of each share  (Shard::send)
//                                                   -> acknowledgement to the front end that asked
#pragma once
#include <algorithm>
#include <vector>

#include "../counters.h"
#include "../durable/journal.h"
#include "../lanes/requests.h"
#include "../messages/source.h"
#include "../structures/fifo.h"
#include "../structures/sampler.h"
#include "../topics/filter-table.h"
#include "../topics/topic-rates.h"
#include "confirmations.h"
#include "known-routes.h"
#include "retained-walks.h"

namespace rally {

// Where a shard's results go: to the front end of the same worker at once, to others over lanes.
class FrontEndPort : public RetainedWalks::Outlet, public Confirmations::Outlet {
 public:
  // `isLogged`: for the durable sessions among them.
  virtual void deliverHere(const std::vector<Filter*>& filters, Publication& publication, bool isLogged) = 0;
  // To a member of the share here, none worse than `worst`.
  virtual ShareOutcome deliverSharedHere(Publication& publication, Share& share, ShareLevel worst) = 0;
  // `isLogged`: after the commit of everything that the shard has logged so far.
  virtual void acknowledge(unsigned worker, const Source& source, Reason reason, bool isLogged = false) = 0;
  // Like answer(), after all acknowledgements that wait for a commit.
  virtual void answerBehind(unsigned worker, const ShardRecord& record) = 0;
  // The shard's Confirmations get to know when all that was logged here until now is committed.
  virtual void confirmHere(uint32_t token) = 0;
  // The owner of the topic with this hash takes the request instead of this shard.
  virtual void toOwner(uint64_t topicHash, const Request& request) = 0;
};

class Shard {
 public:
  // `here`: the workers of this process, whose shards each have an equal part of its retained messages.
  Shard(const SlotMap& slots, uint64_t here, FilterTable& filters, const Limits& limits, uint64_t tableKey,
        Counters& counters, Journal& journal, FrontEndPort& frontEnds)
      : index_(slots.own()),
        slots_(slots),
        filters_(filters),
        known_(filters),
        retained_(tableKey, {partOf(limits.retainedMessagesMax, here), partOf(limits.retainedBytesMax, here)}),
        walks_(retained_, tableKey, limits, frontEnds),
        rates_(limits.topicRatesBytesMax / countOf(here), tableKey),
        counters_(counters),
        journal_(journal),
        frontEnds_(frontEnds),
        confirmations_(frontEnds),
        shareTurn_{.elsewhere = ~here} {}

  // Once a turn.
  void setNow(uint64_t nowMs) {
    nowMs_ = nowMs;
    shareTurn_.number++;
    shareTurn_.nowMs = nowMs;
  }
  const RetainedStore& retained() const { return retained_; }
  RetainedStore& retained() { return retained_; }
  const RetainedWalks& walks() const { return walks_; }
  KnownRoutes& known() { return known_; }
  TopicRates& rates() { return rates_; }

  // Once a second.
  void tick() {
    retained_.sweep(nowMs_, sweepNodes);
    sampler_.tick();
    counters_.set(Counter::retained, retained_.size());
  }

  // A retained message from before the broker started: there is always room for it, since topics are dealt out anew
  // among another number of workers.
  void restore(MessageRef message) {
    retained_.adopt(std::move(message));
    counters_.set(Counter::retained, retained_.size());
  }
  template <class Visit>
  bool eachRetainedFrom(uint32_t& node, size_t nodes, Visit&& visit) {
    return retained_.eachFrom(node, nodes, visit);
  }
  // A message of a share that belongs to no member.
  void restoreShared(Share& share, MessageRef message) {
    Publication publication = Publication::of(std::move(message), 0);
    send(share, publication, {});
  }

  // Whether retained messages that were asked for wait for proceed().
  bool hasWork() const { return walks_.hasReady(); }
  // Once a turn.
  void proceed() {
    walks_.proceed(nowMs_);
    counters_.set(Counter::retained, retained_.size());  // some may have expired
  }

  // `from`: the worker whose front end received the message.
  void publish(Publication& publication, const Source& source, unsigned from) {
    if (hasPassed(publication.expiresAtMs, nowMs_)) {  // on its way here [MQTT-3.3.2-5]
      expire(publication);
      frontEnds_.acknowledge(from, source, Reason::success);
      return;
    }
    if (sampler_.isDue()) [[unlikely]]
      countTopic(publication);
    matches_.clear();
    filters_.match(publication.topic, publication.topicHash, matches_);
    uint64_t routes = 0;
    uint64_t durableRoutes = 0;
    for (const Filter* filter : matches_) {
      routes |= filter->routes;
      durableRoutes |= filter->durableRoutes;
    }
    const bool mayLog = journal_.isOn() && !isReservedTopic(publication.topic);
    if (mayLog && publication.qos > 0 && awaited_ != 0) [[unlikely]] {
      if (wait(publication, source, from)) return;
    }
    const bool isForLog = mayLog && publication.qos > 0 && (durableRoutes != 0 || hasDurableMembers());
    if (isForLog && journal_.isClustered()) [[unlikely]]
      return publishStored(publication, source, from, routes, durableRoutes);
    // The disk is full. What clears a retained message makes room.
    const bool isForStore = publication.retain && !publication.payload.empty();
    const bool isRefused = journal_.isRefusing() && (isForLog || (mayLog && isForStore));
    if (isRefused) counters_.add(Counter::storageRefused);
    if (isRefused && source.qos > 0) {
      frontEnds_.acknowledge(from, source, Reason::quotaExceeded, true);
      return;
    }
    uint8_t logFlags = isForLog && !isRefused ? uint8_t(records::Message::isForSessions)
                                              : uint8_t(0);  // a will goes on
    Reason reason = publication.retain && !isRefused ? retain(publication, logFlags) : Reason::success;
    if (isError(reason) && source.qos > 0) {  // the client will know, and may publish it again
      frontEnds_.acknowledge(from, source, reason);
      return;
    }
    const bool isLogged = mayLog && logFlags != 0;
    if (isLogged) logRetained(publication, logFlags, source);
    const uint64_t ownBit = uint64_t(1) << index_;
    if (routes & ownBit) frontEnds_.deliverHere(matches_, publication, false);
    for (uint64_t others = routes & ~ownBit; others != 0; others &= others - 1) {
      const auto worker = unsigned(__builtin_ctzll(others));
      counters_.add(Counter::handedOver);
      frontEnds_.answer(worker,
                        delivery::Deliver{.carried = Carried(publication.keep()), .topicHash = publication.topicHash});
    }
    bool isTaken = routes != 0;
    for (const Filter* filter : matches_) {
      for (uint32_t id = filter->share; id != 0; id = filters_.share(id).next) {
        Share& share = filters_.share(id);
        if (!share.hasAbleMembers()) continue;
        isTaken = true;  // also when all are full then: there are subscribers, and the message is counted
        send(share, publication, {});
      }
    }
    if (source.qos == 0) return;
    if (!isTaken && reason == Reason::success) reason = Reason::noMatchingSubscribers;
    frontEnds_.acknowledge(from, source, reason, isLogged);
  }

  // Requests from the front end of worker `from`.

  void take(const request::Publish& asked, unsigned from) {
    Publication publication = Publication::of(asked.carried.take(), asked.topicHash);
    const Source source{asked.connection, asked.generation,          asked.packetId,
                        asked.qos,        publication.originSession, asked.isDurable};
    publish(publication, source, from);
  }

  void take(const request::SetInterest& asked, unsigned from) {
    const std::unique_ptr<FilterText> text = asked.carried.take();
    if (!isOurs(*text)) return;
    Filter& filter = filters_.acquire(*text);
    known_.set(filter, from, asked.interest);
    if (asked.interest == Interest::none) filters_.releaseIfUnused(filter);
  }

  void take(const request::Subscribe& asked, unsigned from) {
    const std::unique_ptr<SubscribeRequest> request = asked.carried.take();
    walks_.begin(*request, from, nowMs_);
    counters_.set(Counter::retained, retained_.size());
    frontEnds_.answer(from, delivery::Subscribed{.token = request->token});
  }
  void take(const request::RetainedMore& asked, unsigned from) { walks_.ask(asked.session, from); }
  void take(const request::RetainedStop& asked, unsigned from) {
    if (const std::unique_ptr<FilterText> text = asked.carried.take()) walks_.stop(asked.session, *text, from);
    else walks_.stop(asked.session);
  }

  void take(const request::MoveSession& asked, unsigned from) {
    walks_.move(asked.session, asked.from, from);
    const delivery::Departing departing{.session = asked.session, .move = asked.move, .shards = asked.shards};
    if ((slots_.present() & bitOf(asked.from)) != 0) frontEnds_.answer(asked.from, departing);
    else departingEarly_.push_back({asked.from, departing});  // not known here yet, or no more
    frontEnds_.answer(from, delivery::Arriving{.session = asked.session, .move = asked.move});
  }
  void take(const request::Flush& asked, unsigned from) {
    walks_.suspend(asked.session, from);
    answerBehind(from, delivery::Flushed{.session = asked.session, .move = asked.move});
  }

  void take(const request::Barrier& asked, unsigned from) {
    answerBehind(from, delivery::Passed{.token = asked.token});
  }

  void take(const request::SlotBarrier& asked, unsigned from) {
    answerBehind(from, delivery::SlotsPassed{.move = asked.move});
  }
  void take(const request::RetainedMoves& asked, unsigned from) {
    MessageRef message = asked.carried.take();
    if (!journal_.isClustered()) {
      retained_.adopt(std::move(message));
    } else if (retained_.adoptLater(message, asked.stamp) && message->logId == 0 &&
               !isReservedTopic(message->topic())) {
      journal_.adopted(message, asked.stamp);  // another node has had it
    }
    counters_.set(Counter::retained, retained_.size());
    if (asked.token == 0) return;
    journal_.whenCommitted(
        from, [this, from, token = asked.token] { frontEnds_.answer(from, delivery::RetainedTaken{.token = token}); });
  }
  void take(const request::Stored& by, unsigned from) { confirmations_.take(by.token, from, by.isRefused); }
  void take(const request::StoredLater& by, unsigned from) { confirmations_.takeLater(by.token, from); }
  void take(const request::RetainedAgain& asked, unsigned from) {
    MessageRef message = retained_.find(*asked.carried.take(), nowMs_);
    if (!message || filters_.hashOf(message->payload()) != asked.content) return;
    frontEnds_.answer(from, delivery::RetainedFound{.qos = asked.qos,
                                                    .subscriptionId = asked.subscriptionId,
                                                    .session = asked.session,
                                                    .carried = Carried(std::move(message))});
  }

  // --- slots that change owners ---------------------------------------------------------------------

  // Like RetainedStore, for these slots.
  template <class Give>
  bool giveAway(uint32_t& node, size_t& nodes, const SlotSet& slots, Give&& give) {
    const auto isMeant = [&](const MessageRef& message) {
      return slots.has(slotOf(filters_.hashOf(message->topic())));
    };
    const bool isAll = retained_.giveAway(node, nodes, isMeant, give);
    counters_.set(Counter::retained, retained_.size());
    return isAll;
  }
  void takeBack(uint64_t change, const SlotSet& slots) {
    retained_.takeBack(change,
                       [&](const MessageRef& message) { return slots.has(slotOf(filters_.hashOf(message->topic()))); });
    counters_.set(Counter::retained, retained_.size());
  }
  // What was given away and is not to be taken back: it is forgotten once no walk is left that may find it.
  // `isElsewhere(topic hash)`: another node has it in its log now.
  template <class IsElsewhere>
  void dropLeft(IsElsewhere&& isElsewhere) {
    if (!retained_.hasLeft()) return;
    retained_.dropLeft(walks_.oldest(), [&](const MessageRef& message) {
      const bool isInLog = journal_.isClustered() && message->logId != 0;
      if (isInLog && isElsewhere(filters_.hashOf(message->topic()))) journal_.retainedCleared(message->topic());
    });
  }
  // The worker is known from now on.
  void onJoined(unsigned worker) {
    std::erase_if(departingEarly_, [&](const EarlyDeparture& each) {
      if (each.from != worker) return false;
      frontEnds_.answer(worker, each.told);
      return true;
    });
  }
  // The worker is gone for good.
  void onGone(unsigned worker) {
    walks_.onGone(worker);
    std::erase_if(departingEarly_, [&](const EarlyDeparture& each) { return each.from == worker; });
    for (uint64_t i = waiting_.first(); i < waiting_.end(); i++) {
      Waiting& each = waiting_[i];
      if (each.worker != worker) continue;
      each.source = {};  // nobody waits for an answer
      each.isForNobody = true;
    }
    onUnstored(worker);
  }
  // What was for the worker is not stored there.
  void onUnstored(unsigned worker) { confirmations_.onGone(worker, journal_.isReplicated()); }

  // --- a worker that comes with the durable sessions of a lost one ------------------------------------

  // Its filters are not known here yet: messages that they may match wait.
  void awaitFilters(unsigned worker) { awaited_ |= bitOf(worker); }
  // They are, or it is lost.
  void filtersTold(unsigned worker) {
    awaited_ &= ~bitOf(worker);
    while (awaited_ == 0 && !waiting_.isEmpty()) {
      const Waiting first = std::move(waiting_.front());
      waiting_.pop();
      if (!first.message) {
        if (first.isForNobody) discard(first.answer);
        else frontEnds_.answerBehind(first.worker, first.answer);
        continue;
      }
      waitingBytes_ -= first.message->size();
      Publication publication = Publication::of(first.message, first.topicHash);
      publish(publication, first.source, first.worker);
    }
  }
  bool isWaiting() const { return !waiting_.isEmpty(); }
  Confirmations& confirmations() { return confirmations_; }

  void take(const request::LookUp& asked, unsigned from) {
    MessageRef found = retained_.find(*asked.carried.take(), nowMs_);
    frontEnds_.answer(from, delivery::LookedUp{.token = asked.token, .carried = Carried(std::move(found))});
  }

  void take(const request::ShareRoute& asked, unsigned from) {
    const std::unique_ptr<FilterText> text = asked.carried.take();
    if (!isOurs(unsharedFilter(*text))) return;
    Filter& filter = filters_.acquire(*text);
    Share& share = filters_.share(filter.share);
    if (asked.isOver) {
      known_.removeShare(share, bitOf(from));
      if (from != index_) filters_.releaseIfUnused(filter);  // the front end here has not done with it
      return;
    }
    known_.setShare(share, {.key = asked.senderShare,
                            .connected = asked.connected,
                            .able = asked.able,
                            .durable = asked.durable,
                            .worker = uint8_t(from)});
  }
  void take(const request::Reshare& asked, unsigned from) {
    Publication publication = Publication::of(asked.carried.take(), 0);
    if (!confirmations_.awaits(asked.token, from)) return reshare(asked, publication, from, 0);
    // Whoever gets it now stores it.
    confirmations_.expect(asked.token, index_);
    reshare(asked, publication, from, asked.token);
    confirmations_.take(asked.token, from, false);
    frontEnds_.confirmHere(asked.token);
  }
  void take(const request::ShareReady& asked, unsigned from) { setFull(asked.share, asked.messages, from, false); }
  void take(const request::MemberLeft& asked, unsigned from) {
    const Share* share = filters_.findShare(asked.share);
    const bool isOther = share && std::any_of(share->routes.begin(), share->routes.end(),
                                              [](const ShareRoute& route) { return route.connected > 0; });
    if (isOther) frontEnds_.answer(from, delivery::HandOver{.senderShare = share->key, .session = asked.session});
  }

 private:
  void reshare(const request::Reshare& asked, Publication& publication, unsigned from, uint32_t token) {
    if (hasPassed(publication.expiresAtMs, nowMs_)) {
      counters_.add(Counter::droppedExpired);
      return;
    }
    ShareSearch search{asked.level, asked.isWithheld, asked.refused};
    if (asked.outcome != ShareOutcome::over) refuse(search, asked.outcome, asked.share, publication, from);
    if (slots_.haveMoved() && slots_.ownerOf(filters_.hashOf(publication.topic)) != index_) {
      frontEnds_.toOwner(filters_.hashOf(publication.topic), request::Reshare{.level = search.level,
                                                                              .isWithheld = search.isWithheld,
                                                                              .share = asked.share,
                                                                              .carried = Carried(publication.keep()),
                                                                              .refused = search.refused});
      return;
    }
    if (Share* share = filters_.findShare(asked.share)) send(*share, publication, search, token);
    else dropShared(publication, search);  // the share has ended
  }

  static size_t countOf(uint64_t workers) { return size_t(__builtin_popcountll(workers)); }
  static size_t partOf(size_t most, uint64_t workers) { return (most + countOf(workers) - 1) / countOf(workers); }

  // Nodes of the tree of retained messages that are checked in a second: about a millisecond's work.
  static constexpr size_t sweepNodes = 10'000;

  // Whether topics that the filter matches may belong to this shard: otherwise a request for it is for another one,
  // and comes late.
  bool isOurs(Bytes filter) const {
    return !slots_.haveMoved() || hasWildcard(filter) || slots_.mayOwn(slotOf(filters_.hashOf(filter)));
  }
  // Not for the broker's own topics, but for those below $SYS that clients may publish to.
  [[gnu::noinline]] void countTopic(const Publication& publication) {
    const uint32_t messages = sampler_.take();
    if (!isReservedTopic(publication.topic))
      rates_.add(publication.topic, messages, publication.payload.size(), nowMs_);
  }

  // In a cluster with logs, for a message that durable sessions are to have: each worker logs it for its own, and the
  // acknowledgement waits for all of them.
  [[gnu::noinline]] void publishStored(Publication& publication, const Source& source, unsigned from, uint64_t routes,
                                       uint64_t durableRoutes) {
    const bool isRefused = journal_.isRefusing();
    if (isRefused) counters_.add(Counter::storageRefused);
    if (isRefused && source.qos > 0) {
      frontEnds_.acknowledge(from, source, Reason::quotaExceeded, true);
      return;
    }
    uint8_t logFlags = 0;
    Reason reason = publication.retain && !isRefused ? retain(publication, logFlags) : Reason::success;
    if (isError(reason) && source.qos > 0) {
      frontEnds_.acknowledge(from, source, reason);
      return;
    }
    journal_.number(publication);  // the same for all workers of this node
    const uint32_t token = confirmations_.begin();
    const uint64_t ownBit = uint64_t(1) << index_;
    if (logFlags != 0) logRetained(publication, logFlags, source);
    if (routes & ownBit) frontEnds_.deliverHere(matches_, publication, (durableRoutes & ownBit) != 0);
    for (uint64_t others = routes & ~ownBit; others != 0; others &= others - 1) {
      const auto worker = unsigned(__builtin_ctzll(others));
      const bool isStoredThere = (durableRoutes & bitOf(worker)) != 0;
      counters_.add(Counter::handedOver);
      if (isStoredThere) confirmations_.expect(token, worker);
      frontEnds_.answer(worker, delivery::Deliver{.token = isStoredThere ? token : 0,
                                                  .carried = Carried(publication.keep()),
                                                  .topicHash = publication.topicHash});
    }
    bool isTaken = routes != 0;
    for (const Filter* filter : matches_) {
      for (uint32_t id = filter->share; id != 0; id = filters_.share(id).next) {
        Share& share = filters_.share(id);
        if (!share.hasAbleMembers()) continue;
        isTaken = true;
        send(share, publication, {}, share.hasDurableMembers() ? token : 0);
      }
    }
    confirmations_.expect(token, index_);  // all that was logged here
    if (!isTaken && reason == Reason::success) reason = Reason::noMatchingSubscribers;
    confirmations_.finish(token, from, source, reason);
    frontEnds_.confirmHere(token);
  }

  // A session that is to leave a worker which is not known here.
  struct EarlyDeparture {
    unsigned from = 0;
    delivery::Departing told = {};
  };
  // A PUBLISH, or an answer that must follow it.
  struct Waiting {
    unsigned worker = 0;       // who asked ...
    bool isForNobody = false;  // ... and is lost
    Source source = {};
    uint64_t topicHash = 0;
    MessageRef message = {};
    ShardRecord answer = {};
  };
  // That waits, in about as many bytes as a lane takes.
  static constexpr size_t waitingBytesMax = 8u << 20;

  // False: it does not.
  [[gnu::noinline]] bool wait(Publication& publication, const Source& source, unsigned from) {
    if (waitingBytes_ < waitingBytesMax) {
      MessageRef message = publication.keep();
      waitingBytes_ += message->size();
      waiting_.push(
          {.worker = from, .source = source, .topicHash = publication.topicHash, .message = std::move(message)});
      return true;
    }
    if (source.qos == 0) return false;
    counters_.add(Counter::storageRefused);
    frontEnds_.acknowledge(from, source, Reason::quotaExceeded, true);
    return true;
  }
  void answerBehind(unsigned worker, const ShardRecord& record) {
    if (waiting_.isEmpty()) frontEnds_.answerBehind(worker, record);
    else waiting_.push({.worker = worker, .answer = record});
  }

  void logRetained(Publication& publication, uint8_t logFlags, const Source& source) {
    if (journal_.isClustered()) journal_.retainedStamp(publication.topic, stampOf(publication));
    journal_.message(publication, logFlags, source);
  }
  uint64_t stampOf(const Publication& publication) const { return slots_.claim(slotOf(publication.topicHash)); }

  // Instead of the retained message: a node that comes back with that message is told that it is outdated.
  void mark(const Publication& publication) {
    Publication mark;
    mark.topic = publication.topic;
    mark.topicHash = publication.topicHash;
    mark.expiresAtMs = nowMs_ + markMs;
    mark.retain = true;
    mark.workers = publication.workers;
    if (retained_.set(mark.keep(), stampOf(publication))) {
      if (journal_.isOn() && !isReservedTopic(publication.topic)) logRetained(mark, records::Message::retains, {});
    } else if (retained_.remove(publication.topic) && !isReservedTopic(publication.topic)) {
      journal_.retainedCleared(publication.topic);
    }
  }

  // `logFlags`: set for the log.
  Reason retain(Publication& publication, uint8_t& logFlags) {
    bool isKept = true;
    if (publication.payload.empty() && journal_.isClustered()) {
      mark(publication);
    } else if (publication.payload.empty()) {
      if (retained_.remove(publication.topic)) logFlags |= records::Message::clearsRetained;
    } else {
      isKept = retained_.set(publication.keep(), journal_.isClustered() ? stampOf(publication) : 0);
      if (isKept) logFlags |= records::Message::retains;
    }
    counters_.set(Counter::retained, retained_.size());
    if (!isKept) counters_.add(Counter::retainedRefused);
    return isKept ? Reason::success : Reason::quotaExceeded;
  }

  // Of shares of the filters that match.
  bool hasDurableMembers() {
    for (const Filter* filter : matches_) {
      for (uint32_t id = filter->share; id != 0; id = filters_.share(id).next) {
        if (filters_.share(id).hasDurableMembers()) return true;
      }
    }
    return false;
  }

  // A message without receivers still replaces the retained message of its topic.
  void expire(const Publication& publication) {
    counters_.add(Counter::droppedExpired);
    if (!publication.retain) return;
    if (journal_.isClustered()) mark(publication);
    const bool isRemoved = !journal_.isClustered() && retained_.remove(publication.topic);
    if (isRemoved && journal_.isOn() && !isReservedTopic(publication.topic))
      journal_.retainedCleared(publication.topic);
    counters_.set(Counter::retained, retained_.size());
  }

  // Sends a message to the next worker that may have a member of the share who takes it. `token`: as Deliver says.
  void send(Share& share, Publication& publication, ShareSearch search, uint32_t token = 0) {
    const ShareKind kind = shareKindOf(publication.qos);
    while (const ShareRoute* route = share.choose(search, kind, shareTurn_)) {
      if (route->worker != index_) {
        counters_.add(Counter::handedOver);
        if (token != 0) confirmations_.expect(token, route->worker);
        frontEnds_.answer(route->worker, delivery::DeliverShared{.level = search.level,
                                                                 .isWithheld = search.isWithheld,
                                                                 .share = route->key,
                                                                 .senderShare = share.key,
                                                                 .token = token,
                                                                 .carried = Carried(publication.keep()),
                                                                 .refused = search.refused});
        return;
      }
      const ShareOutcome outcome = frontEnds_.deliverSharedHere(publication, share, search.level);
      if (outcome == ShareOutcome::taken) return;
      refuse(search, outcome, share.key, publication, index_);
    }
    dropShared(publication, search);
  }

  // The members at the worker refuse it. If they may not have it, the next one may.
  void refuse(ShareSearch& search, ShareOutcome outcome, uint32_t share, const Publication& publication,
              unsigned worker) {
    search.refused |= uint64_t(1) << worker;
    if (outcome == ShareOutcome::withheld) search.isWithheld = true;
    else setFull(share, shareKindOf(publication.qos), worker, true);
  }

  // All members have refused the message, or the last has left.
  void dropShared(const Publication& publication, const ShareSearch& search) {
    if (search.isWithheld) counters_.add(Counter::withheld);
    else counters_.add(publication.qos == 0 ? Counter::droppedQos0 : Counter::droppedQueueFull);
  }

  void setFull(uint32_t key, ShareKind kind, unsigned worker, bool isFull) {
    Share* share = filters_.findShare(key);
    ShareRoute* route = share ? share->routeOf(worker) : nullptr;
    if (route) route->isFull[size_t(kind)] = isFull;
  }

  // How long a topic that was cleared is known as such.
  static constexpr uint64_t markMs = 24 * 3'600'000;

  const unsigned index_;
  const SlotMap& slots_;
  FilterTable& filters_;
  KnownRoutes known_;
  RetainedStore retained_;
  RetainedWalks walks_;
  Sampler sampler_;
  TopicRates rates_;
  Counters& counters_;
  Journal& journal_;
  FrontEndPort& frontEnds_;
  Confirmations confirmations_;
  ShareTurn shareTurn_;
  std::vector<Filter*> matches_;
  uint64_t nowMs_ = 0;
  uint64_t awaited_ = 0;  // workers whose filters are not known here yet
  Fifo<Waiting> waiting_;
  std::vector<EarlyDeparture> departingEarly_;
  size_t waitingBytes_ = 0;
};

}  // namespace rally
