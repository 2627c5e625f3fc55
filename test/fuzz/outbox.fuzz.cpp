// native/front-end/outbox.h in native/structures/arena.h: outboxes that share an arena, against strings.
#include "fuzz.h"

#include "../../native/front-end/outbox.h"

using namespace rally;

FUZZ("outbox") {
  const size_t blocks = input.between(1, 8);
  Arena arena(blocks * Arena::largeBytes);
  std::vector<Outbox> outboxes(5);
  std::vector<std::string> oracle(5);
  std::vector<bool> isBroken(5);  // the arena was full: it is of no use until it is cleared
  const auto contentOf = [&](const Outbox& outbox) {
    std::string all;
    outbox.eachChunk(arena, [&](const uint8_t* bytes, size_t size) { all.append(bytes, bytes + size); });
    return all;
  };
  char letter = 'a';
  while (!input.isSpent()) {
    const size_t which = input.below(outboxes.size());
    if (input.chance(20)) {
      outboxes[which].clear(arena);
      oracle[which].clear();
      isBroken[which] = false;
      CHECK(outboxes[which].isEmpty() && outboxes[which].messages() == 0 && outboxes[which].first() == Arena::none);
    } else if (!isBroken[which]) {
      const size_t size = input.chance(20)   ? input.below(40'000)
                          : input.chance(50) ? input.between(1'000, 1'050)
                                             : input.below(300);
      const std::string more(size, letter = letter == 'z' ? 'a' : char(letter + 1));
      const bool mustFit = arena.hasRoom(size);
      const bool fitted = outboxes[which].append(arena, Exact(bytesOf(more)));
      if (mustFit) CHECK(fitted);
      oracle[which] += more;
      if (!fitted) oracle[which].resize(outboxes[which].bytes());
      isBroken[which] = !fitted;
      outboxes[which].countMessage();
    }
    for (size_t i = 0; i < outboxes.size(); i++) {
      CHECK_EQ(outboxes[i].bytes(), oracle[i].size());
      CHECK_EQ(contentOf(outboxes[i]), oracle[i]);
    }
  }
  for (Outbox& outbox : outboxes) outbox.clear(arena);
  size_t large = 0;
  while (arena.take(true) != Arena::none) large++;
  CHECK(large + 1 >= blocks);  // one may stay cut for the next small chunk
}
