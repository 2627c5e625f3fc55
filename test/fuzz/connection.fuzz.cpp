// What one connected client may send to a broker: any packets, whole, damaged, cut anywhere. It costs at most its own
// connection; who sits beside it gets what it published and everything else.
#include "fuzz.h"

#include "../native/hand-driven-broker.h"

using namespace rally;

namespace {

SentPublish publishFrom(check::Random& input) {
  SentPublish publish;
  publish.topic = input.chance(20) ? "" : fuzz::topicFrom(input);
  publish.qos = uint8_t(input.below(3));
  publish.retain = input.chance(30);
  publish.duplicate = publish.qos > 0 && input.chance(30);
  if (publish.qos > 0) publish.packetId = uint16_t(input.below(5));
  if (input.chance(30)) publish.expirySeconds = uint32_t(input.below(4));
  if (input.chance(40)) publish.topicAlias = uint16_t(input.below(6));
  if (input.chance(20)) publish.otherProperties = octetsOf(bytesOf(textProperty(0x03, "text")));
  publish.payload = textOf(input.bytes(input.below(30)));
  return publish;
}

Octets packetFrom(check::Random& input, uint8_t version) {
  Octets body;
  switch (input.below(8)) {
    case 0:
    case 1:
    case 2: return encode(publishFrom(input), version);
    case 3: {  // PUBACK to PUBCOMP
      const int type = int(input.between(4, 7));
      appendU16(body, input.below(8));
      if (version >= 5 && input.chance(30)) body.push_back(input.byte());
      return frameOf(type << 4 | (type == 6 ? 2 : 0), body);
    }
    case 4: {  // SUBSCRIBE, UNSUBSCRIBE
      const bool isSubscribe = input.chance(50);
      appendU16(body, input.between(1, 9));
      if (version >= 5) body.push_back(0);
      for (size_t filters = input.between(1, 3); filters > 0; filters--) {
        appendText(body, (input.chance(20) ? "$share/g/" : "") + fuzz::filterFrom(input));
        if (isSubscribe) body.push_back(uint8_t(input.below(3) | input.below(3) << 4));
      }
      return frameOf(isSubscribe ? 0x82 : 0xa2, body);
    }
    case 5: return frameOf(0xc0, body);
    case 6: return frameOf(input.byte(), input.bytes(input.below(20)));
    default: return input.bytes(input.below(12));
  }
}

}  // namespace

FUZZ("connection") {
  const auto version = uint8_t(input.between(3, 5));
  Limits limits;
  limits.receiveMaximum = 8;
  limits.topicAliasMaximum = 4;
  limits.outboxMessagesMax = uint32_t(input.between(2, 40));
  limits.checksPayloadFormat = input.chance(50);
  HandDrivenBroker broker(unsigned(input.between(1, 3)), limits,
                          input.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket);
  Client& witness = broker.connected("w", 0);
  witness.subscribe("#", 2);
  Client& client = broker.connected("c", broker.workers() - 1, {.version = version, .topicAliasMaximum = 2});
  client.subscribe("a/#", 2);
  broker.settle();
  client.stopReading();  // what it is sent is for nobody: it may not fit what the client is
  for (size_t packets = 0; !input.isSpent() && packets < 200; packets++) {
    Octets bytes = packetFrom(input, version);
    if (!bytes.empty() && input.chance(20)) bytes[input.below(bytes.size())] = input.byte();
    if (input.chance(80)) {
      client.send(bytes);
    } else {
      const size_t cut = input.below(bytes.size() + 1);
      client.send(octetsOf(Bytes(bytes).first(cut)));
      broker.turn(broker.workers() - 1);
      client.send(octetsOf(Bytes(bytes).subspan(cut)));
    }
    for (size_t steps = input.below(6); steps > 0; steps--) broker.step(input);
    if (input.chance(3)) broker.advanceTime(1'000);
  }
  client.drop();
  CHECK(broker.settle());
  for (unsigned worker = 0; worker < broker.workers(); worker++) CHECK(!broker.engine(worker).hasWork());
  witness.publish("the/end", "it is", 2);
  broker.settle();
  CHECK(witness.isConnected && witness.unacknowledged.empty());
  if (CHECK(!witness.received.empty())) CHECK_EQ(witness.received.back().payload, std::string("it is"));
  CHECK_EQ(broker.total(Counter::connections), 1);
}
