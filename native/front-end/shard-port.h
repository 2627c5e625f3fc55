// The interface from a front end to the shards: to the one of the same worker at once, to others over lanes.
#pragma once
#include "../messages/message.h"
#include "../messages/source.h"
#include "../sessions/session.h"

namespace rally {

class ShardPort {
 public:
  virtual ~ShardPort() = default;
  // The number of shards.
  virtual unsigned workers() const = 0;
  // Returns the set of shards of other workers that get it (bit s: shard s); 0 if it was taken here.
  virtual uint64_t publish(Publication& publication, const Source& source) = 0;
  // True when shards have no room now. FrontEnd::resumeStalled() follows.
  virtual bool isCrowded() = 0;
  // True when clients must not publish for the moment. FrontEnd::resumeStalled() follows.
  virtual bool isPausing() = 0;
  virtual uint64_t topicHash(Bytes topic) = 0;
  // The session has got or lost its connection.
  virtual void presenceChanged(const Session& session) = 0;
  // The session outlives the process from now on.
  virtual void becameDurable(Session& session) = 0;
};

}  // namespace rally
