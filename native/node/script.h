// Calls into the JavaScript of a worker.
#pragma once
#include <node_api.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "values.h"

namespace rally::node {

// Calls the functions of the worker. Events may start promises and timers, so they are called as callbacks of the
// event loop, in scopes that the first event of a turn opens and the end of the turn closes. The host program's bytes
// are only posted, and are passed directly, even in the middle of other JavaScript.
class Script {
 public:
  Script(napi_env env, napi_value handlers) : env_(env) {
    napi_create_reference(env, handlers, 1, &handlers_);
    onEvents_ = functionOf(handlers, "onEvents");
    onHostBytes_ = functionOf(handlers, "onHostBytes");
    onHostTaken_ = functionOf(handlers, "onHostTaken");
    onFrame_ = functionOf(handlers, "onFrame");
    napi_value name = nullptr;
    napi_create_string_utf8(env, "rallymq", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, handlers, name, &context_);
    void* memory = nullptr;
    napi_value buffer = nullptr;
    napi_create_arraybuffer(env, eventBytes, &memory, &buffer);
    napi_create_reference(env, buffer, 1, &eventBuffer_);
    eventMemory_ = {static_cast<uint8_t*>(memory), eventBytes};
  }
  ~Script() {
    napi_async_destroy(env_, context_);
    for (napi_ref reference : {handlers_, eventBuffer_, onEvents_, onHostBytes_, onHostTaken_, onFrame_}) {
      if (reference) napi_delete_reference(env_, reference);
    }
  }

  // Returns memory for event records, with room for at least this many bytes.
  std::span<uint8_t> eventMemory(size_t bytes) {
    large_.resize(bytes > eventBytes ? bytes : 0);
    return large_.empty() ? eventMemory_ : large_;
  }
  // So many bytes of records lie there.
  void onEvents(size_t bytes) {
    if (!callbackScope_) openScopes();
    call(onEvents_, [&] {
      return std::array{large_.empty() ? valueOf(eventBuffer_) : toBuffer(env_, large_), toNumber(env_, double(bytes))};
    });
    large_ = {};
  }
  void onHostBytes(Bytes bytes) {
    call(onHostBytes_, [&] { return std::array{toBytes(env_, bytes)}; });
  }
  void onHostTaken(double bytes) {
    call(onHostTaken_, [&] { return std::array{toNumber(env_, bytes)}; });
  }

  // Whether there is a function for the frames of links.
  bool takesFrames() const { return onFrame_ != nullptr; }
  void onFrame(unsigned worker, Bytes frame) {
    if (!callbackScope_) openScopes();
    call(onFrame_, [&] { return std::array{toNumber(env_, worker), toBytes(env_, frame)}; });
  }

  void endTurn() {
    if (!callbackScope_) return;
    napi_close_callback_scope(env_, std::exchange(callbackScope_, nullptr));
    napi_close_handle_scope(env_, std::exchange(handleScope_, nullptr));
  }

 private:
  // Room for a few hundred CONNECTs.
  static constexpr size_t eventBytes = 65'536;

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
    napi_open_callback_scope(env_, valueOf(handlers_), context_, &callbackScope_);
  }

  napi_value valueOf(napi_ref reference) {
    napi_value value = nullptr;
    napi_get_reference_value(env_, reference, &value);
    return value;
  }

  // `make()` makes the arguments, which cannot be made while the thread is ending.
  template <class Make>
  void call(napi_ref function, Make&& make) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    const auto arguments = make();
    const bool areMade = std::ranges::none_of(arguments, [](napi_value value) { return value == nullptr; });
    if (areMade && napi_call_function(env_, valueOf(handlers_), valueOf(function), arguments.size(), arguments.data(),
                                      nullptr) == napi_pending_exception) {
      napi_value error = nullptr;
      napi_get_and_clear_last_exception(env_, &error);
      napi_fatal_exception(env_, error);
    }
    napi_close_handle_scope(env_, scope);
  }

  const napi_env env_;
  napi_ref handlers_ = nullptr;
  napi_ref eventBuffer_ = nullptr;
  std::span<uint8_t> eventMemory_;  // of eventBuffer_
  std::vector<uint8_t> large_;      // for an event that has no room there
  napi_ref onEvents_ = nullptr;
  napi_ref onHostBytes_ = nullptr;
  napi_ref onHostTaken_ = nullptr;
  napi_ref onFrame_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_handle_scope handleScope_ = nullptr;
  napi_callback_scope callbackScope_ = nullptr;
};

}  // namespace rally::node
