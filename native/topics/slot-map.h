// The workers, and the owners of slots (slot.h), as known to one worker: others may know a moment earlier or later. On
// a single node the slots are distributed evenly to the workers, once. In a cluster workers come and go, and slots
// change owners (front-end/slot-moves.h).
//
//   owners_   [ 0  0  1  1  2  2 ]   the last worker that served the slot
//   takers_   [ -  -  2  -  -  - ]   the worker that is about to serve it; -: none
//   servers_  [ 0  0  -  1  2  2 ]   the receiver of its messages; -: none yet, they are held
//   claims_   [ 0  0  9  0  0  7 ]   the number of the slot's last move: older ones are void
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "../assert.h"
#include "slot.h"

namespace rally {

inline constexpr unsigned workersMax = 64;  // a set of them is a number: bit w stands for worker w

inline uint64_t bitOf(unsigned worker) { return worker < workersMax ? uint64_t(1) << worker : 0; }
template <class Visit>
void eachWorker(uint64_t workers, Visit&& visit) {
  for (; workers != 0; workers &= workers - 1) visit(unsigned(__builtin_ctzll(workers)));
}

struct SlotSet {
  std::array<uint64_t, slotCount / 64> words{};

  bool has(unsigned slot) const { return (words[slot / 64] >> slot % 64 & 1) != 0; }
  void add(unsigned slot) { words[slot / 64] |= uint64_t(1) << slot % 64; }
  void remove(unsigned slot) { words[slot / 64] &= ~(uint64_t(1) << slot % 64); }
  bool isEmpty() const {
    return std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; });
  }
  bool meets(const SlotSet& other) const {
    for (unsigned word = 0; word < words.size(); word++) {
      if ((words[word] & other.words[word]) != 0) return true;
    }
    return false;
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (unsigned word = 0; word < words.size(); word++) {
      for (uint64_t left = words[word]; left != 0; left &= left - 1) visit(word * 64 + unsigned(__builtin_ctzll(left)));
    }
  }
};

using SlotOwners = std::array<uint8_t, slotCount>;  // workers, or SlotMap::nobody

class SlotMap {
 public:
  static constexpr uint8_t nobody = 0xff;

  // For worker `own` of `workers`, all present.
  SlotMap(unsigned own, unsigned workers) : own_(own), present_(UINT64_MAX >> (workersMax - workers)) {
    RALLY_ASSERT(own < workers && workers <= workersMax);
    takers_.fill(nobody);
    for (unsigned slot = 0; slot < slotCount; slot++) owners_[slot] = servers_[slot] = dealtTo(slot, workers);
  }

  // The owner of a slot when only the number of workers is known.
  static uint8_t dealtTo(unsigned slot, unsigned workers) { return uint8_t(slot * workers / slotCount); }

  unsigned own() const { return own_; }
  // The present workers, including this one, ...
  uint64_t present() const { return present_; }
  uint64_t others() const { return present_ & ~bitOf(own_); }
  // ... and those that are lost for good.
  uint64_t gone() const { return gone_; }
  bool isGone(unsigned worker) const { return (gone_ & bitOf(worker)) != 0; }

  // By the hash of a topic: its last server, the present receiver of its messages, and possible owners, now or soon.
  unsigned ownerOf(uint64_t topicHash) const { return owners_[slotOf(topicHash)]; }
  unsigned serverOf(uint64_t topicHash) const { return servers_[slotOf(topicHash)]; }
  uint64_t ownersOf(uint64_t topicHash) const {
    return bitOf(owners_[slotOf(topicHash)]) | bitOf(takers_[slotOf(topicHash)]);
  }

  // Whether any slot has ever changed its owner, as known here.
  bool haveMoved() const { return haveMoved_; }
  bool isHeld(unsigned slot) const { return servers_[slot] == nobody; }
  bool isAnyHeld() const { return held_ > 0; }
  unsigned owner(unsigned slot) const { return owners_[slot]; }
  uint64_t claim(unsigned slot) const { return claims_[slot]; }
  // Removes slots with a later move from the set.
  void keepClaimed(SlotSet& slots, uint64_t move) const {
    const SlotSet all = slots;
    all.each([&](unsigned slot) {
      if (claims_[slot] > move) slots.remove(slot);
    });
  }
  // Removes slots that this worker serves, as known here, from the set.
  void keepUnknown(SlotSet& slots, unsigned worker) const {
    const SlotSet all = slots;
    all.each([&](unsigned slot) {
      if (servers_[slot] == worker) slots.remove(slot);
    });
  }
  // Whether this worker is told filters of this slot.
  bool mayOwn(unsigned slot) const { return owners_[slot] == own_ || takers_[slot] == own_; }

  // --- changes --------------------------------------------------------------------------------------

  // Before anything else: the present workers, and the known owners of slots.
  void start(uint64_t present, const SlotOwners& owners) {
    present_ = present | bitOf(own_);
    haveMoved_ = true;
    for (unsigned slot = 0; slot < slotCount; slot++) {
      owners_[slot] = owners[slot];
      serve(slot, owners[slot]);
    }
  }
  void add(unsigned worker) {
    present_ |= bitOf(worker);
    gone_ &= ~bitOf(worker);
  }
  // Its slots wait for their next owner.
  void remove(unsigned worker) {
    present_ &= ~bitOf(worker);
    gone_ |= bitOf(worker);
    for (unsigned slot = 0; slot < slotCount; slot++) {
      if (takers_[slot] == worker) takers_[slot] = nobody;
      if (owners_[slot] != worker) continue;
      owners_[slot] = nobody;
      serve(slot, nobody);
    }
  }
  // The move covers these slots, except those with a later move: they are removed from the set.
  void hold(SlotSet& slots, unsigned taker, uint64_t move) {
    haveMoved_ = true;
    keepClaimed(slots, move);
    slots.each([&](unsigned slot) {
      claims_[slot] = move;
      takers_[slot] = uint8_t(taker);
      serve(slot, nobody);
    });
  }
  // The worker serves these slots, at the end of the move, or because it has announced it.
  void open(const SlotSet& slots, unsigned worker, uint64_t move) {
    haveMoved_ = true;
    slots.each([&](unsigned slot) {
      if (claims_[slot] > move) return;
      claims_[slot] = move;
      takers_[slot] = nobody;
      owners_[slot] = uint8_t(worker);
      serve(slot, uint8_t(worker));
    });
  }

 private:
  void serve(unsigned slot, uint8_t worker) {
    held_ += int(worker == nobody) - int(servers_[slot] == nobody);
    servers_[slot] = worker;
  }

  const unsigned own_;
  uint64_t present_;
  uint64_t gone_ = 0;
  SlotOwners owners_;
  SlotOwners servers_;
  SlotOwners takers_;
  std::array<uint64_t, slotCount> claims_{};
  int held_ = 0;
  bool haveMoved_ = false;
};

}  // namespace rally
