// The data plane of one worker: its front end, its shard, and the lanes to the other workers.
//
//   front end --publish--> who owns the topic? --this worker--> shard, at once, no lane
//                                              --another------> lane of requests -> shard there
//   shard --answers--> this worker's front end at once, or lane of deliveries -> front end there
//
// One thread uses an Engine. It outlives the thread: when a worker has ended in order and is started
// again, the new thread takes over its sessions, subscriptions and retained messages as they are.
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "accounts.h"
#include "cluster/remote-ends.h"
#include "durable/turn-gate.h"
#include "durable/whole-session.h"
#include "front-end/front-end.h"
#include "front-end/held-requests.h"
#include "front-end/matcher.h"
#include "front-end/retained-look-ups.h"
#include "front-end/reviews.h"
#include "front-end/route-checks.h"
#include "front-end/session-moves.h"
#include "front-end/session-row.h"
#include "front-end/sharing.h"
#include "front-end/slot-moves.h"
#include "front-end/subscriptions.h"
#include "front-end/under-way.h"
#include "lanes/lanes.h"
#include "security/rule-gate.h"
#include "sessions/session-table.h"
#include "shard/shard.h"
#include "structures/free-memory.h"
#include "topics/slot-map.h"

namespace rally {

class Engine : private ShardPort,
               private FrontEndPort,
               private SessionMoves::Outlet,
               private Departures::Outlet,
               private SlotMoves::Outlet,
               private RouteChecks::Outlet {
 public:
  Engine(unsigned index, Lanes& lanes, const Limits& limits, const HashKeys& keys, const RuleShelf& rules)
      : index_(index),
        workers_(lanes.workers()),
        lanes_(lanes),
        slots_(index, workers_),
        held_(limits.laneRecords - limits.laneRecords / 4,
              limits.lanesTotalBytesMax / (2 * std::max(1u, workers_ - 1))),
        limits_(limits),
        rules_(rules),
        gate_(limits_.grantsBroadFilters),
        filters_(keys),
        departures_(slots_, lanes.workersHere(), limits_, counters_, gate_, *this, *this, *this),
        journal_(lanes.rowOf(index)),
        accounts_(lanes.rowOf(index), limits_, counters_, journal_),
        frontEnd_(limits_, counters_, accounts_, filters_, journal_, *this, departures_, gate_),
        sharing_(slots_, filters_, sessions_, frontEnd_.outbound(), gate_, counters_, *this),
        routes_(slots_, filters_, *this, counters_, limits_.wildcardRoutesMax / lanes.workersHere(), keys.tables),
        subscriptions_(slots_, limits_, filters_, sessions_, sharing_, frontEnd_, gate_, counters_, journal_, routes_,
                       *this, lanes.subscriptionBytes()),
        reviews_(limits_, gate_, sessions_, subscriptions_),
        moves_(slots_, limits_, sessions_, subscriptions_, frontEnd_, accounts_.sessions, counters_, *this),
        lookUps_(slots_, filters_, frontEnd_.events(), *this),
        matcher_(frontEnd_.outbound(), gate_, counters_),
        shard_(slots_, lanes.here(), filters_, limits_, keys.tables, counters_, journal_, *this),
        routeJobs_(slots_, filters_, shard_.known(), sharing_, routes_, *this),
        routeChecks_(slots_, shard_.known(), routeJobs_, counters_, frontEnd_.events(), *this, *this),
        slotMoves_(slots_, shard_, routeJobs_, frontEnd_.events(), *this, *this) {
    if (!lanes.isClustered()) return;
    remote_ = std::make_unique<cluster::RemoteEnds>(index, lanes);
    SlotOwners nobody;
    nobody.fill(SlotMap::nobody);
    startCluster(lanes.here(), nobody);
  }

  unsigned index() const { return index_; }
  // Its place among the workers of this process.
  unsigned row() const { return lanes_.rowOf(index_); }
  // Of this process.
  unsigned workers() const override { return lanes_.workersHere(); }
  // All workers of the cluster have numbers below this.
  unsigned numbersEnd() const { return workers_; }
  const SlotMap& slots() const { return slots_; }
  Doorbell& doorbell() { return lanes_.doorbell(index_); }
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }
  const Limits& limits() const { return limits_; }
  // Their holders read them when they need them. Whatever was sized by one keeps its size.
  void setLimits(const Limits& limits) { limits_ = limits; }
  Accounts& accounts() { return accounts_; }
  FrontEnd& frontEnd() { return frontEnd_; }
  Subscriptions& subscriptions() { return subscriptions_; }
  const FilterTable& filters() const { return filters_; }
  FilterTable& filterTable() { return filters_; }
  Shard& shard() { return shard_; }
  Journal& journal() { return journal_; }
  SessionMoves& moves() { return moves_; }
  RetainedLookUps& lookUps() { return lookUps_; }
  LaneRoutes& routes() { return routes_; }
  uint64_t nowMs() const { return nowMs_; }

  // About the memory of everything that clients add and remove.
  size_t heldBytes() const {
    return subscriptions_.bytes() + frontEnd_.outbound().aliases().bytes() + shard_.retained().bytes() +
           counters_.get(Counter::sessions) * sizeof(Session) + accounts_.sessions.bytes() + accounts_.inputs.bytes();
  }

  // What it takes to log its durable state again: rather too much than too little.
  size_t stateBytes() {
    return subscriptions_.bytes() + shard_.retained().bytes() + counters_.get(Counter::sessions) * sizeof(Session) +
           accounts_.sessions.held().loggedBytes() + counters_.get(Counter::queued) * sizeof(uint16_t);
  }

  // --- workers of other nodes ---------------------------------------------------------------------

  // nullptr: this is not a node of a cluster.
  cluster::RemoteEnds* remote() { return remote_.get(); }
  // As RemoteEnds::open().
  bool openLink(unsigned worker, uint64_t incarnation, uint8_t version = cluster::linkVersion) {
    return remote_ && remote_->open(worker, incarnation, version);
  }

  // A move that begins here now has a larger number than those known here, as in lanes/lanes.h. Nodes between which
  // sessions move exchange these numbers.
  uint64_t lastMove() const { return lanes_.lastMove(); }
  void noteMove(uint64_t number) { lanes_.seeMove(number); }

  // --- one turn of the event loop -----------------------------------------------------------------

  // The thread that calls this is the only one that uses the engine, until abandonConnections().
  void attach() {
    RALLY_ASSERT(thread_ == std::thread::id());
    thread_ = std::this_thread::get_id();
  }

  void beginTurn(uint64_t nowMs) {
    RALLY_ASSERT(thread_ == std::this_thread::get_id());
    setClock(nowMs);
  }
  void setClock(uint64_t nowMs) {
    nowMs_ = nowMs;
    if (remote_) journal_.setStamp(lanes_.lastMove());
    frontEnd_.setNow(nowMs);
    shard_.setNow(nowMs);
    sharing_.beginTurn(nowMs);
    departures_.setNow(nowMs);
  }

  // Before the workers run: drains and commits the lanes. False: they were empty.
  bool settleLanes() {
    RALLY_ASSERT(thread_ == std::thread::id());
    bool isAny = false;
    eachOther([&](unsigned worker) {
      isAny |= lanes_.deliveries(worker, index_).drain(SIZE_MAX, [&](const ShardRecord& record) {
        takeDelivery(record, worker);
      }) > 0;
      isAny |= lanes_.requests(worker, index_).drain(SIZE_MAX, [&](const Request& request) {
        takeRequest(request, worker);
      }) > 0;
    });
    sharing_.settle();
    journal_.submit();
    eachOther([&](unsigned worker) {
      isAny |= lanes_.requests(index_, worker).commit();
      isAny |= lanes_.deliveries(index_, worker).commit();
    });
    return isAny;
  }

  // Once a second.
  void tick() {
    frontEnd_.tick();
    frontEnd_.outbound().drops().report(frontEnd_.events(), [this](uint64_t key) { return sessions_.find(key); });
    frontEnd_.outbound().arena().tick();
    shard_.tick();
    counters_.set(Counter::topicFilters, filters_.size());
    counters_.set(Counter::retainedBytes, shard_.retained().bytes());
    counters_.set(Counter::outboxBytes, frontEnd_.outbound().arena().usedBytes());
    if (!slotMoves_.isGiving()) shard_.dropLeft([this](uint64_t topicHash) { return isElsewhere(topicHash); });
    noteFullStore();
    if (journal_.isOn()) tickJournal();
    if (isInCluster_) {
      routes_.tick();
      routeChecks_.tick();
    }
    if (remote_) remote_->tick();
  }

  // Before the workers run: durable state is logged from now on.
  void openJournal(log::Log& log, uint64_t lastMessage, const LogClock& clock, TurnGate& gate) {
    journal_.open(log, lastMessage, clock, gate.floor, lanes_.isClustered());
    turnGate_ = &gate;
  }

  // Whether it has nothing to do that others wait for, and nothing on its way to them: no message and no session is
  // anywhere but where it belongs. Connections may be on their way out.
  //
  // In a cluster each worker logs what is its own, and a lane to another node is never empty for long: what is on its
  // way matters only if this node's log alone still has it.
  bool isAtRest() {
    bool isAtRest = !hasSlices() && held_.isEmpty() && !journal_.isHolding() && !journal_.hasUnsubmitted() &&
                    !moves_.isKeeping() && offersLeft_ == 0 && !shard_.isWaiting();
    eachOther([&](unsigned worker) {
      if (lanes_.isRemote(worker)) return;
      isAtRest = isAtRest && lanes_.requests(index_, worker).isSettled() &&
                 lanes_.deliveries(index_, worker).isSettled();
    });
    return isAtRest;
  }

  // Takes records from the lanes, and continues connections that waited for room in them.
  void drainLanes() {
    if (journal_.isOn()) hearJournal();
    if (turnGate_) turnGate_->pass(*this);
    if (remote_) remote_->beginTurn();
    catchUp();
    frontEnd_.takeLeave();
    frontEnd_.beginTurn();
    eachOther([&](unsigned worker) {
      drain(lanes_.deliveries(worker, index_), SIZE_MAX, worker,
            [&](const ShardRecord& record) { takeDelivery(record, worker); });
    });
    bool isProgressing = true;
    const uint64_t end = frontEnd_.outbound().deliveries() + laneDeliveriesPerTurn;
    for (int round = 0; round < requestRoundsMax && isProgressing && !isCrowded(&Lanes::deliveries); round++) {
      isProgressing = false;
      if (frontEnd_.outbound().deliveries() >= end) break;
      eachOther([&](unsigned worker) {
        isProgressing |= drain(lanes_.requests(worker, index_), requestBatch, worker,
                               [&](const Request& request) { takeRequest(request, worker); });
      });
      commitLanes();
    }
    frontEnd_.resumeStalled();
  }

  // Packet control has handled the events that it had time for: writes the outboxes and commits the lanes. Afterwards
  // the worker may sleep if !hasWork().
  void endTurn() {
    if (shard_.hasWork() && !isCrowded(&Lanes::deliveries)) shard_.proceed();
    filters_.proceed();
    sessions_.proceed();
    if (hasSlices() && !isLoaded()) {
      moves_.proceed();
      subscriptions_.proceed();
      reviews_.proceed();
      routeJobs_.proceed();
      slotMoves_.proceed();
    }
    if (frontEnd_.events().isEmpty()) frontEnd_.leaveDrained();
    departures_.proceed();
    accounts_.backlog.park();
    if (turnGate_) turnGate_->proceed(*this);
    sharing_.giveBack();
    journal_.submit();
    frontEnd_.outbound().flush();
    subscriptions_.askForRetained();
    sharing_.settle();
    subscriptions_.settleAccount();
    endForPacketIds();
    frontEnd_.outbound().arena().giveBackSome();
    eachWorker(leaving_, [&](unsigned worker) { clearLanesTo(worker); });
    commitLanes();
    if (remote_) remote_->endTurn(nowMs_);
  }

  // Whether a turn is due within a few milliseconds, even without input.
  bool isPaced() { return departures_.isPaced() || frontEnd_.isPaced() || frontEnd_.outbound().isPaced(); }

  bool hasWork() {
    bool hasWork = frontEnd_.outbound().isDirty() || frontEnd_.outbound().hasLine() ||
                   frontEnd_.outbound().hasAsking() || frontEnd_.hasLeft() || frontEnd_.hasDrained() ||
                   frontEnd_.hasSpent() || !frontEnd_.events().isEmpty() || departures_.hasWork() ||
                   (frontEnd_.hasStalled() && !isCrowded() && !isPausing()) ||
                   frontEnd_.outbound().arena().hasToGiveBack() || isPausing() || journal_.hasNews() ||
                   journal_.hasOpenTurn() || accounts_.backlog.hasWork() || (turnGate_ && turnGate_->hasWork(*this)) ||
                   (remote_ && remote_->hasWork());
    const bool takesRequests = !isCrowded(&Lanes::deliveries);
    hasWork |= takesRequests && shard_.hasWork();
    hasWork |= hasSlices() && !isLoaded();
    eachOther([&](unsigned worker) {
      hasWork |= !lanes_.deliveries(worker, index_).isEmpty() ||
                 (takesRequests && !lanes_.requests(worker, index_).isEmpty()) ||
                 lanes_.requests(index_, worker).canCommit() || lanes_.deliveries(index_, worker).canCommit();
    });
    return hasWork;
  }

  // --- workers and slots (front-end/slot-moves.h) -------------------------------------------------

  // Before anything else, in a cluster: the present workers, and the known owners of slots. The owners of the others
  // (SlotMap::nobody) announce themselves.
  void startCluster(uint64_t present, const SlotOwners& owners) {
    routes_.startCluster(routeChecks_.sums(), [this](LaneRoutes::Work work, LaneRoutes::Text text) {
      const bool isWiden = work == LaneRoutes::Work::widen;
      routeJobs_.add({.kind = isWiden ? RouteJob::Kind::widen : RouteJob::Kind::uncover, .text = std::move(text)});
    });
    sharing_.startCluster(routeChecks_.sums());
    shard_.known().startCluster();
    isInCluster_ = true;
    slots_.start(present, owners);
    countLanes();
  }

  // The present workers, including those that have joined. Those that are `elsewhere` may be lost.
  void setPresent(uint64_t present, uint64_t elsewhere) {
    underWay_.watch(elsewhere);
    const bool isFirst = !std::exchange(isPresent_, true);
    eachWorker(present & ~slots_.present(), [&](unsigned worker) {
      RALLY_ASSERT(worker < workers_ && (leaving_ & bitOf(worker)) == 0);
      clearLanesTo(worker);  // of one that had its number before
      slots_.add(worker);
      countLanes();
      shard_.onJoined(worker);
      slotMoves_.onJoined(worker);
    });
    if (isFirst) sendOffers();
  }

  // The worker will be present next, with durable sessions of one that is lost: what they may be for waits until their
  // filters are known here.
  void awaitFilters(unsigned worker) { slotMoves_.await(worker); }

  // Before the workers run, in a cluster: a retained message that this node's log has. It goes to the owner of its
  // topic, whoever that is, who takes it unless there is a later one.
  void offer(MessageRef message, uint64_t stamp) {
    offers_.push_back({std::move(message), stamp});
    offersLeft_++;
  }

  size_t offersLeft() const { return offersLeft_; }
  size_t walksLeft() const { return shard_.walks().unfinished(); }

  // Whether a worker is lost and its removal is not complete.
  bool isLeaving(uint64_t workers) const { return (leaving_ & workers) != 0; }

  // Event slotsTaken follows, with the returned number.
  uint64_t takeSlots(const SlotSet& slots) { return slotMoves_.take(slots); }

  // The worker is cut off and will never send anything again; everything received from it counts. Event workerGone
  // follows; until then its number must not be reused.
  void workerGone(unsigned worker) {
    RALLY_ASSERT(worker != index_ && worker < workers_);
    if ((slots_.present() & bitOf(worker)) == 0) {
      if (!isLeaving(bitOf(worker)))
        frontEnd_.events().push({EventKind::workerGone, 0, Reason::success, 0, worker, {}});
      return;
    }
    lanes_.deliveries(worker, index_).clear([&](const ShardRecord& record) { takeDelivery(record, worker); });
    lanes_.requests(worker, index_).clear([&](const Request& request) { takeRequest(request, worker); });
    slots_.remove(worker);
    countLanes();
    leaving_ |= bitOf(worker);
    std::vector<std::pair<unsigned, Request>> again;
    underWay_.lose(worker, [&](const request::Publish& asked) { again.push_back({slotOf(asked.topicHash), asked}); });
    held_.addFirst(again);
    clearLanesTo(worker);
    journal_.dropAnswersTo(worker);
    shard_.onGone(worker);
    slotMoves_.onGone(worker);
    routeChecks_.onGone(worker);
    subscriptions_.onGone(worker);
    moves_.onGone(worker);
    std::erase_if(unstored_, [&](const auto& each) { return each.second.shard == worker; });
    if (offersLeft_ > 0) sendOffers();  // those that it had not stored
    departures_.onGone(worker);
    lookUps_.onGone();
    routeJobs_.add({.kind = RouteJob::Kind::forgetWorker, .worker = worker, .then = [this, worker] {
                      clearLanesTo(worker);
                      leaving_ &= ~bitOf(worker);
                      frontEnd_.events().push({EventKind::workerGone, 0, Reason::success, 0, worker, {}});
                    }});
    slotsServed();
  }

  // --- sessions -----------------------------------------------------------------------------------

  Session* findSession(uint64_t key) { return sessions_.find(key); }

  template <class Visit>
  void eachSession(Visit&& visit) {
    sessions_.each(visit);
  }
  SessionTable& sessionTable() { return sessions_; }
  // Sessions with shared subscriptions, and some that had them.
  template <class Visit>
  void eachSharer(Visit&& visit) {
    sharing_.eachSharer(visit);
  }
  void noteSharer(const Session& session) { sharing_.noteSharer(session); }
  // The highest number of a message of this worker's topics that has arrived here, or was skipped.
  uint64_t takenOf(unsigned worker) const { return worker == index_ ? journal_.lastMessage() : taken_[worker]; }

  // A session outlives its connection until accept() says otherwise. An existing one stays.
  Session& createSession(uint64_t key) override { return createSession(key, ConnectionKind::client); }
  Session& createSession(uint64_t key, ConnectionKind kind) {
    if (Session* known = sessions_.find(key)) return *known;
    if (rightsOf(kind).isCounted) counters_.add(Counter::sessions);
    Session& session = sessions_.create(key);
    session.kind = kind;
    session.leftAtMs = nowMs_;
    return session;
  }

  // Ends a session whose client is not connected. Its will is published first; event settled follows.
  void endSession(Session& session) {
    session.expirySeconds = 0;
    sharing_.noteChange(session);
    depart(Departure::Kind::session, session);
  }

  // The session is about to end though messages wait for it: its client has had a later one on another node.
  void noteOutdated(Session& session) {
    size_t waiting = session.queue.size();
    session.window.eachUnreceived([&](const Delivery&) { waiting++; });
    counters_.add(Counter::droppedOutdated, waiting);
  }

  // The delay of its will has passed. Event settled follows.
  void publishWill(Session& session) { depart(Departure::Kind::will, session); }

  SessionRow sessionRow(uint64_t key) { return rowOf(key, sessions_.find(key), nowMs_); }

  // The session is gone for everyone at once, even if it is moving here or to another worker.
  void destroySession(Session& session) override {
    moves_.abandon(session);
    if (session.connection) frontEnd_.end(*session.connection, Reason::unspecifiedError);
    retire(sessions_.take(session));
  }

  // The rules last set by the main thread are in force from now on.
  void adoptRules() {
    std::shared_ptr<const RuleBook> book = rules_.take();
    if (!book) return;
    gate_.adopt(std::move(book));
    reviews_.beginAll();
  }

  // The thread has ended, and its connections with it; the contents of the sessions stay.
  void abandonConnections() {
    frontEnd_.abandonAll();
    subscriptions_.abandonPending();
    thread_ = std::thread::id();
  }

  // The process was suspended for that long, which counts as nobody's silence.
  void forgive(uint64_t gapMs) { frontEnd_.forgive(gapMs); }

 private:
  // Records taken from each lane at a time, and how often in a turn before the outboxes are written.
  static constexpr size_t requestBatch = 256;
  static constexpr int requestRoundsMax = 16;
  // Deliveries that records of the lanes may cause in a turn, in either direction: a few milliseconds of work.
  static constexpr uint64_t laneDeliveriesPerTurn = 5'000;
  // Seconds between two clock records in the log.
  static constexpr uint64_t clockTicks = 10;

  template <class Visit>
  void eachOther(Visit&& visit) {
    eachWorker(slots_.others(), visit);
  }

  // --- sessions -----------------------------------------------------------------------------------

  uint64_t nextMove() override { return lanes_.nextMove(index_); }
  void seeMove(uint64_t number) override { lanes_.seeMove(number); }
  void retire(SessionTable::Taken session) override {
    if (session->durable) journal_.ended(*session);
    std::vector<Delivery> heritage = sharing_.takeAll(*session);
    counters_.subtract(Counter::queued, session->queue.size());
    if (rightsOf(session->kind).isCounted) counters_.subtract(Counter::sessions);
    accounts_.sessions.clear(*session);
    subscriptions_.end(std::move(session), std::move(heritage));
  }

  // Clients hold too many packet identifiers that they do not release: the session that holds most ends. One that is
  // leaving ends after it has left.
  void endForPacketIds() {
    for (Session* payer = accounts_.sessions.packetIdsPayer(); payer; payer = accounts_.sessions.packetIdsPayer()) {
      if (payer->move) return;  // they go along
      counters_.add(Counter::sessionsCut);
      accounts_.sessions.clearPacketIds(*payer);
      payer->expirySeconds = 0;
      if (payer->connection) frontEnd_.end(*payer->connection, Reason::quotaExceeded);
      else if (payer->departures == 0) endSession(*payer);
    }
  }

  // --- front end -> shards ------------------------------------------------------------------------

  uint64_t topicHash(Bytes topic) override { return filters_.hashOf(topic); }
  void presenceChanged(const Session& session) override { sharing_.noteChange(session); }
  void becameDurable(Session& session) override {
    if (session.isDurable) logWhole(journal_, session, frontEnd_.outbound().held());
    else subscriptions_.noteDurable(session);
  }
  bool isCrowded() override {
    return isCrowded(&Lanes::requests) || isCrowded(&Lanes::deliveries) || journal_.isCrowded() || held_.isCrowded();
  }
  bool isPausing() override { return turnGate_ && turnGate_->isAsked(); }

  uint64_t publish(Publication& publication, const Source& source) override {
    const unsigned owner = slots_.serverOf(publication.topicHash);
    if (owner == index_) {
      shard_.publish(publication, source, index_);
      return 0;
    }
    const request::Publish asked{.qos = source.qos,
                                 .packetId = source.packetId,
                                 .connection = source.connection,
                                 .generation = source.generation,
                                 .isDurable = source.isDurable,
                                 .carried = Carried(publication.keep()),
                                 .topicHash = publication.topicHash};
    if (owner == SlotMap::nobody) {
      held_.add(slotOf(publication.topicHash), asked);
      return UINT64_MAX;  // whoever it will be
    }
    counters_.add(Counter::handedOver);
    if (source.qos > 0 && underWay_.isWatched(owner)) underWay_.add(owner, asked, publication.keep());
    lanes_.requests(index_, owner).push(asked);
    return bitOf(owner);
  }

  void toShard(unsigned worker, const Request& request) override {
    if (worker == index_) takeRequest(request, index_);
    else if (slots_.isGone(worker)) sendElsewhere(request);
    else lanes_.requests(index_, worker).push(request);
  }
  void toOwner(uint64_t topicHash, const Request& request) override {
    const unsigned owner = slots_.serverOf(topicHash);
    if (owner == SlotMap::nobody) held_.add(slotOf(topicHash), request);
    else toShard(owner, request);
  }
  void behindHeld(std::function<void()> then) override {
    if (held_.isEmpty()) then();
    else held_.behind(std::move(then));
  }

  void takeRequest(const Request& request, unsigned from) {
    request.visit([&](const auto& asked) {
      if constexpr (requires { moves_.take(asked, from); }) moves_.take(asked, from);
      else if constexpr (requires { slotMoves_.take(asked, from); }) slotMoves_.take(asked, from);
      else if constexpr (requires { routeChecks_.take(asked, from); }) routeChecks_.take(asked, from);
      else shard_.take(asked, from);
    });
  }

  // --- shards -> front end ------------------------------------------------------------------------

  void deliverHere(const std::vector<Filter*>& filters, Publication& publication, bool isLogged) override {
    matcher_.deliver(filters, publication, index_, isLogged);
  }

  ShareOutcome deliverSharedHere(Publication& publication, Share& share, ShareLevel worst) override {
    return sharing_.deliver(publication, share, index_, share.key, worst);
  }

  void acknowledge(unsigned worker, const Source& source, Reason reason, bool isLogged) override {
    const bool waits = isLogged && !isError(reason);
    if (source.qos == 0) return;
    if (worker == index_ && !waits) {
      acknowledge(source, reason, isLogged);
      return;
    }
    if (worker == index_ && source.qos == 1) return journal_.holdPuback(source, reason);
    const delivery::Acknowledge told{.qos = source.qos,
                                     .packetId = source.packetId,
                                     .connection = source.connection,
                                     .generation = source.generation,
                                     .reason = reason,
                                     .isLogged = isLogged,
                                     .session = source.session};
    if (waits) journal_.hold(worker, told);
    else answer(worker, told);
  }
  void acknowledgeStored(unsigned worker, const Source& source, Reason reason) override {
    if (source.qos == 0 || slots_.isGone(worker)) return;
    if (worker == index_) acknowledge(source, reason, true);
    else
      answer(worker, delivery::Acknowledge{.qos = source.qos,
                                           .packetId = source.packetId,
                                           .connection = source.connection,
                                           .generation = source.generation,
                                           .reason = reason,
                                           .isLogged = true,
                                           .session = source.session});
  }
  void answerBehind(unsigned worker, const ShardRecord& record) override {
    if (shard_.confirmations().isOpen()) answerStored(worker, record);
    else shard_.confirmations().behind(worker, record);
  }
  void answerStored(unsigned worker, const ShardRecord& record) override {
    if (slots_.isGone(worker)) return discard(record);
    if (journal_.isHolding()) journal_.hold(worker, record);
    else answer(worker, record);
  }

  void acknowledge(const Source& source, Reason reason, bool isLogged) {
    if (isLogged && source.qos == 2 && !isError(reason)) noteReceived(source);
    if (frontEnd_.acknowledge(source, reason, isLogged) || source.qos != 2) return;
    if (Session* session = sessions_.find(source.session)) frontEnd_.acknowledgeLate(*session, source.packetId, reason);
  }

  // The packet identifier of a client is in the log.
  void noteReceived(const Source& source) {
    Session* session = sessions_.find(source.session);
    if (!session || !session->durable) return;
    const bool isOpen = session->unfinished->received.all.contains(source.packetId);
    if (isOpen && journal_.isClustered()) {  // the message is in another log
      if (session->durable->exchanges->receivedLogged.contains(source.packetId)) return;
      journal_.receivedNow(*session, source.packetId);
      frontEnd_.outbound().holdFor(*session);
    }
    if (isOpen) session->durable->exchanges.own().receivedLogged.add(source.packetId);
    else if (!journal_.isClustered()) journal_.forget(*session, source.packetId);  // its PUBREL was quicker
  }

  void answer(unsigned worker, const ShardRecord& record) override {
    if (worker == index_) takeDelivery(record, index_);
    else lanes_.deliveries(index_, worker).push(record);
  }

  void takeDelivery(const ShardRecord& record, unsigned shard) {
    record.visit([&](const auto& each) { take(each, shard); });
  }

  void take(const delivery::Deliver& each, unsigned shard) {
    Publication publication = Publication::of(each.carried.take(), each.topicHash);
    if (publication.logId != 0) taken_[shard] = publication.logId;
    const bool isRefused = each.token != 0 && journal_.isRefusing() && isForDurable(publication);
    if (isRefused) counters_.add(Counter::storageRefused);
    else if (!isLate(publication)) {
      matches_.clear();
      filters_.match(publication.topic, publication.topicHash, matches_);
      matcher_.deliver(matches_, publication, shard, each.token != 0 && journal_.isClustered());
    }
    if (each.token != 0) confirm(shard, each.token, isRefused);
  }
  // A wide route (front-end/routes.h) may have brought a message that nobody here stores.
  bool isForDurable(const Publication& publication) {
    matches_.clear();
    filters_.match(publication.topic, publication.topicHash, matches_);
    return std::any_of(matches_.begin(), matches_.end(), [](const Filter* filter) { return filter->durable > 0; });
  }
  void take(const delivery::DeliverShared& each, unsigned shard) {
    Publication publication = Publication::of(each.carried.take(), 0);
    const bool isDone = isLate(publication) || sharing_.receive(publication, each, shard);
    if (each.token != 0 && isDone) confirm(shard, each.token, false);
  }
  // What was logged until now is all that the message has brought, but for sessions that are about to come: they are
  // logged with what they have got here when they are here.
  void confirm(unsigned shard, uint32_t token, bool isRefused) {
    if (isRefused) return toShard(shard, request::Stored{.isRefused = true, .token = token});
    if (awaitsSessions(shard, token)) return toShard(shard, request::StoredLater{.token = token});
    journal_.whenCommitted(shard, [this, shard, token] { toShard(shard, request::Stored{.token = token}); });
  }
  bool awaitsSessions(unsigned shard, uint32_t token) {
    Unstored message{.shard = shard, .token = token};
    for (const uint64_t key : frontEnd_.outbound().takeArriving()) {
      Session* session = sessions_.find(key);
      if (!session || !session->move || !session->move->isArriving()) continue;
      session->move->unstored.push_back(lastUnstored_ + 1);
      message.sessions++;
    }
    if (message.sessions > 0) unstored_[++lastUnstored_] = message;
    return message.sessions > 0;
  }
  void noteStored(const std::vector<uint64_t>& messages, bool isLost) override {
    for (const uint64_t number : messages) {
      const auto found = unstored_.find(number);
      if (found == unstored_.end()) continue;  // its shard is gone
      found->second.isRefused |= isLost;
      if (--found->second.sessions > 0) continue;  // others are to come
      const Unstored message = found->second;
      unstored_.erase(found);
      journal_.whenCommitted(message.shard, [this, message] {
        toShard(message.shard, request::Stored{.isRefused = message.isRefused, .token = message.token});
      });
    }
  }
  void confirmHere(uint32_t token) override { confirm(index_, token, false); }
  void take(const delivery::HandOver& each, unsigned shard) {
    sharing_.handOver(each.session, shard, each.senderShare);
  }
  void take(const delivery::Acknowledge& each, unsigned shard) {
    const Source source{each.connection, each.generation, each.packetId, each.qos, each.session};
    if (underWay_.isWatched(shard)) underWay_.settle(shard, source);
    acknowledge(source, each.reason, each.isLogged);
  }
  void take(const delivery::Subscribed& each, unsigned shard) { subscriptions_.onSubscribed(each.token, shard); }
  void take(const delivery::RetainedFound& each, unsigned shard) {
    if (!slots_.haveMoved() || !askAgain(each, shard)) subscriptions_.onRetainedFound(each);
  }
  // The shard that has looked it up may not own it any more: another one may, or none.
  bool askAgain(const delivery::RetainedFound& each, unsigned shard) {
    const Bytes topic = each.carried.look().topic();
    const uint64_t hash = filters_.hashOf(topic);
    if (slots_.ownerOf(hash) == shard) return false;
    const MessageRef message = each.carried.take();
    toOwner(hash, request::RetainedAgain{.qos = each.qos,
                                         .subscriptionId = each.subscriptionId,
                                         .session = each.session,
                                         .carried = Carried(toFilterText(topic)),
                                         .content = filters_.hashOf(message->payload())});
    return true;
  }
  void take(const delivery::RetainedWaits& each, unsigned shard) {
    subscriptions_.onRetainedState(each.session, shard, true);
  }
  void take(const delivery::RetainedDone& each, unsigned shard) {
    subscriptions_.onRetainedState(each.session, shard, false);
  }
  void take(const delivery::Departing& each, unsigned shard) { moves_.onDeparting(each, shard); }
  void take(const delivery::Arriving& each, unsigned shard) { moves_.onArriving(each, shard); }
  void take(const delivery::Flushed& each, unsigned shard) { moves_.onFlushed(each, shard); }
  void take(const delivery::Passed& each, unsigned shard) { departures_.onPassed(each.token, shard); }
  void take(const delivery::LookedUp& each, unsigned) { lookUps_.onLookedUp(each, nowMs_); }
  void take(const delivery::HoldSlots& each, unsigned worker) { slotMoves_.take(each, worker); }
  void take(const delivery::SlotsPassed& each, unsigned worker) { slotMoves_.take(each, worker); }
  void take(const delivery::CollectSlots& each, unsigned worker) { slotMoves_.take(each, worker); }
  void take(const delivery::SlotsOpen& each, unsigned worker) { slotMoves_.take(each, worker); }
  void take(const delivery::RetainedTaken& each, unsigned worker) { onOfferTaken(each.token, worker); }

  // --- what this node's log has and another one is to have ----------------------------------------

  void whenCommitted(std::function<void()> then) override { journal_.whenCommitted(std::move(then)); }
  void whenCommitted(unsigned receiver, std::function<void()> then) override {
    journal_.whenCommitted(receiver, std::move(then));
  }

  bool isRemote(unsigned worker) const override { return lanes_.isRemote(worker); }
  bool knowsChecks(unsigned worker) const override {
    return !lanes_.isRemote(worker) || remote_->versionOf(worker) >= cluster::sinceVersion<request::RoutesTold>;
  }
  bool knowsReleases(unsigned worker) const override {
    return remote_->versionOf(worker) >= cluster::sinceVersion<request::SessionReleased>;
  }
  void sessionLanding(Session& session, unsigned from) override {
    if (!journal_.isOn()) session.durable = nullptr;
    if (!journal_.isClustered() || lanes_.isRemote(from) || !session.durable) return;
    session.queue.each(frontEnd_.outbound().held(), [&](const Delivery& delivery) {
      if (delivery.qos == 0 || !delivery.message || isReservedTopic(delivery.message->topic())) return;
      Publication publication = Publication::of(delivery.message, 0);
      BroughtTargets targets;
      targets.add(session.key, delivery.qos, delivery.retain, delivery.isFromStore, delivery.subscriptionIds);
      journal_.bring(publication, targets);
    });
  }
  void sessionLanded(Session& session) override {
    if (session.durable) logWhole(journal_, session, frontEnd_.outbound().held());
  }

  // Whether no worker of this node has the topic, or is about to have it.
  bool isElsewhere(uint64_t topicHash) const {
    const uint64_t owners = slots_.ownersOf(topicHash);
    return owners != 0 && (owners & lanes_.here()) == 0;
  }
  // Those that nobody has stored. One that is sent twice is the same.
  void sendOffers() {
    for (size_t i = 0; i < offers_.size(); i++) {
      const Offer& offer = offers_[i];
      if (!offer.message) continue;
      toOwner(filters_.hashOf(offer.message->topic()),
              request::RetainedMoves{
                  .token = uint32_t(i + 1), .carried = Carried(MessageRef(offer.message)), .stamp = offer.stamp});
    }
  }
  void onOfferTaken(uint32_t token, unsigned worker) {
    if (token == 0 || token > offers_.size() || !offers_[token - 1].message) return;
    const MessageRef message = std::move(offers_[token - 1].message);
    if (lanes_.isRemote(worker) && isElsewhere(filters_.hashOf(message->topic())))
      journal_.retainedCleared(message->topic());
    if (--offersLeft_ == 0) freeMemory(offers_);
  }

  void depart(Departure::Kind kind, Session& session) {
    session.departures++;
    Departure departure{.kind = kind, .session = session.key, .will = {}, .access = {}};
    departure.giveWill(session);
    departures_.add(std::move(departure));
  }

  // Everything before the end of the session's last connection is complete. A session that does not outlive its
  // connection ends here.
  void departed(const Departure& departure) override {
    Session* session = sessions_.find(departure.session);
    if (session && session->departures > 0) session->departures--;
    if (departure.hadWill && session && session->durable) journal_.willOver(*session);
    const bool isOver = session && !session->isPersistent() && !session->connection && session->departures == 0;
    if (isOver) destroySession(*session);
    const SessionRow row = sessionRow(departure.session);
    const EventKind kind = departure.kind == Departure::Kind::connection ? EventKind::closed : EventKind::settled;
    frontEnd_.events().push(
        {kind, uint8_t(departure.cause), departure.reason, 0, departure.session, {row.begin(), row.end()}});
  }

  // A client may learn that its message was not retained; for a will, or with QoS 0, nobody is told.
  void noteFullStore() {
    if (hasNotedFullStore_ || counters_.get(Counter::retainedRefused) == 0) return;
    hasNotedFullStore_ = true;
    frontEnd_.events().push({EventKind::noticed, uint8_t(Notice::retainedStoreFull), Reason::success, 0, 0, {}});
  }

  // Whether the message has expired in transit.
  bool isLate(const Publication& publication) {
    if (!hasPassed(publication.expiresAtMs, nowMs_)) return false;
    counters_.add(Counter::droppedExpired);
    return true;
  }

  // --- the log ------------------------------------------------------------------------------------

  // Notices what is committed, and releases everything that has waited for it.
  void hearJournal() {
    journal_.update();
    Source source;
    Reason reason{};
    while (journal_.takeReadyPuback(source, reason)) frontEnd_.acknowledge(source, reason, true);
    unsigned worker = 0;
    for (ShardRecord record; journal_.takeReady(worker, record);) {
      if (worker == SlotMap::nobody) discard(record);
      else answer(worker, record);
    }
    journal_.callReady();
    frontEnd_.outbound().releaseHeld();
  }

  // Sessions for which there was no time in the last turn, and those whose next messages have been read back from the
  // log.
  void catchUp() {
    Backlog& backlog = accounts_.backlog;
    backlog.hear();
    backlog.takeReady([&](uint64_t key) {
      if (Session* session = sessions_.find(key)) frontEnd_.outbound().standInLine(*session);
    });
    frontEnd_.outbound().continueLines([this](uint64_t key) { return sessions_.find(key); });
  }

  // Once a second.
  void tickJournal() {
    for (const uint64_t key : journal_.takeUnsaid()) {
      if (Session* session = sessions_.find(key)) journal_.flushDone(*session);
    }
    if (turnGate_ && index_ == 0) turnGate_->tick();
    const bool isClockDue = ++ticks_ % clockTicks == 0 && counters_.get(Counter::sessions) > 0;
    if (isClockDue || journal_.isClockSet()) journal_.clock();
    journal_.submitAll();
  }

  // --- workers and slots --------------------------------------------------------------------------

  void slotsServed() override {
    held_.release([&](unsigned slot) { return slots_.isHeld(slot); },
                  [&](unsigned slot, const Request& request) { send(slots_.owner(slot), request); });
    if (!slots_.isAnyHeld()) subscriptions_.finishHeld();
  }
  // Held requests.
  void send(unsigned owner, const Request& request) {
    request.visit([&](const auto& asked) {
      if constexpr (std::is_same_v<std::decay_t<decltype(asked)>, request::Publish>) {
        if (asked.qos > 0 && underWay_.isWatched(owner)) {
          const MessageRef message = asked.carried.take();
          underWay_.add(owner, asked, message);
          request::Publish again = asked;
          again.carried = Carried(message);
          toShard(owner, again);
          return;
        }
      }
      toShard(owner, asked);
    });
  }

  // Records that a lost worker will not take: messages of shares go to other members.
  void clearLanesTo(unsigned worker) {
    lanes_.requests(index_, worker).clear([&](const Request& request) { sendElsewhere(request); });
    lanes_.deliveries(index_, worker).clear([&](const ShardRecord& record) {
      record.visit([&](const auto& each) {
        if constexpr (std::is_same_v<std::decay_t<decltype(each)>, delivery::DeliverShared>)
          shard_.take(request::Reshare{.level = each.level,
                                       .isWithheld = each.isWithheld,
                                       .share = each.senderShare,
                                       .token = each.token,
                                       .carried = each.carried,
                                       .refused = each.refused | bitOf(worker)},
                      worker);
        else discard(ShardRecord(each));
      });
    });
    shard_.onUnstored(worker);
  }
  void sendElsewhere(const Request& request) {
    request.visit([&](const auto& asked) {
      using Asked = std::decay_t<decltype(asked)>;
      if constexpr (std::is_same_v<Asked, request::Reshare>)
        toOwner(filters_.hashOf(asked.carried.look().topic()), asked);
      else discard(Request(asked));
    });
  }

  void countLanes() { lanesIn_ = std::max(1u, unsigned(__builtin_popcountll(slots_.others()))); }

  // --- lanes --------------------------------------------------------------------------------------

  // Takes records from a lane, at most `most`, until they have caused this lane's part of the deliveries of a turn.
  // True when there were any.
  template <class R, class Take>
  bool drain(WorkerLane<R>& lane, size_t most, unsigned from, Take&& take) {
    const Outbound& outbound = frontEnd_.outbound();
    const uint64_t end = outbound.deliveries() + laneDeliveriesPerTurn / lanesIn_;
    const size_t taken = lane.drain(most, [&](const R& record) {
      take(record);
      return outbound.deliveries() < end;
    });
    if (lane.takeProducerWaits()) ring(from);
    return noteTaken(taken);
  }

  void ring(unsigned worker) {
    if (lanes_.doorbell(worker).ring()) counters_.add(Counter::doorbells);
  }

  void commitLanes() {
    journal_.submit();
    eachOther([&](unsigned worker) {
      const bool hasRequests = lanes_.requests(index_, worker).commit();
      const bool hasDeliveries = lanes_.deliveries(index_, worker).commit();
      if (!hasRequests && !hasDeliveries) return;
      counters_.add(Counter::laneBatches);
      ring(worker);
    });
  }

  // True when there were any.
  bool noteTaken(size_t records) {
    if (records > 0) counters_.add(Counter::laneRecords, records);
    return records > 0;
  }

  template <class R>
  bool isCrowded(WorkerLane<R>& (Lanes::*direction)(unsigned, unsigned)) {
    bool isCrowded = false;
    eachOther([&](unsigned worker) { isCrowded |= (lanes_.*direction)(index_, worker).isCrowded(); });
    return isCrowded;
  }

  // Subscriptions of sessions that move or have ended, or that are checked again.
  bool hasSlices() const {
    return moves_.hasWork() || subscriptions_.hasWork() || reviews_.hasWork() || routeJobs_.hasWork() ||
           slotMoves_.hasWork();
  }
  bool isLoaded() {
    bool isLoaded = false;
    eachOther([&](unsigned worker) { isLoaded |= lanes_.requests(index_, worker).isLoaded(); });
    return isLoaded;
  }

  // In the order of their dependencies.
  std::thread::id thread_;
  const unsigned index_;
  const unsigned workers_;
  Lanes& lanes_;
  SlotMap slots_;
  HeldRequests held_;
  Limits limits_;  // a copy, since each worker changes its own
  Counters counters_;
  const RuleShelf& rules_;
  RuleGate gate_;
  FilterTable filters_;
  SessionTable sessions_;
  Departures departures_;
  Journal journal_;
  Accounts accounts_;
  FrontEnd frontEnd_;
  Sharing sharing_;
  LaneRoutes routes_;
  Subscriptions subscriptions_;
  Reviews reviews_;
  SessionMoves moves_;
  RetainedLookUps lookUps_;
  Matcher matcher_;
  Shard shard_;
  RouteJobs routeJobs_;
  RouteChecks routeChecks_;
  SlotMoves slotMoves_;
  UnderWay underWay_;
  uint64_t leaving_ = 0;  // workers that are gone and not forgotten
  // A message that its shard wants to be stored, and that waits for sessions which are on their way here.
  struct Unstored {
    unsigned shard = 0;
    uint32_t token = 0;
    bool isRefused = false;  // a session that it was for is lost
    size_t sessions = 0;
  };
  struct Offer {
    MessageRef message;  // none: it was taken
    uint64_t stamp = 0;
  };
  std::unordered_map<uint64_t, Unstored> unstored_;
  uint64_t lastUnstored_ = 0;
  std::vector<Offer> offers_;
  size_t offersLeft_ = 0;
  bool isInCluster_ = false;
  bool isPresent_ = false;  // the others are known
  std::unique_ptr<cluster::RemoteEnds> remote_;
  std::vector<Filter*> matches_;
  std::array<uint64_t, 64> taken_{};               // by worker, as takenOf() says
  uint64_t lanesIn_ = std::max(1u, workers_ - 1);  // from other workers, in one direction
  uint64_t nowMs_ = 0;
  TurnGate* turnGate_ = nullptr;
  uint64_t ticks_ = 0;
  bool hasNotedFullStore_ = false;
};

}  // namespace rally
