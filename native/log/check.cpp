#include "check.h"

namespace rally::log {

namespace {

class Counter final : public Visitor {
 public:
  Counter(Report& report, const std::function<void(uint64_t, uint64_t)>& told) : report_(report), told_(told) {}

  void record(const Found& found) override {
    report_.records++;
    report_.recordBytes += found.body.size();
  }
  void damage(const Damage& damage) override { report_.damage.push_back(damage); }
  void tornTail(const TornTail& torn) override { report_.tornBytes += torn.bytes; }
  void progress(uint64_t bytesDone, uint64_t bytesTotal) override {
    report_.segments++;
    report_.bytes = bytesTotal;
    if (told_) told_(bytesDone, bytesTotal);
  }

 private:
  Report& report_;
  const std::function<void(uint64_t, uint64_t)>& told_;
};

}  // namespace

Report checkLog(const std::string& directory, bool repairs, bool isLocked,
                const std::function<void(uint64_t, uint64_t)>& progress) {
  Report report;
  Options options;
  options.directory = directory;
  options.isLocked = isLocked;
  options.setsAside = repairs;
  options.copiesForward = false;  // only the broker knows what is alive
  const std::unique_ptr<Log> log = openLog(options, report.fault);
  if (!log) return report;
  Counter counter(report, progress);
  log->recover(counter);
  if (repairs) {
    log->start();
    log->close();
  }
  return report;
}

}  // namespace rally::log
