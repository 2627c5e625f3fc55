// Shared subscriptions whose members have little room: a message is dropped only when no member could take it, it is
// counted then, and it is never in two places.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

constexpr const char* filter = "$share/g/#";

// A broker with small bounds, and members that come and go.
struct Scene {
  explicit Scene(check::Random& choices, unsigned qos0Percent)
      : random(choices),
        qos0Members(qos0Percent),
        limits(limitsFrom(random)),
        workers(unsigned(random.between(1, 4))),
        broker(workers, limits, random.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket),
        publisher(broker.connected("p", anywhere())) {
    for (size_t i = random.between(1, 5); i > 0; i--) add();
    broker.settle();
  }

  static Limits limitsFrom(check::Random& random) {
    Limits limits;
    limits.sessionQueueMessagesMax = uint32_t(random.below(6));
    if (random.chance(30)) limits.outboxMessagesMax = uint32_t(random.between(1, 5));
    return limits;
  }
  unsigned anywhere() { return unsigned(random.below(workers)); }

  void add() {
    const std::string name = "m" + std::to_string(members.size());
    members.push_back(&broker.connected(
        name, anywhere(), {.isPersistent = random.chance(70), .receiveMaximum = uint16_t(random.between(1, 4))}));
    members.back()->subscribe(filter, random.chance(qos0Members) ? 0 : 1);
  }

  // Something happens to a member.
  void disturb() {
    Client& member = *members[random.below(members.size())];
    switch (random.below(10)) {
      case 0: member.connect(anywhere()); break;
      case 1: member.drop(); break;
      case 2:
      case 3: member.answersAtOnce = false; break;
      case 4:
        member.answersAtOnce = random.chance(50);
        if (member.isConnected) member.answer(random.between(1, 4));
        break;
      case 5:
        if (member.isConnected && random.chance(50)) member.unsubscribe(filter);
        break;
      case 6:
        if (member.isConnected) member.subscribe(filter, random.chance(qos0Members) ? 0 : 1);
        break;
      case 7:
        if (member.isConnected) member.stopReading(random.below(60));
        break;
      case 8:
        if (member.isConnected) member.goOnReading();
        break;
      default:
        if (members.size() < 7 && random.chance(20)) add();
    }
  }

  void publish(int qos) { publisher.publish("t/" + std::to_string(random.below(6)), std::to_string(sent++), qos); }

  template <class Visit>
  void eachMember(Visit&& visit) {
    for (unsigned worker = 0; worker < workers; worker++) {
      broker.engine(worker).eachSession([&](Session& session) {
        for (const SubscriptionRef& each : session.subscriptions) {
          if (each.filter->isShared) visit(session, each.filter->subscribers[each.position].qos);
        }
      });
    }
  }

  check::Random& random;
  const unsigned qos0Members;  // percent: what they get may be lost with their connection
  const Limits limits;
  const unsigned workers;
  HandDrivenBroker broker;
  Client& publisher;
  std::vector<Client*> members;
  int sent = 0;
};

// What a member could do, said as simply as possible, when everything has come to rest.
ShareLevel levelOf(const Session& session, uint8_t qos, const Limits& limits) {
  const Connection* connection = session.connection;
  const bool isOutboxFull = connection &&
                            (connection->outbox.messages() + connection->unsentMessages >= limits.outboxMessagesMax);
  const bool isWindowFull = connection && !session.window.hasRoom(connection->inflightMax);
  const bool isQueueFull = session.queue.size() >= limits.sessionQueueMessagesMax;
  const bool hasQueued = !session.queue.isEmpty() || session.window.isResending();
  if (qos == 0) {
    if (!connection || isOutboxFull) return ShareLevel::full;
    if (!hasQueued) return ShareLevel::ready;
    return isQueueFull ? ShareLevel::full : ShareLevel::waiting;
  }
  if (connection && !isOutboxFull && !isWindowFull && !hasQueued) return ShareLevel::ready;
  if (isQueueFull) return ShareLevel::full;
  if (connection) return ShareLevel::waiting;
  return session.isPersistent() ? ShareLevel::away : ShareLevel::full;
}

}  // namespace

TEST("shared bounds: a message goes to one of the best, and is dropped only when nobody can take it") {
  check::eachSeed(120, [](check::Random& random) {
    Scene scene(random, 20);
    for (int step = 0; step < 60; step++) {
      for (size_t i = random.below(4); i > 0; i--) scene.disturb();
      scene.broker.settle();
      const int qos = int(random.below(3));
      std::optional<ShareLevel> best;
      bool isAnyAble = false;
      scene.eachMember([&](const Session& session, uint8_t maximumQos) {
        isAnyAble |= session.connection || session.isPersistent();
        const ShareLevel level = levelOf(session, std::min(uint8_t(qos), maximumQos), scene.limits);
        if (level != ShareLevel::full && (!best || level < *best)) best = level;
      });
      const auto dropped = [&] {
        return scene.broker.total(Counter::droppedQos0) + scene.broker.total(Counter::droppedQueueFull);
      };
      const uint64_t droppedBefore = dropped();
      const uint64_t queuedBefore = scene.broker.total(Counter::queued);
      const uint64_t sentBefore = scene.broker.total(Counter::publishSent);
      const uint64_t crossedBefore = scene.broker.total(Counter::handedOver);
      scene.publish(qos);
      scene.broker.settle();
      CHECK(scene.broker.total(Counter::handedOver) - crossedBefore <= 1 + 3 * uint64_t(scene.workers));
      CHECK_EQ(dropped() - droppedBefore, !best && isAnyAble);
      // Others may send meanwhile, since somebody has read; a message that is ready never waits.
      if (best == ShareLevel::ready) CHECK(scene.broker.total(Counter::publishSent) > sentBefore);
      if (best && *best != ShareLevel::ready)
        CHECK(scene.broker.total(Counter::queued) + scene.broker.total(Counter::publishSent) >
              queuedBefore + sentBefore);
      if (qos > 0 && CHECK(!scene.publisher.acknowledgements.empty()))
        CHECK(scene.publisher.acknowledgements.back() == (isAnyAble ? Reason::success : Reason::noMatchingSubscribers));
    }
  });
}

TEST("shared bounds: each QoS 1 message is in one place, or has been received, or is counted as dropped") {
  check::eachSeed(120, [](check::Random& random) {
    Scene scene(random, 0);
    for (int step = 0; step < 250; step++) {
      if (random.chance(30)) scene.disturb();
      if (random.chance(60)) scene.publish(1);
      for (size_t steps = random.below(8); steps > 0; steps--) scene.broker.step(random);
      if (!random.chance(3)) continue;
      scene.broker.settle();
      std::multiset<std::string> held;
      for (unsigned worker = 0; worker < scene.workers; worker++) {
        scene.broker.engine(worker).eachSession([&](Session& session) {
          const auto note = [&](const Delivery& each) { held.insert(textOf(each.message->payload())); };
          session.queue.each(scene.broker.engine(worker).accounts().sessions.held(), note);
          session.window.eachUnreceived(note);
        });
      }
      for (const std::string& text : held) CHECK_EQ(held.count(text), 1);
    }
    // Those that are left take in what waits.
    for (Client* member : scene.members) {
      member->answersAtOnce = true;
      if (member->isConnected) {
        member->goOnReading();
        member->answer();
      } else {
        member->connect(scene.anywhere());
      }
    }
    scene.broker.settle();
    CHECK(scene.publisher.unacknowledged.empty());
    CHECK_EQ(scene.broker.total(Counter::queued), 0);
    std::set<std::string> received;
    for (const Client* member : scene.members) {
      for (const SentPublish& message : member->received) received.insert(message.payload);
    }
    const size_t refused = size_t(std::count(scene.publisher.acknowledgements.begin(),
                                             scene.publisher.acknowledgements.end(), Reason::noMatchingSubscribers));
    const size_t missing = size_t(scene.sent) - received.size() - refused;
    const uint64_t dropped = scene.broker.total(Counter::droppedQueueFull) + scene.broker.total(Counter::droppedQos0);
    if (!CHECK(missing <= dropped))
      std::printf("# %zu of %d are missing, %llu are counted\n", missing, scene.sent,
                  static_cast<unsigned long long>(dropped));
    CHECK(received.size() + refused <= size_t(scene.sent));
  });
}

TEST("shared bounds: a message that nobody can take crosses lanes at most three times for each worker") {
  for (const unsigned workers : {2u, 3u, 4u}) {
    for (const bool isAway : {false, true}) {
      Limits limits;
      limits.sessionQueueMessagesMax = 1;
      HandDrivenBroker broker(workers, limits);
      Client& publisher = broker.connected("p", 0);
      std::vector<Client*> members;
      for (unsigned worker = 0; worker < workers; worker++) {
        members.push_back(&broker.connected("m" + std::to_string(worker), worker, {.receiveMaximum = 1}));
        members.back()->subscribe(filter, 1);
        members.back()->answersAtOnce = false;
      }
      broker.settle();
      if (isAway) {
        for (Client* member : members) member->drop();
        broker.settle();
      }
      const unsigned room = isAway ? workers : 2 * workers;
      for (unsigned i = 0; i < room; i++) publisher.publish("t", "x", 1);
      broker.settle();
      CHECK_EQ(broker.total(Counter::droppedQueueFull), 0);
      const uint64_t before = broker.total(Counter::handedOver);
      publisher.publish("t", "x", 1);
      broker.settle();
      CHECK_EQ(broker.total(Counter::droppedQueueFull), 1);
      CHECK(broker.total(Counter::handedOver) - before <= 1 + 3 * workers);
      CHECK(publisher.acknowledgements.back() == Reason::success);
    }
  }
}

TEST("shared bounds: messages on their way to a share that has ended are counted") {
  for (const bool isQos0 : {false, true}) {
    HandDrivenBroker broker(2);
    const std::string topic = broker.ownedBy(1, "t");
    Client& publisher = broker.connected("p", 1);
    Client& member = broker.connected("m", 0, {.isPersistent = false});
    member.subscribe(("$share/g/" + topic).c_str(), 1);
    broker.settle();
    for (int i = 0; i < 5; i++) publisher.publish(topic, "x", isQos0 ? 0 : 1);
    broker.turn(1);  // they are in the lane to worker 0
    broker.destroy(*broker.sessionOf(member), 0);
    broker.settle();
    CHECK_EQ(broker.total(isQos0 ? Counter::droppedQos0 : Counter::droppedQueueFull), 5);
    CHECK(member.received.empty());
  }
}

TEST("shared bounds: what a member has not acknowledged is counted when its share ends with it") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    Client& member = broker.connected("m", workers - 1, {.isPersistent = false, .receiveMaximum = 2});
    member.subscribe(filter, 1);
    broker.settle();
    member.answersAtOnce = false;
    for (int i = 0; i < 5; i++) publisher.publish("t", "x", 1);
    broker.settle();
    member.drop();
    broker.settle();
    CHECK_EQ(broker.total(Counter::droppedQueueFull), 5);
    CHECK_EQ(broker.total(Counter::queued), 0);
  }
}

TEST("shared bounds: a member whose window is full takes QoS 0, one whose socket takes nothing does not") {
  for (const unsigned workers : {1u, 2u}) {
    Limits limits;
    limits.outboxMessagesMax = 3;
    HandDrivenBroker broker(workers, limits);
    Client& publisher = broker.connected("p", 0);
    Client& busy = broker.connected("busy", 0, {.receiveMaximum = 1});
    Client& blocked = broker.connected("blocked", workers - 1);
    for (Client* member : {&busy, &blocked}) member->subscribe(filter, 1);
    broker.settle();
    busy.answersAtOnce = false;
    blocked.stopReading();
    for (int i = 0; i < 8; i++) {
      publisher.publish("t", "one", 1);
      broker.settle();
    }
    const size_t before = busy.received.size();
    CHECK_EQ(before, 1);
    while (!broker.sessionOf(busy)->queue.isEmpty()) {
      busy.answer();
      broker.settle();
    }
    const size_t sent = busy.received.size();
    for (int i = 0; i < 10; i++) {
      publisher.publish("t", "zero", 0);
      broker.settle();
    }
    CHECK_EQ(broker.total(Counter::droppedQos0), 0);
    CHECK_EQ(busy.received.size() - sent, 10);
    busy.drop();
    broker.settle();
    publisher.publish("t", "zero", 0);
    broker.settle();
    CHECK_EQ(broker.total(Counter::droppedQos0), 1);
  }
}
