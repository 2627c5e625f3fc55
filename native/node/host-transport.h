// The host program's connection as a transport of the data plane.
#pragma once
#include <utility>
#include <vector>

#include "../front-end/front-end.h"
#include "script.h"

namespace rally::node {

// The connection of the host program, whose bytes JavaScript carries between threads.
class HostTransport : public Transport {
 public:
  HostTransport(Script& script, FrontEnd& frontEnd) : script_(script), frontEnd_(frontEnd) {}

  void write(Connection& connection) override {
    Arena& arena = frontEnd_.outbound().arena();
    connection.outbox.eachChunk(
        arena, [&](const uint8_t* bytes, size_t size) { bytes_.insert(bytes_.end(), bytes, bytes + size); });
    connection.outbox.clear(arena);
  }
  void commit() override {
    if (bytes_.empty()) return;
    const std::vector<uint8_t> bytes = std::exchange(bytes_, {});
    script_.onHostBytes(bytes);
  }
  void close(Connection&) override {}
  void abort(Connection&) override {}
  bool setReading(Connection&, bool) override { return false; }
  void readLast(Connection&) override {}

 private:
  Script& script_;
  FrontEnd& frontEnd_;
  std::vector<uint8_t> bytes_;
};

}  // namespace rally::node
