// Holds very many subscriptions that no message matches, and gives them back at the end. Notes how long each
// tenth of them took, so that it shows when subscribing gets slower.
#pragma once
#include <functional>

#include "client.h"

namespace load {

class Ballast final : public Role {
 public:
  using FilterAt = std::function<std::string(uint64_t)>;
  static constexpr size_t parts = 10;
  using Times = std::array<uint64_t, parts>;

  // Filters `first` to `end` of what `filterAt` gives.
  Ballast(Loop& loop, FilterAt filterAt, uint64_t first, uint64_t end)
      : loop_(loop), filterAt_(std::move(filterAt)), first_(first), end_(end) {}

  // Nanoseconds that each tenth took.
  const Times& subscribing() const { return subscribing_; }
  const Times& unsubscribing() const { return unsubscribing_; }
  uint64_t count() const { return end_ - first_; }

  void onConnected(Client& client) override {
    next_ = first_;
    batchStartNs_ = nowNs();
    if (!sendBatch(client, true)) becomeReady();
  }
  void onSubscribed(Client& client) override {
    note(subscribing_);
    if (!sendBatch(client, true)) becomeReady();
  }
  void onPhase(Client& client) override {
    if (loop_.moment.phase != Phase::leaving) return;
    next_ = first_;
    batchStartNs_ = nowNs();
    isLeaving_ = sendBatch(client, false);
  }
  void onUnsubscribed(Client& client) override {
    note(unsubscribing_);
    isLeaving_ = sendBatch(client, false);
  }
  bool mayLeave() const override { return !isLeaving_; }

  void onLost(Client&, const std::string& why) override {
    isLeaving_ = false;
    loop_.shared.disconnected++;
    loop_.shared.note(why);
  }

 private:
  static constexpr uint64_t filtersPerPacket = 500;

  // False when there is nothing left to send.
  bool sendBatch(Client& client, bool subscribes) {
    if (next_ == end_) return false;
    std::vector<std::string> filters;
    batchFirst_ = next_;
    for (; next_ < end_ && filters.size() < filtersPerPacket; next_++) filters.push_back(filterAt_(next_));
    client.send(subscribes ? subscribePacket(client.version(), 1, filters, 0)
                           : unsubscribePacket(client.version(), 1, filters));
    return true;
  }

  void note(Times& times) {
    const uint64_t now = nowNs();
    times[size_t((batchFirst_ - first_) * parts / count())] += now - batchStartNs_;
    batchStartNs_ = now;
  }

  void becomeReady() {
    loop_.shared.readyClients++;
    loop_.opening--;
  }

  Loop& loop_;
  const FilterAt filterAt_;
  const uint64_t first_;
  const uint64_t end_;
  uint64_t next_ = 0;
  uint64_t batchFirst_ = 0;
  uint64_t batchStartNs_ = 0;
  bool isLeaving_ = false;
  Times subscribing_{};
  Times unsubscribing_{};
};

}  // namespace load
