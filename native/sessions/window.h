// QoS 1 and 2 messages that were sent to a client and are not yet acknowledged, in sending order
// (5.0, 4.4 and 4.6). Packet identifiers are dealt out in that order, so that an acknowledgement
// finds its entry by subtraction, and none is dealt again while it is in use.
//
//   packet identifier = sequence % 65,535 + 1
//   [ done ][ sent ][ done ][ released ] | next           "done" entries leave when they are oldest
//   first                     cursor...     end           from the cursor on: not yet (re)sent
#pragma once
#include "../assert.h"
#include "../messages/delivery.h"
#include "../structures/fifo.h"

namespace rally {

class Window {
 public:
  enum class State : uint8_t {
    done,
    sent,      // PUBLISH went out; PUBACK (QoS 1) or PUBREC (QoS 2) is awaited
    released,  // QoS 2: PUBREL went out; PUBCOMP is awaited
  };
  struct Entry {
    Delivery delivery;
    State state = State::done;
    bool isInflight = false;  // sent on this connection
  };

  // `inflightMax`: the client's Receive Maximum or our own bound, whichever is smaller.
  bool hasRoom(size_t inflightMax) const { return inflight_ < inflightMax && entries_.size() < packetIdMax; }

  // The packet identifier of a message that is being sent now. hasRoom() must hold.
  uint16_t add(Delivery delivery) {
    RALLY_ASSERT(entries_.size() < packetIdMax && !isResending());
    const uint64_t sequence = entries_.end();
    entries_.push({std::move(delivery), State::sent, true});
    cursor_ = entries_.end();
    inflight_++;
    return packetIdOf(sequence);
  }

  // The entry in `state` under this packet identifier, or nullptr.
  Entry* find(uint16_t packetId, State state) {
    const uint64_t first = entries_.first();
    const uint64_t offset = (uint64_t(packetId) - 1 + packetIdMax - first % packetIdMax) % packetIdMax;
    if (packetId == 0 || offset >= entries_.size()) return nullptr;
    Entry& entry = entries_[first + offset];
    return entry.state == state ? &entry : nullptr;
  }

  // PUBREC has come, of an entry that find() has found as sent.
  void release(Entry& entry) {
    RALLY_ASSERT(entry.state == State::sent);
    entry.delivery.message = MessageRef();
    entry.state = State::released;
  }
  // Nothing more is awaited, of an entry that is not done yet.
  void finish(Entry& entry) {
    close(entry);
    dropDone();
  }

  // What may go to another session instead: QoS 1 whose PUBACK has not come.
  template <class Visit>
  void eachUnreceived(Visit&& visit) {
    for (uint64_t at = entries_.first(); at != entries_.end(); at++) {
      if (isUnreceived(entries_[at])) visit(entries_[at].delivery);
    }
  }
  template <class IsMeant>
  void takeUnreceived(IsMeant&& isMeant, std::vector<Delivery>& taken) {
    for (uint64_t at = entries_.first(); at != entries_.end(); at++) {
      Entry& entry = entries_[at];
      if (!isUnreceived(entry) || !isMeant(entry.delivery)) continue;
      taken.push_back(std::move(entry.delivery));
      close(entry);
    }
    dropDone();  // not before: the loop walks over them
  }

  // After a reconnect everything unacknowledged is sent again, oldest first [MQTT-4.4.0-1].
  void restart() {
    cursor_ = entries_.first();
    inflight_ = 0;
    for (uint64_t at = entries_.first(); at != entries_.end(); at++) entries_[at].isInflight = false;
  }
  bool isResending() const { return cursor_ != entries_.end(); }
  // While isResending(): the next one.
  // A PUBLISH counts against the Receive Maximum of this connection, a PUBREL does not [MQTT-3.3.4-9].
  bool mayResend(size_t inflightMax) { return entries_[cursor_].state != State::sent || inflight_ < inflightMax; }
  Entry& resent() {
    RALLY_ASSERT(isResending());
    return entries_[cursor_];
  }
  uint16_t resentPacketId() const { return packetIdOf(cursor_); }
  void advance() {
    RALLY_ASSERT(isResending());
    Entry& entry = entries_[cursor_++];
    if (entry.state != State::sent) return;
    entry.isInflight = true;
    inflight_++;
  }

 private:
  static constexpr uint64_t packetIdMax = 65'535;

  static bool isUnreceived(const Entry& entry) {
    return entry.state == State::sent && entry.delivery.qos == 1 && entry.delivery.message;
  }
  void close(Entry& entry) {
    RALLY_ASSERT(entry.state != State::done);
    entry.delivery = {};
    entry.state = State::done;
    if (entry.isInflight) inflight_--;
    entry.isInflight = false;
  }
  void dropDone() {
    while (!entries_.empty() && entries_.front().state == State::done) entries_.pop();
    if (cursor_ < entries_.first()) cursor_ = entries_.first();
  }
  static uint16_t packetIdOf(uint64_t sequence) { return uint16_t(sequence % packetIdMax + 1); }

  Fifo<Entry> entries_;
  uint64_t cursor_ = 0;
  size_t inflight_ = 0;
};

}  // namespace rally
