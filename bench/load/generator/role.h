// What a client does once it is connected. A role belongs to one client and to its thread.
#pragma once
#include "loop.h"

namespace load {

class Role {
 public:
  virtual ~Role() = default;

  // Whether its first connection is made now; if not, the role makes it on a tick.
  virtual bool mayOpen() { return true; }
  // After CONNACK, or after the upgrade where that is all that is wanted.
  virtual void onConnected(Client&) = 0;
  virtual void onSubscribed(Client&) {}
  virtual void onUnsubscribed(Client&) {}
  // `nowNs`: when its bytes were received.
  virtual void onPublish(Client&, const ReceivedPublish&, uint64_t /*nowNs*/) {}
  // PUBACK or PUBCOMP, or a PUBREC with an error.
  virtual void onAcknowledged(Client&, uint16_t /*packetId*/, uint8_t /*reasonCode*/) {}
  // The phase has changed.
  virtual void onPhase(Client&) {}
  // Every few milliseconds, if it wants that.
  virtual bool wantsTicks() const { return false; }
  virtual void onTick(Client&, uint64_t /*nowNs*/) {}
  // The connection is gone, and this side did not close it.
  virtual void onLost(Client&, const std::string& why) = 0;
  // False while it still has something to do before it disconnects.
  virtual bool mayLeave() const { return true; }
};

}  // namespace load
