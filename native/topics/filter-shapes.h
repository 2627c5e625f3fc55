// How far the filters with wildcards branch: what bounds the work of matching a topic, whatever clients subscribe to.
//
//   filters   site/+/state   site/+/value/#   +/1/state         The shape of a filter says of each level whether it is
//   shapes    l s l          l s l            s l l             `+` (s) or a text (l).
//
//   branches  (l)-(s)-(l)        A topic reaches, of all filters whose shapes begin alike, at most one node of the
//             (s)-(l)-(l)        filter tree. So it never reaches more nodes than there are branches here: 6.
//
// Filters in the ten thousands mostly have a handful of shapes. 17 levels of "a or +" have 131,072, and without a bound
// every topic of that depth would pay for them. A branch is charged to the session that needed it first.
#pragma once
#include <unordered_map>

#include "../assert.h"
#include "../structures/fair-share.h"
#include "../structures/slab.h"
#include "../wire/topic.h"

namespace rally {

class FilterShapes {
 public:
  FilterShapes() { branches_.add(); }

  size_t branches() const { return branches_.size() - 1; }

  // How many branches the filter would add.
  size_t lacking(Bytes filter) const {
    uint32_t at = root;
    size_t count = 0;
    eachStep(filter, [&](unsigned step) {
      if (at != 0) at = branches_[at].next[step];
      if (at == 0) count++;
    });
    return count;
  }

  // `session`: whom new branches are charged to; 0: nobody here.
  void add(Bytes filter, uint64_t session) {
    uint32_t at = root;
    eachStep(filter, [&](unsigned step) {
      uint32_t next = branches_[at].next[step];
      if (next == 0) {
        next = branches_.add();
        branches_[at].next[step] = next;
        branches_[next] = {.parent = at, .step = uint8_t(step), .session = session};
        if (session != 0) charges_[session]++;
      }
      at = next;
      branches_[at].filters++;
    });
  }

  void remove(Bytes filter) {
    uint32_t at = root;
    eachStep(filter, [&](unsigned step) {
      at = branches_[at].next[step];
      RALLY_ASSERT(at != 0);
    });
    while (at != root) {
      Branch& branch = branches_[at];
      const uint32_t parent = branch.parent;
      if (--branch.filters == 0) {
        discharge(branch.session);
        branches_[parent].next[branch.step] = 0;
        branches_.remove(at);
      }
      at = parent;
    }
  }

  // Branches that are charged to the session.
  size_t chargeOf(uint64_t session) const {
    const auto found = charges_.find(session);
    return found == charges_.end() ? 0 : found->second;
  }
  // Whether the session may be charged for `lacking` more, of `branchesMax` in all (fair-share.h).
  bool hasRoom(uint64_t session, size_t lacking, size_t branchesMax) const {
    return leavesAsMuch(chargeOf(session), branches(), lacking, branchesMax);
  }
  // The session is no more here. What others use of its branches is nobody's.
  void forget(uint64_t session) { charges_.erase(session); }

 private:
  struct Branch {
    uint32_t next[2] = {0, 0};  // by the step: a text, `+`
    uint32_t parent = 0;
    uint32_t filters = 0;  // whose shapes begin so
    uint8_t step = 0;
    uint64_t session = 0;
  };

  static constexpr uint32_t root = 1;

  template <class Visit>
  static void eachStep(Bytes filter, Visit&& visit) {
    eachLevel(filter, [&](Bytes level) {
      if (isLevel(level, '#')) return false;
      visit(isLevel(level, '+') ? 1u : 0u);
      return true;
    });
  }

  void discharge(uint64_t session) {
    const auto found = charges_.find(session);
    if (found != charges_.end() && --found->second == 0) charges_.erase(found);
  }

  Slab<Branch, true> branches_;
  std::unordered_map<uint64_t, size_t> charges_;
};

}  // namespace rally
