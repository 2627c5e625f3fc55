// The sessions of a front end and their subscriptions.
//
//   session.subscriptions[i] = { filter, position }  <-->  filter.subscribers[position] = { session, i }
//
// Each side knows its place in the other, so that either is removed in constant time.
//
// The sessions are in a slab, so that all of them can be visited a few at a time while others come and go, from the
// last place to the first. One that takes the place of a removed one is newer. They are found through an index from
// their keys to places.
#pragma once
#include <memory>

#include "../assert.h"
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/slab.h"
#include "session.h"

namespace rally {

class SessionTable {
  // Their memory is returned in pieces of about 10 KB.
  using Sessions = Slab<Session, 64>;

  class Release {
   public:
    Release() = default;
    Release(Sessions& sessions, uint32_t id) : sessions_(&sessions), id_(id) {}
    void operator()(Session*) const { sessions_->remove(id_); }

   private:
    Sessions* sessions_ = nullptr;
    uint32_t id_ = 0;
  };

 public:
  // A session that nobody finds, in the memory of the table.
  using Taken = std::unique_ptr<Session, Release>;

  Session* find(uint64_t key) {
    const uint32_t id = idOf(key);
    return id == 0 ? nullptr : &sessions_[id];
  }
  // Once a turn: continues resizing.
  void proceed() { index_.proceed(); }

  // About this many sessions will be added.
  void reserve(size_t count) { index_.reserve(count); }
  // There must be none with this key.
  Session& create(uint64_t key) {
    RALLY_ASSERT(!find(key));
    const uint32_t id = sessions_.add();
    Session& session = sessions_[id];
    session.key = key;
    session.isInTable = true;
    index_.add(hashNumber(key), id);
    return session;
  }
  // Nobody finds it.
  Taken createTaken(uint64_t key) {
    const uint32_t id = sessions_.add();
    sessions_[id].key = key;
    return Taken(&sessions_[id], Release(sessions_, id));
  }

  // `visit` may remove sessions; those that come meanwhile are visited or not.
  template <class Visit>
  void each(Visit&& visit) {
    sessions_.each([&](Session& session) {
      if (session.isInTable) visit(session);
    });
  }
  size_t size() const { return index_.size(); }
  // All places are below this.
  uint32_t placesEnd() const { return sessions_.end(); }
  // nullptr: there is none at this place.
  Session* at(uint32_t place) {
    return sessions_.isUsed(place) && sessions_[place].isInTable ? &sessions_[place] : nullptr;
  }

  // Removes the session, which must exist, and releases its key. Its subscriptions must be removed before it is freed.
  Taken take(Session& session) {
    const uint32_t id = idOf(session.key);
    RALLY_ASSERT(id != 0 && &sessions_[id] == &session);
    index_.remove(hashNumber(session.key), id);
    session.isInTable = false;
    return Taken(&session, Release(sessions_, id));
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
  // Its place; 0: there is none.
  uint32_t idOf(uint64_t key) const {
    return index_.find(hashNumber(key), [&](uint32_t id) { return sessions_[id].key == key; });
  }

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

  Sessions sessions_;
  HashIndex index_;
};

}  // namespace rally
