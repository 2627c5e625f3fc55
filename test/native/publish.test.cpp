// native/wire/publish.h and native/wire/publish-writer.h
#include "check.h"
#include "octets.h"
#include "sent-publish.h"

#include "../../native/wire/publish-writer.h"
#include "../../native/wire/publish.h"

using namespace rally;

namespace {

Reason reasonOf(std::string_view hex, uint8_t version) {
  const Octets bytes = fromHex(hex);
  const Exact body(Bytes(bytes).subspan(1));
  Publish publish;
  return readPublish(bytes[0], body, version, publish);
}

Publication publicationOf(const SentPublish& publish) {
  Publication publication;
  publication.topic = bytesOf(publish.topic);
  publication.payload = bytesOf(publish.payload);
  publication.properties = publish.otherProperties;
  publication.qos = publish.qos;
  publication.retain = publish.retain;
  return publication;
}

SubscriptionIds idsOf(const std::vector<uint32_t>& from) {
  SubscriptionIds ids;
  for (const uint32_t id : from) ids.add(id);
  return ids;
}

Octets written(PublishWriter& writer, const Publication& publication, uint8_t version, uint8_t qos, bool dup,
               bool retain, uint16_t packetId, const std::vector<uint32_t>& ids = {}) {
  PublishWriter::Head& head = writer.head(publication, version, qos, idsOf(ids), {});
  head.patch(qos, dup, retain, packetId, 0);
  Octets all = head.bytes;
  all.insert(all.end(), publication.payload.begin(), publication.payload.end());
  return all;
}

SentPublish randomPublish(check::Random& random) {
  SentPublish publish;
  publish.topic = random.text(random.between(1, random.chance(10) ? 300 : 20), "ab/$ ");
  publish.payload = textOf(random.bytes(random.chance(10) ? random.below(2'000) : random.below(20)));
  publish.qos = uint8_t(random.below(3));
  publish.retain = random.chance(50);
  publish.duplicate = publish.qos > 0 && random.chance(50);
  if (publish.qos > 0) publish.packetId = uint16_t(random.between(1, 65'535));
  std::string others;
  if (random.chance(30)) others += std::string("\x01", 1) + std::string(1, char(random.below(2)));
  if (random.chance(30)) others += textProperty(0x03, "text/plain");
  if (random.chance(30)) others += textProperty(0x08, "answer/to");
  if (random.chance(30)) others += textProperty(0x09, textOf(random.bytes(random.below(300))));
  for (size_t i = random.below(4); i > 0; i--)
    others += textProperty(0x26, "name") + textProperty(0, random.text(3, "xyz")).substr(1);
  publish.otherProperties = octetsOf(bytesOf(others));
  return publish;
}

}  // namespace

TEST("publish: golden vectors of 3.1.1, read") {
  const Octets body = fromHex("0003 612f62 000a 6869");
  Publish publish;
  CHECK_EQ(readPublish(0x3d, Exact(body), 4, publish), Reason::success);
  const Exact kept(body);
  CHECK_EQ(readPublish(0x3d, kept, 4, publish), Reason::success);
  CHECK_EQ(publish.qos, 2);
  CHECK(publish.duplicate && publish.retain);
  CHECK_EQ(textOf(publish.topic), std::string("a/b"));
  CHECK_EQ(publish.packetId, 10);
  CHECK_EQ(textOf(publish.payload), std::string("hi"));
  CHECK_EQ(reasonOf("30 0001 61", 4), Reason::success);
  CHECK_EQ(reasonOf("31 0001 61 00", 3), Reason::success);
  CHECK_EQ(reasonOf("32 0001 61 0001", 4), Reason::success);
}

TEST("publish: golden vectors of 5.0, read") {
  const Octets body = fromHex(
      "0001 74 1234 2a  01 01  02 0000003c  03 0001 63  08 0001 72  09 0002 ff00  23 0007"
      "  26 0001 6b 0001 76  26 0001 6b 0001 77  26 0000 0000 beef");
  const Exact kept(body);
  Publish publish;
  CHECK_EQ(readPublish(0x32, kept, 5, publish), Reason::success);
  CHECK_EQ(publish.packetId, 0x1234);
  CHECK(publish.expires);
  CHECK_EQ(publish.expirySeconds, 60);
  CHECK_EQ(publish.topicAlias, 7);
  CHECK(publish.filtersProperties);
  CHECK_EQ(toHex(publish.payload), std::string("beef"));
  Octets forwarded;
  copyForwardedProperties(publish.properties, forwarded);
  CHECK_EQ(
      toHex(forwarded),
      toHex(fromHex("01 01 03 0001 63 08 0001 72 09 0002 ff00 26 0001 6b 0001 76 26 0001 6b 0001 77 26 0000 0000")));
}

TEST("publish: what is wrong has its reason code") {
  CHECK_EQ(reasonOf("36 0001 61 0001", 4), Reason::malformedPacket);  // QoS 3
  CHECK_EQ(reasonOf("38 0001 61", 4), Reason::malformedPacket);       // DUP at QoS 0 ...
  CHECK_EQ(reasonOf("38 0001 61", 3), Reason::success);               // ... of which 3.1 says nothing
  CHECK_EQ(reasonOf("32 0001 61 0000", 4), Reason::protocolError);    // packet identifier 0
  CHECK_EQ(reasonOf("32 0001 61 00", 4), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30", 4), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 00", 4), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0002 61", 4), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61", 5), Reason::malformedPacket);        // no property length
  CHECK_EQ(reasonOf("30 0001 61 05", 5), Reason::malformedPacket);     // properties missing
  CHECK_EQ(reasonOf("30 0001 61 8000", 5), Reason::malformedPacket);   // their length in too many bytes
  CHECK_EQ(reasonOf("30 0001 61 02 0102", 5), Reason::protocolError);  // format indicator 2
  CHECK_EQ(reasonOf("30 0001 61 04 0101 0101", 5), Reason::protocolError);
  CHECK_EQ(reasonOf("30 0001 61 03 230000", 5), Reason::topicAliasInvalid);
  CHECK_EQ(reasonOf("30 0001 61 02 2300", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 02 0b01", 5), Reason::protocolError);
  CHECK_EQ(reasonOf("30 0001 61 04 1f000161", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 02 0400", 5), Reason::malformedPacket);  // no such property
  CHECK_EQ(reasonOf("30 0001 61 02 7f00", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 04 08000123", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 03 080000", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 03 080009", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 05 080002c080", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 04 030001ff", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 07 26000161000100", 5), Reason::malformedPacket);
  CHECK_EQ(reasonOf("30 0001 61 04 030002 61 6262", 5),
           Reason::malformedPacket);  // a string over the end of the properties
}

TEST("publish: what clients send reads back, whichever properties it has") {
  check::eachSeed(1'000, [](check::Random& random) {
    for (const uint8_t version : {uint8_t(3), uint8_t(4), uint8_t(5)}) {
      SentPublish sent = randomPublish(random);
      if (random.chance(50)) sent.expirySeconds = uint32_t(random.next());
      if (random.chance(50)) sent.topicAlias = uint16_t(random.between(1, 65'535));
      const Octets plain = bodyOf(sent, version);
      const Exact body(plain);
      Publish publish;
      if (!CHECK_EQ(readPublish(firstByteOf(sent), body, version, publish), Reason::success)) return;
      CHECK_EQ(textOf(publish.topic), sent.topic);
      CHECK(textOf(publish.payload) == sent.payload);
      CHECK_EQ(publish.packetId, sent.packetId);
      CHECK_EQ(publish.qos, sent.qos);
      CHECK_EQ(publish.duplicate, sent.duplicate);
      CHECK_EQ(publish.retain, sent.retain);
      if (version < 5) continue;
      CHECK_EQ(publish.topicAlias, sent.topicAlias);
      CHECK_EQ(publish.expires, sent.expirySeconds.has_value());
      CHECK_EQ(publish.expirySeconds, sent.expirySeconds.value_or(0));
      CHECK_EQ(publish.filtersProperties, sent.expirySeconds.has_value() || sent.topicAlias != 0);
      Octets forwarded;
      copyForwardedProperties(publish.properties, forwarded);
      CHECK(forwarded == sent.otherProperties);
    }
  });
}

TEST("publish: any bytes, whole and cut, are never read past their end") {
  check::eachSeed(8'000, [](check::Random& random) {
    Octets body;
    uint8_t first = uint8_t(0x30 | random.below(16));
    if (random.chance(30)) {
      body = random.bytes(random.below(60));
      if (random.chance(70) && body.size() > 2) body[0] = 0, body[1] = uint8_t(random.below(body.size()));
    } else {
      SentPublish sent = randomPublish(random);
      sent.payload.resize(std::min<size_t>(sent.payload.size(), 10));
      body = bodyOf(sent, 5);
      first = firstByteOf(sent);
    }
    for (size_t i = random.below(3); i > 0 && !body.empty(); i--) body[random.below(body.size())] = random.byte();
    if (random.chance(50)) body.resize(random.below(body.size() + 1));
    const Exact exact(body);
    Publish publish;
    const Reason reason = readPublish(first, exact, uint8_t(random.between(3, 5)), publish);
    CHECK(reason == Reason::success || isError(reason));
    Octets forwarded;
    copyForwardedProperties(publish.properties, forwarded);
    CHECK(forwarded.size() <= publish.properties.size());
  });
}

TEST("publish writer: golden vectors of 3.1.1") {
  PublishWriter writer;
  writer.begin(0);
  SentPublish sent{.topic = "a/b", .payload = "hi"};
  sent.otherProperties = fromHex("0101");  // from a publisher that speaks 5.0
  const Publication publication = publicationOf(sent);
  CHECK_EQ(toHex(written(writer, publication, 4, 0, false, false, 0)), toHex(fromHex("30 07 0003 612f62 6869")));
  CHECK_EQ(toHex(written(writer, publication, 3, 0, false, true, 0)), toHex(fromHex("31 07 0003 612f62 6869")));
  CHECK_EQ(toHex(written(writer, publication, 4, 1, false, false, 0x1234)),
           toHex(fromHex("32 09 0003 612f62 1234 6869")));
  CHECK_EQ(toHex(written(writer, publication, 4, 2, true, true, 1)), toHex(fromHex("3d 09 0003 612f62 0001 6869")));
  CHECK_EQ(toHex(written(writer, publication, 4, 1, false, false, 2, {9})),
           toHex(fromHex("32 09 0003 612f62 0002 6869")));
}

TEST("publish writer: golden vectors of 5.0") {
  PublishWriter writer;
  writer.begin(1'000);
  SentPublish sent{.topic = "t", .payload = "p"};
  sent.otherProperties = fromHex("0101");
  Publication publication = publicationOf(sent);
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)), toHex(fromHex("30 07 0001 74 02 0101 70")));
  CHECK_EQ(toHex(written(writer, publication, 5, 1, false, false, 7)), toHex(fromHex("32 09 0001 74 0007 02 0101 70")));
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0, {1, 300})),
           toHex(fromHex("30 0c 0001 74 07 0b01 0bac02 0101 70")));
  // The forms without identifiers are not touched by the one that had them.
  CHECK_EQ(toHex(written(writer, publication, 5, 2, true, true, 8)), toHex(fromHex("3d 09 0001 74 0008 02 0101 70")));

  publication.expiresAtMs = 61'000;
  writer.begin(1'000);
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)),
           toHex(fromHex("30 0c 0001 74 07 020000003c 0101 70")));
  for (const uint64_t nowMs : {501u, 1'500u}) {  // to the nearest second, also by a clock that is behind
    writer.begin(nowMs);
    CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)),
             toHex(fromHex("30 0c 0001 74 07 020000003c 0101 70")));
  }
  writer.begin(60'999);
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)),
           toHex(fromHex("30 0c 0001 74 07 0200000001 0101 70")));
  writer.begin(60'001);
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)),
           toHex(fromHex("30 0c 0001 74 07 0200000001 0101 70")));
  writer.begin(99'000);
  CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)),
           toHex(fromHex("30 0c 0001 74 07 0200000000 0101 70")));
  CHECK_EQ(toHex(written(writer, publication, 4, 0, false, false, 0)), toHex(fromHex("30 04 0001 74 70")));
}

TEST("publish writer: the longest expiry interval stays what it is, also by a clock that is behind") {
  PublishWriter writer;
  const SentPublish sent{.topic = "t", .payload = ""};
  Publication publication = publicationOf(sent);
  publication.expiresAtMs = 1'000 + 4'294'967'295'000;
  for (const uint64_t nowMs : {1'000u, 999u, 100u}) {
    writer.begin(nowMs);
    CHECK_EQ(toHex(written(writer, publication, 5, 0, false, false, 0)), toHex(fromHex("30 09 0001 74 05 02ffffffff")));
  }
}

TEST("publish writer: random publications to random receivers read back, each with what is its own") {
  check::eachSeed(400, [](check::Random& random) {
    PublishWriter writer;
    for (int round = 0; round < 3; round++) {
      SentPublish sent = randomPublish(random);
      const uint64_t nowMs = random.below(1'000'000);
      Publication publication = publicationOf(sent);
      if (random.chance(50)) publication.expiresAtMs = nowMs + random.below(100'000);
      writer.begin(nowMs);
      for (int receiver = 0; receiver < 8; receiver++) {
        const auto version = uint8_t(random.between(3, 5));
        const auto qos = uint8_t(random.below(3));
        const bool dup = qos > 0 && random.chance(50);
        const bool retain = random.chance(50);
        const auto packetId = uint16_t(qos == 0 ? 0 : random.between(1, 65'535));
        std::vector<uint32_t> ids(random.chance(50) ? 0 : random.below(4));
        for (uint32_t& id : ids) id = uint32_t(random.between(1, varintMax)) >> random.below(20) | 1;
        const Octets frame = written(writer, publication, version, qos, dup, retain, packetId, ids);
        const Varint length = readVarint(Bytes(frame).subspan(1));
        const size_t header = 1u + length.size;
        if (!CHECK_EQ(header + length.value, frame.size())) return;
        const auto read = decodePublish(frame[0], Bytes(frame).subspan(header), version);
        if (!CHECK(read.has_value())) return;
        CHECK_EQ(read->topic, sent.topic);
        CHECK(read->payload == sent.payload);
        CHECK_EQ(read->qos, qos);
        CHECK_EQ(read->duplicate, dup);
        CHECK_EQ(read->retain, retain);
        CHECK_EQ(read->packetId, packetId);
        if (version < 5) continue;
        CHECK(read->otherProperties == sent.otherProperties);
        CHECK(read->subscriptionIds == ids);
        CHECK_EQ(read->expirySeconds.has_value(), publication.expiresAtMs != 0);
        const uint64_t leftMs = publication.expiresAtMs - nowMs;
        if (publication.expiresAtMs != 0)
          CHECK_EQ(*read->expirySeconds, (leftMs > 0 && leftMs < 500 ? 1 : (leftMs + 500) / 1000));
      }
    }
  });
}
