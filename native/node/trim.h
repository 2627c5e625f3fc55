// Returns free memory to the system (trim-watch.h says when).
#pragma once
#include <malloc.h>
#include <node_api.h>

#include "background.h"

namespace rally::node {

// In the background: gigabytes take a tenth of a second.
inline void trimMemory(napi_env env) {
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  inBackground(
      env, "rallymq-trim", [] { malloc_trim(0); }, [](napi_env) {});
  napi_close_handle_scope(env, scope);
}

}  // namespace rally::node
