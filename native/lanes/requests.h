// Requests of front ends to shards, and the records with which front ends move sessions (front-end/session-moves.h).
//
// `key` of a session: session-table.h. `share`: the key of a share at the worker that gets the record; its key at the
// sender is `senderShare` (topics/share.h).
#pragma once
#include <vector>

#include "../messages/interest.h"
#include "../messages/route-summary.h"
#include "../messages/share-search.h"
#include "../messages/subscribe-request.h"
#include "../messages/subscription-slice.h"
#include "../sessions/session-parcel.h"
#include "record.h"

namespace rally {

using FilterText = std::vector<uint8_t>;
inline std::unique_ptr<FilterText> toFilterText(Bytes text) {
  return std::make_unique<FilterText>(text.begin(), text.end());
}

namespace request {

// A message for the owner of its topic, which acknowledges it if its QoS is not 0.
struct Publish {
  uint8_t kind = 0;
  uint8_t qos = 0;
  uint16_t packetId = 0;
  uint32_t connection = 0;
  uint32_t generation = 0;  // of the connection
  bool isDurable = false;   // the session that publishes it
  Carried<Message> carried;
  uint64_t topicHash = 0;
};

// The interest of the sender's subscribers in a filter from now on.
struct SetInterest {
  uint8_t kind = 0;
  Interest interest = Interest::none;
  Carried<FilterText> carried;
};

// After the routes of a SUBSCRIBE.
struct Subscribe {
  uint8_t kind = 0;
  Carried<SubscribeRequest> carried;
};

// The session has sent the retained messages of the last step.
struct RetainedMore {
  uint8_t kind = 0;
  uint64_t session = 0;
};

// The session wants no more retained messages of a filter, or of any if there is no filter.
struct RetainedStop {
  uint8_t kind = 0;
  uint64_t session = 0;
  Carried<FilterText> carried;
};

// The session moves from worker `from` to the sender, whose routes precede this.
struct MoveSession {
  uint8_t kind = 0;
  uint8_t from = 0;
  uint64_t session = 0;
  uint64_t move = 0;    // its number
  uint64_t shards = 0;  // bit s: shard s is told
};

// After everything that the client of a session leaving the sender has sent.
struct Flush {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// After everything of a departure (departures.h), which `token` names at the sender.
struct Barrier {
  uint8_t kind = 0;
  uint64_t token = 0;
};

// What is retained on a topic? `token` names the look-up at the sender.
struct LookUp {
  uint8_t kind = 0;
  uint64_t token = 0;
  Carried<FilterText> carried;
};

// The members of a share at the sender.
struct ShareRoute {
  uint8_t kind = 0;
  bool isOver = false;  // there are none
  uint32_t senderShare = 0;
  uint32_t connected = 0;  // members with a connection ...
  uint32_t able = 0;       // ... and those whose session waits for them
  uint32_t durable = 0;    // those that the log has to keep messages for
  Carried<FilterText> carried;
};

// The sender has no member for this message of a share, or a member gives it back.
struct Reshare {
  uint8_t kind = 0;
  ShareOutcome outcome = ShareOutcome::over;  // over: nobody has refused it
  ShareLevel level = ShareLevel::ready;
  bool isWithheld = false;  // as ShareSearch says, of those before the sender
  uint32_t share = 0;
  uint32_t token = 0;  // as with Deliver: the sender stores nothing of it
  Carried<Message> carried;
  uint64_t refused = 0;
};

// A member at the sender is ready again.
struct ShareReady {
  uint8_t kind = 0;
  ShareKind messages = ShareKind::qos0;
  uint32_t share = 0;
};

// A member at the sender has lost its connection: is another one connected?
struct MemberLeft {
  uint8_t kind = 0;
  uint32_t share = 0;
  uint64_t session = 0;
};

// The session moves to the sender: begins the move, and then asks for the next slice of its subscriptions.
struct FetchSession {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The answer to a FetchSession.
struct SubscriptionsOfSession {
  uint8_t kind = 0;
  Carried<SubscriptionSlice> carried;
};

// The session has ended at the sender, before it arrived.
struct AbandonMove {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The contents of a session, from front end to front end.
struct Parcel {
  uint8_t kind = 0;
  Carried<SessionParcel> carried;
};

// The following are about slots that change owners (front-end/slot-moves.h). After everything that the sender has
// sent.
struct SlotBarrier {
  uint8_t kind = 0;
  uint64_t move = 0;
};

// No request of the sender for the slots of the move is in transit to a shard.
struct SlotsHeld {
  uint8_t kind = 0;
  uint64_t move = 0;
  uint64_t present = 0;  // the workers that the sender knows
};

// No delivery of shards for the slots of the move is in transit to the sender, nor from it.
struct SlotsDrained {
  uint8_t kind = 0;
  uint64_t move = 0;
};

// A retained message for the new owner of its topic, who takes it unless it has a later one. With a token a
// RetainedTaken follows.
struct RetainedMoves {
  uint8_t kind = 0;
  uint32_t token = 0;
  Carried<Message> carried;
  uint64_t stamp = 0;  // as records::RetainedStamp says
};

// For a new subscription: a shard has found a retained message on the topic, which it does not own any more.
struct RetainedAgain {
  uint8_t kind = 0;
  uint8_t qos = 0;
  uint32_t subscriptionId = 0;
  uint64_t session = 0;
  Carried<FilterText> carried;
  uint64_t content = 0;  // a hash of what was found: another one since has come as it was published
};

// The answer to a Deliver with a token: it is in the log for all durable sessions here that it is for, or there was no
// room for it.
struct Stored {
  uint8_t kind = 0;
  bool isRefused = false;
  uint32_t token = 0;
};

// A session that has come here by this move is in the log. A SessionReleased follows.
struct SessionLanded {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The message is for a session that is on its way here, with which it will be stored: a Stored follows then.
struct StoredLater {
  uint8_t kind = 0;
  uint32_t token = 0;
};

// The session that has left by this move is the receiver's alone.
struct SessionReleased {
  uint8_t kind = 0;
  uint64_t session = 0;
  uint64_t move = 0;
};

// The following are about routes that may differ from what they should be (front-end/route-checks.h). What the sender
// has told of them, until now.
struct RoutesTold {
  uint8_t kind = 0;
  Carried<RouteSummary> carried;
};

// What the receiver has told differs from what the sender knows: it is to tell everything again, and then a
// RoutesToldAgain with this number.
struct TellRoutesAgain {
  uint8_t kind = 0;
  uint32_t number = 0;
};

// Everything has been told again: the sender has no other routes.
struct RoutesToldAgain {
  uint8_t kind = 0;
  uint32_t number = 0;
};

}  // namespace request

using Request =
    RecordOf<request::Publish, request::SetInterest, request::Subscribe, request::RetainedMore, request::RetainedStop,
             request::MoveSession, request::Flush, request::Barrier, request::LookUp, request::ShareRoute,
             request::Reshare, request::ShareReady, request::MemberLeft, request::FetchSession,
             request::SubscriptionsOfSession, request::AbandonMove, request::Parcel, request::SlotBarrier,
             request::SlotsHeld, request::SlotsDrained, request::RetainedMoves, request::RetainedAgain, request::Stored,
             request::SessionLanded, request::StoredLater, request::SessionReleased, request::RoutesTold,
             request::TellRoutesAgain, request::RoutesToldAgain>;

}  // namespace rally
