// A connection that does not, or not yet, belong to the data plane: its first bytes tell the protocol. HTTP is read
// head by head. Packet control decides on WebSocket handshakes; every other request goes to the HTTP server, one at a
// time, so that responses keep the order of the requests.
//
//   before --header of a proxy, TLS--> greeting
//
//   greeting --MQTT--> the data plane
//      \--HTTP--> head --opening--> opening --accepted--> the data plane
//                 ^  \--other--> answering --answered--.        \--refused--> closing
//                 |      \--busy--> waiting --.        |
//                  `---------------------------`-------'
//   On any error: a sentence, then closing.
//
// A visitor begins with `before` if any proxy is trusted, or if the port has TLS: then its stream is encrypted, and the
// handshake happens below `greeting`. Everything up to the recognition of its protocol must arrive within
// connectTimeoutMs.
//
// Bytes after the request being served wait here up to a limit, then in the client's socket. Response bytes that the
// client does not accept wait here up to the size of one read, then in the server's socket.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "../front-end/events.h"
#include "../limits.h"
#include "forwarded.h"
#include "http-body.h"
#include "http-head-reader.h"
#include "http-head.h"
#include "http-server-link.h"
#include "listener.h"
#include "networks.h"
#include "proxy-header.h"
#include "stream.h"

namespace rally {

class Visitor;

// What a visitor needs of the door.
class VisitorPort {
 public:
  virtual uint64_t nowMs() const = 0;
  virtual const Limits& limits() const = 0;
  virtual std::span<uint8_t> input() = 0;  // the read buffer
  virtual HttpRequest& request() = 0;      // of the current head
  virtual bool isMqttPath(std::string_view path) const = 0;
  virtual const Networks& trustedProxies() const = 0;
  // Whether one more TLS handshake may begin in this turn of the loop.
  virtual bool mayShakeHands() const = 0;
  // `before`: the beginning of the handshake.
  virtual void secure(Visitor& visitor, std::vector<uint8_t> before) = 0;
  // nullptr: there is no server, or it is busy, and tryAgain() is called until it is free.
  virtual HttpServerLink::Opened openLink(Visitor& visitor, HttpServerLinkOutlet& outlet) = 0;
  virtual void stopWaiting(Visitor& visitor) = 0;
  // `reason`: details beyond the notice.
  virtual void note(Notice notice, const Visitor& visitor, std::string_view reason = {}) = 0;
  // The opening of a WebSocket. `client`: its address. True: it needed no question, and the visitor was passed to the
  // data plane with the bytes after the request, and deleted. False: answerOpening() follows.
  virtual bool openWebSocket(Visitor& visitor, const HttpRequest& request, const std::string& client, Bytes rest) = 0;
  // Passes the visitor to the data plane, which deletes it.
  virtual void toDataPlane(Visitor& visitor, Bytes first) = 0;
  // It is closed.
  virtual void onGone(Visitor& visitor) = 0;

 protected:
  ~VisitorPort() = default;
};

class Visitor final : public StreamOwner, private HttpServerLinkOutlet {
 public:
  Visitor(VisitorPort& door, Stream& visitorStream, Protocols protocols, std::string address)
      : stream(visitorStream),
        remoteAddress(std::move(address)),
        door_(door),
        protocols_(protocols),
        stage_(protocols.tls || !door.trustedProxies().isEmpty() ? Stage::before : Stage::greeting),
        sinceMs_(door.nowMs()),
        progressMs_(door.nowMs()) {}
  ~Visitor() override { dropLink(); }

  Stream& stream;
  std::string remoteAddress;  // or the address stated by a trusted proxy
  size_t place = 0;           // among the door's visitors
  uint32_t openingId = 0;     // while packet control is asked
  uint64_t turn = 0;          // in the queue for a link to the server; 0: not waiting
  std::vector<uint8_t> held;  // bytes after the request being served

  void onReadable() override {
    if (stage_ == Stage::before) {
      readBefore();
      return;
    }
    const Transferred got = stream.receive(door_.input());
    if (got.state == StreamState::broken) {
      leave();
    } else if (got.state == StreamState::refused) {
      onTlsFailed();
    } else if (got.state == StreamState::ended) {
      onEnd();
    } else if (got.bytes > 0) {
      progressMs_ = door_.nowMs();
      take(Bytes(door_.input()).first(got.bytes));
    }
  }

  void onWritable() override {
    const Transferred sent = stream.send(asBytes(unsent_));
    if (sent.state != StreamState::open) {
      leave();
      return;
    }
    if (sent.bytes > 0) progressMs_ = door_.nowMs();
    unsent_.erase(0, sent.bytes);
    if (unsent_.empty() && stage_ == Stage::closing) endWriting();
    if (unsent_.empty() && link_) link_->setReading(true);
    watch();
  }

  void onBroken() override { leave(); }

  // Response bytes that the socket has not accepted yet: the stream's next owner sends them first.
  std::string takeUnsent() { return std::exchange(unsent_, {}); }

  // Its turn to ask for a link to the server. False: the server is still busy.
  bool tryAgain() {
    ask();
    if (stage_ == Stage::waiting) return false;
    if (stage_ == Stage::answering && !held.empty()) proceedWithHeld();
    else watch();
    return true;
  }

  // Packet control refuses the opening, with a complete response.
  void refuse(Bytes response) {
    write(response);
    finish();
  }

  // The protocols of its port.
  Protocols protocols() const { return protocols_; }

  // When its stage began; when it was accepted, if nothing has arrived.
  uint64_t sinceMs() const { return sinceMs_; }

  bool isAnswering() const { return stage_ == Stage::answering || hasUnsent(); }

  // Once a second, after everything received was handled: enforces the timeouts.
  void tick() {
    const Limits& limits = door_.limits();
    const uint64_t inStageMs = door_.nowMs() - sinceMs_;
    const bool isIdle = door_.nowMs() - progressMs_ >= limits.httpIdleTimeoutMs;
    switch (stage_) {
      case Stage::before:
      case Stage::greeting:
      case Stage::opening:
        if (inStageMs >= limits.connectTimeoutMs) leave();
        break;
      case Stage::head:
        if (hasUnsent() || (hasServed_ && head_.isEmpty())) {
          if (isIdle) leave();
        } else if (inStageMs >= limits.connectTimeoutMs) {
          if (head_.isEmpty()) leave();
          else refuse({408, "The head of this request did not arrive in time.\n"});
        }
        break;
      case Stage::waiting:
        if (inStageMs >= limits.connectTimeoutMs) refuse(busy);
        break;
      case Stage::answering:
        if (isIdle) leave();
        break;
      case Stage::closing:
        if (unsent_.empty() ? inStageMs >= limits.closeTimeoutMs : isIdle) leave();
        break;
      case Stage::gone: break;
    }
  }

  // The process was suspended; that time does not count as silence.
  void forgive(uint64_t gapMs) {
    sinceMs_ = std::min(sinceMs_ + gapMs, door_.nowMs());
    progressMs_ = std::min(progressMs_ + gapMs, door_.nowMs());
  }

  void leave() {
    if (stage_ == Stage::gone) return;
    stage_ = Stage::gone;
    dropLink();
    stream.close();
    door_.onGone(*this);
  }

  void watch() {
    if (link_) link_->flush();
    const bool isFed = stage_ == Stage::answering && !body_.isComplete() ? !link_ || link_->hasRoom()
                                                                         : held.size() < heldBytesMax;
    stream.watch(!hasEnded_ && isFed, !unsent_.empty() || leavesWhenSent());
  }

 private:
  enum class Stage : uint8_t { before, greeting, head, opening, waiting, answering, closing, gone };

  static constexpr size_t heldBytesMax = 16'384;
  static constexpr size_t beforeBytesMax = ProxyHeader::bytesMax + 256;
  static constexpr uint8_t mqttConnect = 0x10;
  static constexpr uint8_t tlsHandshake = 0x16;
  static constexpr uint8_t tlsMajorVersion = 3;
  // A fatal alert, handshake_failure (RFC 8446, 6), telling the client why the connection ends.
  static constexpr std::array<uint8_t, 7> tlsAlert = {0x15, tlsMajorVersion, 1, 0, 2, 2, 40};

  // Bytes for the client that its socket has not accepted yet.
  bool hasUnsent() const { return !unsent_.empty() || stream.hasUnsent(); }
  // Nothing can be told to, or heard from, the client after that.
  bool leavesWhenSent() const { return stage_ == Stage::closing && hasEnded_; }

  void setStage(Stage stage) {
    stage_ = stage;
    sinceMs_ = door_.nowMs();
  }

  void take(Bytes bytes) {
    if (stage_ == Stage::closing) return;  // read, so that the kernel does not answer with a reset
    if (held.empty()) {
      proceed(bytes);
      return;
    }
    held.insert(held.end(), bytes.begin(), bytes.end());
    if (stage_ == Stage::answering && body_.isComplete()) watch();
    else proceedWithHeld();
  }

  bool proceedWithHeld() {
    const std::vector<uint8_t> bytes = std::exchange(held, {});
    return proceed(bytes);
  }

  // Handles received bytes, as far as the stage allows. False: this object may be deleted.
  bool proceed(Bytes bytes) {
    while (!bytes.empty()) {
      switch (stage_) {
        case Stage::before: hold(bytes); return true;
        case Stage::greeting:
          if (!greet(bytes)) return false;
          break;
        case Stage::head:
          if (!readHead(bytes)) return false;
          break;
        case Stage::answering:
          if (!body_.isComplete()) bytes = readBody(bytes);
          if (stage_ == Stage::answering && body_.isComplete()) {
            hold(bytes);
            return true;
          }
          break;
        case Stage::opening:
        case Stage::waiting: hold(bytes); return true;
        case Stage::closing:
        case Stage::gone: return true;
      }
    }
    watch();
    return true;
  }

  void hold(Bytes bytes) {
    held.insert(held.end(), bytes.begin(), bytes.end());
    watch();
  }

  // --- before the protocol --------------------------------------------------------------------------

  // OpenSSL reads the handshake; its first byte is enough here.
  void readBefore() {
    if (protocols_.tls && !door_.mayShakeHands()) return;  // the socket will report readiness again
    const Transferred got = stream.receive(door_.input().first(beforeBytesMax - held.size()));
    if (got.state != StreamState::open) {
      leave();
      return;
    }
    if (got.bytes == 0) return;
    held.insert(held.end(), door_.input().begin(), door_.input().begin() + std::ptrdiff_t(got.bytes));
    if (hasProxyHeader_ || takeProxyHeader()) proceedBefore();
  }

  // False: there is nothing more to inspect, or the visitor has left.
  bool takeProxyHeader() {
    const ProxyHeader header = ProxyHeader::read(held);
    switch (header.state) {
      case ProxyHeader::State::none: break;
      case ProxyHeader::State::incomplete: return false;
      case ProxyHeader::State::malformed: return leaveFor(Notice::proxyHeaderMalformed);
      case ProxyHeader::State::complete:
        if (!door_.trustedProxies().contains(remoteAddress)) return leaveFor(Notice::proxyNotTrusted);
        if (header.client) remoteAddress = header.client->text();
        held.erase(held.begin(), held.begin() + std::ptrdiff_t(header.bytes));
    }
    hasProxyHeader_ = true;  // or there is none
    return !held.empty();
  }

  bool leaveFor(Notice notice) {
    door_.note(notice, *this);
    leave();
    return false;
  }

  void proceedBefore() {
    if (!protocols_.tls) {
      stage_ = Stage::greeting;
      proceedWithHeld();
    } else if (held[0] == tlsHandshake) {
      stage_ = Stage::greeting;
      door_.secure(*this, std::exchange(held, {}));
      onReadable();
    } else if (!mayBeHttp(held)) {
      leaveFor(Notice::plainOnTlsPort);
    } else if (held.size() >= methodBytes) {
      door_.note(Notice::plainOnTlsPort, *this);
      refuse({400, protocols_.http ? "This port speaks TLS: use https:// or wss:// here.\n"
                                   : "This port speaks MQTT over TLS: use mqtts:// here.\n"});
    }
  }

  // The client gets an alert, which its own close must not overtake.
  void onTlsFailed() {
    door_.note(Notice::tlsFailed, *this, stream.tls()->failure());
    unsent_.clear();
    finish();
  }

  // --- the first bytes ------------------------------------------------------------------------------

  // True: it is HTTP, and is parsed as such.
  bool greet(Bytes bytes) {
    const Protocols spoken = stream.tls() ? stream.tls()->protocols() : protocols_;
    const bool mayBeTls = !stream.tls() && bytes[0] == tlsHandshake;
    if (mayBeTls && bytes.size() < 2) {
      hold(bytes);
    } else if (mayBeTls && bytes[1] == tlsMajorVersion) {  // and not a CONNECT with wrong flags
      door_.note(Notice::tlsOnPlainPort, *this);
      refuse(Bytes(tlsAlert));
    } else if (!spoken.mqtt && bytes[0] == mqttConnect) {
      door_.note(Notice::mqttOnHttpPort, *this);
      leave();
    } else if (!spoken.mqtt || (spoken.http && bytes[0] != mqttConnect)) {
      stage_ = Stage::head;  // its time runs since it was accepted
      return true;
    } else if (!mayBeHttp(bytes)) {
      door_.toDataPlane(*this, bytes);  // which closes it unless it is MQTT
    } else if (bytes.size() < methodBytes) {
      hold(bytes);
    } else {
      door_.note(Notice::httpOnMqttPort, *this);
      refuse({400, "This port speaks MQTT over TCP. HTTP and WebSocket have another port.\n"});
    }
    return false;
  }

  static constexpr size_t methodBytes = 4;

  // Whether the bytes begin a request, or may.
  static bool mayBeHttp(Bytes bytes) {
    const std::string_view text = asText(bytes.first(std::min(bytes.size(), methodBytes)));
    for (const std::string_view method :
         {"GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI "}) {
      if (method.starts_with(text)) return true;
    }
    return false;
  }

  // --- requests -------------------------------------------------------------------------------------

  // Leaves the bytes after the head. False: the visitor has been passed to the data plane and deleted.
  bool readHead(Bytes& bytes) {
    if (hasServed_ && head_.isEmpty()) sinceMs_ = door_.nowMs();
    const HttpHeadReader::Result result = head_.read(bytes, door_.limits().httpHeadBytesMax);
    if (result.refusal) {
      refuse(result.refusal);
      bytes = {};
      return true;
    }
    bytes = bytes.subspan(result.used);
    return !result.isComplete || onHead(bytes);
  }

  bool onHead(Bytes rest) {
    hasServed_ = true;
    HttpRequest& request = door_.request();
    const HttpRefusal refusal = HttpHead::parse(head_.bytes(), request);
    if (refusal) {
      refuse(refusal);
    } else if (request.contentLength > door_.limits().httpBodyBytesMax) {
      refuse(tooLarge);
    } else if (request.asksForWebSocket && door_.isMqttPath(request.path())) {
      if (door_.openWebSocket(*this, request, clientOf(request), rest)) return false;
      setStage(Stage::opening);
      head_.clear();
      watch();
    } else {
      forward(request);
      head_.clear();
    }
    return true;
  }

  // The address of the client.
  std::string clientOf(const HttpRequest& request) const {
    const Networks& trusted = door_.trustedProxies();
    return trusted.contains(remoteAddress) ? Forwarded::clientOf(request, remoteAddress, trusted) : remoteAddress;
  }

  void forward(const HttpRequest& request) {
    body_ = request.isChunked ? HttpBody::chunked() : HttpBody::ofLength(request.contentLength);
    isAnswered_ = false;
    mayKeepAlive_ = request.keepsAlive;
    isHead_ = request.method == "HEAD";
    takesChunks_ = !request.isOlder;
    forwarded_.clear();
    HttpForward::appendRequest(forwarded_, request, head_.bytes().size(), clientOf(request));
    isRetry_ = !link_ || request.hasBody();
    expectsContinue_ = request.expectsContinue && request.hasBody();
    setStage(Stage::waiting);
    ask();
  }

  // Sends the request to the server as soon as there is room.
  void ask() {
    if (!link_) {
      const HttpServerLink::Opened opened = door_.openLink(*this, *this);
      link_ = opened.link;
      if (!link_) {
        if (!opened.isBusy) refuse(busy);
        return;
      }
    }
    setStage(Stage::answering);
    if (std::exchange(expectsContinue_, false)) write(asBytes(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")));
    if (link_) link_->begin(asBytes(forwarded_), isHead_, takesChunks_, mayKeepAlive_, !body_.isComplete());
  }

  // Returns the bytes after the body. Body bytes that arrive after the response are dropped, or sent to the server if
  // it still reads them.
  Bytes readBody(Bytes bytes) {
    forwarded_.clear();
    const size_t used = body_.read(bytes,
                                   [&](Bytes data) { HttpForward::appendData(forwarded_, data, body_.isChunked()); });
    if (body_.isComplete()) HttpForward::appendEnd(forwarded_, body_.isChunked());
    if (body_.isBroken() || body_.dataBytes() > door_.limits().httpBodyBytesMax) {
      if (hasBegun_) leave();
      else refuse(body_.isBroken() ? HttpRefusal{400, "The chunks of this request are malformed.\n"} : tooLarge);
      return {};
    }
    if (link_ && !forwarded_.empty()) link_->send(asBytes(forwarded_));
    if (body_.isComplete() && isAnswered_) next();
    return bytes.subspan(used);
  }

  // --- answers --------------------------------------------------------------------------------------

  void onAnswer(Bytes bytes) override {
    progressMs_ = door_.nowMs();
    hasBegun_ = true;
    write(bytes);
    if (hasEnded_ && isStreaming()) leave();
    if (link_ && !unsent_.empty()) link_->setReading(false);
  }

  bool isStreaming() const { return stage_ == Stage::answering && link_ && link_->isStream(); }

  void onAnswered(bool keepsAlive, bool isOver) override {
    if (isOver) link_ = nullptr;
    if (stage_ != Stage::answering) return;
    isAnswered_ = true;
    mayKeepAlive_ &= keepsAlive;
    if (!body_.isComplete()) {
      watch();  // the rest of the body is still to come
      return;
    }
    next();
    if (stage_ == Stage::head && !held.empty()) {
      if (!proceedWithHeld()) return;
    } else {
      watch();
    }
    if (hasEnded_ && stage_ == Stage::head) finish();
  }

  void onServerReady() override { watch(); }

  void onServerGone(bool hasBegun) override {
    link_ = nullptr;
    if (stage_ != Stage::answering) return;
    if (isAnswered_) {
      watch();  // the rest of the body is dropped
    } else if (hasBegun) {
      leave();
    } else if (!std::exchange(isRetry_, true)) {  // the server had closed an idle link
      setStage(Stage::waiting);
      ask();
    } else {
      refuse({502, "The broker has not answered this request.\n"});
    }
  }

  void next() {
    hasBegun_ = false;
    if (mayKeepAlive_) setStage(Stage::head);
    else finish();
  }

  // --- the end --------------------------------------------------------------------------------------

  // The client sends no more. Its requests are still answered, but a stream continues only if the client could still
  // signal its departure: most signal only the end of their bytes.
  void onEnd() {
    hasEnded_ = true;
    if (isStreaming()) leave();
    else if (stage_ == Stage::opening || (stage_ == Stage::waiting && body_.isComplete())) watch();
    else if (stage_ == Stage::answering && body_.isComplete()) watch();
    else if (stage_ == Stage::closing && hasUnsent()) watch();
    else if (stage_ == Stage::head && hasUnsent()) finish();
    else leave();
  }

  void refuse(const HttpRefusal& refusal) {
    std::string text = "HTTP/1.1 " + std::to_string(refusal.status) + " " + std::string(phraseOf(refusal.status)) +
                       "\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: " +
                       std::to_string(refusal.sentence.size()) + "\r\nconnection: close\r\n";
    if (refusal.status == 503) text += "retry-after: 1\r\n";
    const bool isOfHead = isHead_ && (stage_ == Stage::answering || stage_ == Stage::waiting);
    text.append("\r\n").append(isOfHead ? std::string_view() : refusal.sentence);
    refuse(asBytes(text));
  }

  static std::string_view phraseOf(uint16_t status) {
    switch (status) {
      case 408: return "Request Timeout";
      case 413: return "Content Too Large";
      case 417: return "Expectation Failed";
      case 431: return "Request Header Fields Too Large";
      case 501: return "Not Implemented";
      case 502: return "Bad Gateway";
      case 503: return "Service Unavailable";
      case 505: return "HTTP Version Not Supported";
      default: return "Bad Request";
    }
  }

  // Everything was sent. The client's own close ends the socket.
  void finish() {
    if (stage_ == Stage::gone) return;
    dropLink();
    door_.stopWaiting(*this);
    held.clear();
    setStage(Stage::closing);
    if (unsent_.empty()) endWriting();
    watch();
  }

  void endWriting() {
    sinceMs_ = door_.nowMs();
    if (!hasEnded_) stream.endWriting();
    else if (!stream.hasUnsent()) leave();
  }

  void dropLink() {
    if (link_) std::exchange(link_, nullptr)->leave();
  }

  void write(Bytes bytes) {
    if (stage_ == Stage::gone) return;
    if (unsent_.empty()) {
      const Transferred sent = stream.send(bytes);
      if (sent.state != StreamState::open) {
        leave();
        return;
      }
      bytes = bytes.subspan(sent.bytes);
    }
    if (bytes.empty()) return;
    unsent_.append(asText(bytes));
    watch();
  }

  static constexpr HttpRefusal tooLarge = {413, "The body of this request is too large.\n"};
  static constexpr HttpRefusal busy = {503, "The broker is busy.\n"};

  VisitorPort& door_;
  const Protocols protocols_;
  Stage stage_;
  bool hasProxyHeader_ = false;   // checked, and removed if present
  bool hasEnded_ = false;         // the client sends no more
  bool hasServed_ = false;        // a head was complete
  bool isHead_ = false;           // of the request: HEAD
  bool takesChunks_ = true;       // HTTP/1.1
  bool mayKeepAlive_ = true;      // after this answer
  bool expectsContinue_ = false;  // before sending the body
  bool isAnswered_ = false;       // the body may still be on its way
  bool hasBegun_ = false;         // part of the answer was sent
  bool isRetry_ = false;          // no further retry if the link ends now
  uint64_t sinceMs_;              // of the stage, or of the first byte of the head
  uint64_t progressMs_;           // when bytes last moved
  HttpHeadReader head_;
  HttpBody body_;          // of the request
  std::string forwarded_;  // to be sent to the server at once
  std::string unsent_;     // not yet accepted by the client's socket
  HttpServerLink* link_ = nullptr;
};

}  // namespace rally
