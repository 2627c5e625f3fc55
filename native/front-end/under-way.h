// QoS 1 and 2 PUBLISH packets that were sent to owners of topics on other nodes, which may be lost: each is kept until
// it is acknowledged, or else sent to the next owner. A shard acknowledges in order, so an acknowledgement is for the
// oldest.
#pragma once
#include <array>

#include "../lanes/requests.h"
#include "../structures/fifo.h"
#include "../topics/slot-map.h"

namespace rally {

class UnderWay {
 public:
  UnderWay() = default;
  UnderWay(const UnderWay&) = delete;
  ~UnderWay() {
    for (Fifo<request::Publish>& sent : sent_) {
      for (; !sent.isEmpty(); sent.pop()) sent.front().carried.take();
    }
  }

  // These workers may be lost.
  void watch(uint64_t workers) { watched_ |= workers; }
  bool isWatched(unsigned worker) const { return (watched_ & bitOf(worker)) != 0; }

  // Sent to the worker, whose acknowledgement removes it.
  void add(unsigned worker, request::Publish asked, const MessageRef& message) {
    asked.carried = Carried(message);
    sent_[worker].push(request::Publish(asked));
  }
  void settle(unsigned worker) {
    if (sent_[worker].isEmpty()) return;
    sent_[worker].front().carried.take();
    sent_[worker].pop();
  }
  // The worker is lost: calls `visit(publish)` for each that it has not acknowledged, in order.
  template <class Visit>
  void lose(unsigned worker, Visit&& visit) {
    watched_ &= ~bitOf(worker);
    for (; !sent_[worker].isEmpty(); sent_[worker].pop()) visit(request::Publish(sent_[worker].front()));
  }

 private:
  uint64_t watched_ = 0;
  std::array<Fifo<request::Publish>, workersMax> sent_;
};

}  // namespace rally
