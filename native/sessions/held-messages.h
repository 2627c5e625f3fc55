// The memory of all windows and queues of one worker, in bytes: their entries with spare capacity, subscription
// identifiers, and messages, each once however many entries hold it. A session's own limit counts a message in full
// (session.h).
//
// The entries of all queues are here too, since queues share them (structures/shared-rows.h): messages that wait for
// 100,000 absent sessions are stored once.
//
// A queued message that is in the log may be *parked*: its content is freed, and a stub replaces it (backlog.h decides
// when). The oldest are parked first:
//
//   unparked_   [ place, number | ... ]     in the order of arrival; some are gone meanwhile
//
// Windows and DeliveryQueues report every change here. Sessions of several workers may hold a message: each worker
// counts it, by its own number in the message (messages/message.h).
#pragma once
#include "../assert.h"
#include "../messages/delivery.h"
#include "../structures/shared-rows.h"
#include "sleeping-deliveries.h"

namespace rally {

class HeldMessages {
 public:
  using Rows = SharedRows<Delivery>;

  explicit HeldMessages(unsigned worker) : worker_(worker) {}
  HeldMessages(const HeldMessages&) = delete;
  HeldMessages& operator=(const HeldMessages&) = delete;

  size_t bytes() const { return bytes_ + rows_.bytes() + unparked_.bytes(); }
  // What the messages take in a log, each once, also those that are there alone.
  size_t loggedBytes() const { return loggedBytes_; }
  // For the next messages of this worker that have to be kept.
  MessageBlocks& blocks() { return blocks_; }
  Rows& rows() { return rows_; }

  // Queued messages that are also in the log. Nothing is counted, and nothing parked, before this.
  void countParkable() { countsParkable_ = true; }
  size_t parkableBytes() const { return parkableBytes_; }
  bool hasUnparked() const { return !unparked_.isEmpty(); }

  enum class Parking : uint8_t {
    done,
    none,     // there is nothing left that can be parked
    waiting,  // the oldest has no place in the log yet: others come before it now
  };
  // `locate(message, position)`: its position in the log; Parking::none: none that lasts.
  template <class Locate>
  Parking parkOldest(Locate&& locate) {
    for (; !unparked_.isEmpty(); unparked_.pop()) {
      const Unparked oldest = unparked_.front();
      Delivery* const delivery = rows_.stored(oldest.place);
      if (!delivery || !isParkable(*delivery) || delivery->message->logId != oldest.message) continue;
      Message& message = *delivery->message.get();
      if (message.isStub || message.blockBytes() < Message::blockBytes(message.workers, 0) + gainMin) continue;
      log::Position at;
      const Parking found = locate(message, at);
      if (found == Parking::waiting) {
        unparked_.pop();
        unparked_.push(Unparked(oldest));
        return found;
      }
      if (found == Parking::none) continue;
      MessageRef stub = stubOf(Publication::of(delivery->message, 0));
      stub->setLogPlace(LogPlace(at));
      put(*delivery, std::move(stub), oldest.place);
      unparked_.pop();
      return Parking::done;
    }
    return Parking::none;
  }
  // The content of a stub is back, if the stub still waits at this place. It may wait at others too.
  void unpark(const Message& stub, MessageRef message, RowPlace place) {
    Delivery* const delivery = rows_.stored(place);
    if (!delivery || delivery->message.get() != &stub) return;
    put(*delivery, std::move(message), place);
    unparked_.push({place, delivery->message->logId});
  }

  // Whether the entry at this place can go to sleep (sleeping-deliveries.h): it is in the log alone and for nobody
  // else.
  bool maySleep(const Delivery& delivery, const RowPlace& place) {
    const Message* const message = delivery.message.get();
    if (!message || !message->isStub || delivery.share != 0 || delivery.isFromStore) return false;
    const LogPlace at = message->logPlace();
    return !at.isNowhere() && !at.isTicket() && !at.isUnreadable() && rows_.isAlone(place) &&
           message->references.load(std::memory_order_relaxed) == 1;
  }

  // One session waits for the message, and nothing else has it. False: that is not known.
  bool isAlone(Message& message) {
    const RowPlace& place = message.holding(worker_).place;
    const Delivery* const delivery = rows_.stored(place);
    return message.references.load(std::memory_order_relaxed) == 1 && delivery && delivery->message.get() == &message &&
           rows_.isAlone(place);
  }

  // An entry begins or ceases to hold it.
  void take(const Delivery& delivery) {
    if (delivery.message) take(*delivery.message.get(), delivery.subscriptionIds.bytes());
    else bytes_ += delivery.subscriptionIds.bytes();
  }
  void giveBack(const Delivery& delivery) {
    subtract(delivery.subscriptionIds.bytes());
    Message* message = delivery.message.get();
    if (!message) return;
    RALLY_ASSERT(message->holders(worker_) > 0);
    if (--message->holders(worker_) > 0) return;
    subtract(message->heldBytes());
    loggedBytes_ -= message->contentBytes() + recordBytes;
  }
  // Entries that sleep, of one session.
  void take(const SleepingDeliveries& asleep) {
    bytes_ += asleep.bytes();
    loggedBytes_ += asleep.contentBytes() + asleep.size() * recordBytes;
  }
  void giveBack(const SleepingDeliveries& asleep) {
    subtract(asleep.bytes());
    loggedBytes_ -= asleep.contentBytes() + asleep.size() * recordBytes;
  }

  // Entries of queues: one more; the oldest; the newest.
  void push(Rows::Row& row, Delivery&& delivery) {
    const size_t before = row.bytes();
    Message* const message = delivery.message.get();
    const size_t idBytes = delivery.subscriptionIds.bytes();
    const bool isParkableOne = isParkable(delivery);
    const bool isNew = rows_.push(
        row, std::move(delivery),
        [&](const Delivery& each) -> RowPlace& { return each.message->holding(worker_).place; },
        [&](const Delivery& dropped) { leave(dropped); });
    if (isNew) take(*message, idBytes);
    if (isNew && isParkableOne) notePark(*message);
    resize(before, row.bytes());
  }
  Delivery takeFront(Rows::Row& row) { return takeFrom(row, &Rows::takeFront); }
  Delivery takeBack(Rows::Row& row) { return takeFrom(row, &Rows::takeBack); }

  // The memory of entries.
  void resize(size_t before, size_t now) {
    bytes_ += now;
    subtract(before);
  }

 private:
  void take(Message& message, size_t idBytes) {
    bytes_ += idBytes;
    if (message.holders(worker_)++ > 0) return;
    bytes_ += message.heldBytes();
    loggedBytes_ += message.contentBytes() + recordBytes;
  }
  // An entry of queues is gone.
  void leave(const Delivery& delivery) {
    if (isParkable(delivery) && !delivery.message->isStub) {
      RALLY_ASSERT(delivery.message->blockBytes() <= parkableBytes_ && parkableCount_ > 0);
      parkableBytes_ -= delivery.message->blockBytes();
      parkableCount_--;
    }
    giveBack(delivery);
  }

  // Not messages of a share, which move to other sessions; retained ones are in their store.
  bool isParkable(const Delivery& delivery) const {
    return countsParkable_ && delivery.message && delivery.message->logId != 0 && delivery.share == 0 &&
           !delivery.isFromStore;
  }
  void notePark(Message& message) {
    if (message.isStub) return;
    parkableBytes_ += message.blockBytes();
    parkableCount_++;
    unparked_.push({message.holding(worker_).place, message.logId});
    if (unparked_.size() > 2 * parkableCount_ + goneMax) forgetGone();
  }
  void forgetGone() {
    for (size_t left = unparked_.size(); left > 0; left--) {
      const Unparked each = unparked_.front();
      unparked_.pop();
      const Delivery* const delivery = rows_.stored(each.place);
      const bool isThere = delivery && isParkable(*delivery) && !delivery->message->isStub &&
                           delivery->message->logId == each.message;
      if (isThere) unparked_.push(Unparked(each));
    }
  }
  // Replaces the message of an entry of queues.
  void put(Delivery& delivery, MessageRef message, RowPlace place) {
    const Delivery before = delivery;
    delivery.message = std::move(message);
    delivery.message->holding(worker_).place = place;
    take(*delivery.message.get(), delivery.subscriptionIds.bytes());
    if (!delivery.message->isStub) {
      parkableBytes_ += delivery.message->blockBytes();
      parkableCount_++;
    }
    leave(before);
  }
  Delivery takeFrom(Rows::Row& row, bool (Rows::*takeOne)(Rows::Row&, Delivery&)) {
    const size_t before = row.bytes();
    Delivery delivery;
    if ((rows_.*takeOne)(row, delivery)) leave(delivery);
    resize(before, row.bytes());
    return delivery;
  }
  void subtract(size_t bytes) {
    RALLY_ASSERT(bytes <= bytes_);
    bytes_ -= bytes;
  }

  struct Unparked {
    RowPlace place;
    uint64_t message = 0;
  };
  // Bytes that parking must free to be worthwhile.
  static constexpr size_t gainMin = 64;
  // Entries that may be gone before the list is cleaned up.
  static constexpr size_t goneMax = 1'024;
  // Of a message in the log, besides its content.
  static constexpr size_t recordBytes = 64;

  const unsigned worker_;
  MessageBlocks blocks_;
  Rows rows_;
  size_t bytes_ = 0;  // but those of rows_ and unparked_
  size_t loggedBytes_ = 0;
  bool countsParkable_ = false;
  size_t parkableBytes_ = 0;
  size_t parkableCount_ = 0;
  Fifo<Unparked> unparked_;
};

}  // namespace rally
