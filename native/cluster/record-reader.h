// Reads one record from bytes, field by field (record-codec.h). It trusts nothing: the first value that no worker would
// have written sets a sticky error, after which all reads return zeros.
#pragma once
#include "../wire/topic.h"
#include "record-writer.h"

namespace rally::cluster {

// The largest value of each enumeration used in records.
constexpr Interest lastOf(Interest) { return Interest::durable; }
constexpr ShareOutcome lastOf(ShareOutcome) { return ShareOutcome::over; }
constexpr ShareLevel lastOf(ShareLevel) { return ShareLevel::full; }
constexpr ShareKind lastOf(ShareKind) { return ShareKind::acknowledged; }
constexpr Reason lastOf(Reason) { return Reason(0xff); }
constexpr Window::State lastOf(Window::State) { return Window::State::released; }

class RecordReader {
 public:
  RecordReader(Bytes bytes, uint64_t nowMs, uint64_t ageMs, unsigned workers)
      : left_(bytes), nowMs_(nowMs), ageMs_(ageMs), workers_(workers) {}

  // Whether everything has been valid so far, with no bytes left.
  bool isDone() const { return ok_ && left_.empty(); }

  template <class T>
  requires std::is_aggregate_v<T>
  void get(T& each) {
    eachField(each, [&](auto& field) { get(field); });
    if (ok_) expect(isSound(each));
  }
  template <class T>
  requires std::is_integral_v<T>
  void get(T& value) {
    const Bytes from = raw(sizeof value);
    if (!ok_) return;
    if constexpr (std::is_same_v<T, bool>) {
      expect(from[0] <= 1);
      value = from[0] == 1;
    } else {
      std::memcpy(&value, from.data(), sizeof value);
    }
  }
  template <class T>
  requires std::is_enum_v<T>
  void get(T& value) {
    static_assert(sizeof value == 1);
    uint8_t number = 0;
    get(number);
    expect(number <= uint8_t(lastOf(T())));
    if (ok_) value = T(number);
  }
  template <class T, size_t Count>
  void get(std::array<T, Count>& all) {
    for (T& each : all) get(each);
  }
  template <class T>
  void get(std::vector<T>& all) {
    const size_t count = size();
    if constexpr (std::is_same_v<T, uint8_t>) {
      const Bytes from = raw(count);
      all.assign(from.begin(), from.end());
    } else {
      for (size_t i = 0; i < count && ok_; i++) get(all.emplace_back());
    }
  }
  template <class T>
  void get(std::unique_ptr<T>& owned) {
    if (!isThere()) return;
    if constexpr (std::is_same_v<T, Rights>) {
      owned = rights();
    } else {
      owned = std::make_unique<T>();
      get(*owned);
    }
    if (!ok_) owned = nullptr;
  }
  template <class T>
  void get(Carried<T>& carried) {
    std::unique_ptr<T> owned;
    get(owned);
    carried = Carried(std::move(owned));
  }
  void get(Carried<Message>& carried) {
    MessageRef message;
    get(message);
    if (message) carried = Carried(std::move(message));
  }

  void get(MessageRef& message) {
    if (!isThere()) return;
    Publication publication;
    uint8_t flags = 0;
    get(flags);
    publication.qos = flags & RecordWriter::qosBits;
    publication.retain = (flags & RecordWriter::retainFlag) != 0;
    expect(publication.qos <= 2 && flags < 2 * RecordWriter::expiresFlag);
    if ((flags & RecordWriter::expiresFlag) != 0) {
      uint64_t leftMs = 0;
      get(leftMs);
      publication.expiresAtMs = nowMs_ + (leftMs > ageMs_ ? leftMs - ageMs_ : 0);
      expect(leftMs < uint64_t(1) << 53 && publication.expiresAtMs != 0);
    }
    get(publication.originSession);
    publication.topic = raw(size());
    publication.properties = raw(size());
    publication.payload = raw(size());
    expect(isTopicName(publication.topic, UINT32_MAX) && publication.topic.size() <= UINT16_MAX);
    if (!ok_) return;
    publication.workers = uint8_t(workers_);
    publication.keep();
    message = std::move(publication.kept);
  }
  void get(SubscriptionIds& ids) {
    for (size_t left = size(); left > 0 && ok_; left--) {
      uint32_t id = 0;
      get(id);
      expect(id != 0 && id <= varintMax);
      ids.add(id);
    }
  }
  void get(PacketIdSet& ids) {
    for (size_t left = size(); left > 0 && ok_; left--) {
      uint16_t id = 0;
      get(id);
      expect(id != 0 && ids.add(id));
    }
  }

  void get(SessionParcel& parcel) {
    auto& [key, move, window, queue, received, retainedShards, expirySeconds, leftAtMs, will, rights, durable] = parcel;
    uint64_t awayMs = 0;
    std::vector<Delivery> waiting;
    get(key);
    get(move);
    get(window);
    get(waiting);
    for (const Delivery& delivery : waiting) expect(bool(delivery.message));
    get(received);
    get(retainedShards);
    get(expirySeconds);
    get(awayMs);
    get(will);
    get(rights);
    get(durable);
    if (!ok_) return;
    queue = DeliveryQueue::travellingWith(std::move(waiting));
    leftAtMs = nowMs_ - ageMs_ - awayMs;
  }

  void get(DurableSession& durable) {
    const Bytes clientId = raw(size());
    expect(!clientId.empty() && clientId.size() <= UINT16_MAX);
    const Bytes access = raw(size());
    Reader reader(access);
    expect(access.empty() || (parseAccess(reader) && reader.remaining() == 0));
    if (!ok_) return;
    durable.setClient(clientId, access);
  }

 private:
  // --- checks beyond a single field ----------------------------------------------------------------

  template <class T>
  static bool isSound(const T& each) {
    if constexpr (requires { each.qos; }) {
      if (each.qos > 2) return false;
    }
    if constexpr (requires { each.retainHandling; }) {
      if (each.retainHandling > 2 || each.subscriptionId > varintMax) return false;
    }
    if constexpr (requires { each.text; }) {
      if (!isTopicFilter(each.text)) return false;
    }
    if constexpr (std::is_same_v<T, Will>) return bool(each.message);
    if constexpr (std::is_same_v<T, SubscriptionSlice>) return areFilters(each);
    return true;
  }
  static bool areFilters(const SubscriptionSlice& slice) {
    size_t bytes = 0;
    for (const SubscriptionSlice::Row& row : slice.rows) bytes += row.textBytes;
    if (bytes != slice.texts.size()) return false;
    bool areAll = true;
    slice.each([&](Bytes text, const SubscriptionOptions&) { areAll = areAll && isTopicFilter(text); });
    return areAll;
  }

  // As if it came from a worker of this node.
  void get(Window& window) {
    HeldMessages between(0);
    for (size_t left = size(); left > 0 && ok_; left--) {
      uint16_t packetId = 0;
      auto state = Window::State::done;
      Delivery delivery;
      get(packetId);
      get(state);
      get(delivery);
      if (state == Window::State::sent) expect(delivery.qos > 0);
      else expect(state == Window::State::released && delivery.qos == 2 && !delivery.message);
      expect(packetId != 0 && window.canRestore(packetId));
      if (ok_) window.restore(packetId, std::move(delivery), state, between);
    }
    window.depart(between);
  }

  std::unique_ptr<Rights> rights() {
    Reader reader(raw(size()));
    std::shared_ptr<const Access> access = ok_ ? parseAccess(reader) : nullptr;
    expect(access && reader.remaining() == 0);
    return ok_ ? std::make_unique<Rights>(std::move(access)) : nullptr;
  }

  // --- bytes ----------------------------------------------------------------------------------------

  bool isThere() {
    bool isThere = false;
    get(isThere);
    return isThere;
  }
  // The size of something that has at most as many elements or bytes as there are bytes left.
  size_t size() {
    size_t value = 0;
    for (unsigned shift = 0; ok_; shift += 7) {
      uint8_t byte = 0;
      get(byte);
      value |= size_t(byte & 0x7f) << shift;
      expect(shift < 28 && (byte != 0 || shift == 0));
      if ((byte & 0x80) == 0) break;
    }
    expect(value <= left_.size());
    return ok_ ? value : 0;
  }
  Bytes raw(size_t count) {
    expect(count <= left_.size());
    if (!ok_) return {};
    const Bytes taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  void expect(bool isSound) {
    if (isSound) return;
    ok_ = false;
    left_ = {};
  }

  Bytes left_;
  bool ok_ = true;
  const uint64_t nowMs_;
  const uint64_t ageMs_;
  const unsigned workers_;
};

}  // namespace rally::cluster
