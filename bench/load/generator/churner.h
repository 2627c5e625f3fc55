// Comes and goes: connects, subscribes, gets some messages, and leaves with or without a goodbye or is taken
// over by another with the same client identifier; then it comes again.
#pragma once
#include "client.h"

namespace load {

class Churner final : public Role {
 public:
  struct Terms {
    std::vector<std::string> filters;
    uint8_t qos = 0;
    uint64_t stayMsMax = 1;
    uint32_t seed = 1;
  };

  Churner(Loop& loop, Terms terms) : loop_(loop), terms_(std::move(terms)), random_(terms_.seed * 2'654'435'761u + 1) {}

  void onConnected(Client& client) override {
    client.send(subscribePacket(client.version(), 1, terms_.filters, terms_.qos));
    changeNs_ = nowNs() + stay();
  }
  void onSubscribed(Client&) override {
    if (hasBeenReady_) loop_.tally().reconnects++;
    else becomeReady();
  }
  bool wantsTicks() const override { return true; }
  void onTick(Client& client, uint64_t now) override {
    if (!hasBeenReady_ || now < changeNs_) return;
    if (loop_.moment.phase == Phase::draining || loop_.moment.phase == Phase::leaving) return;
    changeNs_ = now + stay();
    if (client.state() == Client::State::closed) client.open();
    else if (random() % 2 == 0) client.leave();
    else client.drop();
  }
  // Taken over, which is what it is here for. A broker that refuses it is another matter.
  void onLost(Client&, const std::string& why) override {
    changeNs_ = nowNs() + stay();
    const bool isRefusal = why.find("refused") != std::string::npos || why.find("connect:") != std::string::npos;
    if (!hasBeenReady_) becomeReady();
    if (!isRefusal) return;
    loop_.tally().refused++;
    loop_.shared.note(why);
  }

 private:
  void becomeReady() {
    hasBeenReady_ = true;
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  uint32_t random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return random_;
  }
  uint64_t stay() { return (1 + random() % terms_.stayMsMax) * nsPerMs; }

  Loop& loop_;
  const Terms terms_;
  uint32_t random_;
  uint64_t changeNs_ = 0;
  bool hasBeenReady_ = false;
};

}  // namespace load
