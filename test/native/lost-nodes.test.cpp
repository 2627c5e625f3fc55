// Nodes of a cluster that are lost while others still have something of them, for them, or to tell them.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Nodes = std::vector<unsigned>;

Client::Options fleeting() { return {.isPersistent = false}; }

// Of those that carry records.
size_t fullFrames(HandDrivenBroker& broker, unsigned from, unsigned to) {
  const std::deque<Octets>& frames = broker.framesOnTheWay(from, to);
  return size_t(std::count_if(frames.begin(), frames.end(),
                              [](const Octets& frame) { return frame.size() > cluster::FrameHead::bytes; }));
}

// Another process is in the place of the lost worker, as worker `seenBy` learns.
void replace(HandDrivenBroker& broker, unsigned lost, unsigned seenBy) {
  broker.post(seenBy, [&broker, lost, seenBy] {
    Engine& engine = broker.engine(seenBy);
    CHECK(engine.remote()->close(lost) && engine.openLink(lost, 1'000));
    const uint64_t present = engine.slots().present() | bitOf(lost);
    engine.setPresent(present, present & ~bitOf(seenBy));
  });
  CHECK(broker.settle());
}

// Speaks for a worker that has been replaced.
class Stranger {
 public:
  Stranger(HandDrivenBroker& broker, unsigned own, unsigned peer)
      : broker_(broker),
        link_({.ownIncarnation = 1'000,
               .peerIncarnation = incarnationOf(broker, own, peer),
               .own = uint8_t(own),
               .peer = uint8_t(peer)}) {}

  template <class R>
  void say(cluster::Channel channel, const R& record) {
    link_.add(channel, 0, [&](std::vector<uint8_t>& to) { cluster::encode(record, 0, to); });
  }
  void pass(uint64_t move) {
    say(cluster::Channel::deliveries, delivery::SlotsPassed{.move = move});
    finish();
  }
  // It has been heard when this returns.
  void finish() {
    link_.finish(0, frames_);
    const cluster::Link::Ends& ends = link_.ends();
    for (const Octets& frame : std::exchange(frames_.all, {}))
      CHECK(broker_.receiveFrame(ends.own, ends.peer, frame) == cluster::FrameOutcome::taken);
    CHECK(broker_.settle());
  }

 private:
  static uint64_t incarnationOf(HandDrivenBroker& broker, unsigned seenBy, unsigned worker) {
    uint64_t incarnation = 0;
    broker.engine(seenBy).remote()->eachLink(0, [&](unsigned each, uint64_t its, const auto&) {
      if (each == worker) incarnation = its;
    });
    return incarnation;
  }

  struct Frames final : cluster::FrameSink {
    std::vector<Octets> all;
    void onFrame(unsigned, Bytes frame) override { all.emplace_back(frame.begin(), frame.end()); }
  };

  HandDrivenBroker& broker_;
  cluster::Link link_;
  Frames frames_;
};

std::multiset<std::string> payloadsOf(const std::vector<SentPublish>& messages) {
  std::multiset<std::string> payloads;
  for (const SentPublish& each : messages) payloads.insert(each.payload);
  return payloads;
}

}  // namespace

TEST("lost nodes: whatever has arrived from one counts, however much it is") {
  Limits limits;
  limits.laneRecords = 8;
  HandDrivenBroker broker(Nodes{1, 1}, limits);
  const std::string topic = broker.ownedBy(1, "t");
  Client& reader = broker.connected("reader", 0);
  Client& publisher = broker.connected("publisher", 1);
  reader.subscribe(topic.c_str(), 1);
  broker.settle();
  broker.hold(1, 0, true);
  for (int i = 0; i < 50; i++) publisher.publish(topic, std::to_string(i), 1);
  broker.settle();
  CHECK(publisher.unacknowledged.empty());
  for (const Octets& frame : broker.framesOnTheWay(1, 0))
    CHECK(broker.receiveFrame(1, 0, frame) == cluster::FrameOutcome::taken);
  broker.lose(1);
  CHECK(broker.settle());
  CHECK_EQ(reader.received.size(), 50);
}

TEST("lost nodes: an answer that waits for a log does not go to whoever comes in the place of its receiver") {
  for (const unsigned slow : {0u, 2u}) {
    std::deque<KeptDisk> disks(3);
    HandDrivenBroker broker(disks, Nodes{1, 1, 1});
    Client& far = broker.connected("far", 2);
    far.subscribe("a/#", 1);
    Client& publisher = broker.connected("publisher", 0, fleeting());
    Client& leaver = broker.connected("leaver", 1, fleeting());
    broker.settle();
    disks[slow].commitsAtOnce = false;
    leaver.publish(broker.ownedBy(0, "c"), "x", 1, slow == 0);
    broker.settle();
    publisher.publish(broker.ownedBy(0, "a/x"), "1", 1);
    broker.settle();
    CHECK_EQ(publisher.unacknowledged.size(), 1);
    leaver.drop();  // its end waits behind the message
    broker.settle();
    broker.lose(1);
    broker.settle();
    CHECK(broker.forgotten.contains({0, 1}));
    replace(broker, 1, 0);
    const size_t before = fullFrames(broker, 0, 1);
    disks[slow].commit();
    disks[slow].commitsAtOnce = true;
    broker.settle();
    CHECK(publisher.unacknowledged.empty());
    CHECK_EQ(fullFrames(broker, 0, 1), before);
  }
}

TEST("lost nodes: that a message is stored is not told to whoever comes in the place of its owner") {
  std::deque<KeptDisk> disks(3);
  HandDrivenBroker broker(disks, Nodes{1, 1, 1});
  Client& far = broker.connected("far", 2);
  far.subscribe("a/#", 1);
  Client& publisher = broker.connected("publisher", 1, fleeting());
  broker.settle();
  disks[2].commitsAtOnce = false;
  publisher.publish(broker.ownedBy(0, "a/x"), "1", 1);
  broker.settle();
  CHECK_EQ(far.received.size(), 1);
  broker.lose(0);
  broker.settle();
  replace(broker, 0, 2);
  const size_t before = fullFrames(broker, 2, 0);
  disks[2].commit();
  disks[2].commitsAtOnce = true;
  broker.settle();
  CHECK_EQ(fullFrames(broker, 2, 0), before);
}

TEST("lost nodes: that a session has landed is not told to whoever comes in the place of its origin") {
  std::deque<KeptDisk> disks(2);
  HandDrivenBroker broker(disks, Nodes{1, 1});
  Client& publisher = broker.connected("publisher", 0, fleeting());
  const std::string topic = broker.ownedBy(0, "t");
  broker.settle();
  broker.lose(1);
  broker.settle();
  replace(broker, 1, 0);
  disks[0].commitsAtOnce = false;
  publisher.publish(topic, "1", 0, true);
  broker.settle();
  Stranger origin(broker, 1, 0);
  auto parcel = std::make_unique<SessionParcel>();  // of a session that has ended here
  parcel->key = 77;
  parcel->move = 1;
  origin.say(cluster::Channel::requests, request::Parcel{.carried = Carried(std::move(parcel))});
  origin.finish();
  broker.post(0, [&broker] { broker.engine(0).workerGone(1); });
  broker.settle();
  replace(broker, 1, 0);
  const size_t before = fullFrames(broker, 0, 1);
  disks[0].commit();
  disks[0].commitsAtOnce = true;
  broker.settle();
  CHECK_EQ(fullFrames(broker, 0, 1), before);
}

TEST("lost nodes: what is published for one that is not forgotten yet is acknowledged, and holds nobody up") {
  for (const bool isShared : {false, true}) {
    std::deque<KeptDisk> disks(3);
    HandDrivenBroker broker(disks, Nodes{1, 1, 1});
    Client& far = broker.connected("far", 2);
    far.subscribe(isShared ? "$share/g/a/#" : "a/#", 1);
    Client& publisher = broker.connected("publisher", 0, fleeting());
    Client& leaver = broker.connected("leaver", 1, fleeting());
    broker.settle();
    leaver.publish(broker.ownedBy(0, "c"), "x", 0);
    broker.settle();
    broker.lose(2);
    publisher.publish(broker.ownedBy(0, "a/x"), "1", 1);
    broker.settle();
    CHECK(publisher.unacknowledged.empty());
    CHECK(broker.engine(0).shard().confirmations().isOpen());
    leaver.drop();
    broker.settle();
    CHECK_EQ(broker.engine(1).counters().get(Counter::sessions), 0);
  }
}

TEST("lost nodes: a session that has left one before gets the rest of its retained messages") {
  Limits limits;
  limits.retainedNodesAtOnce = limits.retainedNodesPerStep = 4;
  HandDrivenBroker broker(Nodes{1, 1, 1}, limits);
  Client& publisher = broker.connected("publisher", 2);
  for (int i = 0; i < 40; i++)
    publisher.publish(broker.ownedBy(2, "r/" + std::to_string(i) + "/"), std::to_string(i), 1, true);
  broker.settle();
  Client& reader = broker.connected("reader", 0, {.receiveMaximum = 1});
  reader.answersAtOnce = false;
  reader.subscribe("r/#", 1);
  broker.settle();
  CHECK_EQ(reader.received.size(), 1);
  reader.answers.clear();
  reader.drop();
  broker.settle();
  reader.connect(1);
  broker.settle();
  CHECK(reader.isConnected);
  broker.lose(0);
  broker.settle();
  reader.answersAtOnce = true;
  reader.answer();
  CHECK(broker.settle());
  const std::multiset<std::string> payloads = payloadsOf(reader.received);
  CHECK_EQ(std::set<std::string>(payloads.begin(), payloads.end()).size(), 40);
}

TEST("lost nodes: a member of a share that hands over while its session moves does so once") {
  HandDrivenBroker broker(Nodes{1, 1, 1});
  const std::string topic = broker.ownedBy(2, "t");
  const std::string shared = "$share/g/" + topic;
  Client& mover = broker.connected("mover", 0, {.receiveMaximum = 1});
  Client& other = broker.connected("other", 2);
  Client& publisher = broker.connected("publisher", 2);
  mover.subscribe(shared.c_str(), 2);
  broker.settle();
  mover.answersAtOnce = false;
  for (int i = 0; i < 4; i++) publisher.publish(topic, std::to_string(i), 2);
  broker.settle();
  other.subscribe(shared.c_str(), 2);
  broker.settle();
  const uint64_t key = broker.sessionOf(mover)->key;
  broker.hold(0, 2, true);
  mover.answers.clear();
  mover.drop();
  broker.settle();
  mover.connect(1);
  broker.settle();
  const Session* leaving = broker.engine(0).findSession(key);
  CHECK(leaving && leaving->move && leaving->move->state == SessionMove::State::flushing);
  broker.hold(0, 2, false);
  broker.settle();
  mover.answersAtOnce = true;
  mover.answer();
  CHECK(broker.settle());
  std::multiset<std::string> payloads = payloadsOf(mover.received);
  payloads.merge(payloadsOf(other.received));
  CHECK(payloads == (std::multiset<std::string>{"0", "1", "2", "3"}));
}

TEST("lost nodes: what no worker would say harms nobody") {
  HandDrivenBroker broker(Nodes{1, 1});
  broker.lose(1);
  broker.settle();
  replace(broker, 1, 0);
  Stranger stranger(broker, 1, 0);
  auto slice = std::make_unique<SubscriptionSlice>();
  slice->session = 77;
  slice->total = SIZE_MAX;
  broker.beginMove(77, 1, 0);
  slice->move = broker.engine(0).findSession(77)->move->stay.arrival;
  stranger.say(cluster::Channel::requests,
               Request(request::SubscriptionsOfSession{.carried = Carried(std::move(slice))}));
  stranger.say(cluster::Channel::requests,
               Request(request::MoveSession{.from = 63, .session = 5, .move = 6, .shards = 1}));
  stranger.say(cluster::Channel::requests,
               Request(request::Reshare{.share = 3, .token = 4, .carried = Carried([] {
                                                                  Publication publication;
                                                                  publication.topic = bytesOfText("t");
                                                                  publication.workers = 1;
                                                                  return MessageRef(publication.keep());
                                                                }())}));
  stranger.say(cluster::Channel::deliveries, ShardRecord(delivery::Passed{.token = 5}));
  stranger.say(cluster::Channel::deliveries,
               ShardRecord(delivery::Acknowledge{.qos = 1, .packetId = 9, .connection = 1, .generation = 1}));
  stranger.finish();
  CHECK(broker.engine(0).findSession(77) != nullptr);
}

TEST("lost nodes: PUBACK waits for the log of the member who gets a message that another one has refused") {
  std::deque<KeptDisk> disks(3);
  HandDrivenBroker broker(disks, Nodes{1, 1, 1});
  broker.settle();
  const std::string topic = broker.ownedBy(0, "t");
  const std::string shared = "$share/g/" + topic;
  std::vector<Client*> members;
  for (unsigned worker = 1; worker < 3; worker++) {
    members.push_back(&broker.connected("m" + std::to_string(worker), worker, {.receiveMaximum = 1}));
    members.back()->subscribe(shared.c_str(), 1);
  }
  Client& publisher = broker.connected("publisher", 0, fleeting());
  broker.settle();
  members[0]->answersAtOnce = false;
  while (members[0]->received.empty()) {
    publisher.publish(topic, "x", 1);
    broker.settle();
  }
  CHECK(publisher.unacknowledged.empty());
  members[1]->received.clear();
  disks[2].commitsAtOnce = false;
  for (size_t i = 1; i <= 2; i++) {  // one is offered to the one who can take none
    publisher.publish(topic, "y", 1);
    broker.settle();
    CHECK_EQ(members[1]->received.size(), i);
    CHECK_EQ(publisher.unacknowledged.size(), 1);
    disks[2].commit();
    broker.settle();
    CHECK(publisher.unacknowledged.empty());
  }
  disks[2].commitsAtOnce = true;
  broker.settle();
  CHECK(broker.engine(0).shard().confirmations().isOpen());
}

TEST("lost nodes: what is published for slots that are being taken waits for the filters of a stand-in that joins") {
  for (const bool isAsked : {false, true}) {
    std::deque<KeptDisk> disks(3);
    HandDrivenBroker broker(disks, Nodes{1, 1, 1});
    Client& publisher = broker.connected("publisher", 1, fleeting());
    const std::string topic = broker.ownedBy(2, "t");
    const SlotSet slots = broker.slotsOf(2);
    broker.settle();
    broker.lose(2);
    broker.settle();
    CHECK(broker.forgotten.contains({0, 2}) && broker.forgotten.contains({1, 2}));
    disks[0].commitsAtOnce = false;
    publisher.publish(broker.ownedBy(0, "r"), "r", 0, true);
    broker.settle();
    broker.hold(
        1, 0,
        isAsked);  // the stand-in joins before worker 1 has said that it holds the slots, or just before they open
    const uint64_t number = broker.takeSlots(0, slots);
    broker.settle();
    broker.post(0, [&broker] { broker.engine(0).awaitFilters(2); });
    replace(broker, 2, 0);
    Stranger standIn(broker, 2, 0);
    standIn.say(cluster::Channel::requests, request::SlotsHeld{.move = 0, .present = 7});  // of the slots served so far
    standIn.finish();
    broker.hold(1, 0, false);
    broker.settle();
    if (isAsked) {
      standIn.say(cluster::Channel::requests, request::SlotsHeld{.move = number, .present = 7});
      standIn.finish();
      standIn.pass(number);
      standIn.say(cluster::Channel::requests, request::SlotsDrained{.move = number});
      standIn.finish();
    }
    CHECK(!broker.taken.contains(number));
    disks[0].commit();
    disks[0].commitsAtOnce = true;
    broker.settle();
    CHECK(broker.taken.contains(number));
    publisher.publish(topic, "1", 1);
    broker.settle();
    if (!isAsked) {
      CHECK_EQ(publisher.unacknowledged.size(), 1);
      standIn.say(cluster::Channel::requests, request::SlotsHeld{.move = 0, .present = 7});
      standIn.finish();
    }
    CHECK(publisher.unacknowledged.empty());
  }
}
