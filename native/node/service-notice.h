// Notifies the service manager, systemd, by a datagram to a Unix socket, which Node.js cannot send.
#pragma once
#include <node_api.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "values.h"

namespace rally::node {

// How long a busy receiver, whose queue is full, is waited for.
constexpr timeval noticePatience{.tv_sec = 2, .tv_usec = 0};

// `path`: the value of NOTIFY_SOCKET; a leading '@' means an abstract socket. False: nobody receives it.
inline bool sendNotice(const std::string& path, const std::string& text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &noticePatience, sizeof noticePatience);
  const auto length = socklen_t(offsetof(sockaddr_un, sun_path) + path.size());
  const ssize_t sent = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                              length);
  close(fd);
  return sent == ssize_t(text.size());
}

inline napi_value notifyService(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {nullptr, nullptr};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  return toBoolean(env, sendNotice(textOf(env, arguments[0]), textOf(env, arguments[1])));
}

}  // namespace rally::node
