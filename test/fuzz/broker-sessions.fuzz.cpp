// Sessions that break, move and are taken over while workers go on in any order (test/native/hand-driven-broker.h):
// after all have come back nothing is lost, doubled or out of order, and nobody sleeps beside work. The same in a
// cluster of two or three nodes, between which connections break.
#include "fuzz.h"

#include "../native/hand-driven-broker.h"

using namespace rally;

namespace {

constexpr size_t stepsMax = 1'500;
constexpr size_t messagesMax = 400;

// Every payload is "publisher:number", counting from 0 for each publisher and topic.
using Counts = std::map<std::pair<std::string, std::string>, int>;

struct Scene {
  enum class Kind : uint8_t { alone, cluster };

  explicit Scene(check::Random& choices, Kind kind = Kind::alone)
      : input(choices), broker(kind == Kind::alone ? aloneFrom(input) : clusterFrom(input)), workers(broker.workers()) {
    for (unsigned i = 0; i < 2; i++) publishers.push_back(&broker.connected("p" + std::to_string(i), anywhere()));
    for (unsigned i = 0; i < 3; i++) {
      const Client::Options options{.version = uint8_t(input.between(4, 5)),
                                    .receiveMaximum = uint16_t(input.between(1, 30)),
                                    .topicAliasMaximum = uint16_t(input.below(3))};
      movers.push_back(&broker.connected("m" + std::to_string(i), anywhere(), options));
      movers.back()->subscribe("#", 2);
    }
    broker.settle();
  }

  static HandDrivenBroker aloneFrom(check::Random& input) {
    const auto workers = unsigned(input.between(1, 4));
    const Limits limits = limitsFrom(input);
    return HandDrivenBroker(workers, limits,
                            input.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket);
  }
  static HandDrivenBroker clusterFrom(check::Random& input) {
    std::vector<unsigned> nodes(input.between(2, 3));
    for (unsigned& nodeWorkers : nodes) nodeWorkers = unsigned(input.between(1, 2));
    return HandDrivenBroker(nodes, limitsFrom(input));
  }

  static Limits limitsFrom(check::Random& input) {
    Limits limits;
    limits.laneRecords = input.pick(std::vector<uint32_t>{32, 128, 16'384});
    limits.inflightMax = uint16_t(input.between(1, 50));
    if (input.chance(50)) limits.outboxMessagesMax = uint32_t(input.between(2, 10));
    return limits;
  }

  unsigned anywhere() { return unsigned(input.below(workers)); }

  void publishNext() {
    static const std::vector<std::string> topics = {"a", "b/c", "once/a", "once/b", "longer topic"};
    Client& publisher = *input.pick(publishers);
    const std::string& topic = input.pick(topics);
    int& number = counts[{publisher.name(), topic}];
    publisher.publish(topic, publisher.name() + ":" + std::to_string(number++), topic.starts_with("once/") ? 2 : 1);
    messages++;
  }

  void act() {
    static const std::vector<std::string> filters = {"a", "+", "b/#", "once/+", "once/a"};
    Client& mover = *input.pick(movers);
    switch (input.below(16)) {
      case 0: mover.connect(anywhere()); break;
      case 1: mover.drop(); break;
      case 2: input.pick(publishers)->connect(anywhere()); break;
      case 3:
        if (mover.link) mover.subscribe({{.filter = input.pick(filters), .qos = uint8_t(input.below(3)), .id = 0}});
        break;
      case 4:
        if (mover.link) mover.unsubscribe(input.pick(filters));
        break;
      case 5: mover.answersAtOnce = !mover.answersAtOnce; break;
      case 6:
        if (mover.isConnected) mover.answer(input.between(1, 5));
        break;
      case 7:
        if (mover.isConnected) mover.stopReading(input.below(200));
        break;
      case 8:
        if (mover.isConnected) mover.goOnReading();
        break;
      case 9:
        if (input.chance(20)) broker.settle();
        break;
      default:
        if (messages < messagesMax) publishNext();
    }
    for (size_t steps = input.below(8); steps > 0; steps--) broker.step(input);
  }

  // A connection between two nodes breaks, is there again, or frames are lost and nobody hears of it.
  void disturb() {
    const unsigned a = anywhere();
    const unsigned b = anywhere();
    if (broker.nodeOf(a) == broker.nodeOf(b)) return;
    switch (input.below(4)) {
      case 0: broker.cut(a, b); break;
      case 1: broker.lose(a, b, input.between(1, 3)); break;
      case 2: broker.advanceTime(1'000); break;
      default: broker.mend(a, b);
    }
  }
  void mendAll() {
    for (unsigned a = 0; a < workers; a++) {
      for (unsigned b = a + 1; b < workers; b++) {
        if (broker.nodeOf(a) == broker.nodeOf(b)) continue;
        broker.lose(a, b, 0);
        broker.lose(b, a, 0);
        broker.mend(a, b);
      }
    }
  }
  void checkArrived() {
    for (const Client* publisher : publishers) CHECK(publisher->isConnected && publisher->unacknowledged.empty());
    for (const Client* mover : movers) {
      CHECK(mover->isConnected && mover->outstanding.empty());
      checkComplete(*mover, counts);
    }
    CHECK_EQ(broker.total(Counter::queued), 0);
    CHECK_EQ(broker.total(Counter::sessions), publishers.size() + movers.size());
  }

  // In order, none missing; below once/ each once, else one may come again.
  static void checkComplete(const Client& subscriber, const Counts& counts) {
    Counts seen;
    for (const SentPublish& message : subscriber.received) {
      const size_t colon = message.payload.find(':');
      int& next = seen[{message.payload.substr(0, colon), message.topic}];
      const int number = std::stoi(message.payload.substr(colon + 1));
      if (number == next) next++;
      else CHECK(number < next && !message.topic.starts_with("once/"));
    }
    for (const auto& [from, sent] : counts) CHECK_EQ(seen[from], sent);
  }

  // Everybody comes back, reads and answers.
  void finish() {
    for (Client* mover : movers) {
      mover->answersAtOnce = true;
      if (mover->link && mover->link->connection) mover->goOnReading();
      if (mover->isConnected) mover->answer();
    }
    broker.settle();
    for (const auto* clients : {&publishers, &movers}) {
      for (Client* client : *clients) {
        if (!client->isConnected) client->connect(client->link ? client->link->worker : 0);
      }
    }
    CHECK(broker.settle());
    for (unsigned worker = 0; worker < workers; worker++) CHECK(!broker.engine(worker).hasWork());
  }

  check::Random& input;
  HandDrivenBroker broker;
  const unsigned workers;
  std::vector<Client*> publishers;
  std::vector<Client*> movers;
  Counts counts;
  size_t messages = 0;
};

}  // namespace

FUZZ("broker-sessions") {
  Scene scene(input);
  for (size_t steps = 0; !input.isSpent() && steps < stepsMax; steps++) scene.act();
  scene.finish();
  scene.checkArrived();
}

FUZZ("cluster-sessions") {
  Scene scene(input, Scene::Kind::cluster);
  for (size_t steps = 0; !input.isSpent() && steps < stepsMax; steps++) {
    if (input.chance(10)) scene.disturb();
    scene.act();
  }
  scene.mendAll();
  scene.finish();
  scene.checkArrived();
}
