// The interest of subscribers in a filter.
#pragma once
#include <cstdint>

namespace rally {

enum class Interest : uint8_t {
  none,
  live,     // messages as they come
  durable,  // also what comes while they are away: the log keeps it for them
};

}  // namespace rally
