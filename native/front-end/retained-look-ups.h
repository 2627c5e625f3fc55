// Looks up the retained message of a topic, without a subscription: asks the topic's shard, and tells packet control
// the result.
//
//   ask(topic, token) --request::LookUp--> the topic's shard
//   event lookedUp <--delivery::LookedUp-- onLookedUp()
#pragma once
#include <unordered_map>

#include "../lanes/deliveries.h"
#include "../topics/filter-table.h"
#include "../topics/slot-map.h"
#include "../wire/publish-writer.h"
#include "events.h"
#include "shard-requests.h"

namespace rally {

class RetainedLookUps {
 public:
  RetainedLookUps(const SlotMap& slots, const FilterTable& filters, Fifo<Event>& events, ShardRequests& requests)
      : slots_(slots), filters_(filters), events_(events), requests_(requests) {}

  // `token` names the look-up in its event.
  void ask(Bytes topic, uint64_t token) {
    asked_[token] = {topic.begin(), topic.end()};
    send(topic, token);
  }

  // A worker is lost: its slots have no owner. Its questions are asked again.
  void onGone() {
    for (const auto& [token, topic] : asked_) {
      if (slots_.ownerOf(filters_.hashOf(topic)) == SlotMap::nobody) send(topic, token);
    }
  }

  // The event has the message as a PUBLISH of MQTT 5, or nothing.
  void onLookedUp(const delivery::LookedUp& found, uint64_t nowMs) {
    MessageRef message = found.carried.take();
    if (asked_.erase(found.token) == 0) return;  // two shards were asked, one after the other
    std::vector<uint8_t> packet;
    if (message) packet = encode(std::move(message), nowMs);
    events_.push({EventKind::lookedUp, 0, Reason::success, 0, found.token, std::move(packet)});
  }

 private:
  // It is never acknowledged, but with QoS 1 and 2 a PUBLISH has a packet identifier.
  static constexpr uint16_t anyPacketId = 1;

  void send(Bytes topic, uint64_t token) {
    requests_.toOwner(filters_.hashOf(topic), request::LookUp{.token = token, .carried = Carried(toFilterText(topic))});
  }

  static std::vector<uint8_t> encode(MessageRef message, uint64_t nowMs) {
    const Publication publication = Publication::of(std::move(message), 0);
    PublishWriter writer;
    writer.begin(nowMs);
    PublishWriter::Head& head = writer.head(publication, mqtt5, publication.qos, {}, {});
    if (head.packetBytes > PublishWriter::packetBytesMax) return {};
    head.patch(publication.qos, false, true, anyPacketId, 0);
    std::vector<uint8_t> packet = std::move(head.bytes);
    packet.insert(packet.end(), publication.payload.begin(), publication.payload.end());
    return packet;
  }

  const SlotMap& slots_;
  const FilterTable& filters_;
  Fifo<Event>& events_;
  ShardRequests& requests_;
  std::unordered_map<uint64_t, FilterText> asked_;  // topics, by token
};

}  // namespace rally
