// Messages that sessions of a worker did not get, for operators: how many of each session, and why the first of a
// second was dropped.
//
//   note() --first of this second--> firsts_ --once a second--> event `dropped`: core/control/drop-records.ts
//
// A drop costs two additions and a test. Sessions are named by their keys: one that ends meanwhile is not reported.
#pragma once
#include <cstring>
#include <vector>

#include "../sessions/session.h"
#include "events.h"
#include "watch.h"

namespace rally {

class Drops {
 public:
  // Sessions that are reported in a second. The drops of others are counted, and not reported.
  static constexpr size_t sessionsMax = 1'000;

  void note(Session& session, DropReason why, uint32_t messages = 1) {
    session.dropped += messages;
    if (session.dropsNotedIn != second_) [[unlikely]]
      noteFirst(session, why, session.dropped - messages);
  }

  // Once a second. `find`: gives the session with a key, or nullptr.
  //
  //   for each session: [ its key 8 | messages 4 | DropReason 1 | 0 3 ]
  template <class Find>
  void report(Fifo<Event>& events, Find&& find) {
    second_++;
    if (firsts_.empty()) return;
    std::vector<uint8_t> bytes;
    bytes.reserve(firsts_.size() * recordBytes);
    for (const First& first : firsts_) {
      const Session* const session = find(first.session);
      const bool isSame = session && session->dropped > first.before;  // else it has moved away and back
      if (!isSame || session->kind != ConnectionKind::client) continue;
      const uint32_t messages = session->dropped - first.before;
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
    uint32_t before;  // Session::dropped
    DropReason why;
  };
  static constexpr size_t recordBytes = 16;

  [[gnu::noinline]] void noteFirst(Session& session, DropReason why, uint32_t before) {
    if (firsts_.size() == sessionsMax) return;
    session.dropsNotedIn = second_;
    firsts_.push_back({session.key, before, why});
  }

  std::vector<First> firsts_;
  uint32_t second_ = 1;
};

}  // namespace rally
