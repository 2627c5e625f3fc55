// The sockets of the data plane on the event loop of its worker, with no JavaScript on the path of the bytes: MQTT,
// plain or in a WebSocket. The door (door.h) has accepted them and knows their protocol.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "../front-end/front-end.h"
#include "stream.h"
#include "websocket.h"

namespace rally {

class SocketTransport : public Transport {
 public:
  SocketTransport(StreamLoop& loop, const Limits& limits, FrontEnd& frontEnd)
      : loop_(loop), limits_(limits), frontEnd_(frontEnd), input_(inputBytes) {}

  struct Taken {
    Connection& connection;
    std::unique_ptr<StreamOwner>
        former;  // of the stream: it may be the caller, and it lives until this object is dropped
  };

  // The stream becomes a connection of the data plane.
  Taken take(Stream& stream, bool isWebSocket) {
    auto socket = std::make_unique<Socket>(*this, stream);
    if (isWebSocket) {
      socket->webSocket = std::make_unique<WebSocket>();
      socket->webSocket->lifeMs = nowMs();
    }
    Connection& connection = frontEnd_.open(*this);
    socket->connection = &connection;
    connection.socket = socket.get();
    watch(*socket);
    return {connection, stream.handOver(std::move(socket))};
  }

  // Packet control learns of it with its first packet: until then it costs no JavaScript.
  void introduce(Connection& connection, Introduction introduction) {
    frontEnd_.introduceLater(connection, std::move(introduction));
  }

  // Bytes to send before everything else: the end of HTTP.
  void sendBefore(Connection& connection, std::string_view text) {
    sendBehind(socketOf(connection), Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }

  // Bytes that arrived before the data plane had the connection.
  void receive(Connection& connection, Bytes bytes) {
    if (bytes.empty() || !connection.socket) return;
    Socket& socket = socketOf(connection);
    if (!socket.webSocket) {
      frontEnd_.receive(connection, bytes);
      return;
    }
    std::vector<uint8_t> chunk(bytes.begin(), bytes.end());  // unmasked in place
    receiveFrames(socket, chunk);
  }

  // Once a second, after everything received was handled: a silent WebSocket is pinged, so that no proxy drops it,
  // and closed if it does not answer. A peer that accepts bytes is alive, since much may be queued ahead of the ping;
  // a peer that we do not read from cannot answer.
  void tick() {
    frontEnd_.eachConnection([&](Connection& connection) {
      if (connection.transport != this || !connection.socket) return;
      Socket& socket = socketOf(connection);
      if (socket.webSocket) judge(connection, socket, *socket.webSocket);
    });
  }

  // The process was suspended.
  void forgive(uint64_t gapMs) {
    frontEnd_.eachConnection([&](Connection& connection) {
      if (connection.transport != this || !connection.socket) return;
      const Socket& socket = socketOf(connection);
      if (socket.webSocket) socket.webSocket->lifeMs = std::min(socket.webSocket->lifeMs + gapMs, nowMs());
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
    const Transferred sent = socket.unsent ? Transferred() : send(socket, before, connection.outbox, 0);
    if (sent.state != StreamState::open) onUnwritable(socket);
    else if (sent.bytes == headBytes + connection.outbox.bytes()) connection.outbox.clear(frontEnd_.outbound().arena());
    else writeLater(connection, socket, before, sent.bytes);
  }

  void close(Connection& connection) override {
    Socket& socket = socketOf(connection);
    // Further bytes from the client are read and dropped: otherwise the kernel would answer them with a reset, which
    // would discard our last bytes. The client's own close ends the socket.
    setReading(connection, true);
    if (socket.webSocket) sendClose(socket, socket.webSocket->close);
    if (socket.unsent) socket.unsent->isLast = true;
    else socket.stream.endWriting();
  }

  void abort(Connection& connection) override {
    if (!connection.socket) return;
    Socket& socket = socketOf(connection);
    if (socket.webSocket && socket.webSocket->owesClose && connection.phase == Phase::closing && !socket.unsent)
      sendClose(socket, socket.webSocket->close);
    connection.socket = nullptr;
    socket.connection = nullptr;
    if (socket.unsent) socket.unsent->outbox.clear(frontEnd_.outbound().arena());
    socket.stream.close();  // the socket is deleted with it, in one of the next turns
    frontEnd_.gone(connection);
  }

  void readLast(Connection& connection) override {
    if (connection.socket) onReadable(socketOf(connection));
  }

  void setReading(Connection& connection, bool isReading) override {
    if (!connection.socket) return;
    Socket& socket = socketOf(connection);
    if (isReading && !socket.isReading && socket.webSocket) socket.webSocket->livesAt(nowMs());
    socket.isReading = isReading;
    watch(socket);
  }

 private:
  static constexpr size_t inputBytes = 262'144;
  // Up to this size copying into one piece is cheaper than passing several pieces to the kernel.
  static constexpr size_t gatherBytesMax = 1'024;
  static constexpr uint64_t pingBytes = 2;
  // A client that pings without reading gets no more answers.
  static constexpr size_t waitingControlBytesMax = 1'024;

  struct WebSocket {
    WebSocketReader reader;
    WebSocketClose close = WebSocketClose::normal;  // the code of our Close frame
    bool owesClose = false;                         // the client's Close frame is not answered yet
    bool isPinged = false;
    uint64_t lifeMs = 0;      // time of the last sign of life
    uint64_t takenBytes = 0;  // of what was sent, including a ping queued behind it

    void livesAt(uint64_t nowMs) {
      lifeMs = nowMs;
      isPinged = false;
    }
  };

  // The last ping of a chunk.
  struct Ping {
    bool isSent = false;
    size_t size = 0;
    std::array<uint8_t, webSocketControlBytesMax> bytes;

    void take(Bytes payload) {
      isSent = true;
      size = payload.size();
      std::copy(payload.begin(), payload.end(), bytes.begin());
    }
    Bytes payload() const { return Bytes(bytes).first(size); }
  };

  // Bytes that the socket has not accepted yet:  [before][outbox] | [after]
  struct Unsent {
    std::vector<uint8_t> before;  // WebSocket: control frames, the head of the message in the outbox
    Outbox outbox;
    size_t sent = 0;             // of `before` and the outbox
    std::vector<uint8_t> after;  // control frames to send after the message
    bool isLast = false;         // the stream ends with it
  };

  struct Socket final : StreamOwner {
    Socket(SocketTransport& transportOf, Stream& streamOf) : transport(transportOf), stream(streamOf) {}

    void onReadable() override { transport.onReadable(*this); }
    void onWritable() override {
      transport.updateNow();
      if (connection) transport.sendUnsent(*this);
    }
    void onBroken() override {
      transport.updateNow();
      if (connection) transport.onUnwritable(*this);
    }

    SocketTransport& transport;
    Stream& stream;
    Connection* connection = nullptr;
    bool isReading = true;
    bool isUnwritable = false;             // the peer has gone, and what it sent before may not be read yet
    std::unique_ptr<WebSocket> webSocket;  // null: bare MQTT
    std::unique_ptr<Unsent> unsent;
  };

  uint64_t nowMs() const { return uv_now(loop_.uv); }
  void updateNow() { frontEnd_.setNow(nowMs()); }

  static Socket& socketOf(const Connection& connection) { return *static_cast<Socket*>(connection.socket); }

  // Tells the loop which events to wait for.
  void watch(Socket& socket) { socket.stream.watch(socket.isReading, socket.unsent != nullptr); }

  void judge(Connection& connection, Socket& socket, WebSocket& webSocket) {
    if (!socket.isReading) webSocket.livesAt(nowMs());
    const uint64_t silentMs = nowMs() - webSocket.lifeMs;
    // A peer that is behind and accepts bytes now and then must be observed continuously, not only after a ping; peers
    // that send, or have accepted everything, need no check.
    if (silentMs < limits_.webSocketPingMs / 2) return;
    const uint64_t takenBytes = socket.stream.acknowledgedBytes();
    const bool isBehind = socket.unsent || takenBytes < socket.stream.sentBytes();
    const bool isTaking = takenBytes > webSocket.takenBytes && (isBehind || webSocket.isPinged);
    webSocket.takenBytes = std::max(webSocket.takenBytes, takenBytes);
    if (isTaking) {
      webSocket.livesAt(nowMs());
    } else if (silentMs >= limits_.webSocketPingMs && !std::exchange(webSocket.isPinged, true)) {
      webSocket.takenBytes = takenBytes + socket.stream.bytesOnSocket(pingBytes);
      sendControl(socket, WebSocketOpcode::ping, {});
    } else if (silentMs >= limits_.webSocketSilenceMs) {
      abort(connection);
    }
  }

  void onReadable(Socket& socket) {
    updateNow();
    if (!socket.connection) return;
    const Transferred got = socket.stream.receive(input_);
    if (got.state == StreamState::ended) onStreamEnd(socket);
    else if (got.state != StreamState::open) abort(*socket.connection);
    else if (got.bytes > 0) receive(socket, std::span(input_.data(), got.bytes));
  }

  // Its last packets, perhaps a DISCONNECT, may still be in the socket: the connection ends behind them. This may be in
  // the middle of a delivery.
  void onUnwritable(Socket& socket) {
    Connection& connection = *socket.connection;
    if (connection.phase >= Phase::ending || connection.pausedBy.isOver()) {
      abort(connection);
      return;
    }
    Arena& arena = frontEnd_.outbound().arena();
    if (socket.unsent) socket.unsent->outbox.clear(arena);
    socket.unsent = nullptr;
    connection.outbox.clear(arena);
    connection.unsentBytes = connection.unsentMessages = 0;
    connection.isBlocked = true;
    socket.isUnwritable = true;
    socket.stream.endReading();
    watch(socket);
  }

  void receive(Socket& socket, std::span<uint8_t> chunk) {
    if (socket.webSocket) receiveFrames(socket, chunk);
    else frontEnd_.receive(*socket.connection, chunk);
  }

  // The only place where the client's stream ends: its socket sends no more, or it has sent a Close frame.
  void onStreamEnd(Socket& socket) {
    if (socket.isUnwritable) abort(*socket.connection);
    else frontEnd_.streamEnded(*socket.connection);
  }

  void receiveFrames(Socket& socket, std::span<uint8_t> chunk) {
    WebSocket& webSocket = *socket.webSocket;
    webSocket.livesAt(nowMs());
    Ping ping;
    const WebSocketReader::Result result = webSocket.reader.read(chunk, [&](WebSocketOpcode opcode, Bytes payload) {
      if (opcode == WebSocketOpcode::ping) ping.take(payload);
    });
    // One answer, to the last ping, is enough (5.5.3): a chunk may hold 40,000.
    if (ping.isSent) sendControl(socket, WebSocketOpcode::pong, ping.payload());
    if (result.payloadBytes > 0) frontEnd_.receive(*socket.connection, chunk.first(result.payloadBytes));
    if (result.close != WebSocketClose::none && socket.connection) endWebSocket(socket, result);
  }

  // The client has closed the WebSocket, or violated its rules.
  void endWebSocket(Socket& socket, const WebSocketReader::Result& result) {
    Connection& connection = *socket.connection;
    if (result.isFromClient) {
      // The answer comes after those to everything before it: no message may follow a Close frame (5.5.1).
      socket.webSocket->close = result.close;
      socket.webSocket->owesClose = connection.phase < Phase::closing;
      onStreamEnd(socket);
    } else if (connection.phase < Phase::closing) {
      socket.webSocket->close = result.close;
      frontEnd_.close(connection);
    }
  }

  void sendClose(Socket& socket, WebSocketClose code) {
    const std::array payload{uint8_t(unsigned(code) >> 8), uint8_t(code)};
    sendControl(socket, WebSocketOpcode::close, payload);
  }

  // Sent after the message in progress. A closed socket is noticed when it is read.
  void sendControl(Socket& socket, WebSocketOpcode opcode, Bytes payload) {
    WebSocketHead head;
    const size_t headBytes = writeWebSocketHead(head, opcode, payload.size());
    std::vector<uint8_t> frame(head.begin(), head.begin() + std::ptrdiff_t(headBytes));
    frame.insert(frame.end(), payload.begin(), payload.end());
    if (socket.unsent && socket.unsent->after.size() + frame.size() > waitingControlBytesMax) return;
    sendBehind(socket, frame);
  }

  // Bytes outside any message, after the one in progress.
  void sendBehind(Socket& socket, Bytes bytes) {
    if (socket.isUnwritable) return;
    if (socket.unsent) {
      socket.unsent->after.insert(socket.unsent->after.end(), bytes.begin(), bytes.end());
      return;
    }
    const Transferred sent = socket.stream.send(bytes);
    if (sent.state != StreamState::open || sent.bytes == bytes.size()) return;
    socket.unsent = std::make_unique<Unsent>();
    socket.unsent->before.assign(bytes.begin(), bytes.end());
    socket.unsent->sent = sent.bytes;
    watch(socket);
  }

  // Sends `before` and the outbox, without the first `skipped` bytes of them.
  Transferred send(const Socket& socket, Bytes before, const Outbox& outbox, size_t skipped) {
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
    if (pieces_.size() != 1) return socket.stream.send(pieces_);
    return socket.stream.send(Bytes(static_cast<const uint8_t*>(pieces_[0].iov_base), pieces_[0].iov_len));
  }

  void gather() {
    size_t size = 0;
    for (const iovec& piece : pieces_) {
      std::memcpy(gathered_.data() + size, piece.iov_base, piece.iov_len);
      size += piece.iov_len;
    }
    pieces_.assign(1, {gathered_.data(), size});
  }

  // The socket is full: the rest waits in the arena until it is sent.
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
    const Transferred sent = send(socket, unsent.before, unsent.outbox, unsent.sent);
    if (sent.state != StreamState::open) {
      onUnwritable(socket);
      return;
    }
    unsent.sent += sent.bytes;
    const size_t left = unsent.before.size() + unsent.outbox.bytes() - unsent.sent;
    if (left > 0) {
      if (sent.bytes > 0) frontEnd_.outbound().progressed(connection, left);
      return;
    }
    unsent.outbox.clear(frontEnd_.outbound().arena());
    if (!unsent.after.empty()) {
      unsent.before = std::exchange(unsent.after, {});
      unsent.sent = 0;
      return;  // the socket is tried again
    }
    if (unsent.isLast) socket.stream.endWriting();
    socket.unsent = nullptr;
    watch(socket);
    if (connection.isBlocked) frontEnd_.outbound().unblocked(connection);
  }

  StreamLoop& loop_;
  const Limits& limits_;
  FrontEnd& frontEnd_;
  std::vector<uint8_t> input_;
  std::vector<iovec> pieces_;  // to be sent
  std::array<uint8_t, gatherBytesMax> gathered_{};
};

}  // namespace rally
