// native/topics/retained-store.h against a map and matching word by word.
#include "check.h"
#include "octets.h"

#include <array>
#include <map>
#include <memory>
#include <set>

#include "../../native/topics/retained-store.h"

using namespace rally;

namespace {

MessageRef messageOf(const std::string& topic, const std::string& payload) {
  Publication publication;
  publication.workers = 1;
  publication.topic = bytesOf(topic);
  publication.payload = bytesOf(payload);
  return publication.keep();
}

std::string entryOf(const MessageRef& message) { return textOf(message->topic()) + "=" + textOf(message->payload()); }

// Visits what the filter matches, in one step.
template <class Visit>
void match(RetainedStore& store, const std::string& filter, uint64_t nowMs, Visit&& visit) {
  size_t nodes = SIZE_MAX;
  CHECK(RetainedStore::Walk(store, octetsOf(bytesOf(filter))).step(nowMs, nodes, visit));
}

std::multiset<std::string> matched(RetainedStore& store, const std::string& filter) {
  std::multiset<std::string> found;
  match(store, filter, 0, [&](const MessageRef& message) { found.insert(entryOf(message)); });
  return found;
}

using Topics = std::map<std::string, std::string>;  // with their payloads
using Tree = TopicTree<std::array<uint64_t, 2>>;    // nodes as large as those of the store

// All nodes that a tree of these topics needs: their paths, and how many levels of them are the node's own.
std::map<std::vector<std::string>, size_t> nodesOf(const Topics& topics) {
  std::map<std::vector<std::string>, std::set<std::string>> below;
  for (const auto& [topic, payload] : topics) {
    const std::vector<std::string> path = levelsOf(topic);
    for (size_t i = 0; i < path.size(); i++) below[{path.begin(), path.begin() + long(i)}].insert(path[i]);
  }
  std::set<std::vector<std::string>> needed;
  for (const auto& [path, levels] : below) {
    if (!path.empty() && levels.size() > 1) needed.insert(path);
  }
  for (const auto& [topic, payload] : topics) needed.insert(levelsOf(topic));
  std::map<std::vector<std::string>, size_t> nodes;
  for (const std::vector<std::string>& path : needed) {
    size_t own = 1;
    while (own < path.size() && !needed.contains({path.begin(), path.end() - long(own)})) own++;
    nodes[path] = own;
  }
  return nodes;
}

// What the store should count for them.
size_t countedBytes(const Topics& topics) {
  size_t bytes = 0;
  for (const auto& [topic, payload] : topics)
    bytes += isReservedTopic(bytesOf(topic)) ? 0 : blockBytes(sizeof(Message) + topic.size() + payload.size());
  for (const auto& [path, own] : nodesOf(topics)) {
    size_t textBytes = own - 1;
    for (size_t i = path.size() - own; i < path.size(); i++) textBytes += path[i].size();
    bytes += Tree::nodeBytesOf(textBytes);
  }
  return bytes;
}

const std::vector<std::string> topics = {"a",
                                         "b",
                                         "/",
                                         "//",
                                         "/a",
                                         "a/",
                                         "a/b",
                                         "a/b/c",
                                         "a//c",
                                         "$sys",
                                         "$sys/a",
                                         "b/$x",
                                         "a/$x/c",
                                         "sensor/1/temp",
                                         "sensor/2/temp",
                                         "sensor",
                                         "+x/y"};
const std::vector<std::string> filters = {"#",        "+",     "+/+",   "/#",   "/+",     "a",      "a/#",
                                          "a/+",      "a/+/c", "+/b/#", "$sys", "$sys/#", "$sys/+", "sensor/+/temp",
                                          "sensor/#", "+/#",   "+/+/#", "a//c", "none/#", "//",     "a/b/c/#"};

}  // namespace

TEST("retained store: random changes, every filter against the oracle") {
  check::eachSeed(60, [](check::Random& random) {
    RetainedStore store(random.next(), {});
    std::map<std::string, std::string> oracle;
    for (int step = 0; step < 120; step++) {
      const std::string& topic = random.pick(topics);
      if (random.chance(55)) {
        const std::string payload = random.text(random.between(1, 30), "xyz");
        CHECK(store.set(messageOf(topic, payload)));
        oracle[topic] = payload;
      } else {
        store.remove(Exact(bytesOf(topic)));
        oracle.erase(topic);
      }
      CHECK_EQ(store.size(), oracle.size());
      CHECK_EQ(store.bytes(), countedBytes(oracle));
      const std::string& filter = random.pick(filters);
      std::multiset<std::string> expected;
      for (const auto& [name, payload] : oracle) {
        if (matchesByTheBook(filter, name)) expected.insert(name + "=" + payload);
      }
      CHECK(matched(store, filter) == expected);
    }
    for (const std::string& topic : topics) store.remove(bytesOf(topic));
    CHECK_EQ(store.size(), 0);
    CHECK_EQ(store.bytes(), 0);
    CHECK(matched(store, "#").empty());
  });
}

TEST("retained store: a full store refuses new topics and takes replacements") {
  RetainedStore store(1, {.messagesMax = 2});
  CHECK(store.set(messageOf("a", "1")));
  CHECK(store.set(messageOf("b", "1")));
  CHECK(!store.set(messageOf("c", "1")));
  CHECK_EQ(store.size(), 2);
  CHECK(store.set(messageOf("a", "2")));
  CHECK(matched(store, "#") == (std::multiset<std::string>{"a=2", "b=1"}));
  store.remove(bytesOf("b"));
  CHECK(store.set(messageOf("c", "1")));
  CHECK(!store.set(messageOf("b", "1")));
}

TEST("retained store: a topic that was cleared, or given away, has no place in a store that is full meanwhile") {
  RetainedStore store(1, {.messagesMax = 2});
  CHECK(store.set(messageOf("a", "1"), 7));
  CHECK(store.set(messageOf("a", ""), 8));  // its mark
  CHECK_EQ(store.size(), 0);
  CHECK(store.set(messageOf("b", "1")));
  CHECK(store.set(messageOf("c", "1")));
  CHECK(!store.set(messageOf("a", "2"), 9));
  CHECK(store.set(messageOf("a", ""), 9));
  CHECK_EQ(store.size(), 2);
  CHECK(matched(store, "#") == (std::multiset<std::string>{"b=1", "c=1"}));
  uint32_t node = 0;
  size_t nodes = SIZE_MAX;
  const auto isB = [](const MessageRef& message) { return textOf(message->topic()) == "b"; };
  CHECK(store.giveAway(node, nodes, isB, [](const MessageRef&, uint64_t) {}));
  CHECK(store.set(messageOf("a", "2"), 9));
  CHECK(!store.set(messageOf("b", "2")));
  CHECK_EQ(store.size(), 2);
  CHECK(matched(store, "#") == (std::multiset<std::string>{"a=2", "c=1"}));
}

TEST("retained store: a bound in bytes, of messages and nodes; what is refused leaves nothing behind") {
  const std::string payload(100, 'x');
  const size_t two = countedBytes(Topics{{"a", payload}, {"b", payload}});
  RetainedStore store(1, {.bytesMax = two});
  CHECK(store.set(messageOf("a", payload)));
  CHECK(store.set(messageOf("b", payload)));
  CHECK_EQ(store.bytes(), two);
  CHECK(!store.set(messageOf("c", "1")));
  CHECK(!store.set(messageOf("a/b/c", "1")));
  CHECK_EQ(store.nodes(), 3);
  store.remove(bytesOf("a"));
  CHECK_EQ(store.bytes(), two / 2);
  CHECK(store.set(messageOf("c", payload)));
  CHECK(!store.set(messageOf("d", "")));
  CHECK(store.set(messageOf("c", payload)));  // in its own place
  CHECK(!store.set(messageOf("c", payload + std::string(16, 'x'))));
  CHECK_EQ(store.bytes(), two);
}

TEST("retained store: topics of 128 levels that share nothing, or all but the last, take no more than is counted") {
  for (const bool isShared : {false, true}) {
    RetainedStore store(1, {.bytesMax = 1'000'000});
    std::string rest;
    for (int i = 0; i < 126; i++) rest += "/a";
    int kept = 0;
    for (int i = 0;
         i < 100'000 &&
         store.set(messageOf(isShared ? "r" + rest + "/" + std::to_string(i) : "r/" + std::to_string(i) + rest, "x"));
         i++)
      kept++;
    CHECK(store.nodes() <= size_t(kept) + 2);
    CHECK(kept > (isShared ? 2'000 : 1'000));
  }
}

TEST("retained store: 65,535 slashes as topic and as filter") {
  RetainedStore store(1, {});
  const std::string slashes(65'535, '/');
  CHECK(store.set(messageOf(slashes, "x")));
  CHECK_EQ(matched(store, "#").size(), 1);
  CHECK_EQ(matched(store, slashes).size(), 1);
  CHECK_EQ(matched(store, "+/+/#").size(), 1);
  CHECK(matched(store, "/").empty());
  store.remove(bytesOf(slashes));
  CHECK(matched(store, "#").empty());
}

TEST("retained store: expired messages leave it when they are found, and by the sweep") {
  check::eachSeed(30, [](check::Random& random) {
    RetainedStore store(random.next(), {});
    std::map<std::string, uint64_t> oracle;  // topic -> expires at; 0: never
    uint64_t nowMs = 1'000;
    for (int step = 0; step < 200; step++) {
      nowMs += random.below(20);
      const std::string& topic = random.pick(topics);
      const uint64_t expiresAtMs = random.chance(60) ? nowMs + random.between(1, 100) : 0;
      Publication publication;
      publication.workers = 1;
      publication.topic = bytesOf(topic);
      publication.payload = bytesOf("x");
      publication.expiresAtMs = expiresAtMs;
      CHECK(store.set(publication.keep()));
      oracle[topic] = expiresAtMs;
      if (random.chance(20)) {
        const std::string& filter = random.pick(filters);
        std::set<std::string> found;
        match(store, filter, nowMs, [&](const MessageRef& message) { found.insert(textOf(message->topic())); });
        for (const auto& [name, at] : oracle)
          CHECK_EQ(found.contains(name), matchesByTheBook(filter, name) && (at == 0 || at > nowMs));
        std::erase_if(oracle, [&](const auto& entry) {
          return entry.second != 0 && entry.second <= nowMs && matchesByTheBook(filter, entry.first);
        });
        CHECK_EQ(store.size(), oracle.size());
      }
    }
    nowMs += 50;
    for (int round = 0; round < 100; round++) store.sweep(nowMs, 3);
    std::erase_if(oracle, [&](const auto& entry) { return entry.second != 0 && entry.second <= nowMs; });
    CHECK_EQ(store.size(), oracle.size());
    Topics left;
    for (const auto& [topic, expiresAtMs] : oracle) left[topic] = "x";
    CHECK_EQ(store.bytes(), countedBytes(left));
    for (const std::string& topic : topics) store.remove(bytesOf(topic));
    CHECK_EQ(store.size(), 0);
  });
}

TEST("retained store: what is below $SYS is neither counted nor refused") {
  RetainedStore store(1, {1, 1'000'000});
  CHECK(store.set(messageOf("a", "x")));
  CHECK(!store.set(messageOf("b", "x")));
  for (int i = 0; i < 3; i++) CHECK(store.set(messageOf("$SYS/" + std::to_string(i), "x")));
  CHECK(store.set(messageOf("$SYS/0", "y")));
  CHECK_EQ(store.size(), 1);
  CHECK_EQ(matched(store, "$SYS/#").size(), 3);
  CHECK(!store.set(messageOf("$SYS/broker/connection/b/state", "1")));  // of a bridge: any client may invent them
  store.remove(Exact(bytesOf("$SYS/1")));
  CHECK_EQ(store.size(), 1);
  store.remove(Exact(bytesOf("a")));
  CHECK_EQ(store.size(), 0);
  CHECK_EQ(store.bytes(), countedBytes({{"$SYS/0", ""}, {"$SYS/2", ""}}));  // their nodes
  CHECK(store.set(messageOf("b", "x")));
}

TEST("retained store: a walk in steps visits what was there at the beginning and has stayed, each once") {
  check::eachSeed(200, [](check::Random& random) {
    RetainedStore store(random.next(), {});
    struct Walking {
      RetainedStore::Walk walk;
      std::map<std::string, std::string> expected;  // not visited yet
    };
    std::vector<std::unique_ptr<Walking>> walks;
    std::map<std::string, std::string> oracle;
    int payloads = 0;
    for (int step = 0; step < 300; step++) {
      const std::string& topic = random.pick(topics);
      if (random.chance(30)) {
        const std::string payload = std::to_string(++payloads);
        CHECK(store.set(messageOf(topic, payload)));
        oracle[topic] = payload;
        for (const auto& each : walks) each->expected.erase(topic);
      } else if (random.chance(30)) {
        store.remove(bytesOf(topic));
        oracle.erase(topic);
        for (const auto& each : walks) each->expected.erase(topic);
      } else if (random.chance(30)) {
        const std::string& filter = random.pick(filters);
        walks.push_back(std::make_unique<Walking>(Walking{.walk = {store, octetsOf(bytesOf(filter))}, .expected = {}}));
        for (const auto& [name, payload] : oracle) {
          if (matchesByTheBook(filter, name)) walks.back()->expected[name] = payload;
        }
      } else if (!walks.empty()) {
        const size_t at = random.below(walks.size());
        Walking& walking = *walks[at];
        size_t nodes = random.between(1, 4);
        const bool isOver = walking.walk.step(0, nodes, [&](const MessageRef& message) {
          const auto found = walking.expected.find(textOf(message->topic()));
          if (!CHECK(found != walking.expected.end())) return;
          CHECK_EQ(found->second, textOf(message->payload()));
          walking.expected.erase(found);
        });
        CHECK(isOver || nodes == 0);
        if (isOver) CHECK(walking.expected.empty());
        if (isOver || random.chance(5)) walks.erase(walks.begin() + long(at));
      }
    }
    walks.clear();
    CHECK_EQ(store.nodes(), 1 + nodesOf(oracle).size());
    for (const std::string& topic : topics) store.remove(bytesOf(topic));
    CHECK(matched(store, "#").empty());
    CHECK_EQ(store.nodes(), 1);
  });
}

TEST(
    "retained store: walks that go on where another one was visit all that has stayed, and end, whatever comes and "
    "goes") {
  check::eachSeed(60, [](check::Random& random) {
    RetainedStore store(random.next(), {});
    Topics stayed;
    for (const std::string& topic : topics) {
      if (!random.chance(70)) continue;
      store.set(messageOf(topic, "x"));
      stayed[topic] = "x";
    }
    const std::string& filter = random.pick(filters);
    const bool isChanging = random.chance(70);
    std::multiset<std::string> visited;
    std::vector<uint8_t> place;
    for (size_t page = 0;; page++) {
      if (!CHECK(page < 2'000)) return;
      RetainedStore::Walk walk(store, octetsOf(bytesOf(filter)));
      walk.goBehind(place);
      size_t nodes = random.between(1, 3);
      const auto visit = [&](const MessageRef& message) {
        const std::string topic = textOf(message->topic());
        CHECK(matchesByTheBook(filter, topic));
        visited.insert(topic);
      };
      if (walk.step(0, nodes, visit)) break;
      place = walk.place();
      CHECK(!place.empty());
      if (!isChanging || page > 100) continue;
      const std::string& topic = random.pick(topics);
      if (random.chance(50)) {
        store.set(messageOf(topic, "y"));
      } else {
        store.remove(bytesOf(topic));
        stayed.erase(topic);
      }
    }
    for (const auto& [topic, payload] : stayed) {
      if (!matchesByTheBook(filter, topic)) continue;
      CHECK(visited.contains(topic));
      if (!isChanging) CHECK_EQ(visited.count(topic), size_t(1));
    }
  });
}
