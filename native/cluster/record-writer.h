// Writes one record as bytes, field by field (record-codec.h).
#pragma once
#include <algorithm>
#include <bit>
#include <vector>

#include "../lanes/deliveries.h"
#include "../lanes/requests.h"
#include "../security/access.h"
#include "../structures/fields.h"

namespace rally::cluster {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

class RecordWriter {
 public:
  RecordWriter(std::vector<uint8_t>& to, uint64_t nowMs) : to_(to), nowMs_(nowMs) {}

  // A struct without further contents.
  template <class T>
  requires std::is_aggregate_v<T>
  void put(const T& each) {
    eachField(each, [&](const auto& field) { put(field); });
  }
  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) void put(T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    to_.insert(to_.end(), bytes, bytes + sizeof value);
  }
  template <class T, size_t Count>
  void put(const std::array<T, Count>& all) {
    for (const T& each : all) put(each);
  }
  template <class T>
  void put(const std::vector<T>& all) {
    size(all.size());
    if constexpr (std::is_same_v<T, uint8_t>) raw(all);
    else
      for (const T& each : all) put(each);
  }
  // Its content has been given away.
  template <class T>
  void put(const Carried<T>& carried) {
    const auto owned = carried.take();
    put(owned);
  }
  template <class T>
  void put(const std::unique_ptr<T>& owned) {
    put(bool(owned));
    if (owned) put(*owned);
  }
  void put(const MessageRef& message) {
    put(bool(message));
    if (message) put(*message.get());
  }

  void put(const Message& message) {
    const auto& [references, payloadBytes, propertiesBytes, topicBytes, workers, qos, retain, isStub, isMarked,
                 originSession, expiresAtMs, logId, placeInLog] = message;  // a mark refers to this node's clock
    RALLY_ASSERT(!isStub);                                                  // and the peer has its own log
    put(uint8_t(qos | (retain ? retainFlag : 0) | (expiresAtMs != 0 ? expiresFlag : 0)));
    if (expiresAtMs != 0) put(hasPassed(expiresAtMs, nowMs_) ? uint64_t(0) : expiresAtMs - nowMs_);
    put(originSession);
    for (const Bytes part : {message.topic(), message.properties(), message.payload()}) {
      size(part.size());
      raw(part);
    }
  }
  void put(const SubscriptionIds& ids) {
    size_t count = 0;
    ids.each([&](uint32_t) { count++; });
    size(count);
    ids.each([&](uint32_t id) { put(id); });
  }
  void put(const Rights& rights) { put(encodeAccess(*rights.access)); }
  // Sorted, so that equal sets have equal bytes: the set's own order differs between processes.
  void put(const PacketIdSet& ids) {
    std::vector<uint16_t> sorted;
    sorted.reserve(ids.size());
    ids.each([&](uint16_t id) { sorted.push_back(id); });
    std::sort(sorted.begin(), sorted.end());
    size(sorted.size());
    for (const uint16_t id : sorted) put(id);
  }

  void put(SessionParcel& parcel) {
    auto& [key, move, window, queue, received, retainedShards, expirySeconds, leftAtMs, will, rights, durable] = parcel;
    put(key);
    put(move);
    put(window);
    const std::span<const Delivery> waiting = queue.travelling();
    size(waiting.size());
    for (const Delivery& delivery : waiting) put(delivery);
    put(received);
    put(retainedShards);
    put(expirySeconds);
    put(nowMs_ - leftAtMs);
    put(will);
    put(rights);
    put(durable);
  }
  // The contents of the parcel become the first entries in the receiving node's log.
  void put(const DurableSession& durable) {
    size(durable.clientId().size());
    raw(durable.clientId());
    size(durable.access().size());
    raw(durable.access());
  }

  static constexpr uint8_t qosBits = 3, retainFlag = 4, expiresFlag = 8;

 private:
  void put(Window& window) {
    size_t count = 0;
    const auto isOpen = [](const Window::Entry& entry) { return entry.state != Window::State::done; };
    window.each([&](const Window::Entry& entry) { count += isOpen(entry); });
    size(count);
    window.eachNumbered([&](uint16_t packetId, const Window::Entry& entry) {
      if (!isOpen(entry)) return;
      put(packetId);
      put(entry.state);
      put(entry.delivery);
    });
  }

  void size(size_t value) {
    for (; value >= 0x80; value >>= 7) to_.push_back(uint8_t(value | 0x80));
    to_.push_back(uint8_t(value));
  }
  void raw(Bytes bytes) { to_.insert(to_.end(), bytes.begin(), bytes.end()); }

  std::vector<uint8_t>& to_;
  const uint64_t nowMs_;
};

}  // namespace rally::cluster
