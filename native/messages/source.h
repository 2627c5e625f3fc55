// Who waits for the acknowledgement of a message: a PUBLISH of a connection.
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
