// The sessions of a front end and their subscriptions.
//
//   session.subscriptions[i] = { filter, position }  <-->  filter.subscribers[position] = { session, i }
//
// Each side knows its place in the other, so that either is removed in constant time.
//
// The sessions are in a row, so that all of them can be visited a few at a time while others come and go, from the last
// to the first. The one that takes the place of a removed one was visited already, or is newer. They are found through
// an index from their keys to places in the row.
#pragma once
#include <memory>
#include <vector>

#include "../assert.h"
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "session.h"

namespace rally {

class SessionTable {
 public:
  Session* find(uint64_t key) {
    const uint32_t id = index_.find(hashNumber(key), [&](uint32_t each) { return row_[each - 1]->key == key; });
    return id == 0 ? nullptr : row_[id - 1].get();
  }
  // Once a turn: continues resizing.
  void proceed() { index_.proceed(); }

  // About so many are about to come.
  void reserve(size_t count) {
    index_.reserve(count);
    row_.reserve(count);
  }
  // There must be none with this key.
  Session& create(uint64_t key) {
    RALLY_ASSERT(!find(key) && row_.size() < UINT32_MAX - 1);
    row_.push_back(std::make_unique<Session>());
    Session& session = *row_.back();
    session.key = key;
    session.rowPlace = uint32_t(row_.size() - 1);
    index_.add(hashNumber(key), session.rowPlace + 1);
    return session;
  }

  // None may come or go meanwhile.
  template <class Visit>
  void each(Visit&& visit) {
    for (const std::unique_ptr<Session>& session : row_) visit(*session);
  }
  size_t size() const { return row_.size(); }
  Session& at(size_t place) const { return *row_[place]; }

  // Removes the session, which must exist, and releases its key. Its subscriptions must be removed before it is freed.
  std::unique_ptr<Session> take(Session& session) {
    const uint32_t place = session.rowPlace;
    RALLY_ASSERT(place < row_.size() && row_[place].get() == &session);
    std::unique_ptr<Session> taken = std::move(row_[place]);
    index_.remove(hashNumber(taken->key), place + 1);
    if (place + 1 < row_.size()) {
      index_.remove(hashNumber(row_.back()->key), uint32_t(row_.size()));
      index_.add(hashNumber(row_.back()->key), place + 1);
      row_.back()->rowPlace = place;
      row_[place] = std::move(row_.back());
    }
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
    return true;
  }

  // Removes the last of the session's subscriptions, of which there must be one; gives its filter.
  static Filter& unsubscribeLast(Session& session) {
    RALLY_ASSERT(!session.subscriptions.isEmpty());
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

  static constexpr uint32_t subscriptionsMax = (uint32_t(1) << 30) - 1;  // far beyond what memory has room for

  std::vector<std::unique_ptr<Session>> row_;
  HashIndex index_;  // place in the row, + 1
};

}  // namespace rally
