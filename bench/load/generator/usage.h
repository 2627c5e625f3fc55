// What the generator and the broker have used: CPU of the whole and of each thread, and memory. The broker is
// any process of this machine; /proc tells.
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "clock.h"

namespace load {

struct BrokerUsage {
  bool isKnown = false;
  uint64_t cpuNs = 0;
  uint64_t residentBytes = 0;
  std::map<long, uint64_t> threads;  // thread id -> CPU in ns
};

struct Usage {
  uint64_t atNs = 0;
  uint64_t kernelBytes = 0;       // of the machine: what the kernel keeps for sockets is among it
  uint64_t cpuNs = 0;             // of the generator
  std::vector<uint64_t> threads;  // of the generator, CPU in ns
  BrokerUsage broker;
};

inline std::string readFile(const std::string& path) {
  std::string text(4'096, '\0');
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t size = read(file, text.data(), text.size());
  close(file);
  text.resize(size > 0 ? size_t(size) : 0);
  return text;
}

// User and system time of a process or thread: the 14th and 15th field of its stat file, of which the
// second is a name in parentheses that may hold anything.
inline uint64_t cpuNsOf(const std::string& statFile) {
  const std::string text = readFile(statFile);
  size_t at = text.rfind(')');
  if (at == std::string::npos) return 0;
  for (int field = 2; field < 14 && at != std::string::npos; field++) at = text.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  char* end = nullptr;
  const uint64_t user = std::strtoull(text.c_str() + at, &end, 10);
  const uint64_t system = std::strtoull(end, nullptr, 10);
  return (user + system) * (nsPerSecond / uint64_t(sysconf(_SC_CLK_TCK)));
}

// Of a thread, to the nanosecond; from its stat file, in hundredths of a second, where the kernel does not say.
inline uint64_t threadCpuNsOf(const std::string& folder) {
  const std::string text = readFile(folder + "/schedstat");
  return text.empty() ? cpuNsOf(folder + "/stat") : std::strtoull(text.c_str(), nullptr, 10);
}

inline BrokerUsage readBroker(uint64_t pid) {
  BrokerUsage usage;
  if (pid == 0) return usage;
  const std::string folder = "/proc/" + std::to_string(pid);
  const std::string memory = readFile(folder + "/statm");
  const size_t second = memory.find(' ');
  if (second == std::string::npos) return usage;
  usage.isKnown = true;
  usage.residentBytes = std::strtoull(memory.c_str() + second, nullptr, 10) * uint64_t(sysconf(_SC_PAGESIZE));
  usage.cpuNs = cpuNsOf(folder + "/stat");
  if (DIR* tasks = opendir((folder + "/task").c_str())) {
    while (const dirent* entry = readdir(tasks)) {
      const long id = std::strtol(entry->d_name, nullptr, 10);
      if (id > 0) usage.threads[id] = threadCpuNsOf(folder + "/task/" + entry->d_name);
    }
    closedir(tasks);
  }
  // The process knows of threads that have ended, the threads know it more exactly.
  uint64_t sum = 0;
  for (const auto& [id, cpuNs] : usage.threads) sum += cpuNs;
  usage.cpuNs = std::max(usage.cpuNs, sum);
  return usage;
}

// The kernel's own objects, sockets among them.
inline uint64_t readKernelBytes() {
  constexpr std::string_view name = "Slab:";
  const std::string text = readFile("/proc/meminfo");
  const size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size(), nullptr, 10) * 1'024;
}

inline Usage readUsage(uint64_t brokerPid, std::vector<std::thread>& threads) {
  Usage usage{.atNs = nowNs(),
              .kernelBytes = readKernelBytes(),
              .cpuNs = processCpuNs(),
              .threads = {},
              .broker = readBroker(brokerPid)};
  for (std::thread& each : threads) usage.threads.push_back(threadCpuNs(each.native_handle()));
  return usage;
}

// What the broker's first thread took: that of a Node.js program is the one that accepts CONNECT.
inline uint64_t mainThreadNs(const BrokerUsage& usage, uint64_t pid) {
  const auto main = usage.threads.find(long(pid));
  return main == usage.threads.end() ? 0 : main->second;
}

// Shares of one core.
inline double busiestThread(const Usage& from, const Usage& to) {
  uint64_t most = 0;
  for (size_t i = 0; i < to.threads.size(); i++) most = std::max(most, to.threads[i] - from.threads[i]);
  return double(most) / double(std::max<uint64_t>(1, to.atNs - from.atNs));
}
inline double busiestBrokerThread(const Usage& from, const Usage& to) {
  uint64_t most = 0;
  for (const auto& [id, cpuNs] : to.broker.threads) {
    const auto before = from.broker.threads.find(id);
    most = std::max(most, cpuNs - (before == from.broker.threads.end() ? 0 : before->second));
  }
  return double(most) / double(std::max<uint64_t>(1, to.atNs - from.atNs));
}

}  // namespace load
