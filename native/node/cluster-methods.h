// The methods of an Engine object for workers and slots. Types and meanings: core/data-plane/addon.ts.
#pragma once
#include "engine-methods.h"

namespace rally::node {

// The numbers of an array, each below `end`. False: one is not, and an error is thrown.
template <class Visit>
bool eachNumber(napi_env env, napi_value array, unsigned end, Visit&& visit) {
  uint32_t count = 0;
  napi_get_array_length(env, array, &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    napi_get_element(env, array, i, &element);
    const double number = numberOf(env, element);
    if (!(number >= 0 && number < end)) {
      napi_throw_range_error(env, "ERR_RALLYMQ_RANGE", "there is no such worker or slot");
      return false;
    }
    visit(unsigned(number));
  }
  return true;
}

inline bool readWorkers(napi_env env, napi_value array, unsigned end, uint64_t& workers) {
  return eachNumber(env, array, end, [&](unsigned worker) { workers |= bitOf(worker); });
}

inline napi_value startCluster(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Engine& engine = call.host->engine;
  uint64_t present = 0;
  if (!readWorkers(env, call.arguments[0], engine.numbersEnd(), present)) return nullptr;
  const Bytes bytes = call.bytes(1);
  SlotOwners owners;
  const bool areOwners = bytes.size() == owners.size() && std::all_of(bytes.begin(), bytes.end(), [&](uint8_t owner) {
                           return owner == SlotMap::nobody || owner < engine.numbersEnd();
                         });
  if (!areOwners) {
    napi_throw_range_error(env, "ERR_RALLYMQ_RANGE", "each of the 1,024 slots has a worker, or 255");
    return nullptr;
  }
  std::copy(bytes.begin(), bytes.end(), owners.begin());
  engine.startCluster(present, owners);
  return nullptr;
}

inline napi_value setPresent(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Engine& engine = call.host->engine;
  uint64_t present = 0;
  uint64_t elsewhere = 0;
  if (!readWorkers(env, call.arguments[0], engine.numbersEnd(), present) ||
      !readWorkers(env, call.arguments[1], engine.numbersEnd(), elsewhere))
    return nullptr;
  if (engine.isLeaving(present)) {
    napi_throw_error(env, "ERR_RALLYMQ_WORKER_GONE", "a worker that is gone is not forgotten yet");
    return nullptr;
  }
  engine.setPresent(present, elsewhere);
  return nullptr;
}

inline napi_value takeSlots(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  SlotSet slots;
  if (!eachNumber(env, call.arguments[0], slotCount, [&](unsigned slot) { slots.add(slot); })) return nullptr;
  return toNumber(env, double(call.host->engine.takeSlots(slots)));
}

inline napi_value workerGone(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  const uint64_t worker = call.integer(0);
  Engine& engine = call.host->engine;
  if (worker >= engine.numbersEnd() || worker == engine.index()) {
    napi_throw_range_error(env, "ERR_RALLYMQ_RANGE", "there is no such other worker");
    return nullptr;
  }
  call.host->updateNow();
  engine.workerGone(unsigned(worker));
  return nullptr;
}

inline napi_value awaitFilters(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  uint64_t workers = 0;
  if (readWorkers(env, call.arguments[0], call.host->engine.numbersEnd(), workers))
    eachWorker(workers, [&](unsigned worker) { call.host->engine.awaitFilters(worker); });
  return nullptr;
}

inline napi_value offersLeft(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, double(call.host->engine.offersLeft()));
}

inline napi_value walksLeft(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, double(call.host->engine.walksLeft()));
}

constexpr std::array clusterMethods = {
    Method{"awaitFilters", awaitFilters}, Method{"offersLeft", offersLeft}, Method{"walksLeft", walksLeft},
    Method{"startCluster", startCluster}, Method{"setPresent", setPresent}, Method{"takeSlots", takeSlots},
    Method{"workerGone", workerGone},
};

}  // namespace rally::node
