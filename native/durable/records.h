// The records that the broker logs: a struct for each kind, with its fields in order. Times are those of the log's
// clock (log-clock.h), so that intervals continue while the broker is down. Session keys are never reused.
//
// Replaying the log in order restores the state (recovered-state.h). A checkpoint is the complete state as ordinary
// records after a mark, interleaved with records of current events; once its end is there, everything before it is no
// longer needed (checkpoint.h).
#pragma once
#include "../log/records.h"

namespace rally::records {

// They follow the kinds of the log itself. The numbers are on disks: never change or reuse one.
constexpr log::Kind kindOf(uint8_t number) { return log::Kind(uint8_t(64 + number)); }

// The same record as part of a checkpoint: it describes the state, and does not mean that anything happened.
constexpr log::Kind inCheckpoint(log::Kind kind) { return log::Kind(uint8_t(uint8_t(kind) + 32)); }
constexpr bool isInCheckpoint(log::Kind kind) { return uint8_t(kind) >= 96 && uint8_t(kind) < 128; }
constexpr log::Kind outsideCheckpoint(log::Kind kind) { return log::Kind(uint8_t(uint8_t(kind) - 32)); }

// The broker has started.
struct Started {
  static constexpr log::Kind kind = kindOf(0);
  uint64_t run = 0;  // how often the broker has started on this log
  uint64_t atMs = 0;

  void visit(auto& body) {
    body.number(run);
    body.number(atMs);
  }
};

// The broker was still running at that time, when the calendar showed another one.
struct Clock {
  static constexpr log::Kind kind = kindOf(1);
  uint64_t atMs = 0;
  uint64_t calendarMs = 0;  // 0: not known, from an earlier version

  void visit(auto& body) {
    body.number(atMs);
    body.added(calendarMs);
  }
};

struct Message {
  static constexpr log::Kind kind = kindOf(2);
  enum Flag : uint8_t {
    retains = 1,          // it becomes the retained message of its topic
    clearsRetained = 2,   // its topic has no retained message any more
    isForSessions = 4,    // for matching durable subscriptions
    isCopy = 8,           // in a checkpoint: other records, before or after it, refer to it
    isRetainMarked = 16,  // it was published with RETAIN
  };

  uint64_t id = 0;
  uint8_t flags = 0;
  uint8_t qos = 0;
  uint16_t receivedPacketId = 0;  // QoS 2: the publisher's, in use from now on; 0: none
  uint64_t origin = 0;            // the session that published it
  uint64_t expiresAtMs = 0;       // 0: never
  Bytes topic;
  Bytes properties;
  Bytes payload;

  void visit(auto& body) {
    body.number(id);
    body.number(flags);
    body.number(qos);
    body.number(receivedPacketId);
    body.number(origin);
    body.number(expiresAtMs);
    body.short_(topic);
    body.long_(properties);
    body.long_(payload);
  }
};

struct RetainedClear {
  static constexpr log::Kind kind = kindOf(3);
  Bytes topic;

  void visit(auto& body) { body.short_(topic); }
};

// A durable session begins, or its client has reconnected.
struct Session {
  static constexpr log::Kind kind = kindOf(4);
  enum Flag : uint8_t { hasWill = 1, willExpires = 2, willRetains = 4 };

  uint64_t session = 0;
  Bytes clientId;
  uint32_t expirySeconds = 0;
  uint64_t leftAtMs = 0;  // 0: the client is connected
  Bytes access = {};      // the client's identity for the access rules, as read by security/access.h; empty: no rules
  uint8_t flags = 0;
  uint8_t willQos = 0;
  uint32_t willDelaySeconds = 0;
  uint32_t willExpirySeconds = 0;
  Bytes willTopic = {};
  Bytes willProperties = {};
  Bytes willPayload = {};

  void visit(auto& body) {
    body.number(session);
    body.short_(clientId);
    body.number(expirySeconds);
    body.number(leftAtMs);
    body.long_(access);
    body.number(flags);
    body.number(willQos);
    body.number(willDelaySeconds);
    body.number(willExpirySeconds);
    body.short_(willTopic);
    body.long_(willProperties);
    body.long_(willPayload);
  }
};

// Its client has disconnected.
struct Left {
  static constexpr log::Kind kind = kindOf(5);
  uint64_t session = 0;
  uint32_t expirySeconds = 0;
  uint64_t atMs = 0;
  uint8_t keepsWill = 0;  // the will is still to be published

  void visit(auto& body) {
    body.number(session);
    body.number(expirySeconds);
    body.number(atMs);
    body.number(keepsWill);
  }
};

// Its will has been published.
struct WillOver {
  static constexpr log::Kind kind = kindOf(6);
  uint64_t session = 0;

  void visit(auto& body) { body.number(session); }
};

struct SessionEnd {
  static constexpr log::Kind kind = kindOf(7);
  uint64_t session = 0;

  void visit(auto& body) { body.number(session); }
};

struct Subscribe {
  static constexpr log::Kind kind = kindOf(8);
  enum Flag : uint8_t { noLocal = 1, retainAsPublished = 2 };

  uint64_t session = 0;
  uint8_t qos = 0;
  uint8_t flags = 0;
  uint32_t subscriptionId = 0;
  Bytes filter;

  void visit(auto& body) {
    body.number(session);
    body.number(qos);
    body.number(flags);
    body.number(subscriptionId);
    body.short_(filter);
  }
};

struct Unsubscribe {
  static constexpr log::Kind kind = kindOf(9);
  uint64_t session = 0;
  Bytes filter;

  void visit(auto& body) {
    body.number(session);
    body.short_(filter);
  }
};

// The session is finished with these messages: acknowledged, expired or dropped.
struct Done {
  static constexpr log::Kind kind = kindOf(10);
  uint64_t session = 0;
  Bytes ids;  // 8 bytes each

  void visit(auto& body) {
    body.number(session);
    body.long_(ids);
  }
};

// A message is queued for the session for a reason other than its own subscriptions: the session was chosen as the
// member of a share, the message was retained, or this is part of a checkpoint.
struct Queued {
  static constexpr log::Kind kind = kindOf(11);
  enum Flag : uint8_t { retain = 1, isFromStore = 2 };

  uint64_t session = 0;
  uint64_t message = 0;
  uint64_t share = 0;  // the hash of the share's complete filter; 0: none
  uint8_t qos = 0;
  uint8_t flags = 0;
  Bytes subscriptionIds;  // 4 bytes each

  void visit(auto& body) {
    body.number(session);
    body.number(message);
    body.number(share);
    body.number(qos);
    body.number(flags);
    body.long_(subscriptionIds);
  }
};

// Like Done, for one message that came through a share.
struct ShareDone {
  static constexpr log::Kind kind = kindOf(12);
  uint64_t session = 0;
  uint64_t message = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(message);
  }
};

// QoS 2 from the client: the packet identifier is in use (only in checkpoints) ...
struct Received {
  static constexpr log::Kind kind = kindOf(13);
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

// ... and free again.
struct Forget {
  static constexpr log::Kind kind = kindOf(14);
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

// QoS 2 to the client: a queued message gets a packet identifier, ...
struct Sent {
  static constexpr log::Kind kind = kindOf(15);
  uint64_t session = 0;
  uint16_t packetId = 0;
  uint64_t message = 0;  // 0: already released (only in checkpoints)
  uint8_t isOfShare = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
    body.number(message);
    body.number(isOfShare);
  }
};

// ... its PUBREC has arrived, ...
struct Released {
  static constexpr log::Kind kind = kindOf(16);
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

// ... and its PUBCOMP, or a PUBREC that refuses it.
struct Completed {
  static constexpr log::Kind kind = kindOf(17);
  uint64_t session = 0;
  uint16_t packetId = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(packetId);
  }
};

struct CheckpointBegin {
  static constexpr log::Kind kind = kindOf(18);
  uint64_t run = 0;  // the run in which it was written
  uint64_t atMs = 0;
  uint64_t lastMessage = 0;  // the highest message number assigned so far

  void visit(auto& body) {
    body.number(run);
    body.number(atMs);
    body.number(lastMessage);
  }
};

struct CheckpointEnd {
  static constexpr log::Kind kind = kindOf(19);
  uint64_t run = 0;

  void visit(auto& body) { body.number(run); }
};

// The highest message number that a worker had taken from each topic owner when it wrote the following sessions,
// 8 bytes each.
struct Taken {
  static constexpr log::Kind kind = kindOf(20);
  uint8_t worker = 0;
  Bytes messages;

  void visit(auto& body) {
    body.number(worker);
    body.long_(messages);
  }
};

// The session is now complete, as this worker had it at its last `Taken`.
struct Copied {
  static constexpr log::Kind kind = kindOf(21);
  uint64_t session = 0;
  uint8_t worker = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(worker);
  }
};

// Like Queued, for many messages that did not come through a share.
struct Waiting {
  static constexpr log::Kind kind = kindOf(22);
  enum Flag : uint8_t { retain = 1, isFromStore = 2, isSame = 4 };

  uint64_t session = 0;
  uint8_t worker = 0;
  uint8_t qos = 0;
  uint8_t flags = 0;
  Bytes subscriptionIds;  // 4 bytes each
  // NumberList; with isSame: NumberList::Check of the list of this worker's previous such record, or nothing, from an
  // earlier version.
  Bytes messages;

  void visit(auto& body) {
    body.number(session);
    body.number(worker);
    body.number(qos);
    body.number(flags);
    body.long_(subscriptionIds);
    body.long_(messages);
  }
};

// In a cluster, where each worker logs the messages for its own sessions: a message, and its target sessions.
struct Brought {
  static constexpr log::Kind kind = kindOf(23);

  uint64_t id = 0;
  uint8_t isRetainMarked = 0;
  uint8_t qos = 0;
  uint64_t origin = 0;
  uint64_t expiresAtMs = 0;  // 0: never
  Bytes topic;
  Bytes properties;
  Bytes payload;
  Bytes targets;  // BroughtTargets

  void visit(auto& body) {
    body.number(id);
    body.number(isRetainMarked);
    body.number(qos);
    body.number(origin);
    body.number(expiresAtMs);
    body.short_(topic);
    body.long_(properties);
    body.long_(payload);
    body.long_(targets);
  }
};

// In a cluster: when a client last used the session, as the number of a move (lanes/lanes.h). Of two sessions of a
// client identifier the one with the higher number wins.
struct SessionStamp {
  static constexpr log::Kind kind = kindOf(24);
  uint64_t session = 0;
  uint64_t stamp = 0;

  void visit(auto& body) {
    body.number(session);
    body.number(stamp);
  }
};

// In a cluster: the move by which the owner received the topic when its retained message was published or cleared. Of
// two retained messages of a topic the one with the higher number wins.
struct RetainedStamp {
  static constexpr log::Kind kind = kindOf(25);
  uint64_t stamp = 0;
  Bytes topic;

  void visit(auto& body) {
    body.number(stamp);
    body.short_(topic);
  }
};

}  // namespace rally::records
