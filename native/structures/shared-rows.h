// Rows of elements, many of them the same: 100,000 sessions that wait for the same messages. An element that follows
// the same one in several rows is stored once, and a row is a few runs.
//
//   chain 1    [ a | b | c | d | e ]          each element with the number of rows that contain it
//   chain 2    [ x ]
//
//   row        (1: a to e)                    one run, of any length
//   row        (1: c to d) (2: x) (1: e)      x came between
//
// An element notes where it was put last (`placeOf`), so the next row that gets it finds it there: as the next one of
// its chain, or as the beginning of a run. Elements that many rows share are not known in advance: an element begins
// its own chain, and is added to the chain that many rows are in when half of them have received it. The others return
// with the next element (`follow`), so that rows which meet continue together.
//
// T has isSameAs(). A noted place may be out of date, and is checked before use.
#pragma once
#include <algorithm>

#include "fifo.h"
#include "row-place.h"
#include "slab.h"

namespace rally {

template <class T>
class SharedRows {
  struct Run {
    uint64_t first = 0;
    uint32_t count = 0;
    uint32_t chain = 0;
  };
  struct Slot {
    T value{};
    uint32_t uses = 0;  // 0: the value is gone
  };
  struct Chain {
    Fifo<Slot> slots;
    uint32_t runs = 0;
    uint32_t used = 0;  // of the slots

    // Most of it is a gap between a row that does not move and others that have gone on.
    bool isSparse() const { return slots.size() > sparseSlots && slots.size() / 2 > used; }
  };
  static constexpr size_t sparseSlots = 256;
  struct Found {
    uint32_t chain = 0;  // 0: nowhere
    uint64_t number = 0;
  };

 public:
  // It belongs to the rows that have filled it, which have to empty it; otherwise it may be dropped together with all
  // others.
  class Row {
   public:
    Row() = default;
    Row(Row&& other) noexcept : runs_(std::move(other.runs_)), size_(std::exchange(other.size_, 0)) {}
    Row& operator=(Row&& other) noexcept {
      runs_ = std::move(other.runs_);
      size_ = std::exchange(other.size_, 0);
      return *this;
    }

    bool isEmpty() const { return size_ == 0; }
    size_t size() const { return size_; }
    // What takeAt() goes through, unless it is at an end.
    size_t runs() const { return runs_.size(); }
    // Heap bytes of the row itself.
    size_t bytes() const { return runs_.bytes(); }
    // Frees what it keeps while it is empty.
    void trim() { runs_.trim(); }

   private:
    friend class SharedRows;
    Fifo<Run> runs_;
    size_t size_ = 0;
  };

  // Heap bytes shared by all rows.
  size_t bytes() const { return bytes_; }
  // The most that one more element in the row adds to that and to the row, if no other row has it.
  size_t growthBytes(const Row& row) {
    const size_t chainBytes = sizeof(Chain) + Fifo<Slot>().growthBytes();
    const size_t own = row.runs_.isEmpty() ? 0 : chains_[row.runs_[row.runs_.end() - 1].chain].slots.growthBytes();
    return row.runs_.growthBytes() + std::max(chainBytes, own);
  }
  // The element at this place; nullptr: it is gone.
  T* stored(const RowPlace& place) {
    const uint64_t number = numberOf(place);
    return number == noNumber || chains_[place.chain].slots[number].uses == 0
               ? nullptr
               : &chains_[place.chain].slots[number].value;
  }
  // Whether a single row has it.
  bool isAlone(const RowPlace& place) {
    const uint64_t number = numberOf(place);
    return number != noNumber && chains_[place.chain].slots[number].uses == 1;
  }
  // Elements, each once.
  template <class Visit>
  void eachStored(Visit&& visit) {
    chains_.each([&](Chain& chain) {
      for (uint64_t at = chain.slots.first(); at != chain.slots.end(); at++) {
        if (chain.slots[at].uses > 0) visit(std::as_const(chain.slots[at].value));
      }
    });
  }

  // Appends to the row. True: no other row has it. `dropped`: called for an element that was stored twice.
  template <class PlaceOf, class Dropped>
  bool push(Row& row, T&& value, PlaceOf&& placeOf, Dropped&& dropped) {
    RowPlace& known = placeOf(value);
    row.size_++;
    follow(row, placeOf, dropped);
    const Found found = find(known, value);
    if (!row.runs_.isEmpty()) {
      Run& last = row.runs_.back();
      Fifo<Slot>& slots = chains_[last.chain].slots;
      const uint64_t next = last.first + last.count;
      if (next != slots.end() && isThere(slots[next], value)) {
        slots[next].uses++;
        last.count++;
        return false;
      }
      if (next == slots.end() && addsTo(last.chain, found)) {
        add(last.chain, std::move(value), known);
        last.count++;
        return true;
      }
    }
    if (found.chain != 0) {
      chains_[found.chain].slots[found.number].uses++;
      begin(row, found);
      return false;
    }
    const uint32_t chain = open();
    begin(row, {chain, add(chain, std::move(value), known)});
    return true;
  }

  T& front(Row& row) {
    const Run& first = row.runs_.front();
    return chains_[first.chain].slots[first.first].value;
  }
  // Removes the oldest or the newest element of a non-empty row. True: no other row had it.
  bool takeFront(Row& row, T& value) {
    Run& run = row.runs_.front();
    const bool isLast = release(run.chain, run.first, value);
    run.first++;
    run.count--;
    row.size_--;
    trim(run.chain);
    if (run.count == 0) {
      leave(run.chain);
      row.runs_.pop();
    }
    return isLast;
  }
  bool takeBack(Row& row, T& value) {
    Run& run = row.runs_.back();
    const bool isLast = release(run.chain, run.first + run.count - 1, value);
    run.count--;
    row.size_--;
    trim(run.chain);
    if (run.count == 0) {
      leave(run.chain);
      row.runs_.popBack();
    }
    return isLast;
  }

  // The first element that `isMeant`, and its index in the row; nullptr: there is none.
  template <class IsMeant>
  const T* find(Row& row, IsMeant&& isMeant, size_t& at) {
    at = 0;
    for (uint64_t each = row.runs_.first(); each != row.runs_.end(); each++) {
      const Run& run = row.runs_[each];
      Fifo<Slot>& slots = chains_[run.chain].slots;
      for (uint64_t number = run.first; number != run.first + run.count; number++, at++) {
        if (isMeant(std::as_const(slots[number].value))) return &slots[number].value;
      }
    }
    return nullptr;
  }
  // The same from both ends in turns, among `most` elements: the one that is nearer to its end.
  template <class IsMeant>
  const T* findNearEnds(Row& row, IsMeant&& isMeant, size_t& at, size_t most) {
    uint64_t firstRun = row.runs_.first();
    uint64_t lastRun = row.runs_.end();
    uint32_t before = 0;  // elements of those runs that have been looked at
    uint32_t behind = 0;
    for (size_t step = 0; step < std::min(row.size_, most); step++) {
      const bool isFront = step % 2 == 0;
      const Run& run = row.runs_[isFront ? firstRun : lastRun - 1];
      const uint64_t number = isFront ? run.first + before : run.first + run.count - 1 - behind;
      const T& value = chains_[run.chain].slots[number].value;
      at = isFront ? step / 2 : row.size_ - 1 - step / 2;
      if (isMeant(value)) return &value;
      uint32_t& looked = isFront ? before : behind;
      if (++looked < run.count) continue;
      looked = 0;
      if (isFront) firstRun++;
      else lastRun--;
    }
    return nullptr;
  }
  // Visits elements from the first on, with their places, until `visit` gives true.
  template <class Visit>
  void eachUntil(Row& row, Visit&& visit) {
    for (uint64_t each = row.runs_.first(); each != row.runs_.end(); each++) {
      const Run& run = row.runs_[each];
      Fifo<Slot>& slots = chains_[run.chain].slots;
      for (uint64_t number = run.first; number != run.first + run.count; number++) {
        if (visit(std::as_const(slots[number].value), RowPlace{run.chain, uint32_t(number)})) return;
      }
    }
  }
  // Removes the element with this index. True: no other row had it.
  bool takeAt(Row& row, size_t at) {
    RALLY_ASSERT(at < row.size_);
    T taken;
    if (at == 0) return takeFront(row, taken);
    if (at == row.size_ - 1) return takeBack(row, taken);
    size_t first = 0;  // of the run, in the row
    bool wasLast = false;
    for (Fifo<Run> before = std::exchange(row.runs_, {}); !before.isEmpty(); before.pop()) {
      const Run run = before.front();
      const size_t offset = at - first;
      const bool isElsewhere = at < first || offset >= run.count;
      first += run.count;
      if (isElsewhere) {
        row.runs_.push(Run(run));
        continue;
      }
      wasLast = release(run.chain, run.first + offset, taken);
      row.size_--;
      keep(row, {run.first, uint32_t(offset), run.chain});
      keep(row, {run.first + offset + 1, uint32_t(run.count - offset - 1), run.chain});
      trim(run.chain);
      leave(run.chain);
    }
    return wasLast;
  }

  void clear(Row& row) {
    for (T taken; !row.isEmpty();) takeFront(row, taken);
    row.trim();
  }

  template <class Visit>
  void each(Row& row, Visit&& visit) {
    for (uint64_t at = row.runs_.first(); at != row.runs_.end(); at++) {
      const Run& run = row.runs_[at];
      Fifo<Slot>& slots = chains_[run.chain].slots;
      for (uint64_t number = run.first; number != run.first + run.count; number++)
        visit(std::as_const(slots[number].value));
    }
  }

 private:
  static bool isThere(const Slot& slot, const T& value) { return slot.uses > 0 && slot.value.isSameAs(value); }

  static constexpr uint64_t noNumber = UINT64_MAX;
  // In the chain named by the place.
  uint64_t numberOf(const RowPlace& place) {
    if (!chains_.isUsed(place.chain)) return noNumber;
    const Fifo<Slot>& slots = chains_[place.chain].slots;
    const uint64_t number = slots.first() + uint32_t(place.number - uint32_t(slots.first()));
    return number < slots.end() ? number : noNumber;
  }
  Found find(const RowPlace& known, const T& value) {
    const uint64_t number = numberOf(known);
    if (number == noNumber || !isThere(chains_[known.chain].slots[number], value)) return {};
    return {known.chain, number};
  }

  // Whether a row at the end of its chain adds an element to it that is `found` elsewhere, or nowhere. The first rows
  // of a chain with many do not: it may be for them only. When half of them have it, it is for all. Nothing is added
  // to a sparse chain, so that it ends with the row that does not move.
  bool addsTo(uint32_t own, const Found& found) {
    if (chains_[own].isSparse()) return false;
    const uint32_t runs = chains_[own].runs;
    if (found.chain == 0) return runs == 1;
    const uint32_t others = chains_[found.chain].runs;
    return found.chain == own || (others < runs && others >= runs / 2);
  }
  // If the last element has been put into a chain with more rows, the row continues there.
  template <class PlaceOf, class Dropped>
  void follow(Row& row, PlaceOf&& placeOf, Dropped&& dropped) {
    if (row.runs_.isEmpty()) return;
    Run& last = row.runs_.back();
    Fifo<Slot>& slots = chains_[last.chain].slots;
    const uint64_t newest = last.first + last.count - 1;
    if (newest + 1 != slots.end()) return;
    const T& value = slots[newest].value;
    const Found found = find(placeOf(value), value);
    if (found.chain == 0 || found.chain == last.chain || chains_[found.chain].runs < chains_[last.chain].runs) return;
    chains_[found.chain].slots[found.number].uses++;
    T before;
    const uint32_t left = last.chain;
    if (release(left, newest, before)) dropped(before);
    last.count--;
    trim(left);
    if (last.count == 0) {
      leave(left);
      row.runs_.popBack();
    }
    begin(row, found);
  }
  // After the row's elements; it is counted already.
  void begin(Row& row, Found found) {
    if (!row.runs_.isEmpty()) {
      Run& last = row.runs_.back();
      if (last.chain == found.chain && last.first + last.count == found.number) {
        last.count++;
        return;
      }
    }
    chains_[found.chain].runs++;
    row.runs_.push({found.number, 1, found.chain});
  }

  uint32_t open() {
    bytes_ += sizeof(Chain);
    return chains_.add();
  }
  uint64_t add(uint32_t id, T&& value, RowPlace& known) {
    Fifo<Slot>& slots = chains_[id].slots;
    const size_t before = slots.bytes();
    const uint64_t number = slots.end();
    slots.push({std::move(value), 1});
    chains_[id].used++;
    bytes_ += slots.bytes() - before;
    known = {id, uint32_t(number)};
    return number;
  }
  bool release(uint32_t id, uint64_t number, T& value) {
    Slot& slot = chains_[id].slots[number];
    RALLY_ASSERT(slot.uses > 0);
    if (--slot.uses > 0) {
      value = slot.value;
      return false;
    }
    value = std::exchange(slot.value, T());
    chains_[id].used--;
    return true;
  }
  void keep(Row& row, Run run) {
    if (run.count == 0) return;
    chains_[run.chain].runs++;
    row.runs_.push(std::move(run));
  }
  // Drops elements at its ends that no row has.
  void trim(uint32_t id) {
    Fifo<Slot>& slots = chains_[id].slots;
    const size_t before = slots.bytes();
    while (!slots.isEmpty() && slots.front().uses == 0) slots.pop();
    while (!slots.isEmpty() && slots.back().uses == 0) slots.popBack();
    bytes_ += slots.bytes();
    bytes_ -= before;
  }
  void leave(uint32_t id) {
    if (--chains_[id].runs > 0) return;
    RALLY_ASSERT(chains_[id].slots.isEmpty());
    chains_.remove(id);
    bytes_ -= sizeof(Chain);
  }

  Slab<Chain> chains_;
  size_t bytes_ = 0;
};

}  // namespace rally
