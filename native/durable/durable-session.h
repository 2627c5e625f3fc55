// The additional state of a durable session, one that outlives the process (journal.h).
#pragma once
#include <cstdint>
#include <vector>

#include "../sessions/packet-id-set.h"
#include "../structures/lazy.h"
#include "../structures/short-text.h"

namespace rally {

struct DurableSession {
  uint64_t turn = 0;                 // of the journal: answers to the client wait until this turn is committed
  uint64_t stamp = 0;                // in a cluster: as records::SessionStamp says
  PacketIdSet receivedLogged;        // those of Session::received that are in the log
  Lazy<std::vector<uint64_t>> done;  // messages that are finished, which the log has not been told yet
  uint32_t checkpoint = 0;           // the last checkpoint that contains the session, or that began before it did
  LongText access;                   // the client's identity for the rules, as security/access.h reads it; empty: none
  NameText clientId;
};
static_assert(sizeof(DurableSession) == 72, "with most client identifiers, a block of 80 bytes");

}  // namespace rally
