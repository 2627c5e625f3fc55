// Comes and goes: connects, subscribes, gets some messages, unsubscribes and subscribes again, and leaves with or
// without a goodbye or is taken over by another with the same client identifier; then it comes again.
#pragma once
#include "client.h"
#include "session-record.h"

namespace load {

class Churner final : public Role {
 public:
  struct Terms {
    std::vector<std::string> filters;  // subscribed to on every connection
    std::string changing;              // another one, subscribed to and given up now and then
    uint8_t qos = 0;
    bool isClean = true;  // its session begins anew with each connection
    uint64_t stayMsMax = 1;
    uint32_t seed = 1;
  };

  // `record`: of the session, which two share if it outlives their connections; they are of one thread.
  Churner(Loop& loop, Terms terms, SessionRecord& record)
      : loop_(loop), terms_(std::move(terms)), record_(record), random_(terms_.seed * 2'654'435'761u + 1) {}

  bool mayOpen() override {
    if (!record_.mayConnect(this)) return false;
    record_.beginConnect(this);
    return true;
  }
  void onConnected(Client& client) override {
    record_.endConnect(this);
    if (terms_.isClean) record_.forget();
    connection_ = record_.connect();
    isWaiting_ = true;
    hasChanging_ = false;
    client.send(subscribePacket(client.version(), 1, terms_.filters, terms_.qos));
    changeNs_ = nowNs() + stay();
  }
  void onSubscribed(Client&) override {
    isWaiting_ = false;
    if (hasChanging_) return;
    if (hasBeenReady_) loop_.tally().reconnects++;
    else becomeReady();
  }
  void onUnsubscribed(Client&) override {
    isWaiting_ = false;
    hasChanging_ = false;
    loop_.tally().unsubscribes++;
  }
  void onPublish(Client&, const ReceivedPublish& publish, uint64_t) override { record_.take(connection_, publish); }
  bool wantsTicks() const override { return true; }
  void onTick(Client& client, uint64_t now) override {
    if (now < changeNs_) return;
    if (loop_.moment.phase == Phase::draining || loop_.moment.phase == Phase::leaving) return;
    const bool isClosed = client.state() == Client::State::closed;
    if (isClosed ? !mayOpen() : !hasBeenReady_) return;
    changeNs_ = now + stay();
    if (isClosed) return client.open();
    const bool mayChange = client.state() == Client::State::connected && !isWaiting_;
    switch (random() % 4) {
      case 0: client.leave(); break;
      case 1: client.drop(); break;
      default:
        if (mayChange) change(client);
    }
    if (client.state() == Client::State::closed) record_.endConnect(this);  // perhaps before its CONNACK
  }
  // Taken over, which is what it is here for. A broker that refuses it or ends it for something else is another matter.
  void onLost(Client& client, const std::string& why) override {
    const auto says = [&](const char* text) { return why.find(text) != std::string::npos; };
    record_.endConnect(this);
    changeNs_ = nowNs() + stay();
    if (!hasBeenReady_) becomeReady();
    if (says("refused") || says("connect:")) {
      loop_.tally().refused++;
      return loop_.shared.note(why);
    }
    // Before MQTT 5 the broker does not say why. A reset connection may have lost what it said.
    if (client.version() < version5 || says("DISCONNECT with 142")) loop_.tally().takeovers++;
    else if (says("DISCONNECT with")) {
      loop_.shared.disconnected++;
      loop_.shared.note(why);
    }
  }

 private:
  void becomeReady() {
    hasBeenReady_ = true;
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  void change(Client& client) {
    const std::string filters[] = {terms_.changing};
    isWaiting_ = true;
    if (hasChanging_) return client.send(unsubscribePacket(client.version(), 1, filters));
    hasChanging_ = true;
    client.send(subscribePacket(client.version(), 1, filters, terms_.qos));
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
  SessionRecord& record_;
  uint32_t random_;
  uint32_t connection_ = 0;
  uint64_t changeNs_ = 0;
  bool hasBeenReady_ = false;
  bool isWaiting_ = false;    // for SUBACK or UNSUBACK
  bool hasChanging_ = false;  // has asked for the changing one
};

}  // namespace load
