// A method of an object for JavaScript.
#pragma once
#include <node_api.h>

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

}  // namespace rally::node
