// The session directory's side of the lanes to the workers (lanes/directory-lane.h), on the main thread.
#pragma once
#include <node_api.h>

#include <array>
#include <memory>
#include <vector>

#include "brokers.h"
#include "values.h"

namespace rally::node {

// Calls a function of the main thread's JavaScript from the threads of workers. It keeps no event loop running.
class ConnectsBell {
 public:
  ConnectsBell(napi_env env, napi_value handler) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, "rallymq", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, handler, nullptr, name, 0, 1, nullptr, nullptr, nullptr, call, &function_);
    napi_unref_threadsafe_function(env, function_);
  }
  ~ConnectsBell() { napi_release_threadsafe_function(function_, napi_tsfn_abort); }
  ConnectsBell(const ConnectsBell&) = delete;
  ConnectsBell& operator=(const ConnectsBell&) = delete;

  // `row`: of the worker.
  void ring(unsigned row) const {
    napi_call_threadsafe_function(function_, reinterpret_cast<void*>(uintptr_t(row)), napi_tsfn_nonblocking);
  }

 private:
  static void call(napi_env env, napi_value handler, void*, void* data) {
    if (!env) return;  // the thread ends
    napi_value receiver = nullptr;
    napi_get_undefined(env, &receiver);
    const napi_value row = toNumber(env, double(reinterpret_cast<uintptr_t>(data)));
    if (napi_call_function(env, receiver, handler, 1, &row, nullptr) != napi_pending_exception) return;
    napi_value error = nullptr;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }

  napi_threadsafe_function function_ = nullptr;
};

// Before the workers of the broker start.
inline napi_value hearConnects(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  if (!broker) return nullptr;
  broker->setOnConnects([bell = std::make_shared<ConnectsBell>(env, arguments[1])](unsigned row) { bell->ring(row); });
  return nullptr;
}

inline napi_value takeConnects(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  if (!broker) return nullptr;
  const std::vector<uint8_t> connects = broker->takeConnects(uint32_t(integerOf(env, arguments[1])));
  return connects.empty() ? nullptr : toBytes(env, connects);
}

// Pairs of numbers: of a connection and a session.
inline napi_value acceptPlains(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  if (!broker) return nullptr;
  void* data = nullptr;
  size_t numbers = 0;
  napi_get_typedarray_info(env, arguments[2], nullptr, &numbers, &data, nullptr, nullptr);
  const auto* const number = static_cast<const double*>(data);
  std::vector<PlainAccept> accepts;
  accepts.reserve(numbers / 2);
  for (size_t i = 0; i + 1 < numbers; i += 2) accepts.push_back({uint64_t(number[i]), uint64_t(number[i + 1])});
  broker->acceptPlains(uint32_t(integerOf(env, arguments[1])), accepts);
  return nullptr;
}

}  // namespace rally::node
