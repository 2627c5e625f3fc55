// Subscribes, and checks what comes: each message once and in order within its stream. It may also take
// nothing (frozen), or only so many bytes a second (slow), and then what it misses is not a fault.
#pragma once
#include "client.h"
#include "payload.h"
#include "sequence.h"

namespace load {

// What the members of a shared subscription have got between them. They are all of one thread.
struct Group {
  std::vector<DealtSequence> streams;
};

class Subscriber final : public Role {
 public:
  struct Terms {
    std::vector<std::string> filters;
    uint8_t qos = 0;
    size_t payloadBytes = 0;
    uint32_t topicsPerPublisher = 1;
    // Streams that it gets: all of these publishers.
    std::vector<uint32_t> publishers;
    Group* group = nullptr;
    // Bytes a second that it reads; 0: none at all; nothing: as they come.
    std::optional<uint64_t> readsBytesPerSecond;
  };

  Subscriber(Loop& loop, Terms terms) : loop_(loop), terms_(std::move(terms)) {
    publisherAt_.assign(loop.publishers.size(), notMine);
    for (uint32_t i = 0; i < terms_.publishers.size(); i++) publisherAt_[terms_.publishers[i]] = i;
    streams_.resize(terms_.publishers.size() * terms_.topicsPerPublisher);
  }

  // What is on its way when the load ends counts as undelivered. Every stream ends with `lastOf(stream)`.
  template <class LastOf>
  Faults faults(LastOf&& lastOf) const {
    Faults faults = faults_;
    if (terms_.readsBytesPerSecond || terms_.group) return faults;
    for (uint32_t i = 0; i < terms_.publishers.size(); i++) {
      for (uint32_t topic = 0; topic < terms_.topicsPerPublisher; topic++) {
        const Sequence& stream = streams_[i * terms_.topicsPerPublisher + topic];
        faults.lost += stream.missing();
        faults.undelivered += lastOf(terms_.publishers[i] * terms_.topicsPerPublisher + topic) - stream.last();
      }
    }
    return faults;
  }
  bool isSlow() const { return terms_.readsBytesPerSecond.has_value(); }
  uint64_t received() const { return received_; }

  void onConnected(Client& client) override {
    client.send(subscribePacket(client.version(), 1, terms_.filters, terms_.qos));
  }

  void onSubscribed(Client& client) override {
    loop_.shared.readyClients++;
    loop_.opening--;
    isReady_ = true;
    if (terms_.readsBytesPerSecond) client.stopReading();
  }

  void onPublish(Client&, const ReceivedPublish& publish, uint64_t now) override {
    const auto stamp = stampOf(publish.payload, terms_.payloadBytes);
    const uint32_t publisher = stamp ? stamp->stream / terms_.topicsPerPublisher : notMine;
    if (publisher >= publisherAt_.size() || publisherAt_[publisher] == notMine) {
      faults_.corrupt++;
      return;
    }
    const uint32_t topic = stamp->stream % terms_.topicsPerPublisher;
    const uint32_t advance = check(streams_[publisherAt_[publisher] * terms_.topicsPerPublisher + topic], *stamp);
    received_++;
    if (terms_.readsBytesPerSecond) return;
    if (advance > 0) loop_.advance(publisher, advance);
    loop_.arrived.store(loop_.arrived.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (!loop_.isMeasuring()) return;
    loop_.tally().delivered++;
    loop_.tally().latency.record(now > stamp->atNs ? now - stamp->atNs : 0);
  }

  // A slow one reads on the tick.
  bool wantsTicks() const override { return terms_.readsBytesPerSecond.value_or(0) > 0; }
  void onTick(Client& client, uint64_t now) override {
    if (!isReady_) return;
    const uint64_t since = lastReadNs_ == 0 ? 0 : now - lastReadNs_;
    lastReadNs_ = now;
    const uint64_t bytes = *terms_.readsBytesPerSecond * since / nsPerSecond;
    if (bytes > 0) client.receiveSome(size_t(bytes));
  }

  void onLost(Client&, const std::string& why) override {
    if (terms_.readsBytesPerSecond && isReady_) {
      wasCutOff_ = true;  // which a broker may do to one that does not read
      return;
    }
    loop_.shared.disconnected++;
    loop_.shared.note(why);
  }
  bool wasCutOff() const { return wasCutOff_; }

 private:
  static constexpr uint32_t notMine = UINT32_MAX;

  // Gives for how many messages the publisher need not wait any more.
  uint32_t check(Sequence& own, const Stamp& stamp) {
    if (terms_.group) return checkInGroup(own, stamp);
    const uint32_t last = own.last();
    switch (own.take(stamp.sequence)) {
      case Arrival::next:
      case Arrival::gap: return stamp.sequence - last;
      case Arrival::late: faults_.outOfOrder++; return 0;
      case Arrival::duplicate: faults_.duplicates++; return 0;
      case Arrival::unclear: faults_.unclear++; return 0;
    }
    return 0;
  }

  // A member gets a part of the numbers, in order; all members together get each once.
  uint32_t checkInGroup(Sequence& own, const Stamp& stamp) {
    const bool isInOrder = stamp.sequence > own.last();
    own.skipTo(stamp.sequence);
    switch (terms_.group->streams[stamp.stream].take(stamp.sequence)) {
      case Arrival::duplicate: faults_.duplicates++; return 0;
      case Arrival::unclear: faults_.unclear++; return 0;
      default: faults_.outOfOrder += isInOrder ? 0 : 1; return 1;
    }
  }

  Loop& loop_;
  const Terms terms_;
  std::vector<uint32_t> publisherAt_;  // publisher -> its place in terms_.publishers
  std::vector<Sequence> streams_;
  Faults faults_;
  uint64_t received_ = 0;
  uint64_t lastReadNs_ = 0;
  bool isReady_ = false;
  bool wasCutOff_ = false;
};

}  // namespace load
