// Notes on a message that is sampled or traced (front-end/watch.h), as few are. They travel with the message, after
// its payload, to the workers that deliver it.
#pragma once
#include <array>
#include <cstdint>

namespace rally {

struct Mark {
  uint64_t receivedNs = 0;            // when its PUBLISH was read
  uint64_t span = 0;                  // of OpenTelemetry, that it was published; 0: there are no spans of it
  std::array<uint8_t, 16> traceId{};  // of those spans
  uint32_t messages = 0;              // how many its delivery times stand for; 0: they are not taken
};

}  // namespace rally
