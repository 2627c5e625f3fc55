// native/topics/retained-store.h: messages are set, removed and expire while walks are under way, against a map.
#include "fuzz.h"

#include <map>

#include "../../native/topics/retained-store.h"

using namespace rally;

namespace {

struct Kept {
  std::string payload;
  uint64_t expiresAtMs;
};
using Oracle = std::map<std::string, Kept>;

struct Walking {
  RetainedStore::Walk walk;
  std::string filter;
  std::map<std::string, std::string> expected;  // there at the beginning, not changed since, not visited yet
};

MessageRef messageOf(const std::string& topic, const Kept& kept) {
  Publication publication;
  publication.workers = 1;
  publication.topic = bytesOf(topic);
  publication.payload = bytesOf(kept.payload);
  publication.expiresAtMs = kept.expiresAtMs;
  return publication.keep();
}

size_t counted(const Oracle& oracle) {
  return size_t(std::count_if(oracle.begin(), oracle.end(),
                              [](const auto& each) { return !isReservedTopic(bytesOf(each.first)); }));
}

// One step of a walk; gives whether it was the last.
bool step(Walking& walking, Oracle& oracle, uint64_t nowMs, size_t nodes) {
  return walking.walk.step(nowMs, nodes, [&](const MessageRef& message) {
    const std::string topic = textOf(message->topic());
    const auto found = walking.expected.find(topic);
    if (!CHECK(found != walking.expected.end())) return;
    CHECK_EQ(found->second, textOf(message->payload()));
    CHECK(oracle.contains(topic) && !hasPassed(oracle[topic].expiresAtMs, nowMs));
    walking.expected.erase(found);
  });
}

}  // namespace

FUZZ("retained-store") {
  const size_t messagesMax = input.between(1, 12);
  RetainedStore store(5, {.messagesMax = messagesMax, .bytesMax = 2'000});
  Oracle oracle;
  std::vector<std::unique_ptr<Walking>> walks;
  uint64_t nowMs = 1;
  int payloads = 0;
  const auto forget = [&](const std::string& topic) {
    oracle.erase(topic);
    for (const auto& each : walks) each->expected.erase(topic);
  };
  // What has expired goes when somebody looks; a walk and sweep() may be the ones.
  const auto forgetExpired = [&] {
    std::erase_if(oracle, [&](const auto& each) { return hasPassed(each.second.expiresAtMs, nowMs); });
  };
  while (!input.isSpent()) {
    const std::string topic = fuzz::topicFrom(input);
    switch (input.below(8)) {
      case 0:
      case 1: {
        Kept kept{std::to_string(++payloads), input.chance(20) ? nowMs + input.between(1, 5) : 0};
        if (!store.set(messageOf(topic, kept))) {
          CHECK(store.size() == messagesMax || store.bytes() > 1'500);
          break;
        }
        forget(topic);
        oracle[topic] = kept;
        break;
      }
      case 2:
        store.remove(Exact(bytesOf(topic)));
        forget(topic);
        break;
      case 3: {
        const std::string filter = fuzz::filterFrom(input);
        walks.push_back(std::make_unique<Walking>(
            Walking{.walk = {store, octetsOf(bytesOf(filter))}, .filter = filter, .expected = {}}));
        for (const auto& [name, kept] : oracle) {
          if (matchesByTheBook(filter, name)) walks.back()->expected[name] = kept.payload;
        }
        break;
      }
      case 5: {
        const MessageRef found = store.find(bytesOf(topic), nowMs);
        const bool isThere = oracle.contains(topic) && !hasPassed(oracle[topic].expiresAtMs, nowMs);
        CHECK_EQ(bool(found), isThere);
        if (found && isThere) CHECK_EQ(textOf(found->payload()), oracle[topic].payload);
        break;
      }
      case 4:
        nowMs += input.below(4);
        store.sweep(nowMs, input.below(8));
        break;
      default: {
        if (walks.empty()) break;
        const size_t at = input.below(walks.size());
        const bool isOver = step(*walks[at], oracle, nowMs, input.between(1, 6));
        if (isOver) {
          for (const auto& [name, payload] : walks[at]->expected) CHECK(hasPassed(oracle[name].expiresAtMs, nowMs));
        }
        if (isOver || input.chance(10)) walks.erase(walks.begin() + std::ptrdiff_t(at));
      }
    }
    CHECK(store.size() <= counted(oracle));  // less what has expired and was seen
  }
  for (const auto& each : walks) {
    if (step(*each, oracle, nowMs, SIZE_MAX)) {
      for (const auto& [name, payload] : each->expected) CHECK(hasPassed(oracle[name].expiresAtMs, nowMs));
    }
  }
  walks.clear();
  for (int round = 0; round < 2; round++) store.sweep(nowMs, SIZE_MAX);
  forgetExpired();
  CHECK_EQ(store.size(), counted(oracle));
  for (const auto& [topic, kept] : oracle) store.remove(bytesOf(topic));
  CHECK(store.size() == 0 && store.bytes() == 0);
  CHECK_EQ(store.nodes(), 1);
}
