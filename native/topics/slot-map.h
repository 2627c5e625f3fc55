// Which workers there are, and which of them owns which slot (slot.h), as one worker knows it: others may know it a
// moment earlier or later. Alone, the slots are dealt out evenly to the workers of the broker, once and for all. In a
// cluster workers come and go, and slots change owners (front-end/slot-moves.h).
//
//   owners_   [ 0  0  1  1  2  2 ]   who has served the slot last
//   takers_   [ -  -  2  -  -  - ]   who is about to serve it; -: nobody
//   servers_  [ 0  0  -  1  2  2 ]   where its messages go; -: nowhere yet, they are held
//   claims_   [ 0  0  9  0  0  7 ]   the number of the last move of the slot: an older one is over
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

  // Of worker `own` of `workers`, who are all there.
  SlotMap(unsigned own, unsigned workers) : own_(own), present_(UINT64_MAX >> (workersMax - workers)) {
    RALLY_ASSERT(own < workers && workers <= workersMax);
    takers_.fill(nobody);
    for (unsigned slot = 0; slot < slotCount; slot++) owners_[slot] = servers_[slot] = dealtTo(slot, workers);
  }

  // Whose a slot is when nothing but the number of workers is known.
  static uint8_t dealtTo(unsigned slot, unsigned workers) { return uint8_t(slot * workers / slotCount); }

  unsigned own() const { return own_; }
  // The workers that are there, this one too, ...
  uint64_t present() const { return present_; }
  uint64_t others() const { return present_ & ~bitOf(own_); }
  // ... and those that are gone for good.
  uint64_t gone() const { return gone_; }
  bool isGone(unsigned worker) const { return (gone_ & bitOf(worker)) != 0; }

  // By the hash of a topic: who has served it last, where its messages go now, and who may own it, now or soon.
  unsigned ownerOf(uint64_t topicHash) const { return owners_[slotOf(topicHash)]; }
  unsigned serverOf(uint64_t topicHash) const { return servers_[slotOf(topicHash)]; }
  uint64_t ownersOf(uint64_t topicHash) const {
    return bitOf(owners_[slotOf(topicHash)]) | bitOf(takers_[slotOf(topicHash)]);
  }

  // Whether any slot has ever changed its owner, as far as is known here.
  bool haveMoved() const { return haveMoved_; }
  bool isHeld(unsigned slot) const { return servers_[slot] == nobody; }
  bool isAnyHeld() const { return held_ > 0; }
  unsigned owner(unsigned slot) const { return owners_[slot]; }
  uint64_t claim(unsigned slot) const { return claims_[slot]; }
  // Takes the slots out of the set that a later move is about.
  void keepClaimed(SlotSet& slots, uint64_t move) const {
    const SlotSet all = slots;
    all.each([&](unsigned slot) {
      if (claims_[slot] > move) slots.remove(slot);
    });
  }
  // Takes the slots out of the set that this worker serves as far as is known here.
  void keepUnknown(SlotSet& slots, unsigned worker) const {
    const SlotSet all = slots;
    all.each([&](unsigned slot) {
      if (servers_[slot] == worker) slots.remove(slot);
    });
  }
  // Whether filters of this slot are told to this worker.
  bool mayOwn(unsigned slot) const { return owners_[slot] == own_ || takers_[slot] == own_; }

  // --- what changes it ------------------------------------------------------------------------------

  // Before anything else: who is there, and what is known of the slots.
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
  // Its slots wait for whoever takes them.
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
  // The move is about these slots, but for those that a later one is about: they are taken out of the set.
  void hold(SlotSet& slots, unsigned taker, uint64_t move) {
    haveMoved_ = true;
    keepClaimed(slots, move);
    slots.each([&](unsigned slot) {
      claims_[slot] = move;
      takers_[slot] = uint8_t(taker);
      serve(slot, nobody);
    });
  }
  // The worker serves these slots, as the end of the move, or because it has said so.
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
