// What a subscription costs in memory, and what publishing costs beside many that do not match. Built without
// sanitizers, which would be what is measured. Times are of the processor, not of the clock on the wall, and their
// bound is wide: other processes share its caches.
#include <malloc.h>

#include <cstdio>
#include <ctime>

#include "hand-driven-broker.h"

using namespace rally;

namespace {

constexpr int exactCount = 1'000'000;
constexpr int wildcardCount = 100'000;

size_t heapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::string exactFilter(int i) { return "site/" + std::to_string(i % 1'000) + "/sensor/" + std::to_string(i) + "/value"; }
std::string wildcardFilter(int i) { return "site/" + std::to_string(i) + "/+/value/#"; }

double nowNs() { return double(std::clock()) * (1e9 / CLOCKS_PER_SEC); }

// The best of several rounds.
double nanosecondsOf(const std::function<void()>& work) {
  double best = 1e18;
  for (int round = 0; round < 10; round++) {
    const double start = nowNs();
    work();
    best = std::min(best, nowNs() - start);
  }
  return best;
}

}  // namespace

TEST("subscription cost: bytes of exact and wildcard filters, and publishing beside them") {
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0, {.version = 4});
  Client& reader = broker.connected("r", 0, {.version = 4});
  Client& holder = broker.connected("h", 0);
  reader.subscribe("room/1/temperature");
  broker.settle();
  Engine& engine = broker.engine(0);
  const auto publish = [&] {
    Octets chunk;
    for (int i = 0; i < 64; i++) appendOctets(chunk, encode({.topic = "room/1/temperature", .payload = std::string(64, 'x')}, 4));
    for (int i = 0; i < 200; i++) {
      engine.frontEnd.receive(*publisher.link->connection, chunk);
      engine.endTurn();
      reader.link->toClient.clear();
    }
  };
  constexpr int published = 64 * 200;
  const double before = nanosecondsOf(publish) / published;

  Session& session = *broker.sessionOf(holder);
  const auto subscribeAll = [&](int count, std::string (*filterOf)(int)) {
    const size_t start = heapBytes();
    const double startNs = nowNs();
    for (int i = 0; i < count; i++) engine.subscriptions.subscribe(session, bytesOf(filterOf(i)), {}, 0);
    const double ns = (nowNs() - startNs) / count;
    const double bytes = double(heapBytes() - start) / count;
    std::printf("# %d filters like %s: %.1f bytes and %.0f ns each\n", count, filterOf(count / 2).c_str(), bytes, ns);
    return bytes;
  };
  CHECK(subscribeAll(exactCount, exactFilter) <= 150);
  CHECK(subscribeAll(wildcardCount, wildcardFilter) <= 550);  // a level of the tree each for four levels
  CHECK_EQ(session.subscriptions.size(), size_t(exactCount + wildcardCount));

  const double after = nanosecondsOf(publish) / published;
  std::printf("# publishing to one subscriber: %.0f ns alone, %.0f ns beside them, %.2f times\n", before, after, after / before);
  CHECK(after <= 3 * before);

  const double unsubscribing = nanosecondsOf([&] {
    for (int i = 0; i < 1'000; i++) {
      const std::string filter = exactFilter(exactCount / 2 + i);
      engine.subscriptions.unsubscribe(session, bytesOf(filter));
      engine.subscriptions.subscribe(session, bytesOf(filter), {}, 0);
    }
  });
  std::printf("# unsubscribing and subscribing again among them: %.0f ns\n", unsubscribing / 1'000);
}
