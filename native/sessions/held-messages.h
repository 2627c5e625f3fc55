// What the windows and queues of one worker hold in all, in bytes: their entries with the room for more, subscription
// identifiers, and message blocks, each once however many entries hold it. A session's own bound counts a block fully
// (session.h): for whoever looks at one session it is there because of it.
//
// Every change of a Window or DeliveryQueue is told here, by themselves. A message may be held by sessions of several
// workers: each worker that holds it counts it, by a number of its own in the block (messages/message.h).
#pragma once
#include "../assert.h"
#include "../messages/delivery.h"

namespace rally {

class HeldMessages {
 public:
  explicit HeldMessages(unsigned worker) : worker_(worker) {}
  HeldMessages(const HeldMessages&) = delete;
  HeldMessages& operator=(const HeldMessages&) = delete;

  size_t bytes() const { return bytes_; }

  // An entry holds it, or does no more.
  void take(const Delivery& delivery) {
    bytes_ += delivery.subscriptionIds.bytes();
    if (Message* message = delivery.message.get(); message && message->holders(worker_)++ == 0)
      bytes_ += message->blockBytes();
  }
  void giveBack(const Delivery& delivery) {
    subtract(delivery.subscriptionIds.bytes());
    Message* message = delivery.message.get();
    if (!message) return;
    RALLY_ASSERT(message->holders(worker_) > 0);
    if (--message->holders(worker_) == 0) subtract(message->blockBytes());
  }
  // The memory of entries.
  void resize(size_t before, size_t now) {
    bytes_ += now;
    subtract(before);
  }

 private:
  void subtract(size_t bytes) {
    RALLY_ASSERT(bytes <= bytes_);
    bytes_ -= bytes;
  }

  const unsigned worker_;
  size_t bytes_ = 0;
};

}  // namespace rally
