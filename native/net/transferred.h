// The result of a call that reads or writes the bytes of a connection.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rally {

enum class StreamState : uint8_t {
  open,
  ended,    // the peer sends no more
  broken,   // no longer usable
  refused,  // TLS has failed: the peer is told by an alert, and may close by itself
};

struct Transferred {
  StreamState state = StreamState::open;
  size_t bytes = 0;  // 0 while it is open: not now
};

}  // namespace rally
