// The bytes of names that clients give: what subscriptions, filters and topic aliases take is counted, and bounded.
#include "census.h"

#include "../../native/trim-watch.h"

using namespace rally;

namespace {

std::string randomFilter(check::Random& random) {
  static const std::vector<std::string> levels = {"a", "b", "", "+", "a longer level", std::string(100, 'x')};
  std::string filter = random.chance(20) ? "$share/s" + std::to_string(random.below(3)) + "/" : "";
  filter += random.pick(levels);
  for (uint64_t more = random.below(5); more > 0; more--) filter += "/" + random.pick(levels);
  return random.chance(10) ? filter + "/#" : filter;
}

// How many of the filters a session may have, when it asks for one after the other.
size_t subscribeAll(Engine& engine, Session& session, size_t count, std::string (*filterOf)(size_t)) {
  size_t taken = 0;
  for (size_t i = 0; i < count; i++) {
    const std::string filter = filterOf(i);
    if (!engine.subscriptions().hasRoomFor(session, bytesOf(filter))) continue;
    engine.subscriptions().add(session, bytesOf(filter), {});
    taken++;
  }
  return taken;
}

std::string exact(size_t i) { return "device/" + std::to_string(i) + "/state"; }
std::string wide(size_t i) { return std::string(60'000, 'x') + std::to_string(i); }
std::string share(size_t i) { return "$share/s" + std::to_string(i) + "/topic"; }

}  // namespace

TEST("names: what subscriptions take is counted, whatever clients do, and nothing is left when they have gone") {
  check::eachSeed(20, [](check::Random& random) {
    HandDrivenBroker broker(1 + unsigned(random.below(3)));
    std::vector<Client*> clients;
    for (int i = 0; i < 4; i++)
      clients.push_back(&broker.connected("c" + std::to_string(i), unsigned(random.below(broker.workers()))));
    for (int step = 0; step < 120; step++) {
      Client& client = *random.pick(clients);
      const uint64_t what = random.below(10);
      if (!client.isConnected) client.connect(unsigned(random.below(broker.workers())));
      else if (what < 5) client.subscribe(randomFilter(random).c_str(), int(random.below(3)));
      else if (what < 8) {
        const Session* session = broker.sessionOf(client);
        if (!session || session->subscriptions.isEmpty()) continue;
        const size_t picked = random.below(session->subscriptions.size());
        client.unsubscribe(textOf(session->subscriptions[picked].filter->text()));
      } else if (what == 8) client.drop();
      else client.disconnect();
      for (uint64_t i = random.below(20); i > 0; i--) broker.step(random);
      if (step % 10 != 0) continue;
      CHECK(broker.settle());
      checkNames(broker);
    }
    for (Client* client : clients) {
      CHECK(broker.settle());
      client->options.isCleanStart = true;
      client->options.isPersistent = false;
      if (client->isConnected) client->disconnect();
      CHECK(broker.settle());
      client->connect(0);
      CHECK(broker.settle());
      client->disconnect();
    }
    CHECK(broker.settle());
    checkNames(broker);
    CHECK_EQ(broker.subscriptionBytes(), 0);
  });
}

TEST("names: the subscriptions of a session are bounded by their number, their bytes and as members of shares") {
  Limits limits;
  limits.subscriptionsPerSessionMax = 100;
  limits.sharedSubscriptionsPerSessionMax = 5;
  limits.subscriptionBytesPerSessionMax = 1'000'000;
  HandDrivenBroker broker(1, limits);
  Engine& engine = broker.engine(0);
  Session& many = engine.createSession(1'001);
  CHECK_EQ(subscribeAll(engine, many, 200, exact), 100);
  CHECK(engine.subscriptions().hasRoomFor(many, bytesOf(exact(3))));  // again
  CHECK_EQ(subscribeAll(engine, engine.createSession(1'002), 200, share), 5);
  Session& large = engine.createSession(1'003);
  CHECK_EQ(subscribeAll(engine, large, 50, wide), 16);
  CHECK(large.subscriptionBytes <= limits.subscriptionBytesPerSessionMax);
  CHECK_EQ(subscribeAll(engine, engine.createSession(1'004, ConnectionKind::host), 200, exact),
           200);  // the host program
}

TEST("names: a few sessions cannot use up the bytes of all: each has its part for sure") {
  Limits limits;
  limits.sessionsMax = 100;
  limits.subscriptionsTotalBytesMax = 1'000'000;
  limits.subscriptionBytesPerSessionMax = 1'000'000;
  HandDrivenBroker broker(1, limits);
  Engine& engine = broker.engine(0);
  const auto filterOf = [](size_t i) { return "site/" + exact(i * 7'919); };
  const size_t each = Subscriptions::bytesOf(bytesOf(filterOf(1)));
  subscribeAll(engine, engine.createSession(1'001), 5'000, exact);
  CHECK(engine.subscriptions().bytes() > 240'000 && engine.subscriptions().bytes() <= 250'000);
  for (uint64_t key = 2; key < 100; key++)
    CHECK(subscribeAll(engine, engine.createSession(1'000 + key), 5'000, filterOf) >= 5'000 / each);
  CHECK(engine.subscriptions().bytes() <= limits.subscriptionsTotalBytesMax);
}

TEST("names: the topic aliases of a client are bounded in bytes: 0x97") {
  Limits limits;
  limits.topicAliasBytesMax = 1'000;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.connected("c", 0);
  const std::string topic(400, 't');
  for (const uint16_t alias : {uint16_t(1), uint16_t(2), uint16_t(1)})
    client.publish({.topic = topic, .payload = "x", .topicAlias = alias});
  client.publish({.topic = "", .payload = "x", .topicAlias = 2});
  CHECK(broker.settle());
  CHECK(client.isConnected);
  CHECK(broker.engine(0).frontEnd().outbound().aliases().bytes() > 800);
  client.publish({.topic = topic, .payload = "x", .topicAlias = 3});
  CHECK(broker.settle());
  CHECK(client.disconnectReason == uint8_t(Reason::quotaExceeded));
  CHECK_EQ(broker.engine(0).frontEnd().outbound().aliases().bytes(), 0);
}

TEST("names: when the aliases of all connections take too much, the client goes that has set the most") {
  Limits limits;
  limits.topicAliasesTotalBytesMax = 5'000;
  HandDrivenBroker broker(1, limits);
  std::vector<Client*> small;
  for (int i = 0; i < 10; i++) small.push_back(&broker.connected("small" + std::to_string(i), 0));
  Client& large = broker.connected("large", 0);
  for (uint16_t alias = 1; alias <= 10; alias++)
    large.publish({.topic = std::string(400, 't'), .payload = "x", .topicAlias = alias});
  CHECK(broker.settle());
  CHECK(large.isConnected);
  for (Client* client : small) client->publish({.topic = std::string(100, 's'), .payload = "x", .topicAlias = 1});
  CHECK(broker.settle());
  CHECK(large.disconnectReason == uint8_t(Reason::quotaExceeded));
  for (Client* client : small) CHECK(client->isConnected);
  CHECK(broker.engine(0).frontEnd().outbound().aliases().bytes() < 2'000);
}

TEST("names: aliases towards clients take half of the room at most; what has none is sent in full") {
  Limits limits;
  limits.topicAliasesTotalBytesMax = 4'000;
  HandDrivenBroker broker(1, limits);
  Client& publisher = broker.connected("p", 0);
  Client& reader = broker.connected("r", 0, {.topicAliasMaximum = 64});
  reader.subscribe("#");
  CHECK(broker.settle());
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 20; i++) publisher.publish(std::string(500, char('a' + i)), "x");
  }
  CHECK(broker.settle());
  CHECK_EQ(reader.received.size(), 40);
  CHECK_EQ(reader.savedTopics, 3);
  CHECK(broker.engine(0).frontEnd().outbound().aliases().bytes() <= 2'000);
  reader.drop();
  CHECK(broker.settle());
  CHECK_EQ(broker.engine(0).frontEnd().outbound().aliases().bytes(), 0);
}

TEST("names: a PUBLISH with too many user properties is refused, and goes nowhere") {
  Limits limits;
  limits.userPropertiesPerPacketMax = 3;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.connected("c", 0);
  client.subscribe("t");
  CHECK(broker.settle());
  const auto publish = [&](int count, uint8_t qos) {
    Octets properties;
    for (int i = 0; i < count; i++) appendOctets(properties, {0x26, 0, 1, 'k', 0, 1, 'v'});
    client.publish({.topic = "t", .payload = std::to_string(count), .qos = qos, .otherProperties = properties});
    CHECK(broker.settle());
  };
  for (uint8_t qos = 0; qos <= 2; qos++) {
    publish(3, qos);
    publish(4, qos);
  }
  CHECK_EQ(client.received.size(), 3);
  CHECK_EQ(broker.total(Counter::publishRefused), 3);
  CHECK(client.acknowledgements ==
        (std::vector<Reason>{Reason::success, Reason::quotaExceeded, Reason::success, Reason::quotaExceeded}));
}

TEST("trim watch: memory is given back when a storm is over, and each ten seconds where it is never quiet") {
  constexpr uint64_t MiB = 1 << 20;
  TrimWatch watch;
  CHECK(!watch.isDue(0, 0));
  for (uint64_t second = 1; second <= 20; second++) CHECK(!watch.isDue(second * MiB, second));  // it grows
  CHECK(watch.isDue(2 * MiB, 40));  // much is free, and more than ten seconds have passed
  CHECK(!watch.isDue(20 * MiB, 41));
  CHECK(!watch.isDue(19 * MiB, 42));
  CHECK(watch.isDue(19 * MiB, 42));
  CHECK(!watch.isDue(19 * MiB, 42));
  CHECK(!watch.isDue(19 * MiB - 1'000, 42));
  CHECK(!watch.isDue(19 * MiB - 1'000, 42));  // too little
  int times = 0;
  for (uint64_t second = 0; second < 30; second++) times += watch.isDue(19 * MiB, 50 + second * 3'000);
  CHECK_EQ(times, 3);
  CHECK(watch.isDue(0, 50 + 29 * 3'000) || watch.isDue(0, 50 + 29 * 3'000));
}
