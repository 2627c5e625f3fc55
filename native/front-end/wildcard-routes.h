// The filters with wildcards of a worker of a cluster, for routes.h: which others are told of, which ones cover them,
// and which prefix to widen when too many are told.
//
//   told      site/1/+/state  site/2/#  ...        in order of text, as the covered ones: what begins alike is together
//   covered   site/2/+/state  site/2/1/+  ...
//   groups    "" 2   "site/" 2   "site/1/" 1 ...   how many told filters begin with these levels
//   large     "site/"                              the groups that are worth widening
//   wide      "site/2/" -> site/2/#, 2             the wide filters, and how many filters each one counts
//
// Groups have at most `prefixLevelsMax` levels, so a change costs as many additions, and two searches in a tree.
#pragma once
#include <set>
#include <unordered_map>
#include <vector>

#include "../topics/filter-table.h"

namespace rally {

class WildcardRoutes {
 public:
  using Text = std::vector<uint8_t>;

  // Tells of others in place of them.
  struct Wide {
    Filter* filter = nullptr;
    size_t counted = 0;  // filters
  };

  // `toldMax`: told filters; more are widened. `seed`: of hashes.
  WildcardRoutes(size_t toldMax, uint64_t seed)
      : toldMax_(toldMax), largeMin_(std::max<size_t>(2, toldMax / 64)), seed_(seed) {}

  size_t toldMax() const { return toldMax_; }
  size_t told() const { return told_.size(); }
  size_t wide() const { return wide_.size(); }
  // With what clients make it keep.
  size_t bytes() const {
    return (told_.size() + covered_.size()) * placeBytes + groups_.size() * groupBytes + wide_.size() * wideBytes;
  }

  void addTold(Filter& filter) {
    told_.insert(&filter);
    eachPrefix(filter.text(), [&](Bytes prefix, size_t levels) {
      if (++groups_[hashOf(prefix)] == largeMin_) large_.emplace(levels, Text(prefix.begin(), prefix.end()));
    });
  }
  void removeTold(Filter& filter) {
    told_.erase(&filter);
    eachPrefix(filter.text(), [&](Bytes prefix, size_t levels) {
      const auto group = groups_.find(hashOf(prefix));
      if (group->second-- == largeMin_) large_.erase({levels, Text(prefix.begin(), prefix.end())});
      if (group->second == 0) groups_.erase(group);
    });
  }
  void addCovered(Filter& filter) { covered_.insert(&filter); }
  void removeCovered(Filter& filter) { covered_.erase(&filter); }

  // The prefix to widen, with the slash at its end: the longest one that many told filters begin with. False: there is
  // none.
  bool toWiden(Text& prefix) const {
    if (large_.empty()) return false;
    prefix = large_.rbegin()->second;
    return true;
  }

  Wide& addWide(Filter& filter) { return wide_[hashOf(prefixOf(filter.text()))] = {.filter = &filter}; }
  void removeWide(const Filter& filter) { wide_.erase(hashOf(prefixOf(filter.text()))); }
  Wide& wideOf(const Filter& filter) { return wide_.find(hashOf(prefixOf(filter.text())))->second; }
  // The wide filter with the longest prefix that this one begins with, or nullptr.
  Wide* wideAbove(const Filter& filter) {
    Wide* longest = nullptr;
    if (wide_.empty()) return nullptr;
    eachPrefix(filter.text(), [&](Bytes prefix, size_t) {
      const auto found = wide_.find(hashOf(prefix));
      if (found != wide_.end() && found->second.filter != &filter) longest = &found->second;
    });
    return longest;
  }
  template <class Visit>
  void eachWide(Visit&& visit) {
    for (auto& each : wide_) visit(each.second);
  }

  // The first told filter below the prefix of a wide one; or nullptr.
  Filter* firstTold(const Filter& wide) const {
    const Bytes prefix = prefixOf(wide.text());
    for (auto found = told_.lower_bound(prefix); found != told_.end();) {
      const Bytes text = (*found)->text();
      if (!beginsWith(text, prefix)) break;
      if (*found != &wide && !(prefix.empty() && text[0] == '$')) return *found;
      if (*found == &wide) ++found;
      else found = told_.lower_bound(bytesOfText("%"));  // what comes behind $
    }
    return nullptr;
  }
  // The first covered filter that begins with the prefix and comes after `place`, if there is one; or nullptr.
  Filter* nextCovered(Bytes prefix, Bytes place) const {
    const auto found = place.empty() ? covered_.lower_bound(prefix) : covered_.upper_bound(place);
    return found != covered_.end() && beginsWith((*found)->text(), prefix) ? *found : nullptr;
  }

  // Of a wide filter: all but the # at its end.
  static Bytes prefixOf(Bytes wide) { return wide.first(wide.size() - 1); }
  // The beginning that whatever a filter covers has too: its levels before the first wildcard.
  static Bytes literalPrefixOf(Bytes filter) {
    size_t size = 0;
    eachLevel(filter, [&](Bytes level) {
      if (isLevel(level, '+') || isLevel(level, '#')) return false;
      size = std::min(filter.size(), size + level.size() + 1);
      return true;
    });
    return filter.first(size);
  }

 private:
  struct ByText {
    using is_transparent = void;
    bool operator()(const Filter* a, const Filter* b) const { return isBefore(a->text(), b->text()); }
    bool operator()(const Filter* a, Bytes b) const { return isBefore(a->text(), b); }
    bool operator()(Bytes a, const Filter* b) const { return isBefore(a, b->text()); }
    static bool isBefore(Bytes a, Bytes b) {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
  };

  static constexpr size_t prefixLevelsMax = 8;
  static constexpr size_t placeBytes = blockBytes(5 * sizeof(void*));
  static constexpr size_t groupBytes = blockBytes(3 * sizeof(void*)) + sizeof(void*);
  static constexpr size_t wideBytes = blockBytes(4 * sizeof(void*)) + sizeof(void*);

  uint64_t hashOf(Bytes prefix) const { return hashBytes(prefix, seed_); }

  // Calls `visit(prefix, levels)` for those that a wide filter may have which covers this one. `#` does not match what
  // begins with $ [MQTT-4.7.2-1].
  template <class Visit>
  static void eachPrefix(Bytes text, Visit&& visit) {
    if (text.empty() || text[0] != '$') visit(text.first(0), size_t(0));
    for (size_t levels = 1, size = 0; levels <= prefixLevelsMax; levels++) {
      size += firstLevel(text.subspan(size)).size() + 1;
      if (size > text.size()) return;
      visit(text.first(size), levels);
    }
  }

  const size_t toldMax_;
  const size_t largeMin_;
  const uint64_t seed_;
  std::set<Filter*, ByText> told_;
  std::set<Filter*, ByText> covered_;
  std::unordered_map<uint64_t, size_t> groups_;  // by hash of the prefix
  std::set<std::pair<size_t, Text>> large_;      // levels, prefix
  std::unordered_map<uint64_t, Wide> wide_;      // by hash of the prefix
};

}  // namespace rally
