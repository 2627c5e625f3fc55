// One client connection in the data plane, whatever its transport.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../sessions/connection-kind.h"
#include "../sessions/incoming-aliases.h"
#include "../sessions/outgoing-aliases.h"
#include "../structures/marks.h"
#include "../structures/ranking.h"
#include "../wire/input.h"
#include "answers.h"
#include "client-pace.h"
#include "connection-phase.h"
#include "outbox.h"
#include "pause-reasons.h"
#include "topic-decisions.h"

namespace rally {

struct Session;
struct Connection;

// The transport of connections: sockets, or the host program. Lives as long as its connections.
class Transport {
 public:
  virtual ~Transport() = default;
  // Writes and empties the outbox, or sets isBlocked if the socket has not accepted all of it; FrontEnd::unblocked()
  // follows when it has. May defer the write until commit().
  virtual void write(Connection& connection) = 0;
  // Performs deferred writes and closes.
  virtual void commit() {}
  // Ends the connection once everything written is sent. FrontEnd::gone() follows.
  virtual void close(Connection& connection) = 0;
  // Ends the connection now, dropping unsent data. FrontEnd::gone() follows.
  virtual void abort(Connection& connection) = 0;
  // Pauses and resumes reading.
  virtual void setReading(Connection& connection, bool isReading) = 0;
  // Passes received bytes to FrontEnd::receive(), a bounded piece of them.
  virtual void readLast(Connection& connection) = 0;
  // Takes a packet other than PUBLISH itself, bypassing the outbox. False: it is sent as usual.
  virtual bool sendAside(Connection&, Bytes) { return false; }
};

// Packets that must not be sent yet, in order: each part waits for a turn of the journal (durable/journal.h).
class HeldOutput {
 public:
  explicit HeldOutput(Connection& owner) : connection(owner) {}

  // What follows waits for this turn, or a later one.
  void await(uint64_t turn) {
    if (parts_.isEmpty() || parts_.back().turn < turn) parts_.push({turn, {}});
  }
  // As Outbox::append(). There is something to wait for.
  bool append(Arena& arena, Bytes bytes) {
    Outbox& last = parts_.back().outbox;
    const size_t before = last.bytes();
    const bool isComplete = last.append(arena, bytes);
    bytes_ += last.bytes() - before;
    return isComplete;
  }
  void countMessage() {
    parts_.back().outbox.countMessage();
    messages_++;
  }
  bool isEmpty() const { return parts_.isEmpty(); }
  size_t bytes() const { return bytes_; }
  uint32_t messages() const { return messages_; }
  // Of the oldest part.
  uint64_t turn() const { return parts_[parts_.first()].turn; }
  // Appends the oldest part to `outbox`. False: as Outbox::append().
  bool release(Arena& arena, Outbox& outbox) {
    Outbox& first = parts_.front().outbox;
    bytes_ -= first.bytes();
    messages_ -= first.messages();
    const bool isComplete = outbox.take(arena, first);
    parts_.pop();
    return isComplete;
  }
  void clear(Arena& arena) {
    for (; !parts_.isEmpty(); parts_.pop()) parts_.front().outbox.clear(arena);
    bytes_ = messages_ = 0;
  }

  Connection& connection;
  Marks<HeldOutput>::Place place;  // among those that hold something

 private:
  struct Part {
    uint64_t turn = 0;
    Outbox outbox;
  };

  Fifo<Part> parts_;
  size_t bytes_ = 0;
  uint32_t messages_ = 0;
};

// What packet control is told of a connection before anything else: the event `opened`, or for a plain client
// (plain-clients.h) what it adopts.
struct Introduction {
  std::string lines;  // native/net/door.h
  uint16_t listener = 0;
  bool isWebSocket = false;
  std::vector<uint8_t> connect = {};  // the CONNECT of a plain client; empty: it is none
  uint64_t session = 0;               // that it was accepted with
  bool hasEvents = false;             // of the plain client, by which packet control adopts it

  bool isOfPlainClient() const { return !connect.empty(); }
  std::string_view address() const { return std::string_view(lines).substr(0, lines.find('\n')); }
  // There is nothing else to tell: no token, no TLS, and the listener has no terms of its own.
  bool hasOnlyAddress() const {
    return listener == 0 && lines.size() == address().size() + 3 && lines.ends_with("\n\n\n");
  }
};

// Of a client since it connected.
struct ClientTraffic {
  uint64_t bytesReceived = 0;
  uint64_t bytesSent = 0;
  uint64_t messagesReceived = 0;  // PUBLISH packets, also refused ones
  uint64_t messagesSent = 0;      // likewise, that were handed to its socket
};

struct Connection {
  uint32_t slot = 0;
  uint32_t generation = 0;  // of the slot
  Transport* transport = nullptr;
  Phase phase = Phase::awaitingConnect;
  uint8_t version = 0;  // of the protocol: 3, 4 or 5
  PauseReasons pausedBy;
  bool isBlocked = false;                 // the socket takes nothing now
  bool isSevered = false;                 // the socket is no more; see FrontEnd::gone()
  bool isCatchingUp = false;              // messages waited when the client connected, and some still do
  Marks<Connection>::Place dirtyPlace;    // the outbox is to be written at the end of the turn
  Marks<Connection>::Place starvedPlace;  // waits for memory of the arena
  ConnectionKind kind = ConnectionKind::client;
  bool withholdsProblems = false;       // the client wants no reason strings
  bool resumes = false;                 // its session was there before, as its CONNACK says
  Reason finishedBy = Reason::success;  // why the server ends it once its input is drained
  Input input;
  Outbox outbox;
  std::unique_ptr<HeldOutput> held;        // what follows it when the log is so far; nullptr: nothing
  Ranking<Connection>::Place inputPlace;   // among those that make us keep much (accounts.h) ...
  Ranking<Connection>::Place outboxPlace;  // ... of either
  size_t unsentBytes = 0;                  // handed to the transport, not taken by the socket yet
  uint32_t unsentMessages = 0;
  Session* session = nullptr;
  uint32_t maximumPacketSize = 0;  // of the client; 0: no limit
  uint16_t inflightMax = 0;        // the client's Receive Maximum, or less
  uint16_t unacknowledged = 0;     // QoS 1 and 2 from the client that await our PUBACK or PUBCOMP
  Answers answers;                 // PUBACKs and PUBRECs for the client, in order
  uint16_t topicAliasMaximum = 0;  // what the client may use
  uint32_t keepAliveMs = 0;        // silence that ends the connection; 0: none
  uint64_t lastReceivedMs = 0;     // or since when nothing more is read
  uint64_t shards = 0;             // bit s: shard s of another worker has got something from it
  uint64_t phaseSinceMs = 0;
  uint64_t spentInTurn = 0;                          // the turn in which it has last spent something of ...
  size_t spent = 0;                                  // ... turn-budget.h
  std::unique_ptr<IncomingAliases> aliases;          // nullptr: the client has set none (alias-account.h)
  std::unique_ptr<OutgoingAliases> outgoingAliases;  // nullptr: the client takes none
  std::unique_ptr<ClientPace> pace;                  // nullptr: it may send as fast as it likes
  std::unique_ptr<TopicDecisions> decisions;         // nullptr: no program is asked what it may publish
  std::unique_ptr<const std::string> topicPrefix;    // of all its topics, which the client does not see; nullptr: none
  std::unique_ptr<Introduction> introduction;        // nullptr: packet control knows it
  void* socket = nullptr;                            // the transport's own
  ClientTraffic traffic;
};

}  // namespace rally
