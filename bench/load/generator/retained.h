// Retained messages: one role publishes very many, another subscribes to some of them and waits for those.
//
//   message n is retained at   PREFIX/g{n / perGroup}/m{n % perGroup}     so PREFIX/g7/+ matches perGroup
#pragma once
#include "client.h"
#include "payload.h"

namespace load {

struct RetainedSet {
  std::string prefix;
  uint64_t count = 0;
  size_t payloadBytes = 0;
  static constexpr uint64_t perGroup = 10;

  std::string topicOf(uint64_t n) const { return groupOf(n) + "/m" + std::to_string(n % perGroup); }
  std::string groupOf(uint64_t n) const { return prefix + "/g" + std::to_string(n / perGroup); }
};

class RetainedPublisher final : public Role {
 public:
  // Messages `first` to `end`; `isClearing`: empty ones, which take the retained ones away.
  RetainedPublisher(Loop& loop, const RetainedSet& set, uint64_t first, uint64_t end)
      : loop_(loop), set_(set), first_(first), end_(end) {}

  void onConnected(Client& client) override { start(client); }
  void onAcknowledged(Client& client, uint16_t, uint8_t reasonCode) override {
    if (reasonCode >= firstError) refusals_++;
    acknowledged_++;
    send(client);
    if (acknowledged_ != end_ - first_ || isClearing_) return;
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  // At the end it takes away what it has put there.
  void onPhase(Client& client) override {
    if (loop_.moment.phase != Phase::leaving) return;
    isClearing_ = true;
    start(client);
  }
  bool mayLeave() const override { return !isClearing_ || acknowledged_ >= end_ - first_; }
  uint64_t refusals() const { return refusals_; }

  void onLost(Client&, const std::string& why) override {
    acknowledged_ = end_ - first_;
    loop_.shared.disconnected++;
    loop_.shared.note(why);
  }

 private:
  static constexpr uint64_t windowMax = 500;

  void start(Client& client) {
    next_ = first_;
    acknowledged_ = 0;
    send(client);
  }
  void send(Client& client) {
    const uint64_t window = std::min<uint64_t>(windowMax, client.receiveMaximum());
    for (; next_ < end_ && next_ - first_ - acknowledged_ < window; next_++) {
      const Stamp stamp{0, uint32_t(next_), 1};
      const Buffer payload = isClearing_ ? Buffer{} : payloadOf(stamp, set_.payloadBytes);
      Buffer packet = publishPacket(client.version(), set_.topicOf(next_), 1, true, payload);
      const size_t packetIdAt = packet.size() - payload.size() - (client.version() == version5 ? 1 : 0) - 2;
      if (++packetId_ == 0) packetId_ = 1;
      packet[packetIdAt] = uint8_t(packetId_ >> 8);
      packet[packetIdAt + 1] = uint8_t(packetId_);
      client.send(packet);
    }
  }

  Loop& loop_;
  const RetainedSet& set_;
  const uint64_t first_;
  const uint64_t end_;
  uint64_t next_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t refusals_ = 0;
  uint16_t packetId_ = 0;
  bool isClearing_ = false;
};

class RetainedReader final : public Role {
 public:
  struct Terms {
    std::string filter;
    uint64_t first = 0;  // of the messages that match
    uint64_t count = 0;
    // Until it has read so many bytes at this pace it reads no faster; then as they come.
    uint64_t slowBytes = 0;
    uint64_t slowBytesPerSecond = 0;
    uint64_t delayMs = 0;  // from its CONNACK to its SUBSCRIBE
  };

  RetainedReader(Loop& loop, const RetainedSet& set, Terms terms)
      : loop_(loop), set_(set), terms_(std::move(terms)), seen_(terms_.count), slowLeft_(terms_.slowBytes) {}

  Faults faults() const {
    Faults faults = faults_;
    faults.undelivered += terms_.count - received_;
    return faults;
  }

  void onConnected(Client& client) override {
    dueNs_ = nowNs() + terms_.delayMs * nsPerMs;
    if (terms_.delayMs == 0) subscribe(client, dueNs_);
  }
  void onPublish(Client&, const ReceivedPublish& publish, uint64_t now) override {
    if (loop_.moment.phase == Phase::leaving) return;  // they are being taken away
    const auto stamp = stampOf(publish.payload, set_.payloadBytes);
    if (!stamp || stamp->stream < terms_.first || stamp->stream - terms_.first >= terms_.count) {
      faults_.corrupt++;
      return;
    }
    const uint64_t at = stamp->stream - terms_.first;
    if (seen_[at]) {
      faults_.duplicates++;
      return;
    }
    seen_[at] = true;
    if (++received_ < terms_.count) return;
    auto& answers = terms_.count == set_.count ? loop_.tally().answerAll : loop_.tally().answer;
    answers.record(now - subscribedNs_);
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  bool wantsTicks() const override { return terms_.slowBytes > 0 || terms_.delayMs > 0; }
  void onTick(Client& client, uint64_t now) override {
    if (subscribedNs_ == 0 && dueNs_ > 0 && now >= dueNs_) subscribe(client, nowNs());
    if (slowLeft_ == 0 || subscribedNs_ == 0) return;
    const uint64_t bytes = std::min(slowLeft_, terms_.slowBytesPerSecond * (now - lastReadNs_) / nsPerSecond);
    lastReadNs_ = now;
    slowLeft_ -= bytes;
    if (bytes > 0) client.receiveSome(size_t(bytes));
    if (slowLeft_ == 0) client.resumeReading();
  }
  void onLost(Client&, const std::string& why) override {
    loop_.shared.disconnected++;
    loop_.shared.note(why);
  }

 private:
  void subscribe(Client& client, uint64_t now) {
    subscribedNs_ = now;
    lastReadNs_ = now;
    const std::string filters[] = {terms_.filter};
    client.send(subscribePacket(client.version(), 1, filters, 0));
    if (slowLeft_ > 0) client.stopReading();
  }

  Loop& loop_;
  const RetainedSet& set_;
  const Terms terms_;
  std::vector<bool> seen_;
  Faults faults_;
  uint64_t received_ = 0;
  uint64_t dueNs_ = 0;
  uint64_t subscribedNs_ = 0;
  uint64_t lastReadNs_ = 0;
  uint64_t slowLeft_ = 0;
};

}  // namespace load
