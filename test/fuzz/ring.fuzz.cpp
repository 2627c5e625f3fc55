// native/structures/ring.h and native/lanes/lane.h in one thread, against std::deque: order and room. What threads
// may do to them is for ThreadSanitizer (test/native/lanes.test.cpp).
#include "fuzz.h"

#include <deque>

#include "../../native/lanes/lane.h"

using namespace rally;

FUZZ("ring") {
  const size_t capacity = size_t(1) << input.below(7);
  Ring<uint64_t> ring(capacity);
  std::deque<uint64_t> visible;
  std::deque<uint64_t> staged;
  Lane<uint64_t> lane(capacity);
  std::deque<uint64_t> sent;
  uint64_t added = 0;
  while (!input.isSpent()) {
    const size_t count = input.between(1, 80);
    switch (input.below(4)) {
      case 0:
        for (size_t i = 0; i < count; i++) {
          const bool hasRoom = visible.size() + staged.size() < capacity;
          CHECK_EQ(ring.hasRoom(1), hasRoom);
          CHECK_EQ(ring.push(added), hasRoom);
          if (hasRoom) staged.push_back(added);
          lane.push(added);
          sent.push_back(added++);
        }
        break;
      case 1:
        CHECK_EQ(ring.commit(), !staged.empty());
        visible.insert(visible.end(), staged.begin(), staged.end());
        staged.clear();
        lane.commit();
        CHECK(sent.empty() || !lane.isEmpty());
        break;
      case 2: {
        const size_t taken = ring.drain(count, [&](uint64_t value) {
          if (CHECK(!visible.empty())) CHECK_EQ(value, visible.front());
          visible.pop_front();
        });
        CHECK(taken <= count);
        lane.drain(count, [&](uint64_t value) {
          if (CHECK(!sent.empty())) CHECK_EQ(value, sent.front());
          sent.pop_front();
        });
        break;
      }
      default: lane.isCrowded(); lane.takeProducerWaits();
    }
    // The consumer of a ring sees at first what was there when it last ran out.
    if (visible.empty()) CHECK(ring.isEmpty());
    if (sent.size() > 2'000) break;
  }
  lane.clear([&](uint64_t value) {
    if (CHECK(!sent.empty())) CHECK_EQ(value, sent.front());
    sent.pop_front();
  });
  CHECK(sent.empty());
}
