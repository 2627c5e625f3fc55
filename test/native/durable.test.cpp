// What the broker logs, who waits until it is safe, and what is there again after the process has ended.
#include <ctime>
#include <map>
#include <set>

#include "check.h"
#include "hand-driven-broker.h"
#include "reading.h"

namespace {

using rally::Counter;

Client::Options durable() { return {.isPersistent = true}; }
Client::Options fleeting() { return {.isPersistent = false}; }

std::string joined(const Client& client) {
  std::string all;
  for (const std::string& text : client.texts()) all += (all.empty() ? "" : " ") + text;
  return all;
}

// Nothing becomes safe until release().
struct Held {
  KeptDisk& disk;
  explicit Held(KeptDisk& own) : disk(own) { disk.commitsAtOnce = false; }
  void release(HandDrivenBroker& broker) {
    disk.commit();
    disk.commitsAtOnce = true;
    broker.settle();
  }
};

// It has a durable session, and is away.
Client& awaySubscriber(HandDrivenBroker& broker, const char* name, const char* filter) {
  Client& subscriber = broker.connected(name, 0, durable());
  subscriber.subscribe(filter, 1);
  broker.settle();
  subscriber.drop();
  return subscriber;
}

// Where the workers stand still for it. They write it in the turns that follow.
bool beginCheckpoint(HandDrivenBroker& broker, unsigned writer = 0) {
  if (broker.store().checkpointer().isUnderWay()) return false;
  for (unsigned worker = 0; worker < broker.workers(); worker++) {
    if (!broker.engine(worker).isAtRest()) return false;
  }
  broker.store().checkpointer().begin(broker.engine(writer));
  return true;
}

// A worker writes one session in a turn, and leaves the content of most messages to the log.
rally::Limits smallSlices(check::Random& random) {
  rally::Limits limits;
  limits.checkpointBytesPerTurn = 1;
  limits.queuedMemoryBytesMax = random.below(3) * 1'000;
  return limits;
}
rally::Limits nothingInMemory() {
  rally::Limits limits;
  limits.queuedMemoryBytesMax = 0;
  return limits;
}

// Long enough to be left to the log.
std::string longText(int number) {
  const std::string text = std::to_string(number);
  return text + std::string(200 + size_t(number) % 50, 'x');
}

}  // namespace

TEST("durable: PUBACK waits for what is logged, and nobody else does") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& sink = broker.connected("sink", 0, durable());
  Client& live = broker.connected("live", 0, fleeting());
  sink.subscribe("kept/#", 1);
  live.subscribe("#", 1);
  broker.settle();
  Client& source = broker.connected("source", 0, fleeting());
  Held held(disk);
  source.publish("other", "1", 1);
  broker.settle();
  CHECK_EQ(source.acknowledgements.size(), 1);  // no durable subscriber
  source.publish("kept/a", "2", 1);
  broker.settle();
  CHECK_EQ(source.acknowledgements.size(), 1);
  CHECK_EQ(joined(sink), std::string("kept/a=2"));  // QoS 1 is delivered live
  CHECK_EQ(joined(live), std::string("other=1 kept/a=2"));
  held.release(broker);
  CHECK_EQ(source.acknowledgements.size(), 2);
}

TEST("durable: a session at rest keeps nothing of the messages that it has acknowledged") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& sink = broker.connected("sink", 0, durable());
  Client& source = broker.connected("source", 0, fleeting());
  sink.subscribe("a", 2);
  broker.settle();
  source.publish("a", "x", 1);
  source.publish("a", "x", 2);
  broker.settle();
  sink.publish("b", "x", 2);
  broker.settle();
  CHECK_EQ(joined(sink), std::string("a=x a=x"));
  rally::Session& session = *broker.sessionOf(sink);
  CHECK(session.durable->exchanges.isMade());
  sink.drop();
  broker.settle();
  CHECK(!session.durable->exchanges.isMade() && !session.unfinished.isMade());
}

TEST("durable: a retained message waits with QoS 1, and with QoS 0 nobody waits") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 2);
  Client& source = broker.connected("source", 0, fleeting());
  Held held(disk);
  source.publish("state", "on", 1, true);
  source.publish("state/0", "on", 0, true);
  broker.settle();
  CHECK_EQ(source.acknowledgements.size(), 0);
  held.release(broker);
  CHECK_EQ(source.acknowledgements.size(), 1);
  broker.crash(2);
  CHECK(broker.lookUp("state", 0)->size() > 0);
  CHECK(broker.lookUp("state/0", 1)->size() > 0);
}

TEST("durable: PUBREC and PUBCOMP of a durable publisher wait") {
  for (const unsigned workers : {1u, 2u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers);
    Client& sink = broker.connected("sink", 0, durable());
    sink.subscribe("kept", 2);
    broker.settle();
    sink.drop();
    broker.settle();
    Client& source = broker.connected("source", workers - 1, durable());
    Held held(disk);
    source.publish("kept", "1", 2);
    broker.settle();
    CHECK_EQ(source.acknowledgements.size(), 0);
    disk.commit();
    broker.settle();
    CHECK_EQ(source.acknowledgements.size(), 1);  // PUBREC
    CHECK_EQ(source.unacknowledged.size(), 1);    // no PUBCOMP
    held.release(broker);
    CHECK_EQ(source.unacknowledged.size(), 0);
  }
}

TEST("durable: PUBLISH with QoS 2 and PUBREL to a durable session wait, and what follows on the connection") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& sink = broker.connected("sink", 0, durable());
  Client& source = broker.connected("source", 0, fleeting());
  sink.subscribe("a", 2);
  broker.settle();
  Held held(disk);
  sink.answersAtOnce = false;
  source.publish("a", "1", 2);
  source.publish("a", "2", 1);
  broker.settle();
  CHECK_EQ(sink.received.size(), 0);
  disk.commit();
  broker.settle();
  CHECK_EQ(joined(sink), std::string("a=1 a=2"));
  sink.answer();
  sink.answersAtOnce = true;
  broker.settle();
  CHECK_EQ(sink.outstanding.size(), 1);  // QoS 2: no PUBREL
  held.release(broker);
  CHECK_EQ(sink.outstanding.size(), 0);
}

TEST("durable: acknowledgements that nobody waits for cause no sync, and are safe within a second") {
  constexpr int messages = 600;  // more than a session collects for a record
  for (const int qos : {1, 2}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, 1);
    Client& publisher = broker.connected("publisher", 0, fleeting());
    Client& subscriber = broker.connected("subscriber", 0, durable());
    subscriber.subscribe("t", qos);
    broker.settle();
    for (int i = 0; i < messages; i++) publisher.publish("t", std::to_string(i), qos);
    subscriber.answersAtOnce = false;
    broker.settle();
    while (qos == 2 && subscriber.answers.size() > 0 && subscriber.answers.front()[0] == 0x50) {  // PUBREC
      subscriber.answer(1);
      broker.settle();
    }
    const uint64_t before = disk.written;
    subscriber.answer();
    broker.settle();
    CHECK_EQ(subscriber.received.size(), size_t(messages));
    CHECK_EQ(disk.written, before);
    broker.advanceTime(1'000);
    broker.settle();
    CHECK(disk.written > before);

    broker.crash(1);
    subscriber.answersAtOnce = true;
    const size_t arrivals = subscriber.arrivals.size();
    subscriber.connect(0);
    broker.settle();
    CHECK_EQ(subscriber.arrivals.size(), arrivals);
  }
}

TEST("durable: CONNACK, SUBACK and UNSUBACK of durable sessions wait, those of others do not") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Held held(disk);
  Client& guest = broker.add("guest", fleeting());
  guest.connect(0);
  guest.subscribe("a", 1);
  broker.settle();
  CHECK(guest.isConnected);
  CHECK_EQ(guest.subacks.size(), 1);
  Client& client = broker.add("client", durable());
  client.connect(0);
  broker.settle();
  CHECK(!client.isConnected);
  disk.commit();
  broker.settle();
  CHECK(client.isConnected);
  client.subscribe("a", 1);
  broker.settle();
  CHECK_EQ(client.subacks.size(), 0);
  held.release(broker);
  CHECK_EQ(client.subacks.size(), 1);
}

TEST(
    "durable: a session is there after a crash, with its subscriptions, its messages in order and its packet "
    "identifiers") {
  for (const auto& [before, after] : {std::pair{1u, 1u}, {1u, 4u}, {4u, 2u}}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, before);
    Client& sink = broker.connected("sink", 0, durable());
    sink.subscribe({{.filter = "a/+", .qos = 1, .retainAsPublished = true, .id = 7}, {.filter = "a/#", .qos = 2}});
    sink.subscribe({{.filter = "gone", .qos = 1}});
    broker.settle();
    sink.unsubscribe("gone");
    broker.settle();
    sink.drop();
    broker.settle();
    Client& source = broker.connected("source", before - 1, fleeting());
    for (int i = 0; i < 5; i++) source.publish("a/b", std::to_string(i), 1 + i % 2, i == 4);
    source.publish("gone", "x", 1);
    broker.settle();
    CHECK_EQ(source.unacknowledged.size(), 0);
    broker.crash(after);
    sink.connect(after - 1);
    broker.settle();
    CHECK_EQ(joined(sink), std::string("a/b=0 a/b=1 a/b=2 a/b=3 a/b=4"));
    if (sink.received.size() == 5) {
      CHECK_EQ(sink.received[1].qos, 2);
      CHECK(sink.received[4].retain);
      CHECK_EQ(sink.received[0].subscriptionIds.size(), 2);
    }
    broker.advanceTime(1'000);  // what it has acknowledged is noted once a second
    broker.settle();
    broker.crash(before);
    sink.connect(0);
    broker.settle();
    CHECK_EQ(sink.received.size(), 5);
    Client& later = broker.connected("later", 0, fleeting());
    later.publish("a/b", "5", 1);
    broker.settle();
    CHECK_EQ(sink.received.size(), 6);
  }
}

TEST("durable: the end of a session, a cleared retained message and a will are remembered") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 2);
  Client& sink = broker.connected("sink", 0, durable());
  sink.subscribe("w", 1);
  Client& source = broker.connected("source", 1, fleeting());
  source.publish("state", "on", 1, true);
  source.publish("kept", "on", 1, true);
  broker.settle();
  source.publish("state", "", 1, true);
  Client& ended = broker.connected("ended", 1, durable());
  ended.subscribe("x", 1);
  broker.settle();
  ended.options = {.isPersistent = false, .isCleanStart = true};
  ended.connect(0);
  broker.settle();
  Client::Options withWill = durable();
  withWill.will = SentPublish{.topic = "w", .payload = "gone", .qos = 1};
  broker.connected("mortal", 1, withWill);
  broker.crash(1);
  CHECK_EQ(broker.lookUp("state", 0)->size(), 0);
  CHECK(broker.lookUp("kept", 0)->size() > 0);
  std::vector<std::string> names;
  for (const rally::RecoveredSession& each : broker.store().sessions()) names.push_back(each.clientId);
  std::sort(names.begin(), names.end());
  CHECK_EQ(names.size(), 2);
  CHECK_EQ(names.front(), std::string("mortal"));
  for (const rally::RecoveredSession& each : broker.store().sessions()) {
    rally::Session& session = *broker.engine(each.worker).findSession(each.key);
    if (session.will) broker.engine(each.worker).publishWill(session);
  }
  sink.connect(0);
  broker.settle();
  CHECK_EQ(joined(sink), std::string("w=gone"));
  broker.crash(2);
  for (const rally::RecoveredSession& each : broker.store().sessions())
    CHECK(!broker.engine(each.worker).findSession(each.key)->will);
}

TEST("durable: at a start a message is for those who had subscribed when it came, however often that has changed") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& source = broker.connected("source", 0, fleeting());
  Client& always = broker.connected("always", 0, durable());
  Client& sometimes = broker.connected("sometimes", 0, durable());
  int number = 0;
  const auto publishSome = [&] {
    for (int i = 0; i < 3; i++) source.publish("t", std::to_string(number++), 1);
    broker.settle();
  };
  const auto visit = [&](auto&& change) {
    sometimes.connect(0);
    broker.settle();
    change();
    broker.settle();
    sometimes.drop();
    broker.settle();
    publishSome();
  };
  always.subscribe("t", 1);
  broker.settle();
  always.drop();
  broker.settle();
  publishSome();                                                              // 0 to 2: one gets it, again and again
  visit([&] { sometimes.subscribe("+", 1); });                                // 3 to 5: two do
  visit([&] { sometimes.unsubscribe("+"); });                                 // 6 to 8: one again
  visit([&] { sometimes.subscribe({{.filter = "t", .qos = 1, .id = 7}}); });  // 9 to 11: one filter, two do
  CHECK_EQ(joined(sometimes), std::string("t=3 t=4 t=5"));
  broker.crash(1);
  always.connect(0);
  sometimes.connect(0);
  broker.settle();
  CHECK_EQ(joined(always), std::string("t=0 t=1 t=2 t=3 t=4 t=5 t=6 t=7 t=8 t=9 t=10 t=11"));
  CHECK_EQ(joined(sometimes), std::string("t=3 t=4 t=5 t=9 t=10 t=11"));
}

TEST("durable: a member of a share gets after a crash what no member has acknowledged") {
  for (const unsigned workers : {1u, 3u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers);
    Client& first = broker.connected("first", 0, durable());
    Client& second = broker.connected("second", workers - 1, durable());
    first.subscribe("$share/g/t/#", 1);
    second.subscribe("$share/g/t/#", 1);
    broker.settle();
    Client& source = broker.connected("source", 0, fleeting());
    for (int i = 0; i < 6; i++) source.publish("t/" + std::to_string(i), "x", 1);
    broker.settle();
    const size_t acknowledged = first.received.size() + second.received.size();
    CHECK_EQ(acknowledged, 6);
    first.drop();
    second.drop();
    broker.settle();
    for (int i = 6; i < 12; i++) source.publish("t/" + std::to_string(i), "x", 1);
    broker.settle();
    broker.crash(workers);
    first.connect(0);
    broker.settle();
    second.connect(0);
    broker.settle();
    CHECK_EQ(first.received.size() + second.received.size(), 12);
  }
}

TEST("durable: a full disk refuses what would have to be stored, and ends clients that cannot be told") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& sink = broker.connected("sink", 0, durable());
  sink.subscribe("kept", 1);
  broker.settle();
  Client& source = broker.connected("source", 0, fleeting());
  Client& old = broker.connected("old", 0, {.version = 4, .isPersistent = false});
  static_cast<KeptLog&>(broker.store().log()).setState(rally::log::State::full);
  source.publish("kept", "1", 1);
  source.publish("other", "2", 1);
  broker.settle();
  CHECK_EQ(source.acknowledgements.size(), 2);
  CHECK(source.acknowledgements.front() == rally::Reason::quotaExceeded);
  old.publish("other", "3", 1);
  broker.settle();
  CHECK(old.link && !old.link->isSevered);
  old.publish("kept", "4", 1);
  broker.settle();
  CHECK(!old.link->connection);
  CHECK_EQ(sink.received.size(), 0);
  CHECK_EQ(broker.total(Counter::storageRefused), 2);
  Client::Options mortal = fleeting();
  mortal.will = SentPublish{.topic = "kept", .payload = std::string(10'000, 'x'), .qos = 1};
  Client& last = broker.connected("last", 0, mortal);
  const uint64_t bytes = disk.bytes();
  last.drop();  // of its will nobody is told that it was refused: it is delivered, and not stored
  broker.settle();
  CHECK_EQ(sink.received.size(), 1);
  CHECK(disk.bytes() < bytes + 1'000);
  CHECK_EQ(broker.total(Counter::storageRefused), 3);
}

TEST("durable: what fills the disk is given up when it is not needed any more, as soon as there is room for the rest") {
  KeptDisk disk;
  disk.checkpointBytesMin = 100'000;
  HandDrivenBroker broker(disk, 1);
  Client& sink = awaySubscriber(broker, "sink", "t");
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 200; i++) source.publish("t", std::string(2'000, 'x'), 1);
  broker.settle();
  const auto passSeconds = [&](int seconds) {
    for (; seconds > 0; seconds--) {
      broker.advanceTime(1'000);
      broker.settle();
    }
  };
  disk.freeBytes = 200'000;
  static_cast<KeptLog&>(broker.store().log()).setState(rally::log::State::full);
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 0);  // half of it would have no room
  CHECK(disk.bytes() > 400'000);
  sink.connect(0);
  broker.settle();
  CHECK_EQ(sink.received.size(), 200);
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
  CHECK(disk.bytes() < 10'000);
}

TEST("durable: a checkpoint begins only if there is room for all of it, and what many wait for is there once") {
  KeptDisk disk;
  disk.checkpointBytesMin = 100'000;
  disk.freeBytes = 200'000;
  rally::Limits limits;
  limits.queuedMemoryBytesMax = 100'000;
  HandDrivenBroker broker(disk, 1, limits);
  const auto passSeconds = [&](int seconds) {
    for (; seconds > 0; seconds--) {
      broker.advanceTime(1'000);
      broker.settle();
    }
  };
  for (int i = 0; i < 50; i++) awaySubscriber(broker, ("sink" + std::to_string(i)).c_str(), "t");
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 200; i++) source.publish("t", std::string(2'000, 'x'), 1);
  broker.settle();
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 0);
  disk.freeBytes = 500'000;
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
  CHECK(disk.bytes() < 500'000);
  broker.crash(1);
  CHECK(broker.engine(0).stateBytes() > disk.bytes());
  CHECK(broker.engine(0).stateBytes() < disk.bytes() * 5 / 4);
}

TEST("durable: while the disk stands still, the memory of what waits for it is bounded, and then all is done") {
  KeptDisk disk;
  disk.pendingBytesMax = 100'000;
  HandDrivenBroker broker(disk, 1);
  Client& known = broker.connected("known", 0, durable());
  Held held(disk);
  Client::Options options = durable();
  options.will = SentPublish{.topic = "will", .payload = std::string(10'000, 'x'), .qos = 1};
  std::vector<Client*> clients;
  for (int i = 0; i < 50; i++) {
    clients.push_back(&broker.add("client" + std::to_string(i), options));
    clients.back()->connect(0);
    broker.settle();
  }
  rally::log::Appender& appender = broker.store().log().appender(0);
  CHECK(appender.pendingBytes() >= disk.pendingBytesMax && appender.pendingBytes() < disk.pendingBytesMax + 20'000);
  for (int i = 0; i < 100; i++) known.subscribe((std::to_string(i) + std::string(1'000, '/')).c_str(), 1);
  for (int i = 0; i < 100; i++) known.unsubscribe(std::to_string(i) + std::string(1'000, '/'));
  clients.back()->drop();
  broker.settle();
  CHECK(appender.pendingBytes() < disk.pendingBytesMax + 20'000);
  CHECK(known.link->connection && known.subacks.empty());
  held.release(broker);
  for (size_t i = 0; i + 1 < clients.size(); i++) CHECK(clients[i]->isConnected);
  CHECK_EQ(known.subacks.size(), 100);
  CHECK(broker.sessionOf(known)->subscriptions.isEmpty());
}

TEST("durable: while the disk stands still, a CONNECT that waits for it is refused in the end") {
  KeptDisk disk;
  disk.pendingBytesMax = 100'000;
  rally::Limits limits;
  HandDrivenBroker broker(disk, 1, limits);
  Held held(disk);
  Client::Options options = durable();
  options.will = SentPublish{.topic = "will", .payload = std::string(10'000, 'x'), .qos = 1};
  std::vector<Client*> clients;
  for (int i = 0; i < 20; i++) {
    options.version = i % 2 == 0 ? 5 : 4;
    clients.push_back(&broker.add("client" + std::to_string(i), options));
    clients.back()->connect(0);
    broker.settle();
  }
  broker.advanceTime(limits.connectTimeoutMs - 1'000);
  broker.settle();
  CHECK(!clients.back()->refusal);
  broker.advanceTime(1'000);
  broker.settle();
  held.release(broker);
  int refused = 0;
  for (const Client* client : clients) {
    CHECK(client->isConnected != client->refusal.has_value());
    refused += client->refusal.has_value();
    if (client->refusal) CHECK_EQ(*client->refusal, client->options.version == 5 ? 0x88 : 3);
  }
  CHECK_EQ(refused, 10);
}

TEST("durable: a checkpoint holds everything, and what stood before it is given up") {
  for (const unsigned workers : {1u, 3u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers);
    Client& sink = broker.connected("sink", 0, durable());
    sink.subscribe("a/#", 2);
    sink.subscribe("$share/g/s", 1);
    broker.settle();
    sink.answersAtOnce = false;
    Client& source = broker.connected("source", workers - 1, durable());
    source.publish("a/kept", "r", 1, true);
    for (int i = 0; i < 4; i++) source.publish("a/b", std::to_string(i), 1 + i % 2);
    source.publish("s", "s", 1);
    broker.settle();
    const size_t before = disk.records.size();
    for (unsigned worker = 0; worker < workers; worker++) broker.engine(worker);
    sink.drop();
    broker.settle();
    CHECK(beginCheckpoint(broker));
    broker.settle();
    broker.advanceTime(1);
    broker.settle();
    CHECK(disk.records.front().kind == rally::records::CheckpointBegin::kind);
    CHECK(disk.records.size() < before + 40);
    sink.answersAtOnce = true;
    sink.answers.clear();
    const std::string got = joined(sink);
    broker.crash(2);
    CHECK(broker.lookUp("a/kept", 0)->size() > 0);
    sink.connect(1);
    broker.settle();
    size_t exact = 0;
    for (const SentPublish& each : sink.received) exact += each.qos == 2;
    CHECK_EQ(exact, 2);
    source.connect(0);
    broker.settle();
    source.publish("a/b", "last", 2);
    broker.settle();
    CHECK_EQ(sink.received.back().payload, std::string("last"));
  }
}

TEST("durable: a checkpoint is due for what the log takes on the disk, however small its records are") {
  KeptDisk disk;
  disk.checkpointBytesMin = 1'000'000;
  HandDrivenBroker broker(disk, 1);
  Client& sink = broker.connected("sink", 0, durable());
  sink.subscribe("t", 1);
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 2'000; i++) {
    source.publish("t", "x", 1);  // each is a group of its own, and so takes a page
    broker.settle();
    if (i % 20 == 0) broker.advanceTime(1'000);
    broker.settle();
  }
  CHECK(disk.bytes() < 1'000'000);
  CHECK(disk.usedBytes() < 1'200'000);
  CHECK(broker.store().checkpointer().written() > 1);
}

TEST("durable: a checkpoint whose first or last record cannot be read is used, since nothing before it is left") {
  for (const rally::log::Kind lost : {rally::records::CheckpointBegin::kind, rally::records::CheckpointEnd::kind}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, 2);
    Client& sink = awaySubscriber(broker, "sink", "t/#");
    Client& source = broker.connected("source", 1, fleeting());
    source.publish("t/kept", "0", 1, true);
    for (int i = 1; i < 4; i++) source.publish("t", std::to_string(i), 1);
    broker.settle();
    disk.written = uint64_t(7) << 32;  // the segments before this one are given up
    CHECK(beginCheckpoint(broker));
    broker.settle();
    broker.advanceTime(1);
    broker.settle();
    source.publish("t", "4", 1);
    broker.settle();
    CHECK_EQ(std::erase_if(disk.records, [&](const KeptDisk::Record& each) { return each.kind == lost; }), 1);
    broker.crash(1);
    CHECK(broker.lookUp("t/kept", 0)->size() > 0);
    sink.connect(0);
    broker.settle();
    CHECK_EQ(joined(sink), std::string("t/kept=0 t=1 t=2 t=3 t=4"));
  }
}

TEST("durable: a checkpoint that has no end yet does not count, wherever it began") {
  KeptDisk disk;
  rally::Limits limits;
  limits.checkpointBytesPerTurn = 1;
  HandDrivenBroker broker(disk, 1, limits);
  Client& sink = awaySubscriber(broker, "sink", "t");
  Client& source = broker.connected("source", 0, fleeting());
  const auto publish = [&](const char* text) {
    source.publish("t", text, 1);
    broker.settle();
  };
  publish("1");
  disk.written = uint64_t(7) << 32;
  CHECK(beginCheckpoint(broker));
  broker.settle();
  broker.advanceTime(1);
  publish("2");
  // The next one begins in the same segment, or in a later one.
  for (const uint64_t segment : {uint64_t(7), uint64_t(8)}) {
    if (segment == 8) disk.written = segment << 32;
    const size_t before = disk.records.size();
    CHECK(beginCheckpoint(broker));
    broker.crash(1);
    CHECK(disk.records.size() > before);
    source.connect(0);
    publish(segment == 7 ? "3" : "4");
  }
  broker.crash(1);
  sink.connect(0);
  broker.settle();
  CHECK_EQ(joined(sink), std::string("t=1 t=2 t=3 t=4"));
}

TEST("durable: a list of messages that cannot be read is not taken for the list of other sessions") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  std::vector<Client*> sinks;
  for (const char* name : {"a1", "a2"}) sinks.push_back(&awaySubscriber(broker, name, "a"));
  for (const char* name : {"b1", "b2"}) sinks.push_back(&awaySubscriber(broker, name, "b"));
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 3; i++) source.publish("a", std::to_string(i), 1);
  for (int i = 0; i < 3; i++) source.publish("b", std::to_string(i), 1);
  broker.settle();
  CHECK(beginCheckpoint(broker));
  broker.settle();
  broker.advanceTime(1);
  broker.settle();
  const rally::log::Kind waiting = rally::records::inCheckpoint(rally::records::Waiting::kind);
  const auto isWaiting = [&](const KeptDisk::Record& each) { return each.kind == waiting; };
  CHECK_EQ(std::count_if(disk.records.begin(), disk.records.end(), isWaiting), 4);
  // The first two have one list, and the others another one: the third one has it.
  const auto first = std::find_if(disk.records.begin(), disk.records.end(), isWaiting);
  const auto third = std::find_if(std::find_if(first + 1, disk.records.end(), isWaiting) + 1, disk.records.end(),
                                  isWaiting);
  CHECK(third != disk.records.end());
  disk.records.erase(third);
  broker.crash(1);
  size_t whole = 0;
  for (size_t i = 0; i < sinks.size(); i++) {
    sinks[i]->connect(0);
    broker.settle();
    for (const SentPublish& each : sinks[i]->received) CHECK_EQ(each.topic, std::string(i < 2 ? "a" : "b"));
    whole += sinks[i]->received.size() == 3;
  }
  CHECK_EQ(whole, 2);
}

TEST("durable: a checkpoint is written when something can be given up for it, and then not again") {
  KeptDisk disk;
  disk.checkpointBytesMin = 100'000;
  disk.segments = 1;  // all of it is in the segment in which a checkpoint would begin
  HandDrivenBroker broker(disk, 1);
  awaySubscriber(broker, "sink", "t");
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 100; i++) {
    source.publish("t", "x", 1);
    broker.settle();
  }
  const auto passSeconds = [&](int seconds) {
    for (; seconds > 0; seconds--) {
      broker.advanceTime(1'000);
      broker.settle();
    }
  };
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 0);
  disk.segments = 2;
  disk.shown = broker.store().log().figures();  // the log is measured once a second
  passSeconds(1);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
  CHECK(!broker.store().checkpointer().isUnderWay());
  passSeconds(1);
  disk.shown.reset();
  passSeconds(20);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
}

// Whatever record is lost with a damaged part: that costs what it is about, and nothing else.
TEST("durable: a record that cannot be read costs one session or one message, or those that wait for the same") {
  constexpr int sessions = 4;
  constexpr int messages = 3;
  for (const bool hasCheckpoint : {false, true}) {
    size_t count = 1;
    for (size_t lost = 0; lost < count; lost++) {
      KeptDisk disk;
      HandDrivenBroker broker(disk, 2);
      std::vector<Client*> sinks;
      for (int i = 0; i < sessions; i++) {
        Client& sink = broker.connected("sink" + std::to_string(i), unsigned(i % 2), durable());
        sink.subscribe(("own/" + std::to_string(i)).c_str(), 2);
        sink.subscribe("all", 1);
        sink.subscribe("$share/g/shared", 1);
        sinks.push_back(&sink);
      }
      broker.settle();
      Client& source = broker.connected("source", 1, durable());
      sinks[0]->answersAtOnce = false;
      source.publish("own/0", "in flight", 2);
      broker.settle();
      for (Client* sink : sinks) sink->drop();
      for (int number = 0; number < messages; number++) {
        for (int i = 0; i < sessions; i++)
          source.publish("own/" + std::to_string(i), std::to_string(number), 1 + number % 2);
        source.publish("all", std::to_string(number), 1, number == 1);
        source.publish("shared", std::to_string(number), 1);
      }
      broker.settle();
      if (hasCheckpoint) {
        disk.written = uint64_t(7) << 32;
        CHECK(beginCheckpoint(broker, 1));
        broker.settle();
        broker.advanceTime(1);
        broker.settle();
        CHECK(disk.records.front().kind == rally::records::CheckpointBegin::kind);
      }
      source.publish("all", std::to_string(messages), 1);
      broker.settle();
      count = disk.records.size();
      const rally::log::Kind kind = disk.records[lost].kind;
      disk.records.erase(disk.records.begin() + ptrdiff_t(lost));
      for (Client* sink : sinks) {
        sink->received.clear();
        sink->answers.clear();
        sink->answersAtOnce = true;
      }
      broker.crash(2);
      std::set<int> robbed;           // sessions that lack something
      std::set<std::string> missing;  // what they lack
      std::map<std::string, int> shared;
      for (int i = 0; i < sessions; i++) {
        sinks[size_t(i)]->connect(unsigned(i % 2));
        broker.settle();
        std::multiset<std::string> got;
        for (const SentPublish& each : sinks[size_t(i)]->received) {
          if (each.topic == "shared") shared[each.payload]++;
          else got.insert(each.topic + "=" + each.payload);
        }
        std::vector<std::string> meant;
        for (int number = 0; number < messages; number++)
          meant.push_back("own/" + std::to_string(i) + "=" + std::to_string(number));
        for (int number = 0; number <= messages; number++) meant.push_back("all=" + std::to_string(number));
        for (const std::string& each : meant) {
          CHECK(got.count(each) <= 1);
          if (got.contains(each)) continue;
          robbed.insert(i);
          missing.insert(each);
        }
      }
      for (int number = 0; number < messages; number++)
        if (shared[std::to_string(number)] == 0) missing.insert("shared=" + std::to_string(number));
      const bool isList = kind == rally::records::inCheckpoint(rally::records::Waiting::kind);
      if (!CHECK(robbed.size() <= 1 || missing.size() <= 1 || isList))
        std::fprintf(stderr, "record %zu of kind %u: %zu sessions lack %zu messages\n", lost, unsigned(kind),
                     robbed.size(), missing.size());
      size_t sharedMissing = 0;
      for (const std::string& each : missing) sharedMissing += each.starts_with("shared");
      if (!CHECK(sharedMissing <= 1))
        std::fprintf(stderr, "record %zu of kind %u: %zu shared messages are lost\n", lost, unsigned(kind),
                     sharedMissing);
    }
    CHECK(count > 30);
  }
}

TEST("durable: a start writes no checkpoint unless one is due, and none is begun for which there is no room") {
  KeptDisk disk;
  disk.checkpointBytesMin = 100'000;
  HandDrivenBroker broker(disk, 1);
  awaySubscriber(broker, "sink", "t");
  Client& source = broker.connected("source", 0, fleeting());
  const auto passSeconds = [&](int seconds) {
    for (; seconds > 0; seconds--) {
      broker.advanceTime(1'000);
      broker.settle();
    }
  };
  for (int i = 0; i < 200; i++) source.publish("t", std::string(2'000, 'x'), 1);
  broker.settle();
  passSeconds(5);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
  passSeconds(5);
  CHECK(disk.bytes() > 400'000);
  broker.crash(1);
  passSeconds(10);
  CHECK_EQ(broker.store().checkpointer().written(), 0);  // there is little but the state in the log
  source.connect(0);
  disk.freeBytes = 200'000;
  for (int i = 0; i < 300; i++) {
    source.publish("state", std::string(2'000, 'x'), 1, true);
    broker.settle();
  }
  passSeconds(10);
  CHECK_EQ(broker.store().checkpointer().written(), 0);
  disk.freeBytes = 500'000;
  passSeconds(10);
  CHECK_EQ(broker.store().checkpointer().written(), 1);
}

TEST("durable: what a start finds out about many sessions is written in parts") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client::Options options = durable();
  options.will = SentPublish{.topic = "will", .payload = std::string(10'000, 'x'), .qos = 1};
  for (int i = 0; i < 60; i++) broker.connected("client" + std::to_string(i), 0, options);
  broker.settle();
  broker.crash(1);
  broker.settle();
  CHECK(disk.bytes() > 1'200'000);
  uint64_t most = 0;
  for (const auto& [position, bytes] : disk.groups) most = std::max(most, bytes);
  CHECK(most < 200'000);
}

TEST("durable: the numbers of new sessions follow those of all that are there, also of ones from another broker") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  awaySubscriber(broker, "sink", "t");
  rally::records::Session record{.session = uint64_t(9) << 32 | 1, .clientId = Bytes(), .expirySeconds = 1'000};
  const std::string name = "foreign";
  record.clientId = {reinterpret_cast<const uint8_t*>(name.data()), name.size()};
  std::vector<uint8_t> body(rally::log::encodedBytes(record));
  rally::log::detail::Write write{rally::log::Encoder(body)};
  record.visit(write);
  disk.records.push_back({.position = disk.written + 4, .kind = rally::records::Session::kind, .body = body});
  disk.written += 4 + body.size() / 4 * 4;
  broker.crash(1);
  CHECK_EQ(broker.store().sessions().size(), 2);
  CHECK(broker.store().run() > 9);
}

TEST("durable: a clock that was set back ends no session, and what expired before the machine began is not sent") {
  using Kept = KeptDisk::Record;
  const auto patch = [](KeptDisk& disk, rally::log::Kind kind, size_t offset, uint64_t value) {
    size_t count = 0;
    for (Kept& record : disk.records) {
      if (record.kind != kind) continue;
      std::memcpy(record.body.data() + offset, &value, sizeof value);
      count++;
    }
    return count;
  };
  for (const bool isInMemory : {true, false}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, 1, isInMemory ? rally::Limits() : nothingInMemory());
    Client& sink = awaySubscriber(broker, "sink", "t");
    Client& source = broker.connected("source", 0, fleeting());
    source.publish({.topic = "t", .payload = longText(1), .qos = 1, .packetId = 1, .expirySeconds = 60});
    source.publish({.topic = "t", .payload = "stays", .qos = 1, .packetId = 2});
    broker.settle();
    CHECK(beginCheckpoint(broker));
    broker.settle();
    broker.advanceTime(1);
    broker.settle();
    const auto message = rally::records::inCheckpoint(rally::records::Message::kind);
    const auto session = rally::records::inCheckpoint(rally::records::Session::kind);
    const size_t expiryAt = 8 + 1 + 1 + 2 + 8;
    for (Kept& record : disk.records) {  // long before the machine began
      uint64_t expires = 0;
      if (record.kind != message) continue;
      std::memcpy(&expires, record.body.data() + expiryAt, sizeof expires);
      expires = expires == 0 ? 0 : 1;
      std::memcpy(record.body.data() + expiryAt, &expires, sizeof expires);
    }
    const size_t leftAt = 8 + 2 + 4 + 4;  // behind key, name and expiry
    CHECK_EQ(patch(disk, session, leftAt, disk.calendarMs() + 3'600'000), 1);
    broker.crash(1);
    rally::Session& sleeper = *broker.sessionOf(sink);
    CHECK(sleeper.leftAtMs <= rally::engineClockMs());
    sink.connect(0);
    broker.settle();
    CHECK_EQ(joined(sink), std::string("t=stays"));
    CHECK_EQ(broker.total(Counter::droppedExpired), 1);
  }
  rally::Session session;
  session.leftAtMs = 1'005;
  const auto awayMs = [&](uint64_t nowMs) {
    const rally::SessionRow row = rally::rowOf(1, &session, nowMs);
    uint64_t value = 0;
    for (size_t at = 18; at < row.size(); at++) value = value << 8 | row[at];
    return value;
  };
  CHECK_EQ(awayMs(1'000), 0);  // it left on another worker, whose turn began later
  CHECK_EQ(awayMs(2'005), 1'000);
  session.leftAtMs = uint64_t(0) - 5'000;  // before the machine began
  CHECK_EQ(awayMs(1'000), 6'000);
  constexpr uint64_t monthsMs = 100 * uint64_t(86'400'000);
  session.leftAtMs = uint64_t(0) - monthsMs;
  CHECK_EQ(awayMs(1'000), monthsMs + 1'000);
}

TEST("durable: a clock that is set between two runs, or during one, changes no interval") {
  constexpr int64_t dayMs = 86'400'000;
  constexpr uint64_t roundedMs = 2'000;
  for (const bool isInMemory : {true, false}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, 1, isInMemory ? rally::Limits() : nothingInMemory());
    Client& sink = awaySubscriber(broker, "sink", "t");
    Client& source = broker.connected("source", 0, fleeting());
    const uint64_t beganMs = rally::engineClockMs();
    // So much less than `ms` as the test has taken.
    const auto isLeft = [&](uint64_t leftMs, uint64_t ms) {
      return leftMs <= ms + roundedMs && leftMs + roundedMs + rally::engineClockMs() - beganMs >= ms;
    };
    int looks = 0;
    const auto publish = [&](const std::string& topic, uint32_t expirySeconds) {
      source.publish({.topic = topic,
                      .payload = longText(1),
                      .qos = 1,
                      .retain = topic != "t",
                      .packetId = 1,
                      .expirySeconds = expirySeconds});
      broker.settle();
    };
    // Both messages have as many seconds left, and the session has been left for the rest of the minute.
    const auto look = [&](uint32_t secondsLeft) {
      const rally::Session& session = *broker.sessionOf(sink);
      CHECK(isLeft(session.leftAtMs + 60'000 - broker.nowMs, secondsLeft * 1'000));
      Client& looker = broker.connected("looker" + std::to_string(looks++), 0, fleeting());
      looker.subscribe("kept", 1);
      broker.settle();
      if (!CHECK_EQ(looker.received.size(), 1)) return;
      CHECK(isLeft(*looker.received.front().expirySeconds * 1'000, secondsLeft * 1'000));
    };
    const auto set = [&](int64_t byMs) {
      disk.clockSetMs += byMs;
      broker.advanceTime(1);
      broker.settle();
    };
    publish("kept", 60);
    publish("t", 60);
    broker.crash(1);
    look(60);
    disk.clockSetMs -= 2 * dayMs;  // a machine whose clock has no battery
    broker.crash(1);
    look(60);
    set(2 * dayMs + 10'000);  // and that gets the time while the broker runs
    look(60);
    broker.crash(1);
    look(60);
    disk.clockSetMs += 10'000;  // passes between two runs
    broker.crash(1);
    look(50);
    CHECK(beginCheckpoint(broker));
    broker.settle();
    broker.advanceTime(1);
    broker.settle();
    disk.clockSetMs += 10'000;
    broker.crash(1);
    look(40);
    set(-dayMs);
    disk.clockSetMs += 10'000;
    broker.crash(1);
    look(30);
    sink.connect(0);
    broker.settle();
    if (CHECK_EQ(sink.received.size(), 1)) CHECK(isLeft(*sink.received.front().expirySeconds * 1'000, 30'000));
    disk.clockSetMs += 60'000;
    broker.crash(1);
    Client& late = broker.connected("late", 0, fleeting());
    late.subscribe("kept", 1);
    broker.settle();
    CHECK_EQ(late.received.size(), 0);
    CHECK_EQ(broker.total(Counter::retained), 0);
  }
}

TEST("durable: of a share, what nobody had is not sent once it has expired") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1);
  Client& member = awaySubscriber(broker, "member", "$share/g/t");
  broker.settle();
  Client& source = broker.connected("source", 0, fleeting());
  source.publish({.topic = "t", .payload = "gone", .qos = 1, .packetId = 1, .expirySeconds = 30});
  source.publish({.topic = "t", .payload = "stays", .qos = 1, .packetId = 2});
  broker.settle();
  // Who has them had not been stored when the broker ended.
  const size_t queued = std::erase_if(
      disk.records, [](const KeptDisk::Record& record) { return record.kind == rally::records::Queued::kind; });
  CHECK_EQ(queued, 2);
  disk.clockSetMs += 60'000;
  broker.crash(1);
  member.connect(0);
  broker.settle();
  CHECK_EQ(joined(member), std::string("t=stays"));
}

TEST("durable: what is retained is there again on any number of workers, however full the store was") {
  KeptDisk disk;
  rally::Limits limits;
  limits.retainedMessagesMax = 40;
  HandDrivenBroker broker(disk, 1, limits);
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 41; i++) source.publish("state/" + std::to_string(i), "on", 1, true);
  broker.settle();
  CHECK_EQ(broker.total(Counter::retained), 40);
  broker.crash(4);
  CHECK_EQ(broker.total(Counter::retained), 40);
  CHECK_EQ(broker.store().damage().lostDeliveries, 0);
  for (int i = 0; i < 40; i++) CHECK(broker.lookUp("state/" + std::to_string(i), 0)->size() > 0);
}

TEST("durable: what a share has is not lost when its only member changes its subscription meanwhile") {
  const std::string filter = "$share/g/t";
  const auto bytesOf = [](const std::string& text) {
    return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  for (const uint8_t changed : {uint8_t(2), uint8_t(0)}) {
    Reading log;
    log.apply(rally::records::Session{.session = 1, .leftAtMs = 1});
    log.apply(rally::records::Subscribe{.session = 1, .qos = 1, .filter = bytesOf(filter)});
    log.message(1, 1, bytesOf("t"));
    log.apply(rally::records::Subscribe{.session = 1, .qos = changed, .filter = bytesOf(filter)});
    const uint64_t share = rally::FilterTable(log.keys).hashOf(bytesOf(filter));
    CHECK_EQ(log.state.shareOf(share), filter);
    CHECK_EQ(log.state.orphans().size(), 1);
    log.apply(rally::records::Queued{.session = 1, .message = 1 << 6, .share = share, .qos = 1});
    CHECK_EQ(log.state.sessions().find(1)->entries.size(), 1);
    CHECK_EQ(log.state.orphans().size(), 0);
    log.apply(rally::records::Unsubscribe{1, bytesOf(filter)});
    CHECK_EQ(log.state.shareOf(share), std::string());
  }
}

TEST("durable: a start takes as long as its log is, however many share a filter and however much waits") {
  const auto bytesOf = [](const std::string& text) {
    return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  const std::string name = "client";
  const std::string filter = "news";
  const std::string other = "other";
  constexpr uint64_t rounds = 3'000;
  const auto timed = [](auto&& work) {
    const std::clock_t start = std::clock();
    work();
    return double(std::clock() - start);
  };
  // Clients change their subscriptions to a filter that so many others have.
  const auto subscribing = [&](uint64_t sessions) {
    Reading log;
    const auto subscribe = [&](uint64_t key, uint8_t qos) {
      log.apply(rally::records::Subscribe{.session = key, .qos = qos, .filter = bytesOf(filter)});
    };
    for (uint64_t key = 1; key <= sessions; key++) {
      log.apply(rally::records::Session{.session = key, .clientId = bytesOf(name), .leftAtMs = 1});
      subscribe(key, 1);
    }
    const auto changeAll = [&](uint64_t time) {
      for (uint64_t round = 0; round < rounds; round++)
        subscribe(1 + round * 7 % sessions, uint8_t(1 + (round + time) % 2));
    };
    changeAll(1);  // those that change are in the cache
    const double time = timed([&] { changeAll(2); });
    log.apply(rally::records::Unsubscribe{1, bytesOf(filter)});
    log.message(1, 1, bytesOf(filter));
    size_t have = 0;
    log.state.sessions().each([&](rally::LoggedSession& session) { have += session.entries.size(); });
    CHECK_EQ(have, sessions - 1);
    return time;
  };
  // A session that so much waits for gets more: some of it is dropped, expires, or goes out with QoS 2.
  const auto queueing = [&](uint64_t waiting) {
    Reading log;
    log.apply(rally::records::Session{.session = 1, .clientId = bytesOf(name), .leftAtMs = 1});
    log.apply(rally::records::Subscribe{.session = 1, .qos = 2, .filter = bytesOf(filter)});
    uint64_t id = 0;
    std::deque<uint64_t> queue;
    const auto wait = [&] {
      log.message(++id, 2, bytesOf(filter));
      queue.push_back(id);
    };
    while (id < waiting) wait();
    const double time = timed([&] {
      for (uint64_t round = 0; round < rounds; round++) {
        log.message(++id, 2, bytesOf(filter));
        log.done(1, id);  // there was no room
        log.message(++id, 1, bytesOf(other));
        log.done(1, id);  // it is not there any more
        const auto packetId = uint16_t(1 + round % 1'000);
        log.apply(rally::records::Sent{1, packetId, queue.front() << 6, 0});
        log.apply(rally::records::Released{1, packetId});
        log.apply(rally::records::Completed{1, packetId});
        queue.pop_front();
        wait();
      }
    });
    const rally::LoggedSession& session = *log.state.sessions().find(1);
    CHECK_EQ(session.window->size() + session.entries.size(), waiting);
    CHECK(!session.window->isSending());
    return time;
  };
  // Messages with QoS 1 and 2 in turns are in flight, so many at a time. Every other QoS 1 message is acknowledged.
  const auto sending = [&](uint64_t inFlight) {
    double time = 0;
    for (uint64_t before = 0; before < 60'000; before += inFlight) {
      Reading log;
      log.apply(rally::records::Session{.session = 1, .clientId = bytesOf(name), .leftAtMs = 1});
      log.apply(rally::records::Subscribe{.session = 1, .qos = 2, .filter = bytesOf(filter)});
      for (uint64_t id = 1; id <= inFlight; id++) log.message(id, uint8_t(1 + id % 2), bytesOf(filter));
      rally::LoggedSession& session = *log.state.sessions().find(1);
      time += timed([&] {
        for (uint64_t id = 1; id <= inFlight; id += 2) log.apply(rally::records::Sent{1, uint16_t(id), id << 6, 0});
        CHECK_EQ(rally::sendingOrderOf(log.state.rows(), session).window.size(), inFlight);
        for (uint64_t id = 2; id <= inFlight; id += 4) log.done(1, id);
        for (uint64_t id = 1; id <= inFlight; id += 4) log.apply(rally::records::Released{1, uint16_t(id)});
        for (uint64_t id = 1; id <= inFlight; id += 8) log.apply(rally::records::Completed{1, uint16_t(id)});
      });
      size_t left = 0;
      session.window->each([&](const rally::LoggedEntry& entry) { left += entry.message != 0; });
      session.window->each([&](const rally::LoggedEntry& entry) { left += entry.packetId != 0; });
      CHECK_EQ(left, inFlight / 8 * 7);
    }
    return time;
  };
  // So many messages with QoS 1 are in flight at a time, and others wait behind them. The newest is acknowledged first.
  const auto acknowledging = [&](uint64_t inFlight) {
    double time = 0;
    for (uint64_t before = 0; before < 30'000; before += inFlight) {
      Reading log;
      log.apply(rally::records::Session{.session = 1, .clientId = bytesOf(name), .leftAtMs = 1});
      log.apply(rally::records::Subscribe{.session = 1, .qos = 1, .filter = bytesOf(filter)});
      for (uint64_t id = 1; id <= 2 * inFlight; id++) log.message(id, 1, bytesOf(filter));
      time += timed([&] {
        for (uint64_t id = inFlight; id > 1; id--) log.done(1, id);
      });
      rally::LoggedSession& session = *log.state.sessions().find(1);
      const rally::SendingOrder order = rally::sendingOrderOf(log.state.rows(), session);
      std::vector<uint64_t> left;
      for (const rally::LoggedEntry* entry : order.waiting) left.push_back(entry->message >> 6);
      CHECK_EQ(left.size(), inFlight + 1);
      CHECK(left[0] == 1 && left[1] == inFlight + 1 && std::is_sorted(left.begin(), left.end()));
      CHECK(order.window.empty());
    }
    return time;
  };
  // The same for few of so many that wait, of which another session waits for every other one.
  const auto mixing = [&](uint64_t waiting) {
    Reading log;
    for (uint64_t key = 1; key <= 2; key++) {
      log.apply(rally::records::Session{.session = key, .clientId = bytesOf(name), .leftAtMs = 1});
      log.apply(rally::records::Subscribe{.session = key, .qos = 1, .filter = bytesOf(filter)});
    }
    log.apply(rally::records::Subscribe{.session = 1, .qos = 1, .filter = bytesOf(other)});
    for (uint64_t id = 1; id <= waiting; id++) log.message(id, 1, bytesOf(id % 2 == 0 ? filter : other));
    const double time = timed([&] {
      for (uint64_t id = 1; id < rounds; id += 2) {
        log.done(1, id + 1);
        log.done(1, id);
      }
    });
    const rally::LoggedSession& session = *log.state.sessions().find(1);
    CHECK_EQ(session.window->size() + session.entries.size(), waiting - rounds);
    return time;
  };
  // A hundred times as much may miss the cache, and costs no hundred times as much.
  constexpr double growthMax = 20;
  const auto growth = [](auto&& costOf, uint64_t few, uint64_t many) {
    double least = 1e9;
    for (int round = 0; round < 3 && least > growthMax; round++) least = std::min(least, costOf(many) / costOf(few));
    return least;
  };
  CHECK(growth(subscribing, 200, 20'000) <= growthMax);
  CHECK(growth(queueing, 50, 5'000) <= growthMax);
  CHECK(growth(sending, 601, 60'001) <= growthMax);
  CHECK(growth(acknowledging, 300, 30'000) <= growthMax);
  CHECK(growth(mixing, 4'000, 400'000) <= growthMax);
}

TEST("durable: a message that a start left in the log is sent once with QoS 2") {
  Reading log(0);
  rally::RecoveredState& state = log.state;
  log.apply(rally::records::Session{.session = 1, .leftAtMs = 1});
  log.apply(rally::records::Subscribe{.session = 1, .qos = 2, .filter = bytesOf("t")});
  log.message(1, 2, bytesOf("t"));
  CHECK(state.sessions().find(1)->asleep != nullptr);
  log.apply(rally::records::Session{.session = 1});
  log.apply(rally::records::Sent{1, 1, 1 << 6, 0});
  rally::LoggedSession& session = *state.sessions().find(1);
  if (CHECK(session.window->sentUnder(1) != nullptr)) CHECK_EQ(session.window->sentUnder(1)->message, 1 << 6);
  log.apply(rally::records::Released{1, 1});
  log.apply(rally::records::Completed{1, 1});
  CHECK(!session.asleep);
  CHECK_EQ(session.window->size() + session.entries.size(), 0);
  CHECK(!state.messageOf(1 << 6));
}

TEST("durable: whatever happens and whenever the process ends, nothing is lost, nothing of QoS 2 comes twice") {
  check::eachSeed(300, [](check::Random& random) {
    KeptDisk disk;
    disk.commitsAtOnce = false;
    HandDrivenBroker broker(disk, unsigned(random.between(1, 4)), smallSlices(random));
    std::vector<Client*> sinks, sources;
    for (const char* name : {"s0", "s1", "s2", "s3"}) sinks.push_back(&broker.add(name, durable()));
    for (const char* name : {"p0", "p1"}) sources.push_back(&broker.add(name, durable()));
    for (Client* client : sinks) {
      client->connect(unsigned(random.below(broker.workers())));
      for (int i = 0; i < 400 && !client->isConnected; i++) {
        disk.commit();
        broker.settle();
      }
      client->subscribe("t/#", int(random.between(1, 2)));
    }
    for (Client* client : sources) client->connect(unsigned(random.below(broker.workers())));
    for (int i = 0; i < 4; i++) {
      broker.settle();
      disk.commit();
    }
    broker.settle();
    int number = 0;
    std::vector<std::string> ways;  // by number: topic and publisher
    for (int round = 0; round < 4; round++) {
      for (int steps = int(random.between(20, 300)); steps > 0; steps--) {
        broker.step(random);
        if (random.chance(10)) disk.commit(random.between(1, 3));
        if (random.chance(8)) {
          const size_t from = random.below(2);
          const std::string topic = "t/" + std::to_string(random.below(3));
          ways.push_back(topic + " of " + sources[from]->name());
          sources[from]->publish(topic, longText(number++), int(random.between(1, 2)));
        }
        if (random.chance(5)) beginCheckpoint(broker, unsigned(random.below(broker.workers())));
        if (random.chance(2)) {
          Client& client = *sinks[random.below(sinks.size())];
          client.connect(unsigned(random.below(broker.workers())));
        }
      }
      broker.crash(unsigned(random.between(1, 4)));
      for (Client* client : sinks) client->connect(unsigned(random.below(broker.workers())));
      for (Client* client : sources) client->connect(unsigned(random.below(broker.workers())));
    }
    disk.commitsAtOnce = true;
    disk.commit();
    broker.settle();
    for (Client* source : sources) CHECK_EQ(source->unacknowledged.size(), 0);
    for (Client* sink : sinks) {
      std::map<std::string, int> times;
      std::map<std::string, int> last;
      for (const SentPublish& each : sink->received) {
        const int got = std::stoi(each.payload);
        if (times[each.payload]++ == 0) {  // in the order in which they were published
          const auto [before, isFirst] = last.try_emplace(ways[size_t(got)], got);
          if (!isFirst && !CHECK(before->second < got))
            std::fprintf(stderr, "%s got %d behind %d\n", sink->name().c_str(), got, before->second);
          before->second = got;
        }
        if (each.qos == 2) CHECK_EQ(times[each.payload], 1);
      }
      for (int i = 0; i < number; i++) {
        if (!CHECK(times[longText(i)] > 0))
          std::fprintf(stderr, "%s lacks %d of %d\n", sink->name().c_str(), i, number);
      }
    }
  });
}

TEST("durable: while a checkpoint is written everything goes on, and what it has is what there was") {
  check::eachSeed(100, [](check::Random& random) {
    KeptDisk disk;
    const unsigned workers = unsigned(random.between(1, 3));
    HandDrivenBroker broker(disk, workers, smallSlices(random));
    std::vector<Client*> sinks;
    for (unsigned i = 0; i < 8; i++) {
      Client& sink = broker.connected("s" + std::to_string(i), i % workers, durable());
      sink.subscribe(i % 2 == 0 ? "a/#" : "$share/g/b/#", 1 + int(i / 2 % 2));
      broker.settle();
      sink.drop();
      sinks.push_back(&sink);
    }
    Client& source = broker.connected("source", 0, durable());
    broker.settle();
    int number = 0;
    const auto publish = [&] {
      const std::string text = longText(number++);
      source.publish("a/" + std::to_string(number % 3), text, 1 + number % 2, number % 5 == 0);
      source.publish("b/" + std::to_string(number % 3), text, 1 + number % 2);
    };
    for (int i = 0; i < 10; i++) publish();
    broker.settle();
    CHECK(beginCheckpoint(broker, unsigned(random.below(workers))));
    std::vector<Client*> late;
    for (int steps = 0; steps < 400; steps++) {
      broker.step(random);
      if (random.chance(5)) publish();
      if (random.chance(3)) sinks[random.below(sinks.size())]->connect(unsigned(random.below(workers)));
      if (random.chance(3)) sinks[random.below(sinks.size())]->drop();
      if (random.chance(2) && late.size() < 2) {
        late.push_back(&broker.add("late" + std::to_string(late.size()), durable()));
        late.back()->connect(unsigned(random.below(workers)));
        late.back()->subscribe("$share/g/b/#", 1);
      }
    }
    broker.settle();
    CHECK(!broker.store().checkpointer().isUnderWay());
    CHECK(disk.records.front().kind == rally::records::CheckpointBegin::kind);
    broker.crash(unsigned(random.between(1, 4)));
    const size_t all = sinks.size();
    for (size_t i = 0; i < all; i++) sinks[i]->connect(unsigned(random.below(broker.workers())));
    broker.settle();
    std::map<std::string, int> shared;
    for (size_t i = 0; i < all; i++) {
      std::map<std::string, int> own;
      for (const SentPublish& each : sinks[i]->received) (each.topic[0] == 'a' ? own : shared)[each.payload]++;
      for (int each = 0; each < number && i % 2 == 0; each++) {
        if (!CHECK(own[longText(each)] > 0)) std::fprintf(stderr, "s%zu lacks %d of %d\n", i, each, number);
      }
    }
    for (Client* member : late) {
      member->connect(0);
      broker.settle();
      for (const SentPublish& each : member->received) shared[each.payload]++;
    }
    for (int each = 0; each < number; each++) {
      if (!CHECK(shared[longText(each)] > 0)) std::fprintf(stderr, "nobody has %d of %d\n", each, number);
    }
  });
}

TEST("durable: a message that comes while a checkpoint is written, before its sessions are in it, outlives a crash") {
  KeptDisk disk;
  rally::Limits limits = nothingInMemory();
  limits.checkpointBytesPerTurn = 1;
  HandDrivenBroker broker(disk, 1, limits);
  std::vector<Client*> sinks;
  for (const char* name : {"s1", "s2", "s3"}) {
    sinks.push_back(&broker.connected(name, 0, durable()));
    sinks.back()->subscribe("a", 1);
    broker.settle();
    sinks.back()->drop();
  }
  Client& source = broker.connected("source", 0, durable());
  broker.settle();
  CHECK(beginCheckpoint(broker));
  source.publish("a", longText(1), 1);
  broker.settle();
  CHECK(!broker.store().checkpointer().isUnderWay());
  broker.crash(1);
  for (Client* sink : sinks) {
    sink->connect(0);
    broker.settle();
    CHECK_EQ(sink->received.size(), 1);
  }
}

TEST("durable: what waits for sessions that are away is in the log alone, and comes in order before what is live") {
  for (const unsigned workers : {1u, 2u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers, nothingInMemory());
    std::vector<Client*> sinks;
    for (unsigned i = 0; i < 4; i++) {
      Client& sink = broker.connected("s" + std::to_string(i), i % workers, durable());
      sink.subscribe("a/#", 1 + int(i % 2));
      broker.settle();
      sink.drop();
      sinks.push_back(&sink);
    }
    Client& source = broker.connected("source", 0, fleeting());
    const int all = 600;
    for (int i = 0; i < all; i++) {
      source.publish("a/b", longText(i), 1);
      if (i % 50 == 0) broker.settle();
    }
    broker.settle();
    size_t held = 0;
    for (unsigned worker = 0; worker < workers; worker++) {
      CHECK_EQ(broker.engine(worker).accounts().sessions.held().parkableBytes(), 0);
      held += broker.engine(worker).accounts().sessions.bytes();
    }
    CHECK(held < all * 160 * workers);
    CHECK(broker.total(Counter::parked) >= all * workers);
    CHECK_EQ(disk.reads, 0);
    const auto check = [&](Client& sink, int expected) {
      CHECK_EQ(sink.received.size(), expected);
      for (size_t i = 0; i < sink.received.size(); i++) CHECK_EQ(sink.received[i].payload, longText(int(i)));
    };
    // Two that come back at once read the log once.
    sinks[0]->connect(0);
    sinks[workers]->connect(0);
    for (int i = 0; i < 8; i++) {
      broker.turn(0);
      source.publish("a/b", longText(all + i), 1);
    }
    broker.settle();
    check(*sinks[0], all + 8);
    check(*sinks[workers], all + 8);
    if (workers == 1) CHECK(disk.reads < all + 100);
    broker.crash(2);
    sinks[3]->connect(1);
    broker.settle();
    check(*sinks[3], all + 8);
    CHECK_EQ(broker.total(Counter::droppedUnreadable), 0);
  }
}

TEST("durable: a checkpoint copies what is in the log alone, and tells where it is then") {
  for (const unsigned workers : {1u, 3u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers, nothingInMemory());
    Client& sink = broker.connected("sink", 0, durable());
    sink.subscribe({{.filter = "a/#", .qos = 1}, {.filter = "$share/g/s/#", .qos = 1}});
    Client& other = broker.connected("other", workers - 1, durable());
    other.subscribe("a/#", 2);
    broker.settle();
    sink.drop();
    other.drop();
    Client& source = broker.connected("source", 0, fleeting());
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < 20; i++) source.publish("a/b", longText(round * 20 + i), 1);
      source.publish("s/1", longText(round), 1);
      broker.settle();
      CHECK(beginCheckpoint(broker, unsigned(round) % workers));
      source.publish("a/c", longText(1'000 + round), 1);
      broker.settle();
      broker.advanceTime(1);
      broker.settle();
      CHECK(!broker.store().checkpointer().isUnderWay());
      CHECK(disk.records.front().kind == rally::records::CheckpointBegin::kind);
      if (round == 1) broker.crash(workers);
      if (round == 1) source.connect(0);
    }
    sink.connect(workers - 1);
    broker.settle();
    CHECK_EQ(sink.received.size(), 66);
    broker.crash(1);
    other.connect(0);
    broker.settle();
    CHECK_EQ(other.received.size(), 63);
    int last = -1;
    for (const SentPublish& each : other.received) {
      if (each.topic != "a/b") continue;
      CHECK_EQ(each.payload, longText(last + 1));
      last++;
    }
    CHECK_EQ(last, 59);
    CHECK_EQ(broker.total(Counter::droppedUnreadable), 0);
  }
}

TEST("durable: what waits for one session alone takes few bytes while that is away, and comes in order") {
  constexpr int sinkCount = 4;
  constexpr int each = 320;
  for (const unsigned workers : {1u, 2u}) {
    KeptDisk disk;
    HandDrivenBroker broker(disk, workers, nothingInMemory());
    std::vector<Client*> sinks;
    for (int i = 0; i < sinkCount; i++) {
      sinks.push_back(&broker.connected("s" + std::to_string(i), unsigned(i) % workers, durable()));
      sinks.back()->subscribe({{.filter = "a/" + std::to_string(i) + "/#", .qos = 1, .id = uint32_t(i)}});
      broker.settle();
      sinks.back()->drop();
    }
    Client& source = broker.connected("source", 0, fleeting());
    const auto publish = [&](int from, int to) {
      for (int number = from; number < to; number++) {
        for (int i = 0; i < sinkCount; i++)
          source.publish("a/" + std::to_string(i) + "/" + std::to_string(number % 3), longText(number), 1);
        broker.settle();
      }
    };
    const auto check = [&](int messages) {
      size_t bytes = 0;
      for (unsigned worker = 0; worker < workers; worker++) bytes += broker.engine(worker).accounts().sessions.bytes();
      if (!CHECK(bytes < size_t(40 * sinkCount * messages)))
        std::printf("   %zu bytes for each\n", bytes / size_t(sinkCount * messages));
      CHECK_EQ(broker.total(Counter::queued), sinkCount * messages);
    };
    const auto checkpoint = [&] {
      CHECK(beginCheckpoint(broker));
      broker.settle();
      CHECK(!broker.store().checkpointer().isUnderWay());
    };
    publish(0, each);
    check(each);
    checkpoint();
    check(each);
    broker.crash(workers);
    check(each);
    source.connect(0);
    publish(each, 2 * each);
    check(2 * each);
    broker.crash(workers);  // some before the checkpoint's end, some behind it
    check(2 * each);
    checkpoint();
    check(2 * each);
    for (int i = 0; i < sinkCount; i++) {
      sinks[size_t(i)]->connect(unsigned(i + 1) % workers);
      broker.settle();
      const Client& sink = *sinks[size_t(i)];
      CHECK_EQ(sink.received.size(), 2 * each);
      std::map<std::string, int> last;
      for (const SentPublish& got : sink.received) {
        const int number = std::stoi(got.payload);
        CHECK(got.payload == longText(number) && got.topic.ends_with(std::to_string(number % 3)));
        if (const auto before = last.find(got.topic); before != last.end()) CHECK(before->second == number - 3);
        last[got.topic] = number;
      }
    }
    CHECK_EQ(broker.total(Counter::queued), 0);
    broker.advanceTime(1'000);
    broker.settle();
    broker.crash(1);
    for (Client* sink : sinks) sink->connect(0);
    broker.settle();
    for (const Client* sink : sinks) CHECK_EQ(sink->received.size(), 2 * each);
    CHECK_EQ(broker.total(Counter::droppedUnreadable), 0);
  }
}

TEST("durable: a checkpoint copies what can be read, whatever cannot") {
  constexpr int sinkCount = 12;
  constexpr int each = 40;
  KeptDisk disk;
  rally::Limits limits = nothingInMemory();
  limits.checkpointBytesPerTurn = 1;
  HandDrivenBroker broker(disk, 1, limits);
  std::vector<Client*> sinks;
  for (int i = 0; i < sinkCount; i++)
    sinks.push_back(&awaySubscriber(broker, ("s" + std::to_string(i)).c_str(), ("a/" + std::to_string(i)).c_str()));
  Client& source = broker.connected("source", 0, fleeting());
  for (int number = 0; number < each; number++) {
    for (int i = 0; i < sinkCount; i++) source.publish("a/" + std::to_string(i), longText(0), 1);
    broker.settle();
  }
  source.drop();
  broker.crash(1);
  // The first one of each session.
  int damaged = 0;
  for (KeptDisk::Record& record : disk.records) {
    if (record.kind != rally::records::Message::kind || damaged == sinkCount) continue;
    record.body.clear();
    damaged++;
  }
  CHECK(beginCheckpoint(broker));
  broker.settle();
  CHECK(!broker.store().checkpointer().isUnderWay());
  CHECK(broker.engine(0).accounts().sessions.bytes() < size_t(40 * sinkCount * each));  // they are asleep
  for (Client* sink : sinks) {
    sink->connect(0);
    broker.settle();
    CHECK_EQ(sink->received.size(), each - 1);
  }
  CHECK_EQ(broker.total(Counter::droppedUnreadable), sinkCount);
}

TEST("durable: what waits with QoS 0 for a slow client is in the log behind a checkpoint too") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1, nothingInMemory());
  Client& away = broker.connected("away", 0, durable());
  away.subscribe("a", 1);
  Client& slow = broker.connected("slow", 0, {.isPersistent = true, .receiveMaximum = 1});
  slow.subscribe({{.filter = "a", .qos = 0}, {.filter = "first", .qos = 1}});
  broker.settle();
  away.drop();
  slow.answersAtOnce = false;  // what comes waits behind the second
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 2; i++) source.publish("first", longText(i), 1);
  const int all = 60;
  for (int i = 0; i < all; i++) {
    source.publish("a", longText(i), 1);
    broker.settle();
  }
  CHECK(broker.total(Counter::parked) > all);  // both have some in the log alone
  CHECK(beginCheckpoint(broker));
  broker.settle();
  CHECK(!broker.store().checkpointer().isUnderWay());
  slow.answersAtOnce = true;
  slow.answer();
  broker.settle();
  CHECK_EQ(slow.received.size(), all + 2);
  CHECK_EQ(broker.total(Counter::droppedUnreadable), 0);
}

TEST("durable: what cannot be read back is counted, and what is behind it comes") {
  KeptDisk disk;
  HandDrivenBroker broker(disk, 1, nothingInMemory());
  Client& sink = broker.connected("sink", 0, durable());
  sink.subscribe("a", 1);
  broker.settle();
  sink.drop();
  Client& source = broker.connected("source", 0, fleeting());
  for (int i = 0; i < 3; i++) source.publish("a", longText(i), 1);
  broker.settle();
  disk.failsToRead = true;
  sink.connect(0);
  broker.settle();
  CHECK_EQ(sink.received.size(), 0);
  CHECK_EQ(broker.total(Counter::droppedUnreadable), 3);
  broker.advanceTime(1'000);
  broker.settle();
  disk.failsToRead = false;
  source.publish("a", longText(3), 1);
  broker.settle();
  CHECK_EQ(sink.received.size(), 1);
  CHECK_EQ(broker.total(Counter::queued), 0);
}

// --- nodes of a cluster, each with its log ----------------------------------------------------------

namespace {

using Nodes = std::vector<unsigned>;

// Settles although what is logged becomes safe only when it is committed.
void settleAndCommit(HandDrivenBroker& broker, std::deque<KeptDisk>& disks) {
  for (int round = 0; round < 30; round++) {
    broker.settle();
    const bool isQuiet = std::all_of(disks.begin(), disks.end(), [](const auto& disk) { return disk.pending.empty(); });
    if (isQuiet) return;
    for (KeptDisk& disk : disks) disk.commit();
  }
  FAIL("the logs do not come to rest");
}

Nodes someNodes(check::Random& random, size_t count) {
  Nodes nodes;
  for (size_t i = 0; i < count; i++) nodes.push_back(unsigned(random.between(1, 2)));
  return nodes;
}

}  // namespace

TEST("durable cluster: PUBACK waits for the logs of the nodes that have the subscribers, and for no other") {
  std::deque<KeptDisk> disks(3);
  HandDrivenBroker broker(disks, Nodes{1, 1, 1});
  Client& near = broker.connected("near", 1, durable());
  near.subscribe("a/#", 1);
  Client& far = broker.connected("far", 2, durable());
  far.subscribe("b/#", 2);
  Client& publisher = broker.connected("p", 0, fleeting());
  broker.settle();
  for (KeptDisk& disk : disks) disk.commitsAtOnce = false;
  publisher.publish(broker.ownedBy(0, "a/x"), "1", 1);
  publisher.publish(broker.ownedBy(2, "b/x"), "2", 2);
  publisher.publish("c", "3", 1);  // nobody's
  broker.settle();
  CHECK_EQ(near.received.size(), 1);  // as with one node: what is acknowledged is stored, what is seen need not be
  CHECK_EQ(publisher.unacknowledged.size(), 3);  // answers come in order
  disks[0].commit();
  disks[2].commit();
  broker.settle();
  CHECK_EQ(publisher.unacknowledged.size(), 3);
  disks[1].commit();
  broker.settle();
  CHECK_EQ(publisher.unacknowledged.size(), 0);
  settleAndCommit(broker, disks);
  broker.crash(Nodes{2, 1, 1});
  near.connect(0);
  far.connect(3);
  settleAndCommit(broker, disks);
  publisher.connect(1);
  publisher.publish("a/x", "4", 1);
  settleAndCommit(broker, disks);
  CHECK_EQ(near.texts().back(), std::string("a/x=4"));
}

TEST("durable cluster: QoS 1 and 2 wait for the filters of a worker that comes in the place of a lost one") {
  for (const bool isLost : {false, true}) {
    std::deque<KeptDisk> disks(3);
    HandDrivenBroker broker(disks, Nodes{1, 1, 1});
    Client& reader = broker.connected("reader", 1, durable());
    reader.subscribe("#", 2);
    Client& publisher = broker.connected("p", 1, fleeting());
    broker.settle();
    broker.engine(0).awaitFilters(2);
    const std::string topic = broker.ownedBy(0, "a/x");
    const std::string other = broker.ownedBy(1, "b/x");
    for (int qos = 0; qos <= 2; qos++) publisher.publish(topic, std::to_string(qos), qos);
    publisher.publish(other, "3", 1);
    broker.settle();
    CHECK_EQ(reader.received.size(), 2u);
    CHECK_EQ(publisher.unacknowledged.size(), 3u);  // answers come in order
    CHECK(!broker.engine(0).isAtRest());
    if (isLost) broker.lose(2);
    else broker.engine(0).shard().filtersTold(2);
    publisher.publish(topic, "4", 0);  // wakes the worker
    broker.settle();
    if (!CHECK_EQ(reader.received.size(), 5u)) return;
    CHECK(reader.texts()[2] == topic + "=1" && reader.texts()[3] == topic + "=2");
    CHECK(publisher.unacknowledged.empty());
    CHECK(broker.engine(0).isAtRest());
  }
}

TEST(
    "durable cluster: what a lost node had not confirmed is refused where the logs are replicated, and taken for "
    "stored elsewhere") {
  using namespace rally;
  struct Answers final : Confirmations::Outlet {
    std::vector<Reason> reasons;
    void acknowledgeStored(unsigned, const Source&, Reason reason) override { reasons.push_back(reason); }
    void answerStored(unsigned, const ShardRecord&) override {}
  };
  for (const bool isKept : {false, true}) {
    Answers answers;
    Confirmations confirmations(answers);
    for (int i = 0; i < 3; i++) {
      const uint32_t token = confirmations.begin();
      for (unsigned worker = 0; worker < 3; worker++) confirmations.expect(token, worker);
      confirmations.finish(token, 0, {}, Reason::success);
      confirmations.take(token, 0, false);
      if (i > 0) confirmations.take(token, 1, false);
      if (i > 1) confirmations.take(token, 2, false);
    }
    CHECK(answers.reasons == std::vector<Reason>{Reason::success});
    confirmations.onGone(2, isKept);
    const Reason reason = isKept ? Reason::quotaExceeded : Reason::success;
    CHECK(answers.reasons == (std::vector<Reason>{Reason::success, reason}));
    confirmations.take(1, 1, false);
    CHECK(answers.reasons == (std::vector<Reason>{Reason::success, reason, reason}));
    CHECK(confirmations.isOpen());
  }
}

TEST("durable cluster: what is retained, and what was cleared, is so again on whatever nodes its topics come to") {
  std::deque<KeptDisk> disks(2);
  HandDrivenBroker broker(disks, Nodes{1, 1});
  Client& publisher = broker.connected("p", 0, fleeting());
  for (int i = 0; i < 20; i++) publisher.publish("r/" + std::to_string(i), "old", 1, true);
  broker.settle();
  for (int i = 0; i < 20; i += 2) publisher.publish("r/" + std::to_string(i), i % 4 == 0 ? "" : "new", 1, true);
  broker.settle();
  for (const Nodes& nodes : {Nodes{2, 1}, Nodes{1, 2}, Nodes{1, 1}}) {
    broker.crash(nodes);
    CHECK(broker.settle());
    Client& reader = broker.connected("reader" + std::to_string(nodes[0]) + std::to_string(nodes[1]), 1, fleeting());
    reader.subscribe("r/#", 1);
    broker.settle();
    std::map<std::string, std::string> found;
    for (const SentPublish& each : reader.received) found[each.topic] = each.payload;
    for (int i = 0; i < 20; i++) {
      const auto at = found.find("r/" + std::to_string(i));
      CHECK_EQ(at == found.end() ? std::string("none") : at->second, std::string(i % 4 == 0   ? "none"
                                                                                 : i % 2 == 0 ? "new"
                                                                                              : "old"));
    }
    for (unsigned worker = 0; worker < broker.workers(); worker++) CHECK(broker.engine(worker).isAtRest());
    CHECK_EQ(broker.total(Counter::retained), 15);
  }
}

TEST("durable cluster: a session goes to another node, whose log has it before the other one forgets it") {
  std::deque<KeptDisk> disks(2);
  HandDrivenBroker broker(disks, Nodes{1, 1});
  Client& sink = broker.connected("sink", 0, durable());
  sink.subscribe("a/#", 2);
  broker.settle();
  sink.drop();
  Client& source = broker.connected("source", 1, durable());
  for (int i = 0; i < 6; i++) source.publish("a/" + std::to_string(i % 2), longText(i), 1 + i % 2);
  broker.settle();
  sink.answersAtOnce = false;
  for (const bool isCommitted : {false, true}) {
    disks[1].commitsAtOnce = isCommitted;
    sink.connect(1);
    broker.settle();
    CHECK_EQ(sink.isConnected, isCommitted);  // CONNACK waits too
    broker.crash(Nodes{1, 1});
    disks[1].commitsAtOnce = true;
    broker.settle();
    CHECK(broker.engine(isCommitted ? 1 : 0).findSession(broker.sessionOf(sink)->key) != nullptr);
    size_t waiting = broker.sessionOf(sink)->queue.size();
    broker.sessionOf(sink)->window.each(
        [&](const rally::Window::Entry& entry) { waiting += bool(entry.delivery.message); });
    CHECK_EQ(waiting, 6);
  }
  sink.answersAtOnce = true;
  sink.connect(0);
  broker.settle();
  CHECK_EQ(sink.received.size() >= 6, true);
  CHECK(!broker.engine(1).findSession(broker.sessionOf(sink)->key));
}

TEST("durable cluster: what comes for a session on its way is acknowledged when the log there has the session") {
  std::deque<KeptDisk> disks(2);
  HandDrivenBroker broker(disks, Nodes{1, 1});
  Client& sink = broker.connected("sink", 0, durable());
  Client& publisher = broker.connected("p", 1, durable());
  const std::string topic = broker.ownedBy(1, "a/");
  sink.subscribe("a/#", 2);
  broker.settle();
  for (const bool isLost : {true, false}) {
    const uint64_t key = broker.sessionOf(sink)->key;
    const auto isSwitching = [&] {
      const rally::Session* session = broker.engine(1).findSession(key);
      return session && session->move && session->move->state == rally::SessionMove::State::switching;
    };
    sink.connect(1);
    for (int i = 0; i < 100 && !isSwitching(); i++) broker.turn(unsigned(i % 2));
    CHECK(isSwitching());
    broker.hold(0, 1, true);
    const size_t before = sink.received.size();
    publisher.publish(topic, isLost ? "1" : "3", 1);
    publisher.publish(topic, isLost ? "2" : "4", 2);
    broker.settle();
    CHECK_EQ(publisher.unacknowledged.size(), 2);
    CHECK_EQ(sink.received.size(), before);
    if (isLost) {
      broker.crash(Nodes{1, 1});
      sink.connect(0);
      publisher.connect(1);
    } else {
      broker.hold(0, 1, false);
    }
    broker.settle();
    CHECK(publisher.unacknowledged.empty());
    CHECK(sink.isConnected);
    CHECK_EQ(sink.received.size(), before + 2);
  }
}

TEST("durable cluster: whatever happens and whenever all nodes end, nothing acknowledged is lost") {
  check::eachSeed(150, [](check::Random& random) {
    const size_t count = random.between(2, 3);
    std::deque<KeptDisk> disks(count);
    HandDrivenBroker broker(disks, someNodes(random, count), smallSlices(random));
    std::vector<Client*> sinks, sources;
    const auto somewhere = [&] { return unsigned(random.below(broker.workers())); };
    for (const char* name : {"s0", "s1", "s2"}) {
      sinks.push_back(&broker.connected(name, somewhere(), durable()));
      sinks.back()->subscribe("t/#", int(random.between(1, 2)));
      broker.settle();
    }
    for (const char* name : {"p0", "p1"}) sources.push_back(&broker.connected(name, somewhere(), durable()));
    broker.settle();
    for (KeptDisk& disk : disks) disk.commitsAtOnce = false;
    for (unsigned node = 0; node < count; node++) {
      if (random.chance(15)) broker.olderNodes.insert(node);
    }
    int number = 0;
    std::vector<std::string> ways;  // by number: topic and publisher
    std::set<std::string> mayRepeat;
    for (int round = 0; round < 4; round++) {
      for (int steps = int(random.between(20, 400)); steps > 0; steps--) {
        broker.step(random);
        if (random.chance(10)) disks[random.below(count)].commit(random.between(1, 3));
        if (random.chance(8)) {
          const size_t from = random.below(2);
          const std::string topic = "t/" + std::to_string(random.below(3));
          ways.push_back(topic + " of " + sources[from]->name());
          sources[from]->publish(topic, longText(number++), int(random.between(1, 2)));
        }
      }
      // Whether a publisher's node has stored that it had the message is not known where the subscribers are.
      for (const Client* source : sources) {
        for (const auto& [publish, isReceived] : source->unacknowledged) mayRepeat.insert(publish.payload);
      }
      broker.crash(someNodes(random, count));
      for (Client* client : sinks) client->connect(somewhere());
      for (Client* client : sources) client->connect(somewhere());
      // Nodes of the version before acknowledge what comes for a session on its way before it is stored with that.
      if (!broker.olderNodes.empty()) settleAndCommit(broker, disks);
    }
    for (KeptDisk& disk : disks) {
      disk.commit();
      disk.commitsAtOnce = true;
    }
    broker.settle();
    for (Client* source : sources) CHECK_EQ(source->unacknowledged.size(), 0);
    for (Client* sink : sinks) {
      std::map<std::string, int> times;
      std::map<std::string, int> last;
      for (const SentPublish& each : sink->received) {
        const int got = std::stoi(each.payload);
        if (times[each.payload]++ == 0) {
          const auto [before, isFirst] = last.try_emplace(ways[size_t(got)], got);
          if (!isFirst && !CHECK(before->second < got))
            std::fprintf(stderr, "%s got %d behind %d\n", sink->name().c_str(), got, before->second);
          before->second = got;
        }
        if (each.qos == 2 && !mayRepeat.contains(each.payload)) CHECK_EQ(times[each.payload], 1);
      }
      for (int i = 0; i < number; i++) {
        if (!CHECK(times[longText(i)] > 0))
          std::fprintf(stderr, "%s lacks %d of %d\n", sink->name().c_str(), i, number);
      }
    }
  });
}
