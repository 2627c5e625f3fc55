// native/wire/acknowledgement.h
#include "check.h"
#include "octets.h"

#include "../../native/wire/acknowledgement.h"

using namespace rally;

namespace {

struct Read {
  Reason reason;
  Acknowledgement ack;
};
Read read(std::string_view hex, uint8_t version) {
  const Octets bytes = fromHex(hex);
  const Exact body(Bytes(bytes).subspan(1));
  Read result{Reason::success, {}};
  result.reason = readAcknowledgement(bytes[0], body, version, result.ack);
  return result;
}

constexpr PacketType types[] = {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp};

}  // namespace

TEST("acknowledgement: golden vectors, written") {
  const auto written = [](PacketType type, uint16_t id, Reason reason, uint8_t version) {
    return toHex(writeAcknowledgement(type, id, reason, version));
  };
  CHECK_EQ(written(PacketType::puback, 1, Reason::success, 4), std::string("40020001"));
  CHECK_EQ(written(PacketType::pubrec, 0x1234, Reason::success, 5), std::string("50021234"));
  CHECK_EQ(written(PacketType::pubrel, 0xffff, Reason::success, 3), std::string("6202ffff"));
  CHECK_EQ(written(PacketType::pubcomp, 7, Reason::packetIdentifierNotFound, 5), std::string("7003000792"));
  CHECK_EQ(written(PacketType::pubrel, 7, Reason::packetIdentifierNotFound, 5), std::string("6203000792"));
  CHECK_EQ(written(PacketType::puback, 7, Reason::noMatchingSubscribers, 5), std::string("4003000710"));
  CHECK_EQ(written(PacketType::puback, 7, Reason::noMatchingSubscribers, 4), std::string("40020007"));
}

TEST("acknowledgement: golden vectors, read") {
  CHECK_EQ(read("40 0001", 4).ack.packetId, 1);
  CHECK_EQ(read("40 ffff", 5).ack.packetId, 0xffff);
  CHECK_EQ(read("50 0001 80", 5).ack.reason, Reason::unspecifiedError);
  CHECK_EQ(read("62 0001 92 00", 5).ack.reason, Reason::packetIdentifierNotFound);
  CHECK_EQ(read("40 0001 00 08 1f0003616263 2600", 5).reason, Reason::malformedPacket);
  CHECK_EQ(read("40 0001 00 06 1f0003616263", 5).reason, Reason::success);
  CHECK_EQ(read("40 0001 00 07 26000161 000162", 5).reason, Reason::success);
  CHECK_EQ(read("40 0001 00 0e 26000161000162 26000161000162", 5).reason, Reason::success);
}

TEST("acknowledgement: what is wrong has its reason code") {
  CHECK_EQ(read("40", 4).reason, Reason::malformedPacket);
  CHECK_EQ(read("40 00", 4).reason, Reason::malformedPacket);
  CHECK_EQ(read("40 0000", 4).reason, Reason::protocolError);
  CHECK_EQ(read("40 000100", 4).reason, Reason::malformedPacket);         // nothing may follow in 3.1.1
  CHECK_EQ(read("40 0001 01", 5).reason, Reason::protocolError);          // no such reason code
  CHECK_EQ(read("62 0001 10", 5).reason, Reason::protocolError);          // not in a PUBREL
  CHECK_EQ(read("40 0001 00 01", 5).reason, Reason::malformedPacket);     // properties missing
  CHECK_EQ(read("40 0001 00 00 00", 5).reason, Reason::malformedPacket);  // more than the packet holds
  CHECK_EQ(read("40 0001 00 8000", 5).reason, Reason::malformedPacket);   // length of too many bytes
  CHECK_EQ(read("40 0001 00 08 1f000161 1f000161", 5).reason, Reason::protocolError);
  CHECK_EQ(read("40 0001 00 05 1f0002c080", 5).reason, Reason::malformedPacket);
  CHECK_EQ(read("40 0001 00 02 0100", 5).reason, Reason::malformedPacket);  // a property of PUBLISH
}

TEST("acknowledgement: the flags of each packet, which MQTT 3.1 does not reserve") {
  for (const PacketType type : types) {
    for (uint8_t flags = 0; flags < 16; flags++) {
      const uint8_t wanted = type == PacketType::pubrel ? 2 : 0;
      for (const uint8_t version : {uint8_t(3), uint8_t(4), uint8_t(5)}) {
        Acknowledgement ack;
        const Reason reason = readAcknowledgement(uint8_t(uint8_t(type) << 4 | flags), fromHex("0001"), version, ack);
        CHECK_EQ(reason, version == 3 || flags == wanted ? Reason::success : Reason::malformedPacket);
      }
    }
  }
}

TEST("acknowledgement: every reason code in every packet") {
  const std::string forFirst = "00 10 80 83 87 90 91 97 99 ";
  const std::string forLast = "00 92 ";
  for (const PacketType type : types) {
    const bool isLast = type == PacketType::pubrel || type == PacketType::pubcomp;
    for (int code = 0; code < 256; code++) {
      const Octets one = {uint8_t(code)};
      const bool isListed = (isLast ? forLast : forFirst).find(toHex(one) + " ") != std::string::npos;
      CHECK_EQ(isAcknowledgementReason(type, uint8_t(code)), isListed);
    }
  }
}

TEST("acknowledgement: what is written reads back") {
  for (const PacketType type : types) {
    for (const uint8_t version : {uint8_t(4), uint8_t(5)}) {
      for (const uint32_t id : {1u, 255u, 256u, 65'535u}) {
        const bool isLast = type == PacketType::pubrel || type == PacketType::pubcomp;
        for (const Reason reason :
             {Reason::success, isLast ? Reason::packetIdentifierNotFound : Reason::quotaExceeded}) {
          const AcknowledgementFrame frame = writeAcknowledgement(type, uint16_t(id), reason, version);
          const Bytes bytes = frame;
          CHECK_EQ(bytes[1], bytes.size() - 2);
          Acknowledgement ack;
          CHECK_EQ(readAcknowledgement(bytes[0], Exact(bytes.subspan(2)), version, ack), Reason::success);
          CHECK_EQ(ack.packetId, id);
          CHECK_EQ(ack.reason, version == 5 ? reason : Reason::success);
        }
      }
    }
  }
}

TEST("acknowledgement: any bytes, whole and cut, are never read past their end") {
  const std::vector<std::string> vectors = {"0001", "000192", "00010006 1f0003616263",
                                            "0001000e26000161000162 1f0004616263 64"};
  check::eachSeed(5'000, [&](check::Random& random) {
    Octets body = random.chance(50) ? random.bytes(random.below(20)) : fromHex(random.pick(vectors));
    if (random.chance(50) && !body.empty()) body[random.below(body.size())] = random.byte();
    if (random.chance(50)) body.resize(random.below(body.size() + 1));
    Acknowledgement ack;
    const auto first = uint8_t(size_t(types[random.below(4)]) << 4 | random.below(4));
    const Reason reason = readAcknowledgement(first, Exact(body), uint8_t(random.between(3, 5)), ack);
    CHECK(reason == Reason::success || isError(reason));
    if (reason == Reason::success) CHECK(ack.packetId != 0);
  });
}
