// Records of the lanes with something in every field, for what writes and reads them.
#pragma once
#include "octets.h"
#include "random.h"

#include "../../native/cluster/record-reader.h"

class RandomRecord {
 public:
  // `workers` may hold its messages.
  RandomRecord(check::Random& random, uint64_t nowMs, unsigned workers = 2)
      : random_(random), nowMs_(nowMs), workers_(workers) {}

  template <class R>
  R of(uint8_t kind) {
    R record;
    R::visitKind(kind, [&]<class Kind>(Kind each) {
      bool isFirst = true;
      rally::eachField(each, [&](auto& field) {
        if (!std::exchange(isFirst, false)) fill(field);
      });
      if constexpr (std::is_same_v<Kind, rally::request::LookUp>) {
        each.carried.take();
        each.carried = rally::Carried(rally::toFilterText(bytesOf("t/1")));
      }
      record = each;
    });
    return record;
  }

  rally::MessageRef message() {
    const std::string topic = "t/" + random_.text(random_.below(20), "abcd/");
    const Octets properties = random_.bytes(random_.below(20));
    const Octets payload = random_.bytes(random_.chance(5) ? 20'000 : random_.below(100));
    rally::Publication publication;
    publication.topic = bytesOf(topic);
    publication.properties = properties;
    publication.payload = payload;
    publication.originSession = random_.next();
    publication.expiresAtMs = random_.chance(50) ? nowMs_ + random_.between(1, 1'000'000) : 0;
    publication.qos = uint8_t(random_.below(3));
    publication.retain = random_.chance(50);
    publication.workers = uint8_t(workers_);
    return publication.keep();
  }

  std::string filter() {
    const std::string base = random_.pick(std::vector<std::string>{"a/+/#", "#", "t", "a//b", "+/c"});
    return random_.chance(30) ? "$share/g/" + base : base;
  }

 private:
  template <class T>
  requires std::is_aggregate_v<T>
  void fill(T& each) {
    rally::eachField(each, [&](auto& field) { fill(field); });
  }
  void fill(uint8_t& value) { value = uint8_t(random_.between(1, 2)); }
  void fill(uint16_t& value) { value = uint16_t(random_.between(1, 65'535)); }
  void fill(uint32_t& value) { value = uint32_t(random_.between(1, 10'000'000)); }
  void fill(uint64_t& value) { value = random_.next(); }
  void fill(bool& value) { value = random_.chance(70); }
  template <class T>
  requires std::is_enum_v<T>
  void fill(T& value) { value = T(random_.between(1, size_t(rally::cluster::lastOf(T())))); }
  void fill(rally::SubscriptionIds& ids) {
    for (size_t left = random_.below(4); left > 0; left--) ids.add(uint32_t(random_.between(1, rally::varintMax)));
  }
  void fill(rally::MessageRef& value) { value = message(); }
  void fill(rally::SlotSet& slots) {
    for (uint64_t& word : slots.words) word = random_.next();
  }

  template <class T>
  void fill(rally::Carried<T>& carried) {
    auto owned = std::make_unique<T>();
    fill(*owned);
    carried = rally::Carried(std::move(owned));
  }
  void fill(rally::Carried<rally::Message>& carried) { carried = rally::Carried(message()); }
  void fill(std::vector<uint8_t>& text) {
    const std::string any = filter();
    text.assign(any.begin(), any.end());
  }
  void fill(std::vector<rally::RetainedFilter>& all) {
    for (size_t left = random_.below(4); left > 0; left--) fill(all.emplace_back());
  }
  void fill(rally::SubscriptionSlice& slice) {
    fill(slice.session);
    fill(slice.move);
    fill(slice.total);
    fill(slice.isLast);
    fill(slice.isDurable);
    fill(slice.isNothing);
    for (size_t left = random_.below(5); left > 0; left--) {
      rally::SubscriptionOptions options;
      fill(options);
      slice.add(bytesOf(filter()), options);
    }
  }
  void fill(rally::SessionParcel& parcel) {
    fill(parcel.key);
    fill(parcel.move);
    rally::HeldMessages held(0);
    const size_t count = random_.below(6);
    auto packetId = uint16_t(random_.between(65'530, 65'535));
    for (size_t i = 0; i < count; i++) {
      const bool isReleased = random_.chance(30);
      rally::Delivery delivery;
      delivery.qos = uint8_t(isReleased ? 2 : random_.between(1, 2));
      delivery.retain = random_.chance(50);
      if (!isReleased) {
        delivery.message = message();
        fill(delivery.subscriptionIds);
      }
      using State = rally::Window::State;
      parcel.window.restore(packetId, std::move(delivery), isReleased ? State::released : State::sent, held);
      const size_t next = packetId + random_.between(1, 3);
      packetId = uint16_t(next > 65'535 ? next - 65'535 : next);
    }
    parcel.window.depart(held);
    std::vector<rally::Delivery> waiting(random_.below(5));
    for (rally::Delivery& delivery : waiting) fill(delivery);
    parcel.queue = rally::DeliveryQueue::travellingWith(std::move(waiting));
    for (size_t left = random_.chance(10) ? 3'000 : random_.below(5); left > 0; left--)
      parcel.received.add(uint16_t(random_.between(1, 65'535)));
    fill(parcel.retainedShards);
    fill(parcel.expirySeconds);
    parcel.leftAtMs = nowMs_ - random_.between(1, 5'000'000);  // before the clock began, too
    if (random_.chance(50)) {
      parcel.will = std::make_unique<rally::Will>();
      fill(*parcel.will);
    }
    if (random_.chance(50)) parcel.rights = std::make_unique<rally::Rights>(access());
    if (!random_.chance(50)) return;
    parcel.durable = std::make_unique<rally::DurableSession>();
    const std::string clientId = "c" + random_.text(random_.below(30), "abc");
    const std::vector<uint8_t> encoded = random_.chance(50) ? rally::encodeAccess(*access()) : std::vector<uint8_t>();
    parcel.durable->setClient(bytesOf(clientId), encoded);
  }

  std::shared_ptr<const rally::Access> access() {
    auto access = std::make_shared<rally::Access>();
    access->hasUserName = random_.chance(50);
    if (access->hasUserName) access->userName = rally::PlaceholderValue("lee");
    access->clientId = rally::PlaceholderValue("c/1");
    if (random_.chance(50)) access->roles = {"r", "s"};
    if (random_.chance(50)) access->claims.emplace_back("team", rally::PlaceholderValue("red"));
    if (random_.chance(50)) {
      auto own = std::make_shared<rally::RuleSet>();
      for (size_t left = random_.between(1, 4); left > 0; left--) {
        const std::string text = random_.pick(
            std::vector<std::string>{"a/b", "a/+", "a/#", "#", "a", std::string("\0u", 2)});
        (random_.chance(50) ? own->publish : own->receive).add(bytesOf(text), rally::RuleBits(1 << random_.below(4)));
      }
      access->own = std::move(own);
    }
    if (random_.chance(50)) access->topicPrefix = "tenant/";
    return access;
  }

  check::Random& random_;
  const uint64_t nowMs_;
  const unsigned workers_;
};
