// The bytes of one connection on the event loop: a socket, with TLS if the port has it (secure()). The layers above
// do not see TLS: a plain connection pays one test per call for it.
//
//   Stream -> its owner, which reads and writes it: a Visitor, then a Socket of the data plane, or a link to the HTTP
//             server. The stream owns its owner, and both are deleted between two turns of the loop.
//
// It is watched together with all rarely ready sockets (stream-loop.h) until it is busy: a handle of libuv takes six
// system calls per connection instead of two, but one fewer in each turn of the loop.
#pragma once
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../structures/bytes.h"
#include "../tls/tls-channel.h"
#include "stream-loop.h"
#include "transferred.h"

namespace rally {

class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  virtual void onReadable() = 0;
  virtual void onWritable() = 0;
  // The peer has gone. What it sent before can still be read.
  virtual void onBroken() = 0;
};

class Stream final : private WatchedSocket {
 public:
  // Takes over a connected, non-blocking socket.
  Stream(StreamLoop& loop, int fd) : loop_(loop), fd_(fd) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Returns the previous owner, which may be the caller and has to be destroyed last.
  [[nodiscard]] std::unique_ptr<StreamOwner> handOver(std::unique_ptr<StreamOwner> owner) {
    return std::exchange(owner_, std::move(owner));
  }

  // TLS begins. `before`: its bytes that have already been received; the owner must receive at once.
  void secure(TlsThread& thread, std::shared_ptr<const TlsContext> context, Protocols protocols,
              std::vector<uint8_t> before) {
    RALLY_ASSERT(!tls_ && sentBytes_ == 0);
    tls_ = std::make_unique<TlsChannel>(thread, std::move(context), fd_, protocols, std::move(before));
  }
  // nullptr: no TLS.
  const TlsChannel* tls() const { return tls_.get(); }

  Transferred receive(std::span<uint8_t> into) {
    if (tls_) [[unlikely]]
      return settled(tls_->receive(into));
    const ssize_t size = recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
    if (size > 0) return {StreamState::open, size_t(size)};
    if (size == 0) return {StreamState::ended};
    return {isTemporary(errno) ? StreamState::open : StreamState::broken};
  }

  // Accepted bytes are in transit.
  Transferred send(Bytes bytes) {
    if (tls_) [[unlikely]] {
      iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
      return settled(tls_->send({&piece, 1}));
    }
    return sent(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  Transferred send(std::span<iovec> pieces) {
    if (tls_) [[unlikely]]
      return settled(tls_->send(pieces));
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    return sent(sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  // acknowledgedBytes() is the bytes sent, minus those the peer's machine has not acknowledged: it grows while the peer
  // reads.
  uint64_t sentBytes() const { return tls_ ? tls_->sentBytes() + tls_->unsentBytes() : sentBytes_; }
  uint64_t acknowledgedBytes() const {
    const uint64_t sent = tls_ ? tls_->sentBytes() : sentBytes_;
    int queued = 0;
    const bool isKnown = ioctl(fd_, SIOCOUTQ, &queued) == 0;
    return isKnown ? sent - std::min(sent, uint64_t(queued)) : sent;  // a Unix socket counts its own memory
  }
  // The most that `bytes`, sent at once, can contribute to acknowledgedBytes().
  uint64_t bytesOnSocket(uint64_t bytes) const { return tls_ ? bytes + TlsChannel::overheadBytesMax : bytes; }

  // Whether accepted bytes are still here, which TLS may keep: close() drops them. onWritable() comes behind them.
  bool hasUnsent() const { return tls_ && tls_->hasUnsent(); }

  // What to wait for: bytes from the peer, room for bytes to it.
  void watch(bool reads, bool writes) {
    reads_ = reads;
    writes_ = writes;
    update();
  }

  // The peer takes nothing more. The stream ends behind what has arrived.
  void endReading() { shutdown(fd_, SHUT_RD); }

  // Tells the peer that this is the end of our bytes.
  void endWriting() {
    if (tls_) {
      tls_->endWriting();
      isEnding_ = true;
      update();
      if (tls_->hasUnsent()) return;
    }
    shutdown(fd_, SHUT_WR);
  }

  // The end: this object and its owner are deleted after this turn of the loop.
  void close() {
    if (isClosed_) return;
    if (tls_ && !isEnding_) tls_->endWriting();
    if (!own_) await(0);
    isClosed_ = true;
    if (own_) closeOwn();
    ::close(fd_);
    if (!own_) loop_.retire(std::unique_ptr<WatchedSocket>(this));
  }
  bool isClosed() const { return isClosed_; }

 private:
  ~Stream() override = default;

  static bool isTemporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

  Transferred sent(ssize_t size) {
    if (size < 0) return {isTemporary(errno) ? StreamState::open : StreamState::broken};
    sentBytes_ += size_t(size);
    return {StreamState::open, size_t(size)};
  }

  Transferred settled(Transferred transferred) {
    update();
    return transferred;
  }

  // Bytes left over by TLS are sent whether or not the owner waits for room.
  void update() {
    const bool writes = writes_ || (tls_ && tls_->hasUnsent());
    await((reads_ ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
  }
  void await(uint32_t events) {
    if (events == awaited_ || isClosed_) return;
    const uint32_t before = std::exchange(awaited_, events);
    if (own_) awaitByOwn();
    else loop_.watch(fd_, *this, before, events);
  }

  void onReady(uint32_t events) override {
    if (isClosed_) return;
    if (!own_ && isBusy()) getOwn();
    if ((events & EPOLLERR) != 0) {
      onReset();
      return;
    }
    const uint32_t ready = events == EPOLLHUP ? awaited_ : events;
    if ((ready & EPOLLOUT) != 0) onWritable();
    if ((ready & EPOLLIN) != 0 && !isClosed_ && reads_) owner_->onReadable();
  }

  // Receiving gives the error behind what has arrived.
  void onReset() {
    if (reads_) {
      owner_->onReadable();
    } else {
      await(0);
      owner_->onBroken();
    }
    if (own_ && !isClosed_) awaitByOwn();  // libuv has stopped it
  }

  void onWritable() {
    if (tls_ && tls_->hasUnsent()) {
      if (!tls_->flush()) {
        owner_->onBroken();
        return;
      }
      update();
      if (tls_->hasUnsent()) return;
      if (isEnding_) shutdown(fd_, SHUT_WR);
    }
    if (writes_) owner_->onWritable();
  }

  // --- a handle of libuv, for a busy socket ---------------------------------------------------------

  static constexpr uint64_t busyMs = 10'000;
  static constexpr uint8_t busyTimes = 8;

  // Whether it has recently been ready often: more often than an opening and a keep alive require.
  bool isBusy() {
    const uint64_t nowMs = uv_now(loop_.uv);
    if (nowMs - countedSinceMs_ > busyMs) {
      countedSinceMs_ = nowMs;
      timesReady_ = 0;
    }
    return ++timesReady_ >= busyTimes;
  }

  void getOwn() {
    const uint32_t awaited = awaited_;
    await(0);
    own_ = std::make_unique<uv_poll_t>();
    uv_poll_init(loop_.uv, own_.get(), fd_);
    own_->data = this;
    loop_.openHandles++;
    await(awaited);
  }

  void awaitByOwn() {
    const int events = ((awaited_ & EPOLLIN) != 0 ? UV_READABLE : 0) | ((awaited_ & EPOLLOUT) != 0 ? UV_WRITABLE : 0);
    if (events == 0) uv_poll_stop(own_.get());
    else uv_poll_start(own_.get(), events, onOwn);
  }

  static void onOwn(uv_poll_t* handle, int status, int events) {
    const uint32_t error = status != 0 ? EPOLLERR : 0U;
    const uint32_t readable = (events & UV_READABLE) != 0 ? EPOLLIN : 0U;
    const uint32_t writable = (events & UV_WRITABLE) != 0 ? EPOLLOUT : 0U;
    static_cast<Stream*>(handle->data)->onReady(error | readable | writable);
  }

  void closeOwn() {
    uv_close(reinterpret_cast<uv_handle_t*>(own_.get()), [](uv_handle_t* handle) {
      auto* stream = static_cast<Stream*>(handle->data);
      stream->loop_.openHandles--;
      delete stream;
    });
  }

  StreamLoop& loop_;
  const int fd_;
  uint32_t awaited_ = 0;    // epoll events
  uint8_t timesReady_ = 0;  // since ...
  bool reads_ = false;
  bool writes_ = false;
  bool isEnding_ = false;  // TLS has announced our end
  bool isClosed_ = false;
  uint64_t countedSinceMs_ = 0;
  std::unique_ptr<uv_poll_t> own_;  // nullptr: watched together with others
  uint64_t sentBytes_ = 0;          // of a plain connection
  std::unique_ptr<TlsChannel> tls_;
  std::unique_ptr<StreamOwner> owner_;
};

}  // namespace rally
