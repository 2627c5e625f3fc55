// What may be spoken on a port, and what a client says by ALPN that it will speak.
#pragma once

namespace rally {

struct Protocols {
  bool http = false;  // and WebSocket
  bool mqtt = false;
  bool tls = false;  // below them
};

}  // namespace rally
