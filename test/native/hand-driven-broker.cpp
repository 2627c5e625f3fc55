#include "hand-driven-broker.h"

#include <poll.h>
#include <algorithm>
#include <numeric>

namespace {

constexpr rally::HashKeys hashKeys = {.topics = 42, .tables = 43};

// Of the client's tenant.
std::string prefixOf(const Client::Options& options) { return options.access ? options.access->topicPrefix : ""; }

// As core/front-end/subscribe.ts does it.
std::string withPrefix(Bytes filter, const rally::Connection& connection) {
  const std::string text = textOf(filter);
  if (!connection.topicPrefix) return text;
  const size_t outer = rally::isSharedFilter(filter) ? filter.size() - rally::unsharedFilter(filter).size() : 0;
  return text.substr(0, outer) + *connection.topicPrefix + text.substr(outer);
}

rally::LogClock logClockOf(const KeptDisk& disk) {
  return rally::LogClock([&disk] { return disk.calendarMs(); });
}

bool isRung(rally::Doorbell& doorbell) {
  pollfd wanted{doorbell.fd(), POLLIN, 0};
  return poll(&wanted, 1, 0) == 1;
}

void take(std::map<uint64_t, std::function<void()>>& from, uint64_t key) {
  const auto found = from.find(key);
  if (!CHECK(found != from.end())) return;
  const std::function<void()> done = std::move(found->second);
  from.erase(found);
  done();
}

// A topic filter as section 4.7 allows it, shared ones too.
bool isFilter(Bytes text) {
  if (text.empty() || !rally::isUtf8(text)) return false;
  if (textOf(text).starts_with("$share/")) {
    const Bytes proper = rally::unsharedFilter(text);
    const Bytes name = rally::firstLevel(text.subspan(7));
    return !name.empty() && !rally::hasWildcard(name) && !proper.empty() && isFilter(proper);
  }
  const std::vector<std::string> levels = levelsOf(textOf(text));
  for (size_t i = 0; i < levels.size(); i++) {
    const bool isLast = i + 1 == levels.size();
    if (levels[i].size() > 1 && rally::hasWildcard(bytesOf(levels[i]))) return false;
    if (levels[i] == "#" && !isLast) return false;
  }
  return true;
}

// What core/wire lets through.
bool isSubscribe(Bytes body, uint8_t version) {
  rally::Reader reader(body);
  reader.u16();
  if (version >= 5) reader.take(reader.varint());
  bool isSound = reader.remaining() > 0;
  while (reader.remaining() > 0) {
    isSound = isSound && isFilter(reader.prefixed());
    const uint8_t options = reader.u8();
    isSound = isSound && (options & 3) < 3 && options >> 4 < 3;
  }
  return isSound && reader.ok();
}

}  // namespace

// What is sent from one worker to one of another node.
struct HandDrivenBroker::Way {
  std::deque<Octets> frames;
  bool isCut = false;
  bool isHeld = false;
  size_t toLose = 0;
};

struct HandDrivenBroker::Worker : rally::cluster::FrameSink {
  Worker(HandDrivenBroker& all, rally::Engine& own, FakeTransport::Kind kind)
      : broker(all), engine(own), transport(own.frontEnd(), kind) {
    own.attach();
    if (own.remote()) own.remote()->setSink(this);
  }
  void onFrame(unsigned to, Bytes frame) override {
    Way& way = broker.ways_[{engine.index(), to}];
    const bool isDropped = way.isCut || way.toLose > 0;
    if (way.toLose > 0) way.toLose--;
    if (isDropped) broker.framesLost++;
    else way.frames.push_back(octetsOf(frame));
  }
  HandDrivenBroker& broker;
  rally::Engine& engine;
  FakeTransport transport;
  std::deque<std::function<void()>> tasks;
  std::map<uint64_t, std::function<void()>> subscribes;
  std::map<uint64_t, std::function<void()>> arrivals;
  int stage = 0;
  bool isAwake = true;
  bool isPolled = false;
  bool isLost = false;
  uint64_t busyNs = 0;
  size_t eventsMax = SIZE_MAX;  // that packet control takes in a turn
};
// What the session directory knows of a client identifier.
struct HandDrivenBroker::Record {
  uint64_t key = 0;  // 0: there is no session
  unsigned worker = 0;
  std::shared_ptr<Link> attached;
  std::shared_ptr<Link> next;  // is being let in
  bool awaitsEnd = false;      // of the connection or session that is in its way
  std::deque<std::shared_ptr<Link>> waiting;
};

namespace {

// Lanes are made anew with each broker: rings of the default size would take half of the time of the tests of crashes.
rally::Limits withShortLanes(rally::Limits limits) {
  limits.laneRecords = std::min<uint32_t>(limits.laneRecords, 1'024);
  return limits;
}

}  // namespace

HandDrivenBroker::HandDrivenBroker(unsigned workers, const rally::Limits& limits, FakeTransport::Kind kind)
    : limits_(withShortLanes(limits)), kind_(kind), topicsKey_(hashKeys.topics) {
  own_.push_back(std::make_unique<rally::Broker>(workers, limits_, hashKeys));
  addWorkers();
}
HandDrivenBroker::HandDrivenBroker(const std::vector<unsigned>& nodes, const rally::Limits& limits)
    : limits_(withShortLanes(limits)), topicsKey_(hashKeys.topics) {
  rally::ClusterPlace place;
  for (const unsigned workers : nodes) place.workers += workers;
  unsigned first = 0;
  for (const unsigned workers : nodes) {
    place.here = ((uint64_t(1) << workers) - 1) << first;
    place.incarnation++;
    own_.push_back(std::make_unique<rally::Broker>(place, limits_, hashKeys));
    first += workers;
  }
  addWorkers();
  std::vector<unsigned> all(place.workers);
  std::iota(all.begin(), all.end(), 0u);
  startCluster(all);
  openLinks();
}
HandDrivenBroker::HandDrivenBroker(KeptDisk& disk, unsigned workers, const rally::Limits& limits)
    : disk_(&disk), limits_(withShortLanes(limits)) {
  openStore(workers);
}
HandDrivenBroker::HandDrivenBroker(std::deque<KeptDisk>& disks, const std::vector<unsigned>& nodes,
                                   const rally::Limits& limits)
    : disks_(&disks), limits_(withShortLanes(limits)), topicsKey_(hashKeys.topics) {
  openNodes(nodes);
}
HandDrivenBroker::~HandDrivenBroker() {
  for (unsigned i = 0; i < workers(); i++) {
    if (engine(i).remote()) engine(i).remote()->setSink(nullptr);
  }
  workers_.clear();
  if (store_) store_->close();
  for (const auto& store : stores_) store->close();
}

void HandDrivenBroker::addWorkers() {
  if (!store_ && stores_.empty()) broker_ = own_.front().get();
  if (stores_.empty()) brokers_ = {broker_};
  for (size_t node = 1; node < own_.size(); node++) brokers_.push_back(own_[node].get());
  unsigned count = 0;
  for (const rally::Broker* broker : brokers_) count += broker->workers();
  for (unsigned i = 0; i < count; i++) {
    workers_.push_back(std::make_unique<Worker>(*this, engine(i), kind_));
    engine(i).beginTurn(clockOf(i));
  }
}

rally::Engine& HandDrivenBroker::engine(unsigned worker) { return brokers_[nodeOf(worker)]->engine(worker); }
unsigned HandDrivenBroker::nodeOf(unsigned worker) const {
  unsigned node = 0;
  while (!brokers_[node]->hasWorker(worker)) node++;
  return node;
}

void HandDrivenBroker::openLinks() {
  for (unsigned a = 0; a < workers(); a++) {
    for (unsigned b = 0; b < workers(); b++) {
      if (nodeOf(a) == nodeOf(b)) continue;
      const bool isOlder = olderNodes.contains(nodeOf(a)) || olderNodes.contains(nodeOf(b));
      const uint8_t version = isOlder ? rally::cluster::oldestLinkVersion : rally::cluster::linkVersion;
      CHECK(engine(a).openLink(b, incarnations_ + nodeOf(b) + 1, version));
    }
  }
}

void HandDrivenBroker::cut(unsigned a, unsigned b) {
  areWaysSound = false;
  for (Way* way : {&ways_[{a, b}], &ways_[{b, a}]}) {
    framesLost += way->frames.size();
    way->frames.clear();
    way->isCut = true;
  }
}
void HandDrivenBroker::mend(unsigned a, unsigned b) {
  areWaysSound = false;
  ways_[{a, b}].isCut = ways_[{b, a}].isCut = false;
  post(a, [this, a, b] { CHECK(engine(a).remote()->reconnect(b)); });
}
void HandDrivenBroker::lose(unsigned from, unsigned to, size_t frames) {
  areWaysSound = false;
  ways_[{from, to}].toLose = frames;
}
void HandDrivenBroker::hold(unsigned from, unsigned to, bool isHeld) { ways_[{from, to}].isHeld = isHeld; }
const std::deque<Octets>& HandDrivenBroker::framesOnTheWay(unsigned from, unsigned to) {
  return ways_[{from, to}].frames;
}

rally::cluster::FrameOutcome HandDrivenBroker::receiveFrame(unsigned from, unsigned to, const Octets& frame) {
  workers_[to]->isPolled = true;
  return engine(to).remote()->receive(from, Exact(frame), clockOf(to));
}

bool HandDrivenBroker::pollFrames(Worker& worker, size_t most) {
  using rally::cluster::FrameOutcome;
  bool isAny = false;
  for (auto& [ends, way] : ways_) {
    if (ends.second != worker.engine.index() || way.isHeld) continue;
    for (size_t left = most; left > 0 && !way.frames.empty(); left--, isAny = true) {
      const Octets frame = std::move(way.frames.front());
      way.frames.pop_front();
      const FrameOutcome outcome = receiveFrame(ends.first, ends.second, frame);
      CHECK(outcome <= FrameOutcome::early && (outcome == FrameOutcome::taken || !areWaysSound));
    }
  }
  return isAny;
}

void HandDrivenBroker::openStore(unsigned workers) {
  store_ = std::make_unique<rally::Store>(std::make_unique<KeptLog>(*disk_, workers), disk_->checkpointBytesMin,
                                          logClockOf(*disk_));
  broker_ = &store_->recover(workers, limits_, hashKeys.tables, rules_);
  topicsKey_ = store_->log().identity()[0];
  lastKey_ = store_->run() << 32;
  for (const rally::RecoveredSession& each : store_->sessions()) {
    directory_[each.clientId].key = each.key;
    directory_[each.clientId].worker = each.worker;
  }
  nowMs = rally::engineClockMs();
  addWorkers();
}

// As core/control-plane.ts and core/cluster/ do it: each is read and joins, what it has is offered, and of two sessions
// of a client the later one stays.
void HandDrivenBroker::openNodes(const std::vector<unsigned>& nodes) {
  rally::ClusterPlace place;
  for (const unsigned workers : nodes) place.workers += workers;
  incarnations_ += nodes.size();
  nowMs = rally::engineClockMs();
  lastKey_ = (incarnations_ + nodes.size()) << 32;
  unsigned first = 0;
  std::map<std::string, rally::RecoveredSession> latest;
  std::vector<rally::RecoveredSession> outdated;
  for (size_t node = 0; node < nodes.size(); node++) {
    place.here = ((uint64_t(1) << nodes[node]) - 1) << first;
    place.incarnation = incarnations_ + node + 1;
    KeptDisk& disk = (*disks_)[node];
    stores_.push_back(std::make_unique<rally::Store>(std::make_unique<KeptLog>(disk, nodes[node]),
                                                     disk.checkpointBytesMin, logClockOf(disk)));
    brokers_.push_back(&stores_.back()->recover(place, limits_, hashKeys, rules_));
    for (rally::RecoveredSession each : stores_.back()->sessions()) {
      each.worker += first;
      const auto [known, isNew] = latest.try_emplace(each.clientId, each);
      if (isNew) continue;
      if (known->second.stamp < each.stamp) std::swap(known->second, each);
      outdated.push_back(each);
    }
    first += nodes[node];
  }
  broker_ = brokers_.front();
  addWorkers();
  openLinks();
  for (const auto& [clientId, session] : latest) {
    directory_[clientId].key = session.key;
    directory_[clientId].worker = session.worker;
  }
  for (const rally::RecoveredSession& each : outdated)
    engine(each.worker).destroySession(*engine(each.worker).findSession(each.key));
  present_ = UINT64_MAX >> (64 - place.workers);
  for (unsigned worker = 0; worker < place.workers; worker++) {
    rally::SlotSet slots;
    for (unsigned slot = worker; slot < rally::slotCount; slot += place.workers) slots.add(slot);
    engine(worker).noteMove(incarnations_ << 32);
    engine(worker).setPresent(present_, present_);
    engine(worker).takeSlots(slots);
    workers_[worker]->isPolled = true;
  }
}

void HandDrivenBroker::crash(const std::vector<unsigned>& nodes) {
  for (KeptDisk& disk : *disks_) disk.crash();
  for (const auto& client : clients_) client->drop();
  links_.clear();
  directory_.clear();
  ways_.clear();
  for (unsigned i = 0; i < workers(); i++) engine(i).remote()->setSink(nullptr);
  workers_.clear();
  brokers_.clear();
  for (const auto& store : stores_) store->close();
  stores_.clear();
  openNodes(nodes);
}

void HandDrivenBroker::crash(unsigned workers) {
  disk_->crash();
  for (const auto& client : clients_) client->drop();
  links_.clear();
  directory_.clear();
  workers_.clear();
  store_->close();
  openStore(workers);
}

unsigned HandDrivenBroker::workers() const { return unsigned(workers_.size()); }
uint64_t HandDrivenBroker::total(rally::Counter counter) const {
  uint64_t sum = 0;
  for (const rally::Broker* broker : brokers_) sum += broker->total(counter);
  return sum;
}
unsigned HandDrivenBroker::ownerOf(const std::string& topic) const {
  return broker_->engine(0).slots().ownerOf(rally::hashBytes(bytesOf(topic), topicsKey_));
}
std::string HandDrivenBroker::ownedBy(unsigned owner, std::string topic) const {
  while (ownerOf(topic) != owner) topic += 'x';
  return topic;
}
FakeTransport& HandDrivenBroker::transport(unsigned worker) { return workers_[worker]->transport; }

rally::Session* HandDrivenBroker::sessionOf(const Client& client) {
  const Record& record = directory_[client.name()];
  return record.key == 0 ? nullptr : engine(record.worker).findSession(record.key);
}

Client& HandDrivenBroker::add(const std::string& name, Client::Options options) {
  clients_.push_back(std::make_unique<Client>(*this, name, options));
  return *clients_.back();
}

Client& HandDrivenBroker::connected(const std::string& name, unsigned worker, Client::Options options) {
  Client& client = add(name, options);
  client.connect(worker);
  settle();
  CHECK(client.isConnected);
  return client;
}

void HandDrivenBroker::open(const std::shared_ptr<Link>& link) {
  links_.push_back(link);
  post(link->worker, [this, link] {
    if (link->isCut) return;
    rally::Connection& connection = engine(link->worker).frontEnd().open(transport(link->worker));
    connection.socket = link.get();
    link->connection = &connection;
    link->isOpened = true;
  });
}

// One stage of one worker, or of one client, at random.
void HandDrivenBroker::receive(Client& client, const Octets& bytes) {
  Worker& worker = *workers_[client.link->worker];
  finishTurn(worker);
  worker.isPolled = true;
  if (client.link->connection) worker.engine.frontEnd().receive(*client.link->connection, Exact(bytes));
}

void HandDrivenBroker::makeRoom(Link& link, size_t bytes) {
  Worker& worker = *workers_[link.worker];
  finishTurn(worker);
  worker.transport.makeRoom(link, bytes);
  worker.isPolled = true;
}

void HandDrivenBroker::step(check::Random& random) {
  Worker& worker = *workers_[random.below(workers_.size())];
  if (worker.isLost) return;
  if (store_ && random.chance(20)) store_->fetching().step();
  if (worker.stage > 0) {
    if (random.chance(20)) worker.eventsMax = random.below(3);  // it has no time for more
    advance(worker);
    worker.eventsMax = SIZE_MAX;
    return;
  }
  if (random.chance(30)) {
    for (size_t i = random.between(1, 3); i > 0; i--) pollSome(worker, random);
    if (worker.isPolled) advance(worker);
    return;
  }
  if (isRunnable(worker)) {
    advance(worker);
    return;
  }
  if (!clients_.empty()) clients_[random.below(clients_.size())]->read();
}

void HandDrivenBroker::turn(unsigned worker) {
  finishTurn(*workers_[worker]);
  pollAll(*workers_[worker]);
  advance(*workers_[worker]);
  finishTurn(*workers_[worker]);
}

void HandDrivenBroker::accept(Client& client, rally::Session& session) {
  rally::ConnectionTerms terms;
  terms.version = client.options.version;
  terms.receiveMaximum = client.options.receiveMaximum;
  terms.sessionExpirySeconds = rally::neverExpires;
  finishTurn(*workers_[client.link->worker]);
  rally::FrontEnd& frontEnd = engine(client.link->worker).frontEnd();
  frontEnd.accept(*client.link->connection, session, std::move(terms), {});
  frontEnd.resume(*client.link->connection);
  workers_[client.link->worker]->isPolled = true;
}
void HandDrivenBroker::end(Client& client, rally::Reason reason) {
  engine(client.link->worker).frontEnd().end(*client.link->connection, reason);
}
void HandDrivenBroker::destroy(rally::Session& session, unsigned worker) {
  finishTurn(*workers_[worker]);
  engine(worker).destroySession(session);
  workers_[worker]->isPolled = true;
}

void HandDrivenBroker::beginMove(uint64_t key, unsigned from, unsigned to) {
  finishTurn(*workers_[to]);
  begin(key, from, to);
  workers_[to]->isPolled = true;
}

// The directory of a cluster tells each node what the others know.
void HandDrivenBroker::begin(uint64_t key, unsigned from, unsigned to) {
  engine(to).noteMove(lastMove_);
  engine(to).moves().begin(key, from);
  lastMove_ = std::max(lastMove_, engine(to).lastMove());
}

std::optional<Octets> HandDrivenBroker::lookUp(const std::string& topic, unsigned worker) {
  finishTurn(*workers_[worker]);
  engine(worker).lookUps().ask(bytesOf(topic), ++lookUps_);
  workers_[worker]->isPolled = true;
  settle();
  const auto found = lookedUp_.find(lookUps_);
  return found == lookedUp_.end() ? std::nullopt : std::optional(found->second);
}

void HandDrivenBroker::advance(unsigned worker, int stages) {
  while (stages-- > 0) advance(*workers_[worker]);
}

bool HandDrivenBroker::isRunnable(unsigned worker) { return isRunnable(*workers_[worker]); }

bool HandDrivenBroker::settle() {
  for (int round = 0; round < 20'000; round++) {
    bool isQuiet = !store_ || !store_->fetching().step();
    for (const auto& worker : workers_) {
      if (worker->isLost) continue;
      pollAll(*worker);
      if (worker->stage == 0 && !isRunnable(*worker)) continue;
      isQuiet = false;
      advance(*worker);
    }
    for (const auto& client : clients_) client->read();
    std::erase_if(links_,
                  [](const auto& link) { return link->isOpened && !link->connection && link.use_count() == 1; });
    if (!isQuiet || std::any_of(workers_.begin(), workers_.end(), [&](const auto& each) { return hasInput(*each); }))
      continue;
    const auto isPaced = [](const auto& each) { return !each->isLost && each->engine.isPaced(); };
    if (std::none_of(workers_.begin(), workers_.end(), isPaced)) return true;
    nowMs++;
    for (const auto& worker : workers_) worker->isPolled |= isPaced(worker);
  }
  return FAIL("it does not come to rest");
}

void HandDrivenBroker::advanceTime(uint64_t ms) {
  nowMs += ms;
  for (const auto& worker : workers_) {
    if (worker->isLost) continue;
    finishTurn(*worker);
    worker->engine.beginTurn(clockOf(worker->engine.index()));
    worker->engine.tick();
    worker->isPolled = true;
  }
}

void HandDrivenBroker::post(unsigned worker, std::function<void()> task) {
  workers_[worker]->tasks.push_back(std::move(task));
}

void HandDrivenBroker::setRules(std::shared_ptr<const rally::RuleBook> book) {
  rules_ = book;
  for (rally::Broker* broker : brokers_) broker->rules().put(book);
  for (const auto& worker : workers_) {
    finishTurn(*worker);
    worker->engine.adoptRules();
    worker->isPolled = true;
  }
}

// --- a cluster ------------------------------------------------------------------------------------

void HandDrivenBroker::startCluster(const std::vector<unsigned>& workers) {
  for (const unsigned worker : workers) present_ |= rally::bitOf(worker);
  rally::SlotOwners dealt;
  for (unsigned slot = 0; slot < rally::slotCount; slot++) dealt[slot] = uint8_t(workers[slot % workers.size()]);
  rally::SlotOwners unknown;
  unknown.fill(rally::SlotMap::nobody);
  for (unsigned worker = 0; worker < this->workers(); worker++) {
    const bool isFirst = (present_ & rally::bitOf(worker)) != 0;
    engine(worker).startCluster(isFirst ? present_ : 0, isFirst ? dealt : unknown);
    if (isFirst) engine(worker).setPresent(present_, present_);  // any of them may be lost
  }
}

void HandDrivenBroker::join(unsigned worker, uint64_t late) {
  present_ |= rally::bitOf(worker);
  finishTurn(*workers_[worker]);
  engine(worker).setPresent(present_, present_);
  workers_[worker]->isPolled = true;
  rally::eachWorker(present_ & ~rally::bitOf(worker) & ~late, [&](unsigned each) { learnJoined(each); });
}
void HandDrivenBroker::learnJoined(unsigned late) {
  post(late, [this, late, present = present_] { engine(late).setPresent(present, present); });
}

void HandDrivenBroker::lose(unsigned worker) {
  workers_[worker]->isLost = true;
  present_ &= ~rally::bitOf(worker);
  for (const auto& client : clients_) {
    if (client->link && client->link->worker == worker) client->drop();
  }
  std::erase_if(links_, [&](const auto& link) { return link->worker == worker; });
  for (auto& [name, record] : directory_) {
    if (record.attached && record.attached->worker == worker) record.attached = nullptr;
    std::erase_if(record.waiting, [&](const auto& link) { return link->worker == worker; });
    const bool isNextLost = record.next && record.next->worker == worker;
    if (isNextLost) record.next = nullptr;
    if (record.awaitsEnd && !record.attached) {
      record.awaitsEnd = false;
      if (record.next) place(name);
    }
    if (isNextLost) nextConnect(name);
  }
  rally::eachWorker(present_,
                    [&](unsigned each) { post(each, [this, each, worker] { engine(each).workerGone(worker); }); });
}

bool HandDrivenBroker::isThere(unsigned worker) const { return (present_ & rally::bitOf(worker)) != 0; }

uint64_t HandDrivenBroker::takeSlots(unsigned worker, const rally::SlotSet& slots) {
  finishTurn(*workers_[worker]);
  workers_[worker]->isPolled = true;
  return engine(worker).takeSlots(slots);
}

rally::SlotSet HandDrivenBroker::slotsOf(unsigned worker) {
  rally::SlotSet slots;
  for (unsigned slot = 0; slot < rally::slotCount; slot++) {
    if (engine(worker).slots().owner(slot) == worker) slots.add(slot);
  }
  return slots;
}

// --- the event loop -------------------------------------------------------------------------------

bool HandDrivenBroker::isRunnable(Worker& worker) {
  return !worker.isLost && (worker.isAwake || worker.isPolled || isRung(worker.engine.doorbell()));
}

void HandDrivenBroker::advance(Worker& worker) {
  rally::Engine& engine = worker.engine;
  switch (worker.stage++) {
    case 0:
      engine.doorbell().answer();
      engine.doorbell().wake();
      worker.isAwake = worker.isPolled = false;
      if (turnNs != 0 && engine.frontEnd().outbound().isCatchingUp())
        engine.frontEnd().outbound().noteTime(nowMs * 1'000'000, worker.busyNs += turnNs);
      [[fallthrough]];
    case 2:
      engine.beginTurn(clockOf(engine.index()));
      engine.drainLanes();
      dispatch(worker);
      if (worker.stage == 1) break;
      worker.stage = 3;
      break;
    case 1:
    case 3: engine.endTurn(); break;
    default:
      worker.stage = 0;
      engine.doorbell().sleep();
      worker.isAwake = engine.hasWork();
      if (worker.isAwake) engine.doorbell().wake();
  }
}
void HandDrivenBroker::finishTurn(Worker& worker) {
  while (worker.stage > 0) advance(worker);
}

bool HandDrivenBroker::hasInput(const Worker& worker) const {
  if (worker.isLost) return false;
  if (!worker.tasks.empty()) return true;
  for (const auto& [ends, way] : ways_) {
    if (ends.second == worker.engine.index() && !way.isHeld && !way.frames.empty()) return true;
  }
  for (const auto& link : links_) {
    if (&workers_[link->worker]->engine != &worker.engine || !link->connection || link->isSevered) continue;
    if (link->isCut || link->isClosing || (link->isReading && (link->isEnded || !link->toBroker.empty()))) return true;
  }
  return false;
}

void HandDrivenBroker::pollAll(Worker& worker) {
  if (worker.stage > 0 || worker.isLost) return;
  while (!worker.tasks.empty()) runTask(worker);
  pollFrames(worker, SIZE_MAX);
  for (size_t i = 0; i < links_.size(); i++) pollLink(worker, *links_[i], SIZE_MAX);
}
void HandDrivenBroker::pollSome(Worker& worker, check::Random& random) {
  if (!worker.tasks.empty() && random.chance(50)) runTask(worker);
  else if (!ways_.empty() && random.chance(50)) pollFrames(worker, random.between(1, 3));
  else if (!links_.empty())
    pollLink(worker, *links_[random.below(links_.size())],
             random.chance(50) ? random.between(1, 10) : random.between(1, 400));
}
void HandDrivenBroker::runTask(Worker& worker) {
  const std::function<void()> task = std::move(worker.tasks.front());
  worker.tasks.pop_front();
  task();
  worker.isPolled = true;
}
void HandDrivenBroker::pollLink(Worker& worker, Link& link, size_t most) {
  if (&workers_[link.worker]->engine != &worker.engine || !link.connection || link.isSevered) return;
  if (link.isCut || link.isClosing) {
    worker.transport.sever(*link.connection);
    worker.isPolled = true;
    return;
  }
  if (!link.isReading || (link.toBroker.empty() && !link.isEnded)) return;
  if (link.toBroker.empty()) worker.engine.frontEnd().streamEnded(*link.connection);
  else worker.transport.read(link, most);
  worker.isPolled = true;
}

// --- packet control ------------------------------------------------------------------------------

void HandDrivenBroker::dispatch(Worker& worker) {
  rally::Fifo<rally::Event>& events = worker.engine.frontEnd().events();
  for (size_t left = worker.eventsMax; left > 0 && !events.isEmpty(); left--) {
    const rally::Event event = std::move(events.front());
    events.pop();
    onEvent(worker, event);
  }
}

void HandDrivenBroker::onEvent(Worker& worker, const rally::Event& event) {
  using rally::EventKind;
  rally::FrontEnd& frontEnd = worker.engine.frontEnd();
  switch (event.kind) {
    case EventKind::packet:
      if (const auto link = linkAt(worker, event.slot)) onPacket(worker, link, event.first, event.bytes);
      break;
    case EventKind::ended: {
      rally::Connection& connection = frontEnd.connection(event.slot);
      if (connection.version >= 5 && event.first != 0)
        frontEnd.outbound().send(connection, frameOf(0xe0, {uint8_t(event.reason), 0}));
      frontEnd.close(connection);
      break;
    }
    case EventKind::gone:
      if (const auto link = linkAt(worker, event.slot)) link->connection = nullptr;
      frontEnd.release(frontEnd.connection(event.slot));
      break;
    case EventKind::closed:
    case EventKind::settled: onOver(event.value, rally::SessionState(event.bytes[8])); break;
    case EventKind::subscribed: take(worker.subscribes, event.value); break;
    case EventKind::sessionArrived: onSessionArrived(worker, event.value); break;
    case EventKind::noticed: notices.push_back(rally::Notice(event.first)); break;
    case EventKind::lookedUp: lookedUp_[event.value] = event.bytes; break;
    case EventKind::publishAsked:
      asked.push_back(std::string(event.bytes.begin(), event.bytes.end()) + " " + std::to_string(event.first));
      break;
    case EventKind::slotsTaken: taken.insert(event.value); break;
    case EventKind::workerGone: forgotten.insert({worker.engine.index(), unsigned(event.value)}); break;
    case EventKind::publishDenied: denied.emplace_back(event.bytes.begin(), event.bytes.end()); break;
    case EventKind::dropped: drops.push_back(event.bytes); break;
    default: FAIL("an unknown event");
  }
}

std::shared_ptr<Link> HandDrivenBroker::linkAt(const Worker& worker, uint32_t slot) {
  for (const auto& link : links_) {
    if (link->connection && link->connection->slot == slot && &workers_[link->worker]->engine == &worker.engine)
      return link;
  }
  return nullptr;
}

void HandDrivenBroker::onPacket(Worker& worker, const std::shared_ptr<Link>& link, uint8_t first, Bytes body) {
  rally::FrontEnd& frontEnd = worker.engine.frontEnd();
  const uint8_t version = link->client->options.version;
  rally::Session* session = link->connection->session;
  switch (first >> 4) {
    case 1:
      directory_[link->client->name()].waiting.push_back(link);
      nextConnect(link->client->name());
      break;
    case 8:
      if (session && isSubscribe(body, version)) onSubscribe(worker, link, *session, body, version);
      else refuse(link);
      break;
    case 10: {
      rally::Reader reader(body);
      Octets answer;
      appendU16(answer, reader.u16());
      if (version >= 5) reader.take(reader.varint());
      const Bytes filter = reader.prefixed();
      if (!session || filter.empty()) {
        refuse(link);
        break;
      }
      const std::string text = withPrefix(filter, *link->connection);
      const bool existed = worker.engine.subscriptions().unsubscribe(*session, bytesOf(text));
      if (version >= 5) appendOctets(answer, {0, uint8_t(existed ? 0 : 0x11)});
      frontEnd.tell(*link->connection, frameOf(0xb0, answer));
      frontEnd.resume(*link->connection);
      break;
    }
    case 14:
      if (session) {
        using enum rally::CloseCause;
        const bool hasWill = !body.empty() && body[0] != 0;
        frontEnd.disconnect(*link->connection, hasWill ? disconnectedWithWill : disconnected, rally::Reason::success,
                            session->expirySeconds);
        break;
      }
      [[fallthrough]];
    default:  // AUTH
      refuse(link);
  }
}

void HandDrivenBroker::refuse(const std::shared_ptr<Link>& link) {
  engine(link->worker).frontEnd().close(*link->connection);
}

void HandDrivenBroker::onSubscribe(Worker& worker, const std::shared_ptr<Link>& link, rally::Session& session,
                                   Bytes body, uint8_t version) {
  rally::Engine& engine = worker.engine;
  const uint64_t token = engine.subscriptions().nextToken();
  rally::Reader reader(body);
  Octets suback;
  appendU16(suback, reader.u16());
  uint32_t id = 0;
  if (version >= 5) {
    suback.push_back(0);
    rally::Reader properties(reader.take(reader.varint()));
    if (properties.remaining() > 0 && properties.u8() == 0x0b) id = properties.varint();
  }
  while (reader.remaining() > 0) {
    const std::string text = withPrefix(reader.prefixed(), *link->connection);
    const Bytes filter = bytesOf(text);
    const uint8_t bits = reader.u8();
    const rally::FilterVerdict verdict = engine.subscriptions().judge(session, filter);
    if (verdict == rally::FilterVerdict::refused) {
      suback.push_back(uint8_t(version >= 5 ? rally::Reason::notAuthorized : rally::Reason::unspecifiedError));
      continue;
    }
    const bool isPartial = verdict == rally::FilterVerdict::partly;
    const rally::SubscriptionOptions options{
        uint8_t(bits & 3), (bits & 4) != 0, (bits & 8) != 0, uint8_t(bits >> 4), id, isPartial};
    engine.subscriptions().subscribe(session, filter, options, token);
    suback.push_back(bits & 3);
  }
  worker.subscribes[token] = [&engine, link, suback, token, key = session.key] {
    rally::Session* subscribed = engine.findSession(key);
    const bool isThere = subscribed && link->connection && link->connection->session == subscribed;
    if (isThere) engine.frontEnd().tell(*link->connection, frameOf(0x90, suback));
    if (subscribed) engine.subscriptions().endSubscribe(*subscribed, token);
    if (isThere) engine.frontEnd().resume(*link->connection);
  };
  engine.subscriptions().finishSubscribe(session, token);
}

// --- the session directory ------------------------------------------------------------------------

void HandDrivenBroker::nextConnect(const std::string& name) {
  Record& record = directory_[name];
  if (record.next || record.waiting.empty()) return;
  record.next = record.waiting.front();
  record.waiting.pop_front();
  const std::shared_ptr<Link> former = record.attached;
  if (!former) {
    place(name);
    return;
  }
  record.awaitsEnd = true;
  post(former->worker, [this, former] {
    if (former->connection)
      engine(former->worker).frontEnd().finish(*former->connection, rally::Reason::sessionTakenOver);
  });
}

// Finds or makes the session, and brings it to where the client is.
void HandDrivenBroker::place(const std::string& name) {
  Record& record = directory_[name];
  const std::shared_ptr<Link> link = record.next;
  const unsigned to = link->worker;
  if (link->client->options.isCleanStart && record.key != 0) {
    record.awaitsEnd = true;
    endSession(record);
  } else if (record.key == 0) {
    const uint64_t key = record.key = ++lastKey_;
    record.worker = to;
    post(to, [this, name, link, key, to] {
      engine(to).createSession(key);
      finishAccept(name, link, false);
    });
  } else if (record.worker == to) {
    post(to, [this, name, link] { finishAccept(name, link, true); });
  } else {
    const unsigned from = std::exchange(record.worker, to);
    post(to, [this, name, link, from, to, key = record.key] {
      workers_[to]->arrivals[key] = [this, name, link] { finishAccept(name, link, true); };
      begin(key, from, to);
    });
  }
}

// A connection is over, or a session has ended, and all that was to come of it has come.
void HandDrivenBroker::onOver(uint64_t key, rally::SessionState state) {
  for (auto& [name, record] : directory_) {
    if (record.key != key) continue;
    record.attached = nullptr;
    if (state == rally::SessionState::absent) record.key = 0;
    if (!std::exchange(record.awaitsEnd, false)) return;
    if (record.next) place(name);
    else nextConnect(name);  // its worker is lost
    return;
  }
}

void HandDrivenBroker::onSessionArrived(Worker& worker, uint64_t key) {
  arrived.insert({worker.engine.index(), key});
  const auto found = worker.arrivals.find(key);
  if (found == worker.arrivals.end()) return;  // by beginMove()
  const std::function<void()> done = std::move(found->second);
  worker.arrivals.erase(found);
  done();
}

void HandDrivenBroker::finishAccept(const std::string& name, const std::shared_ptr<Link>& link, bool isPresent) {
  Record& record = directory_[name];
  if (record.next != link) return;  // its worker was lost meanwhile
  const Client::Options& options = link->client->options;
  rally::Engine& engine = this->engine(link->worker);
  rally::Session* session = engine.findSession(record.key);
  record.next = nullptr;
  // It may have ended with its connection, which the directory has heard since it let the client in, or has yet to
  // hear.
  const bool isOver = record.key == 0 || !engine.frontEnd().events().isEmpty();
  // The worker from which it was coming is lost, and it was not here yet: its client begins anew.
  const bool isAnyLost = std::ranges::any_of(workers_, [](auto& each) { return each->isLost; });
  if (!session && record.key != 0 && isAnyLost) {
    record.key = 0;
    record.next = link;
    place(name);
    return;
  }
  CHECK(session || isOver || total(rally::Counter::sessionsCut) > 0);
  if (!session) {  // or it has ended for its packet identifiers
    if (link->connection) refuse(link);
  } else if (link->connection && link->connection->phase == rally::Phase::connecting) {
    record.attached = link;
    rally::Connection& connection = *link->connection;
    rally::ConnectionTerms terms = termsOf(options, record.key);
    terms.clientId = bytesOf(name);
    const Octets access = options.access ? encoded(*options.access) : Octets();
    terms.accessBytes = access;
    engine.frontEnd().accept(connection, *session, std::move(terms),
                             frameOf(0x20, options.version >= 5 ? Octets{isPresent, 0, 0} : Octets{isPresent, 0}));
    engine.frontEnd().resume(connection);
  } else if (!options.isPersistent) {
    endSession(record);
  }
  nextConnect(name);
}

// As core/security/access.ts writes it; without rules of its own.
Octets HandDrivenBroker::encoded(const rally::Access& access) {
  Octets bytes{uint8_t(access.hasUserName ? 1 : 0)};
  const auto number = [&](size_t value) {
    bytes.push_back(uint8_t(value >> 8));
    bytes.push_back(uint8_t(value));
  };
  const auto text = [&](Bytes part) {
    number(part.size());
    bytes.insert(bytes.end(), part.begin(), part.end());
  };
  text(access.userName.bytes());
  text(access.clientId.bytes());
  number(access.roles.size());
  for (const std::string& role : access.roles) text(bytesOf(role));
  number(access.claims.size());
  for (const auto& [name, value] : access.claims) {
    text(bytesOf(name));
    text(value.bytes());
  }
  if (access.topicPrefix.empty()) return bytes;
  bytes[0] |= 4;
  text(bytesOf(access.topicPrefix));
  return bytes;
}

rally::ConnectionTerms HandDrivenBroker::termsOf(const Client::Options& options, uint64_t session) const {
  rally::ConnectionTerms terms;
  terms.version = options.version;
  terms.keepAliveMs = options.keepAliveMs;
  terms.receiveMaximum = options.receiveMaximum;
  terms.maximumPacketSize = options.maximumPacketSize;
  terms.topicAliasMaximum = options.topicAliasMaximum;
  terms.sessionExpirySeconds = options.isPersistent ? rally::neverExpires : 0;
  terms.access = options.access;
  terms.topicPrefix = prefixOf(options);
  terms.messagesPerSecond = options.messagesPerSecond;
  terms.bytesPerSecond = options.bytesPerSecond;
  terms.asksToPublish = options.asksToPublish;
  if (!options.will) return terms;
  rally::Publication publication;
  const std::string willTopic = prefixOf(options) + options.will->topic;
  publication.topic = bytesOf(willTopic);
  publication.payload = bytesOf(options.will->payload);
  publication.originSession = session;
  publication.workers = uint8_t(broker_->workers());
  publication.qos = options.will->qos;
  publication.retain = options.will->retain;
  terms.will = std::make_unique<rally::Will>();
  terms.will->message = publication.keep();
  terms.will->delaySeconds = options.willDelaySeconds;
  terms.will->expires = options.will->expirySeconds.has_value();
  terms.will->expirySeconds = options.will->expirySeconds.value_or(0);
  return terms;
}

void HandDrivenBroker::endSession(Record& record) {
  rally::Engine& engine = this->engine(record.worker);
  post(record.worker, [&engine, key = record.key] {
    if (rally::Session* session = engine.findSession(key)) engine.endSession(*session);
  });
}

// --- the client --------------------------------------------------------------------------------------

Client::Client(HandDrivenBroker& broker, std::string name, Options chosen)
    : options(chosen), name_(std::move(name)), broker_(broker) {}
Client::~Client() = default;

void Client::connect(unsigned worker) {
  drop();
  link = std::make_shared<Link>();
  link->client = this;
  link->worker = worker;
  isConnected = false;
  outstanding.clear();
  aliases.clear();
  answers.clear();
  disconnectReason.reset();
  broker_.open(link);
  send(frameOf(0x10, {0, 4, 'M', 'Q', 'T', 'T', options.version, 0, 0, 0, 0, 0}));
}

void Client::drop() {
  if (!link) return;
  link->isCut = true;
  link = nullptr;
  isConnected = false;
}

void Client::finish() {
  link->isEnded = true;
  isConnected = false;
}

void Client::goOnReading(size_t bytes) { broker_.makeRoom(*link, bytes); }

void Client::subscribe(const std::vector<Subscribe>& subscriptions) {
  Octets body;
  appendU16(body, nextPacketId());
  if (options.version >= 5) {
    Octets properties;
    if (subscriptions[0].id != 0) {
      properties.push_back(0x0b);
      appendVarint(properties, subscriptions[0].id);
    }
    appendVarint(body, uint32_t(properties.size()));
    appendOctets(body, properties);
  }
  for (const Subscribe& each : subscriptions) {
    appendText(body, each.filter);
    body.push_back(
        uint8_t(each.qos | (each.noLocal ? 4 : 0) | (each.retainAsPublished ? 8 : 0) | each.retainHandling << 4));
  }
  send(frameOf(0x82, body));
}

void Client::unsubscribe(const std::string& filter) {
  Octets body;
  appendU16(body, nextPacketId());
  if (options.version >= 5) body.push_back(0);
  appendText(body, filter);
  send(frameOf(0xa2, body));
}

void Client::publish(SentPublish publish) {
  if (publish.qos > 0) {
    if (publish.packetId == 0) publish.packetId = nextPacketId();
    unacknowledged.push_back({publish, false});
    if (!isConnected) return;  // goes out after the CONNACK
  }
  send(encode(publish, options.version));
}

void Client::read() {
  const std::shared_ptr<Link> from = link;
  if (!from || from->toClient.empty()) return;
  const Octets all = octetsOf(bytesOf(std::exchange(from->toClient, "")));
  size_t at = 0;
  while (from == link && all.size() - at >= 2) {
    size_t length = 0;
    size_t body = at + 1;
    for (int shift = 0; body < all.size(); shift += 7) {
      length |= size_t(all[body] & 0x7f) << shift;
      if ((all[body++] & 0x80) == 0) break;
    }
    if (all.size() < body + length || (all[body - 1] & 0x80) != 0) break;
    onFrame(all[at], Bytes(all).subspan(body, length));
    at = body + length;
  }
  from->toClient.assign(all.begin() + std::ptrdiff_t(at), all.end());
}

void Client::onFrame(uint8_t first, Bytes body) {
  const uint16_t packetId = body.size() >= 2 ? uint16_t(body[0] << 8 | body[1]) : uint16_t(0);
  const auto reason = rally::Reason(body.size() >= 3 ? body[2] : 0);
  const auto sent = std::find_if(unacknowledged.begin(), unacknowledged.end(),
                                 [&](const auto& each) { return each.first.packetId == packetId; });
  const bool isAnswer = (first >> 4 == 4 || first >> 4 == 5) && sent != unacknowledged.end() && !sent->second;
  if (isAnswer) {  // in the order of the PUBLISH packets, whichever shards they went to
    CHECK(std::all_of(unacknowledged.begin(), sent, [](const auto& each) { return each.second; }));
  }
  switch (first >> 4) {
    case 2:
      if (body[1] == 0) onConnack();
      else refusal = body[1];
      break;
    case 3: onPublish(first, body); break;
    case 4:
      acknowledgements.push_back(reason);
      if (CHECK(sent != unacknowledged.end())) unacknowledged.erase(sent);
      break;
    case 5:
      acknowledgements.push_back(reason);
      if (sent == unacknowledged.end()) break;  // to a PUBLISH that was sent again and had been released
      if (rally::isError(reason)) {
        unacknowledged.erase(sent);
        break;
      }
      sent->second = true;
      send(frameOf(0x62, octetsOf(body.first(2))));
      break;
    case 6:
      std::erase(qos2Ids_, packetId);
      reply(0x70, packetId);
      break;
    case 7:
      if (sent != unacknowledged.end()) unacknowledged.erase(sent);
      break;
    case 9:
      subacks.push_back(octetsOf(body));
      receivedBeforeSuback.push_back(received.size());
      break;
    case 11: break;
    case 13: pongs++; break;
    case 14: disconnectReason = body[0]; break;
    default: FAIL("a packet that no server sends");
  }
}

void Client::onConnack() {
  CHECK(!isConnected);
  isConnected = true;
  for (auto& [publish, isRecorded] : unacknowledged) {
    if (isRecorded) {
      Octets body;
      appendU16(body, publish.packetId);
      send(frameOf(0x62, body));
    } else {
      publish.duplicate = true;  // it may have been sent before
      send(encode(publish, options.version));
    }
  }
}

void Client::onPublish(uint8_t first, Bytes body) {
  CHECK(isConnected);
  auto publish = decodePublish(first, body, options.version);
  if (!CHECK(publish.has_value())) return;
  if (publish->topicAlias != 0) {
    CHECK(publish->topicAlias <= options.topicAliasMaximum);
    std::string& topic = aliases[publish->topicAlias];
    if (!publish->topic.empty()) topic = publish->topic;
    else savedTopics++;
    publish->topic = topic;
  }
  CHECK(!publish->topic.empty());
  if (options.maximumPacketSize != 0) CHECK(body.size() + (body.size() < 128 ? 2 : 3) <= options.maximumPacketSize);
  arrivals.push_back(*publish);
  const bool isKnown = publish->qos == 2 &&
                       std::find(qos2Ids_.begin(), qos2Ids_.end(), publish->packetId) != qos2Ids_.end();
  if (!isKnown) received.push_back(*publish);
  if (publish->qos == 0) return;
  outstanding.insert(publish->packetId);
  outstandingMax = std::max(outstandingMax, outstanding.size());
  if (publish->qos == 1) {
    reply(0x40, publish->packetId);
    return;
  }
  if (!isKnown) qos2Ids_.push_back(publish->packetId);
  reply(0x50, publish->packetId);
}

void Client::disconnect() { send(frameOf(0xe0, options.version >= 5 ? Octets{0x00} : Octets{})); }
void Client::ping() { send(frameOf(0xc0, {})); }
void Client::send(const Octets& bytes) {
  if (link) link->toBroker.append(bytes.begin(), bytes.end());
}
Octets Client::takeSent() { return octetsOf(bytesOf(std::exchange(link->toBroker, ""))); }
void Client::subscribe(const char* filter, int qos) { subscribe({{.filter = filter, .qos = uint8_t(qos)}}); }
void Client::publish(const std::string& topic, const std::string& payload, int qos, bool retain) {
  publish({.topic = topic, .payload = payload, .qos = uint8_t(qos), .retain = retain});
}

void Client::answer(size_t most) {
  for (; most > 0 && !answers.empty(); most--) {
    const Octets frame = std::move(answers.front());
    answers.pop_front();
    if (frame[0] != 0x50)
      outstanding.erase(uint16_t(frame[2] << 8 | frame[3]));  // after a PUBREC the PUBCOMP is still to come
    send(frame);
  }
}

std::vector<std::string> Client::texts() const {
  std::vector<std::string> all;
  for (const SentPublish& each : received) all.push_back(each.topic + "=" + each.payload);
  return all;
}

void Client::reply(int first, uint16_t packetId) {
  Octets body;
  appendU16(body, packetId);
  answers.push_back(frameOf(first, body));
  if (answersAtOnce) answer();
}

uint16_t Client::nextPacketId() {
  do {
    if (++lastPacketId_ == 0) lastPacketId_ = 1;
  } while (std::any_of(unacknowledged.begin(), unacknowledged.end(),
                       [&](const auto& each) { return each.first.packetId == lastPacketId_; }));
  return lastPacketId_;
}
