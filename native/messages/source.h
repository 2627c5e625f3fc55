// The PUBLISH of a connection that waits for the acknowledgement of a message.
#pragma once
#include <cstdint>

namespace rally {

struct Source {
  uint32_t connection = 0;
  uint32_t generation = 0;
  uint16_t packetId = 0;
  uint8_t qos = 0;
  uint64_t session = 0;
  bool isDurable = false;  // the session
};

}  // namespace rally
