// The thread of a loop: waits for its sockets, opens connections as the stage wants, keeps the pace of
// publishers in an open loop, and sends once a turn what has been queued.
#pragma once
#include <sys/prctl.h>

#include "plan.h"

namespace load {

class Reactor {
 public:
  Reactor(Loop& loop, const Plan& plan, size_t thread, size_t threads)
      : loop_(loop), plan_(plan), thread_(thread), threads_(threads) {
    for (Publisher* each : loop.publishers) {
      if (&each->loop() == &loop) publishers_.push_back(each);
    }
  }

  void run() {
    prctl(PR_SET_TIMERSLACK, 1);  // ns: what is due is due
    startStage();
    while (!hasLeft()) {
      follow();
      openMore();
      const uint64_t now = nowNs();
      keepPace(now);
      tick(now);
      endTurn(now);
      wait();
    }
    for (Client* each : opened_) each->leave();
  }

 private:
  static constexpr uint64_t tickNs = 5 * nsPerMs;
  static constexpr uint64_t idleNs = 100 * nsPerMs;
  static constexpr int eventsMax = 512;

  void follow() {
    const Moment moment = loop_.shared.moment.load();
    if (moment == loop_.moment) return;
    const bool isNewStage = moment.stage != loop_.moment.stage;
    loop_.moment = moment;
    if (isNewStage) startStage();
    for (Client* each : opened_) each->role().onPhase(*each);
  }

  void startStage() {
    waiting_ = plan_.stages()[loop_.moment.stage].clients[thread_];
    nextWaiting_ = 0;
  }

  void openMore() {
    const size_t concurrency = std::max<size_t>(1, plan_.stages()[loop_.moment.stage].concurrency / threads_);
    while (nextWaiting_ < waiting_.size() && loop_.opening < concurrency) {
      Client& client = *waiting_[nextWaiting_++];
      loop_.opening++;
      opened_.push_back(&client);
      if (client.role().wantsTicks()) ticking_.push_back(&client);
      if (client.role().mayOpen()) client.open();
    }
  }

  void keepPace(uint64_t now) {
    nextDueNs_ = UINT64_MAX;
    if (!loop_.mayPublish()) return;
    for (Publisher* each : publishers_) {
      if (!each->isOpenLoop()) continue;
      if (each->dueNs() <= now) each->becomeDue(now);
      nextDueNs_ = std::min(nextDueNs_, each->dueNs());
    }
  }

  void tick(uint64_t now) {
    if (ticking_.empty() || now < nextTickNs_) return;
    nextTickNs_ = now + tickNs;
    for (Client* each : ticking_) each->role().onTick(*each, now);
  }

  // Publishers whose messages have arrived may go on; then everything leaves.
  void endTurn(uint64_t now) {
    for (const uint32_t number : loop_.advanced) {
      Publisher& publisher = *loop_.publishers[number];
      publisher.advance(loop_.arrivals[number]);
      loop_.arrivals[number] = 0;
      if (&publisher.loop() == &loop_) publisher.publish(now);
      else publisher.loop().ring();
    }
    loop_.advanced.clear();
    for (size_t i = 0; i < loop_.unflushed.size(); i++) loop_.unflushed[i]->flush();
    loop_.unflushed.clear();
  }

  void wait() {
    const uint64_t now = nowNs();
    uint64_t until = now + idleNs;
    if (!ticking_.empty()) until = std::min(until, nextTickNs_);
    until = std::min(until, nextDueNs_);
    if (nextWaiting_ < waiting_.size() && loop_.opening == 0) until = now;
    const timespec timeout = durationOf(until > now ? until - now : 0);
    epoll_event events[eventsMax];
    const int count = epoll_pwait2(loop_.epoll, events, eventsMax, &timeout, nullptr);
    for (int i = 0; i < count; i++) {
      if (auto* client = static_cast<Client*>(events[i].data.ptr)) client->onEvents(events[i].events);
      else answerDoorbell();
    }
  }

  void answerDoorbell() {
    uint64_t rings;
    [[maybe_unused]] const auto count = read(loop_.doorbell, &rings, sizeof rings);
    const uint64_t now = nowNs();
    for (Publisher* each : publishers_) each->publish(now);
  }

  bool hasLeft() const {
    if (loop_.moment.phase != Phase::leaving) return false;
    if (loop_.shared.isAborted) return true;
    return std::all_of(opened_.begin(), opened_.end(), [](Client* each) { return each->role().mayLeave(); });
  }

  Loop& loop_;
  const Plan& plan_;
  const size_t thread_;
  const size_t threads_;
  std::vector<Publisher*> publishers_;
  std::vector<Client*> waiting_;
  size_t nextWaiting_ = 0;
  std::vector<Client*> opened_;
  std::vector<Client*> ticking_;
  uint64_t nextTickNs_ = 0;
  uint64_t nextDueNs_ = UINT64_MAX;
};

}  // namespace load
