// native/front-end/session-moves.h: sessions that change workers while anything else happens, and the next move of a
// session begun before the last one is over.
#include "hand-driven-broker.h"

using namespace rally;

namespace {

using Texts = std::vector<std::string>;
using State = SessionMove::State;
constexpr FakeTransport::Kind kinds[] = {FakeTransport::Kind::tcp, FakeTransport::Kind::webSocket};

Limits slicesOf(size_t subscriptions) {
  Limits limits;
  limits.subscriptionsPerSlice = subscriptions;
  limits.subscriptionsPerTurn = subscriptions;
  return limits;
}

// A session at worker 0 whose client is away, with four messages that wait for it.
uint64_t waitingSession(HandDrivenBroker& broker,
                        const std::vector<Subscribe>& subscriptions = {{.filter = "t", .qos = 1}},
                        unsigned publishersWorker = 0) {
  Client& publisher = broker.connected("p", publishersWorker);
  Client& away = broker.connected("s", 0);
  away.subscribe(subscriptions);
  broker.settle();
  const uint64_t key = broker.sessionOf(away)->key;
  away.drop();
  broker.settle();
  for (int i = 0; i < 4; i++) publisher.publish("t", std::to_string(i), 1);
  broker.settle();
  CHECK_EQ(broker.engine(0).findSession(key)->queue.size(), 4);
  return key;
}

// A client that is let in at the worker by accept(), whatever the directory thinks.
Client& acceptedAt(HandDrivenBroker& broker, unsigned worker, uint64_t key, Client::Options options = {}) {
  Client& client = broker.add("again", options);
  client.connect(worker);
  client.takeSent();
  broker.turn(worker);  // opened
  broker.accept(client, *broker.engine(worker).findSession(key));
  client.isConnected = true;
  return client;
}

void checkOnlyAt(HandDrivenBroker& broker, unsigned worker, uint64_t key) {
  for (unsigned each = 0; each < broker.workers(); each++) {
    const Session* session = broker.engine(each).findSession(key);
    CHECK_EQ(session != nullptr, each == worker);
    CHECK(!session || !session->move);
    CHECK(!broker.engine(each).subscriptions().hasWork() && !broker.engine(each).moves().hasWork());
  }
}

size_t countSessions(HandDrivenBroker& broker, uint64_t key) {
  size_t count = 0;
  for (unsigned worker = 0; worker < broker.workers(); worker++)
    count += broker.engine(worker).findSession(key) ? 1 : 0;
  return count;
}

}  // namespace

TEST("session moves: a client that is accepted before its session has arrived loses nothing") {
  for (const size_t received : std::vector<size_t>{0, 1}) {
    HandDrivenBroker broker(3);
    Client& publisher = broker.connected("p", 0);
    Client& former = broker.connected("s", 0, {.receiveMaximum = 2});
    former.subscribe("t", 1);
    broker.settle();
    former.answersAtOnce = false;
    for (int i = 0; i < 4; i++) publisher.publish("t", std::to_string(i), 1);
    broker.settle();
    CHECK_EQ(former.received.size(), 2);
    former.answer(received);
    broker.settle();
    const uint64_t key = broker.sessionOf(former)->key;
    former.drop();
    broker.settle();
    broker.beginMove(key, 0, 1);
    Client& again = acceptedAt(broker, 1, key, {.receiveMaximum = 2});
    again.publish("from", "again", 0);  // held until the session is here
    broker.turn(1);
    CHECK_EQ(broker.total(Counter::publishReceived), 4);
    for (int i = 4; i < 6; i++) publisher.publish("t", std::to_string(i), 1);
    broker.turn(0);
    CHECK(again.link->toClient.empty());
    broker.settle();
    CHECK_EQ(broker.total(Counter::publishReceived), 7);
    Texts expected;
    for (size_t i = received; i < 6; i++) expected.push_back("t=" + std::to_string(i));
    CHECK(again.texts() == expected);
    CHECK(again.outstandingMax <= 2);
    CHECK(again.arrivals[0].duplicate);
    checkOnlyAt(broker, 1, key);
  }
}

TEST("session moves: a session that moves on before it has arrived keeps what it holds") {
  for (unsigned turns = 0; turns < 12; turns++) {
    HandDrivenBroker broker(3, slicesOf(2));
    const std::vector<Subscribe> subscriptions = {
        {.filter = "t", .qos = 1}, {.filter = "u/+"}, {.filter = "$share/g/v"}};
    const uint64_t key = waitingSession(broker, subscriptions);
    broker.beginMove(key, 0, 1);
    for (unsigned i = 0; i < turns; i++) broker.turn(i % 3);
    broker.beginMove(key, 1, 2);
    broker.settle();
    const Session* there = broker.engine(2).findSession(key);
    CHECK(there && there->queue.size() == 4);
    CHECK_EQ(there->subscriptions.size(), 3);
    checkOnlyAt(broker, 2, key);
    CHECK_EQ(broker.total(Counter::sessions), 2);
    CHECK_EQ(broker.total(Counter::subscriptions), 3);
    CHECK_EQ(broker.total(Counter::sharedSubscriptions), 1);
    CHECK_EQ(broker.total(Counter::queued), 4);
  }
}

TEST("session moves: a session that comes back to a worker which is still handing it over keeps all") {
  for (unsigned turns = 0; turns < 12; turns++) {
    HandDrivenBroker broker(2);
    Client& former = broker.connected("s", 0);
    former.subscribe("t", 1);
    broker.settle();
    former.answersAtOnce = false;
    Client& publisher = broker.connected("p", 0);
    for (int i = 0; i < 3; i++) publisher.publish("t", std::to_string(i), 1);
    broker.settle();
    const uint64_t key = broker.sessionOf(former)->key;
    former.drop();
    broker.settle();
    broker.beginMove(key, 0, 1);
    for (unsigned i = 0; i < turns; i++) broker.turn((i + 1) % 2);
    broker.beginMove(key, 1, 0);
    Client& again = acceptedAt(broker, 0, key);
    CHECK(again.link->toClient.empty() || broker.engine(0).findSession(key)->move == nullptr);
    broker.settle();
    checkOnlyAt(broker, 0, key);
    CHECK(again.texts() == (Texts{"t=0", "t=1", "t=2"}));
    CHECK_EQ(broker.total(Counter::subscriptions), 1);
  }
}

TEST("session moves: subscriptions travel with all their options, in slices of any size") {
  for (const size_t slice : std::vector<size_t>{1, 2, 3, 256}) {
    HandDrivenBroker broker(2, slicesOf(slice));
    Client& publisher = broker.connected("p", 0);
    Client& mover = broker.connected("m", 0);
    mover.subscribe({{.filter = "a/+", .qos = 2, .retainAsPublished = true, .id = 268'435'455}});
    mover.subscribe({{.filter = "own", .qos = 1, .noLocal = true}});
    mover.subscribe({{.filter = "$share/g/s", .qos = 1, .id = 7}, {.filter = "zero", .qos = 0, .id = 7}});
    broker.settle();
    mover.connect(1);
    broker.settle();
    CHECK_EQ(broker.sessionOf(mover)->subscriptions.size(), 4);
    publisher.publish("a/b", "1", 2, true);
    publisher.publish("s", "2", 2);
    publisher.publish("zero", "3", 2);
    mover.publish("own", "4", 1);
    broker.settle();
    CHECK_EQ(mover.received.size(), 3);
    for (const SentPublish& message : mover.received) {
      const int number = std::stoi(message.payload);
      CHECK_EQ(int(message.qos), number == 1 ? 2 : number == 2 ? 1 : 0);
      CHECK_EQ(message.retain, number == 1);
      CHECK(message.subscriptionIds == std::vector<uint32_t>{number == 1 ? 268'435'455u : 7u});
    }
    CHECK_EQ(broker.total(Counter::subscriptions), 4);
    CHECK_EQ(broker.total(Counter::sharedSubscriptions), 1);
    // No route is left over: what nobody subscribes to is told to nobody.
    mover.options.isCleanStart = true;
    mover.connect(0);
    broker.settle();
    CHECK_EQ(broker.total(Counter::subscriptions), 0);
    publisher.acknowledgements.clear();
    for (const char* topic : {"a/b", "own", "s", "zero"}) publisher.publish(topic, "", 1);
    broker.settle();
    CHECK(publisher.acknowledgements == std::vector<Reason>(4, Reason::noMatchingSubscribers));
  }
}

TEST("session moves: no turn takes more than a slice, of a session that moves or ends") {
  constexpr size_t count = 5'000;
  Limits limits;
  HandDrivenBroker broker(2, limits);
  Client& mover = broker.connected("m", 0);
  std::vector<Subscribe> many;
  for (size_t i = 0; i < count; i++) many.push_back({.filter = "f/" + std::to_string(i) + "/+", .qos = 1});
  mover.subscribe(many);
  broker.settle();
  const auto subscriptionsAt = [&](unsigned worker) {
    return broker.engine(worker).counters().get(Counter::subscriptions);
  };
  const auto checkSlices = [&] {
    size_t before[2] = {subscriptionsAt(0), subscriptionsAt(1)};
    for (int i = 0; i < 2'000; i++) {
      broker.turn(unsigned(i % 2));
      for (const unsigned worker : {0u, 1u}) {
        const auto change = std::abs(int64_t(subscriptionsAt(worker)) - int64_t(before[worker]));
        // A turn of the hand-driven broker has two ends, as one of an event loop.
        CHECK(change <= 2 * 2 * int64_t(limits.subscriptionsPerTurn));
        before[worker] = subscriptionsAt(worker);
      }
    }
  };
  mover.connect(1);
  checkSlices();
  broker.settle();
  CHECK_EQ(subscriptionsAt(0), 0);
  CHECK_EQ(subscriptionsAt(1), count);

  // It is gone for everyone at once.
  Client& publisher = broker.connected("p", 0);
  const uint64_t key = broker.sessionOf(mover)->key;
  broker.destroy(*broker.sessionOf(mover), 1);
  CHECK(!broker.engine(1).findSession(key));
  CHECK(subscriptionsAt(1) > count / 2);
  for (size_t i = 0; i < count; i += 100) publisher.publish("f/" + std::to_string(i) + "/x", "", 1);
  checkSlices();
  broker.settle();
  CHECK_EQ(broker.total(Counter::subscriptions), 0);
  CHECK_EQ(broker.total(Counter::queued), 0);
  CHECK_EQ(broker.total(Counter::publishSent), 0);
}

TEST("session moves: of a session that the other worker does not have, an empty one is here") {
  HandDrivenBroker broker(3);
  for (const unsigned from : {0u, 1u, 2u}) {
    const uint64_t key = 1'000 + from;
    broker.beginMove(key, from, 1);
    broker.settle();
    checkOnlyAt(broker, 1, key);
    CHECK(broker.engine(1).findSession(key)->subscriptions.isEmpty());
  }
  CHECK_EQ(broker.total(Counter::sessions), 3);
}

TEST("session moves: at its own worker a session is there, or will be") {
  HandDrivenBroker broker(2);
  const uint64_t key = waitingSession(broker);
  broker.beginMove(key, 0, 0);
  CHECK(!broker.engine(0).frontEnd().events().isEmpty());
  broker.settle();
  checkOnlyAt(broker, 0, key);
  broker.beginMove(key, 0, 1);
  broker.beginMove(key, 1, 1);
  broker.beginMove(key, 0, 1);  // asked for again
  broker.settle();
  checkOnlyAt(broker, 1, key);
  CHECK_EQ(broker.engine(1).findSession(key)->queue.size(), 4);
  broker.beginMove(key, 1, 0);
  broker.turn(0);
  broker.turn(1);
  broker.beginMove(key, 1, 1);  // the session directory does not know that it has left
  broker.settle();
  checkOnlyAt(broker, 1, key);
  CHECK_EQ(broker.engine(1).findSession(key)->queue.size(), 4);
}

TEST("session moves: the thread that follows learns the state of each session, and hears of those that arrive") {
  for (unsigned turns = 0; turns < 8; turns++) {
    HandDrivenBroker broker(2);
    const uint64_t key = waitingSession(broker);
    broker.beginMove(key, 0, 1);
    for (unsigned i = 0; i < turns; i++) broker.turn(i % 2);
    const auto stateAt = [&](unsigned worker) {
      const Session* session = broker.engine(worker).findSession(key);
      return session ? int(SessionMoves::stateOf(*session)) : -1;
    };
    broker.engine(1).abandonConnections();
    broker.engine(1).attach();  // the next one
    CHECK(stateAt(1) == int(SessionState::arriving) || stateAt(1) == int(SessionState::settled));
    CHECK(stateAt(0) != int(SessionState::arriving));
    if (stateAt(1) == int(SessionState::settled)) CHECK_EQ(stateAt(0), -1);
    const bool hasToHear = stateAt(1) == int(SessionState::arriving);
    bool hasHeard = false;
    for (int i = 0; i < 20; i++) {
      broker.engine(1).drainLanes();
      for (Fifo<Event>& events = broker.engine(1).frontEnd().events(); !events.isEmpty(); events.pop())
        hasHeard |= events.front().kind == EventKind::sessionArrived && events.front().value == key;
      broker.engine(1).endTurn();
      broker.turn(0);
    }
    CHECK_EQ(hasHeard, hasToHear);
    CHECK_EQ(stateAt(1), int(SessionState::settled));
    CHECK_EQ(broker.engine(1).findSession(key)->queue.size(), 4);
  }
}

// --- every cell of the table ------------------------------------------------------------------------

namespace {

// A session at worker 1 of three in each state: what it holds comes from worker 0 and goes to worker 2. They are in one
// node, or in three.
enum class At { nowhere, settled, fetching, switching, landing, sending, leaving, flushing, kept };
constexpr At allStates[] = {At::nowhere, At::settled, At::fetching, At::switching, At::landing,
                            At::sending, At::leaving, At::flushing, At::kept};

bool isBetweenNodes(At state) { return state == At::landing || state == At::kept; }

struct Stage {
  const bool areNodes;
  HandDrivenBroker broker;
  uint64_t key = 1'000;
  std::set<unsigned> lost;

  Stage(At state, bool hasNodes)
      : areNodes(hasNodes),
        broker(hasNodes ? HandDrivenBroker(std::vector<unsigned>{1, 1, 1}, slicesOf(1))
                        : HandDrivenBroker(3, slicesOf(1))) {
    if (state == At::nowhere) {
      broker.connected("p", 0);
      return;
    }
    key = waitingSession(broker, {{.filter = "t", .qos = 1}, {.filter = "$share/g/u"}, {.filter = "+/w"}});
    broker.beginMove(key, 0, 1);
    if (state == At::fetching || state == At::switching || state == At::landing) {
      goOn(state);
      return;
    }
    broker.settle();
    if (state == At::settled) return;
    broker.beginMove(key, 1, 2);
    goOn(state);
  }

  void lose(unsigned worker) {
    broker.lose(worker);
    lost.insert(worker);
    broker.turn(1);  // it hears of it
  }
  void end(unsigned worker) {
    if (Session* ended = broker.engine(worker).findSession(key)) broker.destroy(*ended, worker);
  }
  Session* session() { return broker.engine(1).findSession(key); }
  // The move that brings the session, or takes it away: of those on here, the one that the state is about.
  uint64_t number() {
    const Session* here = session();
    if (!here || !here->move) return 0;
    return here->move->isArriving() ? here->move->stay.arrival : here->move->stay.departure;
  }
  At state() {
    const Session* here = session();
    if (!here) return At::nowhere;
    if (!here->move) return At::settled;
    switch (here->move->state) {
      case State::settled: return At::settled;
      case State::fetching: return At::fetching;
      case State::switching: return At::switching;
      case State::sending: return At::sending;
      case State::leaving: return At::leaving;
      case State::landing: return At::landing;
      case State::kept: return At::kept;
      default: return At::flushing;
    }
  }

 private:
  // The workers run until worker 1 is in the state: stage by stage, so that it may be in the middle of a turn then, or
  // turn by turn, where frames come.
  void goOn(At wanted) {
    for (unsigned i = 0; i < 300 && state() != wanted; i++) {
      if (areNodes) broker.turn((i + 1) % 3);
      else broker.advance((i + 1) % 3, 1);
    }
    CHECK(state() == wanted);
  }
};

enum class Given {
  beginFromOther,  // local
  destroy,         // local
  fetch,           // of a later move
  fetchAgain,      // of the move that takes the session away
  slice,
  nothing,
  arriving,
  parcel,
  departing,
  flushed,
  abandon,
  sourceEnds,  // the session is destroyed where it comes from
  targetEnds,  // and where it goes
  landed,
  released,
  sourceLost,  // the node that it comes from
  targetLost,  // and the one that it goes to
  lateSlice,   // these of a move that is over
  lateParcel,
  lateArriving,
  lateDeparting,
  lateFlushed,
  lateAbandon,
  lateLanded,
  lateReleased,
};
constexpr Given allGiven[] = {
    Given::beginFromOther, Given::destroy,     Given::fetch,       Given::fetchAgain, Given::slice,
    Given::nothing,        Given::arriving,    Given::parcel,      Given::departing,  Given::flushed,
    Given::abandon,        Given::sourceEnds,  Given::targetEnds,  Given::landed,     Given::released,
    Given::sourceLost,     Given::targetLost,  Given::lateSlice,   Given::lateParcel, Given::lateArriving,
    Given::lateDeparting,  Given::lateFlushed, Given::lateAbandon, Given::lateLanded, Given::lateReleased};

bool isLate(Given input) { return input >= Given::lateSlice; }

request::SubscriptionsOfSession sliceOf(uint64_t key, uint64_t number, bool isNothing) {
  auto slice = std::make_unique<SubscriptionSlice>();
  slice->session = key;
  slice->move = number;
  slice->isNothing = isNothing;
  return {.carried = Carried(std::move(slice))};
}
request::Parcel parcelOf(uint64_t key, uint64_t number) {
  auto parcel = std::make_unique<SessionParcel>();
  parcel->key = key;
  parcel->move = number;
  return {.carried = Carried(std::move(parcel))};
}

// What the other side would send in this state, or an input that is late, reaches worker 1.
void give(Stage& stage, Given input) {
  constexpr uint64_t over = 999'999;
  SessionMoves& moves = stage.broker.engine(1).moves();
  const uint64_t key = stage.key;
  const uint64_t number = isLate(input) ? over : stage.number();
  switch (input) {
    case Given::beginFromOther: stage.broker.beginMove(key, 2, 1); break;
    case Given::destroy: stage.end(1); break;
    case Given::sourceEnds: stage.end(0); break;
    case Given::targetEnds: stage.end(2); break;
    case Given::fetch: stage.broker.beginMove(key, 1, 2); break;
    case Given::fetchAgain: moves.take(request::FetchSession{.session = key, .move = number}, 2); break;
    case Given::slice:
    case Given::lateSlice:
      moves.take(sliceOf(key, number, false), 0);
      moves.proceed();
      break;
    case Given::nothing:
      if (stage.state() == At::fetching) stage.end(0);
      moves.take(sliceOf(key, number, true), 0);
      moves.proceed();
      break;
    case Given::arriving:
    case Given::lateArriving: moves.onArriving({.session = key, .move = number}, 2); break;
    case Given::parcel:
    case Given::lateParcel: moves.take(parcelOf(key, number), 0); break;
    case Given::departing:
    case Given::lateDeparting: moves.onDeparting({.session = key, .move = number}, 2); break;
    case Given::flushed:
    case Given::lateFlushed: moves.onFlushed({.session = key, .move = number}, 2); break;
    case Given::abandon:
      if (stage.state() >= At::sending) stage.end(2);
      [[fallthrough]];
    case Given::lateAbandon: moves.take(request::AbandonMove{.session = key, .move = number}, 2); break;
    case Given::landed:
    case Given::lateLanded: moves.take(request::SessionLanded{.session = key, .move = number}, 2); break;
    case Given::released:
    case Given::lateReleased: moves.take(request::SessionReleased{.session = key, .move = number}, 0); break;
    case Given::sourceLost: stage.lose(0); break;
    case Given::targetLost: stage.lose(2); break;
  }
}

// What the others are about to send in this state themselves, once: what follows is seen when they go on.
bool isOnItsWay(At state, Given given) {
  switch (state) {
    case At::settled: return given == Given::fetchAgain;  // Given::fetch is the same
    case At::fetching: return given == Given::slice || given == Given::parcel;
    case At::switching: return given == Given::arriving || given == Given::parcel || given == Given::nothing;
    case At::sending: return given == Given::fetchAgain;
    case At::leaving: return given == Given::departing;
    case At::flushing: return given == Given::flushed;
    default: return false;
  }
}

bool isLeaving(At state) { return state >= At::sending; }
bool isAwaited(At state) { return state == At::fetching || state == At::switching; }
bool isArriving(At state) { return isAwaited(state) || state == At::landing; }
bool isLoss(Given given) { return given == Given::sourceLost || given == Given::targetLost; }

// The state that follows at once. Where the table has "-" it is the same.
At after(At state, Given given) {
  switch (given) {
    case Given::beginFromOther: return state == At::nowhere ? At::fetching : state;
    case Given::destroy: return At::nowhere;
    case Given::nothing: return state == At::fetching ? At::settled : state;
    case Given::abandon: return isLeaving(state) ? At::nowhere : state;
    case Given::landed: return state == At::kept ? At::nowhere : state;
    case Given::released: return state == At::landing ? At::settled : state;
    case Given::sourceLost:
      if (isAwaited(state)) return At::nowhere;
      return state == At::landing ? At::settled : state;
    case Given::targetLost: return isLeaving(state) ? At::settled : state;
    default: return state;
  }
}

// Whether it is the session that ends, and not only what one worker has of it.
bool isTheEnd(At state, Given given) {
  if (given == Given::destroy) return state == At::settled || isArriving(state);
  if (isAwaited(state) && given == Given::sourceLost) return true;
  return isLeaving(state) && (given == Given::abandon || given == Given::targetEnds);
}
// Whether the session is to be somewhere afterwards, with all that it held.
bool isHarmless(At state, Given given) {
  if (state == At::nowhere || given == Given::destroy) return false;
  if (isArriving(state) && (given == Given::nothing || given == Given::sourceEnds)) return false;
  if (isAwaited(state) && given == Given::sourceLost) return false;
  return !isTheEnd(state, given);
}

// What all workers have in the end.
struct Left {
  size_t sessions = 0;
  size_t moves = 0;
  size_t subscriptions = 0;
  size_t queued = 0;
};
Left leftOf(Stage& stage) {
  Left left;
  for (unsigned worker = 0; worker < stage.broker.workers(); worker++) {
    const Session* session = stage.broker.engine(worker).findSession(stage.key);
    if (!session || stage.lost.contains(worker)) continue;
    left.sessions++;
    left.moves += session->move ? 1 : 0;
    left.subscriptions += session->subscriptions.size();
    left.queued += session->queue.size();
  }
  return left;
}

struct Cell {
  At state;
  Given given;
  bool areNodes;
};
// Between workers of one node nothing is lost, and nothing kept.
std::vector<Cell> allCells() {
  std::vector<Cell> cells;
  for (const At state : allStates) {
    for (const Given given : allGiven) {
      if (!isBetweenNodes(state) && !isLoss(given)) cells.push_back({state, given, false});
      cells.push_back({state, given, true});
    }
  }
  return cells;
}

}  // namespace

TEST("session moves: one leaves a worker of which not all have heard yet") {
  HandDrivenBroker broker(3);
  broker.startCluster({0, 1});
  broker.join(2, bitOf(1));
  Client& publisher = broker.connected("p", 0);
  Client& away = broker.connected("s", 2);
  away.subscribe("#", 1);
  broker.settle();
  const uint64_t key = broker.sessionOf(away)->key;
  away.drop();
  broker.settle();
  const std::string topic = broker.ownedBy(1, "t");
  const auto publish = [&](const std::string& text) {
    publisher.publish(topic, text, 1);
    broker.settle();
  };
  broker.beginMove(key, 2, 0);
  broker.settle();
  publish("1");
  broker.learnJoined(1);
  broker.settle();
  publish("2");
  checkOnlyAt(broker, 0, key);
  Client& again = acceptedAt(broker, 0, key);
  broker.settle();
  CHECK(again.texts() == (Texts{topic + "=1", topic + "=2"}));
}

TEST("session moves: whatever comes in whatever state, the table says what follows and nobody waits for ever") {
  for (const auto [state, given, areNodes] : allCells()) {
    Stage stage(state, areNodes);
    const std::string cell = " (state " + std::to_string(int(state)) + ", given " + std::to_string(int(given)) +
                             (areNodes ? ", three nodes)" : ")");
    const uint64_t number = stage.number();
    if (!isOnItsWay(state, given)) give(stage, given);
    if (stage.state() != after(state, given)) FAIL(("what follows is not what the table says" + cell).c_str());
    if (isLate(given) && stage.number() != number) FAIL(("a late record has changed a move" + cell).c_str());
    if (!stage.broker.settle()) FAIL(("somebody waits" + cell).c_str());
    const Left left = leftOf(stage);
    if (left.moves > 0) FAIL(("a move does not end" + cell).c_str());
    if (left.sessions > 1) FAIL(("there are two" + cell).c_str());
    if (isTheEnd(state, given) && left.sessions > 0) FAIL(("a session is left over" + cell).c_str());
    if (isHarmless(state, given) && (left.queued != 4 || left.subscriptions != 3))
      FAIL(("something is lost" + cell).c_str());
    if (!stage.lost.empty()) continue;  // who counts too
    if (stage.broker.total(Counter::sessions) != left.sessions + 1)
      FAIL(("sessions are counted wrongly" + cell).c_str());
    if (stage.broker.total(Counter::subscriptions) != left.subscriptions)
      FAIL(("subscriptions are left over" + cell).c_str());
    if (stage.broker.total(Counter::queued) != left.queued) FAIL(("messages are counted wrongly" + cell).c_str());
  }
}

// At every moment of a move between two nodes, of which one is lost then.
TEST("session moves: whichever of two nodes is lost, the other one has the session whole, or none of it") {
  size_t stayed = 0, landed = 0, none = 0;
  check::eachSeed(150, [&](check::Random& random) {
    std::deque<KeptDisk> disks(3);
    HandDrivenBroker broker(disks, std::vector<unsigned>{1, 1, 1}, slicesOf(1 + random.below(2)));
    const uint64_t key = waitingSession(broker,
                                        {{.filter = "t", .qos = 1}, {.filter = "$share/g/u"}, {.filter = "+/w"}}, 2);
    for (KeptDisk& disk : disks) disk.commitsAtOnce = false;
    broker.beginMove(key, 0, 1);
    const auto isAt = [&](unsigned worker) {
      const Session* session = broker.engine(worker).findSession(key);
      return session && (!session->move || !session->move->isAwaited());
    };
    for (uint64_t steps = random.below(400); steps > 0; steps--) {
      broker.step(random);
      if (random.chance(20)) disks[random.below(3)].commit(1);
      // What is to be used is nowhere else.
      if (broker.arrived.contains({1, key})) CHECK(isAt(1) && !broker.engine(0).findSession(key));
      CHECK(isAt(0) || isAt(1));
    }
    const unsigned lost = unsigned(random.below(2)), other = 1 - lost;
    const bool hadIt = isAt(lost);
    broker.lose(lost);
    for (KeptDisk& disk : disks) disk.commitsAtOnce = true;
    for (KeptDisk& disk : disks) disk.commit();
    CHECK(broker.settle());
    const Session* session = broker.engine(other).findSession(key);
    if (other == 1) CHECK(broker.arrived.contains({1, key}));
    if (!session) {
      CHECK(hadIt);
      none++;
      return;
    }
    (other == 0 ? stayed : landed)++;
    CHECK(!session->move);
    CHECK_EQ(session->subscriptions.size(), 3u);
    CHECK_EQ(session->queue.size(), 4u);
    CHECK(session->durable != nullptr);
    // It goes on where it is.
    broker.beginMove(key, other, 2);
    CHECK(broker.settle());
    CHECK_EQ(broker.engine(2).findSession(key)->queue.size(), 4u);
    CHECK(!broker.engine(other).findSession(key));
  });
  CHECK(stayed > 0 && landed > 0 && none > 0);
}

// --- at random ------------------------------------------------------------------------------------------

namespace {

using Counts = std::map<std::pair<std::string, std::string>, int>;  // publisher, topic -> sent

void publishNext(Client& publisher, const std::string& topic, int qos, Counts& counts) {
  publisher.publish(topic, publisher.name() + ":" + std::to_string(counts[{publisher.name(), topic}]++), qos);
}

}  // namespace

TEST("session moves: chains begun at any moment, broken links, all QoS: no loss, no double, in order, nothing left") {
  check::eachSeed(80, [](check::Random& random) {
    const unsigned workers = unsigned(random.between(2, 4));
    Limits limits = slicesOf(random.pick(std::vector<size_t>{1, 2, 3, 256}));
    limits.laneRecords = random.pick(std::vector<uint32_t>{32, 128, 16'384});
    limits.inflightMax = uint16_t(random.between(1, 50));
    HandDrivenBroker broker(workers, limits, kinds[random.below(2)]);
    std::vector<Client*> publishers;
    for (unsigned i = 0; i < workers; i++) publishers.push_back(&broker.connected("p" + std::to_string(i), i));
    Client& mover = broker.connected("m", 0);
    mover.subscribe(
        {{.filter = "2/#", .qos = 2}, {.filter = "2/a", .qos = 1}, {.filter = "1/+", .qos = 1}, {.filter = "0/+"}});
    for (int i = 0; i < 5; i++) mover.subscribe({{.filter = "more/" + std::to_string(i)}});
    broker.settle();
    const uint64_t key = broker.sessionOf(mover)->key;
    mover.drop();
    broker.settle();
    Counts counts[3];
    unsigned at = 0;
    const auto publishSome = [&] {
      const int qos = int(random.below(3));
      publishNext(*random.pick(publishers), std::to_string(qos) + "/" + std::string(1, char('a' + random.below(3))),
                  qos, counts[qos]);
    };
    // The session moves natively, and its client comes to where it last went, often before it is there itself.
    for (int step = 0; step < 1'500; step++) {
      if (random.chance(20)) publishSome();
      if (random.chance(2)) {
        const auto to = unsigned(random.below(workers));
        broker.beginMove(key, at, to);
        if (to != at) mover.drop();
        at = to;
      }
      if (random.chance(2)) random.pick(publishers)->connect(unsigned(random.below(workers)));
      if (random.chance(4) && mover.link) {
        const std::string filter = "extra/" + std::to_string(random.below(4));
        if (random.chance(50)) mover.subscribe({{.filter = filter, .qos = 1}});
        else mover.unsubscribe(filter);
      }
      if (random.chance(2) && !mover.link) {
        mover.connect(at);
        mover.takeSent();
        broker.turn(at);
        mover.isConnected = true;
        broker.accept(mover, *broker.engine(at).findSession(key));
        mover.outstanding.clear();
      } else if (random.chance(1)) {
        mover.drop();
      }
      broker.step(random);
    }
    for (Client* publisher : publishers) {
      if (!publisher->isConnected) publisher->connect(publisher->link ? publisher->link->worker : 0);
    }
    broker.settle();
    mover.drop();
    broker.settle();
    checkOnlyAt(broker, at, key);
    const size_t subscriptions = broker.engine(at).findSession(key)->subscriptions.size();
    CHECK(subscriptions >= 9 && subscriptions <= 9 + 4);  // of the last packets some were lost with their connection
    CHECK_EQ(broker.total(Counter::subscriptions), subscriptions);
    mover.connect(at);
    mover.takeSent();
    broker.turn(at);
    mover.isConnected = true;
    broker.accept(mover, *broker.engine(at).findSession(key));
    broker.settle();
    for (int qos = 0; qos < 3; qos++) {
      Counts seen;
      for (const SentPublish& message : mover.received) {
        if (message.topic[0] - '0' != qos) continue;
        const size_t colon = message.payload.find(':');
        int& next = seen[{message.payload.substr(0, colon), message.topic}];
        const int number = std::stoi(message.payload.substr(colon + 1));
        if (qos == 0) {
          CHECK(number >= next);
          next = number + 1;
        } else if (number == next) {
          next++;
        } else {
          CHECK(number < next && qos == 1);
        }
      }
      if (qos > 0) {
        for (const auto& [from, sent] : counts[qos]) CHECK_EQ(seen[from], sent);
      }
    }
    CHECK_EQ(broker.total(Counter::sessions), workers + 1);
    CHECK_EQ(broker.total(Counter::queued), 0);
  });
}

TEST("session moves: a session that is destroyed at any moment of any chain leaves nothing on any worker") {
  check::eachSeed(100, [](check::Random& random) {
    const unsigned workers = unsigned(random.between(2, 4));
    Limits limits = slicesOf(random.pick(std::vector<size_t>{1, 2, 256}));
    limits.laneRecords = random.pick(std::vector<uint32_t>{32, 16'384});
    HandDrivenBroker broker(workers, limits);
    Client& publisher = broker.connected("p", 0);
    Client& reader = broker.connected("r", workers - 1);
    reader.subscribe({{.filter = "$share/g/s", .qos = 1}});
    Client& away = broker.connected("a", 0);
    away.subscribe({{.filter = "t/+", .qos = 1},
                    {.filter = "$share/g/s", .qos = 1},
                    {.filter = "x"},
                    {.filter = "y", .retainHandling = 0}});
    broker.settle();
    const uint64_t key = broker.sessionOf(away)->key;
    away.drop();
    broker.settle();
    unsigned at = 0;
    std::vector<bool> wasAt(workers);
    bool hasComeBack = false;
    std::set<std::string> shared;
    const auto goOn = [&](size_t steps) {
      for (; steps > 0; steps--) {
        if (random.chance(10)) publisher.publish("t/a", "", 1);
        if (random.chance(10)) {
          const std::string payload = std::to_string(shared.size());
          shared.insert(payload);
          publisher.publish("s", payload, 1);
        }
        broker.step(random);
      }
    };
    for (size_t moves = random.below(6); moves > 0; moves--) {
      const auto to = unsigned(random.below(workers));
      broker.beginMove(key, at, to);
      wasAt[at] = true;
      at = to;
      hasComeBack = wasAt[to];
      goOn(random.below(60));
    }
    const unsigned where = random.chance(75) ? at : unsigned(random.below(workers));
    Session* session = broker.engine(where).findSession(key);
    if (session) {
      broker.destroy(*session, where);
      CHECK(!broker.engine(where).findSession(key));
    }
    goOn(random.below(30));
    // It may be made anew under its key while what is left of it is on its way; not where it has been before, as a
    // worker that comes for what was there then would be given the new one. The directory never gives a key twice.
    const bool isAnew = random.chance(30) && where == at && session && !hasComeBack;
    if (isAnew) broker.engine(at).createSession(key);
    broker.settle();
    if (where == at && session) {
      CHECK_EQ(countSessions(broker, key), (isAnew ? 1 : 0));
      CHECK_EQ(broker.total(Counter::sessions), (isAnew ? 3 : 2));
      CHECK_EQ(broker.total(Counter::subscriptions), 1);
      CHECK_EQ(broker.total(Counter::sharedSubscriptions), 1);
      CHECK_EQ(broker.total(Counter::queued), 0);
      std::set<std::string> got;
      for (const SentPublish& message : reader.received) got.insert(message.payload);
      CHECK(got == shared);
    } else {
      CHECK(countSessions(broker, key) <= 1);
    }
    for (unsigned worker = 0; worker < workers; worker++) {
      const Session* left = broker.engine(worker).findSession(key);
      CHECK(!left || !left->move);
      CHECK(!broker.engine(worker).hasWork());
    }
  });
}
