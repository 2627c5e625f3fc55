// Socket addresses, as text and in the kernel's form.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace rally {

// A TCP socket bound to a numeric address, which other such sockets may share (SO_REUSEPORT). Returns its descriptor
// and sets `port`, or returns a negative error of libuv.
inline int bindPort(const std::string& host, int& port, bool isShared) {
  sockaddr_storage address{};
  const bool isV6 = host.find(':') != std::string::npos;
  const int error = isV6 ? uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(&address))
                         : uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(&address));
  if (error) return error;
  const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (isShared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // its connections inherit it
  socklen_t size = isV6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    const int bindError = uv_translate_sys_error(errno);
    close(fd);
    return bindError;
  }
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(isV6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                    : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  return fd;
}

// A Unix socket at an unused path. Returns its descriptor, or a negative error of libuv.
inline int bindPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return UV_ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  constexpr mode_t ownerAndGroup = 0660;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || chmod(path.c_str(), ownerAndGroup) != 0) {
    const int error = uv_translate_sys_error(errno);
    close(fd);
    return error;
  }
  return fd;
}

inline std::string addressText(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return "unix";
  char text[64] = "";
  uv_ip_name(reinterpret_cast<const sockaddr*>(&address), text, sizeof text);
  return text;
}

}  // namespace rally
