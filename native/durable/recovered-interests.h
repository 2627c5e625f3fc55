// The recipients of messages in the state from the log (recovered-state.h): the subscriptions of durable sessions by
// topic filter, and shares with such members.
//
//   match()   finds the recipients of a message: targets() and groups()
//   soon()    announces that match() will be called for a topic
//   close()   nothing more will be matched
#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/lazy.h"
#include "../topics/filter-table.h"
#include "logged-session.h"
#include "match-memo.h"
#include "records.h"

namespace rally {

class RecoveredInterests {
 public:
  struct Group {
    std::string filter;
    std::unordered_set<uint64_t> members;  // durable sessions, QoS above 0
    std::map<uint64_t, uint64_t> holders;  // message -> session; 0: none

    // The session no longer has the message.
    void leave(uint64_t message, uint64_t session) {
      const auto holder = holders.find(message);
      if (holder != holders.end() && holder->second == session) holder->second = 0;
    }
  };
  struct Target {
    LoggedSession* session;
    LoggedEntry entry;
  };

  explicit RecoveredInterests(const HashKeys& keys) : filters_(std::make_unique<FilterTable>(keys)) {}

  // The share whose filter has this hash; nullptr: it has no members.
  Group* find(uint64_t hash) {
    const auto found = groups_.find(hash);
    return found == groups_.end() ? nullptr : &found->second;
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (const auto& [hash, group] : groups_) visit(group);
  }

  // Everything has been matched: frees the memory used for that. The shares stay.
  void close() {
    filters_.reset();
    interests_.clear();
    memo_ = {};
  }

  // A new subscription; for a share also one with other options: the share keeps its own.
  void add(LoggedSession& session, Bytes filter, const LoggedSubscription& options) {
    memo_.forget();
    Interest& interest = interestIn(filter);
    if (!isSharedFilter(filter)) {
      interest.subscribers.push_back({&session, options});
      if (interest.places.isMade()) interest.notePlace(interest.subscribers.size());
      return;
    }
    const uint64_t hash = filters_->hashOf(filter);
    const auto [found, isNew] = groups_.try_emplace(hash);
    Group& group = found->second;
    group.filter = {filter.begin(), filter.end()};
    if (isNew) interest.groups.own().push_back(hash);
    if (options.qos > 0) group.members.insert(session.key);
    else group.members.erase(session.key);
  }
  // Returns the messages of a share that no longer has members.
  std::map<uint64_t, uint64_t> remove(const LoggedSession& session, Bytes filter) {
    memo_.forget();
    Interest& interest = interestIn(filter);
    if (!isSharedFilter(filter)) {
      interest.remove(session);
      return {};
    }
    const auto found = groups_.find(filters_->hashOf(filter));
    if (found == groups_.end()) return {};
    found->second.members.erase(session.key);
    if (!found->second.members.empty()) return {};
    std::map<uint64_t, uint64_t> holders = std::move(found->second.holders);
    std::erase(interest.groups.own(), found->first);
    groups_.erase(found);
    return holders;
  }

  // Finds the recipients, each session once (as native/front-end/matcher.h does).
  void match(const records::Message& record) {
    matches_.clear();
    targets_.clear();
    targetGroups_.clear();
    const bool isRetainMarked = (record.flags & records::Message::isRetainMarked) != 0;
    const uint64_t topicHash = filters_->hashOf(record.topic);
    if (const auto* known = memo_.find(topicHash)) {
      addTarget(
          {known->session,
           {.qos = known->qos, .retainAsPublished = known->retainAsPublished, .subscriptionId = known->subscriptionId}},
          isRetainMarked);
      return;
    }
    size_t subscribers = 0;
    Subscriber last{};
    filters_->match(record.topic, topicHash, matches_);
    for (const Filter* filter : matches_) {
      if (filter->routes == 0) continue;
      const Interest& interest = interests_[filter->routes - 1];
      subscribers += interest.subscribers.size();
      if (!interest.subscribers.isEmpty()) last = interest.subscribers[interest.subscribers.size() - 1];
      for (const Subscriber& subscriber : interest.subscribers) {
        if (subscriber.options.noLocal && subscriber.session->key == record.origin) continue;
        addTarget(subscriber, isRetainMarked);
      }
      for (const uint64_t hash : interest.groups.look()) {
        Group& group = groups_[hash];
        if (!group.members.empty()) targetGroups_.push_back(&group);
      }
    }
    if (subscribers != 1 || !targetGroups_.empty() || last.options.noLocal) return;
    memo_.put(topicHash, {.session = last.session,
                          .subscriptionId = last.options.subscriptionId,
                          .qos = last.options.qos,
                          .retainAsPublished = last.options.retainAsPublished});
  }
  std::vector<Target>& targets() { return targets_; }
  const std::vector<Target>& targets() const { return targets_; }
  const std::vector<Group*>& groups() const { return targetGroups_; }

  // Brings what match() needs into the cache, in steps, since each leads to the next.
  void soon(Bytes topic) {
    const auto before = [&](size_t steps) { return soon_[(soonCount_ - steps) % soon_.size()]; };
    soon_[soonCount_ % soon_.size()] = filters_->hashOf(topic);
    memo_.soon(before(0));
    if (const auto* match = memo_.find(before(soonStep))) {
      __builtin_prefetch(&match->session->leftAtMs);
      __builtin_prefetch(&match->session->asleep);
    }
    if (const auto* match = memo_.find(before(2 * soonStep)); match && match->session->asleep)
      match->session->asleep->soon();
    soonCount_++;
  }

 private:
  struct Subscriber {
    LoggedSession* session = nullptr;
    LoggedSubscription options;
  };
  struct Interest {
    ShortList<Subscriber> subscribers;
    Lazy<std::vector<uint64_t>> groups;
    Lazy<HashIndex> places;  // of many subscribers, once one is looked up: key of the session -> place + 1

    // A session has at most one subscription to a filter.
    void remove(const LoggedSession& session) {
      const size_t place = placeOf(session);
      if (place == 0) return;
      if (places.isMade()) forgetPlace(place);
      if (place != subscribers.size()) {
        if (places.isMade()) forgetPlace(subscribers.size());
        subscribers[place - 1] = subscribers.back();
        if (places.isMade()) notePlace(place);
      }
      subscribers.pop_back();
    }
    void notePlace(size_t place) { places.own().add(hashNumber(subscribers[place - 1].session->key), uint32_t(place)); }

   private:
    static constexpr size_t fewMax = 64;

    void forgetPlace(size_t place) {
      places.own().remove(hashNumber(subscribers[place - 1].session->key), uint32_t(place));
    }
    // 0: none.
    size_t placeOf(const LoggedSession& session) {
      const auto isIt = [&](size_t place) { return subscribers[place - 1].session == &session; };
      if (!places.isMade() && subscribers.size() > fewMax)
        for (size_t place = 1; place <= subscribers.size(); place++) notePlace(place);
      if (places.isMade()) return places->find(hashNumber(session.key), isIt);
      size_t place = subscribers.size();
      while (place > 0 && !isIt(place)) place--;
      return place;
    }
  };

  void addTarget(const Subscriber& subscriber, bool isRetainMarked) {
    const LoggedSubscription& options = subscriber.options;
    const bool retain = options.retainAsPublished && isRetainMarked;
    LoggedSession& session = *subscriber.session;
    if (session.matchIndex < targets_.size() && targets_[session.matchIndex].session == &session) {
      Target& target = targets_[session.matchIndex];
      target.entry.qos = std::max<uint8_t>(target.entry.qos, options.qos) & 3;
      target.entry.retain = target.entry.retain || retain;
      target.entry.subscriptionIds.add(options.subscriptionId);
      return;
    }
    session.matchIndex = uint32_t(targets_.size());
    LoggedEntry entry;
    entry.qos = options.qos & 3;
    entry.retain = retain;
    entry.subscriptionIds = SubscriptionIds(options.subscriptionId);
    targets_.push_back({subscriber.session, std::move(entry)});
  }

  // The interest in the filter, or in the filter of the share.
  Interest& interestIn(Bytes filter) {
    Filter& known = filters_->acquire(isSharedFilter(filter) ? unsharedFilter(filter) : filter);
    if (known.routes == 0) {
      interests_.emplace_back();
      known.routes = interests_.size();
    }
    return interests_[known.routes - 1];
  }

  static constexpr size_t soonStep = 8;

  std::unique_ptr<FilterTable> filters_;  // Filter::routes: index in interests_ + 1
  std::deque<Interest> interests_;
  std::unordered_map<uint64_t, Group> groups_;
  MatchMemo<LoggedSession> memo_;
  std::array<uint64_t, 3 * soonStep> soon_{};  // hashes of upcoming topics
  size_t soonCount_ = 2 * soonStep;
  std::vector<Filter*> matches_;
  std::vector<Target> targets_;
  std::vector<Group*> targetGroups_;
};

}  // namespace rally
