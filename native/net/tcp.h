// MQTT over TCP: a listener and its sockets on the worker's event loop (libuv), with no JavaScript on
// the way of the bytes.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <string>
#include <vector>

#include "../front-end.h"

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

class TcpTransport : public Transport {
 public:
  TcpTransport(uv_loop_t* loop, FrontEnd& frontEnd) : loop_(loop), frontEnd_(frontEnd), input_(inputBytes) {}

  // Listens on a numeric address. Every worker may listen on the same port, the kernel spreads the
  // connections. Gives the port, or a negative error of libuv.
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
    uv_close(reinterpret_cast<uv_handle_t*>(&listener_), [](uv_handle_t* handle) { static_cast<TcpTransport*>(handle->data)->openHandles_--; });
  }

  // Handles that libuv has not finished closing: while there are any, this object must live.
  size_t openHandles() const { return openHandles_; }

  void write(Connection& connection) override {
    Socket& socket = socketOf(connection);
    Arena& arena = frontEnd_.outbound.arena();
    buffers_.clear();
    if (connection.outbox.isEmpty()) return;
    connection.outbox.eachChunk(arena, [&](uint8_t* bytes, size_t size) {
      buffers_.push_back(uv_buf_init(reinterpret_cast<char*>(bytes), unsigned(size)));
    });
    const int written = uv_try_write(socket.stream(), buffers_.data(), unsigned(buffers_.size()));
    if (written < 0 && written != UV_EAGAIN) {
      abort(connection);
      return;
    }
    const size_t sent = written > 0 ? size_t(written) : 0;
    if (sent == connection.outbox.bytes()) connection.outbox.clear(arena);
    else writeLater(connection, socket, sent);
  }

  void close(Connection& connection) override {
    Socket& socket = socketOf(connection);
    // What the client still sends is read and dropped, so that the kernel does not answer it with a
    // reset, which would take our last bytes with it; the client's own close ends the socket.
    uv_read_start(socket.stream(), onAllocate, onRead);
    if (uv_shutdown(&socket.shutdownRequest, socket.stream(), [](uv_shutdown_t*, int) {}) != 0) abort(connection);
  }

  void abort(Connection& connection) override {
    if (!connection.socket) return;
    Socket& socket = socketOf(connection);
    connection.socket = nullptr;
    socket.connection = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&socket.handle), onClosed);
    frontEnd_.gone(connection);
  }

  bool setReading(Connection& connection, bool isReading) override {
    if (!connection.socket) return true;
    Socket& socket = socketOf(connection);
    if (isReading) uv_read_start(socket.stream(), onAllocate, onRead);
    else uv_read_stop(socket.stream());
    return true;
  }

  static std::string remoteAddress(const Connection& connection) {
    sockaddr_storage address{};
    int size = sizeof address;
    char text[64] = "";
    if (connection.socket && uv_tcp_getpeername(&socketOf(connection).handle, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      uv_ip_name(reinterpret_cast<sockaddr*>(&address), text, sizeof text);
    }
    return text;
  }

 private:
  static constexpr size_t inputBytes = 262'144;
  static constexpr int backlog = 4'096;

  struct Socket {
    uv_tcp_t handle;
    uv_write_t writeRequest;
    uv_shutdown_t shutdownRequest;
    TcpTransport* transport;
    Connection* connection;
    Outbox unsent;
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
  };

  static Socket& socketOf(const Connection& connection) { return *static_cast<Socket*>(connection.socket); }

  static void onConnection(uv_stream_t* listener, int status) {
    if (status == 0) static_cast<TcpTransport*>(listener->data)->accept(listener);
  }

  void accept(uv_stream_t* listener) {
    auto* socket = new Socket{};
    socket->transport = this;
    uv_tcp_init(loop_, &socket->handle);
    socket->handle.data = socket;
    openHandles_++;
    if (uv_accept(listener, socket->stream()) != 0) {
      uv_close(reinterpret_cast<uv_handle_t*>(&socket->handle), onClosed);
      return;
    }
    uv_tcp_nodelay(&socket->handle, 1);
    socket->connection = &frontEnd_.open(*this);
    socket->connection->socket = socket;
    const std::string address = remoteAddress(*socket->connection);
    frontEnd_.events.push_back({EventKind::opened, 0, Reason::success, socket->connection->slot, 0, {address.begin(), address.end()}});
    uv_read_start(socket->stream(), onAllocate, onRead);
  }

  static void onAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    std::vector<char>& input = static_cast<Socket*>(handle->data)->transport->input_;
    *buffer = uv_buf_init(input.data(), unsigned(input.size()));
  }

  static void onRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* socket = static_cast<Socket*>(stream->data);
    if (!socket->connection || size == 0) return;
    TcpTransport& transport = *socket->transport;
    if (size < 0) {
      transport.abort(*socket->connection);
      return;
    }
    transport.frontEnd_.setNow(uv_now(transport.loop_));
    transport.frontEnd_.receive(*socket->connection, Bytes(reinterpret_cast<const uint8_t*>(buffer->base), size_t(size)));
  }

  // The socket is full: what is left waits in the arena until it has gone.
  void writeLater(Connection& connection, Socket& socket, size_t sent) {
    size_t skipped = 0;
    while (sent >= buffers_[skipped].len) sent -= buffers_[skipped++].len;
    buffers_[skipped].base += sent;
    buffers_[skipped].len -= sent;
    connection.isBlocked = true;
    connection.unsentMessages = connection.outbox.messages();
    for (size_t i = skipped; i < buffers_.size(); i++) connection.unsentBytes += buffers_[i].len;
    socket.unsent = std::exchange(connection.outbox, Outbox());
    socket.writeRequest.data = &socket;
    const int error = uv_write(&socket.writeRequest, socket.stream(), buffers_.data() + skipped, unsigned(buffers_.size() - skipped), onWritten);
    if (error) abort(connection);
  }

  static void onWritten(uv_write_t* request, int status) {
    auto& socket = *static_cast<Socket*>(request->data);
    TcpTransport& transport = *socket.transport;
    socket.unsent.clear(transport.frontEnd_.outbound.arena());
    if (!socket.connection) return;
    if (status != 0) transport.abort(*socket.connection);
    else transport.frontEnd_.outbound.unblocked(*socket.connection);
  }

  static void onClosed(uv_handle_t* handle) {
    auto* socket = static_cast<Socket*>(handle->data);
    socket->unsent.clear(socket->transport->frontEnd_.outbound.arena());
    socket->transport->openHandles_--;
    delete socket;
  }

  uv_loop_t* const loop_;
  FrontEnd& frontEnd_;
  std::vector<char> input_;
  std::vector<uv_buf_t> buffers_;
  uv_tcp_t listener_{};
  bool isListening_ = false;
  size_t openHandles_ = 0;
};

}  // namespace rally
