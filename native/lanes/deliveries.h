// Records from a shard to front ends: messages, and answers to requests. Names as in requests.h.
#pragma once
#include "../messages/share-search.h"
#include "../topics/slot-map.h"
#include "../wire/packet.h"
#include "record.h"

namespace rally {

namespace delivery {

// A message for the sessions there whose filters match. With a token, which names it at the sender, it is to be logged
// for those that are durable: a Stored follows.
struct Deliver {
  uint8_t kind = 0;
  uint32_t token = 0;
  Carried<Message> carried;
  uint64_t topicHash = 0;
};

// A message for one member of a share there. A token as with Deliver.
struct DeliverShared {
  uint8_t kind = 0;
  ShareLevel level = ShareLevel::ready;  // as ShareSearch says ...
  bool isWithheld = false;
  uint32_t share = 0;
  uint32_t senderShare = 0;
  uint32_t token = 0;
  Carried<Message> carried;
  uint64_t refused = 0;  // ... and comes back with a Reshare
};

// Another member of the share is connected: messages that the session has not received may go to it.
struct HandOver {
  uint8_t kind = 0;
  uint32_t senderShare = 0;
  uint64_t session = 0;
};

// The answer to a Publish.
struct Acknowledge {
  uint8_t kind = 0;
  uint8_t qos = 0;
  uint16_t packetId = 0;
  uint32_t connection = 0;
  uint32_t generation = 0;
  Reason reason = Reason::success;
  bool isLogged = false;
  uint64_t session = 0;
};

// The answer to a Subscribe, after the first retained messages.
struct Subscribed {
  uint8_t kind = 0;
  uint64_t token = 0;
};

// A retained message for a new subscription.
struct RetainedFound {
  uint8_t kind = 0;
  uint8_t qos = 0;
  uint32_t subscriptionId = 0;
  uint64_t session = 0;
  Carried<Message> carried;
};

// There are more of them for the session.
struct RetainedWaits {
  uint8_t kind = 0;
  uint64_t session = 0;
};

// There are no more of them for the session.
struct RetainedDone {
  uint8_t kind = 0;
  uint64_t session = 0;
};

// Nothing more comes for the session from this shard: it sends to the worker that the session moves to.
struct Departing {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
  uint64_t shards = 0;  // those that say so
};

// From now on this shard's messages for the session come here.
struct Arriving {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The answer to a Flush, after the answers to everything that the client has sent.
struct Flushed {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The answer to a Barrier: the shard has handled everything before it.
struct Passed {
  uint8_t kind = 0;
  uint64_t token = 0;
};

// The answer to a LookUp: the message, or none.
struct LookedUp {
  uint8_t kind = 0;
  uint64_t token = 0;
  Carried<Message> carried;
};

// The following are about slots that change owners (front-end/slot-moves.h). The sender will own these slots: send
// nothing more for them.
struct HoldSlots {
  uint8_t kind = 0;
  uint64_t move = 0;
  Carried<SlotSet> carried;
};

// The answer to a SlotBarrier.
struct SlotsPassed {
  uint8_t kind = 0;
  uint64_t move = 0;
};

// All workers hold requests for the slots: send the filters and messages that you have of them.
struct CollectSlots {
  uint8_t kind = 0;
  uint64_t move = 0;
};

// The sender serves these slots.
struct SlotsOpen {
  uint8_t kind = 0;
  uint64_t move = 0;
  Carried<SlotSet> carried;
};

// The answer to a RetainedMoves with a token: it is in the log there.
struct RetainedTaken {
  uint8_t kind = 0;
  uint32_t token = 0;
};

}  // namespace delivery

using ShardRecord = RecordOf<delivery::Deliver, delivery::Acknowledge, delivery::DeliverShared, delivery::HandOver,
                             delivery::Subscribed, delivery::RetainedFound, delivery::RetainedWaits,
                             delivery::RetainedDone, delivery::Departing, delivery::Arriving, delivery::Flushed,
                             delivery::Passed, delivery::LookedUp, delivery::HoldSlots, delivery::SlotsPassed,
                             delivery::CollectSlots, delivery::SlotsOpen, delivery::RetainedTaken>;

}  // namespace rally
