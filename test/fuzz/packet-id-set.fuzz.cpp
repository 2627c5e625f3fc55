// native/sessions/packet-id-set.h against std::set.
#include "fuzz.h"

#include <set>

#include "../../native/sessions/packet-id-set.h"

using namespace rally;

FUZZ("packet-id-set") {
  PacketIdSet ids;
  std::set<uint16_t> oracle;
  while (!input.isSpent()) {
    auto id = uint16_t(input.between(1, 65'535));
    const auto stride = uint16_t(1 << input.below(13));
    const bool adds = input.chance(55);
    for (size_t count = input.between(1, 60); count > 0; count--, id = uint16_t(id + stride)) {
      if (id == 0) continue;
      CHECK_EQ(ids.contains(id), oracle.contains(id));
      if (adds) CHECK_EQ(ids.add(id), oracle.insert(id).second);
      else CHECK_EQ(ids.remove(id), oracle.erase(id) == 1);
    }
    CHECK_EQ(ids.size(), oracle.size());
    if (oracle.size() > 3'000) break;
  }
  std::set<uint16_t> visited;
  ids.each([&](uint16_t id) { CHECK(visited.insert(id).second); });
  CHECK(visited == oracle);
  const PacketIdSet copy = ids;
  for (const uint16_t id : oracle) CHECK(copy.contains(id) && ids.remove(id));
  CHECK(ids.size() == 0 && copy.size() == oracle.size());
}
