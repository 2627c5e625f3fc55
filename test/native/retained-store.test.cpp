// native/topics/retained-store.h against a map and matching word by word.
#include "check.h"
#include "octets.h"

#include <map>
#include <numeric>
#include <set>

#include "../../native/topics/retained-store.h"

using namespace rally;

namespace {

MessageRef messageOf(const std::string& topic, const std::string& payload) {
  Publication publication;
  publication.topic = bytesOf(topic);
  publication.payload = bytesOf(payload);
  return publication.keep();
}

std::multiset<std::string> matched(RetainedStore& store, const std::string& filter) {
  std::multiset<std::string> found;
  store.match(Exact(bytesOf(filter)), 0, [&](const MessageRef& message) { found.insert(textOf(message->topic()) + "=" + textOf(message->payload())); });
  return found;
}

const std::vector<std::string> topics = {"a",   "b",    "/",    "//",     "/a",    "a/",   "a/b",      "a/b/c",   "a//c", "$sys",
                                         "$sys/a", "b/$x", "a/$x/c", "sensor/1/temp", "sensor/2/temp", "sensor", "+x/y"};
const std::vector<std::string> filters = {"#",   "+",   "+/+",      "/#",       "/+",          "a",   "a/#",    "a/+",  "a/+/c",  "+/b/#",
                                          "$sys", "$sys/#", "$sys/+", "sensor/+/temp", "sensor/#", "+/#", "+/+/#", "a//c", "none/#", "//", "a/b/c/#"};

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
      size_t bytes = 0;
      for (const auto& [name, payload] : oracle) bytes += sizeof(Message) + name.size() + payload.size();
      CHECK_EQ(store.bytes(), bytes);
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

TEST("retained store: a bound in bytes") {
  const size_t each = sizeof(Message) + 1 + 100;
  RetainedStore store(1, {.bytesMax = 2 * each});
  const std::string payload(100, 'x');
  CHECK(store.set(messageOf("a", payload)));
  CHECK(store.set(messageOf("b", payload)));
  CHECK(!store.set(messageOf("c", "1")));
  store.remove(bytesOf("a"));
  CHECK_EQ(store.bytes(), each);
  CHECK(store.set(messageOf("c", payload)));
  CHECK(!store.set(messageOf("d", "")));
  CHECK(store.set(messageOf("c", payload)));  // in its own place
  CHECK(!store.set(messageOf("c", payload + "x")));
  CHECK_EQ(store.bytes(), 2 * each);
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
      publication.topic = bytesOf(topic);
      publication.payload = bytesOf("x");
      publication.expiresAtMs = expiresAtMs;
      CHECK(store.set(publication.keep()));
      oracle[topic] = expiresAtMs;
      if (random.chance(20)) {
        const std::string& filter = random.pick(filters);
        std::set<std::string> found;
        store.match(Exact(bytesOf(filter)), nowMs, [&](const MessageRef& message) { found.insert(textOf(message->topic())); });
        for (const auto& [name, at] : oracle) CHECK_EQ(found.contains(name), matchesByTheBook(filter, name) && (at == 0 || at > nowMs));
        std::erase_if(oracle, [&](const auto& entry) { return entry.second != 0 && entry.second <= nowMs && matchesByTheBook(filter, entry.first); });
        CHECK_EQ(store.size(), oracle.size());
      }
    }
    nowMs += 50;
    for (int round = 0; round < 100; round++) store.sweep(nowMs, 3);
    std::erase_if(oracle, [&](const auto& entry) { return entry.second != 0 && entry.second <= nowMs; });
    CHECK_EQ(store.size(), oracle.size());
    CHECK_EQ(store.bytes(), std::accumulate(oracle.begin(), oracle.end(), size_t(0), [](size_t sum, const auto& entry) { return sum + sizeof(Message) + entry.first.size() + 1; }));
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
  store.remove(Exact(bytesOf("$SYS/1")));
  CHECK_EQ(store.size(), 1);
  store.remove(Exact(bytesOf("a")));
  CHECK_EQ(store.size(), 0);
  CHECK_EQ(store.bytes(), 0);
  CHECK(store.set(messageOf("b", "x")));
}
