// What a shard has for the front ends: messages, and answers to their requests. Names as in requests.h.
#pragma once
#include "../messages/share-search.h"
#include "../topics/slot-map.h"
#include "../wire/packet.h"
#include "record.h"

namespace rally {

namespace delivery {

// A message for the sessions there whose filters match.
struct Deliver {
  uint8_t kind = 0;
  Carried<Message> carried;
  uint64_t topicHash = 0;
};

// A message for one member of a share there.
struct DeliverShared {
  uint8_t kind = 0;
  ShareLevel level = ShareLevel::ready;  // as ShareSearch says ...
  bool isWithheld = false;
  uint32_t share = 0;
  uint32_t senderShare = 0;
  Carried<Message> carried;
  uint64_t refused = 0;  // ... and comes back with a Reshare
};

// Another member of the share is connected: what the session has not got may go to it.
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

// The answer to a Subscribe, behind the first retained messages.
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

// There are more for the session.
struct RetainedWaits {
  uint8_t kind = 0;
  uint64_t session = 0;
};

// There are no more for the session.
struct RetainedDone {
  uint8_t kind = 0;
  uint64_t session = 0;
};

// Nothing more comes for the session from this shard: it has switched over to the worker that it moves to.
struct Departing {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
  uint64_t shards = 0;  // those that say so
};

// From now on what this shard has for the session comes here.
struct Arriving {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The answer to a Flush, behind the answers to what the client has sent.
struct Flushed {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The answer to a Barrier: the shard has taken all that stood before it.
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

// What follows is about slots that change owners (front-end/slot-moves.h). The sender is to own these slots: send
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

// All workers hold what is for the slots: hand over what you have of them.
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

}  // namespace delivery

using ShardRecord =
    RecordOf<delivery::Deliver, delivery::Acknowledge, delivery::DeliverShared, delivery::HandOver,
             delivery::Subscribed, delivery::RetainedFound, delivery::RetainedWaits, delivery::RetainedDone,
             delivery::Departing, delivery::Arriving, delivery::Flushed, delivery::Passed, delivery::LookedUp,
             delivery::HoldSlots, delivery::SlotsPassed, delivery::CollectSlots, delivery::SlotsOpen>;

}  // namespace rally
