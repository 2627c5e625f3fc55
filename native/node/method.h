// Objects for JavaScript, and their methods.
#pragma once
#include <node_api.h>

#include <array>
#include <memory>

namespace rally::node {

struct Method {
  const char* name;
  napi_callback function;
};

inline void define(napi_env env, napi_value object, const Method& method, void* data) {
  napi_value function = nullptr;
  napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.function, data, &function);
  napi_set_named_property(env, object, method.name, function);
}

inline napi_value newObject(napi_env env) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
  return object;
}

// An object with methods on a `State`, which lives as long as the object.
template <class State>
State& stateOf(napi_env env, napi_callback_info info, size_t& count, napi_value* arguments) {
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  return *static_cast<State*>(data);
}
template <class State, size_t count>
napi_value objectWith(napi_env env, std::unique_ptr<State> state, const std::array<Method, count>& methods) {
  napi_value object = newObject(env);
  State* const data = state.release();
  for (const Method& method : methods) define(env, object, method, data);
  napi_wrap(
      env, object, data, [](napi_env, void* held, void*) { delete static_cast<State*>(held); }, nullptr, nullptr);
  return object;
}

}  // namespace rally::node
