// Ports: whether one is free, and the sockets that workers share.
#pragma once
#include <node_api.h>
#include <unistd.h>
#include <uv.h>

#include "../net/address.h"
#include "values.h"

namespace rally::node {

// Binds a port, or a free one for 0, without listening: [descriptor, port].
inline napi_value bindPort(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  int port = int(numberOf(env, arguments[1]));
  const int fd = rally::bindPort(textOf(env, arguments[0]), port, truthOf(env, arguments[2]));
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

// Creates a Unix socket for workers to share. Returns its descriptor.
inline napi_value openSocket(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  const int fd = bindPath(textOf(env, argument));
  if (fd >= 0) return toNumber(env, fd);
  napi_throw_error(env, uv_err_name(fd), uv_strerror(fd));
  return nullptr;
}

inline napi_value releasePort(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  close(int(numberOf(env, argument)));
  return nullptr;
}

}  // namespace rally::node
