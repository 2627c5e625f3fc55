// The target sessions of a message logged by their own worker (records::Brought), one after another:
//
//   [ session, 8 bytes | qos | flags of records::Queued | count of identifiers, 2 bytes | 4 bytes each ]
#pragma once
#include <cstring>
#include <vector>

#include "../messages/delivery.h"
#include "records.h"

namespace rally {

struct BroughtTarget {
  uint64_t session = 0;
  uint8_t qos = 0;
  bool retain = false;
  bool isFromStore = false;
  SubscriptionIds subscriptionIds = {};
};

class BroughtTargets {
 public:
  bool isEmpty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }
  Bytes bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

  void add(uint64_t session, uint8_t qos, bool retain, bool isFromStore, const SubscriptionIds& ids) {
    uint16_t count = 0;
    ids.each([&](uint32_t) { count++; });
    put(session);
    put(qos);
    put(uint8_t((retain ? records::Queued::retain : 0) | (isFromStore ? records::Queued::isFromStore : 0)));
    put(count);
    ids.each([&](uint32_t id) { put(id); });
  }

  // False: the bytes are malformed.
  template <class Visit>
  static bool each(Bytes bytes, Visit&& visit) {
    while (!bytes.empty()) {
      BroughtTarget target;
      uint8_t flags = 0;
      uint16_t count = 0;
      if (!take(bytes, target.session) || !take(bytes, target.qos) || !take(bytes, flags) || !take(bytes, count))
        return false;
      if (bytes.size() < size_t(count) * sizeof(uint32_t)) return false;
      target.retain = (flags & records::Queued::retain) != 0;
      target.isFromStore = (flags & records::Queued::isFromStore) != 0;
      for (uint16_t i = 0; i < count; i++) {
        uint32_t id = 0;
        take(bytes, id);
        target.subscriptionIds.add(id);
      }
      visit(target);
    }
    return true;
  }

 private:
  template <class Number>
  void put(Number value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
  }
  template <class Number>
  static bool take(Bytes& bytes, Number& value) {
    if (bytes.size() < sizeof value) return false;
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes = bytes.subspan(sizeof value);
    return true;
  }

  std::vector<uint8_t> bytes_;
};

}  // namespace rally
