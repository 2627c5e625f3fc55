// native/structures/hash-index.h: the same as a map, also while it moves from one size to another.
#include "check.h"

#include <map>

#include "../../native/structures/hash-index.h"

using namespace rally;

TEST("hash index: random changes against a map, with hashes that collide") {
  check::eachSeed(200, [](check::Random& random) {
    HashIndex index;
    std::map<uint32_t, uint64_t> oracle;  // identifier -> hash
    const uint64_t hashes = random.chance(30) ? 20 : uint64_t(1) << 40;
    const auto hashOf = [&](uint32_t id) { return (id * 0x9e3779b97f4a7c15 % hashes) << 24; };
    uint32_t lastId = 0;
    for (int step = 0; step < 3'000; step++) {
      // It grows and shrinks in turns.
      if (random.chance(step / 500 % 2 == 0 ? 80 : 20)) {
        index.add(hashOf(lastId + 1), lastId + 1);
        oracle[lastId + 1] = hashOf(lastId + 1);
        lastId++;
      } else if (!oracle.empty()) {
        auto some = oracle.lower_bound(uint32_t(random.below(lastId + size_t(1))));
        if (some == oracle.end()) some = oracle.begin();
        index.remove(some->second, some->first);
        oracle.erase(some);
      }
      if (random.chance(2)) index.proceed();
      CHECK_EQ(index.size(), oracle.size());
      const auto asked = uint32_t(random.below(lastId + size_t(2)));
      CHECK_EQ(index.find(hashOf(asked), [&](uint32_t id) { return id == asked; }), oracle.contains(asked) ? asked : 0);
    }
    for (const auto& entry : oracle) {
      const uint32_t wanted = entry.first;
      CHECK_EQ(index.find(entry.second, [&](uint32_t id) { return id == wanted; }), wanted);
    }
  });
}
