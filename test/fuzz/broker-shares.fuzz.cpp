// Members of shares that come, go, move, break and stop reading while workers go on in any order
// (test/native/hand-driven-broker.h).
#include "fuzz.h"

#include "../native/hand-driven-broker.h"

using namespace rally;

namespace {

constexpr size_t stepsMax = 1'000;
constexpr int messagesMax = 400;

struct Scene {
  explicit Scene(check::Random& choices)
      : input(choices),
        workers(unsigned(input.between(1, 4))),
        broker(workers, limitsFrom(input),
               input.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket),
        publisher(broker.connected("p", anywhere())) {
    const size_t count = input.between(2, 5);
    for (size_t i = 0; i < count; i++) {
      const Client::Options options{.isPersistent = i == 0 || input.chance(60),  // the first never leaves for good
                                    .receiveMaximum = uint16_t(input.between(1, 100))};
      members.push_back(&broker.connected("m" + std::to_string(i), anywhere(), options));
      members.back()->subscribe(share, 2);
    }
    broker.settle();
  }

  static Limits limitsFrom(check::Random& input) {
    Limits limits;
    limits.laneRecords = input.pick(std::vector<uint32_t>{32, 16'384});
    if (input.chance(50)) limits.outboxMessagesMax = uint32_t(input.between(2, 10));
    return limits;
  }

  unsigned anywhere() { return unsigned(input.below(workers)); }

  void publishNext() {
    const size_t qos = input.between(1, 2);
    publisher.publish("t/" + std::to_string(input.below(4)),
                      std::to_string(qos) + ":" + std::to_string(sent[qos - 1]++), int(qos));
  }

  void act() {
    Client& member = *input.pick(members);
    switch (input.below(16)) {
      case 0: member.connect(anywhere()); break;
      case 1: member.drop(); break;
      case 2: member.answersAtOnce = false; break;
      case 3:
        member.answersAtOnce = true;
        if (member.isConnected) member.answer();
        break;
      case 4:
        if (&member != members[0] && member.isConnected) member.unsubscribe(share);
        break;
      case 5:
        if (member.isConnected) member.subscribe(share, 2);
        break;
      case 6:
        if (input.chance(20)) broker.settle();
        break;
      case 7:  // all but the first
        for (; member.isConnected && member.answers.size() > 1; member.answers.pop_back())
          member.send(member.answers.back());
        break;
      default:
        for (size_t count = input.between(1, input.chance(10) ? 80 : 3); count > 0; count--) {
          if (sent[0] + sent[1] < messagesMax) publishNext();
        }
    }
    for (size_t steps = input.below(8); steps > 0; steps--) broker.step(input);
  }

  void finish() {
    broker.settle();
    for (Client* member : members) {
      member->answersAtOnce = true;
      if (member->isConnected) member->answer();
      else member->connect(anywhere());
    }
    CHECK(broker.settle());
    for (unsigned worker = 0; worker < workers; worker++) CHECK(!broker.engine(worker).hasWork());
  }

  // QoS 1 reaches somebody; QoS 2 reaches nobody twice.
  void checkArrived() {
    std::multiset<std::string> all;
    for (const Client* member : members) {
      for (const SentPublish& message : member->received) all.insert(message.payload);
    }
    CHECK(publisher.unacknowledged.empty());
    for (int i = 0; i < sent[0]; i++) CHECK(all.contains("1:" + std::to_string(i)));
    for (int i = 0; i < sent[1]; i++) CHECK(all.count("2:" + std::to_string(i)) <= 1);
    CHECK_EQ(broker.total(Counter::queued), 0);
  }

  // When all have ended, shards know of no member any more.
  void checkEnded() {
    for (Client* member : members) {
      Session* session = broker.sessionOf(*member);
      if (!CHECK(session != nullptr)) continue;
      CHECK(session->isCaughtUp() && session->window.hasRoom(1));
      broker.destroy(*session, member->link->worker);
    }
    broker.settle();
    CHECK_EQ(broker.total(Counter::sharedSubscriptions), 0);
    publisher.acknowledgements.clear();
    publisher.publish("t", "x", 1);
    broker.settle();
    CHECK(publisher.acknowledgements == std::vector<Reason>{Reason::noMatchingSubscribers});
  }

  static constexpr const char* share = "$share/g/#";
  check::Random& input;
  const unsigned workers;
  HandDrivenBroker broker;
  Client& publisher;
  std::vector<Client*> members;
  int sent[2] = {};
};

}  // namespace

FUZZ("broker-shares") {
  Scene scene(input);
  for (size_t steps = 0; !input.isSpent() && steps < stepsMax; steps++) scene.act();
  scene.finish();
  scene.checkArrived();
  scene.checkEnded();
}
