// A broker whose workers are driven by hand in one thread, in any order that real threads could take, and
// packet control and the session directory in a few lines: CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT.
//
// A worker goes through the stages of the event loop in native/node/engine-host.h, and never acts otherwise:
//
//   poll: bytes, tasks, timers  ->  drain, events  ->  end of turn  ->  drain, events  ->  end of turn
//     ^-- when it is awake, has been rung or has something to poll --------------  may I sleep? <--'
//
// So a test that waits for something also sees that nobody sleeps while there is work.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "fake-transport.h"
#include "sent-publish.h"

#include "kept-log.h"

#include "../../native/durable/store.h"

struct Subscribe {
  std::string filter = {};
  uint8_t qos = 0;
  bool noLocal = false;
  bool retainAsPublished = false;
  uint8_t retainHandling = 0;
  uint32_t id = 0;
};

class HandDrivenBroker;

// An MQTT client that keeps its own session as the specification asks. It answers at once unless told not
// to, and retransmits after a reconnect.
class Client {
 public:
  struct Options {
    uint8_t version = 5;
    bool isPersistent = true;
    bool isCleanStart = false;
    uint32_t keepAliveMs = 0;
    uint16_t receiveMaximum = 65'535;
    uint32_t maximumPacketSize = 0;
    uint16_t topicAliasMaximum = 0;
    std::optional<SentPublish> will = {};
    uint32_t willDelaySeconds = 0;
    std::shared_ptr<const rally::Access> access = {};
    uint32_t messagesPerSecond = 0;
    uint32_t bytesPerSecond = 0;
    bool asksToPublish = false;
  };

  Client(HandDrivenBroker& broker, std::string name, Options chosen);
  Client(const Client&) = delete;
  ~Client();

  void connect(unsigned worker);
  void drop();    // without a DISCONNECT
  void finish();  // sends no more, and may still read
  void disconnect();
  void subscribe(const char* filter, int qos = 0);
  void subscribe(const std::vector<Subscribe>& subscriptions);
  void unsubscribe(const std::string& filter);
  void publish(const std::string& topic, const std::string& payload, int qos = 0, bool retain = false);
  void publish(SentPublish publish);
  void ping();
  void send(const Octets& bytes);
  // What the client has sent and nobody has taken yet, for HandDrivenBroker::receive().
  Octets takeSent();
  void stopReading(size_t room = 0) { link->room = room; }
  void goOnReading(size_t bytes = SIZE_MAX);
  // Sends the answers that were held back, `most` of them.
  void answer(size_t most = SIZE_MAX);
  // Takes in what the broker has sent.
  void read();

  // What has come, as text: "topic=payload".
  std::vector<std::string> texts() const;
  const std::string& name() const { return name_; }

  Options options;
  std::shared_ptr<Link> link;
  bool isConnected = false;
  bool answersAtOnce = true;
  std::deque<Octets> answers;               // held back: PUBACK, PUBREC, PUBCOMP
  std::vector<SentPublish> arrivals;        // every PUBLISH packet, also retransmitted ones
  std::map<uint16_t, std::string> aliases;  // that the broker has set on this connection
  size_t savedTopics = 0;                   // PUBLISH packets that came with an alias alone
  std::vector<SentPublish> received;        // every message, QoS 2 exactly once
  std::set<uint16_t> outstanding;           // came on this connection, without our PUBACK or PUBCOMP yet
  size_t outstandingMax = 0;
  std::deque<std::pair<SentPublish, bool>> unacknowledged;  // sent; true: PUBREC has come
  std::vector<rally::Reason> acknowledgements;              // reason codes of PUBACK and PUBREC
  std::vector<Octets> subacks;
  std::vector<size_t> receivedBeforeSuback;  // for each SUBACK
  size_t pongs = 0;
  std::optional<uint8_t> refusal;  // of its CONNECT
  std::optional<uint8_t> disconnectReason;

 private:
  void onFrame(uint8_t first, Bytes body);
  void onPublish(uint8_t first, Bytes body);
  void onConnack();
  void reply(int first, uint16_t packetId);
  uint16_t nextPacketId();

  const std::string name_;
  HandDrivenBroker& broker_;
  uint16_t lastPacketId_ = 0;
  std::vector<uint16_t> qos2Ids_;  // received, not yet released
};

class HandDrivenBroker {
 public:
  explicit HandDrivenBroker(unsigned workers, const rally::Limits& limits = {},
                            FakeTransport::Kind kind = FakeTransport::Kind::webSocket);
  // A cluster: as many nodes, with so many workers each, whose clocks differ. They are numbered through.
  explicit HandDrivenBroker(const std::vector<unsigned>& nodes, const rally::Limits& limits = {});
  // With a store on this disk.
  HandDrivenBroker(KeptDisk& disk, unsigned workers, const rally::Limits& limits = {});
  ~HandDrivenBroker();

  // A cluster whose nodes have stores on these disks, as many as nodes.
  HandDrivenBroker(std::deque<KeptDisk>& disks, const std::vector<unsigned>& nodes, const rally::Limits& limits = {});

  // The process ends at once, and starts again with what is on the disk: clients find their connections gone.
  void crash(unsigned workers);
  // The same of all nodes of a cluster.
  void crash(const std::vector<unsigned>& nodes);
  rally::Store& store() { return *store_; }
  size_t subscriptionBytes() { return broker_->subscriptionBytes(); }

  // --- a cluster: frames between workers of different nodes ----------------------------------------

  unsigned nodeOf(unsigned worker) const;
  // Whatever is on its way between them is lost, and what follows, until mend(). The one who has lost its connection,
  // `a`, hears of it then.
  void cut(unsigned a, unsigned b);
  void mend(unsigned a, unsigned b);
  // As cut() and mend(), but nobody hears of it.
  void lose(unsigned from, unsigned to, size_t frames);
  // While it is held, what is sent over the way waits.
  void hold(unsigned from, unsigned to, bool isHeld);
  const std::deque<Octets>& framesOnTheWay(unsigned from, unsigned to);
  rally::cluster::FrameOutcome receiveFrame(unsigned from, unsigned to, const Octets& frame);
  // From the next crash() on these nodes speak the version of frames before.
  std::set<unsigned> olderNodes;
  size_t framesLost = 0;
  bool areWaysSound = true;  // until the first cut() or lose()

  unsigned workers() const;
  rally::Engine& engine(unsigned worker);
  rally::Session* sessionOf(const Client& client);
  uint64_t total(rally::Counter counter) const;
  unsigned ownerOf(const std::string& topic) const;
  // The topic, or one that begins so, which this worker owns.
  std::string ownedBy(unsigned owner, std::string topic) const;
  FakeTransport& transport(unsigned worker);

  Client& add(const std::string& name, Client::Options options = {});
  // A client that is connected when this returns.
  Client& connected(const std::string& name, unsigned worker, Client::Options options = {});
  void open(const std::shared_ptr<Link>& link);
  // Bytes that come at once, whatever the worker is doing; it then goes through its turn.
  void receive(Client& client, const Octets& bytes);
  // The socket takes `bytes` more.
  void makeRoom(Link& link, size_t bytes);

  // From now on these rules are in force.
  void setRules(std::shared_ptr<const rally::RuleBook> book);

  // A cluster of workers: these are there, and own all slots; the others may join.
  void startCluster(const std::vector<unsigned>& workers);
  // The worker joins those that are there: it knows them, and they learn of it one by one; those that are `late`, when
  // learnJoined() is called.
  void join(unsigned worker, uint64_t late = 0);
  void learnJoined(unsigned late);
  // It never runs again, and its clients lose their connections. The others learn it one by one.
  void lose(unsigned worker);
  bool isThere(unsigned worker) const;
  uint64_t takeSlots(unsigned worker, const rally::SlotSet& slots);
  // Slots of workers that are lost, or that are lost before they have taken them: some worker has to take them.
  rally::SlotSet slotsOf(unsigned worker);
  std::set<uint64_t> taken;                           // moves of slots that are done
  std::set<std::pair<unsigned, unsigned>> forgotten;  // who has forgotten whom
  std::set<std::pair<unsigned, uint64_t>> arrived;    // worker, session: of moves that have ended

  // What no client can bring about.
  void accept(Client& client, rally::Session& session);
  void end(Client& client, rally::Reason reason);
  void destroy(rally::Session& session, unsigned worker);
  // What is retained on the topic, as packet control is told; no value: it is not told.
  std::optional<Octets> lookUp(const std::string& topic, unsigned worker);
  // A move that the session directory knows nothing of.
  void beginMove(uint64_t key, unsigned from, unsigned to);

  // What a worker does when it polls next.
  void post(unsigned worker, std::function<void()> task);

  // One stage of one worker, or of one client, at random.
  void step(check::Random& random);
  // Takes one worker from poll to poll.
  void turn(unsigned worker);
  // Takes one worker through the next stages only: drain, end of turn, drain, end of turn, rest.
  void advance(unsigned worker, int stages);
  // False when the worker sleeps and nobody has woken it.
  bool isRunnable(unsigned worker);
  // Lets everybody go on until nobody has anything to do. False when that does not end.
  bool settle();
  // Lets time pass; the workers look at their timers.
  void advanceTime(uint64_t ms);

  std::vector<rally::Notice> notices;
  std::vector<std::string> asked;           // topics that a program is asked about, "topic kind"
  std::vector<std::string> denied;          // that clients may not publish to, as the audit is told
  std::vector<std::vector<uint8_t>> drops;  // records of native/front-end/drops.h
  uint64_t nowMs = 1'000'000;
  uint64_t turnNs = 0;  // the processor time of each turn; 0: it is not measured

 private:
  std::map<uint64_t, Octets> lookedUp_;  // by token
  uint64_t lookUps_ = 0;
  struct Worker;
  struct Record;
  uint64_t present_ = 0;  // workers, in a cluster

  static bool isRunnable(Worker& worker);
  void advance(Worker& worker);
  void finishTurn(Worker& worker);
  bool hasInput(const Worker& worker) const;
  void pollAll(Worker& worker);
  void pollSome(Worker& worker, check::Random& random);
  void runTask(Worker& worker);
  void pollLink(Worker& worker, Link& link, size_t most);

  void dispatch(Worker& worker);
  void onEvent(Worker& worker, const rally::Event& event);
  std::shared_ptr<Link> linkAt(const Worker& worker, uint32_t slot);
  void onPacket(Worker& worker, const std::shared_ptr<Link>& link, uint8_t first, Bytes body);
  void refuse(const std::shared_ptr<Link>& link);
  void onSubscribe(Worker& worker, const std::shared_ptr<Link>& link, rally::Session& session, Bytes body,
                   uint8_t version);

  static Octets encoded(const rally::Access& access);
  void nextConnect(const std::string& name);
  void place(const std::string& name);
  void onOver(uint64_t key, rally::SessionState state);
  void onSessionArrived(Worker& worker, uint64_t key);
  void finishAccept(const std::string& name, const std::shared_ptr<Link>& link, bool isPresent);
  rally::ConnectionTerms termsOf(const Client::Options& options, uint64_t session) const;
  void endSession(Record& record);
  void begin(uint64_t key, unsigned from, unsigned to);

  void openStore(unsigned workers);
  void openNodes(const std::vector<unsigned>& nodes);
  void addWorkers();

  struct Way;
  void openLinks();
  // True: some frames have come.
  bool pollFrames(Worker& worker, size_t most);
  uint64_t clockOf(unsigned worker) const { return nowMs + nodeOf(worker) * skewMs; }
  static constexpr uint64_t skewMs = 123'456'789;

  KeptDisk* disk_ = nullptr;
  std::deque<KeptDisk>* disks_ = nullptr;  // of the nodes
  std::vector<std::unique_ptr<rally::Store>> stores_;
  uint64_t incarnations_ = 0;
  std::shared_ptr<const rally::RuleBook> rules_;  // the last ones, which a start begins with
  const rally::Limits limits_;
  const FakeTransport::Kind kind_ = FakeTransport::Kind::webSocket;
  std::vector<std::unique_ptr<rally::Broker>> own_;
  std::unique_ptr<rally::Store> store_;
  rally::Broker* broker_ = nullptr;  // the only one, or the first
  std::vector<rally::Broker*> brokers_;
  std::map<std::pair<unsigned, unsigned>, Way> ways_;  // from worker, to worker
  uint64_t lastMove_ = 0;
  uint64_t topicsKey_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::shared_ptr<Link>> links_;
  std::map<std::string, Record> directory_;
  uint64_t lastKey_ = 0;
};
