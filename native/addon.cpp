// The Node-API surface of the data plane: the only file that knows JavaScript.
//
// A worker thread makes one `Engine` object. It hooks the worker's event loop, so that nothing has to
// be scheduled from JavaScript:
//
//   poll     sockets are read
//   check    turn(): lanes -> events to JavaScript -> outboxes to sockets -> lanes handed over
//   prepare  turn() again for what timers and promises did; then sleep, if nothing is left to do
//
// JavaScript is called with the control plane's events, never with a message, except the host program's.
// Types and meanings of all functions: core/data-plane/addon.ts.
#include <malloc.h>
#include <node_api.h>
#include <node_version.h>
#include <sys/random.h>
#include <uv.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#include <v8.h>
#pragma GCC diagnostic pop

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broker.h"
#include "net/sockets.h"
#include "net/uwebsockets.h"

namespace rally {
namespace {

// The brokers of this process, by the number that JavaScript knows them by. The one thing that is
// shared by all threads which load the addon.
class Registry {
 public:
  uint32_t add(std::unique_ptr<Broker> broker) {
    const std::lock_guard lock(mutex_);
    brokers_[++last_] = std::move(broker);
    return last_;
  }
  Broker* find(uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = brokers_.find(id);
    return found == brokers_.end() ? nullptr : found->second.get();
  }
  void remove(uint32_t id) {
    const std::lock_guard lock(mutex_);
    brokers_.erase(id);
  }

 private:
  std::mutex mutex_;
  std::map<uint32_t, std::unique_ptr<Broker>> brokers_;
  uint32_t last_ = 0;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

// --- values -----------------------------------------------------------------------------------------

double numberOf(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}
uint64_t integerOf(napi_env env, napi_value value) { return uint64_t(numberOf(env, value)); }

bool truthOf(napi_env env, napi_value value) {
  bool truth = false;
  napi_get_value_bool(env, value, &truth);
  return truth;
}

std::string textOf(napi_env env, napi_value value) {
  size_t size = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &size);
  std::string text(size, '\0');
  napi_get_value_string_utf8(env, value, text.data(), size + 1, &size);
  return text;
}
Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// The bytes of a Uint8Array, valid during the call.
Bytes bytesOf(napi_env env, napi_value value) {
  void* data = nullptr;
  size_t size = 0;
  napi_get_typedarray_info(env, value, nullptr, &size, &data, nullptr, nullptr);
  return {static_cast<const uint8_t*>(data), size};
}

napi_value toNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}
napi_value toBoolean(napi_env env, bool truth) {
  napi_value value = nullptr;
  napi_get_boolean(env, truth, &value);
  return value;
}
napi_value toText(napi_env env, Bytes bytes) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, reinterpret_cast<const char*>(bytes.data()), bytes.size(), &value);
  return value;
}
// Null while the thread is being ended: there is no JavaScript any more.
napi_value toBytes(napi_env env, Bytes bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array);
  return array;
}

double limitOf(napi_env env, napi_value limits, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, limits, name, &value);
  return numberOf(env, value);
}

// --- calls into JavaScript --------------------------------------------------------------------------

// Calls the two functions of the worker. Events may set off promises and timers, so they are called as
// callbacks of the event loop, in scopes that the first event of a turn opens and the end of the turn
// closes. The host program's bytes are only posted and handed over plainly, also in the middle of other
// JavaScript.
class Script {
 public:
  Script(napi_env env, napi_value handlers) : env_(env) {
    napi_create_reference(env, handlers, 1, &handlers_);
    onEvent_ = functionOf(handlers, "onEvent");
    onHostBytes_ = functionOf(handlers, "onHostBytes");
    napi_value name = nullptr;
    napi_create_string_utf8(env, "rallymq", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, handlers, name, &context_);
  }
  ~Script() {
    napi_async_destroy(env_, context_);
    for (napi_ref reference : {handlers_, onEvent_, onHostBytes_}) napi_delete_reference(env_, reference);
  }

  void onEvent(const Event& event) {
    if (!callbackScope_) openScopes();
    call(onEvent_, {double(event.kind), double(event.slot), double(event.first), double(event.reason), double(event.value)}, event.bytes);
  }
  void onHostBytes(Bytes bytes) { call(onHostBytes_, {}, bytes); }

  void endTurn() {
    if (!callbackScope_) return;
    napi_close_callback_scope(env_, std::exchange(callbackScope_, nullptr));
    napi_close_handle_scope(env_, std::exchange(handleScope_, nullptr));
  }

 private:
  napi_ref functionOf(napi_value handlers, const char* name) {
    napi_value function = nullptr;
    napi_ref reference = nullptr;
    napi_get_named_property(env_, handlers, name, &function);
    napi_create_reference(env_, function, 1, &reference);
    return reference;
  }

  void openScopes() {
    napi_open_handle_scope(env_, &handleScope_);
    napi_value handlers = nullptr;
    napi_get_reference_value(env_, handlers_, &handlers);
    napi_open_callback_scope(env_, handlers, context_, &callbackScope_);
  }

  void call(napi_ref reference, std::initializer_list<double> numbers, Bytes bytes) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    napi_value handlers = nullptr;
    napi_value function = nullptr;
    napi_get_reference_value(env_, handlers_, &handlers);
    napi_get_reference_value(env_, reference, &function);
    std::array<napi_value, 6> arguments{};
    size_t count = 0;
    for (const double number : numbers) arguments[count++] = toNumber(env_, number);
    arguments[count++] = toBytes(env_, bytes);
    if (arguments[count - 1] && napi_call_function(env_, handlers, function, count, arguments.data(), nullptr) == napi_pending_exception) {
      napi_value error = nullptr;
      napi_get_and_clear_last_exception(env_, &error);
      napi_fatal_exception(env_, error);
    }
    napi_close_handle_scope(env_, scope);
  }

  const napi_env env_;
  napi_ref handlers_ = nullptr;
  napi_ref onEvent_ = nullptr;
  napi_ref onHostBytes_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_handle_scope handleScope_ = nullptr;
  napi_callback_scope callbackScope_ = nullptr;
};

// The connection of the host program, whose bytes JavaScript carries between threads.
class HostTransport : public Transport {
 public:
  HostTransport(Script& script, FrontEnd& frontEnd) : script_(script), frontEnd_(frontEnd) {}

  void write(Connection& connection) override {
    Arena& arena = frontEnd_.outbound.arena();
    connection.outbox.eachChunk(arena, [&](const uint8_t* bytes, size_t size) { bytes_.insert(bytes_.end(), bytes, bytes + size); });
    connection.outbox.clear(arena);
  }
  void commit() override {
    if (bytes_.empty()) return;
    const std::vector<uint8_t> bytes = std::exchange(bytes_, {});
    script_.onHostBytes(bytes);
  }
  void close(Connection&) override {}
  void abort(Connection&) override {}
  bool setReading(Connection&, bool) override { return false; }

 private:
  Script& script_;
  FrontEnd& frontEnd_;
  std::vector<uint8_t> bytes_;
};

// --- the engine of a worker -------------------------------------------------------------------------

class EngineHost {
 public:
  EngineHost(napi_env env, Engine& ownEngine, napi_value handlers)
      : engine(ownEngine),
        script(env, handlers),
        hostTransport(script, engine.frontEnd),
        sockets(loopOf(env), engine.frontEnd),
        env_(env) {
    updateNow();
    engine.frontEnd.outbound.addTransport(hostTransport);
    engine.frontEnd.outbound.addTransport(sockets);
    uv_loop_t* loop = loopOf(env);
    uv_prepare_init(loop, &prepare_);
    uv_check_init(loop, &check_);
    uv_idle_init(loop, &idle_);
    uv_timer_init(loop, &timer_);
    uv_poll_init(loop, &bell_, engine.doorbell().fd());
    for (uv_handle_t* handle : handles()) {
      handle->data = this;
      uv_unref(handle);
    }
    uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<EngineHost*>(handle->data)->onPrepare(); });
    uv_check_start(&check_, [](uv_check_t* handle) { static_cast<EngineHost*>(handle->data)->onCheck(); });
    uv_poll_start(&bell_, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<EngineHost*>(handle->data)->engine.doorbell().answer(); });
    uv_timer_start(&timer_, [](uv_timer_t* handle) { static_cast<EngineHost*>(handle->data)->onTick(); }, tickMs, tickMs);
    napi_add_async_cleanup_hook(env, onCleanup, this, &cleanup_);
  }

  // The event loop reads the clock when it wakes; all times of the data plane are its (monotonic, ms).
  void updateNow() { engine.beginTurn(uv_now(loopOf(env_))); }

  Engine& engine;
  Script script;
  HostTransport hostTransport;
  SocketTransport sockets;

 private:
  static constexpr uint64_t tickMs = 1'000;
  static constexpr uint64_t turnoverMin = 1'000;  // connections opened and closed that make a storm

  static uv_loop_t* loopOf(napi_env env) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    return loop;
  }

  std::array<uv_handle_t*, 5> handles() {
    return {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&check_), reinterpret_cast<uv_handle_t*>(&idle_),
            reinterpret_cast<uv_handle_t*>(&timer_), reinterpret_cast<uv_handle_t*>(&bell_)};
  }

  void turn() {
    updateNow();
    engine.drainLanes();
    dispatchEvents();
    engine.endTurn();
    script.endTurn();
  }

  void onTick() {
    updateNow();
    engine.tick();
    sockets.tick();
    trimWhenQuiet();
  }

  // Gives back to the system what a storm of connections has left free, once it is over.
  void trimWhenQuiet() {
    const uint64_t turnover = engine.counters.get(Counter::connectionsOpened) + engine.counters.get(Counter::connectionsClosed);
    const bool isQuiet = turnover == turnoverSeen_;
    if (isQuiet && turnover - turnoverTrimmed_ > turnoverMin) {
      malloc_trim(0);
      turnoverTrimmed_ = turnover;
    }
    turnoverSeen_ = turnover;
  }

  void onCheck() {
    engine.doorbell().wake();
    turn();
  }

  void onPrepare() {
    turn();
    engine.doorbell().sleep();
    if (engine.hasWork()) {
      engine.doorbell().wake();
      uv_idle_start(&idle_, [](uv_idle_t*) {});
    } else {
      uv_idle_stop(&idle_);
    }
  }

  // Events may bring about further events: all are handed over before the outboxes are written.
  void dispatchEvents() {
    std::vector<Event>& events = engine.frontEnd.events;
    while (!events.empty()) {
      std::vector<Event> batch;
      batch.swap(events);
      for (const Event& event : batch) {
        script.onEvent(event);
        if (event.kind == EventKind::gone) engine.frontEnd.release(engine.frontEnd.connection(event.slot));
      }
    }
  }

  // A thread that was ended from outside (terminate(), process.exit(), out of memory) leaves the sockets of
  // uWebSockets open, and Node aborts the process when a loop has open handles. They are all that still polls
  // descriptors on this loop beside the doorbell.
  static void closeLeftSocket(uv_handle_t* handle, void* data) {
    const auto* host = static_cast<EngineHost*>(data);
    if (handle->type != UV_POLL || uv_is_closing(handle) || handle == reinterpret_cast<const uv_handle_t*>(&host->bell_)) return;
    uv_os_fd_t descriptor = -1;
    if (uv_fileno(handle, &descriptor) == 0) shutdown(descriptor, SHUT_RDWR);
    uv_close(handle, nullptr);
    if (descriptor >= 0) close(descriptor);
  }

  // The thread ends: sockets and hooks are closed, the engine stays for the thread that follows.
  static void onCleanup(napi_async_cleanup_hook_handle, void* data) {
    auto* host = static_cast<EngineHost*>(data);
    host->sockets.stopListening();
    host->engine.frontEnd.eachConnection([&](Connection& connection) {
      if (connection.transport == &host->sockets) host->sockets.abort(connection);
    });
    uv_walk(loopOf(host->env_), closeLeftSocket, host);
    host->engine.frontEnd.outbound.removeTransport(host->hostTransport);
    host->engine.frontEnd.outbound.removeTransport(host->sockets);
    host->engine.abandonConnections();
    for (uv_handle_t* handle : host->handles()) {
      host->openHandles_++;
      uv_close(handle, [](uv_handle_t* closed) {
        auto* owner = static_cast<EngineHost*>(closed->data);
        if (--owner->openHandles_ == 0) owner->finishCleanup();
      });
    }
  }

  void finishCleanup() {
    if (sockets.openHandles() > 0) {  // its close callbacks come in this or the next turn of the loop
      uv_loop_t* loop = loopOf(env_);
      uv_idle_init(loop, &idle_);
      idle_.data = this;
      openHandles_ = 1;
      uv_close(reinterpret_cast<uv_handle_t*>(&idle_), [](uv_handle_t* closed) {
        auto* owner = static_cast<EngineHost*>(closed->data);
        owner->openHandles_ = 0;
        owner->finishCleanup();
      });
      return;
    }
    napi_async_cleanup_hook_handle cleanup = cleanup_;
    delete this;
    napi_remove_async_cleanup_hook(cleanup);
  }

  const napi_env env_;
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_idle_t idle_{};
  uv_timer_t timer_{};
  uv_poll_t bell_{};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  size_t openHandles_ = 0;
  uint64_t turnoverSeen_ = 0;     // connections opened and closed until the last tick
  uint64_t turnoverTrimmed_ = 0;  // and until memory was last given back
};

// --- functions --------------------------------------------------------------------------------------

// The arguments of a call on an Engine object. Its functions carry their EngineHost with them: unwrapping
// an object at each call would cost more than taking in a small message.
template <size_t Count>
struct Call {
  napi_env env;
  std::array<napi_value, Count> arguments{};
  EngineHost* host = nullptr;

  Call(napi_env environment, napi_callback_info info) : env(environment) {
    size_t count = Count;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments.data(), nullptr, &data);
    host = static_cast<EngineHost*>(data);
  }
  uint64_t integer(size_t index) const { return integerOf(env, arguments[index]); }
  uint32_t slot(size_t index) const {
    uint32_t slot = 0;
    napi_get_value_uint32(env, arguments[index], &slot);
    return slot;
  }
  bool truth(size_t index) const { return truthOf(env, arguments[index]); }
  std::string text(size_t index) const { return textOf(env, arguments[index]); }
  Bytes bytes(size_t index) const { return bytesOf(env, arguments[index]); }
  FrontEnd& frontEnd() const { return host->engine.frontEnd; }
  Connection& connection(size_t index) const { return frontEnd().connection(slot(index)); }
};

// The connection that uWebSockets holds behind an HttpResponse becomes a WebSocket of the data plane.
napi_value openWebSocket(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  v8::Local<v8::Value> response;  // Node-API has no access to the fields that an object has for C++
  static_assert(sizeof response == sizeof(napi_value));
  std::memcpy(static_cast<void*>(&response), call.arguments.data(), sizeof response);
  if (!response->IsObject() || response.As<v8::Object>()->InternalFieldCount() == 0) return toBoolean(env, false);
  const void* socket = response.As<v8::Object>()->GetAlignedPointerFromInternalField(0);
  const int descriptor = socket ? duplicateDescriptor(socket, int(call.integer(1))) : -1;
  return toBoolean(env, descriptor >= 0 && call.host->sockets.openWebSocket(descriptor, bytesOf(call.text(2))));
}

napi_value openHost(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, call.frontEnd().open(call.host->hostTransport, true).slot);
}

napi_value receive(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->updateNow();
  call.frontEnd().receive(call.connection(0), call.bytes(1));
  return nullptr;
}

napi_value resume(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.frontEnd().resume(call.connection(0));
  return nullptr;
}

napi_value send(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.frontEnd().outbound.send(call.connection(0), call.bytes(1));
  return nullptr;
}

napi_value closeConnection(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.frontEnd().close(call.connection(0));
  return nullptr;
}

napi_value accept(napi_env env, napi_callback_info info) {
  const Call<10> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(1));
  if (!session) return toBoolean(env, false);
  ConnectionTerms terms;
  terms.version = uint8_t(call.integer(2));
  terms.keepAliveMs = uint32_t(call.integer(3));
  terms.receiveMaximum = uint16_t(call.integer(4));
  terms.maximumPacketSize = uint32_t(call.integer(5));
  terms.isPersistent = call.truth(6);
  terms.withholdsProblems = call.truth(8);
  terms.topicAliasMaximum = uint16_t(call.integer(9));
  call.frontEnd().accept(call.connection(0), *session, terms, call.bytes(7));
  return toBoolean(env, true);
}

napi_value createSession(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->engine.createSession(call.integer(0), call.truth(1));
  return nullptr;
}

napi_value destroySession(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  if (Session* session = call.host->engine.findSession(call.integer(0))) call.host->engine.destroySession(*session);
  return nullptr;
}

napi_value sessions(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  napi_value list = nullptr;
  napi_create_array(env, &list);
  uint32_t count = 0;
  call.host->engine.eachSession([&](const Session& session) { napi_set_element(env, list, count++, toNumber(env, double(session.key))); });
  return list;
}

napi_value moveSessionHere(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  if (Session* session = call.host->engine.findSession(call.integer(0))) {
    call.host->engine.moves.begin(*session, unsigned(call.integer(1)));
  }
  return nullptr;
}

napi_value nextToken(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, double(call.host->engine.subscriptions.nextToken()));
}

napi_value subscribe(napi_env env, napi_callback_info info) {
  const Call<8> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (!session) return toBoolean(env, false);
  const std::string filter = call.text(1);
  const SubscriptionOptions options{uint8_t(call.integer(2)), call.truth(3), call.truth(4), uint8_t(call.integer(5)), uint32_t(call.integer(6))};
  return toBoolean(env, call.host->engine.subscriptions.subscribe(*session, bytesOf(filter), options, call.integer(7)));
}

napi_value finishSubscribe(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) call.host->engine.subscriptions.finishSubscribe(*session, call.integer(1));
  return nullptr;
}

napi_value endSubscribe(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  if (Session* session = call.host->engine.findSession(call.integer(0))) call.host->engine.subscriptions.endSubscribe(*session);
  return nullptr;
}

napi_value isSubscribed(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  const std::string filter = call.text(1);
  return toBoolean(env, session && call.host->engine.subscriptions.isSubscribed(*session, bytesOf(filter)));
}

napi_value unsubscribe(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  const std::string filter = call.text(1);
  return toBoolean(env, session && call.host->engine.subscriptions.unsubscribe(*session, bytesOf(filter)));
}

// [filter, QoS, No Local, Retain As Published, subscription identifier] for each subscription.
napi_value subscriptions(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  napi_value list = nullptr;
  napi_create_array(env, &list);
  const Session* session = call.host->engine.findSession(call.integer(0));
  if (!session) return list;
  uint32_t count = 0;
  for (const SubscriptionRef& subscription : session->subscriptions) {
    const Subscriber& subscriber = subscription.filter->subscribers[subscription.position];
    const std::array<napi_value, 5> fields = {toText(env, subscription.filter->text()), toNumber(env, subscriber.qos), toBoolean(env, subscriber.noLocal),
                                              toBoolean(env, subscriber.retainAsPublished), toNumber(env, subscriber.subscriptionId)};
    napi_value row = nullptr;
    napi_create_array_with_length(env, fields.size(), &row);
    for (uint32_t i = 0; i < fields.size(); i++) napi_set_element(env, row, i, fields[i]);
    napi_set_element(env, list, count++, row);
  }
  return list;
}

napi_value subscriptionCount(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  const Session* session = call.host->engine.findSession(call.integer(0));
  return toNumber(env, session ? double(session->subscriptions.size()) : 0);
}

napi_value listenTcp(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  const int port = call.host->sockets.listen(call.text(0), int(call.integer(1)));
  if (port >= 0) return toNumber(env, port);
  napi_throw_error(env, uv_err_name(port), uv_strerror(port));
  return nullptr;
}

napi_value stopTcp(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  call.host->sockets.stopListening();
  return nullptr;
}

struct Method {
  const char* name;
  napi_callback function;
};
constexpr std::array engineMethods = {
    Method{"openWebSocket", openWebSocket},
    Method{"openHost", openHost},
    Method{"receive", receive},
    Method{"resume", resume},
    Method{"send", send},
    Method{"close", closeConnection},
    Method{"accept", accept},
    Method{"createSession", createSession},
    Method{"destroySession", destroySession},
    Method{"sessions", sessions},
    Method{"moveSessionHere", moveSessionHere},
    Method{"nextToken", nextToken},
    Method{"subscribe", subscribe},
    Method{"finishSubscribe", finishSubscribe},
    Method{"endSubscribe", endSubscribe},
    Method{"isSubscribed", isSubscribed},
    Method{"unsubscribe", unsubscribe},
    Method{"subscriptions", subscriptions},
    Method{"subscriptionCount", subscriptionCount},
    Method{"listenTcp", listenTcp},
    Method{"stopTcp", stopTcp},
};

void define(napi_env env, napi_value object, const Method& method, void* data) {
  napi_value function = nullptr;
  napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.function, data, &function);
  napi_set_named_property(env, object, method.name, function);
}

napi_value createEngine(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  const auto worker = unsigned(integerOf(env, arguments[1]));
  if (!broker || worker >= broker->workers()) {
    napi_throw_error(env, "ERR_RALLYMQ_NO_BROKER", "there is no such broker or worker in this process");
    return nullptr;
  }
  auto* host = new EngineHost(env, broker->engine(worker), arguments[2]);
  napi_value engine = nullptr;
  napi_create_object(env, &engine);
  for (const Method& method : engineMethods) define(env, engine, method, host);
  return engine;
}

napi_value createBroker(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  const auto limit = [&](const char* name) { return limitOf(env, arguments[1], name); };
  Limits limits;
  limits.maximumPacketSizeBytes = uint32_t(limit("maximumPacketSizeBytes"));
  limits.connectPacketSizeBytesMax = uint32_t(limit("connectPacketSizeBytesMax"));
  limits.connectTimeoutMs = uint32_t(limit("connectTimeoutMs"));
  limits.receiveMaximum = uint16_t(limit("receiveMaximum"));
  limits.inflightMax = uint16_t(limit("inflightMax"));
  limits.topicAliasMaximum = uint16_t(limit("topicAliasMaximum"));
  limits.outgoingTopicAliasesMax = uint16_t(limit("outgoingTopicAliasesMax"));
  limits.topicLevelsMax = uint32_t(limit("topicLevelsMax"));
  limits.maximumQos = uint8_t(limit("maximumQoS"));
  limits.retainAvailable = limit("retainAvailable") != 0;
  limits.checksPayloadFormat = limit("checksPayloadFormat") != 0;
  limits.outboxBytesMax = uint32_t(limit("outboxBytesMax"));
  limits.outboxMessagesMax = uint32_t(limit("outboxMessagesMax"));
  limits.sessionQueueMessagesMax = uint32_t(limit("sessionQueueMessagesMax"));
  limits.sessionQueueBytesMax = uint32_t(limit("sessionQueueBytesMax"));
  limits.inputBufferBytesMax = uint32_t(limit("inputBufferBytesMax"));
  limits.outboxTotalBytesMax = size_t(limit("outboxTotalBytesMax"));
  limits.retainedMessagesMax = size_t(limit("retainedMessagesMax"));
  limits.retainedBytesMax = size_t(limit("retainedBytesMax"));
  limits.laneRecords = uint32_t(limit("laneRecords"));
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) std::abort();
  return toNumber(env, registry().add(std::make_unique<Broker>(unsigned(integerOf(env, arguments[0])), limits, seed)));
}

napi_value destroyBroker(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  registry().remove(uint32_t(integerOf(env, argument)));
  return nullptr;
}

// Binds a free port, so that nobody else gets it before the workers listen there: [descriptor, port].
napi_value reservePort(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  int port = 0;
  const int fd = bindShared(textOf(env, argument), port);
  if (fd < 0) {
    napi_throw_error(env, uv_err_name(fd), uv_strerror(fd));
    return nullptr;
  }
  napi_value pair = nullptr;
  napi_create_array_with_length(env, 2, &pair);
  napi_set_element(env, pair, 0, toNumber(env, fd));
  napi_set_element(env, pair, 1, toNumber(env, port));
  return pair;
}

napi_value releasePort(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  close(int(numberOf(env, argument)));
  return nullptr;
}

// The sums over all workers, in the order of `Counter`.
napi_value readCounters(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  const Broker* broker = registry().find(uint32_t(integerOf(env, argument)));
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (uint32_t i = 0; broker && i < uint32_t(Counter::count); i++) {
    napi_set_element(env, list, i, toNumber(env, double(broker->total(Counter(i)))));
  }
  return list;
}

napi_value initialise(napi_env env, napi_value exports) {
  for (const Method& method : {Method{"createEngine", createEngine}, Method{"createBroker", createBroker},
                               Method{"destroyBroker", destroyBroker}, Method{"readCounters", readCounters},
                               Method{"reservePort", reservePort}, Method{"releasePort", releasePort}}) {
    define(env, exports, method, nullptr);
  }
  napi_set_named_property(env, exports, "nodeModuleVersion", toNumber(env, NODE_MODULE_VERSION));
  return exports;
}

}  // namespace
}  // namespace rally

NAPI_MODULE_INIT() { return rally::initialise(env, exports); }
