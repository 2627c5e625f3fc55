// The sockets of a worker on its event loop (libuv), with no JavaScript on the way of the bytes: MQTT over
// TCP from a listener of its own, and MQTT over WebSocket once uWebSockets has taken the HTTP request.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../front-end/front-end.h"
#include "websocket.h"

namespace rally {

// A TCP socket that is bound to a numeric address and shares it (SO_REUSEPORT). Gives its descriptor and
// sets `port` to the one it has, or gives a negative error of libuv.
inline int bindShared(const std::string& host, int& port) {
  sockaddr_storage address{};
  const bool isV6 = host.find(':') != std::string::npos;
  const int error = isV6 ? uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(&address))
                         : uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(&address));
  if (error) return error;
  const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
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

class SocketTransport : public Transport {
 public:
  SocketTransport(uv_loop_t* loop, FrontEnd& frontEnd) : loop_(loop), frontEnd_(frontEnd), input_(inputBytes) {}

  // Listens on a numeric address for MQTT over TCP. Every worker may listen on the same port, the kernel
  // spreads the connections. Gives the port, or a negative error of libuv.
  int listen(const std::string& host, int port) {
    const int fd = bindShared(host, port);
    if (fd < 0) return fd;
    if (::listen(fd, backlog) != 0) {
      const int error = uv_translate_sys_error(errno);
      ::close(fd);
      return error;
    }
    listenerFd_ = fd;
    uv_poll_init(loop_, &listener_, fd);
    listener_.data = this;
    watchListener();
    return port;
  }

  void stopListening() {
    if (listenerFd_ < 0) return;
    openHandles_++;
    uv_close(reinterpret_cast<uv_handle_t*>(&listener_),
             [](uv_handle_t* handle) { static_cast<SocketTransport*>(handle->data)->openHandles_--; });
    ::close(std::exchange(listenerFd_, -1));
  }

  // A WebSocket on a connected socket, which is this object's from now on. `answer` is the end of the HTTP
  // handshake and goes out first. False: the socket is no more.
  bool openWebSocket(int fd, Bytes answer) {
    if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        ssize_t(answer.size())) {  // it is the first, and small
      ::close(fd);
      return false;
    }
    auto webSocket = std::make_unique<WebSocket>();
    webSocket->lastHeardMs = uv_now(loop_);
    open(fd, std::move(webSocket));
    return true;
  }

  // Handles that libuv has not finished closing: while there are any, this object must live.
  size_t openHandles() const { return openHandles_; }

  // Once a second: a WebSocket that was silent is pinged, so that no proxy drops it, and one that does not
  // answer is no more.
  void tick() {
    if (isOutOfDescriptors_) watchListener();
    const uint64_t nowMs = uv_now(loop_);
    frontEnd_.eachConnection([&](Connection& connection) {
      if (connection.transport != this || !connection.socket) return;
      Socket& socket = socketOf(connection);
      if (!socket.webSocket) return;
      const uint64_t silentMs = nowMs - socket.webSocket->lastHeardMs;
      if (silentMs < webSocketPingMs) socket.webSocket->isPinged = false;
      else if (silentMs >= webSocketSilenceMs) abort(connection);
      else if (!std::exchange(socket.webSocket->isPinged, true)) sendControl(socket, WebSocketOpcode::ping, {});
    });
  }

  void write(Connection& connection) override {
    if (connection.outbox.isEmpty()) return;
    Socket& socket = socketOf(connection);
    WebSocketHead head;
    const size_t headBytes = socket.webSocket
                                 ? writeWebSocketHead(head, WebSocketOpcode::binary, connection.outbox.bytes())
                                 : 0;
    const Bytes before = Bytes(head).first(headBytes);
    const ssize_t sent = socket.unsent ? 0 : send(socket, before, connection.outbox, 0);
    if (sent < 0) abort(connection);
    else if (size_t(sent) == headBytes + connection.outbox.bytes())
      connection.outbox.clear(frontEnd_.outbound().arena());
    else writeLater(connection, socket, before, size_t(sent));
  }

  void close(Connection& connection) override {
    Socket& socket = socketOf(connection);
    // What the client still sends is read and dropped, so that the kernel does not answer it with a
    // reset, which would take our last bytes with it; the client's own close ends the socket.
    setReading(connection, true);
    if (socket.webSocket) sendClose(socket, socket.webSocket->close);
    if (socket.unsent) socket.unsent->isLast = true;
    else shutdown(socket.fd, SHUT_WR);
  }

  void abort(Connection& connection) override {
    if (!connection.socket) return;
    Socket& socket = socketOf(connection);
    connection.socket = nullptr;
    socket.connection = nullptr;
    if (socket.unsent) socket.unsent->outbox.clear(frontEnd_.outbound().arena());
    uv_close(reinterpret_cast<uv_handle_t*>(&socket.poll), [](uv_handle_t* handle) {
      auto* closed = static_cast<Socket*>(handle->data);
      closed->transport->openHandles_--;
      delete closed;
    });
    ::close(socket.fd);
    frontEnd_.gone(connection);
  }

  bool setReading(Connection& connection, bool isReading) override {
    if (!connection.socket) return true;
    socketOf(connection).isReading = isReading;
    watch(socketOf(connection));
    return true;
  }

 private:
  static constexpr size_t inputBytes = 262'144;
  static constexpr int backlog = 4'096;
  static constexpr int acceptsMax = 64;  // in one turn, so that those who are here get theirs
  // Up to this size a copy into one piece costs less than telling the kernel of several.
  static constexpr size_t gatherBytesMax = 1'024;
  // Common proxies drop a connection that is silent for 60 s.
  static constexpr uint64_t webSocketPingMs = 30'000;
  static constexpr uint64_t webSocketSilenceMs = 45'000;
  // A client that pings and does not read is answered no more.
  static constexpr size_t waitingControlBytesMax = 1'024;

  struct WebSocket {
    WebSocketReader reader;
    WebSocketClose close = WebSocketClose::normal;  // what we close it with
    bool isPinged = false;
    uint64_t lastHeardMs = 0;
  };

  // What the socket has not taken yet:  [before][outbox] | [after]
  struct Unsent {
    std::vector<uint8_t> before;  // WebSocket: control frames, the head of the message in the outbox
    Outbox outbox;
    size_t sent = 0;             // of `before` and the outbox
    std::vector<uint8_t> after;  // control frames that go out behind the message
    bool isLast = false;         // the stream ends with it
  };

  struct Socket {
    uv_poll_t poll;
    SocketTransport* transport;
    Connection* connection;
    int fd;
    int watched = 0;  // events of libuv
    bool isReading = true;
    std::unique_ptr<WebSocket> webSocket;  // null: MQTT over TCP
    std::unique_ptr<Unsent> unsent;
  };

  static Socket& socketOf(const Connection& connection) { return *static_cast<Socket*>(connection.socket); }

  void watchListener() {
    isOutOfDescriptors_ = false;
    if (listenerFd_ < 0) return;
    uv_poll_start(&listener_, UV_READABLE,
                  [](uv_poll_t* handle, int, int) { static_cast<SocketTransport*>(handle->data)->acceptAll(); });
  }

  void acceptAll() {
    for (int i = 0; i < acceptsMax; i++) {
      const int fd = accept4(listenerFd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        open(fd, nullptr);
        continue;
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        isOutOfDescriptors_ = true;  // until the next tick
        uv_poll_stop(&listener_);
      }
      return;
    }
  }

  void open(int fd, std::unique_ptr<WebSocket> webSocket) {
    auto* socket = new Socket{};
    socket->transport = this;
    socket->fd = fd;
    socket->webSocket = std::move(webSocket);
    uv_poll_init(loop_, &socket->poll, fd);
    socket->poll.data = socket;
    openHandles_++;
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Connection& connection = frontEnd_.open(*this);
    socket->connection = &connection;
    connection.socket = socket;
    const std::string address = remoteAddress(fd);
    frontEnd_.events().push_back({EventKind::opened,
                                  socket->webSocket != nullptr,
                                  Reason::success,
                                  connection.slot,
                                  0,
                                  {address.begin(), address.end()}});
    watch(*socket);
  }

  static std::string remoteAddress(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    char text[64] = "";
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0)
      uv_ip_name(reinterpret_cast<sockaddr*>(&address), text, sizeof text);
    return text;
  }

  // Tells libuv what the socket waits for.
  void watch(Socket& socket) {
    const int events = (socket.isReading ? UV_READABLE : 0) | (socket.unsent ? UV_WRITABLE : 0);
    if (events == socket.watched) return;
    socket.watched = events;
    if (events == 0) uv_poll_stop(&socket.poll);
    else uv_poll_start(&socket.poll, events, onReady);
  }

  static void onReady(uv_poll_t* handle, int status, int events) {
    auto& socket = *static_cast<Socket*>(handle->data);
    SocketTransport& transport = *socket.transport;
    transport.frontEnd_.setNow(uv_now(transport.loop_));
    if (status != 0) transport.abort(*socket.connection);
    if (socket.connection && (events & UV_WRITABLE) != 0) transport.sendUnsent(socket);
    if (socket.connection && (events & UV_READABLE) != 0) transport.receive(socket);
  }

  void receive(Socket& socket) {
    const ssize_t size = recv(socket.fd, input_.data(), input_.size(), MSG_DONTWAIT);
    if (size < 0 && isTemporary(errno)) return;
    if (size <= 0) {
      abort(*socket.connection);
      return;
    }
    const std::span chunk(input_.data(), size_t(size));
    if (socket.webSocket) receiveFrames(socket, chunk);
    else frontEnd_.receive(*socket.connection, chunk);
  }

  static bool isTemporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

  void receiveFrames(Socket& socket, std::span<uint8_t> chunk) {
    WebSocket& webSocket = *socket.webSocket;
    webSocket.lastHeardMs = uv_now(loop_);
    const WebSocketReader::Result result = webSocket.reader.read(chunk, [&](WebSocketOpcode opcode, Bytes payload) {
      if (opcode == WebSocketOpcode::ping) sendControl(socket, WebSocketOpcode::pong, payload);
    });
    if (result.payloadBytes > 0) frontEnd_.receive(*socket.connection, chunk.first(result.payloadBytes));
    if (result.close != WebSocketClose::none && socket.connection) endWebSocket(socket, result);
  }

  // The client has closed, or broke the rules of WebSocket.
  void endWebSocket(Socket& socket, const WebSocketReader::Result& result) {
    Connection& connection = *socket.connection;
    if (result.isFromClient) {
      if (connection.phase < Phase::closing) sendClose(socket, result.close);
      abort(connection);
    } else if (connection.phase < Phase::closing) {
      socket.webSocket->close = result.close;
      frontEnd_.close(connection);
    }
  }

  void sendClose(Socket& socket, WebSocketClose code) {
    const std::array payload{uint8_t(unsigned(code) >> 8), uint8_t(code)};
    sendControl(socket, WebSocketOpcode::close, payload);
  }

  // Goes out behind the message that is on its way. A socket that is no more is found out when it is read.
  void sendControl(Socket& socket, WebSocketOpcode opcode, Bytes payload) {
    WebSocketHead head;
    const size_t headBytes = writeWebSocketHead(head, opcode, payload.size());
    std::vector<uint8_t> frame(head.begin(), head.begin() + std::ptrdiff_t(headBytes));
    frame.insert(frame.end(), payload.begin(), payload.end());
    if (socket.unsent) {
      std::vector<uint8_t>& waiting = socket.unsent->after;
      if (waiting.size() + frame.size() <= waitingControlBytesMax)
        waiting.insert(waiting.end(), frame.begin(), frame.end());
      return;
    }
    const ssize_t sent = send(socket, frame, Outbox(), 0);
    if (sent < 0 || size_t(sent) == frame.size()) return;
    socket.unsent = std::make_unique<Unsent>();
    socket.unsent->before = std::move(frame);
    socket.unsent->sent = size_t(sent);
    watch(socket);
  }

  // Gives how many bytes the socket has taken of `before` and the outbox, beyond `skipped`; -1: it is no more.
  ssize_t send(const Socket& socket, Bytes before, const Outbox& outbox, size_t skipped) {
    pieces_.clear();
    const auto add = [&](const uint8_t* bytes, size_t size) {
      const size_t left = size > skipped ? size - skipped : 0;
      if (left > 0) pieces_.push_back({const_cast<uint8_t*>(bytes) + (size - left), left});
      skipped -= size - left;
    };
    const size_t total = before.size() + outbox.bytes() - skipped;
    add(before.data(), before.size());
    outbox.eachChunk(frontEnd_.outbound().arena(), add);
    if (pieces_.size() > 1 && total <= gatherBytesMax) gather();
    msghdr message{};
    message.msg_iov = pieces_.data();
    message.msg_iovlen = std::min<size_t>(pieces_.size(), IOV_MAX);
    const ssize_t sent = pieces_.size() == 1
                             ? ::send(socket.fd, pieces_[0].iov_base, pieces_[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                             : sendmsg(socket.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    return isTemporary(errno) ? 0 : -1;
  }

  void gather() {
    size_t size = 0;
    for (const iovec& piece : pieces_) {
      std::memcpy(gathered_.data() + size, piece.iov_base, piece.iov_len);
      size += piece.iov_len;
    }
    pieces_.assign(1, {gathered_.data(), size});
  }

  // The socket is full: what is left waits in the arena until it has gone.
  void writeLater(Connection& connection, Socket& socket, Bytes before, size_t sent) {
    if (!socket.unsent) socket.unsent = std::make_unique<Unsent>();
    Unsent& unsent = *socket.unsent;
    unsent.before.insert(unsent.before.end(), unsent.after.begin(), unsent.after.end());
    unsent.after.clear();
    unsent.before.insert(unsent.before.end(), before.begin(), before.end());
    unsent.sent += sent;
    connection.isBlocked = true;
    connection.unsentMessages = connection.outbox.messages();
    connection.unsentBytes = unsent.before.size() + connection.outbox.bytes() - unsent.sent;
    unsent.outbox = std::exchange(connection.outbox, Outbox());
    watch(socket);
  }

  void sendUnsent(Socket& socket) {
    Connection& connection = *socket.connection;
    Unsent& unsent = *socket.unsent;
    const ssize_t sent = send(socket, unsent.before, unsent.outbox, unsent.sent);
    if (sent < 0) {
      abort(connection);
      return;
    }
    unsent.sent += size_t(sent);
    if (unsent.sent < unsent.before.size() + unsent.outbox.bytes()) return;
    unsent.outbox.clear(frontEnd_.outbound().arena());
    if (!unsent.after.empty()) {
      unsent.before = std::exchange(unsent.after, {});
      unsent.sent = 0;
      return;  // the socket is asked again
    }
    if (unsent.isLast) shutdown(socket.fd, SHUT_WR);
    socket.unsent = nullptr;
    watch(socket);
    if (connection.isBlocked) frontEnd_.outbound().unblocked(connection);
  }

  uv_loop_t* const loop_;
  FrontEnd& frontEnd_;
  std::vector<uint8_t> input_;
  std::vector<iovec> pieces_;  // of what is being sent
  std::array<uint8_t, gatherBytesMax> gathered_{};
  uv_poll_t listener_{};
  int listenerFd_ = -1;
  bool isOutOfDescriptors_ = false;  // nobody is accepted until there may be some again
  size_t openHandles_ = 0;
};

}  // namespace rally
