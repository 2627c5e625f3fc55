// QoS 1 and 2 messages that were sent to a client and are not yet acknowledged, in sending order (5.0, 4.4 and 4.6).
// Packet identifiers are assigned in that order, so an acknowledgement finds its entry by subtraction, and none is
// reused while it is in flight.
//
//   packet identifier = sequence % 65,535 + 1
//   [ done ][ sent ][ done ][ released ] | next           "done" entries leave when they are oldest
//   first                     cursor...     end           from the cursor on: not yet (re)sent
//
// Every change of its memory is reported to the worker's account (held-messages.h).
#pragma once
#include "../assert.h"
#include "../structures/fifo.h"
#include "held-messages.h"

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

  // `inflightMax`: the client's Receive Maximum or the broker's limit, whichever is smaller.
  bool hasRoom(size_t inflightMax) const { return inflight_ < inflightMax && entries_.size() < packetIdMax; }

  bool isEmpty() const { return entries_.isEmpty(); }
  // Sent on this connection, and not acknowledged.
  size_t inflight() const { return inflight_; }
  // The entries and what they hold.
  size_t bytes() const { return contentBytes_ + entries_.size() * sizeof(Entry); }

  // The packet identifier of a message that is being sent now. hasRoom() must hold.
  uint16_t add(Delivery&& delivery, HeldMessages& held) {
    RALLY_ASSERT(entries_.size() < packetIdMax && !isResending());
    const uint64_t sequence = entries_.end();
    const size_t before = entries_.bytes();
    held.take(delivery);
    contentBytes_ += delivery.bytes();
    if (delivery.message) keptEnd_ = sequence + 1;
    entries_.push({std::move(delivery), State::sent, true});
    held.resize(before, entries_.bytes());
    cursor_ = entries_.end();
    inflight_++;
    return packetIdOf(sequence);
  }

  // At the start of the broker: a message that was sent with this packet identifier, in ascending order. canRestore()
  // must hold.
  void restore(uint16_t packetId, Delivery delivery, State state, HeldMessages& held) {
    RALLY_ASSERT(canRestore(packetId));
    const size_t before = entries_.bytes();
    if (entries_.isEmpty()) entries_.beginAt(uint64_t(packetId) - 1);
    for (uint64_t left = skippedTo(packetId); left > 0; left--) entries_.push({});
    held.take(delivery);
    contentBytes_ += delivery.bytes();
    if (delivery.message) keptEnd_ = entries_.end() + 1;
    entries_.push({std::move(delivery), state, false});
    held.resize(before, entries_.bytes());
    cursor_ = entries_.first();
  }
  bool canRestore(uint16_t packetId) const {
    return entries_.isEmpty() || entries_.size() + skippedTo(packetId) + 1 <= packetIdMax;
  }

  // The entry in `state` under this packet identifier, or nullptr.
  Entry* find(uint16_t packetId, State state) {
    const uint64_t first = entries_.first();
    const uint64_t offset = (uint64_t(packetId) - 1 + packetIdMax - first % packetIdMax) % packetIdMax;
    if (packetId == 0 || offset >= entries_.size()) return nullptr;
    Entry& entry = entries_[first + offset];
    return entry.state == state ? &entry : nullptr;
  }

  // PUBREC was received for an entry that find() has found as sent.
  void release(Entry& entry, HeldMessages& held) {
    RALLY_ASSERT(entry.state == State::sent);
    drop(entry, held);
    entry.state = State::released;
  }
  // An entry that is not done yet needs nothing more.
  void finish(Entry& entry, HeldMessages& held) {
    close(entry, held);
    dropDone(held);
  }
  // Drops the newest message that would be sent again after a reconnect. False: there is none left. If its client has
  // received it, the acknowledgement is accepted as usual.
  bool forgetNewest(HeldMessages& held) {
    for (; keptEnd_ > entries_.first(); keptEnd_--) {
      Entry& entry = entries_[keptEnd_ - 1];
      if (!entry.delivery.message) continue;
      drop(entry, held);
      return true;
    }
    return false;
  }
  void clear(HeldMessages& held) {
    depart(held);
    *this = {};
  }
  // Frees what it keeps while it is empty.
  void trim() { entries_.trim(); }

  // It moves to another worker unchanged, or has come from one.
  void depart(HeldMessages& held) {
    each([&](const Entry& entry) { held.giveBack(entry.delivery); });
    held.resize(entries_.bytes(), 0);
  }
  void arrive(HeldMessages& held) {
    each([&](const Entry& entry) { held.take(entry.delivery); });
    held.resize(0, entries_.bytes());
  }
  template <class Visit>
  void each(Visit&& visit) {
    for (uint64_t at = entries_.first(); at != entries_.end(); at++) visit(entries_[at]);
  }
  template <class Visit>
  void eachNumbered(Visit&& visit) {
    for (uint64_t at = entries_.first(); at != entries_.end(); at++) visit(packetIdOf(at), entries_[at]);
  }
  // The memory of the entries, and the most that one more may add.
  size_t entryBytes() const { return entries_.bytes(); }
  size_t growthBytes() const { return entries_.growthBytes(); }

  // Messages that may go to another session instead: QoS 1 without PUBACK.
  template <class Visit>
  void eachUnreceived(Visit&& visit) {
    each([&](Entry& entry) {
      if (isUnreceived(entry)) visit(entry.delivery);
    });
  }
  template <class IsMeant>
  void takeUnreceived(IsMeant&& isMeant, std::vector<Delivery>& taken, HeldMessages& held) {
    each([&](Entry& entry) {
      if (!isUnreceived(entry) || !isMeant(entry.delivery)) return;
      taken.push_back(entry.delivery);
      close(entry, held);
    });
    dropDone(held);  // not before: the loop walks over them
  }

  // After a reconnect everything unacknowledged is sent again, oldest first [MQTT-4.4.0-1].
  void restart() {
    cursor_ = entries_.first();
    inflight_ = 0;
    each([](Entry& entry) { entry.isInflight = false; });
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
  // The entry drops what it holds.
  void leave(const Entry& entry, HeldMessages& held) {
    held.giveBack(entry.delivery);
    contentBytes_ -= entry.delivery.bytes();
  }
  // The message is not sent again; its acknowledgement is still awaited.
  void drop(Entry& entry, HeldMessages& held) {
    leave(entry, held);
    entry.delivery.message = MessageRef();
    entry.delivery.subscriptionIds = {};
  }
  void close(Entry& entry, HeldMessages& held) {
    RALLY_ASSERT(entry.state != State::done);
    leave(entry, held);
    entry.delivery = {};
    entry.state = State::done;
    if (entry.isInflight) inflight_--;
    entry.isInflight = false;
  }
  void dropDone(HeldMessages& held) {
    const size_t before = entries_.bytes();
    while (!entries_.isEmpty() && entries_.front().state == State::done) entries_.pop();
    held.resize(before, entries_.bytes());
    if (cursor_ < entries_.first()) cursor_ = entries_.first();
  }
  // Between the last entry and the one with this packet identifier.
  uint64_t skippedTo(uint16_t packetId) const {
    return (uint64_t(packetId) - 1 + packetIdMax - entries_.end() % packetIdMax) % packetIdMax;
  }
  static uint16_t packetIdOf(uint64_t sequence) { return uint16_t(sequence % packetIdMax + 1); }

  Fifo<Entry> entries_;
  uint64_t cursor_ = 0;
  uint64_t keptEnd_ = 0;  // from here on no entry has a message
  size_t inflight_ = 0;
  size_t contentBytes_ = 0;  // blocks, each fully, and subscription identifiers
};

}  // namespace rally
