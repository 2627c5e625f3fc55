// The sockets of a worker that are rarely ready: listeners, new connections, idle ones. They are in an epoll of our
// own, which libuv polls as one descriptor.
//
//   libuv -> EngineHost -> StreamLoop::dispatch() -> WatchedSocket::onReady()
#pragma once
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "../assert.h"

struct uv_loop_s;

namespace rally {

class WatchedSocket {
 public:
  virtual ~WatchedSocket() = default;
  // `events`: as in epoll. The socket may have been closed since they occurred.
  virtual void onReady(uint32_t events) = 0;
};

class StreamLoop {
 public:
  explicit StreamLoop(uv_loop_s* loop) : uv(loop), epoll_(epoll_create1(EPOLL_CLOEXEC)) { RALLY_ASSERT(epoll_ >= 0); }
  ~StreamLoop() {
    sweep();
    ::close(epoll_);
  }
  StreamLoop(const StreamLoop&) = delete;
  StreamLoop& operator=(const StreamLoop&) = delete;

  // Readable while a socket is ready.
  int fd() const { return epoll_; }

  // What to wait for: EPOLLIN, EPOLLOUT, or 0 for nothing, not even errors. `before`: the previous value.
  void watch(int fd, WatchedSocket& socket, uint32_t before, uint32_t events) {
    if (events == before) return;
    epoll_event event{.events = events, .data = {.ptr = &socket}};
    const int change = before == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    const bool isChanged = epoll_ctl(epoll_, change, fd, &event) == 0;
    RALLY_ASSERT(isChanged);
  }

  // Calls all ready sockets: a connection that has not been read looks silent (EngineHost::tick()).
  void dispatch() {
    for (size_t left = roundsMax; left > 0; left--) {
      const int count = epoll_wait(epoll_, events_.data(), int(events_.size()), 0);
      for (int i = 0; i < count; i++) {
        const epoll_event& event = events_[size_t(i)];
        static_cast<WatchedSocket*>(event.data.ptr)->onReady(event.events);
      }
      if (count < int(events_.size())) return;
    }
  }

  // A closed socket, whose methods may be running and which may be among the ready ones.
  void retire(std::unique_ptr<WatchedSocket> socket) { retired_.push_back(std::move(socket)); }
  // Between turns, when no method of a socket is running.
  void sweep() {
    while (!retired_.empty()) std::exchange(retired_, {}).clear();  // some retire others
  }

  uv_loop_s* const uv;
  size_t openHandles = 0;  // of busy sockets, not closed by libuv yet

 private:
  static constexpr size_t eventsMax = 1'024;
  static constexpr size_t roundsMax = 48;  // hardly any process has more open; libuv has the same

  const int epoll_;
  std::array<epoll_event, eventsMax> events_;
  std::vector<std::unique_ptr<WatchedSocket>> retired_;
};

}  // namespace rally
