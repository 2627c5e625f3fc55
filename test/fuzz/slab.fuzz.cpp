// native/structures/slab.h against std::map.
#include "fuzz.h"

#include <map>

#include "../../native/structures/slab.h"

using namespace rally;

FUZZ("slab") {
  Slab<uint64_t> slab;
  std::map<uint32_t, uint64_t> oracle;
  uint32_t end = 1;
  uint64_t value = 0;
  while (!input.isSpent()) {
    const size_t count = input.between(1, input.chance(30) ? 1'500 : 5);
    const unsigned kept = input.chance(50) ? 0 : unsigned(input.below(100));
    if (input.chance(55)) {
      for (size_t i = 0; i < count; i++) {
        const uint32_t id = slab.add();
        CHECK(id != 0 && !oracle.contains(id));
        CHECK_EQ(slab[id], 0);
        slab[id] = oracle[id] = ++value;
        end = std::max(end, id + 1);
      }
    } else {
      auto some = oracle.lower_bound(uint32_t(input.below(end)));
      for (size_t i = 0; i < count && some != oracle.end(); i++) {
        if (i % 100 < kept) {
          ++some;
          continue;
        }
        slab.remove(some->first);
        some = oracle.erase(some);
      }
    }
    CHECK(slab.size() == oracle.size() && slab.end() == end);
    for (const auto& [id, expected] : oracle) CHECK_EQ(slab[id], expected);
    auto next = oracle.begin();
    slab.each([&](uint64_t object) { CHECK(next != oracle.end() && (next++)->second == object); });
    CHECK(next == oracle.end());
    if (oracle.size() > 10'000) return;
  }
}
