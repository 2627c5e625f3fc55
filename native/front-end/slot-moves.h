// Slots that change owners, workers that join and workers that are lost, as seen by each worker. Workers of one node
// and of others are the same here: everything is records on lanes.
//
//   taker  --holdSlots-----> each worker    send nothing more for these slots to anybody, but hold it
//   worker --setInterest---> taker          its filters without wildcards of these slots that have subscribers
//   worker --slotBarrier---> each shard --slotsPassed--> worker    its requests, and their deliveries, are handled
//   worker --slotsHeld-----> taker          nothing of it is in transit to a shard
//
//   taker  --collectSlots--> each worker    nobody sends anything
//   worker --retainedMoves-> taker          its retained messages of these slots
//   worker --slotBarrier---> each shard --slotsPassed--> worker    everything from shards has arrived
//   worker --slotsDrained--> taker          nothing is in transit to it
//
//   taker  --slotsOpen-----> each worker    the taker serves these slots; held requests go to it
//
// So the old owner need not know that it is one: every worker sends what it has of the slots. Between the last message
// by the old owner and the first by the new one all lanes have been empty of the slots' messages: nothing is lost,
// doubled or out of order.
//
// A worker's states for the move of a taker, including its own:
//
//              hold     all told   passed by all    collect   all given   open          taker gone
//   (none)     telling  -          -                -         -           serve (1)     -
//   telling    -        holding    -                -         -           -             (none) (2)
//   holding    -        -          held, slotsHeld  -         -           -             (none) (2)
//   held       -        -          -                giving    -           -             (none) (2)
//   giving     -        -          -                -         draining    -             (none) (3)
//   draining   -        -          drained,         -         -           -             (none) (3)
//                                  slotsDrained
//   drained    -        -          -                -         -           (none) (1)    (none) (3)
//
//   1  Held messages are sent to the taker; the interest of others in filters of these slots is forgotten here.
//   2  The slots stay held until another worker takes them.
//   3  The same, and given-away messages are restored here.
//
// The taker's states:
//
//              held by all   drained by all                     worker gone
//   holding    collecting    -                                  no longer waited for
//   collecting -             (none), slotsOpen, event slotsTaken   likewise
//
// With a log slotsOpen waits until what has come is in it: who has given it away may forget it then, in its log too.
//
// Moves are numbered as those of sessions are. Two takers of a slot: the higher number gets it, also what has come to
// the other by then, and the other serves what is left of its slots. A worker that a taker does not know yet is known
// to whoever has told it of a slot: slotsHeld says whom its sender knows, and the taker waits until it knows them too.
//
// A worker that joins receives the filters with wildcards that have subscribers here, and the slots that are served
// here; it tells its own subscriptions before it sends anything for these slots, and slotsHeld with the number 0 behind
// them: messages for the sessions of one that comes in the place of a lost worker wait for that. For a lost worker:
// what has arrived from it is handled, its filters and its members of shares are forgotten, its slots are held until
// another worker takes them, and nobody waits for it any more.
#pragma once
#include <map>

#include "../lanes/deliveries.h"
#include "../shard/shard.h"
#include "events.h"
#include "route-jobs.h"

namespace rally {

class SlotMoves {
 public:
  class Outlet {
   public:
    virtual ~Outlet() = default;
    virtual uint64_t nextMove() = 0;
    // A move with this number has been heard of.
    virtual void seeMove(uint64_t number) = 0;
    virtual void answer(unsigned worker, const ShardRecord& record) = 0;
    // Held slots have an owner.
    virtual void slotsServed() = 0;
    // Later, if there is a log: what was logged until now is committed.
    virtual void whenCommitted(std::function<void()> then) = 0;
  };

  SlotMoves(SlotMap& slots, Shard& shard, RouteJobs& jobs, Fifo<Event>& events, ShardRequests& requests, Outlet& outlet)
      : slots_(slots), shard_(shard), jobs_(jobs), events_(events), requests_(requests), outlet_(outlet) {}

  // This worker is to own the slots. Event slotsTaken follows, with the returned number of the move.
  uint64_t take(const SlotSet& slots) {
    const uint64_t number = outlet_.nextMove();
    Taking& taking = takings_[number];
    taking.slots = slots;
    ask(number, taking, slots_.present());
    return number;
  }

  // The worker is about to join, with durable sessions of one that is lost.
  void await(unsigned worker) {
    awaited_[worker] = 0;
    shard_.awaitFilters(worker);
  }

  // The worker has joined.
  void onJoined(unsigned worker) {
    jobs_.add({.kind = RouteJob::Kind::tellWildcards, .worker = worker});
    std::map<uint64_t, SlotSet> served;  // by claim
    for (unsigned slot = 0; slot < slotCount; slot++) {
      if (slots_.owner(slot) == slots_.own() && !slots_.isHeld(slot)) served[slots_.claim(slot)].add(slot);
    }
    if (const auto awaited = awaited_.find(worker); awaited != awaited_.end()) {
      awaited->second = served.size() + takings_.size();
      for (auto& [number, taking] : takings_) taking.late |= bitOf(worker);
      if (awaited->second == 0) shard_.filtersTold(worker);
    }
    for (const auto& [claim, slots] : served)
      outlet_.answer(worker, delivery::SlotsOpen{.move = claim, .carried = Carried(std::make_unique<SlotSet>(slots))});
    advanceTakings();
  }

  // The worker is lost: the slot map knows.
  void onGone(unsigned worker) {
    jobs_.dropFor(worker);
    if (awaited_.erase(worker) > 0) shard_.filtersTold(worker);
    for (const uint64_t number : numbersOf(moves_)) {
      const auto found = moves_.find(number);
      if (found == moves_.end()) continue;
      Move& move = found->second;
      if (move.taker == worker) {
        if (giving_ == number) giving_ = 0;
        if (move.state >= State::giving) shard_.takeBack(move.givenSince, move.slots);
        moves_.erase(found);
      } else {
        pass(number, worker);
      }
    }
    for (auto& [number, taking] : takings_) taking.awaited &= ~bitOf(worker);
    advanceTakings();
    if (giving_ == 0) giveNext();
  }

  // --- records of other workers ---------------------------------------------------------------------

  void take(const delivery::HoldSlots& asked, unsigned taker) {
    outlet_.seeMove(asked.move);
    SlotSet slots = *asked.carried.take();
    slots_.hold(slots, taker, asked.move);
    moves_[asked.move] = {.taker = taker, .slots = slots};
    jobs_.add({.kind = RouteJob::Kind::tellSlots, .worker = taker, .slots = slots, .then = [this, number = asked.move] {
                 onAllTold(number);
               }});
  }

  void take(const delivery::SlotsPassed& by, unsigned shard) { pass(by.move, shard); }

  void take(const delivery::CollectSlots& asked, unsigned) {
    const auto found = moves_.find(asked.move);
    if (found == moves_.end() || found->second.state != State::held) return;
    found->second.state = State::giving;
    found->second.givenSince = shard_.retained().changes();
    giveNext();
  }

  void take(const delivery::SlotsOpen& told, unsigned taker) {
    outlet_.seeMove(told.move);
    const std::unique_ptr<SlotSet> slots = told.carried.take();
    const auto found = moves_.find(told.move);
    const bool isMove = found != moves_.end() && found->second.taker == taker;
    if (isMove) {
      moves_.erase(found);
      serve(*slots, taker, told.move);
    } else {
      learn(*slots, taker, told.move);
    }
  }

  void take(const request::SlotsHeld& by, unsigned from) {
    if (by.move == 0) return onFiltersTold(from);
    const auto found = takings_.find(by.move);
    if (found == takings_.end()) return;
    found->second.known |= by.present;
    found->second.awaited &= ~bitOf(from);
    advance(by.move);
  }

  void take(const request::SlotsDrained& by, unsigned from) {
    const auto found = takings_.find(by.move);
    if (found == takings_.end()) return;
    found->second.awaited &= ~bitOf(from);
    advance(by.move);
  }

  // Whether given-away messages are not served yet.
  bool isGiving() const {
    return std::any_of(moves_.begin(), moves_.end(),
                       [](const auto& each) { return each.second.state >= State::giving; });
  }

  bool hasWork() const { return giving_ != 0; }
  // Once a turn: retained messages go to their new owners.
  void proceed() {
    for (size_t left = nodesPerTurn; left > 0 && giving_ != 0;) {
      const auto found = moves_.find(giving_);
      if (found != moves_.end() && !give(giving_, found->second, left)) return;
      giveNext();
    }
  }

 private:
  enum class State : uint8_t { telling, holding, held, giving, draining, drained };
  // Of this worker or another.
  struct Move {
    unsigned taker = 0;
    SlotSet slots;
    State state = State::telling;
    uint64_t awaited = 0;     // shards that have not passed the barrier
    uint32_t node = 0;        // giving: where the store goes on
    uint64_t givenSince = 0;  // the change of the store at which giving began
  };
  // Of this worker.
  struct Taking {
    SlotSet slots;
    uint64_t asked = 0;    // workers that have been told to hold
    uint64_t known = 0;    // workers that somebody knows of who was asked
    uint64_t awaited = 0;  // those that have not said that they hold, or that they have drained
    uint64_t late = 0;     // awaited stand-ins that have joined meanwhile
    bool isCollecting = false;
    bool isOpening = false;
  };

  // Nodes of the retained store that are visited in a turn: about a millisecond's work.
  static constexpr size_t nodesPerTurn = 5'000;

  template <class All>
  static std::vector<uint64_t> numbersOf(const All& all) {
    std::vector<uint64_t> numbers;
    numbers.reserve(all.size());
    for (const auto& each : all) numbers.push_back(each.first);
    return numbers;
  }

  // --- as a worker ----------------------------------------------------------------------------------

  void serve(const SlotSet& slots, unsigned owner, uint64_t number) {
    slots_.open(slots, owner, number);
    if (owner != slots_.own()) jobs_.add({.kind = RouteJob::Kind::forgetSlots, .slots = slots});
    outlet_.slotsServed();
  }
  // This worker has joined, and an owner announces its slots: subscriptions here are told first.
  void learn(SlotSet slots, unsigned owner, uint64_t number) {
    slots_.keepUnknown(slots, owner);
    slots_.hold(slots, owner, number);
    jobs_.add(
        {.kind = RouteJob::Kind::tellSlots, .worker = owner, .slots = slots, .then = [this, slots, owner, number] {
           if (slots_.isGone(owner)) return;
           serve(slots, owner, number);
           requests_.toShard(owner, request::SlotsHeld{.move = 0, .present = slots_.present()});
         }});
  }
  void onFiltersTold(unsigned worker) {
    const auto found = awaited_.find(worker);
    if (found == awaited_.end() || --found->second > 0) return;
    awaited_.erase(found);
    shard_.filtersTold(worker);
  }

  void onAllTold(uint64_t number) {
    const auto found = moves_.find(number);
    if (found != moves_.end()) raiseBarrier(number, found->second, State::holding);
  }

  void raiseBarrier(uint64_t number, Move& move, State state) {
    move.state = state;
    const uint64_t shards = move.awaited = slots_.present();
    eachWorker(shards, [&](unsigned shard) { requests_.toShard(shard, request::SlotBarrier{.move = number}); });
  }

  void pass(uint64_t number, unsigned shard) {
    const auto found = moves_.find(number);
    if (found == moves_.end()) return;
    Move& move = found->second;
    const bool isAwaited = (move.awaited & bitOf(shard)) != 0;
    move.awaited &= ~bitOf(shard);
    if (!isAwaited || move.awaited != 0) return;
    const unsigned taker = move.taker;
    if (move.state == State::holding) {
      move.state = State::held;
      requests_.toShard(taker, request::SlotsHeld{.move = number, .present = slots_.present()});
    } else {
      move.state = State::drained;
      requests_.toShard(taker, request::SlotsDrained{.move = number});
    }
  }

  // Chooses the move that gives next, if there is one. Messages that arrive by an earlier move are included.
  void giveNext() {
    giving_ = 0;
    for (const auto& [number, move] : moves_) {
      if (giving_ == 0 && move.state == State::giving && !takesBefore(number, move.slots)) giving_ = number;
    }
  }
  bool takesBefore(uint64_t number, const SlotSet& slots) const {
    return std::any_of(takings_.begin(), takings_.end(),
                       [&](const auto& each) { return each.first < number && each.second.slots.meets(slots); });
  }

  // False: there is more to give, in another turn.
  bool give(uint64_t number, Move& move, size_t& left) {
    const bool isOwn = move.taker == slots_.own();
    slots_.keepClaimed(move.slots, number);
    const bool isAll = isOwn ||
                       shard_.giveAway(move.node, left, move.slots, [&](const MessageRef& message, uint64_t stamp) {
                         requests_.toShard(move.taker,
                                           request::RetainedMoves{.carried = Carried(message), .stamp = stamp});
                       });
    if (isAll) raiseBarrier(number, move, State::draining);
    return isAll;
  }

  // --- as the taker ---------------------------------------------------------------------------------

  void ask(uint64_t number, Taking& taking, uint64_t workers) {
    taking.asked |= workers;
    taking.known |= workers;
    taking.awaited |= workers;
    const SlotSet slots = taking.slots;
    eachWorker(workers, [&](unsigned worker) {
      outlet_.answer(worker, delivery::HoldSlots{.move = number, .carried = Carried(std::make_unique<SlotSet>(slots))});
    });
  }

  void advanceTakings() {
    for (const uint64_t number : numbersOf(takings_)) advance(number);
  }

  void advance(uint64_t number) {
    const auto found = takings_.find(number);
    if (found == takings_.end()) return;
    Taking& taking = found->second;
    if (!taking.isCollecting) {
      const uint64_t unasked = taking.known & ~taking.asked & ~slots_.gone();
      if ((unasked & slots_.present()) != 0) ask(number, taking, unasked & slots_.present());
      if (taking.awaited != 0 || unasked != 0) return;
      taking.isCollecting = true;
      const uint64_t workers = taking.awaited = taking.asked & slots_.present();
      eachWorker(workers, [&](unsigned worker) { outlet_.answer(worker, delivery::CollectSlots{.move = number}); });
    } else if (taking.awaited == 0 && !taking.isOpening) {
      taking.isOpening = true;
      outlet_.whenCommitted([this, number] {
        if (takings_.contains(number)) open(number);
      });
    }
  }

  void open(uint64_t number) {
    const Taking taking = takings_.extract(number).mapped();
    SlotSet slots = taking.slots;
    slots_.keepClaimed(slots, number);
    const auto tell = [&](unsigned worker) {
      outlet_.answer(worker, delivery::SlotsOpen{.move = number, .carried = Carried(std::make_unique<SlotSet>(slots))});
    };
    eachWorker(slots_.others(), tell);
    eachWorker(taking.late & taking.asked,
               [&](unsigned worker) { onFiltersTold(worker); });  // before it held the slots
    tell(slots_.own());  // what was held here goes out behind what the others are told
    events_.push({EventKind::slotsTaken, 0, Reason::success, 0, number, {}});
    if (giving_ == 0) giveNext();
  }

  SlotMap& slots_;
  Shard& shard_;
  RouteJobs& jobs_;
  Fifo<Event>& events_;
  ShardRequests& requests_;
  Outlet& outlet_;
  std::map<uint64_t, Move> moves_;      // by number
  std::map<uint64_t, Taking> takings_;  // by number
  std::map<unsigned, size_t>
      awaited_;          // workers that come in the place of lost ones: how often they have still to tell
  uint64_t giving_ = 0;  // the move whose messages are given away; 0: none
};

}  // namespace rally
