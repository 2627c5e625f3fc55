// Takes a connection out of uWebSockets, which has no function for it: after the HTTP request that opens a
// WebSocket the descriptor is all that is needed. An HttpResponse of uWebSockets is a us_socket_t of
// uSockets, and that begins with the us_poll_t of its libuv backend (uSockets, src/internal/eventing/libuv.h):
//
//   [uv_poll_t*][descriptor][...]
#pragma once
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace rally {

struct UsocketsPoll {
  const void* handle;
  int descriptor;
};
static_assert(offsetof(UsocketsPoll, descriptor) == sizeof(void*));

// The local port of a connected socket, or -1 if it is none.
inline int localPortOf(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -1;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return -1;
}

// A second descriptor of the connection behind `response`, which uWebSockets may then close; -1 if it
// cannot be had. `port`, on which the listener is, shows that what was read is a connection of it.
inline int duplicateDescriptor(const void* response, int port) {
  const int descriptor = static_cast<const UsocketsPoll*>(response)->descriptor;
  return localPortOf(descriptor) == port ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1;
}

}  // namespace rally
