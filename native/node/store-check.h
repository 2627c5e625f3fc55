// Checks a store for the command `rallymq store`, on the calling thread: it takes as long as reading the store.
#pragma once
#include <node_api.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "../log/check.h"
#include "../log/directory-lock.h"
#include "method.h"
#include "store-state.h"

namespace rally::node {

// lockDirectory(directory): nobody else may use it until remove(), which leaves nothing of the lock.
inline napi_value removeLock(napi_env env, napi_callback_info info) {
  size_t count = 0;
  stateOf<log::DirectoryLock>(env, info, count, nullptr).remove();
  return nullptr;
}
inline napi_value lockDirectory(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  auto lock = std::make_unique<log::DirectoryLock>();
  const int error = lock->take(textOf(env, argument));
  if (error == EWOULDBLOCK) return faultOf(env, {log::OpenFault::Code::held, lock->holder()});
  if (error != 0) return faultOf(env, {log::OpenFault::Code::notUsable, std::strerror(error)});
  return objectWith(env, std::move(lock), std::array{Method{"remove", removeLock}});
}

// checkStore(directory, repairs, progress, rate, isLocked): `progress` is one byte, shared with other threads, the
// percentage; `rate`: the most bytes to read in a second, a segment at a time; 0: no limit.
inline napi_value checkStore(napi_env env, napi_callback_info info) {
  size_t count = 5;
  std::array<napi_value, 5> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  const double bytesPerSecond = double(integerOf(env, arguments[3]));
  const auto begunAt = std::chrono::steady_clock::now();
  const Bytes shown = bytesOf(env, arguments[2]);
  auto* percent = reinterpret_cast<std::atomic<uint8_t>*>(const_cast<uint8_t*>(shown.data()));
  const log::Report report = log::checkLog(textOf(env, arguments[0]), truthOf(env, arguments[1]),
                                           truthOf(env, arguments[4]), [&](uint64_t done, uint64_t total) {
                                             if (!shown.empty() && total > 0)
                                               percent->store(uint8_t(done * 100 / total), std::memory_order_relaxed);
                                             if (bytesPerSecond <= 0) return;
                                             const std::chrono::duration<double> due(double(done) / bytesPerSecond);
                                             std::this_thread::sleep_until(begunAt + due);
                                           });
  constexpr std::array<const char*, 4> faults = {"none", "held", "newerFormat", "notUsable"};
  napi_value result = nullptr;
  napi_create_object(env, &result);
  setText(env, result, "fault", faults[size_t(report.fault.code)]);
  setText(env, result, "detail", report.fault.detail);
  setNumber(env, result, "segments", double(report.segments));
  setNumber(env, result, "bytes", double(report.bytes));
  setNumber(env, result, "records", double(report.records));
  setNumber(env, result, "recordBytes", double(report.recordBytes));
  setNumber(env, result, "tornBytes", double(report.tornBytes));
  napi_value damage = nullptr;
  napi_create_array_with_length(env, report.damage.size(), &damage);
  for (uint32_t i = 0; i < report.damage.size(); i++) napi_set_element(env, damage, i, toObject(env, report.damage[i]));
  napi_set_named_property(env, result, "damage", damage);
  return result;
}

}  // namespace rally::node
