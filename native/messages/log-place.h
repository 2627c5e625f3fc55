// The place of a message in the log. The worker that appends it knows only the ticket; its position is looked up when
// it is needed (durable/journal.h).
//
//   0                                  nowhere
//   1 | worker 6 bits | ticket 57      appended by a worker
//   0 | segment 31 | offset 32         a position
//   all ones                           it cannot be read any more
#pragma once
#include "../log/position.h"

namespace rally {

class LogPlace {
 public:
  LogPlace() = default;
  explicit LogPlace(log::Position position) : value_(position.value) {}
  LogPlace(unsigned worker, log::Ticket ticket) : value_(isTicketBit | uint64_t(worker) << ticketBits | ticket.value) {}
  static LogPlace of(uint64_t value) {
    LogPlace place;
    place.value_ = value;
    return place;
  }
  static LogPlace unreadable() { return of(UINT64_MAX); }

  uint64_t value() const { return value_; }
  bool isNowhere() const { return value_ == 0; }
  bool isUnreadable() const { return value_ == UINT64_MAX; }
  bool isTicket() const { return (value_ & isTicketBit) != 0 && !isUnreadable(); }
  unsigned worker() const { return unsigned(value_ >> ticketBits & 63); }
  log::Ticket ticket() const { return {value_ & ((uint64_t(1) << ticketBits) - 1)}; }
  log::Position position() const { return {value_}; }
  bool operator==(const LogPlace&) const = default;

 private:
  static constexpr unsigned ticketBits = 57;
  static constexpr uint64_t isTicketBit = uint64_t(1) << 63;

  uint64_t value_ = 0;
};

}  // namespace rally
