// An engine on the event loop of its worker. It hooks the loop, so that nothing has to be scheduled from JavaScript:
//
//   poll     sockets are read
//   check    turn(): lanes -> events to JavaScript -> outboxes to sockets -> lanes handed over
//            once a second tick(), after everything received was read: unread bytes are not silence
//   prepare  turn() again for the results of timers and promises; then sleep, unless work is left
#pragma once
#include <node_api.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <vector>

#include "../engine.h"
#include "../net/door.h"
#include "../structures/monotonic-clock.h"
#include "../trim-watch.h"
#include "event-records.h"
#include "host-transport.h"
#include "script.h"
#include "trim.h"

namespace rally::node {

class EngineHost : private cluster::FrameSink {
 public:
  EngineHost(napi_env env, Engine& ownEngine, napi_value handlers)
      : engine(ownEngine),
        script(env, handlers),
        hostTransport(script, engine.frontEnd(), engine.limits().hostWindowBytes),
        streams(loopOf(env)),
        sockets(streams, engine.limits(), engine.frontEnd()),
        door(streams, engine.limits(), engine.counters(), engine.frontEnd().events(), sockets),
        env_(env) {
    engine.attach();
    updateNow();
    engine.frontEnd().outbound().addTransport(hostTransport);
    engine.frontEnd().outbound().addTransport(sockets);
    if (engine.remote()) engine.remote()->setSink(this);
    uv_loop_t* loop = loopOf(env);
    uv_prepare_init(loop, &prepare_);
    uv_check_init(loop, &check_);
    uv_idle_init(loop, &idle_);
    uv_timer_init(loop, &timer_);
    uv_timer_init(loop, &pace_);
    uv_poll_init(loop, &bell_, engine.doorbell().fd());
    uv_poll_init(loop, &ready_, streams.fd());
    for (uv_handle_t* handle : handles()) {
      handle->data = this;
      uv_unref(handle);
    }
    uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<EngineHost*>(handle->data)->onPrepare(); });
    uv_check_start(&check_, [](uv_check_t* handle) { static_cast<EngineHost*>(handle->data)->onCheck(); });
    uv_poll_start(&bell_, UV_READABLE, [](uv_poll_t* handle, int, int) {
      static_cast<EngineHost*>(handle->data)->engine.doorbell().answer();
    });
    uv_poll_start(&ready_, UV_READABLE,
                  [](uv_poll_t* handle, int, int) { static_cast<EngineHost*>(handle->data)->streams.dispatch(); });
    door.beginTurn();
    tickedMs_ = uv_now(loop);
    uv_timer_start(
        &timer_, [](uv_timer_t* handle) { static_cast<EngineHost*>(handle->data)->isTickDue_ = true; }, tickMs, tickMs);
    napi_add_async_cleanup_hook(env, onCleanup, this, &cleanup_);
  }

  // The event loop reads the clock when it wakes; the data plane uses its time (monotonic, ms).
  void updateNow() { engine.beginTurn(uv_now(loopOf(env_))); }

  Engine& engine;
  Script script;
  HostTransport hostTransport;
  StreamLoop streams;
  SocketTransport sockets;
  Door door;

 private:
  static constexpr uint64_t tickMs = 1'000;
  static constexpr uint64_t paceMs = 1;
  static constexpr uint64_t eventsNsMax = 5'000'000;
  static constexpr size_t eventsPerCall = 128;
  // A tick that is later than this means that the process was suspended, or had one long turn.
  static constexpr uint64_t tickLateMs = 2'000;

  static uv_loop_t* loopOf(napi_env env) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    return loop;
  }

  std::array<uv_handle_t*, 7> handles() {
    return {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&check_),
            reinterpret_cast<uv_handle_t*>(&idle_),    reinterpret_cast<uv_handle_t*>(&timer_),
            reinterpret_cast<uv_handle_t*>(&pace_),    reinterpret_cast<uv_handle_t*>(&bell_),
            reinterpret_cast<uv_handle_t*>(&ready_)};
  }

  void onFrame(unsigned worker, Bytes frame) override { script.onFrame(worker, frame); }

  void turn() {
    updateNow();
    engine.drainLanes();
    dispatchEvents();
    engine.endTurn();
    hostTransport.endTurn();
    script.endTurn();
    streams.sweep();
  }

  void tick() {
    isTickDue_ = false;
    updateNow();
    const uint64_t nowMs = uv_now(loopOf(env_));
    const uint64_t passedMs = nowMs - std::exchange(tickedMs_, nowMs);
    if (passedMs > tickLateMs) forgive(passedMs - tickMs);
    engine.tick();
    sockets.tick();
    door.tick();
    trimWhenDue();
  }

  void forgive(uint64_t gapMs) {
    engine.forgive(gapMs);
    sockets.forgive(gapMs);
    door.forgive(gapMs);
  }

  // Returns memory to the system that a storm of connections, sessions or subscriptions has freed.
  void trimWhenDue() {
    const uint64_t turnover = engine.counters().get(Counter::connectionsOpened) +
                              engine.counters().get(Counter::connectionsClosed);
    if (trimWatch_.isDue(engine.heldBytes(), turnover)) trimMemory(env_);
  }

  void onCheck() {
    engine.doorbell().wake();
    Outbound& outbound = engine.frontEnd().outbound();
    if (outbound.isCatchingUp()) outbound.noteTime(monotonicNs(), threadNs());
    turn();
    door.beginTurn();
    if (isTickDue_) tick();
  }

  void onPrepare() {
    turn();
    engine.doorbell().sleep();
    if (engine.hasWork() || isTickDue_) {
      engine.doorbell().wake();
      uv_idle_start(&idle_, [](uv_idle_t*) {});
    } else {
      uv_idle_stop(&idle_);
      if (engine.isPaced() || door.hasWaiting())
        uv_timer_start(
            &pace_, [](uv_timer_t*) {}, paceMs, 0);
    }
    noteTurn();
  }

  void noteTurn() {
    const uint64_t nowNs = uv_hrtime();
    const uint64_t idleNs = uv_metrics_idle_time(loopOf(env_));
    const uint64_t passedNs = nowNs - std::exchange(turnEndedNs_, nowNs);
    const uint64_t waitedNs = idleNs - std::exchange(idleNs_, idleNs);
    engine.counters().loopLag.add(passedNs - std::min(passedNs, waitedNs));
  }

  // Events may cause further events: all are delivered before the outboxes are written, unless they take long.
  // Thousands of clients may connect or leave at once; the rest waits for the next turn.
  void dispatchEvents() {
    Fifo<Event>& events = engine.frontEnd().events();
    for (const uint64_t endNs = uv_hrtime() + eventsNsMax; !events.isEmpty() && uv_hrtime() < endNs;)
      dispatchSome(events);
  }

  // As many as one call takes. Connections that are gone are released behind it.
  void dispatchSome(Fifo<Event>& events) {
    FrontEnd& frontEnd = engine.frontEnd();
    EventRecords records(script.eventMemory(EventRecords::sizeOf(events.front())));
    gone_.clear();
    for (size_t left = eventsPerCall; left > 0 && !events.isEmpty(); left--) {
      const Event& event = events.front();
      const bool isGone = event.kind == EventKind::gone;
      const bool isTold = !isGone || frontEnd.isGoneTold(frontEnd.connection(event.slot));
      if (isTold && !records.add(event)) break;
      if (isGone) gone_.push_back(event.slot);
      events.pop();
    }
    if (records.bytes() > 0) script.onEvents(records.bytes());
    for (const uint32_t slot : gone_) frontEnd.release(frontEnd.connection(slot));
  }

  // The thread ends: sockets and hooks are closed, the engine stays for the next thread.
  static void onCleanup(napi_async_cleanup_hook_handle, void* data) {
    auto* host = static_cast<EngineHost*>(data);
    host->door.close();
    host->engine.frontEnd().eachConnection([&](Connection& connection) {
      if (connection.transport == &host->sockets) host->sockets.abort(connection);
    });
    host->engine.frontEnd().outbound().removeTransport(host->hostTransport);
    host->engine.frontEnd().outbound().removeTransport(host->sockets);
    if (host->engine.remote()) host->engine.remote()->setSink(nullptr);
    host->engine.abandonConnections();
    host->streams.sweep();
    for (uv_handle_t* handle : host->handles()) {
      host->openHandles_++;
      uv_close(handle, [](uv_handle_t* closed) {
        auto* owner = static_cast<EngineHost*>(closed->data);
        if (--owner->openHandles_ == 0) owner->finishCleanup();
      });
    }
  }

  void finishCleanup() {
    if (streams.openHandles > 0) {  // its close callbacks come in this or the next turn of the loop
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
  uv_timer_t pace_{};  // wakes the loop for what keeps to a pace, or waits for the HTTP server
  uv_poll_t bell_{};
  uv_poll_t ready_{};  // for the sockets of `streams`
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  size_t openHandles_ = 0;
  uint64_t turnEndedNs_ = uv_hrtime();
  uint64_t idleNs_ = 0;  // that the loop has waited
  bool isTickDue_ = false;
  std::vector<uint32_t> gone_;  // the slots of connections that packet control is told are gone
  uint64_t tickedMs_ = 0;
  TrimWatch trimWatch_;
};

}  // namespace rally::node
