// The share of a turn that the packets of one connection may use. A client may send a hundred thousand of them in one
// piece: when its share is used up it continues in the next turn, after the sockets of all clients. A unit is about
// 0.1 us of work or more:
//
//   any packet            1 for itself, 1 for each 16 bytes, and 1 for each delivery that it causes
//   PUBLISH               4 more
//   PINGREQ               50 more, of its connection's share alone. It then rests for some milliseconds, in which the
//                         worker may sleep: one at a time is all that a client needs, and answers to a flood would be
//                         all that it reads
//   for packet control    200 more, and 2 for each byte: it costs JavaScript
//
// Once all connections together have used much of a turn, each of the others gets little: a hundred floods at once are
// slow, and a client that sends a few packets is still served.
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
    spendShare(connection, units);
    spent_ += units;
  }

  void spendOnPing(Connection& connection) { spendShare(connection, 50); }

  bool isSpent(const Connection& connection) const {
    if (connection.spentInTurn != turn_) return false;
    return connection.spent >= (spent_ < unitsOfAll ? unitsPerConnection : unitsWhenLate);
  }

 private:
  void spendShare(Connection& connection, size_t units) {
    if (connection.spentInTurn != turn_) {
      connection.spent = 0;
      connection.spentInTurn = turn_;
    }
    connection.spent += units;
  }

  static constexpr size_t unitsPerConnection = 10'000;  // 1 ms
  static constexpr size_t unitsOfAll = 50'000;          // in a turn, before little is left
  static constexpr size_t unitsWhenLate = 500;

  uint64_t turn_ = 1;
  size_t spent_ = 0;
};

}  // namespace rally
