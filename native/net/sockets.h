// The sockets of a worker on its event loop (libuv), with no JavaScript on the way of the bytes: MQTT over
// TCP from a listener of its own, and MQTT over WebSocket once uWebSockets has taken the HTTP request.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "../front-end.h"
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
  port = ntohs(isV6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
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
    uv_tcp_init(loop_, &listener_);
    listener_.data = this;
    isListening_ = true;
    int error = uv_tcp_open(&listener_, fd);
    if (!error) error = uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), backlog, onConnection);
    if (!error) return port;
    stopListening();
    return error;
  }

  void stopListening() {
    if (!isListening_) return;
    isListening_ = false;
    openHandles_++;
    uv_close(reinterpret_cast<uv_handle_t*>(&listener_), [](uv_handle_t* handle) { static_cast<SocketTransport*>(handle->data)->openHandles_--; });
  }

  // A WebSocket on a connected socket, which is this object's from now on. `answer` is the end of the HTTP
  // handshake and goes out first. False: the socket is no more.
  bool openWebSocket(int fd, Bytes answer) {
    auto* socket = newSocket();
    socket->webSocket = std::make_unique<WebSocket>();
    socket->webSocket->lastHeardMs = uv_now(loop_);
    if (uv_tcp_open(&socket->handle, fd) != 0) {
      ::close(fd);
      uv_close(socket->anyHandle(), onClosed);
      return false;
    }
    const uv_buf_t buffer = bufferOf(answer);
    if (uv_try_write(socket->stream(), &buffer, 1) != int(answer.size())) {  // it is the first and small
      uv_close(socket->anyHandle(), onClosed);
      return false;
    }
    open(*socket);
    return true;
  }

  // Handles that libuv has not finished closing: while there are any, this object must live.
  size_t openHandles() const { return openHandles_; }

  // Once a second: a WebSocket that was silent is pinged, so that no proxy drops it, and one that does not
  // answer is no more.
  void tick() {
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
    Arena& arena = frontEnd_.outbound.arena();
    buffers_.clear();
    if (socket.webSocket) {
      const size_t headBytes = writeWebSocketHead(head_, WebSocketOpcode::binary, connection.outbox.bytes());
      buffers_.push_back(bufferOf(Bytes(head_).first(headBytes)));
    }
    size_t total = buffers_.empty() ? 0 : buffers_[0].len;
    total += connection.outbox.bytes();
    connection.outbox.eachChunk(arena, [&](const uint8_t* bytes, size_t size) { buffers_.push_back(bufferOf({bytes, size})); });
    const int written = uv_try_write(socket.stream(), buffers_.data(), unsigned(buffers_.size()));
    if (written < 0 && written != UV_EAGAIN) {
      abort(connection);
      return;
    }
    const size_t sent = written > 0 ? size_t(written) : 0;
    if (sent == total) connection.outbox.clear(arena);
    else writeLater(connection, socket, sent);
  }

  void close(Connection& connection) override {
    Socket& socket = socketOf(connection);
    // What the client still sends is read and dropped, so that the kernel does not answer it with a
    // reset, which would take our last bytes with it; the client's own close ends the socket.
    uv_read_start(socket.stream(), onAllocate, onRead);
    if (socket.webSocket) sendClose(socket, socket.webSocket->close);
    auto* request = new uv_shutdown_t{};
    const int error = uv_shutdown(request, socket.stream(), [](uv_shutdown_t* done, int) { delete done; });
    if (!error) return;
    delete request;
    abort(connection);
  }

  void abort(Connection& connection) override {
    if (!connection.socket) return;
    Socket& socket = socketOf(connection);
    connection.socket = nullptr;
    socket.connection = nullptr;
    uv_close(socket.anyHandle(), onClosed);
    frontEnd_.gone(connection);
  }

  bool setReading(Connection& connection, bool isReading) override {
    if (!connection.socket) return true;
    Socket& socket = socketOf(connection);
    if (isReading) uv_read_start(socket.stream(), onAllocate, onRead);
    else uv_read_stop(socket.stream());
    return true;
  }

 private:
  static constexpr size_t inputBytes = 262'144;
  static constexpr int backlog = 4'096;
  // Common proxies drop a connection that is silent for 60 s.
  static constexpr uint64_t webSocketPingMs = 30'000;
  static constexpr uint64_t webSocketSilenceMs = 45'000;
  // Of one socket, that wait for it to take more: a client that pings and does not read gets no more of them.
  static constexpr uint8_t waitingControlsMax = 8;

  struct WebSocket {
    WebSocketReader reader;
    WebSocketClose close = WebSocketClose::normal;  // what we close it with
    bool isPinged = false;
    uint8_t waitingControls = 0;
    uint64_t lastHeardMs = 0;
  };

  // What the socket has not taken yet.
  struct Unsent {
    uv_write_t request;
    Outbox outbox;
    WebSocketHead head;
  };

  struct Socket {
    uv_tcp_t handle;
    SocketTransport* transport;
    Connection* connection;
    std::unique_ptr<WebSocket> webSocket;  // null: MQTT over TCP
    std::unique_ptr<Unsent> unsent;
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
    uv_handle_t* anyHandle() { return reinterpret_cast<uv_handle_t*>(&handle); }
    void forgetUnsent(Arena& arena) {
      if (unsent) unsent->outbox.clear(arena);
      unsent = nullptr;
    }
  };

  struct ControlFrame {
    uv_write_t request;
    std::array<uint8_t, 2 + webSocketControlBytesMax> bytes;
  };

  static Socket& socketOf(const Connection& connection) { return *static_cast<Socket*>(connection.socket); }
  static uv_buf_t bufferOf(Bytes bytes) {
    return uv_buf_init(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())), unsigned(bytes.size()));
  }

  static void onConnection(uv_stream_t* listener, int status) {
    if (status == 0) static_cast<SocketTransport*>(listener->data)->accept(listener);
  }

  void accept(uv_stream_t* listener) {
    auto* socket = newSocket();
    if (uv_accept(listener, socket->stream()) == 0) open(*socket);
    else uv_close(socket->anyHandle(), onClosed);
  }

  Socket* newSocket() {
    auto* socket = new Socket{};
    socket->transport = this;
    uv_tcp_init(loop_, &socket->handle);
    socket->handle.data = socket;
    openHandles_++;
    return socket;
  }

  void open(Socket& socket) {
    uv_tcp_nodelay(&socket.handle, 1);
    Connection& connection = frontEnd_.open(*this);
    socket.connection = &connection;
    connection.socket = &socket;
    const std::string address = remoteAddress(socket);
    frontEnd_.events.push_back({EventKind::opened, socket.webSocket != nullptr, Reason::success, connection.slot, 0, {address.begin(), address.end()}});
    uv_read_start(socket.stream(), onAllocate, onRead);
  }

  static std::string remoteAddress(const Socket& socket) {
    sockaddr_storage address{};
    int size = sizeof address;
    char text[64] = "";
    if (uv_tcp_getpeername(&socket.handle, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      uv_ip_name(reinterpret_cast<sockaddr*>(&address), text, sizeof text);
    }
    return text;
  }

  static void onAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    std::vector<char>& input = static_cast<Socket*>(handle->data)->transport->input_;
    *buffer = uv_buf_init(input.data(), unsigned(input.size()));
  }

  static void onRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* socket = static_cast<Socket*>(stream->data);
    if (!socket->connection || size == 0) return;
    SocketTransport& transport = *socket->transport;
    if (size < 0) {
      transport.abort(*socket->connection);
      return;
    }
    transport.frontEnd_.setNow(uv_now(transport.loop_));
    const std::span chunk(reinterpret_cast<uint8_t*>(buffer->base), size_t(size));
    if (socket->webSocket) transport.receiveFrames(*socket, chunk);
    else transport.frontEnd_.receive(*socket->connection, chunk);
  }

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

  // Goes out behind what waits already, between two messages.
  void sendControl(Socket& socket, WebSocketOpcode opcode, Bytes payload) {
    if (socket.webSocket->waitingControls == waitingControlsMax) return;
    auto frame = std::make_unique<ControlFrame>();
    WebSocketHead head;
    const size_t headBytes = writeWebSocketHead(head, opcode, payload.size());
    std::copy_n(head.begin(), headBytes, frame->bytes.begin());
    std::copy(payload.begin(), payload.end(), frame->bytes.begin() + std::ptrdiff_t(headBytes));
    const uv_buf_t buffer = bufferOf(Bytes(frame->bytes).first(headBytes + payload.size()));
    frame->request.data = &socket;
    const int error = uv_write(&frame->request, socket.stream(), &buffer, 1, [](uv_write_t* request, int) {
      static_cast<Socket*>(request->data)->webSocket->waitingControls--;
      delete reinterpret_cast<ControlFrame*>(request);
    });
    if (error) return;
    socket.webSocket->waitingControls++;
    static_cast<void>(frame.release());
  }

  // The socket is full: what is left waits in the arena until it has gone.
  void writeLater(Connection& connection, Socket& socket, size_t sent) {
    socket.unsent = std::make_unique<Unsent>();
    Unsent& unsent = *socket.unsent;
    if (socket.webSocket) {
      unsent.head = head_;
      buffers_[0].base = reinterpret_cast<char*>(unsent.head.data());
    }
    size_t skipped = 0;
    while (sent >= buffers_[skipped].len) sent -= buffers_[skipped++].len;
    buffers_[skipped].base += sent;
    buffers_[skipped].len -= sent;
    connection.isBlocked = true;
    connection.unsentMessages = connection.outbox.messages();
    for (size_t i = skipped; i < buffers_.size(); i++) connection.unsentBytes += buffers_[i].len;
    unsent.outbox = std::exchange(connection.outbox, Outbox());
    unsent.request.data = &socket;
    const int error = uv_write(&unsent.request, socket.stream(), buffers_.data() + skipped, unsigned(buffers_.size() - skipped), onWritten);
    if (error) abort(connection);
  }

  static void onWritten(uv_write_t* request, int status) {
    auto& socket = *static_cast<Socket*>(request->data);
    SocketTransport& transport = *socket.transport;
    socket.forgetUnsent(transport.frontEnd_.outbound.arena());
    if (!socket.connection) return;
    if (status != 0) transport.abort(*socket.connection);
    else transport.frontEnd_.outbound.unblocked(*socket.connection);
  }

  static void onClosed(uv_handle_t* handle) {
    auto* socket = static_cast<Socket*>(handle->data);
    socket->forgetUnsent(socket->transport->frontEnd_.outbound.arena());
    socket->transport->openHandles_--;
    delete socket;
  }

  uv_loop_t* const loop_;
  FrontEnd& frontEnd_;
  std::vector<char> input_;
  std::vector<uv_buf_t> buffers_;
  WebSocketHead head_{};  // of the message that is being written
  uv_tcp_t listener_{};
  bool isListening_ = false;
  size_t openHandles_ = 0;
};

}  // namespace rally
