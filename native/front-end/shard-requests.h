// The way from a front end to the shards: to the one of the same worker at once, to others over lanes.
#pragma once
#include <functional>

#include "../lanes/requests.h"

namespace rally {

class ShardRequests {
 public:
  virtual ~ShardRequests() = default;
  virtual void toShard(unsigned worker, const Request& request) = 0;
  // To the owner of the topics with this hash, when it has one.
  virtual void toOwner(uint64_t topicHash, const Request& request) = 0;
  // Calls `then` when nothing waits here any more, of what the front end has had until now, for a slot that changes
  // owners (slot-moves.h): mostly at once.
  virtual void behindHeld(std::function<void()> then) = 0;
};

}  // namespace rally
