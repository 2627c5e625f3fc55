// The branching of filters with wildcards, which bounds the work of matching a topic, whatever clients subscribe to.
//
//   filters   site/+/state   site/+/value/#   +/1/state         The shape of a filter has `+` (s) or text (l) for
//   shapes    l s l          l s l            s l l             each level.
//
//   branches  (l)-(s)-(l)        Of all filters whose shapes begin alike, a topic reaches at most one node of the
//             (s)-(l)-(l)        filter tree. So it never reaches more nodes than there are branches here: 6.
//
// Tens of thousands of filters usually have a handful of shapes. 17 levels of "a or +" have 131,072, and without a
// limit every topic of that depth would pay for them.
//
// Common shapes are few: any with 4 levels, two `+` in 8, one `+` in 16 have 242 branches together. There is always
// room for these. Any other branch is rare: it is charged to the session that needed it first, and each session may
// have a small part of them.
#pragma once
#include <algorithm>
#include <unordered_map>

#include "../assert.h"
#include "../structures/fair-share.h"
#include "../structures/slab.h"
#include "../wire/topic.h"

namespace rally {

class FilterShapes {
 public:
  FilterShapes() { branches_.add(); }

  // Branches that are never refused: the number of common ones.
  static constexpr size_t commonMax() {
    size_t count = 0;
    for (size_t levels = 1; levels <= levelsWithOne; levels++) {
      if (levels <= levelsWithAny) count += size_t(1) << levels;
      else if (levels <= levelsWithTwo) count += 1 + levels + levels * (levels - 1) / 2;
      else count += 1 + levels;
    }
    return count;
  }

  size_t branches() const { return branches_.size() - 1; }
  // The rare ones among those.
  size_t rare() const { return rare_; }

  // The number of rare branches that the filter would add.
  size_t lacking(Bytes filter) const {
    uint32_t at = root;
    size_t count = 0;
    eachStep(filter, [&](unsigned step, bool isRare) {
      if (at != 0) at = branches_[at].next[step];
      if (at == 0 && isRare) count++;
    });
    return count;
  }

  // `session`: the one that new rare branches are charged to; 0: none here.
  void add(Bytes filter, uint64_t session) {
    uint32_t at = root;
    eachStep(filter, [&](unsigned step, bool isRare) {
      uint32_t next = branches_[at].next[step];
      if (next == 0) {
        next = branches_.add();
        branches_[at].next[step] = next;
        branches_[next] = {.parent = at, .step = uint8_t(step), .isRare = isRare, .session = session};
        rare_ += isRare;
        if (isRare && session != 0) charges_[session]++;
      }
      at = next;
      branches_[at].filters++;
    });
  }

  void remove(Bytes filter) {
    uint32_t at = root;
    eachStep(filter, [&](unsigned step, bool) {
      at = branches_[at].next[step];
      RALLY_ASSERT(at != 0);
    });
    while (at != root) {
      Branch& branch = branches_[at];
      const uint32_t parent = branch.parent;
      if (--branch.filters == 0) {
        rare_ -= branch.isRare;
        if (branch.isRare) discharge(branch.session);
        branches_[parent].next[branch.step] = 0;
        branches_.remove(at);
      }
      at = parent;
    }
  }

  // Rare branches that are charged to the session.
  size_t chargeOf(uint64_t session) const {
    const auto found = charges_.find(session);
    return found == charges_.end() ? 0 : found->second;
  }
  // Whether the session may be charged for `lacking` more rare branches, of `branchesMax` in all: at most an eighth,
  // and no more than it leaves for others (fair-share.h).
  bool hasRoom(uint64_t session, size_t lacking, size_t branchesMax) const {
    if (lacking == 0) return true;
    const size_t rareMax = branchesMax - std::min(branchesMax, commonMax());
    const size_t own = chargeOf(session);
    return own + lacking <= rareMax / 8 && leavesAsMuch(own, rare_, lacking, rareMax);
  }
  // The session is gone. Branches of it that others use are charged to nobody.
  void forget(uint64_t session) { charges_.erase(session); }

 private:
  struct Branch {
    uint32_t next[2] = {0, 0};  // by the step: a text, `+`
    uint32_t parent = 0;
    uint32_t filters = 0;  // whose shapes begin so
    uint8_t step = 0;
    bool isRare = false;
    uint64_t session = 0;
  };

  static constexpr uint32_t root = 1;
  // The levels of a common shape: with any number of `+`, with two, with one.
  static constexpr uint32_t levelsWithAny = 4;
  static constexpr uint32_t levelsWithTwo = 8;
  static constexpr uint32_t levelsWithOne = 16;

  static constexpr bool isCommon(uint32_t levels, uint32_t singles) {
    const uint32_t levelsMax = singles <= 1 ? levelsWithOne : singles == 2 ? levelsWithTwo : levelsWithAny;
    return levels <= levelsMax;
  }

  // Calls `visit(step, isRare)` for each branch of the filter's shape.
  template <class Visit>
  static void eachStep(Bytes filter, Visit&& visit) {
    uint32_t levels = 0;
    uint32_t singles = 0;
    eachLevel(filter, [&](Bytes level) {
      if (isLevel(level, '#')) return false;
      const bool isSingle = isLevel(level, '+');
      levels++;
      singles += isSingle;
      visit(isSingle ? 1u : 0u, !isCommon(levels, singles));
      return true;
    });
  }

  void discharge(uint64_t session) {
    const auto found = charges_.find(session);
    if (found != charges_.end() && --found->second == 0) charges_.erase(found);
  }

  Slab<Branch> branches_;
  size_t rare_ = 0;
  std::unordered_map<uint64_t, size_t> charges_;
};

}  // namespace rally
