// Events from the data plane to packet control: queued here, delivered to JavaScript in order, between two frames or
// at the end of a turn, never in the middle of one.
#pragma once
#include <cstdint>
#include <vector>

#include "../structures/fifo.h"
#include "../wire/packet.h"

namespace rally {

// In the order of `EventKind` in core/data-plane/addon.ts, which compares the names when it loads the addon.
enum class EventKind : uint8_t {
  opened,          // a connection, before anything else of it (slot; first: whether it is a WebSocket; value: its
                   // number; the listener, and lines: native/net/door.h); at the latest with its first packet, except
                   // that of a plain client (plain-clients.h), which packet control adopts when it needs to
  packet,          // a packet for packet control (slot, first byte, body); frames wait until resume
  ended,           // the connection broke a rule or a bound (slot, reason); to be closed
  gone,            // the socket is no more (slot); packet control hears of it if it knew the connection, or the
                   // session directory is still deciding about its plain client
  subscribed,      // all shards know the filters of a SUBSCRIBE (value: token)
  sessionArrived,  // a session is complete here (value: session)
  opening,         // a client asks for a WebSocket (slot: the opening; fields of its request, see native/net/door.h)
  noticed,         // something for the log (first: Notice; the client's address, and a line with the reason)
  closed,          // a connection's session is over with it: its client's last messages and will are with their shards
                   // (value: session; first: CloseCause, reason; its row: session-row.h)
  settled,         // likewise for a session whose will was due, or that was to end
  lookedUp,        // a retained message was looked up (value: token; a PUBLISH, or nothing)
  publishAsked,    // may the client publish this? (slot; first: QoS, and 4 if it is to be retained; topic); it waits
  publishDenied,   // the client may not publish to this (slot; topic); some of them in a second
  traced,          // something that is looked at more closely (a record: watch.h); some of them in a second
  slotsTaken,      // slots that this worker was to take are served here (value: the number of their move)
  workerGone,      // nothing is left here of a worker that is gone for good (value: worker)
  dropped,         // sessions that did not get messages in the last second (records: drops.h)
  connects,        // clients that ask for a session, for the session directory as they are (records: plain-clients.h)
  count,
};

// Conditions worth a line in the log. In the order of `noticeNames` in core/data-plane/addon.ts, which compares them
// when it loads the addon.
enum class Notice : uint8_t {
  outOfDescriptors,
  tlsOnPlainPort,
  httpOnMqttPort,
  mqttOnHttpPort,
  retainedStoreFull,
  plainOnTlsPort,
  tlsFailed,
  proxyNotTrusted,
  proxyHeaderMalformed,
  routesDiffer,
  count,
};

struct Event {
  EventKind kind = EventKind::count;
  uint8_t first = 0;
  Reason reason = Reason::success;
  uint32_t slot = 0;
  uint64_t value = 0;
  std::vector<uint8_t> bytes;
};

}  // namespace rally
