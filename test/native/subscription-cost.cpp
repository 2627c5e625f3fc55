// What a subscription costs in memory, and what publishing costs beside many that do not match. Built without
// sanitizers, which would be what is measured. Times are of the processor, not of the clock on the wall. No socket is
// written, so what they show of the filters is more than a client would see: `npm run bench` measures that.
#include <malloc.h>

#include <cstdio>
#include <ctime>

#include "hand-driven-broker.h"

using namespace rally;

namespace {

constexpr int exactCount = 1'000'000;
constexpr int wildcardCount = 100'000;
constexpr int sessionCount = 100;
constexpr uint64_t firstKey = 1'000;
constexpr int publishesPerChunk = 64;
constexpr int chunksPerRound = 100;
constexpr int rounds = 40;

size_t heapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::string exactFilter(int i) {
  return "site/" + std::to_string(i % 1'000) + "/sensor/" + std::to_string(i) + "/value";
}
std::string wildcardFilter(int i) { return "site/" + std::to_string(i) + "/+/value/#"; }

double nowNs() { return double(std::clock()) * (1e9 / CLOCKS_PER_SEC); }

}  // namespace

TEST("subscription cost: bytes of exact and wildcard filters, all of them given back, and publishing beside them") {
  const auto publishingTo = [](HandDrivenBroker& broker, Client& publisher, Client& reader) {
    Octets chunk;
    for (int i = 0; i < publishesPerChunk; i++)
      appendOctets(chunk, encode({.topic = "room/1/temperature", .payload = std::string(64, 'x')}, 4));
    const double start = nowNs();
    for (int i = 0; i < chunksPerRound; i++) {
      broker.engine(0).drainLanes();  // a turn has a budget
      broker.engine(0).frontEnd().receive(*publisher.link->connection, chunk);
      broker.engine(0).endTurn();
      reader.link->toClient.clear();
    }
    return (nowNs() - start) / (publishesPerChunk * chunksPerRound);
  };
  HandDrivenBroker quiet(1);
  HandDrivenBroker full(1);
  struct Pair {
    HandDrivenBroker& broker;
    Client& publisher = broker.connected("p", 0, {.version = 4});
    Client& reader = broker.connected("r", 0, {.version = 4});
  };
  Pair alone{quiet};
  Pair beside{full};
  for (Pair* pair : {&alone, &beside}) {
    pair->reader.subscribe("room/1/temperature");
    pair->broker.settle();
  }

  Engine& engine = full.engine(0);
  const auto sessionOf = [&](int i) -> Session& { return engine.createSession(firstKey + uint64_t(i % sessionCount)); };
  for (int i = 0; i < sessionCount; i++) sessionOf(i);
  const size_t empty = heapBytes();
  const auto subscribeAll = [&](int count, std::string (*filterOf)(int)) {
    const size_t start = heapBytes();
    const double startNs = nowNs();
    for (int i = 0; i < count; i++) engine.subscriptions().add(sessionOf(i), bytesOf(filterOf(i)), {});
    const double ns = (nowNs() - startNs) / count;
    const double bytes = double(heapBytes() - start) / count;
    std::printf("# %d filters like %s: %.1f bytes and %.0f ns each\n", count, filterOf(count / 2).c_str(), bytes, ns);
    return bytes;
  };
  CHECK(subscribeAll(exactCount, exactFilter) <= 160);
  CHECK(subscribeAll(wildcardCount, wildcardFilter) <= 160);
  CHECK_EQ(engine.counters().get(Counter::subscriptions), size_t(exactCount + wildcardCount + 1));

  // In turns, so that what else the machine does is the same for both; of each the best round.
  double aloneNs = 1e18;
  double besideNs = 1e18;
  for (int round = 0; round < rounds; round++) {
    aloneNs = std::min(aloneNs, publishingTo(quiet, alone.publisher, alone.reader));
    besideNs = std::min(besideNs, publishingTo(full, beside.publisher, beside.reader));
  }
  std::printf("# publishing to one subscriber: %.0f ns alone, %.0f ns beside them, %.2f times\n", aloneNs, besideNs,
              besideNs / aloneNs);
  CHECK(besideNs <= 2.5 * aloneNs);  // neighbours on the machine have caches, too

  const double startNs = nowNs();
  for (int i = 0; i < wildcardCount; i++) engine.subscriptions().unsubscribe(sessionOf(i), bytesOf(wildcardFilter(i)));
  // In an order that has nothing to do with that of their coming.
  for (int i = 0; i < exactCount; i++) {
    const int some = int(uint64_t(i) * 7'919 % exactCount);
    engine.subscriptions().unsubscribe(sessionOf(some), bytesOf(exactFilter(some)));
  }
  const double left = double(heapBytes()) - double(empty);
  std::printf("# unsubscribing: %.0f ns each; %.0f KB of all that memory are left\n",
              (nowNs() - startNs) / (exactCount + wildcardCount), left / 1'024);
  CHECK(left <= 1'048'576);
}

TEST("subscription cost: durable sessions at rest with a subscription of their own, and what the main thread adds") {
  constexpr int count = 250'000;
  constexpr double mainThreadBytes = 51;  // core/sessions/resting-sessions.ts, with this client identifier
  HandDrivenBroker broker(1);
  Engine& engine = broker.engine(0);
  const size_t start = heapBytes();
  auto made = [&, before = start](const char* what) mutable {
    const double bytes = double(heapBytes() - before) / count;
    before = heapBytes();
    std::printf("# %d sessions, %s: %.1f bytes each\n", count, what, bytes);
  };
  engine.sessionTable().reserve(count);
  for (int i = 0; i < count; i++) engine.createSession(firstKey + uint64_t(i));
  made("themselves, and found by their keys");
  for (int i = 0; i < count; i++) {
    Session& session = *engine.findSession(firstKey + uint64_t(i));
    session.isDurable = true;
    session.durable = std::make_unique<DurableSession>();
    session.durable->setClient(bytesOf("device-" + std::to_string(i)), {});
  }
  made("for the log");
  for (int i = 0; i < count; i++) {
    Session& session = *engine.findSession(firstKey + uint64_t(i));
    engine.subscriptions().add(session, bytesOf("devices/" + std::to_string(i) + "/+"), {.qos = 1});
  }
  made("a topic filter");
  const double bytes = double(heapBytes() - start) / count;
  std::printf("# %.1f bytes each in all, and %.0f on the main thread\n", bytes, mainThreadBytes);
  CHECK(bytes + mainThreadBytes <= 400);
}

TEST("subscription cost: sessions that were members of a share leave nothing") {
  constexpr int count = 100'000;
  HandDrivenBroker broker(1);
  Engine& engine = broker.engine(0);
  const auto comeAndGo = [&](uint64_t key) {
    for (uint64_t end = key + count; key < end; key++) {
      Session& session = engine.createSession(key);
      engine.subscriptions().add(session, bytesOf("$share/g/jobs"), {.qos = 1});
      engine.destroySession(session);
      engine.drainLanes();
      engine.endTurn();
    }
  };
  comeAndGo(firstKey);
  const size_t before = heapBytes();
  comeAndGo(firstKey + count);
  const double left = double(heapBytes()) - double(before);
  std::printf("# %d members of a share that came and went: %.0f KB are left\n", count, left / 1'024);
  CHECK(left <= 262'144);
}
