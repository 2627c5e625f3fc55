// A lane that now and then loses, doubles or swaps a message, and is committed late (fault-plan.h).
#pragma once
#include <optional>

#include "../lanes/deliveries.h"
#include "../lanes/lane.h"
#include "../lanes/requests.h"
#include "fault-plan.h"

namespace rally::faults {

template <class R>
class FaultyLane : public Lane<R> {
 public:
  using Lane<R>::Lane;

  void push(const R& record) {
    isPending_ = true;
    if (!isMessage(record)) {
      Lane<R>::push(record);
      return;
    }
    switch (dice_.next(Place::lane)) {
      case Fault::drop: discard(record); break;
      case Fault::twice:
        Lane<R>::push(again(record));
        Lane<R>::push(record);
        break;
      case Fault::reorder:
        pushHeld();
        held_ = record;
        return;
      case Fault::none: Lane<R>::push(record); break;
    }
    pushHeld();
  }

  bool commit() {
    if (isPending_ && !isDue()) return false;
    isPending_ = false;
    return Lane<R>::commit();
  }
  bool canCommit() { return isPending_ || Lane<R>::canCommit(); }

  template <class Take>
  void clear(Take&& take) {
    pushHeld();
    Lane<R>::clear(take);
  }

 private:
  // The most turns by which a worker delays a commit.
  static constexpr uint64_t turnsLateMax = 200;

  template <class Each>
  static constexpr bool isMessageKind = std::is_same_v<Each, request::Publish> ||
                                        std::is_same_v<Each, delivery::Deliver> ||
                                        std::is_same_v<Each, delivery::DeliverShared>;

  static bool isMessage(const R& record) {
    bool isMessage = false;
    record.visit([&]<class Each>(const Each&) { isMessage = isMessageKind<Each>; });
    return isMessage;
  }
  // A copy with its own reference.
  static R again(const R& record) {
    R copy = record;
    record.visit([&]<class Each>(const Each& each) {
      if constexpr (isMessageKind<Each>) {
        MessageRef own = each.carried.take();
        Each second = each;
        second.carried = Carried(MessageRef(own));
        own.release();
        copy = second;
      }
    });
    return copy;
  }

  // The message to be swapped with the next one.
  void pushHeld() {
    if (!held_) return;
    Lane<R>::push(*held_);
    held_.reset();
  }

  bool isDue() {
    if (turnsLate_ == 0 && dice_.below(100) < FaultPlan::instance().laneDelayPercent())
      turnsLate_ = 1 + dice_.below(turnsLateMax);
    return turnsLate_ == 0 || --turnsLate_ == 0;
  }

  Dice dice_;
  std::optional<R> held_;
  bool isPending_ = false;
  uint64_t turnsLate_ = 0;
};

}  // namespace rally::faults
