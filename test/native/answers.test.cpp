// native/sessions/answers.h against the order in which the PUBLISH packets came.
#include "check.h"

#include <deque>

#include "../../native/front-end/answers.h"

using namespace rally;

TEST("answers: one that is ready waits for those before it") {
  Answers answers;
  CHECK(!answers.hasReady());
  answers.expect(1, 1);
  answers.expect(2, 2);
  answers.add(3, 1, Reason::notAuthorized);
  answers.settle(2, 2, Reason::success);
  CHECK(!answers.hasReady());
  answers.settle(1, 1, Reason::noMatchingSubscribers);
  CHECK(answers.hasReady());
  const Answers::Answer first = answers.takeReady();
  CHECK_EQ(first.packetId, 1);
  CHECK_EQ(first.reason, Reason::noMatchingSubscribers);
  CHECK(first.isTaken);
  CHECK_EQ(answers.takeReady().packetId, 2);
  const Answers::Answer refused = answers.takeReady();
  CHECK_EQ(refused.reason, Reason::notAuthorized);
  CHECK(!refused.isTaken);
  CHECK(!answers.hasReady());
}

TEST("answers: a packet identifier that comes twice is settled twice, of its own QoS") {
  Answers answers;
  answers.expect(7, 1);
  answers.expect(7, 1);
  answers.settle(7, 2, Reason::success);  // of nobody
  CHECK(!answers.hasReady());
  answers.settle(7, 1, Reason::success);
  CHECK_EQ(answers.takeReady().packetId, 7);
  CHECK(!answers.hasReady());
  answers.settle(7, 1, Reason::success);
  CHECK(answers.hasReady());
}

TEST("answers: shards that answer at random, against a queue") {
  check::eachSeed(100, [](check::Random& random) {
    Answers answers;
    std::deque<uint16_t> due;                     // as the packets came
    std::vector<std::deque<uint16_t>> shards(4);  // each answers in order
    uint16_t next = 0;
    size_t taken = 0;
    while (taken < 300) {
      std::deque<uint16_t>& shard = shards[random.below(4)];
      if (next < 300 && random.chance(50)) {
        answers.expect(++next, 1);
        due.push_back(next);
        shard.push_back(next);
      } else if (!shard.empty()) {
        answers.settle(shard.front(), 1, Reason::success);
        shard.pop_front();
      }
      for (; answers.hasReady(); taken++) {
        CHECK_EQ(answers.takeReady().packetId, due.front());
        due.pop_front();
      }
    }
  });
}

TEST("answers: tens of thousands behind one that waits cost no more than their number") {
  Answers answers;
  constexpr uint16_t count = 60'000;
  answers.expect(UINT16_MAX, 1);
  for (uint16_t id = 1; id <= count; id++) {  // answered at once, as by this worker's shard
    answers.expect(id, 1);
    answers.settle(id, 1, Reason::success);
  }
  for (uint16_t id = 1; id <= count; id++) answers.expect(id, 2);
  CHECK(answers.areTooMany());
  for (uint16_t id = 1; id <= count; id++) answers.settle(id, 2, Reason::success);  // in one batch
  CHECK(!answers.hasReady());
  answers.settle(UINT16_MAX, 1, Reason::success);
  size_t taken = 0;
  for (; answers.hasReady(); taken++) answers.takeReady();
  CHECK_EQ(taken, size_t(2) * count + 1);
}
