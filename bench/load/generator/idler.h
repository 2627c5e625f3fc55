// Connects and stays, silent. Many of them are a storm of connections, and then what idle ones cost.
#pragma once
#include "client.h"

namespace load {

class Idler final : public Role {
 public:
  explicit Idler(Loop& loop) : loop_(loop) {}

  void onConnected(Client&) override {
    isReady_ = true;
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  void onLost(Client&, const std::string& why) override {
    if (isReady_) {
      loop_.shared.disconnected++;
    } else {
      loop_.tally().refused++;
      loop_.opening--;
      loop_.shared.readyClients++;  // nobody waits for it any more
    }
    loop_.shared.note(why);
  }

 private:
  Loop& loop_;
  bool isReady_ = false;
};

}  // namespace load
