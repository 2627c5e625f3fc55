// How fast clients may send, and topics that a program decides about: what waits is neither lost nor out of order, and
// nobody else waits with it.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

std::vector<std::string> numbered(int first, int end) {
  std::vector<std::string> all;
  for (int i = first; i < end; i++) all.push_back("t=" + std::to_string(i));
  return all;
}

void decide(HandDrivenBroker& broker, Client& client, bool isAllowed, uint64_t keptMs) {
  broker.post(client.link->worker, [&broker, &client, isAllowed, keptMs] {
    broker.engine(client.link->worker).frontEnd().decide(*client.link->connection, isAllowed, keptMs);
  });
  broker.settle();
}

}  // namespace

TEST("pace: a client that is too fast waits, loses nothing, and nobody waits with it") {
  for (const int qos : {0, 1, 2}) {
    Limits limits;
    limits.receiveMaximum = 2'000;  // or QoS 2 would break it, since the client does not wait
    HandDrivenBroker broker(1, limits);
    Client& quick = broker.connected("quick", 0);
    Client& fast = broker.connected("fast", 0, {.messagesPerSecond = 1'000});
    quick.subscribe("t", 2);
    broker.settle();
    const uint64_t startedMs = broker.nowMs;
    for (int i = 0; i < 1'300; i++) fast.publish("t", std::to_string(i), qos);
    quick.publish("t", "mine");
    broker.turn(0);
    broker.turn(0);
    CHECK(!fast.link->isReading);
    CHECK_EQ(fast.link->connection->input.heldBytes() > 0, true);
    CHECK(broker.settle());
    const uint64_t passedMs = broker.nowMs - startedMs;
    CHECK(passedMs >= 300 && passedMs < 310);
    std::vector<std::string> texts = quick.texts();
    const auto mine = std::find(texts.begin(), texts.end(), "t=mine");
    CHECK(mine != texts.end() && mine - texts.begin() <= 1'001);
    texts.erase(mine);
    CHECK(texts == numbered(0, 1'300));
    CHECK(fast.link->isReading);
  }
}

TEST("pace: bytes count too, and a packet that is larger than a second's part is paid for behind it") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.bytesPerSecond = 10'000});
  client.publish("t", std::string(13'000, 'x'), 1);
  client.publish("t", "next", 1);
  const uint64_t startedMs = broker.nowMs;
  broker.turn(0);
  broker.turn(0);
  client.read();
  CHECK_EQ(client.acknowledgements.size(), 1);
  CHECK(broker.settle());
  CHECK_EQ(client.acknowledgements.size(), 2);
  CHECK(broker.nowMs - startedMs >= 300 && broker.nowMs - startedMs < 310);
}

TEST("pace: where the broker has too much to do it is half of it") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.messagesPerSecond = 1'000});
  broker.engine(0).frontEnd().halvePaces(true);
  for (int i = 0; i < 1'100; i++) client.publish("t", "x", 1);
  const uint64_t startedMs = broker.nowMs;
  CHECK(broker.settle());
  CHECK(broker.nowMs - startedMs >= 200 && broker.nowMs - startedMs < 210);
  CHECK_EQ(client.acknowledgements.size(), 1'100);
}

TEST("pace: a client that waits is not taken for silent, and what it sent before it left counts") {
  HandDrivenBroker broker(1);
  Client& other = broker.connected("other", 0);
  other.subscribe("t", 1);
  Client& client = broker.connected("c", 0, {.keepAliveMs = 1'500, .bytesPerSecond = 10});
  broker.settle();
  client.publish("t", std::string(60, 'x'), 1);
  client.publish("t", "last", 1);
  broker.turn(0);
  broker.turn(0);
  for (int i = 0; i < 4; i++) {
    broker.advanceTime(1'000);
    broker.turn(0);
  }
  CHECK(client.link->connection && client.link->connection->phase == Phase::connected);
  client.disconnect();
  CHECK(broker.settle());
  CHECK_EQ(other.texts().size(), 2);
}

TEST("pace: a client that leaves while it waits leaves nothing behind") {
  HandDrivenBroker broker(1);
  for (const bool isEnded : {false, true}) {
    Client& client = broker.connected(isEnded ? "ended" : "dropped", 0,
                                      {.isPersistent = false, .messagesPerSecond = 1});
    for (int i = 0; i < 5; i++) client.publish("t", "x", 1);
    broker.turn(0);
    if (isEnded) broker.end(client, Reason::notAuthorized);
    else client.drop();
    CHECK(broker.settle());
    CHECK(!broker.engine(0).isPaced());
  }
}

TEST("decisions: a program is asked once for each topic, its answer holds for as long as it says, and frames wait") {
  HandDrivenBroker broker(1);
  Client& other = broker.connected("other", 0);
  other.subscribe("#", 2);
  Client& client = broker.connected("c", 0, {.asksToPublish = true});
  broker.settle();
  client.publish("a", "1", 1);
  client.publish("b", "2", 1);
  client.publish("a", "3", 1);
  broker.settle();
  CHECK(broker.asked == std::vector<std::string>{"a 1"});
  CHECK(other.received.empty());
  decide(broker, client, true, 1'000);
  CHECK(broker.asked == (std::vector<std::string>{"a 1", "b 1"}));
  CHECK_EQ(other.texts().size(), 1);
  decide(broker, client, false, 0);
  CHECK(other.texts() == (std::vector<std::string>{"a=1", "a=3"}));
  CHECK(client.acknowledgements == (std::vector<Reason>{Reason::success, Reason::notAuthorized, Reason::success}));
  CHECK(broker.denied == std::vector<std::string>{"b"});
  client.publish("a", "4", 2);
  broker.settle();
  CHECK_EQ(broker.asked.back(), std::string("a 2"));
  decide(broker, client, true, 1'000);
  client.publish("b", "5", 1);
  broker.settle();
  CHECK_EQ(broker.asked.size(), 4);
  decide(broker, client, true, 1'000);
  broker.advanceTime(1'000);
  client.publish("a", "6", 1);
  broker.settle();
  CHECK_EQ(broker.asked.size(), 5);
  decide(broker, client, true, 1'000);
  broker.engine(0).frontEnd().forgetDecisions();
  client.publish("a", "7", 1);
  broker.settle();
  CHECK_EQ(broker.asked.size(), 6);
  decide(broker, client, true, 0);
  CHECK(other.texts() == (std::vector<std::string>{"a=1", "a=3", "a=4", "b=5", "a=6", "a=7"}));
}

TEST("decisions: with a pace too, a message that waited for its answer is paid for once") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.messagesPerSecond = 2, .asksToPublish = true});
  const uint64_t startedMs = broker.nowMs;
  client.publish("a", "1", 1);
  broker.settle();
  decide(broker, client, true, 100'000);
  client.publish("a", "2", 1);
  broker.settle();
  CHECK_EQ(client.acknowledgements.size(), 2);
  CHECK(broker.nowMs - startedMs < 10);
}

TEST("decisions: more topics than are remembered are asked about again, and what is late hurts nobody") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.isPersistent = false, .asksToPublish = true});
  for (int i = 0; i < 300; i++) {
    client.publish("a" + std::to_string(i), "x", 1);
    broker.settle();
    decide(broker, client, true, 100'000);
  }
  CHECK_EQ(broker.asked.size(), 300);
  CHECK_EQ(client.acknowledgements.size(), 300);
  decide(broker, client, true, 100'000);  // nobody has asked
  client.publish("new", "x", 1);
  broker.settle();
  client.drop();
  CHECK(broker.settle());
}
