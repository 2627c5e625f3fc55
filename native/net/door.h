// The door of a worker: every client connection enters here, whatever its protocol and port. The door accepts it, lets
// a Visitor recognise the protocol, and passes MQTT, plain or in a WebSocket, to the data plane.
//
//   Listener --accepted--> Visitor --MQTT, opening accepted--> SocketTransport
//
// Packet control decides on the opening of a WebSocket; an opening like an accepted one is accepted without asking
// again.
#pragma once
#include <fcntl.h>

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../front-end/events.h"
#include "known-openings.h"
#include "opening-handshake.h"
#include "socket-transport.h"
#include "visitor.h"

namespace rally {

class Door final : private ListenerOutlet, private VisitorPort {
 public:
  Door(StreamLoop& loop, const Limits& limits, Counters& counters, Fifo<Event>& events, SocketTransport& sockets)
      : loop_(loop), limits_(limits), events_(events), sockets_(sockets), input_(inputBytes), tls_(counters) {}

  // The path of WebSockets, and the socket of the HTTP server for everything else.
  void serveHttp(const std::string& mqttPath, const std::string& serverPath) {
    mqttPath_ = mqttPath;
    serverPath_ = serverPath;
  }

  // Proxies that are trusted to state the client's address. False: not a network.
  bool trust(std::string_view network) { return trustedProxies_.add(network); }

  // For the ports with TLS, from now on: existing TLS connections keep their context. Returns an error, or nothing.
  std::string secureWith(const TlsSettings& settings) {
    std::string error;
    if (auto context = TlsContext::make(settings, tls_.ticketKeys, error)) tlsContext_ = std::move(context);
    return error;
  }
  void setTicketKeys(Bytes keys) { tls_.ticketKeys.set(keys); }

  // Once in each turn of the loop.
  void beginTurn() {
    tls_.handshakesLeft = limits_.tlsHandshakesPerTurnMax;
    while (!waiting_.empty() && waiting_.begin()->second->tryAgain()) {}
  }
  // Whether requests wait for the HTTP server, which does not announce room: the next turn should come soon.
  bool hasWaiting() const { return !waiting_.empty(); }

  // Returns the port, or a negative error of libuv. With TLS: requires secureWith().
  int listen(const std::string& host, int port, Protocols protocols) {
    RALLY_ASSERT(!protocols.tls || tlsContext_);
    listeners_.push_back(std::make_unique<Listener>(loop_, protocols, static_cast<ListenerOutlet&>(*this)));
    return listeners_.back()->listen(host, port);
  }

  // On a bound socket, which the caller keeps. Returns 0, or a negative error of libuv.
  int listenOn(int fd, Protocols protocols) {
    RALLY_ASSERT(!protocols.tls || tlsContext_);
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return uv_translate_sys_error(errno);
    listeners_.push_back(std::make_unique<Listener>(loop_, protocols, static_cast<ListenerOutlet&>(*this)));
    return listeners_.back()->listenOn(own, 0);
  }

  // Accepts no more connections; visitors leave, except those that await an answer.
  void stop() {
    for (const auto& listener : listeners_) listener->stop();
    eachVisitor([](Visitor& visitor) {
      if (!visitor.isAnswering()) visitor.leave();
    });
  }

  void close() {
    stop();
    while (!visitors_.empty()) visitors_.back()->leave();
  }

  // Once a second, after everything received was handled.
  void tick() {
    for (const auto& listener : listeners_) listener->tick();
    eachVisitor([](Visitor& visitor) { visitor.tick(); });
  }

  // The process was suspended.
  void forgive(uint64_t gapMs) {
    eachVisitor([&](Visitor& visitor) { visitor.forgive(gapMs); });
  }

  // Packet control's answer to an opening: the sub-protocol, or the complete response that refuses it. Nothing if the
  // client has gone.
  void answerOpening(uint32_t id, bool isAccepted, const std::string& answer) {
    const auto found = openings_.find(id);
    if (found == openings_.end()) return;
    const Opening opening = std::move(found->second);
    forgetOpening(*opening.visitor);
    if (!isAccepted) {
      opening.visitor->refuse(asBytes(answer));
      return;
    }
    known_.add(opening.question, answer);
    const std::vector<uint8_t> held = std::exchange(opening.visitor->held, {});
    open(*opening.visitor, opening.key, answer, opening.introduction, held);
  }
  // The rules of packet control have changed.
  void forgetOpenings() { known_.clear(); }

 private:
  static constexpr size_t inputBytes = 65'536;

  // An opening that packet control decides on.
  struct Opening {
    Visitor* visitor = nullptr;
    std::string question;
    std::string key;
    std::string introduction;
  };

  template <class Visit>
  void eachVisitor(Visit&& visit) {
    for (size_t place = visitors_.size(); place > 0; place--) visit(*visitors_[place - 1]);  // some leave
  }

  // --- listeners ------------------------------------------------------------------------------------

  void onAccepted(int fd, const sockaddr_storage& address, Protocols protocols) override {
    auto* stream = new Stream(loop_, fd);
    auto visitor = std::make_unique<Visitor>(static_cast<VisitorPort&>(*this), *stream, protocols,
                                             addressText(address));
    visitor->place = visitors_.size();
    visitors_.push_back(visitor.get());
    visitor->watch();
    Visitor& arrived = *visitor;
    (void)stream->handOver(std::move(visitor));
    arrived.onReadable();  // a client speaks first: in a storm its request is already here
  }

  void onOutOfDescriptors() override { push(Notice::outOfDescriptors, {}); }

  // --- visitors -------------------------------------------------------------------------------------

  uint64_t nowMs() const override { return uv_now(loop_.uv); }
  const Limits& limits() const override { return limits_; }
  std::span<uint8_t> input() override { return input_; }
  HttpRequest& request() override { return request_; }
  bool isMqttPath(std::string_view path) const override { return path == mqttPath_; }

  // In the order of their requests.
  HttpServerLink::Opened openLink(Visitor& visitor, HttpServerLinkOutlet& outlet) override {
    HttpServerLink::Opened opened{.isBusy = true};
    if (waiting_.empty() || waiting_.begin()->second == &visitor)
      opened = HttpServerLink::open(loop_, serverPath_, input_, outlet);
    if (!opened.isBusy) stopWaiting(visitor);
    else if (visitor.turn == 0) waiting_[visitor.turn = ++turns_] = &visitor;
    return opened;
  }
  void stopWaiting(Visitor& visitor) override {
    if (visitor.turn != 0) waiting_.erase(std::exchange(visitor.turn, 0));
  }

  const Networks& trustedProxies() const override { return trustedProxies_; }
  bool mayShakeHands() const override { return tls_.handshakesLeft > 0; }
  void secure(Visitor& visitor, std::vector<uint8_t> before) override {
    visitor.stream.secure(tls_, tlsContext_, visitor.protocols(), std::move(before));
  }

  // The address, and the reason on its own line.
  void note(Notice notice, const Visitor& visitor, std::string_view reason) override {
    push(notice, reason.empty() ? visitor.remoteAddress : visitor.remoteAddress + "\n" + std::string(reason));
  }

  void push(Notice notice, std::string_view text) {
    events_.push({EventKind::noticed, uint8_t(notice), Reason::success, 0, 0, {text.begin(), text.end()}});
  }

  bool openWebSocket(Visitor& visitor, const HttpRequest& request, const std::string& client, Bytes rest) override {
    question_.clear();
    KnownOpenings::appendQuestion(question_, request);
    const std::string_view given = request.find("sec-websocket-key");
    const std::string_view key = OpeningHandshake::isKey(given) ? given : std::string_view();
    const std::string* subprotocol = key.empty() ? nullptr : known_.find(question_);
    std::string introduction = introductionOf(visitor, client, request);
    if (subprotocol) open(visitor, key, *subprotocol, introduction, rest);
    else askToOpen({&visitor, question_, std::string(key), std::move(introduction)}, client);
    return subprotocol;
  }

  // The fields in the order of `OpeningRequest` in core/front-end/opening.ts, one per line, then the facts of TLS, if
  // any.
  void askToOpen(Opening opening, const std::string& client) {
    Visitor& visitor = *opening.visitor;
    std::string fields = client + "\n" + opening.key + "\n" + opening.question;
    if (visitor.stream.tls()) fields.append("\n").append(visitor.stream.tls()->facts());
    visitor.openingId = ++openingIds_;
    openings_[visitor.openingId] = std::move(opening);
    events_.push({EventKind::opening, 0, Reason::success, visitor.openingId, 0, {fields.begin(), fields.end()}});
  }

  // The lines of an event `opened`: the client's address, the parts of its request that may contain a token, and the
  // facts of TLS.
  static std::string introductionOf(const Visitor& visitor, const std::string& client, const HttpRequest& request) {
    const bool hasQuery = request.target.find('?') != std::string_view::npos;
    std::string lines = client;
    lines.append("\n").append(hasQuery ? request.target : std::string_view());
    lines.append("\n").append(request.find("cookie")).append("\n").append(request.find("authorization"));
    if (visitor.stream.tls()) lines.append("\n").append(visitor.stream.tls()->facts());
    return lines;
  }

  // The visitor becomes a connection of the data plane, and is deleted.
  void open(Visitor& visitor, std::string_view key, std::string_view subprotocol, const std::string& introduction,
            Bytes rest) {
    const std::string before = visitor.takeUnsent() + handshake_.accepted(key, subprotocol);
    const uint16_t listener = visitor.protocols().listener;
    remove(visitor);
    const SocketTransport::Taken taken = sockets_.take(visitor.stream, true);
    sockets_.introduce(taken.connection, {introduction, listener, true});
    sockets_.sendBefore(taken.connection, before);
    sockets_.receive(taken.connection, rest);
  }

  void toDataPlane(Visitor& visitor, Bytes first) override {
    remove(visitor);
    const std::string introduction = introductionOf(visitor, visitor.remoteAddress, {});
    const uint64_t sinceMs = visitor.sinceMs();
    const uint16_t listener = visitor.protocols().listener;
    const SocketTransport::Taken taken = sockets_.take(visitor.stream, false);
    taken.connection.phaseSinceMs = sinceMs;
    sockets_.introduce(taken.connection, {introduction, listener, false});
    sockets_.receive(taken.connection, first);
  }

  void onGone(Visitor& visitor) override {
    forgetOpening(visitor);
    stopWaiting(visitor);
    remove(visitor);
  }

  void remove(const Visitor& visitor) {
    visitors_[visitor.place] = visitors_.back();
    visitors_[visitor.place]->place = visitor.place;
    visitors_.pop_back();
  }

  void forgetOpening(Visitor& visitor) {
    if (visitor.openingId != 0) openings_.erase(std::exchange(visitor.openingId, 0));
  }

  StreamLoop& loop_;
  const Limits& limits_;
  Fifo<Event>& events_;
  SocketTransport& sockets_;
  std::vector<uint8_t> input_;
  TlsThread tls_;
  std::shared_ptr<const TlsContext> tlsContext_;
  Networks trustedProxies_;
  HttpRequest request_;
  std::string mqttPath_;
  std::string serverPath_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Visitor*> visitors_;  // unordered
  std::unordered_map<uint32_t, Opening> openings_;
  uint32_t openingIds_ = 0;
  KnownOpenings known_;
  std::string question_;  // of the current opening
  OpeningHandshake handshake_;
  std::map<uint64_t, Visitor*> waiting_;  // for a link to the HTTP server, by turn
  uint64_t turns_ = 0;
};

}  // namespace rally
