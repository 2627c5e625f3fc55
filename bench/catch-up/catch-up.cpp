// Sessions that were disconnected come back all at once to many messages that were published meanwhile (MQTT 3.1.1, QoS
// 1).
//
//   catch-up PORT SESSIONS MESSAGES PAYLOAD_BYTES
//
//   1  the sessions subscribe to one filter and disconnect     2  a publisher publishes for them
//   3  a live pair on another topic: round trips at rest       4  all come back; round trips meanwhile
//
// Prints a JSON object; exit status 1 if anything is missing, duplicated or out of
// order.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <memory>

#include "clients.h"

namespace {

using namespace bench;

// --- many sessions ----------------------------------------------------------------------------------

struct Sleeper {
  int fd = -1;
  bool isConnected = false;
  uint32_t received = 0;
  Octets in;
};

class Crowd {
 public:
  Crowd(int port, size_t sessions) : port_(port), all_(sessions), epoll_(epoll_create1(0)) {}

  void subscribe(const std::string& filter) {
    forAll([&](size_t index) { begin(index, subscribeFrame(filter, 1)); },
           [](const Sleeper& each) { return each.isConnected && each.received > 0; });
    for (Sleeper& each : all_) {
      close(each.fd);
      each = {};
    }
  }
  // Until each has this many.
  bool catchUp(uint32_t messages) {
    forAll([&](size_t index) { begin(index, ""); },
           [&](const Sleeper& each) { return each.isConnected && each.received >= messages; });
    return isSound_ &&
           std::all_of(all_.begin(), all_.end(), [&](const Sleeper& each) { return each.received == messages; });
  }

 private:
  // Connections that have no CONNACK yet.
  static constexpr size_t connectingMax = 200;

  void begin(size_t index, const Octets& more) {
    Sleeper& sleeper = all_[index];
    sleeper.fd = connectTo(port_);
    const Octets bytes = connectFrame("sleeper-" + std::to_string(index)) + more;
    if (write(sleeper.fd, bytes.data(), bytes.size()) != ssize_t(bytes.size())) fail("write");
    epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, sleeper.fd, &event);
  }
  template <class Begin, class IsDone>
  void forAll(Begin&& beginOne, IsDone&& isDone) {
    size_t begun = 0;
    size_t done = 0;
    connecting_ = 0;
    while (done < all_.size()) {
      for (; begun < all_.size() && connecting_ < connectingMax; begun++, connecting_++) beginOne(begun);
      epoll_event events[256];
      const int count = epoll_wait(epoll_, events, 256, 10'000);
      if (count <= 0) {
        std::fprintf(stderr, "nothing comes any more: %zu of %zu are done\n", done, all_.size());
        std::exit(1);
      }
      for (int i = 0; i < count; i++) {
        Sleeper& sleeper = all_[events[i].data.u64];
        const bool wasDone = isDone(sleeper);
        take(sleeper);
        done += !wasDone && isDone(sleeper);
      }
    }
  }
  void take(Sleeper& sleeper) {
    static char chunk[262'144];
    const ssize_t count = read(sleeper.fd, chunk, sizeof chunk);
    if (count <= 0) fail("a connection is gone");
    sleeper.in.append(chunk, size_t(count));
    Octets answers;
    Packet packet;
    size_t at = 0;
    while (nextPacket(sleeper.in, at, packet)) onPacket(sleeper, packet, answers);
    sleeper.in.erase(0, at);
    if (!answers.empty() && write(sleeper.fd, answers.data(), answers.size()) != ssize_t(answers.size())) fail("write");
  }
  void onPacket(Sleeper& sleeper, const Packet& packet, Octets& answers) {
    if (packet.first >> 4 == 2) {
      sleeper.isConnected = true;
      connecting_--;
    } else if (packet.first >> 4 == 9) {
      sleeper.received++;
    } else if (packet.first >> 4 == 3) {
      const size_t topicBytes = size_t(uint8_t(packet.body[0])) << 8 | uint8_t(packet.body[1]);
      uint32_t number;
      std::memcpy(&number, packet.body + 4 + topicBytes, sizeof number);
      isSound_ = isSound_ && number == sleeper.received;
      sleeper.received++;
      answers += {0x40, 2, packet.body[2 + topicBytes], packet.body[3 + topicBytes]};
    }
  }

  const int port_;
  std::vector<Sleeper> all_;
  const int epoll_;
  size_t connecting_ = 0;
  bool isSound_ = true;
};

void publishAll(int port, uint32_t messages, size_t payloadBytes) {
  constexpr uint32_t window = 200;
  Simple publisher(port, "publisher");
  for (uint32_t number = 0, acknowledged = 0; acknowledged < messages; acknowledged++) {
    Octets bytes;
    for (; number < messages && number - acknowledged < window; number++) {
      Octets payload(std::max(payloadBytes, sizeof number), 'x');
      std::memcpy(payload.data(), &number, sizeof number);
      bytes += publishFrame("news/" + std::to_string(number % 10), uint16_t(number % 65'535 + 1), 1, payload);
    }
    if (!bytes.empty()) publisher.send(bytes);
    publisher.wait(0x40);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "catch-up PORT SESSIONS MESSAGES PAYLOAD_BYTES\n");
    return 2;
  }
  const int port = std::atoi(arguments[1]);
  const size_t sessions = size_t(std::atoll(arguments[2]));
  const auto messages = uint32_t(std::atoll(arguments[3]));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Crowd crowd(port, sessions);
  crowd.subscribe("news/#");
  publishAll(port, messages, size_t(std::atoll(arguments[4])));
  Live live(port);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  live.take();
  std::this_thread::sleep_for(std::chrono::seconds(4));
  std::vector<double> before = live.take();
  const auto start = Clock::now();
  const bool isSound = crowd.catchUp(messages);
  const double seconds = secondsSince(start);
  std::vector<double> meanwhile = live.take();
  const double total = double(sessions) * messages;
  std::printf(
      "{\"isSound\":%s,\"seconds\":%.3f,\"perSecond\":%.0f,\"restP50Us\":%.0f,\"restP99Us\":%.0f,"
      "\"meanwhileP50Us\":%.0f,\"meanwhileP99Us\":%.0f,\"trips\":%zu}\n",
      isSound ? "true" : "false", seconds, total / seconds, percentile(before, 0.5), percentile(before, 0.99),
      percentile(meanwhile, 0.5), percentile(meanwhile, 0.99), meanwhile.size());
  return isSound ? 0 : 1;
}
