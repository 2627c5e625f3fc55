// How much of a turn the packets for the packet control may take: SUBSCRIBE, UNSUBSCRIBE, AUTH. A client may send
// thousands of them in one piece, and each costs JavaScript. What is spent once is a unit for each packet and for each
// few bytes of it, about a microsecond's work; whoever has spent his part goes on in the next turn, behind the sockets
// of all.
#pragma once
#include <cstddef>
#include <cstdint>

#include "connection.h"

namespace rally {

class TurnBudget {
 public:
  void beginTurn() {
    turn_++;
    spent_ = 0;
  }

  void spend(Connection& connection, size_t packetBytes) {
    const size_t units = unitsPerPacket + packetBytes / bytesPerUnit;
    if (connection.spentInTurn != turn_) connection.spent = 0;
    connection.spentInTurn = turn_;
    connection.spent += units;
    spent_ += units;
  }

  bool isSpent(const Connection& connection) const {
    return connection.spentInTurn == turn_ && (connection.spent >= unitsPerConnection || spent_ >= unitsPerTurn);
  }

 private:
  static constexpr size_t unitsPerPacket = 20;
  static constexpr size_t bytesPerUnit = 4;
  static constexpr size_t unitsPerConnection = 1'000;  // 1 ms
  static constexpr size_t unitsPerTurn = 5'000;        // of all connections that go on within a turn

  uint64_t turn_ = 1;
  size_t spent_ = 0;
};

}  // namespace rally
