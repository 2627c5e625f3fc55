// What the windows and queues of one worker hold in all, in bytes: their entries with the room for more, subscription
// identifiers, and message blocks, each once however many entries hold it. A session's own bound counts a block fully
// (session.h): for whoever looks at one session it is there because of it.
//
// The entries of all queues are here too, since queues share them (structures/shared-rows.h): what 100,000 sessions
// that are away wait for is there once.
//
// Every change of a Window or DeliveryQueue is told here, by themselves. A message may be held by sessions of several
// workers: each worker that holds it counts it, by a number of its own in the block (messages/message.h).
#pragma once
#include "../assert.h"
#include "../messages/delivery.h"
#include "../structures/shared-rows.h"

namespace rally {

class HeldMessages {
 public:
  using Rows = SharedRows<Delivery>;

  explicit HeldMessages(unsigned worker) : worker_(worker) {}
  HeldMessages(const HeldMessages&) = delete;
  HeldMessages& operator=(const HeldMessages&) = delete;

  size_t bytes() const { return bytes_ + rows_.bytes(); }
  Rows& rows() { return rows_; }

  // An entry holds it, or does no more.
  void take(const Delivery& delivery) {
    if (delivery.message) take(*delivery.message.get(), delivery.subscriptionIds.bytes());
    else bytes_ += delivery.subscriptionIds.bytes();
  }
  void giveBack(const Delivery& delivery) {
    subtract(delivery.subscriptionIds.bytes());
    Message* message = delivery.message.get();
    if (!message) return;
    RALLY_ASSERT(message->holders(worker_) > 0);
    if (--message->holders(worker_) == 0) subtract(message->blockBytes());
  }

  // Entries of queues: one more, the oldest, the newest.
  void push(Rows::Row& row, Delivery&& delivery) {
    const size_t before = row.bytes();
    Message* const message = delivery.message.get();
    const size_t idBytes = delivery.subscriptionIds.bytes();
    const bool isNew = rows_.push(
        row, std::move(delivery),
        [&](const Delivery& each) -> RowPlace& { return each.message->holding(worker_).place; },
        [&](const Delivery& dropped) { giveBack(dropped); });
    if (isNew) take(*message, idBytes);
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
    if (message.holders(worker_)++ == 0) bytes_ += message.blockBytes();
  }
  Delivery takeFrom(Rows::Row& row, bool (Rows::*takeOne)(Rows::Row&, Delivery&)) {
    const size_t before = row.bytes();
    Delivery delivery;
    if ((rows_.*takeOne)(row, delivery)) giveBack(delivery);
    resize(before, row.bytes());
    return delivery;
  }
  void subtract(size_t bytes) {
    RALLY_ASSERT(bytes <= bytes_);
    bytes_ -= bytes;
  }

  const unsigned worker_;
  Rows rows_;
  size_t bytes_ = 0;  // but those of rows_
};

}  // namespace rally
