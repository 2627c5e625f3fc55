#include "disk-log.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "record-reader.h"
#include "short-slice.h"
#include "take-back.h"

namespace rally::log {

namespace {

// How often the writer checks the disk when it gets no batches, or retries when the disk was full.
constexpr std::chrono::milliseconds idleWait{500};
constexpr std::chrono::milliseconds stuckWait{50};

uint64_t wallClockMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

DiskLog::DiskLog(const Options& options, std::unique_ptr<Disk> disk, std::unique_ptr<DirectoryLock> lock,
                 Warning warning)
    : options_(options),
      lock_(std::move(lock)),
      disk_(std::move(disk)),
      warning_(warning),
      recovery_(*disk_, space_, options_),
      health_(state_),
      writer_(*disk_, space_, options_, appenders_, inbox_, health_, commitTimes_) {
  for (unsigned worker = 0; worker < options.workers; worker++) {
    appenders_.push_back(std::make_unique<Appender>(worker, &inbox_, options.pendingBytesMax));
  }
}

DiskLog::~DiskLog() { close(); }

bool DiskLog::look(OpenFault& fault) {
  int error = syncParent(*disk_, SyncSite::directory);
  // The directory already existed, and its parent is not ours to sync.
  if (error == EACCES || error == EPERM) error = 0;
  if (error == 0) error = recovery_.look();
  if (error != 0) {
    fault = {OpenFault::Code::notUsable, std::strerror(error)};
  } else if (recovery_.newerVersion() != 0) {
    fault = {OpenFault::Code::newerFormat, std::to_string(recovery_.newerVersion())};
  }
  id_ = recovery_.identity();
  if (options_.isReplicated) {
    replica_ = std::make_shared<Replica>(id_, appenders_);
    writer_.replicate(*replica_);
  }
  return fault.code == OpenFault::Code::none;
}

void DiskLog::recover(Visitor& visitor) { recovery_.run(visitor); }

bool DiskLog::begin(uint64_t nowMs) {
  const SegmentFiles::Start start = recovery_.start();
  firstSegment_ = start.segment;
  return writer_.begin(start, recovery_.spareNames(), nowMs);
}

void DiskLog::start() {
  if (begin(wallClockMs())) thread_ = std::thread([this] { run(); });
}

void DiskLog::run() {
  takeShortSlices();
  for (;;) {
    const bool isStopping = inbox_.isStopping();
    const bool hasDone = writer_.step(wallClockMs());
    if (isStopping) return writer_.finish(wallClockMs());
    if (!hasDone) inbox_.wait(writer_.isStuck() ? stuckWait : idleWait);
  }
}

void DiskLog::close() {
  if (!thread_.joinable()) return;
  inbox_.stop();
  thread_.join();
  if (replica_) replica_->close();
}

void DiskLog::takeBack() {
  RALLY_ASSERT(!thread_.joinable());
  (void)log::takeBack(*disk_, firstSegment_);  // the next start ignores what is left
}

std::unique_ptr<Reader> DiskLog::makeReader() { return std::make_unique<RecordReader>(space_, id_); }

}  // namespace rally::log
