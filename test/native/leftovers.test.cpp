// What clients bring about and take back leaves nothing behind: the same again and again takes no more memory.
#include "hand-driven-broker.h"

using namespace rally;

// Of AddressSanitizer; without it there is nothing to look at.
extern "C" size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace {

// Clients come with a will, subscribe, publish, and are gone without a goodbye. Their sessions end with them.
void comeAndGo(HandDrivenBroker& broker, const std::vector<Client*>& clients, int round) {
  for (size_t at = 0; at < clients.size(); at++) {
    Client& client = *clients[at];
    const std::string own = std::to_string(round) + "/" + std::to_string(at);
    client.options.will = SentPublish{.topic = "gone/" + own, .payload = "x", .qos = 1};
    client.connect(unsigned(at) % broker.workers());
    broker.settle();
    client.subscribe({{.filter = "t/" + own, .qos = 1}, {.filter = "t/" + own + "/#", .qos = 2, .id = 7}});
    client.subscribe({{.filter = "$share/" + std::to_string(round) + "/t/" + own, .qos = 1}});
    client.subscribe({{.filter = "t/" + own, .qos = 0}});  // other options
    client.publish("t/" + own, "kept", 2, true);
    broker.settle();
    client.publish("t/" + own, "", 1, true);
    if (at % 2 == 0) client.unsubscribe("t/" + own);
    broker.settle();
    client.drop();
    broker.settle();
    client.received.clear();
    client.arrivals.clear();
    client.acknowledgements.clear();
    client.subacks.clear();
    client.receivedBeforeSuback.clear();
  }
}

}  // namespace

TEST("leftovers: SUBSCRIBE and wills of clients that come and go leave nothing behind (mosquitto 2.0.21)") {
  if (!__sanitizer_get_current_allocated_bytes) return;
  rally::Limits limits;
  limits.topicRatesBytesMax = 0;  // the topics that are counted stay, up to this bound
  HandDrivenBroker broker(2, limits);
  std::vector<Client*> clients;
  for (int i = 0; i < 20; i++) {
    Client::Options options;
    options.isPersistent = false;
    clients.push_back(&broker.add("c" + std::to_string(i), options));
  }
  Client& watcher = broker.connected("watcher", 1);
  watcher.subscribe("gone/#", 0);
  broker.settle();
  const auto bytesAfter = [&](int rounds) {
    static int round = 0;
    for (int i = 0; i < rounds; i++) {
      comeAndGo(broker, clients, round++);
      CHECK_EQ(watcher.received.size(), clients.size());
      watcher.received.clear();
      watcher.arrivals.clear();
      broker.notices.clear();
    }
    return __sanitizer_get_current_allocated_bytes();
  };
  const size_t before = bytesAfter(5);
  const size_t after = bytesAfter(20);
  // 400 clients with three filters, a retained message and a will each: a byte of each of these would show.
  CHECK(after <= before + 400);
  CHECK_EQ(broker.total(Counter::retained), 0);
}
