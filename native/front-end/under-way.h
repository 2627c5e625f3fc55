// The PUBLISH packets with QoS 1 and 2 that are with owners of topics on other nodes, who may be lost with them: each
// is kept until it is acknowledged, and goes to the next owner otherwise. A shard acknowledges mostly in the order in
// which it was asked, but for what waits for a log.
#pragma once
#include <algorithm>
#include <array>
#include <deque>

#include "../lanes/requests.h"
#include "../messages/source.h"
#include "../topics/slot-map.h"

namespace rally {

class UnderWay {
 public:
  UnderWay() = default;
  UnderWay(const UnderWay&) = delete;
  ~UnderWay() {
    for (const std::deque<request::Publish>& sent : sent_) {
      for (const request::Publish& each : sent) each.carried.take();
    }
  }

  // These workers may be lost.
  void watch(uint64_t workers) { watched_ |= workers; }
  bool isWatched(unsigned worker) const { return (watched_ & bitOf(worker)) != 0; }

  // Sent to the worker, whose acknowledgement removes it.
  void add(unsigned worker, request::Publish asked, const MessageRef& message) {
    asked.carried = Carried(message);
    sent_[worker].push_back(asked);
  }
  void settle(unsigned worker, const Source& source) {
    std::deque<request::Publish>& sent = sent_[worker];
    const auto found = std::find_if(sent.begin(), sent.end(), [&](const request::Publish& each) {
      return each.connection == source.connection && each.generation == source.generation &&
             each.packetId == source.packetId && each.qos == source.qos;
    });
    if (found == sent.end()) return;
    found->carried.take();
    sent.erase(found);
  }
  // The worker is lost: calls `visit(publish)` for each that it has not acknowledged, in order.
  template <class Visit>
  void lose(unsigned worker, Visit&& visit) {
    watched_ &= ~bitOf(worker);
    for (const request::Publish& each : std::exchange(sent_[worker], {})) visit(request::Publish(each));
  }

 private:
  uint64_t watched_ = 0;
  std::array<std::deque<request::Publish>, workersMax> sent_;
};

}  // namespace rally
