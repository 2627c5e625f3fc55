// native/front-end/recent-topics.h: what is remembered of a topic name that was published to last.
#include "../../native/front-end/recent-topics.h"

#include "check.h"
#include "octets.h"

using namespace rally;

TEST("recent topics: a topic name is found with its hash by whoever shares the entry, and by its bytes alone") {
  RecentTopics topics;
  CHECK(!topics.of(1).is(bytesOf("a/b")));
  topics.of(1).set(bytesOf("a/b"), 7);
  CHECK(topics.of(1).is(bytesOf("a/b")));
  CHECK_EQ(topics.of(1 + 512).hash(), uint64_t(7));
  for (const char* other : {"a/c", "a/", "a/b/", "", "A/b"}) CHECK(!topics.of(1).is(bytesOf(other)));
  CHECK(!topics.of(2).is(bytesOf("a/b")));
}

TEST("recent topics: one that does not fit is not found again, nor the one before it, but its hash is there") {
  RecentTopics topics;
  const std::string longest(46, 'x');
  topics.of(0).set(bytesOf(longest), 1);
  CHECK(topics.of(0).is(bytesOf(longest)));
  topics.of(0).set(bytesOf(longest + "x"), 2);
  CHECK_EQ(topics.of(0).hash(), uint64_t(2));
  CHECK(!topics.of(0).is(bytesOf(longest + "x")));
  CHECK(!topics.of(0).is(bytesOf(longest)));
}

TEST("recent topics: an answer is that of one connection under the rules of one epoch, and of this topic") {
  RecentTopics topics;
  RecentTopics::Topic& topic = topics.of(3);
  topic.set(bytesOf("a"), 1);
  CHECK(!topic.hasAnswer(0, 1));
  for (const bool isAllowed : {true, false}) {
    topic.setAnswer(7, 2, isAllowed);
    CHECK(topic.hasAnswer(7, 2));
    CHECK_EQ(topic.isAllowed(), isAllowed);
    CHECK(!topic.hasAnswer(8, 2));
    CHECK(!topic.hasAnswer(7, 3));
  }
  topic.forgetAnswer();
  CHECK(!topic.hasAnswer(7, 2));
  topic.setAnswer(7, 2, true);
  topic.set(bytesOf("b"), 2);
  CHECK(!topic.hasAnswer(7, 2));
}
