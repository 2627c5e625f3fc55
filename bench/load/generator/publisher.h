// Publishes to its topics in turn, either as fast as its window lets it (closed loop) or at a fixed pace
// (open loop: what could not be sent when it was due is sent later and its latency counts from when it was due).
#pragma once
#include "client.h"
#include "publish-template.h"

namespace load {

// When the messages of all publishers together are due; each has every n-th of them.
struct Schedule {
  uint64_t intervalNs = 0;  // between two messages of a publisher; 0: closed loop
  uint64_t offsetNs = 0;    // of the first one
};

class Publisher final : public Role {
 public:
  struct Stream {
    PublishTemplate packet;
    uint32_t sequence = 0;  // of the last message
  };
  struct Terms {
    uint8_t qos = 0;
    uint32_t window = 1;  // messages that have not reached all their subscribers
    uint32_t copies = 1;  // subscribers that each message has
    Schedule schedule;
  };

  Publisher(Loop& loop, const Terms& terms) : loop_(loop), terms_(terms) {}

  void addStream(PublishTemplate packet) { streams_.push_back({std::move(packet)}); }
  const std::vector<Stream>& streams() const { return streams_; }
  Loop& loop() { return loop_; }

  // Further copies of its messages have arrived somewhere. Any thread.
  void advance(uint32_t copies) { passed_.fetch_add(copies, std::memory_order_relaxed); }

  // True when everything published has arrived everywhere and is acknowledged.
  bool isSettled() const { return reached() >= sent_.load() && unacknowledged_.load() == 0; }
  uint64_t refusals() const { return refusals_; }

  // Open loop: when the next message is due.
  uint64_t dueNs() const { return dueNs(due_); }
  bool isOpenLoop() const { return terms_.schedule.intervalNs != 0; }

  // Open loop: counts what is due by now.
  void becomeDue(uint64_t now) {
    if (!isPublishing_) return;
    for (; dueNs() <= now; due_++) {
      if (loop_.isMeasuring()) loop_.tally().scheduleLag.record(now - dueNs());
    }
    publish(now);
  }

  // Sends what may be sent.
  void publish(uint64_t now) {
    if (!isPublishing_ || !client_) return;
    while (mayPublish()) publishOne(isOpenLoop() ? dueNs(sent_.load(std::memory_order_relaxed)) : now);
  }

  void onConnected(Client& client) override {
    client_ = &client;
    loop_.shared.readyClients++;
    loop_.opening--;
  }
  void onPhase(Client&) override {
    const bool wasPublishing = isPublishing_;
    isPublishing_ = loop_.mayPublish();
    if (!isPublishing_ || wasPublishing) return;
    const uint64_t now = nowNs();
    // After a pause the pace goes on from here.
    startNs_ = now - due_ * terms_.schedule.intervalNs;
    publish(now);
  }
  void onAcknowledged(Client&, uint16_t packetId, uint8_t reasonCode) override {
    unacknowledged_.fetch_sub(1, std::memory_order_relaxed);
    if (reasonCode >= firstError) refusals_++;
    const uint64_t now = nowNs();
    if (packetId == timedPacketId_) {
      loop_.tally().acknowledge.record(now - timedAtNs_);
      timedPacketId_ = 0;
    }
    publish(now);
  }
  void onLost(Client&, const std::string& why) override {
    client_ = nullptr;
    loop_.shared.disconnected++;
    loop_.shared.note(why);
  }

 private:
  // More than this on its way out of this process means that the broker takes nothing.
  static constexpr size_t unsentBytesMax = size_t(64) << 20;

  uint64_t reached() const {
    return terms_.copies == 0 ? sent_.load(std::memory_order_relaxed)
                              : passed_.load(std::memory_order_relaxed) / terms_.copies;
  }

  uint64_t dueNs(uint64_t message) const {
    return startNs_ + terms_.schedule.offsetNs + message * terms_.schedule.intervalNs;
  }

  bool mayPublish() const {
    const uint64_t sent = sent_.load(std::memory_order_relaxed);
    const uint64_t unacknowledged = unacknowledged_.load(std::memory_order_relaxed);
    if (terms_.qos > 0 && unacknowledged >= client_->receiveMaximum()) return false;
    if (isOpenLoop()) return sent < due_ && client_->unsentBytes() < unsentBytesMax;
    // A late duplicate or a second copy may have counted more than was sent.
    const uint64_t reachedNow = std::min(sent, reached());
    return sent - reachedNow < terms_.window && unacknowledged < terms_.window;
  }

  void publishOne(uint64_t atNs) {
    Stream& stream = streams_[next_];
    next_ = next_ + 1 == streams_.size() ? 0 : next_ + 1;
    if (++packetId_ == 0) packetId_ = 1;
    stream.packet.write(client_->reserve(stream.packet.size()), packetId_, atNs, ++stream.sequence);
    sent_.store(sent_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (terms_.qos > 0) unacknowledged_.fetch_add(1, std::memory_order_relaxed);
    if (!loop_.isMeasuring()) return;
    loop_.tally().published++;
    if (terms_.qos == 0 || timedPacketId_ != 0) return;
    timedPacketId_ = packetId_;
    timedAtNs_ = atNs;
  }

  Loop& loop_;
  const Terms terms_;
  Client* client_ = nullptr;
  std::vector<Stream> streams_;
  size_t next_ = 0;
  uint16_t packetId_ = 0;
  uint16_t timedPacketId_ = 0;  // of the message whose acknowledgement is timed; 0: none
  uint64_t timedAtNs_ = 0;      // when it was published
  bool isPublishing_ = false;
  uint64_t startNs_ = 0;
  uint64_t due_ = 0;
  uint64_t refusals_ = 0;
  // Others read these: how far the load is.
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> unacknowledged_{0};
  std::atomic<uint64_t> passed_{0};
};

}  // namespace load
