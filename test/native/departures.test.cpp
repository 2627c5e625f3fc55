// native/front-end/departures.h and front-end.h: what is taken before a connection is over, its will, and what follows.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;
constexpr FakeTransport::Kind kinds[] = {FakeTransport::Kind::tcp, FakeTransport::Kind::webSocket};

Client::Options withWill(const std::string& topic, const std::string& payload, uint32_t delaySeconds = 0) {
  Client::Options options;
  options.will = {.topic = topic, .payload = payload, .qos = 1};
  options.willDelaySeconds = delaySeconds;
  return options;
}

Octets plain(const std::string& topic, const std::string& payload) {
  return encode({.topic = topic, .payload = payload}, 5);
}

Client& watching(HandDrivenBroker& broker, const char* filter = "#") {
  Client& watcher = broker.connected("watcher", 0);
  watcher.subscribe(filter, 1);
  broker.settle();
  return watcher;
}

}  // namespace

TEST("departures: CONNECT, PUBLISH, DISCONNECT and the end of the stream in one go all count") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 4u}) {
      HandDrivenBroker broker(workers, {}, kind);
      Client& watcher = watching(broker);
      Client& sensor = broker.add("sensor", withWill("will", "lost"));
      sensor.connect(workers - 1);
      for (int i = 0; i < 3; i++) sensor.send(plain("data", std::to_string(i)));
      sensor.disconnect();
      sensor.finish();
      broker.settle();
      CHECK(watcher.texts() == (Texts{"data=0", "data=1", "data=2"}));
      CHECK_EQ(broker.total(Counter::connections), 1);
    }
  }
}

TEST("departures: also when the socket is no more before the CONNECT is decided on") {
  HandDrivenBroker broker(1);
  Client& watcher = watching(broker);
  Client& sensor = broker.add("sensor", withWill("will", "lost"));
  sensor.connect(0);
  sensor.send(plain("data", "1"));
  const Octets all = sensor.takeSent();
  broker.turn(0);
  broker.receive(sensor, all);
  sensor.drop();
  broker.settle();
  CHECK(watcher.texts() == (Texts{"data=1", "will=lost"}));
}

TEST("departures: a CONNECT with nothing behind it whose stream has ended is abandoned") {
  for (const bool isCut : {false, true}) {
    HandDrivenBroker broker(1);
    Client& watcher = watching(broker);
    Client& visitor = broker.add("visitor", withWill("will", "lost"));
    visitor.connect(0);
    const Octets connect = visitor.takeSent();
    broker.settle();
    Connection& connection = *visitor.link->connection;
    broker.engine(0).frontEnd().receive(connection, connect);
    broker.engine(0).frontEnd().events() = {};  // packet control does not decide
    if (isCut) broker.transport(0).sever(connection);
    else broker.engine(0).frontEnd().streamEnded(connection);
    broker.turn(0);
    broker.turn(0);
    broker.settle();
    CHECK_EQ(broker.total(Counter::connections), 1);
    CHECK(watcher.texts().empty());
  }
}

TEST("departures: what waits behind a SUBSCRIBE counts, whichever packets it is") {
  for (const unsigned workers : {1u, 3u}) {
    HandDrivenBroker broker(workers);
    Client& watcher = watching(broker);
    Client& leaver = broker.connected("leaver", 0, withWill("will", "lost"));
    leaver.subscribe("a", 1);
    leaver.unsubscribe("a");
    leaver.subscribe("b", 1);
    leaver.send(plain("last", "1"));
    leaver.disconnect();
    leaver.finish();
    broker.settle();
    CHECK(watcher.texts() == Texts{"last=1"});
    CHECK_EQ(broker.sessionOf(leaver)->subscriptions.size(), 1);
  }
}

TEST("departures: a client that ends its stream and still reads gets its answers") {
  HandDrivenBroker broker(1);
  Client& client = broker.add("c", {.version = 4});
  client.connect(0);
  client.subscribe("t", 1);
  client.publish("t", "1", 0);
  client.finish();
  broker.settle();
  CHECK_EQ(client.subacks.size(), 1);
  CHECK(client.texts() == Texts{"t=1"});
  CHECK_EQ(broker.total(Counter::connections), 0);
}

TEST("departures: what nobody can take within lastFramesMs is dropped, and the will goes out") {
  Limits limits;
  limits.laneRecords = 8;
  HandDrivenBroker broker(2, limits);
  Client& watcher = watching(broker, "will");
  Client& flooder = broker.connected("flooder", 0, withWill(broker.ownedBy(0, "will"), "lost"));
  Octets all;
  const std::string topic = broker.ownedBy(1, "t");
  for (int i = 0; i < 100; i++) appendOctets(all, plain(topic, "x"));
  broker.receive(flooder, all);
  CHECK(flooder.link->connection->pausedBy.has(PausedBy::stalled));
  broker.engine(0).frontEnd().streamEnded(*flooder.link->connection);
  for (int i = 0; i < 5; i++) broker.turn(0);
  CHECK_EQ(flooder.link->connection->phase, Phase::connected);
  broker.advanceTime(limits.lastFramesMs);
  CHECK(flooder.link->connection->phase >= Phase::ending);
  broker.settle();
  CHECK_EQ(watcher.received.size(), broker.ownedBy(0, "will") == "will" ? 1 : 0);
  CHECK_EQ(broker.total(Counter::connections), 1);
}

TEST("departures: a connection that is taken over is read once more: its DISCONNECT is heard") {
  for (const FakeTransport::Kind kind : kinds) {
    for (const unsigned workers : {1u, 2u}) {
      HandDrivenBroker broker(workers, {}, kind);
      Client& watcher = watching(broker);
      Client& former = broker.connected("same", 0, withWill("will", "lost"));
      former.send(plain("last", "words"));
      const Octets words = former.takeSent();
      Client& later = broker.add("same", withWill("will", "lost"));
      later.connect(workers - 1);
      broker.engine(0).frontEnd().finish(*former.link->connection, Reason::sessionTakenOver);  // nothing is there yet
      CHECK(former.link->connection->pausedBy.has(PausedBy::finished));
      broker.settle();
      CHECK(watcher.texts() == Texts{"will=lost"});
      CHECK(former.disconnectReason == uint8_t(Reason::sessionTakenOver));

      Client& last = broker.add("same");
      later.send(words);
      later.disconnect();
      last.connect(0);
      broker.turn(0);  // the CONNECT is read before the DISCONNECT where the workers differ
      broker.settle();
      CHECK(watcher.texts() == (Texts{"will=lost", "last=words"}));
      CHECK(last.isConnected);
      CHECK_EQ(broker.total(Counter::connections), 2);
    }
  }
}

TEST("departures: a will has its client as origin, for No Local") {
  HandDrivenBroker broker(2);
  Client& watcher = watching(broker);
  Client& client = broker.connected("c", 1, withWill("will", "lost"));
  client.subscribe({{.filter = "will", .qos = 1, .noLocal = true}, {.filter = "other", .qos = 1}});
  broker.settle();
  client.drop();
  broker.settle();
  client.connect(0);
  broker.settle();
  CHECK(client.texts().empty());
  CHECK(watcher.texts() == Texts{"will=lost"});
}

TEST("departures: a delayed will stays in the session, wherever that goes, until it is due or its client is back") {
  enum class Then { due, ended, moved, resumed };
  for (const Then then : {Then::due, Then::ended, Then::moved, Then::resumed}) {
    HandDrivenBroker broker(2);
    Client& watcher = watching(broker);
    Client& client = broker.connected("c", 0, withWill("will", "lost", 10));
    client.drop();
    broker.settle();
    CHECK(watcher.texts().empty());
    Session& session = *broker.sessionOf(client);
    CHECK(session.will != nullptr);
    const SessionRow row = broker.engine(0).sessionRow(session.key);
    CHECK_EQ(row[13], 1);
    if (then == Then::due) broker.post(0, [&] { broker.engine(0).publishWill(session); });
    if (then == Then::ended) broker.post(0, [&] { broker.engine(0).endSession(session); });
    client.options.will.reset();
    if (then == Then::moved) client.connect(1);
    if (then == Then::resumed) client.connect(0);
    broker.settle();
    const bool isPublished = then == Then::due || then == Then::ended;
    CHECK(watcher.texts() == (isPublished ? Texts{"will=lost"} : Texts()));
    if (then != Then::ended) CHECK(broker.sessionOf(client)->will == nullptr);
    else CHECK(broker.sessionOf(client) == nullptr);
  }
}

TEST("departures: the expiry of a will counts from its publication") {
  HandDrivenBroker broker(1);
  Client& watcher = watching(broker);
  Client::Options options = withWill("will", "lost", 100);
  options.will->expirySeconds = 60;
  Client& client = broker.connected("c", 0, options);
  client.drop();
  broker.settle();
  broker.advanceTime(100'000);
  broker.post(0, [&] { broker.engine(0).publishWill(*broker.sessionOf(client)); });
  broker.settle();
  CHECK(watcher.arrivals.size() == 1 && watcher.arrivals[0].expirySeconds == 60);
}

TEST("departures: the wills of many that vanish at once all go out, however small the lanes") {
  constexpr int count = 3'000;
  Limits limits;
  limits.laneRecords = 16;
  HandDrivenBroker broker(2, limits);
  Client& watcher = watching(broker);
  std::vector<Client*> clients;
  for (int i = 0; i < count; i++) {
    Client::Options options = withWill("will/" + std::to_string(i), "lost");
    options.isPersistent = false;
    clients.push_back(&broker.add("c" + std::to_string(i), options));
    clients.back()->connect(unsigned(i % 2));
  }
  broker.settle();
  CHECK_EQ(broker.total(Counter::connections), count + 1);
  for (Client* client : clients) client->drop();
  broker.settle();
  CHECK_EQ(watcher.received.size(), count);
  CHECK_EQ(broker.total(Counter::sessions), 1);
  CHECK_EQ(broker.total(Counter::connections), 1);
}

TEST("departures: a will that a full store does not retain is delivered, and noticed once") {
  Limits limits;
  limits.retainedMessagesMax = 0;
  HandDrivenBroker broker(1, limits);
  Client& watcher = watching(broker);
  for (int round = 0; round < 2; round++) {
    Client::Options options = withWill("will", "lost");
    options.will->retain = true;
    broker.connected("c" + std::to_string(round), 0, options).drop();
    broker.settle();
    broker.advanceTime(1'000);
    broker.settle();
  }
  CHECK_EQ(watcher.received.size(), 2);
  CHECK(broker.notices == std::vector<Notice>{Notice::retainedStoreFull});
}

TEST("departures: no will once the broker stops") {
  HandDrivenBroker broker(1);
  Client& watcher = watching(broker);
  Client& client = broker.connected("c", 0, withWill("will", "lost"));
  broker.engine(0).frontEnd().withholdWills();
  client.drop();
  broker.settle();
  CHECK(watcher.texts().empty());
}

TEST("departures: the old connection's last messages, its will, then those of the new one, on any workers") {
  check::eachSeed(60, [](check::Random& random) {
    const unsigned workers = unsigned(random.between(1, 4));
    Limits limits;
    limits.laneRecords = random.pick(std::vector<uint32_t>{16, 16'384});
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    Client& watcher = watching(broker);
    constexpr size_t devices = 3;
    std::vector<Client*> current(devices, nullptr);
    std::vector<int> connections(devices, 0);
    std::map<std::pair<size_t, int>, bool> saidGoodbye;
    const auto say = [&](size_t device, const std::string& what) {
      current[device]->send(plain("d" + std::to_string(device), std::to_string(connections[device]) + ":" + what));
    };
    for (int step = 0; step < 400; step++) {
      const size_t device = random.below(devices);
      const bool isUndecided = current[device] && !current[device]->isConnected;
      if (random.chance(25) && !isUndecided) {
        if (Client* old = current[device]) {
          say(device, "last");
          if (random.chance(30)) {
            old->disconnect();
            saidGoodbye[{device, connections[device]}] = true;
          }
          if (random.chance(40)) old->finish();
        }
        Client::Options options = withWill("d" + std::to_string(device),
                                           std::to_string(++connections[device]) + ":will");
        options.isPersistent = random.chance(50);
        options.isCleanStart = random.chance(30);
        current[device] = &broker.add("device" + std::to_string(device), options);
        current[device]->connect(unsigned(random.below(workers)));
        say(device, "first");
      } else if (current[device]) {
        say(device, "between");
      }
      for (size_t i = random.below(12); i > 0; i--) broker.step(random);
    }
    broker.settle();
    std::map<size_t, std::pair<int, std::string>> last;
    for (const SentPublish& message : watcher.received) {
      const size_t device = size_t(message.topic[1] - '0');
      const int connection = std::stoi(message.payload);
      const std::string what = message.payload.substr(message.payload.find(':') + 1);
      const auto& [before, beforeWhat] = last[device];
      CHECK(connection >= before);
      if (connection > before) {
        CHECK_EQ(connection, before + 1);
        CHECK_EQ(what, std::string("first"));
        const bool isGoodbye = saidGoodbye[{device, before}];
        if (before > 0) CHECK_EQ(beforeWhat, std::string(isGoodbye ? "last" : "will"));
      } else {
        CHECK(beforeWhat != "will" && what != "first");
        if (beforeWhat == "last") CHECK_EQ(what, std::string("will"));
      }
      last[device] = {connection, what};
    }
    for (size_t device = 0; device < devices; device++) CHECK_EQ(last[device].first, connections[device]);
  });
}
