// native/wire/publish.h: any body is refused with a reason, or read as an independent reader reads it.
#include "fuzz.h"

#include "../native/sent-publish.h"

#include "../../native/wire/publish.h"

using namespace rally;

FUZZ("publish") {
  const auto version = uint8_t(input.between(3, 5));
  const auto first = uint8_t(0x30 | input.below(16));
  const Exact body{input.rest()};
  Publish publish;
  const Reason reason = readPublish(first, body, version, publish);
  if (reason != Reason::success) {
    CHECK(isError(reason));
    return;
  }
  const auto known = decodePublish(first, body, version);
  if (!CHECK(known.has_value())) return;
  CHECK_EQ(publish.qos, known->qos);
  CHECK_EQ(publish.duplicate, known->duplicate);
  CHECK_EQ(publish.retain, known->retain);
  CHECK_EQ(publish.packetId, known->packetId);
  CHECK_EQ(publish.topicAlias, known->topicAlias);
  CHECK_EQ(publish.expires, known->expirySeconds.has_value());
  CHECK_EQ(publish.expirySeconds, known->expirySeconds.value_or(0));
  CHECK_EQ(textOf(publish.topic), known->topic);
  CHECK_EQ(textOf(publish.payload), known->payload);
  CHECK(known->subscriptionIds.empty());
  CHECK_EQ(publish.filtersProperties, publish.topicAlias != 0 || publish.expires);
  Octets forwarded;
  copyForwardedProperties(publish.properties, forwarded);
  CHECK(forwarded == known->otherProperties);
}
