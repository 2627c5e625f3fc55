// The PUBLISH packets with QoS 1 and 2 that are with owners of topics on other nodes, who may be lost with them: each
// is kept until it is acknowledged, and goes to the next owner otherwise.
//
//   first -> sent <-> sent <-> sent <- last       a list for each worker, in order
//   index: who has published it, packet identifier and worker -> sent
//
// A shard acknowledges in any order: messages that wait for a log may be answered long after those that do not.
#pragma once
#include <array>

#include "../lanes/requests.h"
#include "../messages/source.h"
#include "../structures/hash-index.h"
#include "../structures/hash.h"
#include "../structures/slab.h"
#include "../topics/slot-map.h"

namespace rally {

class UnderWay {
 public:
  UnderWay() = default;
  UnderWay(const UnderWay&) = delete;
  ~UnderWay() {
    sent_.each([](const Sent& each) { each.asked.carried.take(); });
  }

  // These workers may be lost.
  void watch(uint64_t workers) { watched_ |= workers; }
  bool isWatched(unsigned worker) const { return (watched_ & bitOf(worker)) != 0; }

  // Sent to the worker, whose acknowledgement removes it.
  void add(unsigned worker, request::Publish asked, const MessageRef& message) {
    asked.carried = Carried(message);
    const uint32_t id = sent_.add();
    List& list = lists_[worker];
    sent_[id] = {.asked = asked, .previous = list.last};
    (list.last == 0 ? list.first : sent_[list.last].next) = id;
    list.last = id;
    index_.add(hashOf(asked, worker), id);
  }
  void settle(unsigned worker, const Source& source) {
    const uint64_t hash = hashOf(source, worker);
    const uint32_t id = index_.find(hash, [&](uint32_t each) { return isOf(sent_[each].asked, source); });
    if (id == 0) return;
    sent_[id].asked.carried.take();
    index_.remove(hash, id);
    remove(lists_[worker], id);
  }
  // The worker is lost: calls `visit(publish)` for each that it has not acknowledged, in order.
  template <class Visit>
  void lose(unsigned worker, Visit&& visit) {
    watched_ &= ~bitOf(worker);
    for (List& list = lists_[worker]; list.first != 0;) {
      const request::Publish asked = sent_[list.first].asked;
      index_.remove(hashOf(asked, worker), list.first);
      remove(list, list.first);
      visit(asked);
    }
  }

 private:
  struct Sent {
    request::Publish asked = {};
    uint32_t previous = 0;  // sent to the same worker
    uint32_t next = 0;
  };
  struct List {
    uint32_t first = 0;
    uint32_t last = 0;
  };

  template <class Asked>
  uint64_t hashOf(const Asked& asked, unsigned worker) const {
    const uint64_t connection = uint64_t(asked.connection) << 32 | asked.generation;
    const uint64_t packet = uint64_t(asked.packetId) << 16 | uint64_t(asked.qos) << 8 | worker;
    return foldedMultiply(foldedMultiply(connection ^ seed_, hashMultiplier) ^ packet, hashMultiplier ^ seed_);
  }
  static bool isOf(const request::Publish& asked, const Source& source) {
    return asked.connection == source.connection && asked.generation == source.generation &&
           asked.packetId == source.packetId && asked.qos == source.qos;
  }
  void remove(List& list, uint32_t id) {
    const Sent& sent = sent_[id];
    (sent.previous == 0 ? list.first : sent_[sent.previous].next) = sent.next;
    (sent.next == 0 ? list.last : sent_[sent.next].previous) = sent.previous;
    sent_.remove(id);
  }

  const uint64_t seed_ = randomSeed();  // clients choose packet identifiers
  uint64_t watched_ = 0;
  std::array<List, workersMax> lists_;
  Slab<Sent> sent_;
  HashIndex index_;
};

}  // namespace rally
