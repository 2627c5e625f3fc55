// The rules of one direction as a tree of the levels of their filters, and their decision about a topic or a filter.
//
//   allow scores/%u/#     root --scores--> 2 --\0u--> 3 (rest: allow)        ends: of rules whose filter ends here
//   deny  scores/+/x               \---+--> 4 --x--> 5 (ends: deny)         rest: of rules with '#' below here
//
// Immutable, so that the workers share it. A node is visited at most once per question, so no question takes longer
// than there are rules.
#pragma once
#include <vector>

#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/short-text.h"
#include "../wire/topic.h"
#include "placeholders.h"

namespace rally {

// The matching rules, the deciding one lowest: first a deny rule, then an allow rule, of those with precedence; then
// likewise of the others (the `pattern` lines of an acl_file, after `topic`).
using RuleBits = uint8_t;
inline constexpr RuleBits denyFirst = 1, allowFirst = 2, denyLater = 4, allowLater = 8;
inline constexpr RuleBits denyBits = denyFirst | denyLater;
inline constexpr RuleBits allowBits = allowFirst | allowLater;

// The bit that decides, or 0.
inline RuleBits decidingBit(RuleBits bits) { return RuleBits(bits & -bits); }
// If no rule matches nothing is allowed.
inline bool isAllowed(RuleBits matching) { return (decidingBit(matching) & allowBits) != 0; }

class RuleTree {
 public:
  explicit RuleTree(uint64_t seed) : seed_(seed), nodes_(2) {}

  void add(Bytes filter, RuleBits bit) {
    uint32_t node = root;
    nodes_[node].below |= bit;
    for (Rest rest{filter}; !rest.isOver; rest = rest.next()) {
      if (isLevel(rest.level(), '#')) {
        nodes_[node].rest |= bit;
        return;
      }
      node = childOrNew(node, rest.level());
      nodes_[node].below |= bit;
    }
    nodes_[node].ends |= bit;
  }

  // The rules as add() has got them, in any order: visit(filter, bits).
  template <class Visit>
  void eachRule(Visit&& visit) const {
    for (uint32_t id = root; id < nodes_.size(); id++) {
      const Node& node = nodes_[id];
      if (node.ends != 0) visit(Bytes(filterOf(id)), node.ends);
      if (node.rest == 0) continue;
      std::vector<uint8_t> filter = filterOf(id);
      if (id != root) filter.push_back('/');
      filter.push_back('#');
      visit(Bytes(filter), node.rest);
    }
  }

  // The rules that match the topic.
  RuleBits matching(Bytes topic, const PlaceholderValues& who) const {
    RuleBits found = 0;
    match(root, Rest{topic}, who, allBits, found);
    return found;
  }
  // The rules that match everything that the filter matches.
  RuleBits covering(Bytes filter, const PlaceholderValues& who) const {
    RuleBits found = 0;
    cover(root, Rest{filter}, who, allBits, found);
    return found;
  }
  // At least the rules that match something that the filter matches.
  RuleBits meeting(Bytes filter, const PlaceholderValues& who) const {
    RuleBits found = 0;
    meet(root, Rest{filter}, who, allBits, found);
    return found;
  }

 private:
  struct Node {
    RuleBits ends = 0;
    RuleBits rest = 0;
    RuleBits below = 0;   // of all rules that end at this node or below it
    uint32_t single = 0;  // the child '+'
    uint32_t named = 0;   // the first child that is a placeholder
    uint32_t child = 0;   // the first child that is a literal level
    uint32_t next = 0;    // sibling of the same kind
    uint32_t parent = 0;
    ShortText level;
  };

  // The rest of a topic or filter.
  struct Rest {
    Bytes text;           // from the beginning of a level
    bool isOver = false;  // there are no more levels
    bool isWhole = true;

    Bytes level() const { return firstLevel(text); }
    Rest next() const {
      const size_t taken = level().size();
      if (taken == text.size()) return {{}, true, false};
      return {text.subspan(taken + 1), false, false};
    }
    // A level that begins with '$' is matched by no wildcard [MQTT-4.7.2-1], and by no value that a client claims.
    bool isReserved() const { return isWhole && !text.empty() && text[0] == '$'; }
  };

  static constexpr uint32_t root = 1;
  static constexpr RuleBits allBits = denyBits | allowBits;

  void match(uint32_t node, Rest rest, const PlaceholderValues& who, RuleBits mask, RuleBits& found) const {
    const Node& here = nodes_[node];
    if (rest.isOver) {
      found |= (here.ends | here.rest) & mask;
      return;
    }
    const Rest next = rest.next();
    const bool isReserved = rest.isReserved();
    if (!isReserved) found |= here.rest & mask;
    if (here.child != 0) {
      if (const uint32_t child = childOf(node, rest.level())) match(child, next, who, mask, found);
    }
    if (isReserved) return;
    if (here.single != 0) match(here.single, next, who, mask, found);
    eachNamed(here, who, [&](uint32_t child, const PlaceholderValue& value) {
      if (!value.isFit()) match(child, next, who, mask & denyBits, found);
      else if (value.is(rest.level())) match(child, next, who, mask, found);
    });
  }

  void cover(uint32_t node, Rest rest, const PlaceholderValues& who, RuleBits mask, RuleBits& found) const {
    const Node& here = nodes_[node];
    if (rest.isOver) {
      found |= (here.ends | here.rest) & mask;
      return;
    }
    const bool isReserved = rest.isReserved();
    if (!isReserved) found |= here.rest & mask;
    const Bytes level = rest.level();
    if (isLevel(level, '#')) return;
    const bool isAny = isLevel(level, '+');
    const Rest next = rest.next();
    if (!isAny) {
      if (const uint32_t child = childOf(node, level)) cover(child, next, who, mask, found);
    }
    if (isReserved) return;
    if (here.single != 0) cover(here.single, next, who, mask, found);
    eachNamed(here, who, [&](uint32_t child, const PlaceholderValue& value) {
      if (!value.isFit()) cover(child, next, who, mask & denyBits, found);
      else if (!isAny && value.is(level)) cover(child, next, who, mask, found);
    });
  }

  void meet(uint32_t node, Rest rest, const PlaceholderValues& who, RuleBits mask, RuleBits& found) const {
    const Node& here = nodes_[node];
    if (rest.isOver) {
      found |= (here.ends | here.rest) & mask;
      return;
    }
    const Bytes level = rest.level();
    if (isLevel(level, '#')) {
      found |= (here.ends | here.rest) & mask;
      eachMet(node, rest, who, mask,
              [&](uint32_t child, RuleBits bits) { found = RuleBits(found | (nodes_[child].below & bits)); });
      return;
    }
    if (!rest.isReserved()) found |= here.rest & mask;
    const Rest next = rest.next();
    eachMet(node, rest, who, mask, [&](uint32_t child, RuleBits bits) { meet(child, next, who, bits, found); });
  }

  // The children that share a level with the first one of `rest`, and which of their rules count.
  template <class Visit>
  void eachMet(uint32_t node, const Rest& rest, const PlaceholderValues& who, RuleBits mask, Visit&& visit) const {
    const Node& here = nodes_[node];
    const Bytes level = rest.level();
    const bool isAny = isLevel(level, '+') || isLevel(level, '#');
    if (isAny) {
      for (uint32_t child = here.child; child != 0; child = nodes_[child].next) {
        const Bytes text = nodes_[child].level.bytes();
        const bool isReserved = rest.isWhole && !text.empty() && text[0] == '$';
        if (!isReserved) visit(child, mask);
      }
    } else if (const uint32_t child = childOf(node, level)) {
      visit(child, mask);
    }
    if (rest.isReserved()) return;
    if (here.single != 0) visit(here.single, mask);
    eachNamed(here, who, [&](uint32_t child, const PlaceholderValue& value) {
      if (!value.isFit()) visit(child, RuleBits(mask & denyBits));
      else if (isAny || value.is(level)) visit(child, mask);
    });
  }

  // The children that are placeholders for a value of the client.
  template <class Visit>
  void eachNamed(const Node& here, const PlaceholderValues& who, Visit&& visit) const {
    for (uint32_t child = here.named; child != 0; child = nodes_[child].next) {
      if (const PlaceholderValue* value = who.find(nodes_[child].level.bytes())) visit(child, *value);
    }
  }

  // The levels down to this node.
  std::vector<uint8_t> filterOf(uint32_t id) const {
    std::vector<uint32_t> way;
    for (; id != root; id = nodes_[id].parent) way.push_back(id);
    std::vector<uint8_t> filter;
    for (auto each = way.rbegin(); each != way.rend(); ++each) {
      if (each != way.rbegin()) filter.push_back('/');
      const Bytes level = nodes_[*each].level.bytes();
      filter.insert(filter.end(), level.begin(), level.end());
    }
    return filter;
  }

  uint64_t hashOf(uint32_t parent, Bytes level) const { return hashBytes(level, seed_ + parent * hashMultiplier); }

  // The child with this literal level, or 0.
  uint32_t childOf(uint32_t parent, Bytes level) const {
    return index_.find(hashOf(parent, level), [&](uint32_t id) {
      return nodes_[id].parent == parent && areEqual(nodes_[id].level.bytes(), level);
    });
  }

  uint32_t childOrNew(uint32_t parent, Bytes level) {
    if (isLevel(level, '+')) {
      if (nodes_[parent].single == 0) nodes_[parent].single = hang(parent, level, 0);
      return nodes_[parent].single;
    }
    if (isPlaceholder(level)) {
      for (uint32_t child = nodes_[parent].named; child != 0; child = nodes_[child].next) {
        if (areEqual(nodes_[child].level.bytes(), level)) return child;
      }
      return nodes_[parent].named = hang(parent, level, nodes_[parent].named);
    }
    if (const uint32_t child = childOf(parent, level)) return child;
    const uint32_t child = hang(parent, level, nodes_[parent].child);
    nodes_[parent].child = child;
    index_.add(hashOf(parent, level), child);
    return child;
  }

  uint32_t hang(uint32_t parent, Bytes level, uint32_t next) {
    const auto id = uint32_t(nodes_.size());
    Node& node = nodes_.emplace_back();
    node.level = ShortText(level);
    node.parent = parent;
    node.next = next;
    return id;
  }

  uint64_t seed_;
  std::vector<Node> nodes_;
  HashIndex index_;
};

}  // namespace rally
