// native/structures/hash-index.h against std::map, with hashes that collide in all ways, and
// native/structures/hash.h with the slots of native/topics/slot.h.
#include "fuzz.h"

#include <map>

#include "../../native/structures/hash-index.h"
#include "../../native/structures/hash.h"
#include "../../native/topics/slot-map.h"

using namespace rally;

FUZZ("hash-index") {
  HashIndex index;
  std::map<uint32_t, uint64_t> oracle;  // identifier -> hash
  uint32_t lastId = 0;
  const unsigned shift = unsigned(input.below(33));
  while (!input.isSpent()) {
    const uint64_t hash = uint64_t(input.byte()) << shift << (input.chance(50) ? 24 : 0);
    switch (input.below(4)) {
      case 0:
      case 1:
        for (size_t count = input.between(1, 20); count > 0; count--) {
          const uint64_t own = hash + (uint64_t(count) << 32);
          index.add(own, ++lastId);
          oracle[lastId] = own;
        }
        break;
      case 2:
        for (size_t count = input.between(1, 30); count > 0 && !oracle.empty(); count--) {
          auto some = oracle.lower_bound(uint32_t(input.below(lastId + size_t(1))));
          if (some == oracle.end()) some = oracle.begin();
          index.remove(some->second, some->first);
          oracle.erase(some);
        }
        break;
      default:
        CHECK_EQ(index.find(hash,
                            [&](uint32_t id) {
                              CHECK(oracle.contains(id));
                              return oracle[id] == hash;
                            }) != 0,
                 std::any_of(oracle.begin(), oracle.end(), [&](const auto& each) { return each.second == hash; }));
    }
    CHECK_EQ(index.size(), oracle.size());
    for (const auto& [id, own] : oracle)
      CHECK_EQ(index.find(own, [wanted = id](uint32_t each) { return each == wanted; }), id);
    if (oracle.size() > 500) return;
  }
  const Octets bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  for (size_t size = 0; size <= bytes.size(); size++) {
    const Exact exact(Bytes(bytes).first(size));  // nothing behind it is read
    CHECK_EQ(hashBytes(exact, shift), hashBytes(Bytes(bytes).first(size), shift));
    for (const unsigned workers : {1u, 3u, 64u})
      CHECK(SlotMap::dealtTo(slotOf(hashBytes(exact, shift)), workers) < workers);
  }
}
