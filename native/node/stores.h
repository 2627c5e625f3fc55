// The store of a broker, opened and read by JavaScript. Types and meanings: core/data-plane/addon.ts.
//
//   openStore() -> number of the broker that will be      recoverStore() -> promise, read on a thread of its own
//   readStore() -> promise, before that: what a node joins its cluster with
#pragma once
#include <node_api.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "background.h"
#include "brokers.h"

namespace rally::node {

// In the order of `storeFaults` in core/data-plane/addon.ts.
inline const char* nameOf(log::OpenFault::Code code) {
  switch (code) {
    case log::OpenFault::Code::held: return "held";
    case log::OpenFault::Code::newerFormat: return "newerFormat";
    default: return "notUsable";
  }
}

inline void setText(napi_env env, napi_value object, const char* name, const std::string& text) {
  napi_set_named_property(env, object, name, toText(env, bytesOf(text)));
}
inline void setNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_set_named_property(env, object, name, toNumber(env, number));
}

inline std::string hexOf(uint64_t number) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

// Changes of the log's state come from the writer thread, and reach JavaScript by a thread-safe function.
struct StateListener {
  struct Told {
    log::State state;
    std::string why;
  };
  napi_threadsafe_function function = nullptr;

  static void call(napi_env env, napi_value callback, void*, void* data) {
    const std::unique_ptr<Told> told(static_cast<Told*>(data));
    if (!env) return;
    constexpr std::array<const char*, 4> names = {"open", "scarce", "full", "failed"};
    const std::array<napi_value, 2> arguments = {toText(env, bytesOf(std::string(names[size_t(told->state)]))),
                                                 toText(env, bytesOf(told->why))};
    napi_value undefined = nullptr;
    napi_get_undefined(env, &undefined);
    napi_call_function(env, undefined, callback, arguments.size(), arguments.data(), nullptr);
  }
};

inline void listen(napi_env env, napi_value callback, log::Log& log) {
  napi_value name = nullptr;
  napi_create_string_utf8(env, "rallymq-log", NAPI_AUTO_LENGTH, &name);
  auto listener = std::make_shared<StateListener>();
  napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr, nullptr, StateListener::call,
                                  &listener->function);
  napi_unref_threadsafe_function(env, listener->function);
  log.onState([listener](log::State state, const std::string& why) {
    napi_call_threadsafe_function(listener->function, new StateListener::Told{state, why}, napi_tsfn_nonblocking);
  });
}

inline napi_value openStore(napi_env env, napi_callback_info info) {
  size_t count = 4;
  std::array<napi_value, 4> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  log::Options options;
  options.directory = textOf(env, arguments[0]);
  options.durability = textOf(env, arguments[1]) == "os" ? log::Durability::os : log::Durability::fsync;
  options.workers = unsigned(integerOf(env, arguments[2]));
  options.copiesForward = false;
  options.segmentBytes = uint32_t(limitOf(env, arguments[3], "logSegmentBytes"));
  options.pendingBytesMax = size_t(limitOf(env, arguments[3], "logPendingBytesMax"));
  const auto checkpointBytesMin = uint64_t(limitOf(env, arguments[3], "checkpointBytesMin"));
  napi_value isReplicated = nullptr;
  napi_get_named_property(env, arguments[3], "isReplicated", &isReplicated);
  options.isReplicated = truthOf(env, isReplicated);
  napi_value result = nullptr;
  napi_create_object(env, &result);
  log::OpenFault fault;
  std::unique_ptr<log::Log> opened = log::openLog(options, fault);
  if (!opened) {
    setText(env, result, "fault", nameOf(fault.code));
    setText(env, result, "detail", fault.detail);
    return result;
  }
  constexpr std::array<const char*, 4> warnings = {"", "memoryFileSystem", "networkFileSystem", "overlayFileSystem"};
  setText(env, result, "warning", warnings[size_t(opened->warning())]);
  setText(env, result, "log", hexOf(opened->identity()[0]));
  napi_value listener = nullptr;
  napi_get_named_property(env, arguments[3], "onStoreState", &listener);
  listen(env, listener, *opened);
  setNumber(env, result, "broker", registry().add(std::make_unique<Store>(std::move(opened), checkpointBytesMin)));
  return result;
}

// A typed array of JavaScript whose elements `fill` writes.
template <class Element, class Fill>
napi_value toArray(napi_env env, napi_typedarray_type type, size_t count, Fill&& fill) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  napi_create_arraybuffer(env, count * sizeof(Element), &data, &buffer);
  fill(std::span(static_cast<Element*>(data), count));
  napi_create_typedarray(env, type, count, buffer, 0, &array);
  return array;
}

// Columns, since there may be a million.
inline napi_value toColumns(napi_env env, const std::vector<RecoveredSession>& sessions) {
  napi_value columns = nullptr;
  napi_create_object(env, &columns);
  const auto setNumbers = [&](const char* name, auto&& valueOf) {
    const auto fill = [&](std::span<double> numbers) {
      for (size_t i = 0; i < sessions.size(); i++) numbers[i] = double(valueOf(sessions[i]));
    };
    napi_set_named_property(env, columns, name, toArray<double>(env, napi_float64_array, sessions.size(), fill));
  };
  const auto setOctets = [&](const char* name, size_t count, auto&& fill) {
    napi_set_named_property(env, columns, name, toArray<uint8_t>(env, napi_uint8_array, count, fill));
  };
  setNumbers("keys", [](const RecoveredSession& each) { return each.key; });
  const bool areStamped = std::any_of(sessions.begin(), sessions.end(),
                                      [](const RecoveredSession& each) { return each.stamp != 0; });
  if (areStamped) setNumbers("stamps", [](const RecoveredSession& each) { return each.stamp; });
  else napi_set_named_property(env, columns, "stamps", toArray<double>(env, napi_float64_array, 0, [](auto) {}));
  size_t end = 0;
  for (const RecoveredSession& each : sessions) end += each.clientId.size();
  size_t next = 0;
  const auto setEnds = [&](auto numbers) {
    using Number = typename decltype(numbers)::element_type;
    for (size_t i = 0; i < sessions.size(); i++) numbers[i] = Number(next += sessions[i].clientId.size());
  };
  napi_set_named_property(env, columns, "ends",
                          end <= UINT32_MAX ? toArray<uint32_t>(env, napi_uint32_array, sessions.size(), setEnds)
                                            : toArray<double>(env, napi_float64_array, sessions.size(), setEnds));
  setOctets("workers", sessions.size(), [&](std::span<uint8_t> workers) {
    for (size_t i = 0; i < sessions.size(); i++) workers[i] = uint8_t(sessions[i].worker);
  });
  setOctets("clientIds", end, [&](std::span<uint8_t> bytes) {
    auto to = bytes.begin();
    for (const RecoveredSession& each : sessions) to = std::copy(each.clientId.begin(), each.clientId.end(), to);
  });
  return columns;
}

inline napi_value toObject(napi_env env, const log::Damage& damage) {
  constexpr std::array<const char*, 6> names = {"bytes",         "segmentHeader", "segmentMissing",
                                                "groupsMissing", "foreign",       "unreadable"};
  napi_value object = nullptr;
  napi_create_object(env, &object);
  setText(env, object, "what", names[size_t(damage.what)]);
  setNumber(env, object, "segment", damage.at.segment());
  setNumber(env, object, "offset", damage.at.offset());
  setNumber(env, object, "bytes", double(damage.bytes));
  setText(env, object, "setAside", damage.setAside);
  napi_set_named_property(env, object, "isKnown", toBoolean(env, damage.isKnown));
  return object;
}

template <class Items>
napi_value toList(napi_env env, const Items& items) {
  napi_value list = nullptr;
  napi_create_array_with_length(env, items.size(), &list);
  uint32_t index = 0;
  for (const auto& item : items) napi_set_element(env, list, index++, toObject(env, item));
  return list;
}

inline napi_value readStore(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  const auto id = uint32_t(integerOf(env, arguments[0]));
  const auto workers = unsigned(integerOf(env, arguments[1]));
  Limits limits;
  if (!readLimits(env, arguments[2], limits)) return nullptr;
  return promiseInBackground(
      env, "rallymq-reading",
      [id, workers, limits, keys = randomKeys()] {
        registry().findStore(id)->read(workers, limits, keys.tables, true);
      },
      [id](napi_env here) {
        const Store& store = *registry().findStore(id);
        napi_value result = nullptr;
        napi_create_object(here, &result);
        setNumber(here, result, "runs", double(store.lastRun()));
        napi_set_named_property(here, result, "sessions", toColumns(here, store.sessions()));
        return result;
      });
}

inline napi_value toRecovered(napi_env env, Store& store) {
  napi_value result = nullptr;
  napi_create_object(env, &result);
  setNumber(env, result, "run", double(store.run()));
  napi_set_named_property(env, result, "sessions", toColumns(env, store.sessions()));
  store.forgetSessions();
  napi_set_named_property(env, result, "damage", toList(env, store.damage().parts));
  setNumber(env, result, "lostDeliveries", double(store.damage().lostDeliveries));
  setNumber(env, result, "unknownRecords", double(store.damage().unknownRecords));
  return result;
}

inline napi_value recoverStore(napi_env env, napi_callback_info info) {
  size_t count = 5;
  std::array<napi_value, 5> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  const auto id = uint32_t(integerOf(env, arguments[0]));
  const auto workers = unsigned(integerOf(env, arguments[1]));
  Limits limits;
  if (!readLimits(env, arguments[2], limits)) return nullptr;
  HashKeys keys = randomKeys();
  ClusterPlace place;  // incarnation 0: alone
  napi_valuetype type = napi_undefined;
  napi_typeof(env, arguments[4], &type);
  if (type == napi_object && !readPlace(env, arguments[4], workers, place, keys)) {
    napi_throw_range_error(env, "ERR_RALLYMQ_CLUSTER_PLACE", "the data plane has no such place in a cluster");
    return nullptr;
  }
  std::shared_ptr<const RuleBook> rules;
  bool hasRules = false;
  napi_is_typedarray(env, arguments[3], &hasRules);
  if (hasRules) rules = RuleBook::read(bytesOf(env, arguments[3]));
  return promiseInBackground(
      env, "rallymq-recovery",
      [id, workers, limits, keys, place, rules] {
        Store& store = *registry().findStore(id);
        Broker& broker = place.incarnation == 0 ? store.recover(workers, limits, keys.tables, rules)
                                                : store.recover(place, limits, keys, rules);
        store.fetching().start();
        registry().setBroker(id, broker);
      },
      [id](napi_env here) { return toRecovered(here, *registry().findStore(id)); });
}

inline napi_value storeProgress(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  const Store* store = registry().findStore(uint32_t(integerOf(env, argument)));
  const Store::Progress progress = store ? store->progress() : Store::Progress{};
  napi_value result = nullptr;
  napi_create_object(env, &result);
  setNumber(env, result, "bytesDone", double(progress.bytesDone));
  setNumber(env, result, "bytesTotal", double(progress.bytesTotal));
  return result;
}

}  // namespace rally::node
