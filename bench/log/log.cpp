// How fast the log acknowledges: a worker, as in the broker, appends records, sleeps at its doorbell, and appends
// another record for each one that is committed. Also measures a sync of this disk by itself.
//
//   log DIRECTORY MILLISECONDS SYNC_DELAY_MS    a JSON object a line
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <thread>

#include "../../native/lanes/doorbell.h"
#include "../../native/log/disk-log.h"
#include "../../native/log/real-disk.h"
#include "sync-file.h"

using namespace rally;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t bodyBytes = 256;

double microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

double cpuMicroseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) { return double(time.tv_sec) * 1e6 + double(time.tv_usec); };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[size_t(share * double(values.size() - 1))];
}

// A disk whose syncs take longer.
class SlowFile final : public log::File {
 public:
  SlowFile(std::shared_ptr<log::File> file, unsigned delayMs) : file_(std::move(file)), delayMs_(delayMs) {}
  uint64_t size() const override { return file_->size(); }
  int write(uint64_t offset, std::span<const Bytes> parts, size_t& written) override {
    return file_->write(offset, parts, written);
  }
  int read(uint64_t offset, std::span<uint8_t> into, size_t& count) const override {
    return file_->read(offset, into, count);
  }
  int sync() override {
    if (delayMs_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delayMs_));
    return file_->sync();
  }
  int preallocate(uint64_t bytes) override { return file_->preallocate(bytes); }
  int truncate(uint64_t bytes) override { return file_->truncate(bytes); }
  bool isShared() const override { return file_->isShared(); }

 private:
  const std::shared_ptr<log::File> file_;
  const unsigned delayMs_;
};

class SlowDisk final : public log::Disk {
 public:
  SlowDisk(const std::string& directory, unsigned delayMs) : disk_(directory), delayMs_(delayMs) {}
  int makeDirectory() override { return disk_.makeDirectory(); }
  int syncParent() override { return disk_.syncParent(); }
  int open(const std::string& name, bool mayCreate, std::shared_ptr<log::File>& file) override {
    const int error = disk_.open(name, mayCreate, file);
    if (error == 0) file = std::make_shared<SlowFile>(std::move(file), delayMs_);
    return error;
  }
  int rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  int unlink(const std::string& name) override { return disk_.unlink(name); }
  int syncDirectory() override { return disk_.syncDirectory(); }
  int list(std::vector<std::string>& names) override { return disk_.list(names); }
  int space(log::DiskSpace& space) override { return disk_.space(space); }

 private:
  log::RealDisk disk_;
  const unsigned delayMs_;
};

struct NoRecords final : log::Visitor {
  void record(const log::Found&) override {}
  void damage(const log::Damage&) override {}
};

void measureSync(const std::string& directory, unsigned ms) {
  const std::string path = directory + "/sync";
  SyncFile file(path, 4 << 20);
  const std::vector<uint8_t> page(4'096, 1);
  std::vector<double> times;
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(ms);
  while (Clock::now() < end) times.push_back(file.write(page));
  unlink(path.c_str());
  std::printf("{\"name\":\"fdatasync\",\"p50Us\":%.1f,\"p99Us\":%.1f}\n", percentile(times, 0.5),
              percentile(times, 0.99));
}

void measureLog(const std::string& directory, size_t inFlight, unsigned ms, unsigned delayMs) {
  const std::string path = directory + "/store";
  log::Options options;
  options.softFreeBytesMin = options.hardFreeBytesMin = 0;
  auto disk = std::make_unique<SlowDisk>(path, delayMs);
  if (disk->makeDirectory() != 0) std::exit(1);
  log::DiskLog store(options, std::move(disk), nullptr, log::Warning::none);
  log::OpenFault fault;
  NoRecords visitor;
  if (!store.look(fault)) std::exit(1);
  store.recover(visitor);
  store.start();
  log::Appender& appender = store.appender(0);
  Doorbell doorbell;
  appender.onCommit([](void* bell) { static_cast<Doorbell*>(bell)->ring(); }, &doorbell);
  std::deque<std::pair<log::Ticket, Clock::time_point>> waiting;
  std::vector<double> times;
  uint64_t acknowledged = 0;
  uint64_t placed = 0;
  const double cpuBefore = cpuMicroseconds();
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + std::chrono::milliseconds(ms);
  const auto append = [&](Clock::time_point now) {
    log::Ticket ticket;
    std::memset(appender.append(log::Kind(64), bodyBytes, ticket).data(), 1, bodyBytes);
    waiting.push_back({ticket, now});
  };
  Clock::time_point now = begin;
  for (size_t i = 0; i < inFlight; i++) append(now);
  appender.flush();
  while (now < end) {
    const log::Ticket committed = appender.committed();
    if (waiting.front().first >= committed) {
      doorbell.sleep();
      pollfd wanted{doorbell.fd(), POLLIN, 0};
      if (waiting.front().first >= appender.committed()) poll(&wanted, 1, 1'000);
      doorbell.wake();
      doorbell.answer();
      now = Clock::now();
      continue;
    }
    now = Clock::now();
    for (; !waiting.empty() && waiting.front().first < committed; waiting.pop_front()) {
      if (acknowledged++ % 16 == 0 || inFlight == 1) times.push_back(microseconds(now - waiting.front().second));
    }
    while (waiting.size() < inFlight) append(now);
    log::Placement placement;
    while (appender.next(placement)) {
      // A message is acknowledged by its only subscriber immediately.
      for (log::Ticket at = placement.from; at < placement.to; at.value += log::framedBytes(bodyBytes), placed++) {
        appender.release(placement.of(at));
      }
    }
    appender.flush();
  }
  const double us = microseconds(Clock::now() - begin);
  const double cpu = cpuMicroseconds() - cpuBefore;
  store.close();
  const log::Figures figures = store.figures();
  std::printf(
      "{\"name\":\"log\",\"inFlight\":%zu,\"perSecond\":%.0f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"cpuUs\":%.3f,"
      "\"recordsPerCommit\":%.1f,\"bytesPerRecord\":%.1f}\n",
      inFlight, double(acknowledged) * 1e6 / us, percentile(times, 0.5), percentile(times, 0.99),
      cpu / double(acknowledged), double(figures.committedRecords) / double(figures.committedGroups),
      double(figures.writtenBytes) / double(figures.committedRecords));
  std::fflush(stdout);
  std::filesystem::remove_all(path);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const auto ms = unsigned(std::atoi(arguments[2]));
  measureSync(arguments[1], ms);
  for (const size_t inFlight : {1, 20, 200, 2'000}) {
    measureLog(arguments[1], inFlight, ms, unsigned(std::atoi(arguments[3])));
  }
}
