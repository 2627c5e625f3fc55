// The second copy of a log, as JavaScript stores it and makes a log of it again. Types and meanings:
// core/data-plane/addon.ts.
#pragma once
#include <node_api.h>

#include "../durable/log-copy.h"
#include "store-state.h"

namespace rally::node {

struct ReplicaState {
  std::shared_ptr<log::Replica> replica;
  napi_threadsafe_function ring = nullptr;
  std::vector<uint8_t> chunk;

  explicit ReplicaState(std::shared_ptr<log::Replica> own) : replica(std::move(own)) {}
  ReplicaState(const ReplicaState&) = delete;
  ReplicaState& operator=(const ReplicaState&) = delete;
  ~ReplicaState() { close(); }

  void close() {
    replica->onChunk(nullptr);
    if (ring) napi_release_threadsafe_function(std::exchange(ring, nullptr), napi_tsfn_release);
  }
};

inline napi_value closeReplica(napi_env env, napi_callback_info info) {
  size_t count = 0;
  stateOf<ReplicaState>(env, info, count, nullptr).close();
  return nullptr;
}

inline napi_value takeChunk(napi_env env, napi_callback_info info) {
  size_t count = 0;
  ReplicaState& state = stateOf<ReplicaState>(env, info, count, nullptr);
  return state.replica->take(state.chunk) ? toBytes(env, Bytes(state.chunk)) : nullptr;
}
inline napi_value chunksStored(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  ReplicaState& state = stateOf<ReplicaState>(env, info, count, &argument);
  state.replica->stored(integerOf(env, argument));
  return nullptr;
}
inline napi_value replicaFigures(napi_env env, napi_callback_info info) {
  size_t count = 0;
  ReplicaState& state = stateOf<ReplicaState>(env, info, count, nullptr);
  const log::Replica::Figures figures = state.replica->figures(wallClockMs());
  napi_value object = newObject(env);
  setNumber(env, object, "waitingBytes", double(figures.waitingBytes));
  setNumber(env, object, "waitingMs", double(figures.waitingMs));
  setNumber(env, object, "droppable", double(state.replica->droppable()));
  setTruth(env, object, "isBehind", state.replica->isBehind());
  return object;
}

inline napi_value wantCheckpoint(napi_env env, napi_callback_info info) {
  size_t count = 0;
  stateOf<ReplicaState>(env, info, count, nullptr).replica->wantCheckpoint();
  return nullptr;
}

// openReplica(broker, onChunk)
inline napi_value openReplica(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  const std::shared_ptr<log::Replica> replica = registry().findReplica(uint32_t(integerOf(env, arguments[0])));
  if (!replica) return nullptr;
  auto state = std::make_unique<ReplicaState>(replica);
  napi_value name = nullptr;
  napi_create_string_utf8(env, "rallymq-replica", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, arguments[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr, nullptr,
                                  &state->ring);
  napi_unref_threadsafe_function(env, state->ring);
  replica->onChunk([ring = state->ring] { napi_call_threadsafe_function(ring, nullptr, napi_tsfn_nonblocking); });
  return objectWith(
      env, std::move(state),
      std::array{Method{"take", takeChunk}, Method{"stored", chunksStored}, Method{"figures", replicaFigures},
                 Method{"wantCheckpoint", wantCheckpoint}, Method{"close", closeReplica}});
}

// --- a log that is made of chunks -------------------------------------------------------------------

inline napi_value copyChunk(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  LogCopy& copy = stateOf<LogCopy>(env, info, count, &argument);
  return toBoolean(env, copy.take(bytesOf(env, argument)));
}
inline napi_value copyMark(napi_env env, napi_callback_info info) {
  size_t count = 0;
  LogCopy& copy = stateOf<LogCopy>(env, info, count, nullptr);
  return toBytes(env, Bytes(copy.mark()));
}
inline napi_value isCopyWhole(napi_env env, napi_callback_info info) {
  size_t count = 0;
  LogCopy& copy = stateOf<LogCopy>(env, info, count, nullptr);
  return toBoolean(env, copy.isWhole());
}
inline napi_value finishCopy(napi_env env, napi_callback_info info) {
  size_t count = 0;
  LogCopy& copy = stateOf<LogCopy>(env, info, count, nullptr);
  return toBoolean(env, copy.finish());
}

// copyLog(directory)
inline napi_value copyLog(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  log::OpenFault fault;
  std::unique_ptr<LogCopy> copy = LogCopy::open(textOf(env, argument), fault);
  if (!copy) return faultOf(env, fault);
  return objectWith(env, std::move(copy),
                    std::array{Method{"take", copyChunk}, Method{"mark", copyMark}, Method{"isWhole", isCopyWhole},
                               Method{"finish", finishCopy}});
}

}  // namespace rally::node
