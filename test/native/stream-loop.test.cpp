// The epoll of the sockets that are rarely ready.
#include "../../native/net/stream-loop.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"

using namespace rally;

namespace {

constexpr size_t manySockets = 1'500;  // more than epoll_wait() gives at once

// One end of a pair of sockets; the other end is its client.
class Echo final : public WatchedSocket {
 public:
  explicit Echo(StreamLoop& loop) : loop_(loop) {
    const bool isMade = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_.data()) == 0;
    RALLY_ASSERT(isMade);
    await(EPOLLIN);
  }
  ~Echo() override {
    living--;
    ::close(fds_[1]);
  }

  void clientSends() const { CHECK_EQ(::send(fds_[1], "x", 1, MSG_NOSIGNAL), 1); }
  void clientLeaves() const { shutdown(fds_[1], SHUT_WR); }
  void await(uint32_t events) { loop_.watch(fds_[0], *this, std::exchange(awaited_, events), events); }
  void close() {
    await(0);
    ::close(fds_[0]);
    isClosed = true;
    loop_.retire(std::unique_ptr<WatchedSocket>(this));
  }

  void onReady(uint32_t) override {
    if (isClosed) return;
    timesReady++;
    if (closesToo) std::exchange(closesToo, nullptr)->close();
    char byte = 0;
    if (reads) CHECK_EQ(recv(fds_[0], &byte, 1, 0) >= 0, true);
  }

  inline static size_t living = 0;
  size_t timesReady = 0;
  bool reads = true;
  bool isClosed = false;
  Echo* closesToo = nullptr;  // another one, when this one is ready

 private:
  StreamLoop& loop_;
  std::array<int, 2> fds_{};
  uint32_t awaited_ = 0;
};

Echo& makeEcho(StreamLoop& loop) {
  Echo::living++;
  return *new Echo(loop);
}

void raiseFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

TEST("stream loop: all that are ready are called, however many, before silence is judged") {
  raiseFileLimit();
  StreamLoop loop(nullptr);
  std::vector<Echo*> echoes;
  while (echoes.size() < manySockets) echoes.push_back(&makeEcho(loop));
  for (const Echo* echo : echoes) echo->clientSends();
  loop.dispatch();
  size_t called = 0;
  for (const Echo* echo : echoes) called += echo->timesReady;
  CHECK_EQ(called, manySockets);
  loop.dispatch();
  for (Echo* echo : echoes) {
    CHECK_EQ(echo->timesReady, 1);
    echo->close();
  }
}

TEST("stream loop: a socket that another one closes while both are ready lives until the sweep") {
  StreamLoop loop(nullptr);
  Echo& first = makeEcho(loop);
  Echo& second = makeEcho(loop);
  first.closesToo = &second;
  second.closesToo = &first;
  first.clientSends();
  second.clientSends();
  loop.dispatch();
  CHECK_EQ(first.isClosed + second.isClosed, 1);
  CHECK_EQ(Echo::living, 2);
  loop.sweep();
  CHECK_EQ(Echo::living, 1);
  (first.timesReady > 0 ? first : second).close();
  loop.sweep();
  CHECK_EQ(Echo::living, 0);
}

TEST("stream loop: what nothing is awaited of does not call, not even at its end, and calls again when it is awaited") {
  StreamLoop loop(nullptr);
  Echo& echo = makeEcho(loop);
  echo.await(0);
  echo.clientSends();
  echo.clientLeaves();
  loop.dispatch();
  CHECK_EQ(echo.timesReady, 0);
  echo.reads = false;
  echo.await(EPOLLIN);
  loop.dispatch();
  loop.dispatch();
  CHECK_EQ(echo.timesReady, 2);  // as long as it is not read
  echo.await(EPOLLOUT);
  loop.dispatch();
  CHECK_EQ(echo.timesReady, 3);
  echo.close();
}
