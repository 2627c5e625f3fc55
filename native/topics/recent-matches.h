// Which filters match the topics that were published lately: the tree of filters (filter-tree.h) is walked for the
// first two messages of a topic, and not again until the filters change.
//
//   places_[ hash of the topic & mask ]    one topic takes the place of another, and keeps it with its second message
//
// A topic is known by its hash alone, whose key is secret: that another one has the same 64 bits does not happen.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rally {

class RecentMatches {
 public:
  // A filter has come or gone.
  void forget() { version_++; }

  // Calls `visit(id)` for each filter that matches the topic; `walk(note)` finds them, and calls `note(id)` for each.
  template <class Walk, class Visit>
  void match(uint64_t hash, Walk&& walk, Visit&& visit) {
    if (places_.empty()) places_.resize(placeCount);
    Place& place = places_[hash & (placeCount - 1)];
    if (place.hash != hash || place.version != version_) {
      place = {.hash = hash, .version = version_};
      walk(visit);
      return;
    }
    if (place.count == unknown) {
      size_t count = 0;
      walk([&](uint32_t id) {
        if (count < filtersMax) place.ids[count] = id;
        count++;
        visit(id);
      });
      place.count = count <= filtersMax ? uint8_t(count) : tooMany;
      return;
    }
    if (place.count == tooMany) return walk(visit);
    for (uint8_t i = 0; i < place.count; i++) visit(place.ids[i]);
  }

 private:
  static constexpr size_t placeCount = 1'024;
  static constexpr size_t filtersMax = 3;
  static constexpr uint8_t tooMany = 254;
  static constexpr uint8_t unknown = 255;

  struct Place {
    uint64_t hash = 0;
    uint64_t version = 0;  // 0: it is empty
    std::array<uint32_t, filtersMax> ids{};
    uint8_t count = unknown;
  };
  static_assert(sizeof(Place) == 32, "two in a cache line");

  std::vector<Place> places_;  // none until there is something to remember
  uint64_t version_ = 1;
};

}  // namespace rally
