// What a session has beside the others because it is durable: it outlives the process (journal.h).
#pragma once
#include <cstdint>
#include <vector>

#include "../sessions/packet-id-set.h"
#include "../structures/short-text.h"

namespace rally {

struct DurableSession {
  ShortText clientId;
  std::vector<uint8_t> access;  // who the client is to the rules, as security/access.h reads it; empty: there are none
  uint64_t turn = 0;            // of the journal: what its client is told now waits until that is committed
  PacketIdSet receivedLogged;   // of Session::received, those that the log knows
  std::vector<uint64_t> done;   // messages that it has done with and the log does not know of yet
  uint64_t checkpoint = 0;      // the last one that has it, or behind whose beginning all of it stands
  uint64_t stamp = 0;           // in a cluster: as records::SessionStamp says
};

}  // namespace rally
