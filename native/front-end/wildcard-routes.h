// The filters with wildcards of a worker of a cluster, for routes.h: which others are told of, which ones cover them,
// and which prefix to widen when too many are told.
//
//   told      site/1/+/state  site/2/#  ...        in order of text: what begins alike is together
//   covered   site/2/#: site/2/+/state  site/2/1/+ by the told filter that covers them, each by one of them
//   orphans   site/3/+/state  ...                  covered by one that is told no more: to be covered anew, or told
//   groups    "" 2   "site/" 2   "site/1/" 1 ...   how many told filters begin with these levels
//   large     "site/"                              the groups that are worth widening
//   wide      "site/2/" -> site/2/#, 2             the wide filters, and how many filters each one counts
//
// Groups have at most `prefixLevelsMax` levels, so a told filter costs as many additions, and two searches in a tree. A
// covered one costs neither: there may be many more of them.
#pragma once
#include <set>
#include <unordered_map>
#include <vector>

#include "../structures/id-groups.h"
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
  WildcardRoutes(FilterTable& filters, size_t toldMax, uint64_t seed)
      : filters_(filters), toldMax_(toldMax), largeMin_(std::max<size_t>(2, toldMax / 64)), seed_(seed) {}

  size_t toldMax() const { return toldMax_; }
  size_t told() const { return told_.size(); }
  size_t wide() const { return wide_.size(); }
  // With what clients make it keep.
  size_t bytes() const {
    return told_.size() * placeBytes + covered_.bytes() + groups_.size() * groupBytes + wide_.size() * wideBytes;
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

  // `by`: a told filter.
  void addCovered(const Filter& filter, const Filter& by) {
    covered_.add(filters_.numberOf(by), filters_.numberOf(filter));
  }
  void removeCovered(const Filter& filter) { covered_.remove(filters_.numberOf(filter)); }
  // What one covers is covered by the other.
  void coverAll(const Filter& of, const Filter& by) { covered_.moveAll(filters_.numberOf(of), filters_.numberOf(by)); }
  void orphan(const Filter& of) { covered_.moveAll(filters_.numberOf(of), orphans); }
  // nullptr: there are none.
  Filter* firstOrphan() { return covered_.isEmpty(orphans) ? nullptr : &filters_.byNumber(covered_.first(orphans)); }

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

  // Of a wide filter: all but the # at its end.
  static Bytes prefixOf(Bytes wide) { return wide.first(wide.size() - 1); }

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
  static constexpr uint32_t orphans = 0;  // no filter has this number
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

  FilterTable& filters_;
  const size_t toldMax_;
  const size_t largeMin_;
  const uint64_t seed_;
  std::set<Filter*, ByText> told_;
  IdGroups covered_;                             // by number: the filters that a told one covers, and orphans
  std::unordered_map<uint64_t, size_t> groups_;  // by hash of the prefix
  std::set<std::pair<size_t, Text>> large_;      // levels, prefix
  std::unordered_map<uint64_t, Wide> wide_;      // by hash of the prefix
};

}  // namespace rally
