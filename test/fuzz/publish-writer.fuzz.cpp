// native/wire/publish-writer.h: what is written for any receivers of one publication, in any order, is read by an
// independent reader as it was meant.
#include "fuzz.h"

#include "../native/sent-publish.h"

#include "../../native/wire/publish-writer.h"

using namespace rally;

namespace {

constexpr uint64_t nowMs = 1'000'000;

struct Receiver {
  uint8_t version;
  SentPublish publish;
  AliasUse use;
};

Receiver receiverFrom(check::Random& input) {
  Receiver receiver{uint8_t(input.between(4, 5)), {}, {}};
  SentPublish& publish = receiver.publish;
  publish.qos = uint8_t(input.below(3));
  publish.retain = input.chance(50);
  publish.duplicate = publish.qos > 0 && input.chance(50);
  if (publish.qos > 0) publish.packetId = uint16_t(input.between(1, 65'535));
  if (receiver.version < 5) return receiver;
  for (size_t ids = input.below(4); ids > 0; ids--)
    publish.subscriptionIds.push_back(uint32_t(input.between(1, varintMax)));
  receiver.use = {uint16_t(input.below(4) * 257), input.chance(50)};
  publish.topicAlias = receiver.use.alias;
  return receiver;
}

}  // namespace

FUZZ("publish-writer") {
  const std::string topic = fuzz::topicFrom(input);
  Octets properties;
  for (size_t count = input.below(4); count > 0; count--)
    appendOctets(properties, octetsOf(bytesOf(textProperty(0x09, textOf(input.bytes(input.below(60)))))));
  const uint64_t leftMs = input.chance(50) ? 0 : input.between(1, 0xffff'ffff'ffff);
  std::vector<Receiver> receivers;
  for (size_t count = input.below(6); count > 0; count--) receivers.push_back(receiverFrom(input));
  const Octets payload = octetsOf(input.rest());

  Publication publication;
  publication.topic = bytesOf(topic);
  publication.payload = payload;
  publication.properties = properties;
  publication.expiresAtMs = leftMs == 0 ? 0 : nowMs + leftMs;
  PublishWriter writer;
  writer.begin(nowMs);
  for (const Receiver& receiver : receivers) {
    const SentPublish& wanted = receiver.publish;
    SubscriptionIds ids;
    for (const uint32_t id : wanted.subscriptionIds) ids.add(id);
    PublishWriter::Head& head = writer.head(publication, receiver.version, wanted.qos, ids, receiver.use);
    head.patch(wanted.qos, wanted.duplicate, wanted.retain, wanted.packetId, wanted.topicAlias);
    Octets frame = head.bytes;
    appendOctets(frame, payload);
    const Varint length = readVarint(Bytes(frame).subspan(1));
    CHECK(length.state == Varint::State::complete && length.minimal);
    const Exact body(Bytes(frame).subspan(1 + length.size));
    CHECK_EQ(Bytes(body).size(), length.value);
    const auto read = decodePublish(frame[0], body, receiver.version);
    if (!CHECK(read.has_value())) return;
    CHECK_EQ(read->topic, wanted.topicAlias != 0 && !receiver.use.isNew ? std::string() : topic);
    CHECK_EQ(read->payload, textOf(payload));
    CHECK(read->qos == wanted.qos && read->retain == wanted.retain && read->duplicate == wanted.duplicate);
    CHECK(read->packetId == wanted.packetId && read->topicAlias == wanted.topicAlias);
    if (receiver.version < 5) continue;
    CHECK(read->subscriptionIds == wanted.subscriptionIds);
    CHECK(read->otherProperties == properties);
    CHECK_EQ(read->expirySeconds.has_value(), leftMs != 0);
    if (leftMs == 0) continue;
    const uint64_t seconds = std::clamp<uint64_t>((leftMs + 500) / 1000, 1, UINT32_MAX);
    CHECK_EQ(*read->expirySeconds, seconds);
  }
}
