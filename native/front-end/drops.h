// Messages that sessions of a worker did not get, for operators: how many of each session, and why the first of a
// second was dropped.
//
//   note() --first of this second--> firsts_ --once a second--> event `dropped`: core/control/drop-records.ts
//
// A drop costs a look at the session's Unfinished. Sessions are named by their keys: one that ends meanwhile is not
// reported.
#pragma once
#include <cstring>
#include <vector>

#include "../sessions/session.h"
#include "events.h"
#include "watch.h"

namespace rally {

// Not for `none`, nor for `withheld`: the gate counts what the rules withhold.
constexpr Counter counterOf(DropReason why) {
  switch (why) {
    case DropReason::queueFull: return Counter::droppedQueueFull;
    case DropReason::allQueuesFull: return Counter::droppedTotalFull;
    case DropReason::tooLarge: return Counter::droppedTooLarge;
    case DropReason::expired: return Counter::droppedExpired;
    case DropReason::unreadable: return Counter::droppedUnreadable;
    default: return Counter::droppedQos0;
  }
}

class Drops {
 public:
  // Sessions that are reported in a second. The drops of others are counted, and not reported.
  static constexpr size_t sessionsMax = 1'000;

  void note(Session& session, DropReason why, uint32_t messages = 1) {
    if (session.unfinished->drops.second != second_) [[unlikely]]
      return noteFirst(session, why, messages);
    session.unfinished.own().drops.messages += messages;
  }

  // Once a second. `find`: gives the session with a key, or nullptr.
  //
  //   for each session: [ its key 8 | messages 4 | DropReason 1 | 0 3 ]
  template <class Find>
  void report(Fifo<Event>& events, Find&& find) {
    const uint32_t second = second_++;
    if (firsts_.empty()) return;
    std::vector<uint8_t> bytes;
    bytes.reserve(firsts_.size() * recordBytes);
    for (const First& first : firsts_) {
      Session* const session = find(first.session);
      if (!session || session->unfinished->drops.second != second) continue;  // it has moved, perhaps back
      const uint32_t messages = session->unfinished->drops.messages;
      session->unfinished.own().drops = {};
      session->trimUnfinished();
      if (session->kind != ConnectionKind::client) continue;
      bytes.resize(bytes.size() + recordBytes);
      uint8_t* const record = bytes.data() + bytes.size() - recordBytes;
      std::memcpy(record, &first.session, sizeof first.session);
      std::memcpy(record + 8, &messages, sizeof messages);
      record[12] = uint8_t(first.why);
    }
    firsts_.clear();
    if (!bytes.empty()) events.push({EventKind::dropped, 0, Reason::success, 0, 0, std::move(bytes)});
  }

 private:
  struct First {
    uint64_t session;
    DropReason why;
  };
  static constexpr size_t recordBytes = 16;

  [[gnu::noinline]] void noteFirst(Session& session, DropReason why, uint32_t messages) {
    if (firsts_.size() == sessionsMax) return;
    session.unfinished.own().drops = {second_, messages};
    firsts_.push_back({session.key, why});
  }

  std::vector<First> firsts_;
  uint32_t second_ = 1;
};

}  // namespace rally
