// Whole engines on threads of their own, as the workers of a broker run them, under load: what is shared between
// threads shows itself to ThreadSanitizer, what is used after its end to AddressSanitizer.
//
//   a thread per engine    its clients act -> drain lanes, events -> end of turn -> sleep until the doorbell rings
//   between the threads    the lanes, and a box in which a session that moves comes to its next worker
//
// A client and its socket belong to the worker that it is connected to. What it got must be in order. With a store,
// what waits is read back by a thread of its own, and checkpoints are written meanwhile.
#include <poll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "fake-transport.h"
#include "sent-publish.h"

#include "../../native/durable/store.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned engineCount = 4;
constexpr uint8_t version = 5;
// The load goes on until there was enough of it, however much of the machine the test has.
constexpr uint64_t deliveriesMin = 40'000;
constexpr uint64_t movesMin = 500;
constexpr auto loadTimeMax = std::chrono::seconds(120);
constexpr auto restTimeMax = std::chrono::seconds(60);
constexpr size_t guestsPerEngine = 5;      // clean sessions that come and go
constexpr size_t travellersPerEngine = 4;  // lasting sessions that move from worker to worker
constexpr size_t unansweredMax = 30;

const std::vector<std::string> filters = {"t/1", "t/2", "t/+", "t/#", "$share/g/s/#", "$share/h/s/1", "r/#"};
const std::vector<std::string> topics = {"t/1", "t/2", "t/3", "s/1", "s/2", "r/1", "r/2"};

struct Visitor {
  uint64_t key = 0;
  bool isLasting = false;
  std::unique_ptr<Link> link;              // none while it is away
  std::map<uint16_t, uint8_t> unanswered;  // packet identifier -> QoS, or 3 when its PUBREC has come
  uint16_t packetIds = 0;
  uint64_t published = 0;
  // The last number that came of each publisher and topic.
  std::map<std::string, uint64_t> last;
  std::vector<uint16_t> held;  // QoS 2 that was received and is not released
  uint64_t received = 0;
};

class Worker {
 public:
  Worker(rally::Broker& broker, unsigned index, std::vector<std::unique_ptr<Worker>>& all)
      : index_(index),
        engine_(broker.engine(index)),
        all_(all),
        transport_(engine_.frontEnd(), FakeTransport::Kind::tcp),
        random_(index + 1) {}

  // All of them begin anew. `contentBytes`: of each message, about.
  static void reset(size_t contentBytes) {
    padding = std::string(contentBytes, '.');
    isResting = isOver = false;
    moves = deliveries = disorder = keys = busyTurns = 0;
    for (auto& turns : idleTurns) turns = 0;
  }

  void run() {
    engine_.attach();
    engine_.beginTurn(nowMs());
    for (size_t i = 0; i < guestsPerEngine; i++) addNew(false);
    for (size_t i = 0; i < travellersPerEngine; i++) addNew(true);
    while (!isOver) {
      openBox();
      for (size_t i = 0; i < visitors_.size(); i++) {
        if (!isResting) act(i);
      }
      turn();
      for (const auto& visitor : visitors_) read(*visitor);
      turn();
      sleep();
    }
  }

  static uint64_t nowMs() {
    return uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count());
  }

  // What main() tells all workers, and hears from them.
  static inline std::atomic<bool> isResting{false};
  static inline std::atomic<bool> isOver{false};
  static inline std::atomic<uint64_t> moves{0};
  static inline std::atomic<uint64_t> deliveries{0};
  static inline std::atomic<uint64_t> disorder{0};
  static inline std::atomic<uint64_t> keys{0};
  static inline std::string padding;
  // Turns in which a worker had something to do.
  static inline std::atomic<uint64_t> busyTurns{0};
  // Turns of each worker in which it had looked at everything and found nothing.
  static inline std::array<std::atomic<uint64_t>, engineCount> idleTurns{};

  size_t unanswered() const {
    size_t count = arriving_.size();
    for (const auto& visitor : visitors_) count += visitor->unanswered.size();
    return count;
  }

 private:
  // A session that comes from another worker.
  struct Move {
    std::unique_ptr<Visitor> visitor;
    unsigned from;
  };

  // --- what clients do ------------------------------------------------------------------------------

  void act(size_t index) {
    Visitor& visitor = *visitors_[index];
    const size_t drawn = random_.below(100);
    if (!visitor.link || !visitor.link->connection) {
      if (visitor.isLasting) move(index);
      else if (drawn < 30) attach(visitor);
      return;
    }
    // As a socket that is not read, it takes nothing until what it has sent before is taken.
    if (drawn < 24 && visitor.link->connection->input.paused()) return;
    if (drawn < 10) publishSome(visitor);
    else if (drawn < 14) subscribe(visitor);
    else if (drawn < 18) unsubscribe(visitor);
    else if (drawn < 20) leave(visitor);
    else if (drawn < 24 && visitor.isLasting) move(index);
    else if (drawn < 26) visitor.link->room = random_.below(200);  // it stops reading ...
    else if (drawn < 40) transport_.makeRoom(*visitor.link, SIZE_MAX);
  }

  void publishSome(Visitor& visitor) {
    Octets bytes;
    const std::string& topic = random_.pick(topics);
    for (size_t i = random_.between(1, 6); i > 0 && visitor.unanswered.size() < unansweredMax; i--) {
      SentPublish publish{.topic = topic, .qos = uint8_t(random_.below(3))};
      publish.payload = std::to_string(visitor.key) + ":" + std::to_string(++visitor.published) + padding;
      publish.retain = topic[0] == 'r';
      if (publish.retain && random_.chance(10)) publish.payload.clear();
      if (publish.qos > 0) {
        while (visitor.packetIds == 0 || visitor.unanswered.contains(visitor.packetIds)) visitor.packetIds++;
        publish.packetId = visitor.packetIds;
        visitor.unanswered[visitor.packetIds++] = publish.qos;
      }
      appendOctets(bytes, encode(publish, version));
    }
    if (!bytes.empty()) engine_.frontEnd().receive(*visitor.link->connection, Exact(bytes));
  }

  void subscribe(Visitor& visitor) {
    rally::Session& session = *engine_.findSession(visitor.key);
    if (session.subscribing) return;
    const uint64_t token = engine_.subscriptions().nextToken();
    for (size_t i = random_.between(1, 3); i > 0; i--) {
      const rally::SubscriptionOptions options{.qos = uint8_t(random_.below(3))};
      engine_.subscriptions().subscribe(session, bytesOf(random_.pick(filters)), options, token);
    }
    subscribing_[token] = visitor.key;
    engine_.subscriptions().finishSubscribe(session, token);
  }

  void unsubscribe(Visitor& visitor) {
    engine_.subscriptions().unsubscribe(*engine_.findSession(visitor.key), bytesOf(random_.pick(filters)));
  }

  // --- sessions and connections ---------------------------------------------------------------------

  void addNew(bool isLasting) {
    visitors_.push_back(std::make_unique<Visitor>());
    visitors_.back()->isLasting = isLasting;
    attach(*visitors_.back());
  }

  // A new connection, with the session of before or a new one.
  void attach(Visitor& visitor) {
    if (visitor.key == 0) {
      visitor.key = ++keys;
      engine_.createSession(visitor.key);
    }
    connect(visitor);
    subscribe(visitor);
  }

  void connect(Visitor& visitor) {
    rally::Connection& connection = engine_.frontEnd().open(transport_);
    visitor.link = std::make_unique<Link>();
    visitor.link->connection = &connection;
    connection.socket = visitor.link.get();
    rally::ConnectionTerms terms;
    terms.version = version;
    terms.receiveMaximum = uint16_t(random_.between(1, 20));
    terms.sessionExpirySeconds = visitor.isLasting ? 3'600 : 0;
    const std::string clientId = "c" + std::to_string(visitor.key);
    terms.clientId = bytesOf(clientId);
    engine_.frontEnd().accept(connection, *engine_.findSession(visitor.key), std::move(terms), {});
  }

  // The socket is gone, and with a clean session all there was.
  void leave(Visitor& visitor) {
    if (visitor.link && visitor.link->connection) transport_.sever(*visitor.link->connection);
    engine_.frontEnd().takeLeave();
    engine_.frontEnd().leaveDrained();
    visitor.link.reset();
    visitor.unanswered.clear();  // it publishes nothing again
    if (visitor.isLasting) return;
    engine_.destroySession(*engine_.findSession(visitor.key));
    visitor.key = 0;
    visitor.last.clear();
    visitor.held.clear();
  }

  void move(size_t index) {
    Visitor& visitor = *visitors_[index];
    const auto to = unsigned(random_.below(engineCount));
    if (to == index_) {
      if (!visitor.link) connect(visitor);
      return;
    }
    if (visitor.link) leave(visitor);
    Move moving{std::move(visitors_[index]), index_};
    visitors_.erase(visitors_.begin() + long(index));
    all_[to]->send(std::move(moving));
    moves++;
  }

  // From any thread.
  void send(Move moving) {
    {
      const std::lock_guard lock(mutex_);
      box_.push_back(std::move(moving));
    }
    isBoxFull_ = true;
    engine_.doorbell().ring();
  }

  void openBox() {
    if (!isBoxFull_.exchange(false)) return;
    std::vector<Move> arrived;
    {
      const std::lock_guard lock(mutex_);
      arrived.swap(box_);
    }
    for (Move& moving : arrived) {
      const uint64_t key = moving.visitor->key;
      arriving_[key] = std::move(moving.visitor);
      engine_.moves().begin(key, moving.from);
    }
  }

  // --- the event loop -------------------------------------------------------------------------------

  void turn() {
    engine_.beginTurn(nowMs());
    engine_.drainLanes();
    for (rally::Fifo<rally::Event>& events = engine_.frontEnd().events(); !events.isEmpty();) {
      const rally::Event event = std::move(events.front());
      events.pop();
      onEvent(event);
    }
    engine_.endTurn();
    if (++turns_ % 1'000 == 0) engine_.tick();
  }

  void onEvent(const rally::Event& event) {
    switch (event.kind) {
      case rally::EventKind::subscribed:
        if (rally::Session* session = engine_.findSession(subscribing_[event.value]))
          engine_.subscriptions().endSubscribe(*session, event.value);
        subscribing_.erase(event.value);
        break;
      case rally::EventKind::sessionArrived: {
        auto found = arriving_.extract(event.value);
        if (!CHECK(!found.empty())) break;
        visitors_.push_back(std::move(found.mapped()));
        connect(*visitors_.back());
        break;
      }
      case rally::EventKind::ended: FAIL("a connection was ended"); break;
      case rally::EventKind::gone: engine_.frontEnd().release(engine_.frontEnd().connection(event.slot)); break;
      case rally::EventKind::closed:
      case rally::EventKind::dropped: break;  // nobody waits for it
      default: FAIL("an event that nothing here brings about");
    }
  }

  void sleep() {
    rally::Doorbell& doorbell = engine_.doorbell();
    doorbell.sleep();
    const bool hasUnread = std::any_of(visitors_.begin(), visitors_.end(), [](const auto& visitor) {
      return visitor->link && visitor->link->connection && !visitor->link->toClient.empty();
    });
    const bool isBusy = engine_.hasWork() || isBoxFull_ || hasUnread || !isResting;
    if (isBusy) {
      busyTurns++;
    } else {
      idleTurns[index_]++;
      pollfd wanted{doorbell.fd(), POLLIN, 0};
      poll(&wanted, 1, 5);
    }
    doorbell.wake();
    doorbell.answer();
  }

  // --- what comes -----------------------------------------------------------------------------------

  void read(Visitor& visitor) {
    if (!visitor.link || !visitor.link->connection) return;
    if (isResting) transport_.makeRoom(*visitor.link, SIZE_MAX);
    const std::string bytes = std::exchange(visitor.link->toClient, {}).insert(0, visitor.link->toBroker);
    size_t at = 0;
    Octets answers;
    while (at + 2 <= bytes.size()) {
      size_t length = 0;
      size_t next = at + 1;
      for (int shift = 0; next < bytes.size(); shift += 7) {
        const auto byte = uint8_t(bytes[next++]);
        length |= size_t(byte & 0x7f) << shift;
        if (byte < 128) break;
      }
      if (next + length > bytes.size()) break;
      onPacket(visitor, uint8_t(bytes[at]), bytesOf(bytes).subspan(next, length), answers);
      at = next + length;
    }
    visitor.link->toBroker = bytes.substr(at);  // the beginning of a packet
    if (!answers.empty()) engine_.frontEnd().receive(*visitor.link->connection, Exact(answers));
  }

  void onPacket(Visitor& visitor, uint8_t first, Bytes body, Octets& answers) {
    busyTurns++;
    if (first >> 4 == 3) {
      onPublish(visitor, first, body, answers);
      return;
    }
    const auto packetId = uint16_t(body[0] << 8 | body[1]);
    switch (first >> 4) {
      case 4:
      case 7: CHECK_EQ(visitor.unanswered.erase(packetId), 1); break;
      case 5: appendOctets(answers, acknowledgement(0x62, packetId)); break;
      case 6:
        std::erase(visitor.held, packetId);
        appendOctets(answers, acknowledgement(0x70, packetId));
        break;
      default: FAIL("a packet that nobody asked for");
    }
  }

  void onPublish(Visitor& visitor, uint8_t first, Bytes body, Octets& answers) {
    const std::optional<SentPublish> publish = decodePublish(first, body, version);
    if (!CHECK(publish.has_value())) return;
    const bool isKnown = std::find(visitor.held.begin(), visitor.held.end(), publish->packetId) != visitor.held.end();
    if (publish->qos == 1) appendOctets(answers, acknowledgement(0x40, publish->packetId));
    if (publish->qos == 2) {
      if (!isKnown) visitor.held.push_back(publish->packetId);
      appendOctets(answers, acknowledgement(0x50, publish->packetId));
    }
    deliveries++;
    // Retained messages are as old as they are, and shared ones may have been elsewhere.
    if (isKnown || publish->duplicate || publish->retain || publish->topic[0] != 't') return;
    const size_t colon = publish->payload.find(':');
    const uint64_t number = std::stoull(publish->payload.substr(colon + 1));
    uint64_t& last = visitor.last[publish->payload.substr(0, colon) + publish->topic];
    if (number <= last) disorder++;
    last = number;
  }

  static Octets acknowledgement(int first, uint16_t packetId) {
    Octets body;
    appendU16(body, packetId);
    return frameOf(first, body);
  }

  const unsigned index_;
  rally::Engine& engine_;
  std::vector<std::unique_ptr<Worker>>& all_;
  FakeTransport transport_;
  check::Random random_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
  std::map<uint64_t, std::unique_ptr<Visitor>> arriving_;  // by session
  std::map<uint64_t, uint64_t> subscribing_;               // token -> session
  uint64_t turns_ = 0;
  std::mutex mutex_;
  std::vector<Move> box_;
  std::atomic<bool> isBoxFull_{false};
};

// Until every worker has looked a few times, however long it takes to get its turn, and none had anything to do
// meanwhile: nothing is on its way between them then.
bool comeToRest() {
  const auto end = Clock::now() + restTimeMax;
  while (Clock::now() < end) {
    const uint64_t busyBefore = Worker::busyTurns;
    std::array<uint64_t, engineCount> idleBefore{};
    for (unsigned i = 0; i < engineCount; i++) idleBefore[i] = Worker::idleTurns[i];
    const auto haveLooked = [&] {
      for (unsigned i = 0; i < engineCount; i++) {
        if (Worker::idleTurns[i] < idleBefore[i] + 3) return false;
      }
      return true;
    };
    while (!haveLooked() && Worker::busyTurns == busyBefore && Clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (haveLooked() && Worker::busyTurns == busyBefore) return true;
  }
  return false;
}

// Until so much has happened, and `meanwhile` gives true.
template <class Meanwhile>
void runLoad(rally::Broker& broker, uint64_t deliveriesWanted, uint64_t movesWanted, Meanwhile&& meanwhile) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < engineCount; i++) workers.push_back(std::make_unique<Worker>(broker, i, workers));
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
  const auto end = Clock::now() + loadTimeMax;
  const auto isEnough = [&] { return Worker::moves > movesWanted && Worker::deliveries > deliveriesWanted; };
  while (!(meanwhile() && isEnough()) && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(isEnough());
  Worker::isResting = true;
  CHECK(comeToRest());
  Worker::isOver = true;
  for (std::thread& thread : threads) thread.join();
  for (const auto& worker : workers) CHECK_EQ(worker->unanswered(), 0);
  CHECK_EQ(Worker::disorder.load(), 0);
}

// Queues that are full often, and soon empty: with a receive maximum of 1 a message takes a turn or two.
const rally::Limits smallLimits{
    .inflightMax = 20, .outboxMessagesMax = 50, .sessionQueueMessagesMax = 500, .laneRecords = 1'024};

}  // namespace

TEST("engines on threads: a load of everything at once") {
  Worker::reset(0);
  rally::Broker broker(engineCount, smallLimits, rally::HashKeys{.topics = 42, .tables = 43});
  runLoad(broker, deliveriesMin, movesMin, [] { return true; });
  CHECK(broker.total(rally::Counter::handedOver) > 1'000);
  std::printf("# engines on threads: %llu deliveries, %llu moves\n",
              static_cast<unsigned long long>(Worker::deliveries.load()),
              static_cast<unsigned long long>(Worker::moves.load()));
}

TEST("engines on threads: the same with a store, of which the disk has most, and checkpoints") {
  Worker::reset(150);
  char folder[] = "/tmp/rallymq-engines-XXXXXX";
  CHECK(mkdtemp(folder) != nullptr);
  {
    rally::log::Options options;
    options.directory = std::string(folder) + "/store";
    options.durability = rally::log::Durability::os;  // what threads share is the same, and disks are slow
    options.workers = engineCount;
    options.segmentBytes = 1u << 20;
    options.copiesForward = false;
    options.softFreeBytesMin = options.hardFreeBytesMin = 0;
    rally::log::OpenFault fault;
    rally::Store store(rally::log::openLog(options, fault), 64 * 1'024);
    rally::Limits limits = smallLimits;
    limits.queuedMemoryBytesMax = 10'000;
    rally::Broker& broker = store.recover(engineCount, limits, 43);
    store.fetching().start();
    Worker::keys = store.run() << 32;
    // The load pauses until one has begun, and goes on while it is written.
    runLoad(broker, deliveriesMin / 20, movesMin / 10, [&] {
      const bool isEnough = store.checkpointer().written() >= 1;
      if (store.checkpointer().isUnderWay()) return isEnough;
      Worker::isResting = true;
      store.checkpointer().ask();
      const auto patienceEnd = Clock::now() + std::chrono::seconds(5);
      while (!store.checkpointer().isUnderWay() && store.checkpointer().isAsked() && Clock::now() < patienceEnd)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      Worker::isResting = false;
      return isEnough;
    });
    std::printf("# engines on threads: %llu parked, %llu read back, %llu checkpoints\n",
                static_cast<unsigned long long>(broker.total(rally::Counter::parked)),
                static_cast<unsigned long long>(broker.total(rally::Counter::readBack)),
                static_cast<unsigned long long>(store.checkpointer().written()));
    CHECK(broker.total(rally::Counter::readBack) > 100 && store.checkpointer().written() >= 1);
    CHECK_EQ(broker.total(rally::Counter::droppedUnreadable), 0);
    store.close();
  }
  std::filesystem::remove_all(folder);
}
