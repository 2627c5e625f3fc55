// One MQTT client on a non-blocking socket: TCP or WebSocket, connecting, packets in and out. What it does
// with them is its role's matter.
//
//   closed -> connecting -> securing (TLS) -> upgrading (WebSocket) -> greeting (CONNECT sent) -> connected -> closed
#pragma once
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "role.h"
#include "secure-socket.h"
#include "websocket.h"

namespace load {

class Client {
 public:
  enum class State : uint8_t { closed, connecting, securing, upgrading, greeting, connected };

  Client(Loop& loop, Role& role, const Target& target, ConnectTerms terms, uint32_t number)
      : loop_(loop), role_(role), target_(target), terms_(std::move(terms)), number_(number) {}
  ~Client() { drop(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Loop& loop() { return loop_; }
  Role& role() { return role_; }
  State state() const { return state_; }
  uint8_t version() const { return terms_.version; }
  // QoS 1 and 2 messages that the broker takes before it has acknowledged one.
  uint16_t receiveMaximum() const { return receiveMaximum_; }
  size_t unsentBytes() const { return out_.size() - sent_; }

  // Bytes that the kernel may hold for a client that does not read; set before open().
  void limitReceiveBuffer(int bytes) { receiveBufferBytes_ = bytes; }

  void open() {
    openedNs_ = nowNs();
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return lose(std::string("socket: ") + strerror(errno));
    const int one = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receiveBufferBytes_ > 0)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receiveBufferBytes_, sizeof receiveBufferBytes_);
    bindToSource();
    const sockaddr_in& address = target_.address;
    state_ = State::connecting;
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
      return lose(std::string("connect: ") + strerror(errno));
    }
    watched_ = EPOLLOUT;
    epoll_event event{.events = watched_, .data = {.ptr = this}};
    epoll_ctl(loop_.epoll, EPOLL_CTL_ADD, socket_, &event);
  }

  // Queues one packet.
  void send(Bytes packet) {
    if (state_ == State::closed) return;
    if (target_.isWebSocket) appendFrame(out_, Opcode::binary, packet);
    else out_.insert(out_.end(), packet.begin(), packet.end());
    markUnflushed();
  }

  // Room for `size` bytes on their way out, already in a frame if one is needed.
  uint8_t* reserve(size_t size) {
    const size_t begin = out_.size();
    out_.resize(begin + size);
    markUnflushed();
    return out_.data() + begin;
  }

  // At the end of a turn: one system call for all that was queued.
  void flush() {
    isUnflushed_ = false;
    if (state_ == State::closed || state_ == State::connecting || state_ == State::securing) return;
    while (sent_ < out_.size()) {
      const uint8_t* rest = out_.data() + sent_;
      const size_t size = out_.size() - sent_;
      const ssize_t count = secure_.isOpen() ? secure_.send(rest, size) : ::send(socket_, rest, size, MSG_NOSIGNAL);
      if (count < 0) {
        if (errno == EAGAIN || errno == EINTR) break;
        return lose(std::string("send: ") + strerror(errno));
      }
      sent_ += size_t(count);
    }
    if (sent_ == out_.size()) {
      out_.clear();
      sent_ = 0;
    } else if (sent_ > out_.size() / 2) {
      out_.erase(out_.begin(), out_.begin() + ptrdiff_t(sent_));
      sent_ = 0;
    }
    watch((isReading_ ? EPOLLIN : 0u) | (out_.empty() ? 0u : EPOLLOUT));
  }

  void onEvents(uint32_t events) {
    if (state_ == State::connecting) {
      if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) onSocketConnected();
      return;
    }
    if (state_ == State::securing) return secure();
    if ((events & EPOLLOUT) != 0) flush();
    if (state_ == State::closed) return;
    // A client that does not read learns of the end when it reads again.
    if (isReading_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(Loop::scratchBytes);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0) lose("the broker closed a connection that was not read");
  }

  // Stops taking bytes; receiveSome() takes a few all the same.
  void stopReading() {
    isReading_ = false;
    watch(out_.empty() ? 0u : EPOLLOUT);
  }
  void resumeReading() {
    isReading_ = true;
    watch(EPOLLIN | (out_.empty() ? 0u : EPOLLOUT));
  }
  void receiveSome(size_t bytes) { receive(bytes); }

  // Says goodbye and closes.
  void leave() {
    if (state_ == State::connected && !target_.upgradesOnly) {
      send(disconnectPacket);
      flush();
    }
    drop();
  }
  // Closes without a goodbye.
  void drop() {
    secure_.end();
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    state_ = State::closed;
    out_.clear();
    sent_ = 0;
    held_.clear();
    unframer_ = {};
    goodbye_ = 0;
    isReading_ = true;
  }

 private:
  // One source address has too few ports for very many connections. 127.0.0.0/8 is ours altogether.
  static constexpr uint32_t connectionsPerSource = 20'000;
  static constexpr uint32_t loopbackNet = 0x7f000000;

  void bindToSource() {
    const uint32_t destination = ntohl(target_.address.sin_addr.s_addr);
    if (number_ < connectionsPerSource || (destination & 0xff000000) != loopbackNet) return;
    const int one = 1;
    setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(loopbackNet + 1 + number_ / connectionsPerSource);
    bind(socket_, reinterpret_cast<const sockaddr*>(&source), sizeof source);
  }

  void onSocketConnected() {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lose(std::string("connect: ") + strerror(error));
    if (!target_.isSecure) return begin();
    state_ = State::securing;
    secure_.begin(socket_);
    secure();
  }

  void secure() {
    switch (secure_.shakeHands()) {
      case SecureSocket::Progress::done: return begin();
      case SecureSocket::Progress::waits: return watch(EPOLLIN);  // a hello always fits into the socket
      case SecureSocket::Progress::failed: return lose("the TLS handshake has failed");
    }
  }

  void begin() {
    if (target_.isWebSocket) {
      state_ = State::upgrading;
      out_.insert(out_.end(), target_.upgradeRequest.begin(), target_.upgradeRequest.end());
      markUnflushed();
    } else {
      greet();
    }
    flush();
  }

  void greet() {
    state_ = State::greeting;
    send(connectPacket(terms_));
  }

  // Reads once. The rest of an incomplete packet precedes the new bytes.
  void receive(size_t most) {
    if (state_ == State::closed) return;
    std::vector<uint8_t>& scratch = loop_.scratch;
    const size_t held = held_.size();
    if (held >= scratch.size() / 2) return lose("the broker sent a packet that is larger than any expected");
    std::copy(held_.begin(), held_.end(), scratch.begin());
    uint8_t* const into = scratch.data() + held;
    const size_t room = std::min(most, scratch.size() - held);
    const ssize_t count = secure_.isOpen() ? secure_.receive(into, room) : recv(socket_, into, room, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return lose(std::string("recv: ") + strerror(errno));
    if (count == 0) return lose("the broker closed the connection");
    const uint64_t now = nowNs();
    std::span<uint8_t> bytes(scratch.data(), held + size_t(count));
    size_t fresh = held;
    if (state_ == State::upgrading) {
      const size_t end = upgraded(bytes);
      if (end == 0) return;
      bytes = bytes.subspan(end);
      fresh = 0;
    }
    const size_t size = target_.isWebSocket ? fresh + unframer_.unframe(bytes.subspan(fresh)) : bytes.size();
    const size_t used = takePackets(Bytes(bytes).first(size), now);
    if (state_ == State::closed) return;
    held_.assign(bytes.begin() + ptrdiff_t(used), bytes.begin() + ptrdiff_t(size));
    if (auto ping = unframer_.takePing()) {
      appendFrame(out_, Opcode::pong, *ping);
      markUnflushed();
    }
    if (unframer_.isClosed()) lose("the broker closed the WebSocket");
  }

  // Where the answer to the upgrade ends; 0 if it is not complete or not a good one.
  size_t upgraded(Bytes bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      held_.assign(bytes.begin(), bytes.end());
      return 0;
    }
    if (text.substr(0, 12) != "HTTP/1.1 101") {
      lose("no WebSocket: " + std::string(text.substr(0, text.find('\r'))));
      return 0;
    }
    if (target_.upgradesOnly) onReady();
    else greet();
    return end + 4;
  }

  size_t takePackets(Bytes bytes, uint64_t now) {
    size_t used = 0;
    while (state_ != State::closed) {
      const Frame frame = firstFrame(bytes.subspan(used));
      if (frame.size == 0) break;
      onPacket(frame, now);
      used += frame.size;
    }
    return used;
  }

  void onPacket(const Frame& frame, uint64_t now) {
    switch (frame.type()) {
      case Packet::publish: return onPublish(frame, now);
      case Packet::puback:
      case Packet::pubcomp: return onAcknowledged(frame);
      case Packet::pubrec:
        if (reasonCodeOf(frame) >= firstError) return onAcknowledged(frame);
        return acknowledge(Packet::pubrel, packetIdOf(frame));
      case Packet::pubrel: return acknowledge(Packet::pubcomp, packetIdOf(frame));
      case Packet::suback: return onSuback(frame);
      case Packet::unsuback: return role_.onUnsubscribed(*this);
      case Packet::connack: return onConnack(frame);
      case Packet::disconnect: goodbye_ = frame.body.empty() ? uint8_t(0) : frame.body[0]; return;
      default: return;
    }
  }

  void onConnack(const Frame& frame) {
    if (frame.body.size() < 2 || frame.body[1] != 0) {
      const unsigned code = frame.body.size() < 2 ? 0 : frame.body[1];
      return lose("CONNECT was refused with " + std::to_string(code));
    }
    if (terms_.version == version5) receiveMaximum_ = receiveMaximumOf(frame.body);
    onReady();
  }

  void onReady() {
    state_ = State::connected;
    loop_.tally().connect.record(nowNs() - openedNs_);
    role_.onConnected(*this);
  }

  void onPublish(const Frame& frame, uint64_t now) {
    const auto publish = readPublish(frame, terms_.version);
    if (!publish) return lose("the broker sent a malformed PUBLISH");
    if (publish->qos == 1) acknowledge(Packet::puback, publish->packetId);
    if (publish->qos == 2) acknowledge(Packet::pubrec, publish->packetId);
    role_.onPublish(*this, *publish, now);
  }

  void onSuback(const Frame& frame) {
    const size_t properties = terms_.version == version5 && frame.body.size() > 2 ? 1u + frame.body[2] : 0;
    for (size_t i = 2 + properties; i < frame.body.size(); i++) {
      if (frame.body[i] >= firstError) return lose("SUBSCRIBE was refused with " + std::to_string(frame.body[i]));
    }
    role_.onSubscribed(*this);
  }

  void onAcknowledged(const Frame& frame) { role_.onAcknowledged(*this, packetIdOf(frame), reasonCodeOf(frame)); }

  void acknowledge(Packet type, uint16_t packetId) { send(acknowledgement(type, packetId)); }

  static uint16_t packetIdOf(const Frame& frame) { return read16(frame.body).value_or(0); }
  static uint8_t reasonCodeOf(const Frame& frame) { return frame.body.size() > 2 ? frame.body[2] : uint8_t(0); }

  void lose(std::string why) {
    if (goodbye_ != 0) why += " after DISCONNECT with " + std::to_string(goodbye_);
    drop();
    role_.onLost(*this, terms_.clientId + ": " + why);
  }

  void watch(uint32_t events) {
    if (events == watched_ || socket_ < 0) return;
    watched_ = events;
    epoll_event event{.events = events, .data = {.ptr = this}};
    epoll_ctl(loop_.epoll, EPOLL_CTL_MOD, socket_, &event);
  }

  void markUnflushed() {
    if (isUnflushed_) return;
    isUnflushed_ = true;
    loop_.unflushed.push_back(this);
  }

  Loop& loop_;
  Role& role_;
  const Target& target_;
  const ConnectTerms terms_;
  const uint32_t number_;
  int socket_ = -1;
  int receiveBufferBytes_ = 0;
  State state_ = State::closed;
  bool isReading_ = true;
  bool isUnflushed_ = false;
  uint8_t goodbye_ = 0;  // reason code of the broker's DISCONNECT
  uint16_t receiveMaximum_ = 65'535;
  uint32_t watched_ = 0;
  uint64_t openedNs_ = 0;
  Buffer out_;
  size_t sent_ = 0;  // of out_
  Buffer held_;      // the beginning of a packet
  Unframer unframer_;
  SecureSocket secure_;
};

}  // namespace load
