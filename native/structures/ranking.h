// The holders of a limited resource by size, so that the largest is found at once.
//
//   buckets_[b]  first <-> place <-> place <-> last      those with 2^(b-1) <= bytes < 2^b, oldest first
//
// A place is a member of its owner. A change within a power of two is a comparison; beyond that it moves to the end of
// another list. Holders of less than `bytesMin` are in no list, and take 16 bytes.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../assert.h"

namespace rally {

template <class Owner>
class Ranking {
  // Of a place that is in a list.
  struct Link {
    Owner* owner = nullptr;
    Link* previous = nullptr;
    Link* next = nullptr;
    size_t bytes = 0;
    uint64_t sinceMs = 0;
    uint8_t bucket = 0;
  };

 public:
  class Place {
   public:
    size_t bytes() const { return bytes_; }
    // The power of two that these are below; 0: it is in no list.
    uint8_t bucket() const { return link_ ? link_->bucket : uint8_t(0); }
    // In its list, without a touch().
    uint64_t sinceMs() const { return link_ ? link_->sinceMs : 0; }

   private:
    friend class Ranking;
    size_t bytes_ = 0;
    std::unique_ptr<Link> link_;
  };

  explicit Ranking(size_t bytesMin) : bytesMin_(bytesMin) {}
  Ranking(const Ranking&) = delete;
  Ranking& operator=(const Ranking&) = delete;

  // Sum over all holders.
  size_t bytes() const { return bytes_; }

  // The owner, of which the place is a member, holds this much now. With 0 bytes it may be freed.
  void set(Owner& owner, Place& place, size_t bytes, uint64_t nowMs) {
    bytes_ += bytes - place.bytes_;
    place.bytes_ = bytes;
    if (place.link_) place.link_->bytes = bytes;
    const uint8_t bucket = bucketOf(bytes);
    if (bucket == place.bucket()) return;
    if (place.link_) unlink(*place.link_);
    if (bucket == 0) {
      place.link_.reset();
      return;
    }
    if (!place.link_) place.link_ = std::make_unique<Link>();
    *place.link_ = {.owner = &owner, .bytes = bytes, .sinceMs = nowMs, .bucket = bucket};
    link(*place.link_);
  }
  // Counts as if it had only just come to hold this much.
  void touch(Place& place, uint64_t nowMs) {
    if (!place.link_) return;
    place.link_->sinceMs = nowMs;
    unlink(*place.link_);
    link(*place.link_);
  }

  // The power of two that its bytes are below; 0: it is in no list.
  uint8_t bucketOf(size_t bytes) const { return bytes < bytesMin_ ? uint8_t(0) : uint8_t(std::bit_width(bytes)); }

  // One of the largest, within a factor of two: the one that has been so for longest. nullptr: no list has any.
  Owner* largest() const { return used_ == 0 ? nullptr : buckets_[highest(used_)].first->owner; }
  // At most `max` of the largest, by lists: `visit(owner)`.
  template <class Visit>
  void eachLargest(size_t max, Visit&& visit) const {
    for (uint64_t left = used_; left != 0;) {
      const size_t bucket = highest(left);
      left &= ~(uint64_t(1) << bucket);
      for (const Link* place = buckets_[bucket].first; place; place = place->next) {
        if (max-- == 0) return;
        visit(*place->owner);
      }
    }
  }
  // The one with the largest product of bytes and milliseconds, compared among the oldest of each list.
  Owner* worst(uint64_t nowMs) const {
    const Link* worst = nullptr;
    double most = -1;
    for (uint64_t left = used_; left != 0; left &= left - 1) {
      const Link* place = buckets_[size_t(std::countr_zero(left))].first;
      const double burden = double(place->bytes) * double(nowMs - place->sinceMs + 1);
      if (burden < most) continue;
      worst = place;
      most = burden;
    }
    return worst ? worst->owner : nullptr;
  }

 private:
  struct List {
    Link* first = nullptr;
    Link* last = nullptr;
  };

  static size_t highest(uint64_t bits) { return size_t(63 - std::countl_zero(bits)); }

  void link(Link& place) {
    List& list = buckets_[place.bucket];
    place.previous = list.last;
    place.next = nullptr;
    if (list.last) list.last->next = &place;
    else list.first = &place;
    list.last = &place;
    used_ |= uint64_t(1) << place.bucket;
  }
  void unlink(Link& place) {
    List& list = buckets_[place.bucket];
    RALLY_ASSERT(place.previous ? place.previous->next == &place : list.first == &place);
    if (place.previous) place.previous->next = place.next;
    else list.first = place.next;
    if (place.next) place.next->previous = place.previous;
    else list.last = place.previous;
    if (!list.first) used_ &= ~(uint64_t(1) << place.bucket);
  }

  const size_t bytesMin_;
  size_t bytes_ = 0;
  uint64_t used_ = 0;  // bit b: buckets_[b] has somebody
  std::array<List, 64> buckets_;
};

}  // namespace rally
