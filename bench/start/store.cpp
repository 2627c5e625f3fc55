// Writes and reads stores of any size, to measure a start: the part of it that is native, without Node.js.
//
//   store write DIRECTORY SESSIONS MESSAGES PAYLOAD_BYTES
//                                              MESSAGES / SESSIONS wait for each session, which has one subscription
//   store read DIRECTORY WORKERS               a JSON object: what it took
#include <malloc.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "../../native/durable/store.h"

using namespace rally;

namespace {

constexpr uint64_t checkpointBytesMin = 256u << 20;  // the broker's default
constexpr unsigned owners = 2;                       // of topics: as many workers have written it

log::Options optionsFor(const char* directory, unsigned workers) {
  log::Options options;
  options.directory = directory;
  options.workers = workers;
  options.copiesForward = false;
  return options;
}

std::unique_ptr<log::Log> opened(const log::Options& options) {
  log::OpenFault fault;
  std::unique_ptr<log::Log> log = log::openLog(options, fault);
  if (!log) std::fprintf(stderr, "%s cannot be used: %s\n", options.directory.c_str(), fault.detail.c_str());
  if (!log) std::exit(1);
  return log;
}

struct NoRecords final : log::Visitor {
  void record(const log::Found&) override {}
  void damage(const log::Damage&) override {}
};

Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// In the broker's order: sessions with a subscription each, then the messages published to them, one after another.
int write(const char* directory, uint64_t sessions, uint64_t messages, size_t payloadBytes) {
  const std::unique_ptr<log::Log> log = opened(optionsFor(directory, 1));
  NoRecords nobody;
  log->recover(nobody);
  log->start();
  log::Appender& appender = log->appender(0);
  const auto makeRoom = [&] {
    appender.flushIfLarge();
    while (appender.isFull()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (log::Placement placement; appender.next(placement);) {}
  };
  append(appender, records::Started{.run = 1, .atMs = wallClockMs()});
  const auto keyOf = [](uint64_t index) { return (uint64_t(1) << 32) + index + 1; };
  for (uint64_t index = 0; index < sessions; index++) {
    const std::string clientId = "device-" + std::to_string(index);
    append(appender, records::Session{.session = keyOf(index),
                                      .clientId = bytesOf(clientId),
                                      .expirySeconds = 86'400 * 30,
                                      .leftAtMs = wallClockMs()});
    const std::string filter = "devices/" + std::to_string(index) + "/+";
    append(appender, records::Subscribe{.session = keyOf(index), .qos = 1, .filter = bytesOf(filter)});
    makeRoom();
  }
  const std::string payload(payloadBytes, 'x');
  for (uint64_t index = 0; index < messages; index++) {
    const std::string topic = "devices/" + std::to_string(index % sessions) + "/command";
    append(appender, records::Message{.id = (index + 1) << 6 | index % owners,
                                      .flags = records::Message::isForSessions,
                                      .qos = 1,
                                      .topic = bytesOf(topic),
                                      .properties = {},
                                      .payload = bytesOf(payload)});
    makeRoom();
  }
  appender.flush();
  log->close();
  return 0;
}

size_t residentBytes() {
  size_t pages = 0;
  size_t resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * 4'096;
}

int read(const char* directory, unsigned workers) {
  const auto before = std::chrono::steady_clock::now();
  const auto ms = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
  };
  Limits limits;
  Store store(opened(optionsFor(directory, workers)), checkpointBytesMin);
  // As in the broker, where this is not the main thread.
  std::thread([&] { store.recover(workers, limits, randomSeed()); }).join();
  const double readyMs = ms();
  std::printf("{\"sessions\":%zu,\"readyMs\":%.0f,\"lost\":%" PRIu64 ",\"megabytes\":%zu}\n", store.sessions().size(),
              readyMs, store.damage().lostDeliveries, residentBytes() >> 20);
  store.close();
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  const auto number = [&](int at) { return std::strtoull(arguments[at], nullptr, 10); };
  if (what == "write" && count == 6) return write(arguments[2], number(3), number(4), number(5));
  if (what == "read" && count == 4) return read(arguments[2], unsigned(std::atoi(arguments[3])));
  std::fprintf(stderr, "store write DIRECTORY SESSIONS MESSAGES PAYLOAD_BYTES | store read DIRECTORY WORKERS\n");
  return 2;
}
