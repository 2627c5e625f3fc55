// The way from a front end to the shards: to the one of the same worker at once, to others over lanes.
#pragma once
#include "../lanes/requests.h"

namespace rally {

class ShardRequests {
 public:
  virtual ~ShardRequests() = default;
  virtual void toShard(unsigned worker, const Request& request) = 0;
};

}  // namespace rally
