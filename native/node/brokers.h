// The brokers of this process, and JavaScript's operations on a whole broker. Types and meanings:
// core/data-plane/addon.ts.
#pragma once
#include <node_api.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "../broker.h"
#include "../durable/store.h"
#include "values.h"
#ifdef RALLYMQ_FAULTS
#include "../faults/fault-plan.h"
#endif

namespace rally::node {

// The brokers of this process, by their numbers in JavaScript. The only state that is shared by all threads which load
// the addon.
class Registry {
 public:
  uint32_t add(std::unique_ptr<Broker> broker) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[++last_];
    entry.broker = broker.get();
    entry.own = std::move(broker);
    return last_;
  }
  // A number for a broker whose store is being read.
  uint32_t add(std::unique_ptr<Store> store) {
    const std::lock_guard lock(mutex_);
    entries_[++last_].store = std::move(store);
    return last_;
  }
  void setBroker(uint32_t id, Broker& broker) {
    const std::lock_guard lock(mutex_);
    entries_[id].broker = &broker;
  }
  Broker* find(uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second.broker;
  }
  Store* findStore(uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second.store.get();
  }
  // nullptr: there is none, or its log is not replicated.
  std::shared_ptr<log::Replica> findReplica(uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    return found == entries_.end() || !found->second.store ? nullptr : found->second.store->log().replica();
  }
  void remove(uint32_t id) {
    Entry entry;
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(id);
      if (found == entries_.end()) return;
      entry = std::move(found->second);
      entries_.erase(found);
    }
    if (entry.store) entry.store->close();
  }

 private:
  struct Entry {
    Broker* broker = nullptr;
    std::unique_ptr<Broker> own;   // without a store
    std::unique_ptr<Store> store;  // has it otherwise
  };
  std::mutex mutex_;
  std::map<uint32_t, Entry> entries_;
  uint32_t last_ = 0;
};

// Never destroyed: process.exit() may come while a broker runs, whose threads then end with the process.
inline Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

// False: one is missing or out of range, and an error is thrown.
inline bool readLimits(napi_env env, napi_value rules, Limits& limits) {
  for (const LimitField& field : limitFields) {
    if (field.set(limits, limitOf(env, rules, field.name))) continue;
    const std::string message = std::string("the data plane cannot keep to ") + field.name;
    napi_throw_type_error(env, "ERR_RALLYMQ_RULE", message.c_str());
    return false;
  }
  return true;
}

inline HashKeys randomKeys() {
  HashKeys keys;
  RALLY_ASSERT(getrandom(&keys, sizeof keys, 0) == sizeof keys);
#ifdef RALLYMQ_FAULTS
  keys = faults::FaultPlan::instance().hashKeys();
#endif
  return keys;
}

// As `ClusterPlace` in core/data-plane/addon.ts. False: it is invalid for this number of workers.
inline bool readPlace(napi_env env, napi_value object, unsigned workers, ClusterPlace& place, HashKeys& keys) {
  const auto property = [&](const char* name) {
    napi_value value = nullptr;
    napi_get_named_property(env, object, name, &value);
    return value;
  };
  const uint64_t end = integerOf(env, property("numbersEnd"));
  place.incarnation = integerOf(env, property("incarnation"));
  place.workers = unsigned(std::min<uint64_t>(end, workersMax + 1));
  place.areWillsOver = truthOf(env, property("areWillsOver"));
  const napi_value numbers = property("numbers");
  uint32_t count = 0;
  napi_get_array_length(env, numbers, &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value number = nullptr;
    napi_get_element(env, numbers, i, &number);
    const uint64_t worker = integerOf(env, number);
    if (worker >= place.workers || worker >= workersMax) return false;
    place.here |= uint64_t(1) << worker;
  }
  const Bytes bytes = bytesOf(env, property("hashKeys"));
  if (bytes.size() != sizeof keys) return false;
  std::memcpy(&keys, bytes.data(), sizeof keys);
  return place.incarnation != 0 && place.workers <= workersMax && count == workers &&
         unsigned(__builtin_popcountll(place.here)) == workers && workers > 0;
}

inline napi_value createBroker(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Limits limits;
  if (!readLimits(env, arguments[1], limits)) return nullptr;
  const auto workers = unsigned(integerOf(env, arguments[0]));
  napi_valuetype type = napi_undefined;
  napi_typeof(env, arguments[2], &type);
  if (type == napi_object) {
    ClusterPlace place;
    HashKeys keys;
    if (readPlace(env, arguments[2], workers, place, keys))
      return toNumber(env, registry().add(std::make_unique<Broker>(place, limits, keys)));
    napi_throw_range_error(env, "ERR_RALLYMQ_CLUSTER_PLACE", "the data plane has no such place in a cluster");
    return nullptr;
  }
  return toNumber(env, registry().add(std::make_unique<Broker>(workers, limits, randomKeys())));
}

inline napi_value destroyBroker(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  registry().remove(uint32_t(integerOf(env, argument)));
  return nullptr;
}

// The rules that take effect once each worker has adopted them.
inline napi_value setRules(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  if (broker) broker->rules().put(RuleBook::read(bytesOf(env, arguments[1])));
  return nullptr;
}

// The rights of a client, which need not have a session. Without rules everything is allowed.
template <bool (RuleBook::*Question)(const Access&, Bytes) const>
napi_value askRules(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  const std::shared_ptr<const RuleBook> book = broker ? broker->rules().take() : nullptr;
  if (!book) return toBoolean(env, broker != nullptr);
  Reader reader(bytesOf(env, arguments[1]));
  const std::shared_ptr<const Access> access = readAccess(reader);
  const std::string topic = textOf(env, arguments[2]);
  return toBoolean(env, (book.get()->*Question)(*access, bytesOf(topic)));
}

// The broker named by the only argument, or nullptr.
inline const Broker* brokerOf(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  return registry().find(uint32_t(integerOf(env, argument)));
}

// The sums over all workers, in the order of `Counter`.
inline napi_value readCounters(napi_env env, napi_callback_info info) {
  const Broker* broker = brokerOf(env, info);
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (uint32_t i = 0; broker && i < uint32_t(Counter::count); i++) {
    napi_set_element(env, list, i, toNumber(env, double(broker->total(Counter(i)))));
  }
  return list;
}

// The histograms. In the order of `timeNames` in core/data-plane/addon.ts, which compares the names when it loads the
// addon.
enum class Time : uint8_t {
  loopLag,       // turns of the workers' event loops, of each worker
  deliveryTime,  // from the reading of a PUBLISH to the writing of a subscriber's socket, of each worker; sampled
  logCommit,     // of a group of records to the disk; of the broker, if it has a log
  count,
};

inline napi_value toNumbers(napi_env env, const auto& numbers) {
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (uint32_t i = 0; i < numbers.size(); i++) napi_set_element(env, list, i, toNumber(env, double(numbers[i])));
  return list;
}

template <class Times>
void putTimes(std::vector<double>& list, const Times& times) {
  for (size_t bucket = 0; bucket < Times::buckets; bucket++) list.push_back(double(times.count(bucket)));
  list.push_back(double(times.sumNanoseconds()) / 1e9);
}

// The count of each bucket, and the sum in seconds; for each worker, one after the other.
inline napi_value readTimes(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  std::vector<double> list;
  const auto time = Time(integerOf(env, arguments[1]));
  if (broker) {
    broker->eachCounters([&](const Counters& counters) {
      if (time == Time::loopLag) putTimes(list, counters.loopLag);
      if (time == Time::deliveryTime) putTimes(list, counters.deliveryTime);
    });
  }
  const Latencies* commits = broker ? broker->engineAt(0).journal().commitTimes() : nullptr;
  if (time == Time::logCommit && commits) putTimes(list, *commits);
  return toNumbers(env, list);
}

// The bounds of the buckets, in microseconds; one more bucket has none.
inline napi_value boundsOf(napi_env env, Time time) {
  return time == Time::loopLag ? toNumbers(env, TurnTimes::boundsUs) : toNumbers(env, Latencies::boundsUs);
}

}  // namespace rally::node
