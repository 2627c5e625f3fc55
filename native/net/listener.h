// One port: accepts connections and passes them on. It pauses when the process runs out of file descriptors, so that
// the loop does not spin, and resumes when some may be free again.
#pragma once
#include <algorithm>
#include <cerrno>
#include <utility>

#include "address.h"
#include "protocols.h"
#include "stream.h"

namespace rally {

class ListenerOutlet {
 public:
  virtual void onAccepted(int fd, const sockaddr_storage& address, Protocols protocols) = 0;
  virtual void onOutOfDescriptors() = 0;

 protected:
  ~ListenerOutlet() = default;
};

class Listener final : private WatchedSocket {
 public:
  Listener(StreamLoop& loop, Protocols protocols, ListenerOutlet& outlet)
      : loop_(loop), protocols_(protocols), outlet_(outlet) {}

  // Every worker may listen on the same port, and the kernel distributes the connections. Returns the port, or a
  // negative error of libuv.
  int listen(const std::string& host, int port) {
    const int fd = bindPort(host, port, true);
    return fd < 0 ? fd : listenOn(fd, port);
  }

  // On a bound socket, whose descriptor it takes over: every worker has its own.
  int listenOn(int fd, int port) {
    if (::listen(fd, backlog) != 0) {
      const int error = uv_translate_sys_error(errno);
      ::close(fd);
      return error;
    }
    fd_ = fd;
    accept(true);
    return port;
  }

  void stop() {
    if (fd_ < 0) return;
    accept(false);  // workers may share the socket, which stays in the epoll while any has it
    ::close(std::exchange(fd_, -1));
  }

  // Once a second: resumes after a pause.
  void tick() {
    if (fd_ >= 0) accept(true);
  }

 private:
  static constexpr int backlog = 4'096;
  static constexpr int acceptsMax = 64;  // per turn, so that existing connections get theirs

  void accept(bool accepts) {
    const uint32_t before = std::exchange(isAccepting_, accepts) ? EPOLLIN : 0U;
    loop_.watch(fd_, *this, before, accepts ? EPOLLIN : 0U);
  }

  void onReady(uint32_t) override {
    if (isAccepting_) acceptAll();
  }

  void acceptAll() {
    for (int i = 0; i < acceptsMax; i++) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        outlet_.onAccepted(fd, address, protocols_);
        continue;
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        accept(false);
        outlet_.onOutOfDescriptors();
      }
      return;
    }
  }

  StreamLoop& loop_;
  const Protocols protocols_;
  ListenerOutlet& outlet_;
  int fd_ = -1;
  bool isAccepting_ = false;
};

}  // namespace rally
