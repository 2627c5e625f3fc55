// The clients of the programs that measure round trips: MQTT 3.1.1 over TCP, as little of it as they need.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../native/log/short-slice.h"

namespace bench {

using Clock = std::chrono::steady_clock;

inline double secondsSince(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

inline int connectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// --- packets ----------------------------------------------------------------------------------------

using Octets = std::string;

inline void putText(Octets& to, const std::string& text) {
  to += char(text.size() >> 8);
  to += char(text.size());
  to += text;
}
inline Octets frame(int first, const Octets& body) {
  Octets bytes(1, char(first));
  for (size_t left = body.size();;) {
    const size_t part = left & 127;
    left >>= 7;
    bytes += char(part | (left > 0 ? 128 : 0));
    if (left == 0) return bytes + body;
  }
}
inline Octets connectFrame(const std::string& clientId) {
  Octets body;
  putText(body, "MQTT");
  body += {4, 0, 0, 0};  // version, no clean session, no keep alive
  putText(body, clientId);
  return frame(0x10, body);
}
inline Octets subscribeFrame(const std::string& filter, int qos) {
  Octets body{0, 1};
  putText(body, filter);
  body += char(qos);
  return frame(0x82, body);
}
inline Octets publishFrame(const std::string& topic, uint16_t packetId, int qos, const Octets& payload) {
  Octets body;
  putText(body, topic);
  if (qos > 0) body += {char(packetId >> 8), char(packetId)};
  return frame(0x30 | qos << 1, body + payload);
}

struct Packet {
  uint8_t first = 0;
  const char* body = nullptr;
  size_t bytes = 0;
};
// The packet at `at`, which is advanced past it; false: it is incomplete.
inline bool nextPacket(const Octets& in, size_t& at, Packet& packet) {
  size_t length = 0;
  size_t next = at + 1;
  for (int shift = 0;; shift += 7) {
    if (next >= in.size()) return false;
    const auto byte = uint8_t(in[next++]);
    length |= size_t(byte & 127) << shift;
    if (byte < 128) break;
  }
  if (in.size() - next < length) return false;
  packet = {uint8_t(in[at]), in.data() + next, length};
  at = next + length;
  return true;
}

// --- one client that waits for its answers ----------------------------------------------------------

class Simple {
 public:
  Simple(int port, const std::string& clientId) : fd_(connectTo(port)) {
    send(connectFrame(clientId));
    wait(0x20);
  }
  ~Simple() { close(fd_); }

  void send(const Octets& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t count = write(fd_, bytes.data() + at, bytes.size() - at);
      if (count <= 0) fail("write");
      at += size_t(count);
    }
  }
  // The next packet of this type; earlier packets are skipped.
  Octets wait(int type) {
    for (;;) {
      Packet packet;
      size_t at = 0;
      while (nextPacket(in_, at, packet)) {
        const Octets body(packet.body, packet.bytes);
        const bool isMeant = (packet.first & 0xf0) == type;
        in_.erase(0, at);
        at = 0;
        if (isMeant) return body;
      }
      char chunk[65'536];
      const ssize_t count = read(fd_, chunk, sizeof chunk);
      if (count <= 0) fail("read");
      in_.append(chunk, size_t(count));
    }
  }

 private:
  const int fd_;
  Octets in_;
};

// --- a client that publishes to itself --------------------------------------------------------------

// Measures round trips from now on, on a thread of its own, which asks for short time slices: on a machine whose cores
// are busy it would otherwise measure when the scheduler lets it run.
class Live {
 public:
  explicit Live(int port) : thread_([this, port] { run(port); }) {}
  ~Live() {
    isOver_ = true;
    thread_.join();
  }
  // In microseconds, of the round trips since the last call.
  std::vector<double> take() {
    wanted_ = true;
    while (wanted_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::move(taken_);
  }

 private:
  static constexpr auto pause = std::chrono::milliseconds(1);

  void run(int port) {
    rally::log::takeShortSlices();
    Simple client(port, "live");
    client.send(subscribeFrame("live", 0));
    client.wait(0x90);
    std::vector<double> trips;
    while (!isOver_) {
      const auto before = Clock::now();
      client.send(publishFrame("live", 0, 0, "x"));
      client.wait(0x30);
      trips.push_back(secondsSince(before) * 1e6);
      if (wanted_) {
        taken_ = std::exchange(trips, {});
        wanted_ = false;
      }
      std::this_thread::sleep_for(pause);
    }
  }

  std::atomic<bool> isOver_{false};
  std::atomic<bool> wanted_{false};
  std::vector<double> taken_;
  std::thread thread_;
};

inline double percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, size_t(double(values.size()) * share))];
}

}  // namespace bench
