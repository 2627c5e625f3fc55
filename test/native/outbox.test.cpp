// native/sessions/arena.h and native/sessions/outbox.h against strings.
#include "check.h"
#include "octets.h"

#include <map>

#include "../../native/front-end/outbox.h"

using namespace rally;

namespace {

std::string contentOf(const Outbox& outbox, Arena& arena) {
  std::string all;
  outbox.eachChunk(arena, [&](const uint8_t* bytes, size_t size) { all.append(bytes, bytes + size); });
  return all;
}

size_t chunksOf(const Outbox& outbox, Arena& arena) {
  size_t count = 0;
  outbox.eachChunk(arena, [&](const uint8_t*, size_t) { count++; });
  return count;
}

constexpr size_t block = Arena::largeBytes;

}  // namespace

TEST("arena: chunks never overlap, and all of it can be used again in either size") {
  check::eachSeed(60, [](check::Random& random) {
    const size_t blocks = random.between(1, 12);
    Arena arena(blocks * block + random.below(block));
    CHECK_EQ(arena.size(), blocks * block);
    std::map<uint32_t, uint32_t> taken;  // first unit -> units
    for (int step = 0; step < 500; step++) {
      if (random.chance(50) || taken.empty()) {
        const bool isLarge = random.chance(random.chance(50) ? 20 : 60);
        const bool mustFit = arena.hasRoom(0);
        const uint32_t unit = arena.take(isLarge);
        if (unit == Arena::none) {
          CHECK(!mustFit);
          continue;
        }
        CHECK_EQ(arena.capacity(unit), isLarge ? Arena::largeBytes : Arena::smallBytes);
        const uint32_t units = arena.capacity(unit) / Arena::smallBytes;
        CHECK(size_t(unit + units) * Arena::smallBytes <= arena.size());
        const auto after = taken.upper_bound(unit);
        if (after != taken.end()) CHECK(unit + units <= after->first);
        if (after != taken.begin()) CHECK(std::prev(after)->first + std::prev(after)->second <= unit);
        taken[unit] = units;
        std::memset(arena.bytes(unit), 0xee, arena.capacity(unit));
      } else {
        auto some = taken.begin();
        std::advance(some, std::ptrdiff_t(random.below(taken.size())));
        arena.giveBack(some->first);
        taken.erase(some);
      }
    }
    for (const auto& [unit, units] : taken) arena.giveBack(unit);
    size_t large = 0;
    while (arena.take(true) != Arena::none) large++;
    CHECK(large + 1 >= blocks);  // one block may stay cut for the next small chunk
  });
}

TEST("outbox: a small chunk first, then large ones; an empty one owns nothing") {
  Arena arena(8 * block);
  Outbox outbox;
  CHECK(outbox.isEmpty());
  CHECK_EQ(outbox.first(), Arena::none);
  const std::string kib(1'024, 'a');
  CHECK(outbox.append(arena, bytesOf(kib)));
  CHECK(!arena.chunk(outbox.first()).isLarge);
  CHECK_EQ(chunksOf(outbox, arena), 1);
  CHECK(outbox.append(arena, bytesOf("b")));
  CHECK(arena.chunk(outbox.first()).isLarge);
  CHECK_EQ(chunksOf(outbox, arena), 1);
  CHECK_EQ(contentOf(outbox, arena), kib + "b");
  const std::string more(2 * block, 'c');
  CHECK(outbox.append(arena, bytesOf(more)));
  CHECK(contentOf(outbox, arena) == kib + "b" + more);
  CHECK_EQ(chunksOf(outbox, arena), 3);
  outbox.countMessage();
  CHECK_EQ(outbox.messages(), 1);
  outbox.clear(arena);
  CHECK(outbox.isEmpty() && outbox.messages() == 0 && outbox.first() == Arena::none);
  CHECK(outbox.append(arena, bytesOf(std::string(1'025, 'd'))));
  CHECK(arena.chunk(outbox.first()).isLarge);
  CHECK(outbox.append(arena, {}));
  CHECK_EQ(outbox.bytes(), 1'025);
  outbox.clear(arena);
}

TEST("outbox: random appends and clears of several at once, against strings") {
  check::eachSeed(60, [](check::Random& random) {
    Arena arena(64 * block);
    std::vector<Outbox> outboxes(6);
    std::vector<std::string> oracle(6);
    for (int step = 0; step < 200; step++) {
      const size_t which = random.below(outboxes.size());
      if (random.chance(15)) {
        outboxes[which].clear(arena);
        oracle[which].clear();
        continue;
      }
      const size_t size = random.chance(5)    ? random.below(3 * block)
                          : random.chance(30) ? random.below(3'000)
                                              : random.below(60);
      if (!arena.hasRoom(size)) continue;
      const std::string more(size, char('a' + step % 26));
      CHECK(outboxes[which].append(arena, Exact(bytesOf(more))));
      oracle[which] += more;
      CHECK_EQ(outboxes[which].bytes(), oracle[which].size());
      CHECK_EQ(outboxes[which].isEmpty(), oracle[which].empty());
    }
    for (size_t i = 0; i < outboxes.size(); i++) CHECK(contentOf(outboxes[i], arena) == oracle[i]);
    for (Outbox& outbox : outboxes) outbox.clear(arena);
  });
}

TEST("outbox: when the arena is full append gives false, what fitted is there, and a clear makes room again") {
  check::eachSeed(200, [](check::Random& random) {
    Arena arena(random.between(2, 6) * block);
    std::vector<Outbox> outboxes(random.between(1, 40));
    std::vector<std::string> oracle(outboxes.size());
    bool isFull = false;
    for (int step = 0; step < 2'000 && !isFull; step++) {
      const size_t which = random.below(outboxes.size());
      const std::string more(random.chance(50) ? random.below(200) : random.below(6'000), char('a' + step % 26));
      const bool mustFit = arena.hasRoom(more.size());
      const bool fitted = outboxes[which].append(arena, bytesOf(more));
      if (mustFit) CHECK(fitted);
      const std::string content = contentOf(outboxes[which], arena);
      CHECK_EQ(content.size(), outboxes[which].bytes());
      oracle[which] += more;
      CHECK(content == oracle[which].substr(0, content.size()));
      if (fitted) CHECK_EQ(content.size(), oracle[which].size());
      isFull = !fitted;
    }
    CHECK(isFull);
    for (Outbox& outbox : outboxes) outbox.clear(arena);
    const size_t certain = arena.size() - 3 * block;  // two are kept back, one may be cut
    if (arena.size() >= 3 * block) CHECK(arena.hasRoom(certain));
    const std::string again(arena.size() - block, 'z');
    CHECK(outboxes[0].append(arena, bytesOf(again)));
    CHECK(contentOf(outboxes[0], arena) == again);
    outboxes[0].clear(arena);
  });
}
