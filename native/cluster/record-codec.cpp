#include "record-codec.h"

#include <utility>

#include "record-reader.h"
#include "record-writer.h"

namespace rally::cluster {

namespace {

// Every field but the first, which names the kind.
template <class Kind, class Visit>
void eachOwnField(Kind& each, Visit&& visit) {
  bool isKind = true;
  eachField(each, [&](auto& field) {
    if (!std::exchange(isKind, false)) visit(field);
  });
}

template <class R>
void encodeRecord(const R& record, uint64_t nowMs, std::vector<uint8_t>& to) {
  to.push_back(record.kind());
  RecordWriter writer(to, nowMs);
  record.visit([&](const auto& each) { eachOwnField(each, [&](const auto& field) { writer.put(field); }); });
}

// Records that may arrive without carried contents.
template <class Kind>
constexpr bool mayBeEmpty = std::is_same_v<Kind, request::RetainedStop> || std::is_same_v<Kind, delivery::LookedUp>;

// Performs checks beyond individual fields. Inspects the carried contents without taking them.
template <class Kind>
bool isSound(const Kind& each) {
  if constexpr (requires { each.qos; }) {
    if (each.qos > 2) return false;
  }
  if constexpr (requires { each.from; }) {
    if (each.from >= workersMax) return false;
  }
  if constexpr (requires { each.subscriptionId; }) {
    if (each.subscriptionId > varintMax) return false;
  }
  if constexpr (requires { each.carried; }) {
    auto owned = each.carried.take();
    bool isSound = owned || mayBeEmpty<Kind>;
    if constexpr (std::is_same_v<Kind, request::LookUp>) isSound = isSound && isTopicName(*owned, UINT32_MAX);
    else if constexpr (requires { owned->data(); }) isSound = isSound && (!owned || isTopicFilter(*owned));
    [[maybe_unused]] const auto* stillCarried = owned.release();
    return isSound;
  }
  return true;
}

template <class R>
bool decodeRecord(Bytes bytes, const Arrival& arrival, R& record) {
  if (bytes.empty()) return false;
  RecordReader reader(bytes.subspan(1), arrival.nowMs, arrival.ageMs, arrival.workers);
  bool isRecord = false;
  R::visitKind(bytes[0], [&]<class Kind>(Kind each) {
    if (arrival.version < sinceVersion<Kind>) return;
    eachOwnField(each, [&](auto& field) { reader.get(field); });
    isRecord = reader.isDone() && isSound(each);
    if (isRecord) {
      record = each;
    } else {
      if constexpr (requires { each.carried; }) each.carried.take();
    }
  });
  return isRecord;
}

}  // namespace

void encode(const Request& record, uint64_t nowMs, std::vector<uint8_t>& to) { encodeRecord(record, nowMs, to); }
void encode(const ShardRecord& record, uint64_t nowMs, std::vector<uint8_t>& to) { encodeRecord(record, nowMs, to); }

bool decode(Bytes bytes, const Arrival& arrival, Request& record) { return decodeRecord(bytes, arrival, record); }
bool decode(Bytes bytes, const Arrival& arrival, ShardRecord& record) { return decodeRecord(bytes, arrival, record); }

}  // namespace rally::cluster
