// QoS 1 and 2 messages that were sent to a client and are not yet acknowledged, in sending order (5.0, 4.4 and 4.6).
// Packet identifiers are assigned in that order, so an acknowledgement finds its entry by subtraction, and none is
// reused while it is in flight.
//
//   packet identifier = sequence % 65,535 + 1
//   [ done ][ sent ][ done ][ released ] | next           "done" entries leave when they are oldest
//   first                     cursor...     end           from the cursor on: not yet (re)sent
//
// Every change of its memory is reported to the worker's account (held-messages.h). A client that gets none costs a
// pointer.
#pragma once
#include "../assert.h"
#include "../structures/fifo.h"
#include "../structures/lazy.h"
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
  bool hasRoom(size_t inflightMax) const {
    return contents_->inflight < inflightMax && contents_->entries.size() < packetIdMax;
  }

  bool isEmpty() const { return contents_->entries.isEmpty(); }
  // Sent on this connection, and not acknowledged.
  size_t inflight() const { return contents_->inflight; }
  // The number of exchanges that are complete, which starts again now and then.
  uint32_t acknowledged() const { return contents_->acknowledged; }
  // The entries and what they hold.
  size_t bytes() const { return contents_->contentBytes + contents_->entries.size() * sizeof(Entry); }

  // The packet identifier of a message that is being sent now. hasRoom() must hold.
  uint16_t add(Delivery&& delivery, HeldMessages& held) {
    RALLY_ASSERT(contents_->entries.size() < packetIdMax && !isResending());
    Contents& contents = contents_.own();
    const uint64_t sequence = contents.entries.end();
    const size_t before = contents.entries.bytes();
    held.take(delivery);
    contents.contentBytes += delivery.bytes();
    if (delivery.message) contents.keptEnd = sequence + 1;
    contents.entries.push({std::move(delivery), State::sent, true});
    held.resize(before, contents.entries.bytes());
    contents.cursor = contents.entries.end();
    contents.inflight++;
    return packetIdOf(sequence);
  }

  // At the start of the broker: a message that was sent with this packet identifier, in ascending order. canRestore()
  // must hold.
  void restore(uint16_t packetId, Delivery delivery, State as, HeldMessages& held) {
    RALLY_ASSERT(canRestore(packetId));
    Contents& contents = contents_.own();
    const size_t before = contents.entries.bytes();
    if (contents.entries.isEmpty()) contents.entries.beginAt(uint64_t(packetId) - 1);
    for (uint64_t left = skippedTo(packetId); left > 0; left--) contents.entries.push({});
    held.take(delivery);
    contents.contentBytes += delivery.bytes();
    if (delivery.message) contents.keptEnd = contents.entries.end() + 1;
    contents.entries.push({std::move(delivery), as, false});
    held.resize(before, contents.entries.bytes());
    contents.cursor = contents.entries.first();
  }
  bool canRestore(uint16_t packetId) const {
    return isEmpty() || contents_->entries.size() + skippedTo(packetId) + 1 <= packetIdMax;
  }

  // The entry in `state` under this packet identifier, or nullptr.
  Entry* find(uint16_t packetId, State state) {
    const uint64_t first = contents_->entries.first();
    const uint64_t offset = (uint64_t(packetId) - 1 + packetIdMax - first % packetIdMax) % packetIdMax;
    if (packetId == 0 || offset >= contents_->entries.size()) return nullptr;
    Entry& entry = contents_.own().entries[first + offset];
    return entry.state == state ? &entry : nullptr;
  }

  // PUBREC was received for an entry that find() has found as sent.
  void release(Entry& entry, HeldMessages& held) {
    RALLY_ASSERT(entry.state == State::sent);
    drop(contents_.own(), entry, held);
    entry.state = State::released;
  }
  // An entry that is not done yet needs nothing more.
  void finish(Entry& entry, HeldMessages& held) {
    Contents& contents = contents_.own();
    close(contents, entry, held);
    dropDone(contents, held);
  }
  // Drops the newest message that would be sent again after a reconnect. False: there is none left. If its client has
  // received it, the acknowledgement is accepted as usual.
  bool forgetNewest(HeldMessages& held) {
    if (isEmpty()) return false;
    Contents& contents = contents_.own();
    for (; contents.keptEnd > contents.entries.first(); contents.keptEnd--) {
      Entry& entry = contents.entries[contents.keptEnd - 1];
      if (!entry.delivery.message) continue;
      drop(contents, entry, held);
      return true;
    }
    return false;
  }
  void clear(HeldMessages& held) {
    depart(held);
    contents_.reset();
  }
  // Frees what it keeps while it is empty.
  void trim() {
    if (isEmpty()) contents_.reset();
  }

  // The same, for another worker to have, as if it had departed.
  Window copy() const {
    Window same;
    if (isEmpty()) return same;
    Contents& contents = same.contents_.own();
    const Fifo<Entry>& entries = contents_->entries;
    contents.entries.beginAt(entries.first());
    for (uint64_t at = entries.first(); at != entries.end(); at++) contents.entries.push(Entry(entries[at]));
    contents.cursor = contents_->cursor;
    contents.keptEnd = contents_->keptEnd;
    contents.inflight = contents_->inflight;
    contents.acknowledged = contents_->acknowledged;
    contents.contentBytes = contents_->contentBytes;
    return same;
  }
  // It moves to another worker unchanged, or has come from one.
  void depart(HeldMessages& held) {
    each([&](const Entry& entry) { held.giveBack(entry.delivery); });
    held.resize(entryBytes(), 0);
  }
  void arrive(HeldMessages& held) {
    each([&](const Entry& entry) { held.take(entry.delivery); });
    held.resize(0, entryBytes());
  }
  template <class Visit>
  void each(Visit&& visit) {
    eachNumbered([&](uint16_t, Entry& entry) { visit(entry); });
  }
  template <class Visit>
  void eachNumbered(Visit&& visit) {
    if (isEmpty()) return;
    Fifo<Entry>& entries = contents_.own().entries;
    for (uint64_t at = entries.first(); at != entries.end(); at++) visit(packetIdOf(at), entries[at]);
  }
  // The memory of the entries, and the most that one more may add.
  size_t entryBytes() const { return contents_->entries.bytes(); }
  size_t growthBytes() const { return contents_->entries.growthBytes(); }

  // Messages that may go to another session instead: QoS 1 without PUBACK.
  template <class Visit>
  void eachUnreceived(Visit&& visit) {
    each([&](Entry& entry) {
      if (isUnreceived(entry)) visit(entry.delivery);
    });
  }
  template <class IsMeant>
  void takeUnreceived(IsMeant&& isMeant, std::vector<Delivery>& taken, HeldMessages& held) {
    if (isEmpty()) return;
    Contents& contents = contents_.own();
    each([&](Entry& entry) {
      if (!isUnreceived(entry) || !isMeant(entry.delivery)) return;
      taken.push_back(entry.delivery);
      close(contents, entry, held);
    });
    dropDone(contents, held);  // not before: the loop walks over them
  }

  // After a reconnect everything unacknowledged is sent again, oldest first [MQTT-4.4.0-1].
  void restart() {
    if (!contents_.isMade()) return;
    Contents& contents = contents_.own();
    contents.cursor = contents.entries.first();
    contents.inflight = 0;
    each([](Entry& entry) { entry.isInflight = false; });
  }
  bool isResending() const { return contents_->cursor != contents_->entries.end(); }
  // While isResending(): the next one.
  // A PUBLISH counts against the Receive Maximum of this connection, a PUBREL does not [MQTT-3.3.4-9].
  bool mayResend(size_t inflightMax) {
    return contents_->entries[contents_->cursor].state != State::sent || contents_->inflight < inflightMax;
  }
  Entry& resent() {
    RALLY_ASSERT(isResending());
    Contents& contents = contents_.own();
    return contents.entries[contents.cursor];
  }
  uint16_t resentPacketId() const { return packetIdOf(contents_->cursor); }
  void advance() {
    RALLY_ASSERT(isResending());
    Contents& contents = contents_.own();
    Entry& entry = contents.entries[contents.cursor++];
    if (entry.state != State::sent) return;
    entry.isInflight = true;
    contents.inflight++;
  }

 private:
  static constexpr uint64_t packetIdMax = 65'535;

  struct Contents {
    Fifo<Entry> entries;
    uint64_t cursor = 0;
    uint64_t keptEnd = 0;  // from here on no entry has a message
    uint32_t inflight = 0;
    uint32_t acknowledged = 0;
    size_t contentBytes = 0;  // blocks, each fully, and subscription identifiers
  };

  static bool isUnreceived(const Entry& entry) {
    return entry.state == State::sent && entry.delivery.qos == 1 && entry.delivery.message;
  }
  // The entry drops what it holds.
  static void leave(Contents& contents, const Entry& entry, HeldMessages& held) {
    held.giveBack(entry.delivery);
    contents.contentBytes -= entry.delivery.bytes();
  }
  // The message is not sent again; its acknowledgement is still awaited.
  static void drop(Contents& contents, Entry& entry, HeldMessages& held) {
    leave(contents, entry, held);
    entry.delivery.message.drop(held.blocks());
    entry.delivery.subscriptionIds = {};
  }
  static void close(Contents& contents, Entry& entry, HeldMessages& held) {
    RALLY_ASSERT(entry.state != State::done);
    leave(contents, entry, held);
    entry.delivery.message.drop(held.blocks());
    entry.delivery = {};
    entry.state = State::done;
    contents.acknowledged++;
    if (entry.isInflight) contents.inflight--;
    entry.isInflight = false;
  }
  static void dropDone(Contents& contents, HeldMessages& held) {
    const size_t before = contents.entries.bytes();
    while (!contents.entries.isEmpty() && contents.entries.front().state == State::done) contents.entries.pop();
    held.resize(before, contents.entries.bytes());
    if (contents.cursor < contents.entries.first()) contents.cursor = contents.entries.first();
  }
  // Between the last entry and the one with this packet identifier.
  uint64_t skippedTo(uint16_t packetId) const {
    return (uint64_t(packetId) - 1 + packetIdMax - contents_->entries.end() % packetIdMax) % packetIdMax;
  }
  static uint16_t packetIdOf(uint64_t sequence) { return uint16_t(sequence % packetIdMax + 1); }

  Lazy<Contents> contents_;
};

}  // namespace rally
