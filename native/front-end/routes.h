// The interest of a worker's subscribers in filters, told to the owners of matching topics: to the shards of the other
// workers, over the lanes, and in a cluster to other nodes, which answer late.
//
//   set(filter, live) set(filter, durable) ... areKnown(token)? --no--> Subscriptions::onRoutesKnown(token)
//
// In a cluster a filter with wildcards is not told while another told filter of this worker covers it, as a/#
// covers a/+/b: the owner of a topic sends each of its messages once, and this worker finds all matching filters. When
// the covering filter is removed, the covered ones are told first (route-jobs.h), and then its removal.
//
// If a worker would tell more filters with wildcards than it may (wildcardRoutesMax), it widens: of all prefixes that
// at least a 64th of them begin with, it takes the longest, tells `prefix#` and then that those below are gone. Such a
// wide filter is in the table without subscribers, and covers like any other. What comes for it and matches nothing is
// dropped here.
//
//   told   site/1/+  site/2/+ ... site/9/+  --told > max--> site/#     and site/10/+ is covered at once
//                                     <--told + counted <= max / 2--   site/# counts those that it is told for
//
// Between two widenings at least a 64th of the bound is told, and between widening and narrowing half of it changes: so
// the work of both, which is that many filters, is a constant for each change. Narrowing is decided once a second.
//
// A SUBSCRIBE is complete when all of them know its filters: messages published after its SUBACK are delivered.
#pragma once
#include <functional>

#include "../counters.h"
#include "../lanes/requests.h"
#include "../topics/filter-table.h"
#include "../topics/route-sums.h"
#include "../topics/slot-map.h"
#include "shard-requests.h"
#include "wildcard-routes.h"

namespace rally {

class Routes {
 public:
  virtual ~Routes() = default;
  // From now on. Repeated when it changes, also when a subscribed session becomes durable or ceases to be.
  virtual void set(Filter& filter, Interest interest) = 0;
  // Whether all know the filters of the SUBSCRIBE that `token` names, or will before anything that follows over the
  // lanes. False: onRoutesKnown() follows, once.
  virtual bool areKnown(uint64_t token) = 0;
  // Of what it keeps besides the filters.
  virtual size_t bytes() const { return 0; }
};

// To the shards of this process.
class LaneRoutes : public Routes {
 public:
  using Text = WildcardRoutes::Text;
  // Work on many filters, in slices (route-jobs.h).
  enum class Work : uint8_t {
    uncover,  // tells of orphans, and then that the filter with this text, which covered them, is gone or wants less
    widen,    // covers those that this wide filter is told for
  };
  using AddWork = std::function<void(Work work, Text text)>;

  // `wildcardsMax`: filters with wildcards that others are told of.
  LaneRoutes(const SlotMap& slots, FilterTable& filters, ShardRequests& requests, Counters& counters,
             size_t wildcardsMax, uint64_t seed)
      : slots_(slots),
        filters_(filters),
        requests_(requests),
        counters_(counters),
        wildcards_(filters, std::max<size_t>(1, wildcardsMax), seed) {}

  // From now on filters are covered, and `sums` are those of what is told. `addWork(work, text)`: proceed() is to be
  // called for it until it is done.
  void startCluster(RouteSums& sums, AddWork addWork) {
    sums_ = &sums;
    addWork_ = std::move(addWork);
  }

  size_t bytes() const override { return wildcards_.bytes(); }

  // The other shards that may own a topic which this filter matches: one, or with wildcards all.
  void set(Filter& filter, Interest interest) override {
    if (sums_ && filter.hasWildcards()) return setWildcard(filter, interest);
    const uint64_t workers = toTell(filter);
    if (sums_) note(filter, interest);
    tell(filter.text(), workers, interest);
  }

  bool areKnown(uint64_t) override { return true; }

  // Once a second.
  void tick() {
    counters_.set(Counter::wildcardRoutes, wildcards_.told());
    counters_.set(Counter::wideRoutes, wildcards_.wide());
    if (works_ == 0) narrow();
  }

  // Goes on with a piece of work, for at most `left` filters, of which the rest is returned. True: it is done.
  bool proceed(Work work, const Text& text, size_t& left) {
    const bool isDone = work == Work::uncover ? uncoverSome(left) : widenSome(text, left);
    if (!isDone) return false;
    works_--;
    if (work == Work::uncover) retire(text);
    widen();
    return true;
  }

  // What a worker that knows nothing is told of a filter here.
  Interest toTellNewcomer(const Filter& filter) {
    const Interest wanted = wantedOf(filter);
    if (!filter.hasWildcards() || !sums_) return wanted;
    if (filter.told != Interest::none || wanted == Interest::none) return filter.told;
    // What has covered it may be gone, and be told of after this.
    return coveringOf(filter, wanted) ? Interest::none : wanted;
  }

 private:
  // By its subscribers here.
  static Interest wantedOf(const Filter& filter) {
    if (filter.subscribers.isEmpty()) return Interest::none;
    return filter.durable > 0 ? Interest::durable : Interest::live;
  }
  static bool endsWithMulti(Bytes text) { return !text.empty() && text.back() == '#'; }

  // The workers that may own a matching topic, or are about to.
  uint64_t toTell(const Filter& filter) const {
    if (slots_.others() == 0) return slots_.present();
    return filter.hasWildcards() ? slots_.present() : slots_.ownersOf(filters_.hashOf(filter.text()));
  }
  void tell(Bytes text, uint64_t workers, Interest interest) {
    eachWorker(workers & slots_.others(), [&](unsigned worker) {
      requests_.toShard(worker, request::SetInterest{.interest = interest, .carried = Carried(toFilterText(text))});
    });
  }
  void tellAll(const Filter& filter) { tell(filter.text(), slots_.present(), filter.told); }

  // This is what is told of the filter, as soon as all work is done.
  void note(Filter& filter, Interest interest) {
    const Interest before = filter.told;
    if (before == interest) return;
    filter.told = interest;
    const uint64_t hash = filters_.hashOf(filter.text());
    sums_->change(filters_.slotOfRoute(filter), routeNumber(hash, before), routeNumber(hash, interest));
    if (!filter.hasWildcards()) return;
    if (before == Interest::none) wildcards_.addTold(filter);
    if (interest == Interest::none) wildcards_.removeTold(filter);
    if (interest < before) wildcards_.orphan(filter);
  }

  void addWork(Work work, Text text) {
    works_++;
    addWork_(work, std::move(text));
  }

  // --- filters with wildcards in a cluster ---------------------------------------------------------

  void setWildcard(Filter& filter, Interest interest) {
    const Interest before = filter.told;
    if (filter.isWide) {  // its own subscribers are among those that it is told for
      if (interest > before) raise(filter, interest);
      return;
    }
    if (before == Interest::none) {
      if (interest != Interest::none && cover(filter, interest)) return;
      setUncovered(filter);
      if (interest == Interest::none) return;
    }
    note(filter, interest);
    const Bytes text = filter.text();
    if (interest < before && wildcards_.firstOrphan()) addWork(Work::uncover, Text(text.begin(), text.end()));
    else tellAll(filter);
    if (before == Interest::none) widen();
  }

  // Whether the filter is covered, by a wide one that is told for it from now on, or by another one.
  bool cover(Filter& filter, Interest interest) {
    WildcardRoutes::Wide* wide = wildcards_.wideAbove(filter);
    if (wide && wide->filter->told < interest) raise(*wide->filter, interest);
    const Filter* covering = wide ? wide->filter : coveringOf(filter, interest);
    if (!covering) return false;
    setCovered(filter, *covering, wide);
    return true;
  }

  // Another filter that others are told of and that matches whatever this one does, or nullptr. What this one may match
  // is found like a topic, in which a `+` is a level that only a wildcard matches, and without a `#` at its end:
  // whatever ends with `#` and matches that matches all below, too.
  const Filter* coveringOf(const Filter& filter, Interest interest) {
    const Bytes text = filter.text();
    const bool isMulti = endsWithMulti(text);
    if (isMulti && text.size() == 1) return nullptr;
    const Bytes matched = isMulti ? text.first(text.size() - 2) : text;
    matches_.clear();
    filters_.match(matched, filters_.hashOf(matched), matches_);
    const auto found = std::find_if(matches_.begin(), matches_.end(), [&](const Filter* other) {
      return other != &filter && other->told >= interest && (!isMulti || endsWithMulti(other->text()));
    });
    return found == matches_.end() ? nullptr : *found;
  }

  // `wide`: the one that counts it.
  void setCovered(Filter& filter, const Filter& by, WildcardRoutes::Wide* wide) {
    setUncovered(filter);
    filter.isCovered = true;
    wildcards_.addCovered(filter, by);
    filter.isCounted = wide != nullptr;
    if (wide) wide->counted++;
  }
  void setUncovered(Filter& filter) {
    if (!filter.isCovered) return;
    filter.isCovered = false;
    wildcards_.removeCovered(filter);
    // The one that has counted it may have been narrowed.
    WildcardRoutes::Wide* wide = filter.isCounted ? wildcards_.wideAbove(filter) : nullptr;
    if (wide && wide->counted > 0) wide->counted--;
    filter.isCounted = false;
  }

  // Tells of a filter that nothing covers any more.
  void uncover(Filter& filter) {
    const Interest interest = wantedOf(filter);
    if (cover(filter, interest)) return;
    setUncovered(filter);
    note(filter, interest);
    tellAll(filter);
  }
  // Whoever has covered them: the orphans of all pending work are together.
  bool uncoverSome(size_t& left) {
    for (; left > 0; left--) {
      Filter* filter = wildcards_.firstOrphan();
      if (!filter) return true;
      uncover(*filter);
    }
    return false;
  }
  // Of a filter that has covered others: what is told of it now.
  void retire(Bytes text) {
    Filter* filter = filters_.find(text);
    tell(text, slots_.present(), filter ? filter->told : Interest::none);
    if (filter) filters_.releaseIfUnused(*filter);
  }

  // --- wide filters ---------------------------------------------------------------------------------

  // Of a wide filter.
  void raise(Filter& wide, Interest interest) {
    note(wide, interest);
    tellAll(wide);
  }

  // If too many are told. One prefix at a time: what is told meanwhile beyond the bound is as much as clients subscribe
  // to in these turns.
  void widen() {
    Text text;
    if (works_ > 0 || wildcards_.told() <= wildcards_.toldMax() || !wildcards_.toWiden(text)) return;
    text.push_back('#');
    Filter& wide = filters_.acquire(text);
    wide.isWide = true;
    setUncovered(wide);
    wildcards_.addWide(wide);
    if (wide.told == Interest::none) raise(wide, std::max(Interest::live, wantedOf(wide)));
    addWork(Work::widen, std::move(text));
  }
  bool widenSome(const Text& text, size_t& left) {
    Filter* wide = filters_.find(text);
    RALLY_ASSERT(wide && wide->isWide);
    for (; left > 0; left--) {
      Filter* filter = wildcards_.firstTold(*wide);
      if (!filter) return true;
      coverBy(*wide, *filter);
    }
    return false;
  }
  void coverBy(Filter& wide, Filter& filter) {
    if (filter.told > wide.told) raise(wide, filter.told);
    WildcardRoutes::Wide& above = wildcards_.wideOf(wide);
    if (filter.isWide) {
      above.counted += wildcards_.wideOf(filter).counted;
      wildcards_.removeWide(filter);
      filter.isWide = false;
    }
    wildcards_.coverAll(filter, wide);
    note(filter, Interest::none);
    tellAll(filter);
    if (!filter.subscribers.isEmpty()) setCovered(filter, wide, &above);
    else filters_.releaseIfUnused(filter);
  }

  // Wide filters whose filters may be told instead.
  void narrow() {
    std::vector<Filter*> narrowed;
    size_t told = wildcards_.told();
    wildcards_.eachWide([&](const WildcardRoutes::Wide& wide) {
      if (wide.counted > 1 && told + wide.counted > wildcards_.toldMax() / 2) return;
      told += wide.counted;
      narrowed.push_back(wide.filter);
    });
    for (Filter* wide : narrowed) {
      wildcards_.removeWide(*wide);
      wide->isWide = false;
      note(*wide, wantedOf(*wide));
      addWork(Work::uncover, Text(wide->text().begin(), wide->text().end()));
    }
  }

  const SlotMap& slots_;
  FilterTable& filters_;
  ShardRequests& requests_;
  Counters& counters_;
  RouteSums* sums_ = nullptr;  // none: this is not a cluster
  AddWork addWork_;
  size_t works_ = 0;  // that are not done
  WildcardRoutes wildcards_;
  std::vector<Filter*> matches_;
};

}  // namespace rally
