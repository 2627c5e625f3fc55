// The additional state of a durable session, one that outlives the process (journal.h).
#pragma once
#include <cstdint>
#include <vector>

#include "../sessions/packet-id-set.h"
#include "../structures/short-text.h"

namespace rally {

struct DurableSession {
  ShortText clientId;
  std::vector<uint8_t>
      access;         // the client's identity for the access rules, as security/access.h reads it; empty: no rules
  uint64_t turn = 0;  // of the journal: answers to the client wait until this turn is committed
  PacketIdSet receivedLogged;  // those of Session::received that are in the log
  std::vector<uint64_t> done;  // messages that are finished, which the log has not been told yet
  uint64_t checkpoint = 0;     // the last checkpoint that contains the session, or that began before it did
  uint64_t stamp = 0;          // in a cluster: as records::SessionStamp says
};

}  // namespace rally
