// What may be spoken on a port, and what a client says by ALPN that it will speak.
#pragma once
#include <cstdint>

namespace rally {

struct Protocols {
  bool http = false;  // and WebSocket
  bool mqtt = false;
  bool tls = false;       // below them
  uint16_t listener = 0;  // which of those that have been configured; 0: the broker's own ports
};

}  // namespace rally
