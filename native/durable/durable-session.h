// The additional state of a durable session, which outlives the process (journal.h).
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "../sessions/packet-id-set.h"
#include "../structures/free-memory.h"
#include "../structures/lazy.h"
#include "../structures/short-text.h"

namespace rally {

class DurableSession {
 public:
  // Not needed at rest, except for the stamp in a cluster.
  struct Exchanges {
    PacketIdSet receivedLogged;  // the part of Session::received that is in the log
    std::vector<uint64_t> done;  // finished messages that the log does not know of yet
    uint64_t stamp = 0;          // in a cluster: see records::SessionStamp
  };

  // `access`: its identity for the rules, as read by security/access.h; empty: none.
  void setClient(Bytes clientId, Bytes access) {
    RALLY_ASSERT(clientId.size() <= UINT16_MAX);
    const std::array<uint8_t, sizeBytes> size = {uint8_t(clientId.size()), uint8_t(clientId.size() >> 8)};
    client_ = ClientText({Bytes(size), clientId, access});
  }
  Bytes clientId() const {
    const Bytes client = client_.bytes();
    return client.empty() ? client : client.subspan(sizeBytes, client[0] + size_t(client[1]) * 256);
  }
  Bytes access() const {
    const Bytes client = client_.bytes();
    return client.empty() ? client : client.subspan(sizeBytes + clientId().size());
  }
  void setStamp(uint64_t stamp) {
    if (exchanges->stamp != stamp) exchanges.own().stamp = stamp;
  }
  // Frees memory that it does not need at present.
  void trim() {
    if (!exchanges.isMade()) return;
    if (exchanges->receivedLogged.size() == 0 && exchanges->stamp == 0) exchanges.reset();
    else freeMemory(exchanges.own().done);
  }

  Lazy<Exchanges> exchanges;
  uint32_t turn = 0;        // of the journal, the lower half: answers to the client wait for its commit
  uint32_t checkpoint = 0;  // the last checkpoint that contains the session, or that began before it did

 private:
  using ClientText = ShortTextOf<20, uint32_t>;
  static constexpr size_t sizeBytes = 2;

  ClientText client_;  // the size of the client identifier, the identifier, the access
};
static_assert(sizeof(DurableSession) == 40, "with most client identifiers, a block of 48 bytes");

}  // namespace rally
