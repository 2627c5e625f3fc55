// The subscriptions of a session in the state from the log, by topic filter.
//
//   all_     in any order
//   index_   of more than a few: hash of the filter -> place + 1
#pragma once
#include <vector>

#include "../structures/free-memory.h"
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/lazy.h"
#include "../structures/short-text.h"

namespace rally {

struct LoggedSubscription {
  uint8_t qos = 0;
  bool noLocal = false;
  bool retainAsPublished = false;
  uint32_t subscriptionId = 0;

  bool operator==(const LoggedSubscription&) const = default;
};

class LoggedSubscriptions {
 public:
  struct Each {
    NameText filter;
    LoggedSubscription options;
  };

  bool isEmpty() const { return all_.empty(); }
  const Each& last() const { return all_.back(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

  const LoggedSubscription* find(Bytes filter) const {
    const uint32_t id = idOf(filter);
    return id == 0 ? nullptr : &all_[id - 1].options;
  }
  // The filter must not exist yet.
  void add(Bytes filter, const LoggedSubscription& options) {
    all_.push_back({NameText(filter), options});
    if (index_.isMade()) index_.own().add(hashOf(filter), uint32_t(all_.size()));
    else if (all_.size() > fewMax)
      for (uint32_t id = 1; id <= all_.size(); id++) index_.own().add(hashOf(textOf(id)), id);
  }
  // False: it did not exist.
  bool remove(Bytes filter) {
    const uint32_t id = idOf(filter);
    if (id == 0) return false;
    const auto lastId = uint32_t(all_.size());
    if (index_.isMade()) {
      index_.own().remove(hashOf(filter), id);
      if (id != lastId) {
        index_.own().remove(hashOf(textOf(lastId)), lastId);
        index_.own().add(hashOf(textOf(lastId)), id);
      }
    }
    if (id != lastId) all_[id - 1] = std::move(all_.back());
    all_.pop_back();
    return true;
  }
  // Frees them.
  void clear() {
    freeMemory(all_);
    index_.reset();
  }

 private:
  static constexpr size_t fewMax = 16;
  static inline const uint64_t seed = randomSeed();

  static uint64_t hashOf(Bytes filter) { return hashBytes(filter, seed); }
  Bytes textOf(uint32_t id) const { return all_[id - 1].filter.bytes(); }
  uint32_t idOf(Bytes filter) const {
    if (index_.isMade()) return index_->find(hashOf(filter), [&](uint32_t id) { return areEqual(textOf(id), filter); });
    for (uint32_t id = 1; id <= all_.size(); id++)
      if (areEqual(textOf(id), filter)) return id;
    return 0;
  }

  std::vector<Each> all_;
  Lazy<HashIndex> index_;
};

}  // namespace rally
