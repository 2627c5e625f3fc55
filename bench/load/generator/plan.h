// Which clients a scenario has, on which thread, and in which stages it is played. Scenarios are named as in
// the Open MQTT Benchmark suite.
//
// Topics are  bench/RUN/PUBLISHER/TOPIC,  so that two runs do not meet on one broker.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>

#include "ballast.h"
#include "churner.h"
#include "idler.h"
#include "options.h"
#include "publisher.h"
#include "retained.h"
#include "subscriber.h"

namespace load {

struct Stage {
  enum class Timing : uint8_t {
    open,             // opens its clients, and that is all
    openThenMeasure,  // then warms up and measures
    measureOpening,   // measures while it opens them
  };
  const char* name = "";
  Timing timing = Timing::openThenMeasure;
  uint64_t concurrency = 1;                   // over all threads
  std::vector<std::vector<Client*>> clients;  // of each thread, in the order in which they are opened

  uint64_t count() const {
    uint64_t sum = 0;
    for (const auto& each : clients) sum += each.size();
    return sum;
  }
};

class Plan {
 public:
  Plan(const Options& options, Shared& shared, std::vector<std::unique_ptr<Loop>>& loops, std::string run)
      : options_(options), shared_(shared), loops_(loops), run_(std::move(run)) {
    stages_.reserve(stagesMax);
    clientsOfThreads_.resize(loops_.size());
    const std::string& name = options.scenario;
    if (name == "p2p" || name == "many-topics") pointToPoint();
    else if (name == "fan-out") fanOut();
    else if (name == "fan-in") fanIn();
    else if (name == "shared") sharedSubscription();
    else if (name == "connections" || name == "upgrades") connections();
    else if (name == "subscriptions") subscriptions();
    else if (name == "slow-consumer") slowConsumer();
    else if (name == "mixed") mixed();
    else if (name == "soak") soak();
    else if (name == "retained") retained();
    else refuse("there is no scenario " + name);
  }

  static constexpr size_t stagesMax = 4;

  const std::vector<Stage>& stages() const { return stages_; }
  const std::vector<Publisher*>& publishers() const { return publishers_; }
  const std::vector<std::vector<Client*>>& clientsOfThreads() const { return clientsOfThreads_; }
  const std::vector<Ballast*>& ballasts() const { return ballasts_; }
  const std::vector<Subscriber*>& subscribers() const { return subscribers_; }

  // Connections that are refused are counted, and the load goes on.
  bool toleratesRefusals() const { return options_.scenario == "connections" || options_.scenario == "upgrades"; }

  bool isSettled() const {
    return std::all_of(publishers_.begin(), publishers_.end(), [](const Publisher* each) { return each->isSettled(); });
  }

  // After the threads have ended.
  Faults faults() {
    Faults sum;
    for (SessionRecord& each : records_) {
      const Faults own = each.faults();
      if (own.any()) shared_.note(each.name() + ": " + own.text());
      sum.add(own);
    }
    const auto lastOf = [this](uint32_t stream) {
      return publishers_[stream / topics()]->streams()[stream % topics()].sequence;
    };
    for (size_t n = 0; n < subscribers_.size(); n++) {
      const Faults own = subscribers_[n]->faults(lastOf);
      if (own.any()) shared_.note("subscriber " + std::to_string(n) + ": " + own.text());
      sum.add(own);
    }
    for (const RetainedReader* each : retainedReaders_) sum.add(each->faults());
    for (const Publisher* each : publishers_) sum.refused += each->refusals();
    for (const RetainedPublisher* each : retainedPublishers_) sum.refused += each->refusals();
    for (uint32_t stream = 0; group_ && stream < group_->streams.size(); stream++) {
      sum.lost += group_->streams[stream].missing();
      sum.undelivered += lastOf(stream) - group_->streams[stream].last();
    }
    return sum;
  }

 private:
  static constexpr uint64_t filtersPerBallast = 10'000;  // as many as RallyMQ allows a session by default
  // What a frozen or slow client's kernel may hold; else it would be megabytes until anybody noticed.
  static constexpr int slowReceiveBufferBytes = 16 * 1024;

  // --- scenarios ---

  // Publisher n to subscriber n.
  void pointToPoint() {
    Stage& stage = addStage("load", Stage::Timing::openThenMeasure);
    addPublishers([](uint64_t) { return 1u; });
    for (uint32_t n = 0; n < options_.publishers; n++) addSubscriber(stage, n, filtersOf(n), {n});
    openPublishers(stage);
  }

  // Each publisher to all subscribers.
  void fanOut() {
    Stage& stage = addStage("load", Stage::Timing::openThenMeasure);
    addPublishers([this](uint64_t) { return uint32_t(options_.subscribers); });
    addListeners(stage, options_.subscribers, {});
    openPublishers(stage);
  }

  // All publishers to each subscriber, through one wildcard.
  void fanIn() {
    Stage& stage = addStage("load", Stage::Timing::openThenMeasure);
    addPublishers([this](uint64_t) { return uint32_t(options_.subscribers); });
    for (uint32_t n = 0; n < options_.subscribers; n++) addSubscriber(stage, n, {prefix() + "/+/#"}, allPublishers());
    openPublishers(stage);
  }

  // All publishers to one of the members each.
  void sharedSubscription() {
    Stage& stage = addStage("load", Stage::Timing::openThenMeasure);
    addPublishers([](uint64_t) { return 1u; });
    group_ = std::make_unique<Group>();
    group_->streams.resize(options_.publishers * topics());
    for (uint32_t n = 0; n < options_.subscribers; n++) {
      Subscriber::Terms terms = termsOf({"$share/group/" + prefix() + "/+/#"}, allPublishers());
      terms.group = group_.get();
      addSubscriber(stage, 0, std::move(terms));
    }
    openPublishers(stage);
  }

  // As many connections as fast as they are accepted, which then stay for a while.
  void connections() {
    Stage& stage = addStage("connect", Stage::Timing::openThenMeasure);
    for (uint64_t n = 0; n < options_.connections; n++) {
      Loop& loop = *loops_[n % loops_.size()];
      open(stage, loop, make<Idler>(loop), "idle");
    }
  }

  // Point to point, without and then with very many subscriptions that do not match.
  void subscriptions() {
    pointToPoint();
    stages_.back().name = "without";
    if (options_.exact > 0) addBallast("exact", options_.exact, [this](uint64_t n) { return exactFilter(n); });
    if (options_.wildcard > 0)
      addBallast("wildcard", options_.wildcard, [this](uint64_t n) { return wildcardFilter(n); });
  }

  // Fan-out, without and then with subscribers of the same topic that read slowly or not at all.
  void slowConsumer() {
    fanOut();
    stages_.back().name = "without";
    Stage& stage = addStage("with", Stage::Timing::openThenMeasure);
    addListeners(stage, options_.frozen, 0);
    addListeners(stage, options_.slow, options_.slowbytes);
  }

  // Publishers of every QoS, subscribers with and without wildcards, some of which are frozen.
  void mixed() {
    Stage& stage = addStage("load", Stage::Timing::openThenMeasure);
    const uint64_t subscribers = options_.subscribers;
    const auto publishersOf = [this](uint64_t n) {
      std::vector<uint32_t> chosen;
      for (uint64_t i = 0; i < std::min<uint64_t>(mixedPublishers, options_.publishers); i++) {
        chosen.push_back(uint32_t((n + i * (1 + options_.publishers / mixedPublishers)) % options_.publishers));
      }
      std::sort(chosen.begin(), chosen.end());
      chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
      return chosen;
    };
    std::vector<uint32_t> copies(options_.publishers, 0);
    for (uint64_t n = options_.frozen; n < subscribers; n++) {
      for (const uint32_t publisher : publishersOf(n)) copies[publisher]++;
    }
    addPublishers([&](uint64_t n) { return copies[n]; });
    for (uint64_t n = 0; n < subscribers; n++) {
      std::vector<std::string> filters;
      for (const uint32_t publisher : publishersOf(n)) {
        const auto own = n % 2 == 0 ? std::vector<std::string>{prefix() + "/" + std::to_string(publisher) + "/+"}
                                    : filtersOf(publisher);
        filters.insert(filters.end(), own.begin(), own.end());
      }
      Subscriber::Terms terms = termsOf(std::move(filters), publishersOf(n));
      terms.qos = 2;
      if (n < options_.frozen) terms.readsBytesPerSecond = 0;
      addSubscriber(stage, uint32_t(n), std::move(terms));
    }
    openPublishers(stage);
  }

  // Mixed, over both transports if there are two, with clients that come and go and slow ones.
  void soak() {
    if (options_.publishers < qosCount) refuse("soak needs a publisher of each QoS");
    mixed();
    Stage& stage = stages_.back();
    for (uint32_t n = 0; n < options_.slow; n++) {
      Subscriber::Terms terms = termsOf({prefix() + "/+/#"}, allPublishers());
      terms.qos = 1;
      terms.readsBytesPerSecond = options_.slowbytes;
      addSubscriber(stage, n, std::move(terms));
    }
    for (uint32_t n = 0; n < options_.churn; n += 2) addPair(stage, n);
  }

  // Retains very many messages; then, beside a steady exchange that must not suffer, subscribes to a few of
  // them many times, and again while another client reads all of them.
  void retained() {
    retainedSet_ = {prefix() + "/retained", options_.retained, options_.payload};
    Stage& retain = addStage("retain", Stage::Timing::open);
    for (uint64_t n = 0; n < retainedPublishers; n++) {
      Loop& loop = *loops_[n % loops_.size()];
      const uint64_t first = options_.retained * n / retainedPublishers;
      RetainedPublisher& role = make<RetainedPublisher>(loop, retainedSet_, first,
                                                        options_.retained * (n + 1) / retainedPublishers);
      retainedPublishers_.push_back(&role);
      open(retain, loop, role, "retain");
    }
    pointToPoint();
    stages_.back().name = "quiet";
    Stage& few = addStage("few", Stage::Timing::measureOpening);
    few.concurrency = 1;
    addFewReaders(few, 0);
    // One reads all of them, slowly at first; beside it others ask for a few, one after the other.
    Stage& all = addStage("all", Stage::Timing::measureOpening);
    all.concurrency = 2 * loops_.size();
    const uint64_t slowBytes = std::min<uint64_t>(options_.retained * options_.payload / 10, options_.slowbytes * 100);
    addRetainedReader(all, 0,
                      {retainedSet_.prefix + "/#", 0, options_.retained, slowBytes, slowBytes / slowSeconds, 0});
    addFewReaders(all, fewDelayMs);
  }

  // --- parts of them ---

  static constexpr uint32_t qosCount = 3;
  static constexpr uint64_t mixedPublishers = 4;  // that a subscriber of `mixed` listens to
  static constexpr uint64_t retainedPublishers = 4;
  static constexpr uint64_t fewReadersMax = 100;
  static constexpr uint64_t slowSeconds = 2;  // that all retained messages are read slowly for
  static constexpr uint64_t fewDelayMs = 10;  // so that a hundred readers of a few come in about that time

  uint32_t topics() const { return uint32_t(options_.topics); }
  std::string prefix() const { return "bench/" + run_; }
  std::string topicOf(uint64_t publisher, uint64_t topic) const {
    return prefix() + "/" + std::to_string(publisher) + "/" + std::to_string(topic);
  }
  std::string exactFilter(uint64_t n) const {
    return "site/" + run_ + "/" + std::to_string(n % 1'000) + "/unit" + std::to_string(n) + "/temperature";
  }
  std::string wildcardFilter(uint64_t n) const {
    return "site/" + run_ + "/+/unit" + std::to_string(n) + (n % 2 == 0 ? "/#" : "/+/state");
  }
  std::vector<std::string> filtersOf(uint64_t publisher) const {
    std::vector<std::string> filters;
    for (uint64_t topic = 0; topic < options_.topics; topic++) filters.push_back(topicOf(publisher, topic));
    return filters;
  }
  std::vector<uint32_t> allPublishers() const {
    std::vector<uint32_t> all(options_.publishers);
    for (uint32_t n = 0; n < all.size(); n++) all[n] = n;
    return all;
  }

  Stage& addStage(const char* name, Stage::Timing timing) {
    Stage& stage = stages_.emplace_back(Stage{name, timing, options_.concurrency, {}});
    stage.clients.resize(loops_.size());
    return stage;
  }

  // Before any subscriber, who needs to know their streams.
  template <class CopiesOf>
  void addPublishers(CopiesOf&& copiesOf) {
    const bool isMixed = options_.scenario == "mixed" || options_.scenario == "soak";
    for (uint32_t n = 0; n < options_.publishers; n++) {
      Loop& loop = *loops_[n % loops_.size()];
      const auto qos = uint8_t(isMixed ? n % 3 : options_.qos);
      Publisher& publisher = make<Publisher>(
          loop, Publisher::Terms{
                    .qos = qos, .window = uint32_t(options_.window), .copies = copiesOf(n), .schedule = scheduleOf(n)});
      for (uint32_t topic = 0; topic < topics(); topic++) {
        publisher.addStream({{shared_.target.version, qos, false, options_.payload, targetOf(n).isWebSocket},
                             topicOf(n, topic),
                             n * topics() + topic});
      }
      publishers_.push_back(&publisher);
    }
    for (auto& loop : loops_) {
      loop->publishers = publishers_;
      loop->arrivals.assign(publishers_.size(), 0);
    }
  }

  Schedule scheduleOf(uint64_t publisher) const {
    if (options_.rate == 0) return {};
    return {options_.publishers * nsPerSecond / options_.rate, publisher * nsPerSecond / options_.rate};
  }

  void openPublishers(Stage& stage) {
    for (uint32_t n = 0; n < publishers_.size(); n++)
      open(stage, publishers_[n]->loop(), *publishers_[n], "pub", targetOf(n));
  }

  Subscriber::Terms termsOf(std::vector<std::string> filters, std::vector<uint32_t> publishers) const {
    return {.filters = std::move(filters),
            .qos = uint8_t(options_.qos),
            .payloadBytes = options_.payload,
            .topicsPerPublisher = topics(),
            .publishers = std::move(publishers),
            .group = nullptr,
            .readsBytesPerSecond = {}};
  }
  void addSubscriber(Stage& stage, uint32_t thread, std::vector<std::string> filters,
                     std::vector<uint32_t> publishers) {
    addSubscriber(stage, thread, termsOf(std::move(filters), std::move(publishers)));
  }
  void addSubscriber(Stage& stage, uint32_t thread, Subscriber::Terms terms) {
    Loop& loop = *loops_[thread % loops_.size()];
    const bool isSlow = terms.readsBytesPerSecond.has_value();
    Subscriber& role = make<Subscriber>(loop, std::move(terms));
    subscribers_.push_back(&role);
    Client& client = open(stage, loop, role, "sub", targetOf(subscribers_.size()));
    if (isSlow) client.limitReceiveBuffer(slowReceiveBufferBytes);
  }
  // Subscribers to everything, by name.
  void addListeners(Stage& stage, uint64_t count, std::optional<uint64_t> bytesPerSecond) {
    for (uint32_t n = 0; n < count; n++) {
      std::vector<std::string> filters;
      for (uint64_t publisher = 0; publisher < options_.publishers; publisher++) {
        const auto own = filtersOf(publisher);
        filters.insert(filters.end(), own.begin(), own.end());
      }
      Subscriber::Terms terms = termsOf(std::move(filters), allPublishers());
      terms.readsBytesPerSecond = bytesPerSecond;
      addSubscriber(stage, n, std::move(terms));
    }
  }

  // Two clients that share a client identifier and come and go. Every other pair has a session that outlives its
  // connections and gets what was published while both were away; its client comes by both transports.
  void addPair(Stage& stage, uint32_t n) {
    const uint32_t pair = n / 2;
    const bool isClean = pair % 2 == 0;
    // Of QoS 1 or 2, as a session that outlives its connections gets nothing else while it is away.
    const uint64_t publisher = isClean ? pair % options_.publishers
                                       : pair % (options_.publishers / qosCount) * qosCount + 1 + pair % 2;
    Loop& loop = *loops_[pair % loops_.size()];
    for (uint32_t member = 0; member < 2; member++) {
      if (isClean || member == 0) {
        records_.emplace_back((isClean ? "client of pair " : "lasting session of pair ") + std::to_string(pair),
                              options_.payload);
      }
      Churner& churner = make<Churner>(loop,
                                       Churner::Terms{.filters = {prefix() + "/" + std::to_string(publisher) + "/+"},
                                                      .changing = exactFilter(n + member),
                                                      .qos = uint8_t(isClean ? (pair + member) % qosCount : 1 + member),
                                                      .isClean = isClean,
                                                      .stayMsMax = 2'000,
                                                      .seed = n + member + 1},
                                       records_.back());
      const ConnectTerms terms{shared_.target.version, "bench-" + run_ + "-churn-" + std::to_string(pair), isClean,
                               isClean ? 0u : 30u};
      open(stage, loop, churner, terms, member == 0 ? shared_.target : shared_.tcp);
    }
  }

  void addBallast(const char* name, uint64_t count, Ballast::FilterAt filterAt) {
    Stage& stage = addStage(name, Stage::Timing::openThenMeasure);
    for (uint64_t first = 0; first < count; first += filtersPerBallast) {
      Loop& loop = *loops_[first / filtersPerBallast % loops_.size()];
      Ballast& role = make<Ballast>(loop, filterAt, first, std::min(count, first + filtersPerBallast));
      ballasts_.push_back(&role);
      open(stage, loop, role, "ballast");
    }
    stage.concurrency = 1;
  }

  void addFewReaders(Stage& stage, uint64_t delayMs) {
    const uint64_t groups = options_.retained / RetainedSet::perGroup;
    for (uint64_t n = 0; n < std::min(groups, fewReadersMax); n++) {
      const uint64_t first = (n * 7'919 % groups) * RetainedSet::perGroup;
      addRetainedReader(stage, n, {retainedSet_.groupOf(first) + "/+", first, RetainedSet::perGroup, 0, 0, delayMs});
    }
  }

  void addRetainedReader(Stage& stage, uint64_t thread, RetainedReader::Terms terms) {
    Loop& loop = *loops_[thread % loops_.size()];
    const bool isSlow = terms.slowBytes > 0;
    RetainedReader& role = make<RetainedReader>(loop, retainedSet_, std::move(terms));
    retainedReaders_.push_back(&role);
    Client& client = open(stage, loop, role, "reader");
    if (isSlow) client.limitReceiveBuffer(slowReceiveBufferBytes);
  }

  template <class Kind, class... Arguments>
  Kind& make(Loop& loop, Arguments&&... arguments) {
    auto role = std::make_unique<Kind>(loop, std::forward<Arguments>(arguments)...);
    Kind& made = *role;
    roles_.push_back(std::move(role));
    return made;
  }
  // Of several brokers the next one: a publisher and its subscriber are on different ones. The two transports take
  // turns, but not in step with QoS or with who has wildcards.
  const Target& targetOf(uint64_t n) const {
    if (!shared_.nodes.empty()) return shared_.nodes[n % shared_.nodes.size()];
    return n / 6 % 2 == 0 ? shared_.target : shared_.tcp;
  }

  Client& open(Stage& stage, Loop& loop, Role& role, const char* kind) {
    return open(stage, loop, role, kind, shared_.target);
  }
  Client& open(Stage& stage, Loop& loop, Role& role, const char* kind, const Target& target) {
    const std::string clientId = "bench-" + run_ + "-" + kind + "-" + std::to_string(clients_.size());
    const ConnectTerms terms{shared_.target.version, clientId, true, uint32_t(options_.expiry)};
    return open(stage, loop, role, terms, target);
  }
  Client& open(Stage& stage, Loop& loop, Role& role, ConnectTerms terms, const Target& target) {
    Client& client = clients_.emplace_back(loop, role, target, std::move(terms), uint32_t(clients_.size()));
    for (size_t thread = 0; thread < loops_.size(); thread++) {
      if (loops_[thread].get() != &loop) continue;
      stage.clients[thread].push_back(&client);
      clientsOfThreads_[thread].push_back(&client);
    }
    return client;
  }

  const Options& options_;
  Shared& shared_;
  std::vector<std::unique_ptr<Loop>>& loops_;
  const std::string run_;
  RetainedSet retainedSet_;
  std::unique_ptr<Group> group_;
  std::vector<std::unique_ptr<Role>> roles_;
  std::deque<SessionRecord> records_;
  std::deque<Client> clients_;
  std::vector<Stage> stages_;
  std::vector<std::vector<Client*>> clientsOfThreads_;
  std::vector<Publisher*> publishers_;
  std::vector<Subscriber*> subscribers_;
  std::vector<Ballast*> ballasts_;
  std::vector<RetainedPublisher*> retainedPublishers_;
  std::vector<RetainedReader*> retainedReaders_;
};

}  // namespace load
