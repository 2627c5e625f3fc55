// The bytes of one connection on the event loop: a plain socket. TLS has its place here, below receive() and send(),
// and nobody above need know of it.
//
//   Stream -> its owner: who reads and writes it now (a Visitor, then a Socket of the data plane; a link to the HTTP
//             server). The stream owns its owner, and both go when libuv has let go of the handle.
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

#include "../structures/bytes.h"

namespace rally {

// The event loop, and how many handles of ours libuv has not finished closing or watching: while there are any, what
// they point to must live.
struct StreamLoop {
  uv_loop_t* uv;
  size_t openHandles = 0;
};

enum class StreamState : uint8_t {
  open,
  ended,   // the peer sends no more
  broken,  // it is no more
};

struct Transferred {
  StreamState state = StreamState::open;
  size_t bytes = 0;  // 0 while it is open: not now
};

class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  virtual void onReadable() = 0;
  virtual void onWritable() = 0;
  virtual void onBroken() = 0;
};

class Stream {
 public:
  // Takes over a connected socket that does not block.
  Stream(StreamLoop& loop, int fd) : loop_(loop), fd_(fd) {
    uv_poll_init(loop.uv, &poll_, fd);
    poll_.data = this;
    loop.openHandles++;
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Gives the owner before, which may be the caller and has to be the last to know of it.
  [[nodiscard]] std::unique_ptr<StreamOwner> handOver(std::unique_ptr<StreamOwner> owner) {
    return std::exchange(owner_, std::move(owner));
  }

  Transferred receive(std::span<uint8_t> into) {
    const ssize_t size = recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
    if (size > 0) return {StreamState::open, size_t(size)};
    if (size == 0) return {StreamState::ended};
    return {isTemporary(errno) ? StreamState::open : StreamState::broken};
  }

  Transferred send(Bytes bytes) { return sent(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)); }
  Transferred send(std::span<iovec> pieces) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    return sent(sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  // Of all that was sent, what the peer's machine has not acknowledged stands against it: a peer that reads lets it
  // grow.
  uint64_t sentBytes() const { return sentBytes_; }
  uint64_t acknowledgedBytes() const {
    int queued = 0;
    return ioctl(fd_, SIOCOUTQ, &queued) == 0 ? sentBytes_ - uint64_t(queued) : sentBytes_;
  }

  // What is waited for: bytes from the peer, and room for bytes to it.
  void watch(bool reads, bool writes) {
    const int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
    if (events == watched_ || isClosed_) return;
    watched_ = events;
    if (events == 0) uv_poll_stop(&poll_);
    else uv_poll_start(&poll_, events, onReady);
  }

  // The peer is told that nothing follows.
  void endWriting() { shutdown(fd_, SHUT_WR); }

  // The end: this object and its owner are deleted in one of the next turns of the loop.
  void close() {
    if (std::exchange(isClosed_, true)) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
      auto* stream = static_cast<Stream*>(handle->data);
      stream->loop_.openHandles--;
      delete stream;
    });
    ::close(fd_);
  }
  bool isClosed() const { return isClosed_; }

 private:
  ~Stream() = default;

  static bool isTemporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

  Transferred sent(ssize_t size) {
    if (size < 0) return {isTemporary(errno) ? StreamState::open : StreamState::broken};
    sentBytes_ += size_t(size);
    return {StreamState::open, size_t(size)};
  }

  static void onReady(uv_poll_t* handle, int status, int events) {
    auto& stream = *static_cast<Stream*>(handle->data);
    if (status != 0) {
      stream.owner_->onBroken();
      return;
    }
    if ((events & UV_WRITABLE) != 0) stream.owner_->onWritable();
    if ((events & UV_READABLE) != 0 && !stream.isClosed_) stream.owner_->onReadable();
  }

  StreamLoop& loop_;
  uv_poll_t poll_{};
  const int fd_;
  int watched_ = 0;  // events of libuv
  bool isClosed_ = false;
  uint64_t sentBytes_ = 0;
  std::unique_ptr<StreamOwner> owner_;
};

}  // namespace rally
