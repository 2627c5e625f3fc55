// The protocols of a port, and those that a client announces by ALPN.
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
