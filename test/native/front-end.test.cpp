// native/front-end.h: the life of a connection, and what ends it.
#include "hand-driven-broker.h"

#include "../../native/net/http-text.h"

using namespace rally;

namespace {

// The reason code of the DISCONNECT that these bytes from a connected client bring about, or 0.
int endedBy(const Octets& bytes, uint8_t version = 5, const Limits& limits = {}, Client::Options options = {}) {
  HandDrivenBroker broker(1, limits);
  options.version = version;
  Client& client = broker.connected("c", 0, options);
  client.send(bytes);
  broker.settle();
  CHECK_EQ(client.link->connection == nullptr, client.disconnectReason.has_value() || version < 5);
  return client.disconnectReason.value_or(0);
}
int endedBy(std::string_view hex, uint8_t version = 5, const Limits& limits = {}) {
  return endedBy(fromHex(hex), version, limits);
}

Octets plain(const std::string& topic, const std::string& payload) {
  return encode({.topic = topic, .payload = payload}, 5);
}

// A client whose CONNECT packet control has not decided on.
Client& connecting(HandDrivenBroker& broker, const std::string& name) {
  Client& client = broker.add(name);
  client.connect(0);
  const Octets connect = client.takeSent();
  broker.settle();
  broker.receive(client, connect);
  return client;
}

bool isOpen(const Client& client) { return client.link->connection != nullptr; }

// A front end alone, without shards and sockets.
struct NoRouter : ShardPort {
  unsigned workers() const override { return 1; }
  uint64_t publish(Publication&, const Source&) override { return 0; }
  bool isCrowded() override { return false; }
  bool isPausing() override { return false; }
  uint64_t topicHash(Bytes) override { return 0; }
  void presenceChanged(const Session&) override {}
  void becameDurable(Session&) override {}
};
struct NoTransport : Transport {
  void write(Connection&) override {}
  void close(Connection&) override {}
  void abort(Connection&) override {}
  void setReading(Connection&, bool) override {}
  void readLast(Connection&) override {}
};
struct NoDepartures : DepartureSink {
  void add(Departure) override {}
};
struct Alone {
  explicit Alone(const Limits& own = {}) : limits(own) {}

  NoRouter shards;
  NoTransport transport;
  Limits limits;
  Counters counters;
  NoDepartures departures;
  Journal journal{0};
  Accounts accounts{0, limits, counters, journal};
  FilterTable filters{{1, 2}};
  RuleGate gate{false};
  FrontEnd frontEnd{limits, counters, accounts, filters, journal, shards, departures, gate};

  // The kinds of events so far, which are taken.
  std::vector<EventKind> kinds() {
    std::vector<EventKind> kinds;
    for (Fifo<Event>& events = frontEnd.events(); !events.isEmpty(); events.pop()) kinds.push_back(events.front().kind);
    return kinds;
  }
};

}  // namespace

TEST("front end: bytes that break the protocol end the connection with the reason code of the specification") {
  CHECK_EQ(endedBy("c000"), 0);                                                          // PINGREQ: fine
  CHECK_EQ(endedBy("c001 00"), int(Reason::malformedPacket));                            // with a body
  CHECK_EQ(endedBy("c100"), int(Reason::malformedPacket));                               // with flags
  CHECK_EQ(endedBy("0000"), int(Reason::malformedPacket));                               // type 0
  CHECK_EQ(endedBy("100c 00044d515454 05 00 0000 000000"), int(Reason::protocolError));  // a second CONNECT
  CHECK_EQ(endedBy("2003 000000"), int(Reason::protocolError));  // packets that only servers send
  CHECK_EQ(endedBy("9003 000100"), int(Reason::protocolError));
  CHECK_EQ(endedBy("b003 000100"), int(Reason::protocolError));
  CHECK_EQ(endedBy("d000"), int(Reason::protocolError));
  CHECK_EQ(endedBy("c08000"), int(Reason::malformedPacket));        // a length of too many bytes
  CHECK_EQ(endedBy("c0ffffffff01"), int(Reason::malformedPacket));  // a length of five bytes
  CHECK_EQ(endedBy("3604 000174 0001"), int(Reason::malformedPacket));
  CHECK_EQ(endedBy("3004 0001 74"), 0);  // not complete yet
  CHECK_EQ(endedBy("3006 0003 612f23 00"), int(Reason::malformedPacket));
  CHECK_EQ(endedBy("3004 0001 2b 00"), int(Reason::malformedPacket));
  CHECK_EQ(endedBy("3008 0001 74 04 08 0001 2b"), int(Reason::malformedPacket));  // a response topic with a wildcard
  CHECK_EQ(endedBy("3007 0001 74 03 08 0000"), int(Reason::malformedPacket));     // and an empty one
  CHECK_EQ(endedBy("3004 0001 ff 00"), int(Reason::malformedPacket));
  CHECK_EQ(endedBy("3003 0000 00"), int(Reason::protocolError));  // no topic, no alias
  CHECK_EQ(endedBy("4002 0000"), int(Reason::protocolError));
  CHECK_EQ(endedBy("4002 0007"), 0);                             // an acknowledgement of nothing
  CHECK_EQ(endedBy("6002 0007"), int(Reason::malformedPacket));  // the flags of PUBREL
  HandDrivenBroker broker(1);
  Client& four = broker.connected("four", 0, {.version = 4});
  four.send(fromHex("c08000"));  // MQTT 3.1.1 does not forbid it
  four.ping();
  broker.settle();
  CHECK_EQ(four.pongs, 2);
  four.send(fromHex("3002 0000"));  // no topic
  broker.settle();
  CHECK(!isOpen(four));
}

TEST("front end: a length of too many bytes is malformed in MQTT 5 from the CONNECT on") {
  // How a CONNECT ends that is cut behind `cut` bytes, and what comes behind it.
  const auto endOf = [](const char* connect, const char* behind, size_t cut) {
    Alone alone;
    Connection& connection = alone.frontEnd.open(alone.transport);
    const std::vector<uint8_t> stream = fromHex(connect);
    alone.frontEnd.receive(connection, Bytes(stream).first(cut));
    alone.frontEnd.receive(connection, Bytes(stream).subspan(cut));
    if (connection.phase == Phase::connecting) alone.frontEnd.resume(connection);
    alone.frontEnd.receive(connection, Bytes(fromHex(behind)));
    const Event& last = alone.frontEnd.events().back();
    return last.kind == EventKind::ended ? last.reason : Reason::success;
  };
  for (const size_t cut : {2u, 3u, 9u, 14u}) {
    CHECK_EQ(endOf("108d00 00044d515454 05 02 0000 00 0000", "", cut), Reason::malformedPacket);
    CHECK_EQ(endOf("108d8000 00044d515454 05 02 0000 00 0000", "", cut), Reason::malformedPacket);
    CHECK_EQ(endOf("108c00 00044d515454 04 02 0000 0000", "", cut), Reason::success);
    CHECK_EQ(endOf("100d 00044d515454 05 02 0000 00 0000", "f003 180000", cut - 1), Reason::success);
    CHECK_EQ(endOf("100d 00044d515454 05 02 0000 00 0000", "f08300 180000", cut - 1), Reason::malformedPacket);
    CHECK_EQ(endOf("100d 00044d515454 05 02 0000 00 0000", "e08000", cut - 1), Reason::malformedPacket);
    CHECK_EQ(endOf("100c 00044d515454 04 02 0000 0000", "e08000", cut - 1), Reason::success);
  }
}

TEST("front end: a packet over the maximum is refused by its length alone") {
  Limits limits;
  limits.maximumPacketSizeBytes = 1'000;
  CHECK_EQ(endedBy("30e507", 5, limits), 0);  // 3 + 997
  CHECK_EQ(endedBy("30e607", 5, limits), int(Reason::packetTooLarge));
  CHECK_EQ(endedBy("30ffffff7f", 5, limits), int(Reason::packetTooLarge));
}

TEST("front end: topics have at most so many levels") {
  Limits limits;
  limits.topicLevelsMax = 4;
  CHECK_EQ(endedBy(encode({.topic = "a/b/c/d", .payload = ""}, 5), 5, limits), 0);
  CHECK_EQ(endedBy(encode({.topic = "a/b/c/d/e", .payload = ""}, 5), 5, limits), int(Reason::topicNameInvalid));
  CHECK_EQ(endedBy(encode({.topic = std::string(65'535, '/'), .payload = ""}, 5)), int(Reason::topicNameInvalid));
}

TEST("front end: nothing but CONNECT comes first, and it is small") {
  for (const char* hex : {"c000", "3003 000174", "30", "e000", "f000", "00", "2000"}) {
    HandDrivenBroker broker(1);
    Client& client = broker.add("c");
    client.connect(0);
    client.link->toBroker.clear();
    client.send(fromHex(hex));
    broker.settle();
    CHECK(!isOpen(client));
  }
  Limits limits;
  limits.connectPacketSizeBytesMax = 500;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.add("c");
  client.connect(0);
  client.link->toBroker.clear();
  client.send(fromHex("10f203"));  // 3 + 498
  broker.settle();
  CHECK(!isOpen(client));
}

TEST("front end: a CONNECT whose length is refused is answered if its version is 5 and came with its length") {
  Limits limits;
  limits.connectPacketSizeBytesMax = 500;
  const std::pair<const char*, bool> starts[] = {
      {"10f203 00044d515454 05", true},
      {"10ffffff7f 00044d515454 05 02 0000 00", true},
      {"10f203 00044d515454 04", false},
      {"10f203 00044d515454", false},
      {"10f203 00064d51497364 7005", false},
      {"30f203 00044d515454 05", false},
      {"10f203 00044d515458 05", false},
      {"10ffffffff 00044d515454 05", false},
      {"108d00 00044d515454 05 02 0000 00 0000", true},
  };
  for (const auto& [hex, isAnswered] : starts) {
    Counters counters;
    Journal journal(0);
    Accounts accounts(0, limits, counters, journal);
    FilterTable filters({1, 2});
    NoRouter shards;
    NoTransport transport;
    NoDepartures departures;
    RuleGate gate(false);
    FrontEnd frontEnd(limits, counters, accounts, filters, journal, shards, departures, gate);
    Connection& connection = frontEnd.open(transport);
    frontEnd.receive(connection, Bytes(fromHex(hex)));
    CHECK(connection.phase == Phase::ending);
    CHECK_EQ(connection.outbox.bytes(), isAnswered ? 5 : 0);
    frontEnd.outbound().forget(connection);
  }
}

TEST("front end: frames behind a CONNECT wait for its answer, frames behind a SUBSCRIBE for its SUBACK") {
  for (const unsigned workers : {1u, 4u}) {
    HandDrivenBroker broker(workers);
    Client& client = broker.add("c");
    client.connect(workers - 1);
    client.subscribe("+", 1);
    for (int i = 0; i < 8; i++)
      client.send(encode({.topic = std::string(1, char('a' + i)), .payload = "x", .qos = 0}, 5));
    client.subscribe("b/#", 1);
    client.ping();
    broker.settle();
    CHECK(client.isConnected);
    CHECK_EQ(client.subacks.size(), 2);
    CHECK_EQ(client.received.size(), 8);
    CHECK_EQ(client.pongs, 1);
    if (client.receivedBeforeSuback.size() == 2) CHECK_EQ(client.receivedBeforeSuback[0], 0);
  }
}

TEST("front end: a client that never sends CONNECT is ended") {
  Limits limits;
  limits.connectTimeoutMs = 5'000;
  HandDrivenBroker broker(1, limits);
  Client& silent = broker.add("c");
  silent.connect(0);
  silent.link->toBroker = "\x10";
  broker.settle();
  broker.advanceTime(4'999);
  broker.settle();
  CHECK(isOpen(silent));
  broker.advanceTime(1);
  broker.settle();
  CHECK(!isOpen(silent));
}

TEST("front end: a client whose CONNECT is never answered is ended, also when it sends AUTH meanwhile") {
  Limits limits;
  limits.connectTimeoutMs = 5'000;
  Alone alone(limits);
  FrontEnd& frontEnd = alone.frontEnd;
  frontEnd.setNow(1'000);
  Connection& connection = frontEnd.open(alone.transport);
  frontEnd.receive(connection, Bytes(fromHex("100d 00044d515454 05 02 0000 00 0000")));
  frontEnd.setNow(9'000);
  frontEnd.resume(connection);
  frontEnd.receive(connection, Bytes(fromHex("f003 180000")));
  CHECK_EQ(frontEnd.events().size(), 2);
  frontEnd.setNow(10'999);
  frontEnd.tick();
  CHECK(connection.phase == Phase::connecting);
  frontEnd.setNow(11'000);
  frontEnd.tick();
  CHECK(connection.phase == Phase::ending);
  CHECK(frontEnd.events().back().kind == EventKind::ended &&
        frontEnd.events().back().reason == Reason::serverUnavailable);
  CHECK_EQ(alone.counters.get(Counter::otherReceived), 2);
}

TEST("front end: packet control hears of a connection with its CONNECT, and of one that breaks a rule before that") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  Connection& first = frontEnd.open(alone.transport);
  frontEnd.introduceLater(first, {"192.0.2.1", 7, true});
  CHECK(frontEnd.events().isEmpty());
  frontEnd.receive(first, Bytes(fromHex("100d 00044d515454 05 02 0000 00")));
  CHECK(frontEnd.events().isEmpty());
  frontEnd.receive(first, Bytes(fromHex("0000")));
  const Event& opened = frontEnd.events().front();
  CHECK(opened.kind == EventKind::opened && opened.slot == first.slot && opened.first == 1 &&
        opened.value == numberOf(first));
  CHECK_EQ(asText(opened.bytes), "7\n192.0.2.1");
  CHECK((alone.kinds() == std::vector{EventKind::opened, EventKind::packet}));
  frontEnd.gone(first);
  frontEnd.takeLeave();
  CHECK(first.introduction == nullptr);
  Connection& second = frontEnd.open(alone.transport);
  frontEnd.introduceLater(second, {"192.0.2.2", 0, false});
  frontEnd.receive(second, Bytes(fromHex("c000")));
  CHECK((alone.kinds() == std::vector{EventKind::opened, EventKind::ended}));
}

TEST("front end: of a connection without a CONNECT packet control hears nothing, unless it is long") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  Connection& silent = frontEnd.open(alone.transport);
  frontEnd.introduceLater(silent, {"192.0.2.1", 0, true});
  Connection& withToken = frontEnd.open(alone.transport);
  frontEnd.introduceLater(withToken, {std::string(4'000, 't'), 0, true});
  CHECK((alone.kinds() == std::vector{EventKind::opened}));
  frontEnd.closeUnknown();
  CHECK(silent.phase == Phase::ending && withToken.phase == Phase::awaitingConnect);
  frontEnd.written(silent);
  frontEnd.gone(silent);
  frontEnd.takeLeave();
  CHECK(silent.phase == Phase::gone && silent.introduction);
  CHECK((alone.kinds() == std::vector{EventKind::gone}));  // which only releases it
}

// The terms of plain clients: with the 30 bytes that encodeConnectionTerms() makes, and CONNACKs of their own.
PlainTerms plainTerms(uint16_t serverKeepAliveSeconds = 0) {
  const auto termsOf = [](uint8_t version) {
    Octets terms(30, 0);
    terms[0] = version;
    return terms;
  };
  return {.clientIdBytesMax = 4,
          .serverKeepAliveSeconds = serverKeepAliveSeconds,
          .mqtt4 = {termsOf(4), fromHex("20020000")},
          .mqtt5 = {termsOf(5), fromHex("2003000000")}};
}
Introduction plainIntroduction() { return {"192.0.2.1\n\n\n", 0, true}; }
Octets plainConnect(std::string_view body) {
  Octets frame = {0x10, uint8_t(fromHex(body).size())};
  const Octets bytes = fromHex(body);
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  return frame;
}

TEST("front end: a plain client is connected without packet control, in the bytes that posted.test.ts reads") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  frontEnd.setPlainTerms(plainTerms());
  Connection& connection = frontEnd.open(alone.transport);
  frontEnd.introduceLater(connection, plainIntroduction());
  frontEnd.receive(connection, Bytes(plainConnect("00044d515454 05 02 000a 06 210003 220007 0001 63")));
  CHECK(connection.phase == Phase::connecting);
  CHECK_EQ(toHex(frontEnd.events().front().bytes),
           "00000341700000100000000500000000000000000000000163000000093139322e302e322e31");
  CHECK((alone.kinds() == std::vector{EventKind::connects}));
  const uint64_t number = numberOf(connection);
  CHECK(frontEnd.findPlainConnecting(number + (1 << slotBits)) == nullptr);
  CHECK(frontEnd.findPlainConnecting(number + 1) == nullptr);
  CHECK(frontEnd.findPlainConnecting(number) == &connection);
  Session session;
  session.key = 9;
  frontEnd.acceptPlain(connection, session, 1);
  CHECK(connection.phase == Phase::connected && connection.session == &session);
  CHECK_EQ(connection.keepAliveMs, 15'000U);
  CHECK_EQ(connection.inflightMax, 3);
  CHECK_EQ(connection.outbox.bytes(), size_t(5));
  CHECK(frontEnd.findPlainConnecting(number) == nullptr);
  CHECK(!frontEnd.isGoneTold(connection));
  frontEnd.setPlainTerms({});
  CHECK(frontEnd.isGoneTold(connection));
  frontEnd.setPlainTerms(plainTerms());
  frontEnd.receive(connection, Bytes(fromHex("e000")));
  CHECK(connection.phase == Phase::ending && session.connection == nullptr);
  CHECK(alone.kinds().empty());
}

TEST("front end: connections have no number of those of an earlier thread") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  frontEnd.numberConnections(3);
  const uint64_t number = numberOf(frontEnd.open(alone.transport));
  CHECK_EQ(number >> slotBits, (uint64_t(3) << 22) + 1);
  frontEnd.numberConnections(1);
  CHECK_EQ(numberOf(frontEnd.open(alone.transport)) >> slotBits, (uint64_t(3) << 22) + 2);
}

TEST("front end: packet control adopts a plain client, and hears of one that leaves while the directory decides") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  frontEnd.setPlainTerms(plainTerms());
  const auto connecting = [&]() -> Connection& {
    Connection& connection = frontEnd.open(alone.transport);
    frontEnd.introduceLater(connection, plainIntroduction());
    frontEnd.receive(connection, Bytes(plainConnect("00044d515454 04 02 0000 0001 63")));
    return connection;
  };
  Connection& leaving = connecting();
  Connection& adopted = connecting();
  CHECK((alone.kinds() == std::vector{EventKind::connects}));  // one event for both
  size_t plain = 0;
  frontEnd.eachPlain([&](const Connection& connection) { plain += textOf(plainClientId(connection)) == "c"; });
  CHECK_EQ(plain, size_t(2));
  frontEnd.closeUnknown();
  CHECK(leaving.phase == Phase::connecting);
  const Octets client = frontEnd.adoptPlain(adopted.slot);
  CHECK_EQ(toHex(client),
           "418000001000000000000000000000000100000009"
           "3139322e302e322e310000000d00044d5154540402000000"
           "0163");
  CHECK(frontEnd.adoptPlain(adopted.slot).empty() && frontEnd.adoptPlain(99).empty());
  CHECK(frontEnd.findPlainConnecting(numberOf(adopted)) == nullptr);
  frontEnd.end(adopted, Reason::serverUnavailable);
  CHECK((alone.kinds() == std::vector{EventKind::ended}));
  frontEnd.gone(leaving);
  frontEnd.takeLeave();
  frontEnd.leaveDrained();
  frontEnd.takeLeave();
  CHECK(leaving.phase == Phase::gone && frontEnd.isGoneTold(leaving));
  CHECK((alone.kinds() == std::vector{EventKind::gone}));
}

TEST("front end: every other CONNECT is for packet control") {
  const auto kindsOf = [](std::string_view body, Introduction introduction = plainIntroduction(),
                          uint16_t serverKeepAliveSeconds = 0, uint8_t first = 0x10) {
    Alone alone;
    alone.frontEnd.setPlainTerms(plainTerms(serverKeepAliveSeconds));
    Connection& connection = alone.frontEnd.open(alone.transport);
    alone.frontEnd.introduceLater(connection, std::move(introduction));
    Octets frame = plainConnect(body);
    frame[0] = first;
    alone.frontEnd.receive(connection, Bytes(frame));
    return alone.kinds();
  };
  const std::vector plain{EventKind::connects};
  const std::vector rare{EventKind::opened, EventKind::packet};
  CHECK(kindsOf("00044d515454 05 00 0000 00 0001 63") == plain);
  CHECK(kindsOf("00044d515454 05 02 0000 05 1100000000 0001 63") == plain);
  for (const std::string_view body : {
           "00044d515454 04 00 0000 0001 63",                     // a session that stays
           "00064d514973647003 02 0000 0001 63",                  // MQTT 3.1
           "00044d515454 84 02 0000 0001 63",                     // a bridge
           "00044d515454 06 02 0000 00 0001 63",                  // there is no such version
           "00044d515455 05 02 0000 00 0001 63",                  // nor such a protocol
           "00044d515454 05 03 0000 00 0001 63",                  // the reserved flag
           "00044d515454 05 82 0000 00 0001 63 0001 75",          // a user name
           "00044d515454 05 06 0000 00 0001 63 00 0001 74 0000",  // a will
           "00044d515454 05 02 0000 05 1100000001 0001 63",       // a session that stays
           "00044d515454 05 02 0000 03 210000 0001 63",           // a Receive Maximum of 0
           "00044d515454 05 02 0000 06 210001 210001 0001 63",    // twice
           "00044d515454 05 02 0000 02 1701 0001 63",             // Request Problem Information
           "00044d515454 05 02 0000 05 2700000064 0001 63",       // Maximum Packet Size
           "00044d515454 05 02 0000 02 2100 0001 63",             // cut off
           "00044d515454 05 02 0000 8000 0001 63",                // an integer that is longer than it needs to be
           "00044d515454 05 02 0000 00 0000",                     // no client identifier
           "00044d515454 05 02 0000 00 0005 6363636363",          // too long a one
           "00044d515454 05 02 0000 00 0001 ff",                  // not UTF-8
           "00044d515454 05 02 0000 00 0001 00",                  // U+0000
           "00044d515454 05 02 0000 00 0002 63",                  // cut off
           "00044d515454 05 02 0000 00 0001 63 00",               // bytes after the end
       })
    CHECK(kindsOf(body) == rare);
  const std::string_view usual = "00044d515454 05 02 000a 00 0001 63";
  CHECK(kindsOf(usual) == plain);
  CHECK(kindsOf(usual, plainIntroduction(), 0, 0x11) == rare);
  CHECK(kindsOf(usual, {"192.0.2.1\n\n\n", 1, true}) == rare);     // a listener with terms of its own
  CHECK(kindsOf(usual, {"192.0.2.1\n\na=b\n", 0, true}) == rare);  // a cookie, which may be a token
  CHECK(kindsOf(usual, {"192.0.2.1\n\n\n\nTLSv1.3", 0, true}) == rare);
  CHECK(kindsOf(usual, plainIntroduction(), 10) == plain);
  CHECK(kindsOf(usual, plainIntroduction(), 9) == rare);  // a Server Keep Alive
  CHECK(kindsOf("00044d515454 04 02 000a 0001 63", plainIntroduction(), 9) == plain);
  CHECK(kindsOf("00044d515454 04 02 0000 0001 63", plainIntroduction(), 9) == rare);
}

TEST("front end: keep alive counts from the last byte; 0 means for ever") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0, {.keepAliveMs = 1'500});
  Client& patient = broker.connected("patient", 0);
  for (int i = 0; i < 5; i++) {
    broker.advanceTime(1'400);
    client.ping();
    broker.settle();
  }
  CHECK(isOpen(client));
  CHECK_EQ(client.pongs, 5);
  broker.advanceTime(1'499);
  broker.settle();
  CHECK(isOpen(client));
  broker.advanceTime(1);
  broker.settle();
  CHECK(!isOpen(client));
  CHECK(client.disconnectReason == uint8_t(Reason::keepAliveTimeout));
  broker.advanceTime(1'000'000'000);
  broker.settle();
  CHECK(isOpen(patient));
}

TEST("front end: keep alive does not end a client whose bytes we do not read") {
  Limits limits;
  limits.laneRecords = 8;
  limits.inputBufferBytesMax = 100;
  limits.maximumPacketSizeBytes = 100;
  HandDrivenBroker broker(2, limits, FakeTransport::Kind::tcp);
  Client& client = broker.connected("c", 0, {.keepAliveMs = 1'500});
  Connection& connection = *client.link->connection;
  for (int i = 0; i < 100 && connection.pausedBy.allowReading(); i++) {
    broker.receive(client, encode({.topic = "topic" + std::to_string(i), .payload = "x"}, 5));
  }
  CHECK(!connection.pausedBy.allowReading());
  broker.advanceTime(10'000);
  CHECK_EQ(connection.phase, Phase::connected);
  broker.settle();
  CHECK(isOpen(client) && connection.pausedBy.allowReading());
}

TEST("front end: topic aliases are of one connection, within the maximum, and may be set anew") {
  Limits limits;
  limits.topicAliasMaximum = 3;
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers, limits);
    Client& publisher = broker.connected("p", 0);
    Client& subscriber = broker.connected("s", workers - 1);
    subscriber.subscribe("#", 1);
    broker.settle();
    const auto publish = [&](const char* topic, uint16_t alias) {
      publisher.publish({.topic = topic, .payload = "x", .qos = 0, .topicAlias = alias});
      broker.settle();
    };
    publish("a/long/topic/name", 1);
    publish("b", 3);
    publish("", 1);
    publish("", 3);
    publish("c", 1);
    publish("", 1);
    CHECK(subscriber.texts() ==
          (std::vector<std::string>{"a/long/topic/name=x", "b=x", "a/long/topic/name=x", "b=x", "c=x", "c=x"}));
    CHECK(isOpen(publisher));
    publish("", 2);  // was never set
    CHECK(publisher.disconnectReason == uint8_t(Reason::protocolError));
    publisher.connect(0);
    broker.settle();
    publish("", 1);  // of the connection before
    CHECK(publisher.disconnectReason == uint8_t(Reason::protocolError));
    publisher.connect(0);
    broker.settle();
    publish("d", 4);  // over the maximum
    CHECK(publisher.disconnectReason == uint8_t(Reason::topicAliasInvalid));
    CHECK_EQ(subscriber.received.size(), 6);
  }
}

TEST("front end: more unacknowledged messages than our Receive Maximum end an MQTT 5 client") {
  Limits limits;
  limits.receiveMaximum = 5;
  for (const uint8_t version : {uint8_t(4), uint8_t(5)}) {
    HandDrivenBroker broker(1, limits);
    Client& client = broker.connected("c", 0, {.version = version});
    // By hand: no PUBREL follows the PUBRECs.
    for (uint16_t id = 1; id <= 5; id++) {
      client.unacknowledged.push_back({{.packetId = id}, true});
      client.send(encode({.topic = "t", .payload = "x", .qos = 2, .packetId = id}, version));
    }
    client.send(encode({.topic = "t", .payload = "x", .qos = 2, .duplicate = true, .packetId = 5},
                       version));  // is not one more
    Connection& connection = *client.link->connection;
    broker.receive(client, client.takeSent());
    CHECK_EQ(connection.phase, Phase::connected);
    broker.receive(client, encode({.topic = "t", .payload = "x", .qos = 2, .packetId = 6}, version));
    CHECK_EQ(connection.phase, version == 5 ? Phase::ending : Phase::connected);
    broker.settle();
    if (version == 5) CHECK(client.disconnectReason == uint8_t(Reason::receiveMaximumExceeded));
  }
}

TEST("front end: PUBREL is always answered; in MQTT 5 with the reason when it is not known") {
  for (const uint8_t version : {uint8_t(4), uint8_t(5)}) {
    HandDrivenBroker broker(1);
    Client& client = broker.connected("c", 0, {.version = version});
    client.send(fromHex("6202 0009"));
    broker.receive(client, client.takeSent());
    broker.advance(0, 2);
    CHECK_EQ(toHex(bytesOf(client.link->toClient)), std::string(version == 5 ? "7003000992" : "70020009"));
  }
}

TEST("front end: a PUBREL that is repeated since its PUBCOMP was lost with the connection is answered with success") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  client.publish("t", "x", 2);
  broker.settle();
  client.drop();
  broker.settle();
  client.connect(0);
  broker.settle();
  client.link->toClient.clear();
  broker.receive(client, fromHex("6202 0001"));
  broker.advance(0, 2);
  CHECK_EQ(toHex(bytesOf(client.link->toClient)), std::string("70020001"));
}

TEST("front end: PUBREC of an unknown identifier, an error in a PUBREC, answers of the wrong kind") {
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0);
  Client& client = broker.connected("c", 0);
  client.subscribe("#", 2);
  broker.settle();
  client.answersAtOnce = false;
  const auto answerOf = [&](const char* hex) {
    broker.settle();
    client.answers.clear();
    client.link->toClient.clear();
    broker.receive(client, fromHex(hex));
    broker.advance(0, 2);
    return toHex(bytesOf(std::exchange(client.link->toClient, "")));
  };
  const Session& session = *broker.sessionOf(client);
  CHECK_EQ(answerOf("5002 0007"), std::string("6203000792"));
  publisher.publish("t", "1", 2);
  CHECK_EQ(answerOf("4002 0001"), std::string());  // PUBACK for QoS 2: still awaited
  CHECK(!session.window.hasRoom(1));
  CHECK_EQ(answerOf("7002 0001"), std::string());  // PUBCOMP before PUBREC: the same
  CHECK(!session.window.hasRoom(1));
  CHECK_EQ(answerOf("5002 0001"), std::string("62020001"));
  CHECK_EQ(answerOf("5002 0001"), std::string("62020001"));  // again: answered again
  CHECK_EQ(answerOf("7002 0001"), std::string());
  CHECK(session.window.hasRoom(1));
  publisher.publish("t", "2", 2);
  CHECK_EQ(answerOf("5003 0002 80"), std::string());  // the client refuses it: over
  CHECK(session.window.hasRoom(1));
  publisher.publish("t", "3", 1);
  CHECK_EQ(answerOf("5002 0003"), std::string("6203000392"));  // PUBREC for QoS 1
  CHECK(!session.window.hasRoom(1));
  CHECK_EQ(answerOf("4002 0003"), std::string());
  CHECK(session.window.hasRoom(1));
}

TEST("front end: a slot is used again, and an acknowledgement for the connection before goes nowhere") {
  HandDrivenBroker broker(2);
  Client& first = broker.connected("first", 0, {.version = 4});
  // Its messages are on the way to the other worker when it leaves.
  for (int i = 0; i < 8; i++) first.publish("topic" + std::to_string(i), "x", 1);
  const uint32_t slot = first.link->connection->slot;
  broker.receive(first, first.takeSent());
  first.drop();
  broker.turn(0);
  Client& second = broker.connected("second", 0, {.version = 4});
  CHECK_EQ(second.link->connection->slot, slot);
  CHECK(second.acknowledgements.empty());
  CHECK_EQ(second.link->connection->unacknowledged, 0);
}

TEST("front end: what a client published before it closed the connection is taken, also behind a SUBSCRIBE") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& subscriber = broker.connected("s", workers - 1);
    subscriber.subscribe("#", 1);
    Client& leaver = broker.connected("l", 0);
    broker.settle();
    leaver.subscribe("x", 0);
    for (int i = 0; i < 3; i++) leaver.send(encode({.topic = "last", .payload = std::to_string(i)}, 5));
    broker.receive(leaver, leaver.takeSent());
    leaver.drop();
    broker.settle();
    CHECK(subscriber.texts() == (std::vector<std::string>{"last=0", "last=1", "last=2"}));
  }
}

TEST("front end: a client that publishes to itself and leaves is not written to any more") {
  Limits limits;
  limits.outboxMessagesMax = 20;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& client = broker.connected("c", 0);
  client.subscribe("t");
  broker.settle();
  client.subscribe("other");
  for (int i = 0; i < 50; i++) client.send(plain("t", "x"));
  broker.receive(client, client.takeSent());
  client.drop();
  broker.settle();
}

TEST("front end: a write that fails in the middle of a delivery does not start another") {
  Limits limits;
  limits.outboxMessagesMax = 5;
  HandDrivenBroker broker(1, limits, FakeTransport::Kind::tcp);
  Client& publisher = broker.connected("p", 0);
  Client& leaver = broker.connected("l", 0);
  Client& other = broker.connected("o", 0);
  for (Client* client : {&leaver, &other}) {
    client->subscribe("t");
    broker.settle();
    client->subscribe("+");
    broker.settle();
  }
  leaver.subscribe("x");
  for (int i = 0; i < 3; i++) leaver.send(plain("last", std::to_string(i)));
  broker.receive(leaver, leaver.takeSent());
  leaver.link->writesFail = true;
  Octets all;
  std::vector<std::string> expected;
  for (int i = 0; i < 8; i++) {
    appendOctets(all, plain("t", std::to_string(i)));
    expected.push_back("t=" + std::to_string(i));
  }
  broker.receive(publisher, all);
  broker.settle();
  std::vector<std::string> live;
  for (const std::string& text : other.texts()) {
    if (text.starts_with("t=")) live.push_back(text);
  }
  CHECK(live == expected);
  CHECK_EQ(other.received.size(), 11);
}

TEST("front end: a PUBREL for an earlier connection does not end this one") {
  HandDrivenBroker broker(2);
  Client& client = broker.connected("c", 0);
  client.drop();
  broker.settle();
  broker.sessionOf(client)->unfinished.own().received.all.add(9);  // published and recorded before the connection broke
  client.connect(0);
  broker.settle();
  Connection& connection = *client.link->connection;
  // QoS 1 to a topic of the other worker, whose PUBACK is on its way when the PUBREL comes.
  for (uint16_t id = 1; id <= 4; id++) {
    client.unacknowledged.push_back({{.packetId = id}, false});
    broker.receive(client, encode({.topic = "t" + std::to_string(id), .payload = "x", .qos = 1, .packetId = id}, 5));
  }
  broker.receive(client, fromHex("6202 0009"));
  broker.settle();
  CHECK_EQ(connection.unacknowledged, 0);
  client.publish("t", "x", 1);
  broker.settle();
  CHECK(!client.disconnectReason);
}

TEST("front end: a PUBREL before the PUBREC counts once, also when the PUBREC then refuses") {
  Limits limits;
  limits.retainedMessagesMax = 0;  // so that the owner of the topic refuses
  for (const unsigned owner : {0u, 1u}) {
    HandDrivenBroker broker(2, limits);
    Client& client = broker.connected("c", owner);
    Connection& connection = *client.link->connection;
    for (uint16_t id = 1; id <= 4; id++) {
      broker.receive(
          client,
          encode({.topic = "t" + std::to_string(id), .payload = "x", .qos = 2, .retain = true, .packetId = id}, 5));
      broker.receive(client, fromHex("6202 000" + std::to_string(id)));
    }
    broker.settle();
    CHECK_EQ(connection.unacknowledged, 0);
    client.publish("t", "x", 1);
    broker.settle();
    CHECK(!client.disconnectReason);
  }
}

TEST("front end: a session that was not to outlive its connection and is accepted again sends nothing again") {
  HandDrivenBroker broker(1);
  Client& former = broker.connected("f", 0, {.isPersistent = false});
  former.subscribe("#", 2);
  broker.settle();
  former.answersAtOnce = false;
  for (int i = 0; i < 4; i++) former.publish("t", std::to_string(i), i % 2 + 1);
  broker.settle();
  CHECK_EQ(former.received.size(), 4);
  Session& session = *former.link->connection->session;
  Client& later = connecting(broker, "l");
  broker.accept(later, session);
  broker.receive(later, fromHex("c000"));
  broker.advance(0, 4);
  CHECK(session.window.hasRoom(1));
  CHECK_EQ(toHex(bytesOf(later.link->toClient)), std::string("d000"));
}

TEST("front end: a connection that was ended in the middle of a chunk stays ended") {
  Limits limits;
  limits.outboxBytesMax = 100;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.connected("c", 0);
  Octets all;
  for (int i = 0; i < 102; i++) appendOctets(all, fromHex("c000"));  // the last one finds more than twice 100 bytes
  appendOctets(all, fromHex("f000"));
  broker.receive(client, all);
  CHECK_EQ(client.link->connection->phase, Phase::ending);
}

TEST("front end: a connection whose session was taken is ended, not left behind") {
  HandDrivenBroker broker(1);
  Client& former = broker.connected("f", 0);
  Client& later = connecting(broker, "l");
  Connection& connection = *former.link->connection;
  broker.accept(later, *connection.session);
  CHECK(connection.phase >= Phase::ending);
  broker.receive(former, plain("t", "x"));
  broker.settle();
  CHECK(!isOpen(former));
}

TEST("front end: a connection that is ending is not accepted any more") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  Connection& connection = *client.link->connection;
  Session& session = *connection.session;
  broker.end(client, Reason::quotaExceeded);
  broker.accept(client, session);
  CHECK_EQ(connection.phase, Phase::ending);
  CHECK(session.connection == nullptr);
}

TEST("front end: a session that is destroyed ends its connection") {
  HandDrivenBroker broker(1);
  Client& client = broker.connected("c", 0);
  Connection& connection = *client.link->connection;
  broker.destroy(*connection.session, 0);
  CHECK(connection.phase >= Phase::ending);
  broker.settle();
}

TEST("front end: any bytes whatever end at most their own connection") {
  check::eachSeed(150, [](check::Random& random) {
    HandDrivenBroker broker(1 + unsigned(random.below(2)), {},
                            random.chance(50) ? FakeTransport::Kind::tcp : FakeTransport::Kind::webSocket);
    Client& watcher = broker.connected("w", 0);
    watcher.subscribe("t", 1);
    Client& client = broker.connected("c", broker.workers() - 1, {.version = uint8_t(random.between(3, 5))});
    client.subscribe("t", 2);
    broker.settle();
    client.answersAtOnce = false;
    static const std::vector<std::string> frames = {"c000",
                                                    "3003000174",
                                                    "320700017400010061",
                                                    "340700017400020061",
                                                    "40020001",
                                                    "50020001",
                                                    "62020001",
                                                    "70020001",
                                                    "5003000180",
                                                    "300600017403230001",
                                                    "d000",
                                                    "e000",
                                                    "f000",
                                                    "8206000100000174",
                                                    "a2050001000174",
                                                    "30ff7f"};
    for (int i = 0; i < 15 && client.link->connection; i++) {
      Octets bytes = random.chance(20) ? random.bytes(random.below(20)) : fromHex(random.pick(frames));
      if (random.chance(20) && !bytes.empty()) bytes[random.below(bytes.size())] = random.byte();
      if (random.chance(10)) bytes.resize(random.below(bytes.size() + 1));
      for (size_t at = 0; at < bytes.size() && client.link->connection;) {
        const size_t size = random.between(1, bytes.size() - at);
        broker.receive(client, octetsOf(Bytes(bytes).subspan(at, size)));
        at += size;
        if (random.chance(50)) {
          client.link->toClient.clear();
          for (int j = 0; j < 4; j++) broker.step(random);
        }
      }
    }
    if (client.link->connection) client.link->toClient.clear();
    client.drop();
    broker.settle();
    watcher.received.clear();
    watcher.publish("t", "alive", 1);
    broker.settle();
    CHECK(watcher.texts() == std::vector<std::string>{"t=alive"});
  });
}

TEST("front end: a goodbye that packet control has not said yet is not the delay of the client") {
  const Limits limits;
  HandDrivenBroker broker(1, limits);
  Client& client = broker.connected("c", 0);
  broker.receive(client, fromHex("0000"));
  Engine& engine = broker.engine(0);
  engine.setClock(engine.nowMs() + 2 * uint64_t(limits.closeTimeoutMs));
  engine.frontEnd().tick();
  if (!CHECK(isOpen(client))) return;
  CHECK_EQ(client.link->connection->phase, Phase::ending);
  broker.settle();
  CHECK_EQ(client.disconnectReason.value_or(0), int(Reason::malformedPacket));
}

TEST("front end: packet control hears that a plain client is gone if an event before that makes it adopt the client") {
  Alone alone;
  FrontEnd& frontEnd = alone.frontEnd;
  frontEnd.setPlainTerms(plainTerms());
  Connection& connection = frontEnd.open(alone.transport);
  frontEnd.introduceLater(connection, plainIntroduction());
  frontEnd.receive(connection, Bytes(plainConnect("00044d515454 04 02 0000 0001 63")));
  Session session;
  session.key = 9;
  frontEnd.acceptPlain(connection, session, 1);
  CHECK(!frontEnd.isGoneTold(connection));
  alone.kinds();
  // Both are in one call, and the socket is gone before packet control has a turn.
  frontEnd.end(connection, Reason::quotaExceeded);
  frontEnd.gone(connection);
  frontEnd.takeLeave();
  CHECK(connection.phase == Phase::gone && frontEnd.isGoneTold(connection));
  CHECK((alone.kinds() == std::vector{EventKind::ended, EventKind::gone}));
}
