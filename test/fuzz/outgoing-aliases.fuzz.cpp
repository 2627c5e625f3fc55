// native/sessions/outgoing-aliases.h: a client that keeps the aliases it was told always knows the topic.
#include "fuzz.h"

#include <map>

#include "../../native/sessions/outgoing-aliases.h"

using namespace rally;

FUZZ("outgoing-aliases") {
  const auto most = uint16_t(input.between(1, 20));
  OutgoingAliases aliases(most);
  std::map<uint16_t, std::string> client;
  const bool collides = input.chance(50);
  while (!input.isSpent()) {
    const size_t number = input.below(60);
    const std::string topic = std::string(number % 9 + 1, 't') + std::to_string(number);
    const Exact exact(bytesOf(topic));
    const uint64_t hash = collides ? number % 3 : hashBytes(exact, 3);
    const AliasUse use = aliases.find(exact, hash);
    if (use.alias == 0) {
      CHECK(!use.isNew);
      continue;
    }
    CHECK(use.alias <= most);
    CHECK(topic.size() >= OutgoingAliases::topicBytesMin);
    if (!use.isNew) CHECK_EQ(client[use.alias], topic);
    else if (input.chance(80)) {  // else the packet was too large and has not gone out
      aliases.set(use.alias, exact, hash);
      client[use.alias] = topic;
    }
  }
  CHECK(client.size() <= most);
}
