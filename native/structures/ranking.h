// The holders of a limited resource by size, so that the largest is found at once.
//
//   buckets_[b]  first <-> place <-> place <-> last      those with 2^(b-1) <= bytes < 2^b, oldest first
//
// A place is a member of its owner. A change within a power of two is a comparison; beyond that it moves to the end of
// another list. A place takes 8 bytes: the size of a holder of less than `bytesMin`, which is in no list, or a pointer.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

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
    Place() = default;
    Place(Place&& other) noexcept : value_(std::exchange(other.value_, 1)) {}
    Place& operator=(Place other) noexcept {
      std::swap(value_, other.value_);
      return *this;
    }
    ~Place() { delete link(); }

    size_t bytes() const { return isInList() ? link()->bytes : size_t(value_ >> 1); }
    // The power of two that these are below; 0: it is in no list.
    uint8_t bucket() const { return isInList() ? link()->bucket : uint8_t(0); }
    // In its list, without a touch().
    uint64_t sinceMs() const { return isInList() ? link()->sinceMs : 0; }

   private:
    friend class Ranking;

    bool isInList() const { return (value_ & 1) == 0; }
    Link* link() const { return isInList() ? reinterpret_cast<Link*>(value_) : nullptr; }
    void setBytes(size_t bytes) {
      delete link();
      value_ = uintptr_t(bytes) << 1 | 1;
    }
    void setLink(std::unique_ptr<Link> link) { value_ = reinterpret_cast<uintptr_t>(link.release()); }

    uintptr_t value_ = 1;  // the address of its link, which is even, or 2 * bytes + 1
  };

  explicit Ranking(size_t bytesMin) : bytesMin_(bytesMin) {}
  Ranking(const Ranking&) = delete;
  Ranking& operator=(const Ranking&) = delete;

  // Sum over all holders.
  size_t bytes() const { return bytes_; }

  // The owner, of which the place is a member, holds this much now. With 0 bytes it may be freed.
  void set(Owner& owner, Place& place, size_t bytes, uint64_t nowMs) {
    bytes_ += bytes - place.bytes();
    const uint8_t bucket = bucketOf(bytes);
    Link* const known = place.link();
    if (known && known->bucket == bucket) {
      known->bytes = bytes;
      return;
    }
    if (known) unlink(*known);
    if (bucket == 0) {
      place.setBytes(bytes);
      return;
    }
    if (!known) place.setLink(std::make_unique<Link>());
    *place.link() = {.owner = &owner, .bytes = bytes, .sinceMs = nowMs, .bucket = bucket};
    link(*place.link());
  }
  // Counts as if it had only just come to hold this much.
  void touch(Place& place, uint64_t nowMs) {
    Link* const known = place.link();
    if (!known) return;
    known->sinceMs = nowMs;
    unlink(*known);
    link(*known);
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
  uint64_t used_ = 0;  // bit b: buckets_[b] is not empty
  std::array<List, 64> buckets_;
};

}  // namespace rally
