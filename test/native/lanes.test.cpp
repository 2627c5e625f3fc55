// native/structures/ring.h, native/lanes/lane.h and native/lanes/doorbell.h: order and completeness, in one
// thread against a deque, and with two threads that sleep. run.sh runs this under ThreadSanitizer too.
#include "check.h"
#include "octets.h"

#include <poll.h>

#include <deque>
#include <thread>

#include "../../native/lanes/doorbell.h"
#include "../../native/lanes/lane.h"
#include "../../native/lanes/record.h"
#include "../../native/messages/message.h"

using namespace rally;

namespace {

// A record that carries nothing but its number.
struct Numbered {
  uint8_t kind = 0;
  uint64_t value = 0;
};
using Record = RecordOf<Numbered>;
Record recordOf(uint64_t value) { return Numbered{.value = value}; }
uint64_t valueOf(const Record& record) {
  uint64_t value = 0;
  record.visit([&](const Numbered& each) { value = each.value; });
  return value;
}

bool isRung(const Doorbell& doorbell, int timeoutMs) {
  pollfd wanted{doorbell.fd(), POLLIN, 0};
  return poll(&wanted, 1, timeoutMs) == 1;
}

// Long enough that it only passes when a wake-up was lost.
constexpr int lostMs = 60'000;

}  // namespace

TEST("ring: takes up to its capacity, shows what is committed, keeps the order") {
  Ring<int> ring(5);  // rounded up to 8
  int next = 0;
  while (ring.push(next)) next++;
  CHECK_EQ(next, 8);
  CHECK(ring.isEmpty());
  CHECK_EQ(ring.drain(100, [](int) {}), 0);
  CHECK(ring.commit());
  CHECK(!ring.commit());
  CHECK(!ring.isEmpty());
  std::vector<int> taken;
  CHECK_EQ(ring.drain(3, [&](int value) { taken.push_back(value); }), 3);
  CHECK(ring.hasRoom(3) && !ring.hasRoom(4));
  CHECK_EQ(ring.drain(100, [&](int value) { taken.push_back(value); }), 5);
  CHECK(taken == (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  CHECK(ring.isEmpty() && ring.hasRoom(8) && !ring.hasRoom(9));
}

TEST("ring: random use against a deque") {
  check::eachSeed(200, [](check::Random& random) {
    const size_t capacity = size_t(1) << random.below(6);
    Ring<uint64_t> ring(capacity);
    std::deque<uint64_t> staged;
    std::deque<uint64_t> visible;
    uint64_t last = 0;
    for (int step = 0; step < 300; step++) {
      switch (random.below(4)) {
        case 0:
        case 1: {
          const bool fits = staged.size() + visible.size() < capacity;
          CHECK_EQ(ring.push(last + 1), fits);
          if (fits) staged.push_back(++last);
          break;
        }
        case 2:
          CHECK_EQ(ring.commit(), !staged.empty());
          visible.insert(visible.end(), staged.begin(), staged.end());
          staged.clear();
          break;
        default: {
          // A drain may stop at what an earlier look has shown; it never gives nothing when there is some.
          const size_t most = random.below(capacity + 2);
          const size_t taken = ring.drain(most, [&](uint64_t value) {
            CHECK_EQ(value, visible.front());
            visible.pop_front();
          });
          CHECK(taken <= most);
          if (most > 0 && taken == 0) CHECK(visible.empty());
        }
      }
      CHECK_EQ(ring.isEmpty(), visible.empty());
      const size_t free = capacity - staged.size() - visible.size();
      CHECK(ring.hasRoom(free) && !ring.hasRoom(free + 1));
    }
  });
}

TEST("lane: what does not fit into the ring spills, waits and comes in order") {
  Lane<Record> lane(8);
  for (uint64_t i = 0; i < 100; i++) lane.push(recordOf(i));
  uint64_t expected = 0;
  for (int turn = 0; expected < 100; turn++) {
    CHECK(lane.commit());
    lane.drain(SIZE_MAX, [&](const Record& record) { CHECK_EQ(valueOf(record), expected++); });
    if (expected == 48) {
      for (uint64_t i = 100; i < 120; i++) lane.push(recordOf(i));
    }
    CHECK(turn < 100);
    if (turn >= 100) return;
  }
  while (lane.commit()) lane.drain(3, [&](const Record& record) { CHECK_EQ(valueOf(record), expected++); });
  while (!lane.isEmpty()) lane.drain(3, [&](const Record& record) { CHECK_EQ(valueOf(record), expected++); });
  CHECK_EQ(expected, 120);
}

TEST("lane: crowded when its messages have so many bytes; the consumer learns of it once it has taken them") {
  struct Carrying {
    uint8_t kind = 0;
    Carried<Message> carried;
  };
  using Parcel = RecordOf<Carrying>;
  const std::string payload(1'000, 'x');
  Publication publication;
  publication.topic = bytesOf("t");
  publication.payload = bytesOf(payload);
  publication.workers = 1;
  const size_t bytes = publication.blockBytes();
  Lane<Parcel> lane(1'024, 10 * bytes);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 10; i++) {
      CHECK(!lane.isCrowded());
      lane.push(Carrying{.carried = Carried(publication.keep())});
    }
    CHECK(lane.isCrowded());
    lane.commit();
    CHECK_EQ(lane.drain(SIZE_MAX, [](const Parcel& parcel) { discard(parcel); }), 10);
    CHECK(lane.takeProducerWaits());
    CHECK(!lane.takeProducerWaits());
  }
  CHECK(!lane.isCrowded());
}

TEST("lane: crowded when less than a quarter is free or something has spilled; the consumer learns of it once") {
  Lane<Record> lane(16);
  for (uint64_t i = 0; i < 12; i++) {
    CHECK(!lane.isCrowded());
    lane.push(recordOf(i));
  }
  CHECK(!lane.takeProducerWaits());
  CHECK(!lane.isCrowded());  // 4 of 16 are free
  lane.push(recordOf(12));
  CHECK(lane.isCrowded());
  CHECK(!lane.takeProducerWaits());  // there is no room yet
  lane.commit();
  lane.drain(1, [](const Record&) {});
  CHECK(lane.takeProducerWaits());
  CHECK(!lane.takeProducerWaits());
  for (uint64_t i = 0; i < 6; i++) lane.push(recordOf(i));
  CHECK(lane.isCrowded());
  lane.commit();
  lane.drain(SIZE_MAX, [](const Record&) {});
  CHECK(lane.isCrowded());  // two have spilled and are not in the ring yet
  lane.commit();
  CHECK(!lane.isCrowded());
}

// Each side writes one thing and then reads what the other wrote: without a full barrier between the two, both
// may read what was there before, and the producer sleeps for good.
TEST("lane: either the producer sees the room or the consumer sees that the producer waits") {
  constexpr int rounds = 20'000;
  Lane<Record> lane(4);
  std::atomic<int> started{0};
  std::atomic<int> finished{0};
  bool isCrowded = false;
  const auto meet = [](std::atomic<int>& at, int count) {
    at.fetch_add(1);
    while (at.load() < count) {}
  };
  for (uint64_t i = 0; i < 4; i++) lane.push(recordOf(i));
  lane.commit();
  std::thread producer([&] {
    for (int round = 1; round <= rounds; round++) {
      meet(started, 2 * round);
      isCrowded = lane.isCrowded();
      meet(finished, 2 * round);
      if (isCrowded) lane.isCrowded();  // takes note of the room for the next round
      lane.push(recordOf(4));
      lane.commit();
    }
  });
  int lost = 0;
  for (int round = 1; round <= rounds; round++) {
    meet(started, 2 * round);
    lane.drain(1, [](const Record&) {});
    const bool isAsked = lane.takeProducerWaits();
    meet(finished, 2 * round);
    if (isCrowded && !isAsked) lost++;
  }
  producer.join();
  CHECK_EQ(lost, 0);
}

TEST("lane: what has spilled is asked for again when only a part of it has found room") {
  Lane<Record> lane(4);
  for (uint64_t i = 0; i < 12; i++) lane.push(recordOf(i));
  lane.commit();
  uint64_t expected = 0;
  const auto take = [&](const Record& record) { CHECK_EQ(valueOf(record), expected++); };
  while (expected < 12) {
    if (!CHECK(lane.drain(SIZE_MAX, take) > 0)) return;
    if (expected < 12) CHECK(lane.takeProducerWaits());
    CHECK(lane.commit() == (expected < 12));
  }
}

TEST("lane: clear() takes what is staged, spilled and committed") {
  Lane<Record> lane(4);
  for (uint64_t i = 0; i < 30; i++) lane.push(recordOf(i));
  lane.commit();
  for (uint64_t i = 30; i < 40; i++) lane.push(recordOf(i));
  uint64_t expected = 0;
  lane.clear([&](const Record& record) { CHECK_EQ(valueOf(record), expected++); });
  CHECK_EQ(expected, 40);
}

TEST("doorbell: rings once a sleep, and only a sleeper") {
  Doorbell doorbell;
  CHECK(!doorbell.ring());
  CHECK(!isRung(doorbell, 0));
  doorbell.sleep();
  CHECK(doorbell.ring());
  CHECK(!doorbell.ring());
  CHECK(isRung(doorbell, 0));
  doorbell.answer();
  CHECK(!isRung(doorbell, 0));
  doorbell.sleep();
  doorbell.wake();
  CHECK(!doorbell.ring());
}

// Both workers as Engine uses them: the producer sleeps when the lane is crowded, the consumer when it is
// empty, and each wakes the other through its doorbell alone.
TEST("lane and doorbells: two threads, everything arrives in order and nobody sleeps for good") {
  check::eachSeed(6, [](check::Random& random) {
    const size_t capacity = random.pick(std::vector<size_t>{4, 64, 1'024});
    const size_t batchMax = random.pick(std::vector<size_t>{1, 7, 300});
    const size_t drainMax = random.pick(std::vector<size_t>{3, 256, SIZE_MAX});
    const uint64_t last = capacity == 4 ? 4'000 : 30'000;
    const uint64_t producerSeed = random.next();
    Lane<Record> lane(capacity);
    Doorbell producerBell;
    Doorbell consumerBell;
    bool isProducerLost = false;
    std::thread producer([&] {
      check::Random own(producerSeed);
      uint64_t next = 0;
      for (;;) {
        for (size_t i = own.between(1, batchMax); i > 0 && next < last; i--) lane.push(recordOf(next++));
        if (lane.commit()) consumerBell.ring();
        if (next == last && !lane.isCrowded()) break;
        if (!lane.isCrowded()) continue;
        producerBell.sleep();
        // Having asked for a ring, it looks once more whether what has spilled can go on.
        const bool isCrowded = lane.isCrowded();
        if (lane.commit()) consumerBell.ring();
        else if (isCrowded && !isRung(producerBell, lostMs)) isProducerLost = true;
        producerBell.wake();
        producerBell.answer();
        if (isProducerLost) break;
      }
    });
    uint64_t expected = 0;
    bool isInOrder = true;
    while (expected < last) {
      const size_t taken = lane.drain(
          drainMax, [&](const Record& record) { isInOrder = isInOrder && valueOf(record) == expected++; });
      if (lane.takeProducerWaits()) producerBell.ring();
      if (taken > 0) continue;
      consumerBell.sleep();
      if (lane.isEmpty() && !isRung(consumerBell, lostMs)) break;
      consumerBell.wake();
      consumerBell.answer();
    }
    // Whatever has gone wrong, the producer comes to its end.
    for (int i = 0; i < 1'000 && expected < last; i++) lane.drain(SIZE_MAX, [&](const Record&) { expected++; });
    producer.join();
    CHECK(isInOrder);
    CHECK_EQ(expected, last);
    CHECK(!isProducerLost);
  });
}
