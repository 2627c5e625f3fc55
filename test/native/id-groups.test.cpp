// native/structures/id-groups.h
#include <deque>
#include <map>
#include <vector>

#include "check.h"

#include "../../native/structures/id-groups.h"

using rally::IdGroups;

namespace {

std::vector<uint32_t> membersOf(IdGroups& groups, uint32_t group) {
  std::vector<uint32_t> members;
  while (!groups.isEmpty(group)) {
    members.push_back(groups.first(group));
    groups.remove(members.back());
  }
  for (const uint32_t member : members) groups.add(group, member);
  return members;
}

}  // namespace

TEST("id groups: have the members that an oracle has, in order, and end without memory for links") {
  check::eachSeed(30, [](check::Random& random) {
    IdGroups groups;
    std::map<uint32_t, std::vector<uint32_t>> oracle;  // groups that are not empty
    std::map<uint32_t, uint32_t> groupOf;
    const uint32_t spread = random.chance(50) ? 1 : 700;  // in one chunk, or in many
    const auto isAlone = [&](uint32_t id) { return !groupOf.contains(id) && !oracle.contains(id); };
    const auto remove = [&](uint32_t id) {
      groups.remove(id);
      std::vector<uint32_t>& members = oracle[groupOf[id]];
      std::erase(members, id);
      if (members.empty()) oracle.erase(groupOf[id]);
      groupOf.erase(id);
    };
    for (int step = 0; step < 500; step++) {
      const uint32_t id = uint32_t(random.below(40)) * spread;
      const uint32_t other = uint32_t(random.below(10)) * spread;
      const bool isGroup = !groupOf.contains(other) && other != id;
      const auto drawn = random.below(10);
      if (drawn < 5 && isGroup && isAlone(id)) {
        groups.add(other, id);
        oracle[other].push_back(id);
        groupOf[id] = other;
      } else if (drawn < 8 && groupOf.contains(id)) {
        remove(id);
      } else if (drawn == 8 && isGroup && !groupOf.contains(id)) {
        groups.moveAll(id, other);
        for (const uint32_t member : std::exchange(oracle[id], {})) {
          oracle[other].push_back(member);
          groupOf[member] = other;
        }
        oracle.erase(id);
      }
      const uint32_t asked = uint32_t(random.below(40)) * spread;
      if (groupOf.contains(asked)) continue;
      CHECK_EQ(groups.isEmpty(asked), !oracle.contains(asked));
      CHECK(membersOf(groups, asked) == (oracle.contains(asked) ? oracle[asked] : std::vector<uint32_t>{}));
    }
    const size_t bytes = groups.bytes();
    while (!groupOf.empty()) remove(groupOf.begin()->first);
    CHECK(groups.bytes() <= bytes && groups.bytes() < 1'024);
  });
}
