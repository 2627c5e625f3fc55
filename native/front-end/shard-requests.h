// The interface from a front end to the shards: to the one of the same worker at once, to others over lanes.
#pragma once
#include <functional>

#include "../lanes/requests.h"

namespace rally {

class ShardRequests {
 public:
  virtual ~ShardRequests() = default;
  virtual void toShard(unsigned worker, const Request& request) = 0;
  // To the owner of the topics with this hash, as soon as there is one.
  virtual void toOwner(uint64_t topicHash, const Request& request) = 0;
  // Calls `then` when no earlier request of the front end waits here for a slot that changes owners (slot-moves.h):
  // usually at once.
  virtual void behindHeld(std::function<void()> then) = 0;
};

}  // namespace rally
