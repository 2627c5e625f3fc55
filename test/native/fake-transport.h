// Sockets without a system: what the broker writes is kept for the client of the test, and how much a
// socket takes, when it fails and when it closes is for the test to say.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "octets.h"

#include "../../native/front-end/front-end.h"

class Client;

// One connection between a client of the test and the broker.
struct Link {
  Client* client = nullptr;
  unsigned worker = 0;
  rally::Connection* connection = nullptr;  // from open() to event gone
  bool isOpened = false;
  bool isCut = false;       // the client has dropped the connection
  bool isEnded = false;     // the client sends no more than `toBroker`, and may still read
  bool isClosing = false;   // the broker has closed it; the client has not seen it yet
  bool isSevered = false;   // the socket is no more
  bool isReading = true;    // the broker takes bytes
  bool writesFail = false;  // the peer has reset the connection
  size_t room = SIZE_MAX;   // bytes that the socket takes before it blocks
  std::string toBroker;
  std::string toClient;  // taken by the socket
  std::string unsent;    // handed to the transport, not taken yet
  rally::Outbox unsentChunks;
  size_t writes = 0;
};

class FakeTransport : public rally::Transport {
 public:
  // Writes at once and keeps what is unsent in the arena; or puts writes off until commit() and copies what is unsent.
  enum class Kind : uint8_t { tcp, webSocket };

  FakeTransport(rally::FrontEnd& frontEnd, Kind kind) : frontEnd_(frontEnd), kind_(kind) {
    frontEnd.outbound().addTransport(*this);
  }

  void write(rally::Connection& connection) override {
    CHECK(connection.phase != rally::Phase::gone);
    CHECK(!connection.isBlocked);
    CHECK(!connection.outbox.isEmpty());
    if (!CHECK(linkOf(connection) != nullptr)) return;  // the socket is no more
    if (kind_ == Kind::tcp) carryOut(connection);
    else pending_.push_back({linkOf(connection), Action::write});
  }
  void close(rally::Connection& connection) override {
    CHECK(connection.outbox.isEmpty());
    if (kind_ == Kind::tcp) linkOf(connection)->isClosing = true;
    else pending_.push_back({linkOf(connection), Action::close});
  }
  void abort(rally::Connection& connection) override {
    if (kind_ == Kind::tcp) sever(connection);
    else pending_.push_back({linkOf(connection), Action::abort});
  }
  void setReading(rally::Connection& connection, bool isReading) override {
    if (Link* link = linkOf(connection)) link->isReading = isReading;
  }
  void readLast(rally::Connection& connection) override {
    if (Link* link = linkOf(connection)) read(*link, SIZE_MAX);
  }
  // The broker takes up to `most` bytes of what the client has sent.
  void read(Link& link, size_t most) {
    const size_t size = std::min(most, link.toBroker.size());
    const Exact chunk(bytesOf(link.toBroker).first(size));
    link.toBroker.erase(0, size);
    frontEnd_.receive(*link.connection, chunk);
  }
  void commit() override {
    for (size_t next = 0; next < pending_.size(); next++) {
      const auto [link, action] = pending_[next];
      if (!link) continue;
      if (action == Action::write) carryOut(*link->connection);
      else sever(*link->connection);
    }
    pending_.clear();
  }

  // The socket is no more, whoever ended it.
  void sever(rally::Connection& connection) {
    Link* link = linkOf(connection);
    if (!link) return;
    for (Pending& each : pending_)
      if (each.link == link) each.link = nullptr;
    link->isSevered = true;
    link->isClosing = false;
    link->unsentChunks.clear(frontEnd_.outbound().arena());
    link->unsent.clear();
    connection.socket = nullptr;
    frontEnd_.gone(connection);
  }

  // The client reads, so the socket takes `bytes` more.
  void makeRoom(Link& link, size_t bytes) {
    if (!link.connection || link.isSevered) return;
    link.room = bytes > SIZE_MAX - link.room ? SIZE_MAX : link.room + bytes;
    const size_t taken = std::min(link.room, link.unsent.size());
    link.toClient += link.unsent.substr(0, taken);
    link.unsent.erase(0, taken);
    if (link.room != SIZE_MAX) link.room -= taken;
    if (!link.unsent.empty() || !link.connection->isBlocked) return;
    link.unsentChunks.clear(frontEnd_.outbound().arena());
    frontEnd_.outbound().unblocked(*link.connection);
  }

 private:
  enum class Action : uint8_t { write, close, abort };
  struct Pending {
    Link* link;  // nullptr: it has been severed since
    Action action;
  };

  static Link* linkOf(rally::Connection& connection) { return static_cast<Link*>(connection.socket); }

  void carryOut(rally::Connection& connection) {
    Link& link = *linkOf(connection);
    rally::Arena& arena = frontEnd_.outbound().arena();
    if (link.writesFail) {
      sever(connection);
      return;
    }
    link.writes++;
    std::string all;
    connection.outbox.eachChunk(arena, [&](const uint8_t* bytes, size_t size) { all.append(bytes, bytes + size); });
    CHECK_EQ(all.size(), connection.outbox.bytes());
    const size_t taken = std::min(link.room, all.size());
    link.toClient += all.substr(0, taken);
    if (link.room != SIZE_MAX) link.room -= taken;
    if (taken < all.size()) {
      link.unsent = all.substr(taken);
      connection.isBlocked = true;
      connection.unsentBytes = link.unsent.size();
      connection.unsentMessages = connection.outbox.messages();
      if (kind_ == Kind::tcp) link.unsentChunks = std::exchange(connection.outbox, rally::Outbox());
    }
    connection.outbox.clear(arena);
  }

  rally::FrontEnd& frontEnd_;
  const Kind kind_;
  std::vector<Pending> pending_;
};
