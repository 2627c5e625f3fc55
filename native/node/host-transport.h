// The host program's connection as a transport of the data plane. JavaScript carries its bytes between the threads, so
// bytes in transit have a window in either direction instead of a socket's buffers:
//
//   main thread --receive()--> input of the connection --endTurn(): taken from it--> main thread
//   main thread <--commit()--- outbox, while less than a window is in transit <--processed()-- main thread
//
// Bytes that were sent and not taken cost the main thread credit, so it need not be stopped from sending (setReading).
// Packets other than PUBLISH answer the host program, which bounds them: they are sent without credit, before waiting
// messages. Otherwise a listener that publishes would wait for an answer behind messages that wait for it.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "../front-end/front-end.h"
#include "script.h"

namespace rally::node {

class HostTransport : public Transport {
 public:
  HostTransport(Script& script, FrontEnd& frontEnd, size_t windowBytes)
      : script_(script), frontEnd_(frontEnd), windowBytes_(windowBytes) {}

  // Resets both windows.
  Connection& open() {
    RALLY_ASSERT(!connection_);
    sent_ = 0;
    received_ = 0;
    told_ = 0;
    connection_ = &frontEnd_.open(*this, ConnectionKind::host);
    return *connection_;
  }

  // Bytes of the host program's stream.
  void receive(Bytes bytes) {
    if (!connection_) return;
    received_ += bytes.size();
    frontEnd_.receive(*connection_, bytes);
  }

  // The main thread has processed this much of the PUBLISH packets.
  void processed(size_t bytes, size_t messages) {
    if (!connection_) return;
    sent_ -= std::min(sent_, weightOf(bytes, messages));
    if (!connection_->isBlocked) return;
    connection_->unsentBytes = beyondWindow();
    if (sent_ < windowBytes_) frontEnd_.outbound().unblocked(*connection_);
  }

  // Tells the main thread how much of its stream has been taken since.
  void endTurn() {
    if (!connection_) return;
    const uint64_t taken = received_ - connection_->input.heldBytes();
    if (taken == told_) return;
    script_.onHostTaken(double(taken - told_));
    told_ = taken;
  }

  void write(Connection& connection) override {
    Arena& arena = frontEnd_.outbound().arena();
    connection.outbox.eachChunk(
        arena, [&](const uint8_t* bytes, size_t size) { bytes_.insert(bytes_.end(), bytes, bytes + size); });
    sent_ += weightOf(connection.outbox.bytes(), connection.outbox.messages());
    connection.outbox.clear(arena);
    if (sent_ < windowBytes_) return;
    connection.isBlocked = true;
    connection.unsentBytes = beyondWindow();
  }
  bool sendAside(Connection&, Bytes packet) override {
    bytes_.insert(bytes_.end(), packet.begin(), packet.end());
    return true;
  }
  void commit() override {
    if (bytes_.empty()) return;
    const std::vector<uint8_t> bytes = std::exchange(bytes_, {});
    script_.onHostBytes(bytes);
  }
  void close(Connection& connection) override { abort(connection); }
  void abort(Connection& connection) override {
    if (connection_ != &connection) return;
    connection_ = nullptr;
    frontEnd_.gone(connection);
  }
  void setReading(Connection&, bool) override {}
  void readLast(Connection&) override {}

 private:
  // The cost of a message on the main thread besides its bytes, as objects and as the promise of a listener.
  static constexpr size_t messageBytes = 256;

  static size_t weightOf(size_t bytes, size_t messages) { return bytes + messages * messageBytes; }
  size_t beyondWindow() const { return sent_ > windowBytes_ ? sent_ - windowBytes_ : 0; }

  Script& script_;
  FrontEnd& frontEnd_;
  const size_t windowBytes_;
  Connection* connection_ = nullptr;
  std::vector<uint8_t> bytes_;  // for the next commit()
  size_t sent_ = 0;             // weight of the messages that the main thread has not processed
  uint64_t received_ = 0;
  uint64_t told_ = 0;  // of that: taken, and the main thread knows
};

}  // namespace rally::node
