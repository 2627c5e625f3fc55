// The methods of an Engine object for links to workers of other nodes. Types and meanings: core/data-plane/addon.ts.
#pragma once
#include "inspection-methods.h"

namespace rally::node {

inline napi_value openLink(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  call.host->updateNow();
  const auto version = uint8_t(std::min<uint64_t>(call.integer(2), UINT8_MAX));
  return toBoolean(env, call.host->script.takesFrames() &&
                            call.host->engine.openLink(unsigned(call.integer(0)), call.integer(1), version));
}

// Without a cluster there are no links.
inline napi_value receiveFrame(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->updateNow();
  cluster::RemoteEnds* remote = call.host->engine.remote();
  const cluster::FrameOutcome outcome = remote ? remote->receive(unsigned(call.integer(0)), call.bytes(1),
                                                                 call.host->engine.nowMs())
                                               : cluster::FrameOutcome::foreignSender;
  return toNumber(env, double(outcome));
}

inline napi_value reconnectLink(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  cluster::RemoteEnds* remote = call.host->engine.remote();
  return toBoolean(env, remote && remote->reconnect(unsigned(call.integer(0))));
}

inline napi_value closeLink(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  cluster::RemoteEnds* remote = call.host->engine.remote();
  return toBoolean(env, remote && remote->close(unsigned(call.integer(0))));
}

// For each: [ worker | incarnation | frames and bytes sent | frames and bytes received | frames resent | bytes that
// wait | ms for which the oldest has waited ]
inline napi_value linkFigures(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  FlatList list(env);
  call.host->updateNow();
  const cluster::RemoteEnds* remote = call.host->engine.remote();
  if (!remote) return list.value();
  const auto put = [&](unsigned worker, uint64_t incarnation, const cluster::LinkFigures& figures) {
    list.number(worker);
    list.number(double(incarnation));
    for (const uint64_t figure : {figures.framesSent, figures.bytesSent, figures.framesReceived, figures.bytesReceived,
                                  figures.framesResent, figures.waitingBytes, figures.waitingMs})
      list.number(double(figure));
  };
  remote->eachLink(call.host->engine.nowMs(), put);
  return list.value();
}

inline napi_value lastMove(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, double(call.host->engine.lastMove()));
}

inline napi_value noteMove(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.host->engine.noteMove(call.integer(0));
  return nullptr;
}

constexpr std::array linkMethods = {
    Method{"openLink", openLink},   Method{"receiveFrame", receiveFrame}, Method{"reconnectLink", reconnectLink},
    Method{"closeLink", closeLink}, Method{"linkFigures", linkFigures},   Method{"lastMove", lastMove},
    Method{"noteMove", noteMove},
};

}  // namespace rally::node
