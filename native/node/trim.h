// Returns free memory to the system (trim-watch.h says when).
#pragma once
#include <malloc.h>
#include <node_api.h>

namespace rally::node {

// On a thread of libuv's pool: gigabytes take a tenth of a second, for which no event loop should stand still.
inline void trimMemory(napi_env env) {
  struct Trim {
    napi_async_work work = nullptr;
  };
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  napi_value name = nullptr;
  napi_create_string_utf8(env, "rallymq-trim", NAPI_AUTO_LENGTH, &name);
  auto* trim = new Trim();
  const napi_status made = napi_create_async_work(
      env, nullptr, name, [](napi_env, void*) { malloc_trim(0); },
      [](napi_env done, napi_status, void* data) {
        auto* over = static_cast<Trim*>(data);
        napi_delete_async_work(done, over->work);
        delete over;
      },
      trim, &trim->work);
  if (made == napi_ok) napi_queue_async_work(env, trim->work);
  else delete trim;  // the thread is ending
  napi_close_handle_scope(env, scope);
}

}  // namespace rally::node
