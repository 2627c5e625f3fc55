// Why a connection's frames wait, or its socket is not read: a set, since one reason may go while another stays.
#pragma once
#include <cstdint>

namespace rally {

enum class PausedBy : uint8_t {
  stalled = 1,   // the lanes have no room for its next PUBLISH
  full = 2,      // more of its frames wait than may
  ended = 4,     // the client's stream has ended
  finished = 8,  // the server ends the connection
  spent = 16,    // it has had its part of this turn
};

class PauseReasons {
 public:
  bool has(PausedBy reason) const { return (bits_ & uint8_t(reason)) != 0; }
  void add(PausedBy reason) { bits_ = uint8_t(bits_ | uint8_t(reason)); }
  void remove(PausedBy reason) { bits_ = uint8_t(bits_ & ~uint8_t(reason)); }
  // Nothing more comes, or nothing more counts.
  bool isOver() const { return has(PausedBy::ended) || has(PausedBy::finished); }
  bool allowReading() const { return !isOver() && !has(PausedBy::full); }

 private:
  uint8_t bits_ = 0;
};

}  // namespace rally
