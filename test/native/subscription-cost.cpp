// What a subscription costs in memory, and what publishing costs beside many that do not match. Built without
// sanitizers, which would be what is measured. The bounds are those of the project's plan; times get room, since
// machines differ and share their cores.
#include <malloc.h>

#include <chrono>
#include <cstdio>

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

double nanosecondsOf(const std::function<void()>& work) {
  double best = 1e18;
  for (int round = 0; round < 5; round++) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
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
    const auto startTime = std::chrono::steady_clock::now();
    for (int i = 0; i < count; i++) engine.subscribe(session, bytesOf(filterOf(i)), {}, 0);
    const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - startTime).count() / count;
    const double bytes = double(heapBytes() - start) / count;
    std::printf("# %d filters like %s: %.1f bytes and %.0f ns each\n", count, filterOf(count / 2).c_str(), bytes, ns);
    return bytes;
  };
  CHECK(subscribeAll(exactCount, exactFilter) <= 150);
  CHECK(subscribeAll(wildcardCount, wildcardFilter) <= 550);  // a level of the tree each for four levels
  CHECK_EQ(session.subscriptions.size(), size_t(exactCount + wildcardCount));

  const double after = nanosecondsOf(publish) / published;
  std::printf("# publishing to one subscriber: %.0f ns alone, %.0f ns beside them, %.2f times\n", before, after, after / before);
  CHECK(after <= 1.3 * before + 100);

  const double unsubscribing = nanosecondsOf([&] {
    for (int i = 0; i < 1'000; i++) {
      const std::string filter = exactFilter(exactCount / 2 + i);
      engine.unsubscribe(session, bytesOf(filter));
      engine.subscribe(session, bytesOf(filter), {}, 0);
    }
  });
  std::printf("# unsubscribing and subscribing again among them: %.0f ns\n", unsubscribing / 1'000);
}
