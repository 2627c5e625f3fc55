// The interest of subscribers in a filter.
#pragma once
#include <cstdint>

namespace rally {

enum class Interest : uint8_t {
  none,
  live,     // messages as they come
  durable,  // also messages that arrive while they are away: the log keeps them
};

}  // namespace rally
