// Plays a plan: stage after stage, on its threads, watched from the main thread. Progress and the result are
// lines of JSON on standard output; bench/load/generator.ts says what is in them.
#pragma once
#include <arpa/inet.h>
#include <sys/resource.h>

#include "json.h"
#include "reactor.h"
#include "usage.h"

namespace load {

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {
    setTarget();
    for (uint64_t i = 0; i < options.threads; i++) loops_.push_back(std::make_unique<Loop>(shared_, Plan::stagesMax));
    plan_ = std::make_unique<Plan>(options, shared_, loops_,
                                   std::to_string(getpid()) + std::to_string(nowNs() % 1'000'000));
  }

  // Gives the exit status of the process.
  int play() {
    raiseFileLimit();
    for (size_t i = 0; i < loops_.size(); i++) {
      reactors_.push_back(std::make_unique<Reactor>(*loops_[i], *plan_, i, loops_.size()));
    }
    for (auto& each : reactors_) threads_.emplace_back([&each] { each->run(); });
    bool isSound = true;
    for (uint32_t stage = 0; isSound && stage < plan_->stages().size(); stage++) isSound = playStage(stage);
    if (isSound) drain();
    else shared_.isAborted = true;
    move(Phase::leaving);
    for (std::thread& each : threads_) each.join();
    if (isSound) printResult();
    else print(Json().open().text("error", failure_).close());
    return isSound ? 0 : 1;
  }

 private:
  // A core is as good as used up from here on.
  static constexpr double busy = 0.9;

  struct Watched {
    Usage opened;            // before the first connection of the stage
    Usage ready;             // all are ready
    Usage begun;             // measured from here
    Usage ended;             // to here
    uint64_t peakBytes = 0;  // of the broker's memory
  };

  void setTarget() {
    Target& target = shared_.target;
    target.address.sin_family = AF_INET;
    target.address.sin_port = htons(uint16_t(options_.port));
    if (inet_pton(AF_INET, options_.host.c_str(), &target.address.sin_addr) != 1)
      refuse("--host is not an IPv4 address");
    target.isSecure = options_.transport == "wss";
    target.isWebSocket = options_.transport == "ws" || target.isSecure;
    target.upgradesOnly = options_.scenario == "upgrades";
    target.upgradeRequest = upgradeRequest(options_.host, uint16_t(options_.port), options_.path);
    target.version = uint8_t(options_.version);
    shared_.tcp = target;
    setNodes();
    if (options_.tcpport == 0) return;
    shared_.tcp.address.sin_port = htons(uint16_t(options_.tcpport));
    shared_.tcp.isWebSocket = false;
    shared_.tcp.isSecure = false;
  }

  void setNodes() {
    for (size_t at = 0; at < options_.nodes.size();) {
      const size_t end = std::min(options_.nodes.find('+', at), options_.nodes.size());
      const uint64_t port = std::strtoull(options_.nodes.substr(at, end - at).c_str(), nullptr, 10);
      if (port == 0 || port > 65'535) refuse("--nodes are ports with + between");
      Target& node = shared_.nodes.emplace_back(shared_.target);
      node.address.sin_port = htons(uint16_t(port));
      node.upgradeRequest = upgradeRequest(options_.host, uint16_t(port), options_.path);
      at = end + 1;
    }
  }

  // As many open files as the system lets us have.
  static void raiseFileLimit() {
    rlimit limit{1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  void move(Phase phase) { move({moment_.stage, phase}); }
  void move(Moment moment) {
    moment_ = moment;
    shared_.moment.store(moment);
    for (const auto& each : loops_) each->ring();
  }

  bool playStage(uint32_t number) {
    const Stage& stage = plan_->stages()[number];
    Watched watched;
    watched.opened = usage();
    readyWanted_ += stage.count();
    const bool measuresOpening = stage.timing == Stage::Timing::measureOpening;
    move({number, measuresOpening ? Phase::measuring : Phase::opening});
    if (!waitUntilReady(stage, watched)) return false;
    watched.ready = usage();
    if (stage.timing == Stage::Timing::openThenMeasure) {
      move(Phase::warming);
      watch(options_.warmup, watched);
      watched.begun = usage();
      move(Phase::measuring);
      watch(options_.duration, watched);
    } else {
      watched.begun = measuresOpening ? watched.opened : watched.ready;
    }
    watched.ended = usage();
    watched.peakBytes = std::max(watched.peakBytes, watched.ended.broker.residentBytes);
    watched_.push_back(watched);
    return true;
  }

  bool waitUntilReady(const Stage& stage, Watched& watched) {
    const uint64_t end = nowNs() + options_.patience * nsPerMs;
    while (shared_.readyClients < readyWanted_) {
      if (shared_.faultCount > 0 && !plan_->toleratesRefusals()) {
        failure_ = shared_.firstFault();
        return false;
      }
      if (nowNs() > end) {
        failure_ = "after " + std::to_string(options_.patience) + " ms " +
                   std::to_string(readyWanted_ - shared_.readyClients) + " clients of the stage \"" + stage.name +
                   "\" were not ready";
        return false;
      }
      sleepFor(nsPerMs);
      notePeak(watched);
    }
    return true;
  }

  void watch(uint64_t ms, Watched& watched) {
    const uint64_t end = nowNs() + ms * nsPerMs;
    for (uint64_t now = nowNs(); now < end; now = nowNs()) {
      sleepFor(std::min(end - now, sampleEveryNs));
      notePeak(watched);
    }
  }

  void notePeak(Watched& watched) {
    const uint64_t now = nowNs();
    if (now < nextLookNs_) return;
    nextLookNs_ = now + sampleEveryNs;
    const BrokerUsage broker = readBroker(options_.pid);
    watched.peakBytes = std::max(watched.peakBytes, broker.residentBytes);
    if (options_.sample == 0 || now < nextSampleNs_) return;
    nextSampleNs_ = now + options_.sample * nsPerMs;
    uint64_t arrived = 0;
    for (const auto& each : loops_) arrived += each->arrived.load(std::memory_order_relaxed);
    print(Json()
              .open()
              .open("sample")
              .number("seconds", seconds(now - startedNs_))
              .number("delivered", double(arrived))
              .number("brokerBytes", double(broker.residentBytes))
              .number("brokerCpuSeconds", seconds(broker.cpuNs))
              .close()
              .close());
  }

  void drain() {
    move(Phase::draining);
    const uint64_t end = nowNs() + options_.drain * nsPerMs;
    while (nowNs() < end && !plan_->isSettled()) sleepFor(nsPerMs);
    // A second copy of the last messages would come now.
    sleepFor(20 * nsPerMs);
  }

  void printResult() {
    Faults faults = plan_->faults();
    Json json;
    json.open().open("result").text("scenario", options_.scenario);
    json.openList("stages");
    for (uint32_t stage = 0; stage < watched_.size(); stage++) addStage(json, stage);
    json.closeList();
    json.open("faults")
        .number("lost", double(faults.lost))
        .number("undelivered", double(faults.undelivered))
        .number("duplicates", double(faults.duplicates))
        .number("outOfOrder", double(faults.outOfOrder))
        .number("unclear", double(faults.unclear))
        .number("corrupt", double(faults.corrupt))
        .number("refused", double(faults.refused))
        .number("disconnected", double(shared_.disconnected))
        .close();
    if (options_.retained > 0) json.number("retained", double(options_.retained));
    if (shared_.faultCount > 0) json.text("firstFault", shared_.firstFault());
    addSlow(json);
    addBallast(json);
    json.close().close();
    print(json);
  }

  void addStage(Json& json, uint32_t number) {
    const Stage& stage = plan_->stages()[number];
    const Watched& watched = watched_[number];
    Tally tally;
    for (const auto& each : loops_) tally.add(each->tallies[number]);
    const double measured = seconds(watched.ended.atNs - watched.begun.atNs);
    const double opening = seconds(watched.ready.atNs - watched.opened.atNs);
    const double generatorBusiest = busiestThread(watched.begun, watched.ended);
    const double brokerBusiest = busiestBrokerThread(watched.begun, watched.ended);
    json.open().text("name", stage.name).number("clients", double(stage.count()));
    json.number("kernelBytes", double(watched.ready.kernelBytes) - double(watched.opened.kernelBytes));
    json.number("openSeconds", opening).number("seconds", measured);
    json.number("published", double(tally.published)).number("delivered", double(tally.delivered));
    json.number("refused", double(tally.refused)).number("reconnects", double(tally.reconnects));
    json.number("takeovers", double(tally.takeovers)).number("unsubscribes", double(tally.unsubscribes));
    addHistogram(json, "latencyNs", tally.latency);
    addHistogram(json, "acknowledgeNs", tally.acknowledge);
    addHistogram(json, "connectNs", tally.connect);
    addHistogram(json, "answerNs", tally.answer);
    addHistogram(json, "answerAllNs", tally.answerAll);
    addHistogram(json, "scheduleLagNs", tally.scheduleLag);
    json.open("generator")
        .number("cpuSeconds", seconds(watched.ended.cpuNs - watched.begun.cpuNs))
        .number("busiestThread", generatorBusiest)
        .flag("wasTheLimit", generatorBusiest >= busy && brokerBusiest < busy)
        .close();
    if (watched.ended.broker.isKnown) {
      json.open("broker")
          .number("cpuSeconds", seconds(watched.ended.broker.cpuNs - watched.begun.broker.cpuNs))
          .number("openCpuSeconds", seconds(watched.ready.broker.cpuNs - watched.opened.broker.cpuNs))
          .number("openMainCpuSeconds", seconds(mainThreadNs(watched.ready.broker, options_.pid) -
                                                mainThreadNs(watched.opened.broker, options_.pid)))
          .number("busiestThread", brokerBusiest)
          .number("bytesBefore", double(watched.opened.broker.residentBytes))
          .number("bytesReady", double(watched.ready.broker.residentBytes))
          .number("bytesAfter", double(watched.ended.broker.residentBytes))
          .number("bytesPeak", double(watched.peakBytes))
          .close();
    }
    json.close();
  }

  static void addHistogram(Json& json, const char* name, const Histogram& histogram) {
    if (histogram.count() == 0) return;
    json.open(name).number("count", double(histogram.count()));
    json.number("p50", double(histogram.quantile(0.5))).number("p90", double(histogram.quantile(0.9)));
    json.number("p99", double(histogram.quantile(0.99))).number("p999", double(histogram.quantile(0.999)));
    json.number("max", double(histogram.max())).close();
  }

  // Subscribers that read slowly or not at all: what they got, and who was disconnected for it.
  void addSlow(Json& json) {
    uint64_t count = 0;
    uint64_t received = 0;
    uint64_t cutOff = 0;
    for (const Subscriber* each : plan_->subscribers()) {
      if (!each->isSlow()) continue;
      count++;
      received += each->received();
      cutOff += each->wasCutOff() ? 1 : 0;
    }
    if (count == 0) return;
    json.open("slow")
        .number("count", double(count))
        .number("received", double(received))
        .number("cutOff", double(cutOff))
        .close();
  }

  // The first and last tenth tell whether it gets slower with their number.
  void addBallast(Json& json) {
    if (plan_->ballasts().empty()) return;
    json.openList("ballast");
    for (const Ballast* each : plan_->ballasts()) {
      json.open().number("count", double(each->count()));
      addTimes(json, "subscribeNs", each->subscribing());
      addTimes(json, "unsubscribeNs", each->unsubscribing());
      json.close();
    }
    json.closeList();
  }
  static void addTimes(Json& json, const char* name, const Ballast::Times& times) {
    json.openList(name);
    for (const uint64_t each : times) json.number({}, double(each));
    json.closeList();
  }

  static double seconds(uint64_t ns) { return double(ns) / double(nsPerSecond); }
  static void sleepFor(uint64_t ns) {
    const timespec duration = durationOf(ns);
    nanosleep(&duration, nullptr);
  }
  static void print(const Json& json) {
    std::printf("%s\n", json.str().c_str());
    std::fflush(stdout);
  }
  Usage usage() { return readUsage(options_.pid, threads_); }

  static constexpr uint64_t sampleEveryNs = 50 * nsPerMs;

  const Options& options_;
  Shared shared_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::unique_ptr<Plan> plan_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<std::thread> threads_;
  std::vector<Watched> watched_;
  Moment moment_;
  uint64_t readyWanted_ = 0;
  uint64_t nextLookNs_ = 0;
  uint64_t nextSampleNs_ = 0;
  const uint64_t startedNs_ = nowNs();
  std::string failure_;
};

}  // namespace load
