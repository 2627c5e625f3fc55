// The sessions of the state from the log, by key. They are in large memory blocks of their own, which are returned to
// the system when the state is no longer needed: the engines' own data remains.
#pragma once
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/slab.h"
#include "logged-session.h"

namespace rally {

class LoggedSessions {
 public:
  size_t size() const { return sessions_.size(); }
  // nullptr: not found.
  LoggedSession* find(uint64_t key) {
    const uint32_t id = idOf(key);
    return id == 0 ? nullptr : &sessions_[id];
  }
  // Created if missing.
  LoggedSession& operator[](uint64_t key) {
    if (LoggedSession* const known = find(key)) return *known;
    const uint32_t id = sessions_.add();
    sessions_[id].key = key;
    index_.add(hashNumber(key), id);
    return sessions_[id];
  }
  // It must exist.
  void erase(uint64_t key) {
    const uint32_t id = idOf(key);
    index_.remove(hashNumber(key), id);
    sessions_.remove(id);
  }
  template <class Visit>
  void each(Visit&& visit) {
    sessions_.each(visit);
  }

 private:
  uint32_t idOf(uint64_t key) const {
    return index_.find(hashNumber(key), [&](uint32_t id) { return sessions_[id].key == key; });
  }

  Slab<LoggedSession> sessions_;
  HashIndex index_;
};

}  // namespace rally
