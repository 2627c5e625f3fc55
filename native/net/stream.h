// The bytes of one connection on the event loop: a socket, with TLS if the port has it (secure()). The layers above
// need not know: a plain connection pays one test per call for TLS.
//
//   Stream -> its owner, which reads and writes it: a Visitor, then a Socket of the data plane, or a link to the HTTP
//             server. The stream owns its owner, and both are deleted when libuv has released the handle.
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
#include "transferred.h"

namespace rally {

// The event loop, and the number of our handles that libuv has not finished closing or watching: until it is 0, the
// objects they point to must live.
struct StreamLoop {
  uv_loop_t* uv;
  size_t openHandles = 0;
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
  // Takes over a connected, non-blocking socket.
  Stream(StreamLoop& loop, int fd) : loop_(loop), fd_(fd) {
    uv_poll_init(loop.uv, &poll_, fd);
    poll_.data = this;
    loop.openHandles++;
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Gives the previous owner, which may be the caller and has to be destroyed last.
  [[nodiscard]] std::unique_ptr<StreamOwner> handOver(std::unique_ptr<StreamOwner> owner) {
    return std::exchange(owner_, std::move(owner));
  }

  // TLS begins. `before`: bytes of it that were already received; the owner receives at once.
  void secure(TlsThread& thread, std::shared_ptr<const TlsContext> context, Protocols protocols,
              std::vector<uint8_t> before) {
    RALLY_ASSERT(!tls_ && sentBytes_ == 0);
    tls_ = std::make_unique<TlsChannel>(thread, std::move(context), fd_, protocols, std::move(before));
  }
  // nullptr: it is plain.
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

  // acknowledgedBytes() is what was sent, less what the peer's machine has not acknowledged: it grows while the peer
  // reads.
  uint64_t sentBytes() const { return tls_ ? tls_->sentBytes() + tls_->unsentBytes() : sentBytes_; }
  uint64_t acknowledgedBytes() const {
    const uint64_t sent = tls_ ? tls_->sentBytes() : sentBytes_;
    int queued = 0;
    const bool isKnown = ioctl(fd_, SIOCOUTQ, &queued) == 0;
    return isKnown ? sent - std::min(sent, uint64_t(queued)) : sent;  // a Unix socket counts its own memory
  }
  // The most that `bytes`, sent at once, can be in acknowledgedBytes().
  uint64_t bytesOnSocket(uint64_t bytes) const { return tls_ ? bytes + TlsChannel::overheadBytesMax : bytes; }

  // What to wait for: bytes from the peer, room for bytes to it.
  void watch(bool reads, bool writes) {
    reads_ = reads;
    writes_ = writes;
    update();
  }

  // Tells the peer that nothing follows.
  void endWriting() {
    if (tls_) {
      tls_->endWriting();
      isEnding_ = true;
      update();
      if (tls_->hasUnsent()) return;
    }
    shutdown(fd_, SHUT_WR);
  }

  // The end: this object and its owner are deleted in one of the next turns of the loop.
  void close() {
    if (isClosed_) return;
    if (tls_ && !isEnding_) tls_->endWriting();
    isClosed_ = true;
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

  Transferred settled(Transferred transferred) {
    update();
    return transferred;
  }

  // Bytes left over by TLS are sent whether or not the owner waits for room.
  void update() {
    const bool writes = writes_ || (tls_ && tls_->hasUnsent());
    const int events = (reads_ ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
    if (events == watched_ || isClosed_) return;
    watched_ = events;
    if (events == 0) uv_poll_stop(&poll_);
    else uv_poll_start(&poll_, events, onReady);
  }

  static void onReady(uv_poll_t* handle, int status, int events) {
    auto& stream = *static_cast<Stream*>(handle->data);
    if (status != 0) {
      stream.owner_->onBroken();
      return;
    }
    if ((events & UV_WRITABLE) != 0) stream.onWritable();
    if ((events & UV_READABLE) != 0 && !stream.isClosed_ && stream.reads_) stream.owner_->onReadable();
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

  StreamLoop& loop_;
  uv_poll_t poll_{};
  const int fd_;
  int watched_ = 0;  // events of libuv
  bool reads_ = false;
  bool writes_ = false;
  bool isEnding_ = false;  // TLS has said that nothing follows
  bool isClosed_ = false;
  uint64_t sentBytes_ = 0;  // of a plain connection
  std::unique_ptr<TlsChannel> tls_;
  std::unique_ptr<StreamOwner> owner_;
};

}  // namespace rally
