// What the C++ readers make of frames, for test/fuzz/decoders.test.ts to compare with those of core/wire: a line
// "VERSION FIRST BODY", in decimal and hex, gives "error" or the fields of the packet.
#include <cstdio>
#include <iostream>

#include "../native/octets.h"

#include "../../native/wire/acknowledgement.h"

using namespace rally;

static void tellPublish(uint8_t first, Bytes body, uint8_t version) {
  Publish publish;
  const Reason reason = readPublish(first, body, version, publish);
  const bool hasAlias = publish.topicAlias != 0 && publish.topic.empty();
  if (reason != Reason::success || !(hasAlias || isTopicName(publish.topic, UINT32_MAX))) {
    std::puts("error");
    return;
  }
  std::printf("qos %u dup %d retain %d id %u topic %s payload %s alias %u expiry %s\n", publish.qos, publish.duplicate,
              publish.retain, publish.packetId, toHex(publish.topic).c_str(), toHex(publish.payload).c_str(),
              publish.topicAlias, publish.expires ? std::to_string(publish.expirySeconds).c_str() : "none");
}

static void tellAcknowledgement(uint8_t first, Bytes body, uint8_t version) {
  Acknowledgement ack;
  if (readAcknowledgement(first, body, version, ack) != Reason::success) std::puts("error");
  else std::printf("id %u reason %u\n", ack.packetId, unsigned(ack.reason));
}

int main() {
  unsigned version = 0;
  unsigned first = 0;
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t body = line.rfind(' ') + 1;
    if (std::sscanf(line.c_str(), "%u %u", &version, &first) != 2) return 1;
    const Octets octets = fromHex(line.substr(body));
    const Exact exact(octets);
    if (first >> 4 == 3) tellPublish(uint8_t(first), exact, uint8_t(version));
    else tellAcknowledgement(uint8_t(first), exact, uint8_t(version));
  }
}
