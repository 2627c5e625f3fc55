// The sessions of a front end and their subscriptions.
//
//   session.subscriptions[i] = { filter, position }  <-->  filter.subscribers[position] = { session, i }
//
// Each side knows its place in the other, so that either is removed in constant time.
//
// The sessions are also in a row, so that all of them can be visited a few at a time while others come and go, from
// the last to the first. The one that takes the place of a removed one was visited already, or is newer.
#pragma once
#include <memory>
#include <unordered_map>

#include "../assert.h"
#include "session.h"

namespace rally {

class SessionTable {
 public:
  Session* find(uint64_t key) {
    const auto found = sessions_.find(key);
    return found == sessions_.end() ? nullptr : found->second.get();
  }

  // About so many are about to come.
  void reserve(size_t count) {
    sessions_.reserve(count);
    row_.reserve(count);
  }
  // There must be none with this key.
  Session& create(uint64_t key) {
    std::unique_ptr<Session>& session = sessions_[key];
    RALLY_ASSERT(!session);
    session = std::make_unique<Session>();
    session->key = key;
    session->rowPlace = row_.size();
    row_.push_back(session.get());
    return *session;
  }

  // None may come or go meanwhile.
  template <class Visit>
  void each(Visit&& visit) {
    for (Session* session : row_) visit(*session);
  }
  size_t size() const { return row_.size(); }
  Session& at(size_t place) const { return *row_[place]; }

  // Removes the session, which must exist, and releases its key. Its subscriptions must be removed before it is freed.
  std::unique_ptr<Session> take(Session& session) {
    const auto found = sessions_.find(session.key);
    RALLY_ASSERT(found != sessions_.end() && found->second.get() == &session);
    std::unique_ptr<Session> taken = std::move(found->second);
    sessions_.erase(found);
    RALLY_ASSERT(row_[taken->rowPlace] == taken.get());
    row_.back()->rowPlace = taken->rowPlace;
    row_[taken->rowPlace] = row_.back();
    row_.pop_back();
    return taken;
  }

  // Adds or replaces the subscription. True when it existed before [MQTT-3.8.4-3].
  static bool subscribe(Session& session, Filter& filter, Subscriber options) {
    options.session = &session;
    if (Subscriber* known = find(session, filter)) {
      options.indexInSession = known->indexInSession;
      options.isNew = known->isNew;
      *known = options;
      return true;
    }
    RALLY_ASSERT(session.subscriptions.size() < subscriptionsMax);
    options.indexInSession = uint32_t(session.subscriptions.size()) & subscriptionsMax;
    session.subscriptions.push_back({&filter, uint32_t(filter.subscribers.size()), 0});
    filter.subscribers.push_back(options);
    return false;
  }

  // False when there was no such subscription.
  static bool unsubscribe(Session& session, Filter& filter) {
    const Subscriber* known = find(session, filter);
    if (!known) return false;
    removeAt(session, known->indexInSession);
    shrink(session.subscriptions);
    return true;
  }

  // Removes the last of the session's subscriptions, of which there must be one; gives its filter.
  static Filter& unsubscribeLast(Session& session) {
    RALLY_ASSERT(!session.subscriptions.empty());
    Filter& filter = *session.subscriptions.back().filter;
    removeAt(session, uint32_t(session.subscriptions.size() - 1));
    return filter;
  }

  // The session's subscription to the filter, or nullptr. Searches the shorter side.
  static Subscriber* find(Session& session, Filter& filter) {
    if (filter.subscribers.size() <= session.subscriptions.size()) {
      for (Subscriber& subscriber : filter.subscribers) {
        if (subscriber.session == &session) return &subscriber;
      }
      return nullptr;
    }
    for (const SubscriptionRef& subscription : session.subscriptions) {
      if (subscription.filter == &filter) return &filter.subscribers[subscription.position];
    }
    return nullptr;
  }

  // Its place in the share of a shared filter, or 0.
  static uint32_t memberOf(Session& session, Filter& filter) {
    const Subscriber* subscriber = find(session, filter);
    return subscriber ? session.subscriptions[subscriber->indexInSession].member : 0;
  }

 private:
  static void removeAt(Session& session, uint32_t index) {
    Filter* const filter = session.subscriptions[index].filter;
    const uint32_t position = session.subscriptions[index].position;
    RALLY_ASSERT(position < filter->subscribers.size());
    RALLY_ASSERT(filter->subscribers[position].session == &session);
    const Subscriber lastSubscriber = filter->subscribers.back();
    lastSubscriber.session->subscriptions[lastSubscriber.indexInSession].position = position;
    filter->subscribers[position] = lastSubscriber;
    filter->subscribers.pop_back();
    const SubscriptionRef last = session.subscriptions.back();
    session.subscriptions[index] = last;
    session.subscriptions.pop_back();
    if (index < session.subscriptions.size())
      last.filter->subscribers[last.position].indexInSession = index & subscriptionsMax;
  }

  // Frees memory when it is three quarters empty.
  static void shrink(std::vector<SubscriptionRef>& subscriptions) {
    if (subscriptions.capacity() < 64 || subscriptions.size() > subscriptions.capacity() / 4) return;
    std::vector<SubscriptionRef> smaller;
    smaller.reserve(subscriptions.capacity() / 2);
    smaller.assign(subscriptions.begin(), subscriptions.end());
    subscriptions.swap(smaller);
  }

  static constexpr uint32_t subscriptionsMax = (uint32_t(1) << 30) - 1;  // far beyond what memory has room for

  std::unordered_map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::vector<Session*> row_;
};

}  // namespace rally
