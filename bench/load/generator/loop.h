// What the clients of one thread share: its epoll, its buffers, what it has counted. And what all threads
// share: how far the load is.
#pragma once
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "clock.h"
#include "mqtt.h"
#include "tally.h"

namespace load {

class Client;
class Publisher;

enum class Phase : uint8_t {
  opening,  // connections are made; nobody publishes
  warming,  // published, not measured
  measuring,
  draining,  // nobody publishes; what is under way arrives
  leaving,   // unsubscribe, then disconnect
};

// How far the load is: one value, so that a thread never sees half of a change.
struct Moment {
  uint32_t stage = 0;
  Phase phase = Phase::opening;
  bool operator==(const Moment&) const = default;
};

// Where the broker listens, and how to speak to it.
struct Target {
  sockaddr_in address{};
  bool isWebSocket = false;
  bool isSecure = false;      // TLS
  bool upgradesOnly = false;  // a connection is ready when it has become a WebSocket
  std::string upgradeRequest;
  uint8_t version = version5;
};

struct Shared {
  Target target;
  Target tcp;                 // another way to the same broker; the same one where there is none
  std::vector<Target> nodes;  // of several brokers that are one; empty: there is only one
  std::atomic<Moment> moment{Moment{}};
  std::atomic<uint64_t> readyClients{0};
  std::atomic<uint64_t> faultCount{0};
  std::atomic<uint64_t> disconnected{0};
  std::atomic<bool> isAborted{false};  // leave at once

  // A connection ended that should not have; the first reason is kept.
  void note(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (firstFault_.empty()) firstFault_ = why;
    faultCount++;
  }
  std::string firstFault() {
    const std::lock_guard lock(mutex_);
    return firstFault_;
  }

 private:
  std::mutex mutex_;
  std::string firstFault_;
};

class Loop {
 public:
  static constexpr size_t scratchBytes = size_t(1) << 19;

  explicit Loop(Shared& all, size_t stages) : shared(all), scratch(scratchBytes), tallies(stages) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, doorbell, &event);
  }
  ~Loop() {
    close(epoll);
    close(doorbell);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Tally& tally() { return tallies[moment.stage]; }

  // Messages of this publisher have arrived here, or will never.
  void advance(uint32_t publisher, uint32_t messages) {
    if (arrivals[publisher] == 0) advanced.push_back(publisher);
    arrivals[publisher] += messages;
  }
  // Wakes the thread; any thread may call it.
  void ring() const {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(doorbell, &one, sizeof one);
  }

  Shared& shared;
  int epoll = -1;
  int doorbell = -1;
  std::vector<uint8_t> scratch;        // for what is received
  std::vector<Client*> unflushed;      // have something to send
  std::vector<Publisher*> publishers;  // of all threads
  std::vector<uint32_t> arrivals;      // here in this turn, of each publisher
  std::vector<uint32_t> advanced;      // the publishers that have some
  std::vector<Tally> tallies;          // one for each stage
  Moment moment;                       // as this thread has seen it
  size_t opening = 0;                  // connections that are neither ready nor gone
  std::atomic<uint64_t> arrived{0};    // deliveries so far, for progress

  bool isMeasuring() const { return moment.phase == Phase::measuring; }
  bool mayPublish() const { return moment.phase == Phase::warming || moment.phase == Phase::measuring; }
};

}  // namespace load
