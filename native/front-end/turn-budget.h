// How much of a turn the packets of one connection may take. A client may send a hundred thousand of them in one piece:
// whoever has spent its part goes on in the next turn, behind the sockets of all. What is spent is a unit for about 0.1
// us of work at least:
//
//   any packet            1 for itself, 1 for each 16 bytes, and 1 for each delivery that it brings about
//   PUBLISH               4 more
//   for packet control    200 more, and 2 for each byte: it costs JavaScript
//
// Once all connections together have had much of a turn, each of the others gets little of what is left: a hundred
// floods at once are slow, and a client that sends a few packets is served all the same.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../wire/packet.h"
#include "connection.h"

namespace rally {

class TurnBudget {
 public:
  static constexpr size_t ofPacket(PacketType type, size_t bytes, uint64_t deliveries) {
    return (type == PacketType::publish ? 5 : 1) + bytes / 16 + size_t(deliveries);
  }
  static constexpr size_t ofControlPacket(size_t bytes) { return 200 + 2 * bytes; }

  void beginTurn() {
    turn_++;
    spent_ = 0;
  }

  void spend(Connection& connection, size_t units) {
    if (connection.spentInTurn != turn_) connection.spent = 0;
    connection.spentInTurn = turn_;
    connection.spent += units;
    spent_ += units;
  }

  bool isSpent(const Connection& connection) const {
    if (connection.spentInTurn != turn_) return false;
    return connection.spent >= (spent_ < unitsOfAll ? unitsPerConnection : unitsWhenLate);
  }

 private:
  static constexpr size_t unitsPerConnection = 10'000;  // 1 ms
  static constexpr size_t unitsOfAll = 50'000;          // in a turn, before little is left
  static constexpr size_t unitsWhenLate = 500;

  uint64_t turn_ = 1;
  size_t spent_ = 0;
};

}  // namespace rally
