// Work on a thread of libuv's pool: what takes longer than an event loop should stand still.
#pragma once
#include <node_api.h>

#include <memory>
#include <utility>

namespace rally::node {

// Calls `run()` there and then `done(env)` on this thread. False, and neither is called, while this thread is ending.
template <class Run, class Done>
bool inBackground(napi_env env, const char* name, Run run, Done done) {
  struct Task {
    Run run;
    Done done;
    napi_async_work work = nullptr;
  };
  napi_value label = nullptr;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &label);
  auto task = std::make_unique<Task>(Task{std::move(run), std::move(done)});
  const napi_status made = napi_create_async_work(
      env, nullptr, label, [](napi_env, void* data) { static_cast<Task*>(data)->run(); },
      [](napi_env here, napi_status, void* data) {
        const std::unique_ptr<Task> over(static_cast<Task*>(data));
        over->done(here);
        napi_delete_async_work(here, over->work);
      },
      task.get(), &task->work);
  if (made != napi_ok) return false;
  napi_queue_async_work(env, task.release()->work);
  return true;
}

// A promise of what `toResult(env)` makes on this thread after `run()`.
template <class Run, class ToResult>
napi_value promiseInBackground(napi_env env, const char* name, Run run, ToResult toResult) {
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  napi_create_promise(env, &deferred, &promise);
  inBackground(env, name, std::move(run), [deferred, toResult = std::move(toResult)](napi_env here) {
    napi_resolve_deferred(here, deferred, toResult(here));
  });
  return promise;
}

}  // namespace rally::node
