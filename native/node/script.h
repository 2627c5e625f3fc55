// Calls into the JavaScript of a worker.
#pragma once
#include <node_api.h>

#include <array>
#include <initializer_list>
#include <utility>

#include "../front-end/events.h"
#include "values.h"

namespace rally::node {

// Calls the functions of the worker. Events may start promises and timers, so they are called as callbacks of the
// event loop, in scopes that the first event of a turn opens and the end of the turn closes. The host program's bytes
// are only posted, and are passed directly, even in the middle of other JavaScript.
class Script {
 public:
  Script(napi_env env, napi_value handlers) : env_(env) {
    napi_create_reference(env, handlers, 1, &handlers_);
    onEvent_ = functionOf(handlers, "onEvent");
    onOpening_ = functionOf(handlers, "onOpening");
    onHostBytes_ = functionOf(handlers, "onHostBytes");
    onHostTaken_ = functionOf(handlers, "onHostTaken");
    onFrame_ = functionOf(handlers, "onFrame");
    napi_value name = nullptr;
    napi_create_string_utf8(env, "rallymq", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, handlers, name, &context_);
  }
  ~Script() {
    napi_async_destroy(env_, context_);
    for (napi_ref reference : {handlers_, onEvent_, onOpening_, onHostBytes_, onHostTaken_, onFrame_}) {
      if (reference) napi_delete_reference(env_, reference);
    }
  }

  void onEvent(const Event& event) {
    if (!callbackScope_) openScopes();
    if (event.kind == EventKind::opening)
      call(onOpening_, {double(event.slot), double(event.value)}, [&] { return toLatin1(env_, event.bytes); });
    else
      call(onEvent_,
           {double(event.kind), double(event.slot), double(event.first), double(event.reason), double(event.value)},
           [&] { return toBytes(env_, event.bytes); });
  }
  void onHostBytes(Bytes bytes) {
    call(onHostBytes_, {}, [&] { return toBytes(env_, bytes); });
  }
  void onHostTaken(double bytes) {
    call(onHostTaken_, {bytes}, [&] { return toNumber(env_, 0); });
  }

  // Whether there is a function for the frames of links.
  bool takesFrames() const { return onFrame_ != nullptr; }
  void onFrame(unsigned worker, Bytes frame) {
    if (!callbackScope_) openScopes();
    call(onFrame_, {double(worker)}, [&] { return toBytes(env_, frame); });
  }

  void endTurn() {
    if (!callbackScope_) return;
    napi_close_callback_scope(env_, std::exchange(callbackScope_, nullptr));
    napi_close_handle_scope(env_, std::exchange(handleScope_, nullptr));
  }

 private:
  // nullptr: there is none.
  napi_ref functionOf(napi_value handlers, const char* name) {
    napi_value function = nullptr;
    napi_ref reference = nullptr;
    napi_valuetype type = napi_undefined;
    napi_get_named_property(env_, handlers, name, &function);
    napi_typeof(env_, function, &type);
    if (type == napi_function) napi_create_reference(env_, function, 1, &reference);
    return reference;
  }

  void openScopes() {
    napi_open_handle_scope(env_, &handleScope_);
    napi_value handlers = nullptr;
    napi_get_reference_value(env_, handlers_, &handlers);
    napi_open_callback_scope(env_, handlers, context_, &callbackScope_);
  }

  // `last()` makes the last argument.
  template <class Last>
  void call(napi_ref reference, std::initializer_list<double> numbers, Last&& last) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    napi_value handlers = nullptr;
    napi_value function = nullptr;
    napi_get_reference_value(env_, handlers_, &handlers);
    napi_get_reference_value(env_, reference, &function);
    std::array<napi_value, 6> arguments{};
    size_t count = 0;
    for (const double number : numbers) arguments[count++] = toNumber(env_, number);
    arguments[count++] = last();
    if (arguments[count - 1] &&
        napi_call_function(env_, handlers, function, count, arguments.data(), nullptr) == napi_pending_exception) {
      napi_value error = nullptr;
      napi_get_and_clear_last_exception(env_, &error);
      napi_fatal_exception(env_, error);
    }
    napi_close_handle_scope(env_, scope);
  }

  const napi_env env_;
  napi_ref handlers_ = nullptr;
  napi_ref onEvent_ = nullptr;
  napi_ref onOpening_ = nullptr;
  napi_ref onHostBytes_ = nullptr;
  napi_ref onHostTaken_ = nullptr;
  napi_ref onFrame_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_handle_scope handleScope_ = nullptr;
  napi_callback_scope callbackScope_ = nullptr;
};

}  // namespace rally::node
