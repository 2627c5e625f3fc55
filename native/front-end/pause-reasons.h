// Why a connection's frames wait, or its socket is not read: a set, since one reason may end while another remains.
#pragma once
#include <cstdint>

namespace rally {

enum class PausedBy : uint8_t {
  stalled = 1,   // the lanes or the log have no room for its next packet
  full = 2,      // more of its frames wait than may
  ended = 4,     // the client's stream has ended
  finished = 8,  // the server ends the connection
  spent = 16,    // it has had its part of this turn
  fast = 32,     // its client sends faster than it may
  asked = 64,    // a program is asked whether its next PUBLISH may be
};

class PauseReasons {
 public:
  bool has(PausedBy reason) const { return (bits_ & uint8_t(reason)) != 0; }
  void add(PausedBy reason) { bits_ = uint8_t(bits_ | uint8_t(reason)); }
  void remove(PausedBy reason) { bits_ = uint8_t(bits_ & ~uint8_t(reason)); }
  // Whether its frames wait for an event that continues them.
  bool holdFrames() const {
    return has(PausedBy::stalled) || has(PausedBy::spent) || has(PausedBy::fast) || has(PausedBy::asked);
  }
  // Nothing more arrives, or nothing more is handled.
  bool isOver() const { return has(PausedBy::ended) || has(PausedBy::finished); }
  bool allowReading() const { return !isOver() && !has(PausedBy::full) && !has(PausedBy::fast); }

 private:
  uint8_t bits_ = 0;
};

}  // namespace rally
