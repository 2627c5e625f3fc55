// The protocols of a port, and those announced by a client in ALPN.
#pragma once
#include <cstdint>

namespace rally {

struct Protocols {
  bool http = false;  // includes WebSocket
  bool mqtt = false;
  bool tls = false;       // below them
  uint16_t listener = 0;  // number of the configured listener; 0: the broker's own ports
};

}  // namespace rally
