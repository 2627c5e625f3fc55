#include "recovery.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "copied-record.h"

namespace rally::log {

namespace {

// Below, another thread costs more than it saves.
constexpr uint64_t readAheadBytesMin = 1u << 20;

}  // namespace

// --- what there is ---

int Recovery::look() {
  const int error = disk_.list(names_);
  if (error != 0) return error;
  for (const std::string& name : names_) {
    if (isSpareName(name)) spareNames_.push_back(name);
    const std::optional<uint32_t> number = segmentOfName(name);
    if (!number) continue;
    const int failure = lookAt(name, *number);
    if (failure != 0) return failure;
  }
  std::sort(sources_.begin(), sources_.end(), [](const Source& a, const Source& b) { return a.number < b.number; });
  identify();
  return 0;
}

int Recovery::lookAt(const std::string& name, uint32_t number) {
  Source source;
  source.number = number;
  source.name = name;
  const int error = disk_.open(name, false, source.file);
  if (error != 0) return error;
  source.bytes = source.file->size();
  std::array<uint8_t, pageBytes> page;
  uint32_t version = 0;
  if (readAll(*source.file, 0, page) == 0) source.state = readSegmentHeader(page, source.header, version);
  if (source.state == HeaderState::newer) newerVersion_ = std::max(newerVersion_, version);
  if (source.state == HeaderState::valid && source.header.segment != number) source.state = HeaderState::damaged;
  highest_ = std::max(highest_, number);
  sources_.push_back(std::move(source));
  return 0;
}

// The log is that of most segments; the first time, a new one.
void Recovery::identify() {
  std::map<LogId, size_t> votes;
  for (Source& source : sources_) {
    if (source.state == HeaderState::valid) votes[source.header.log]++;
  }
  if (votes.empty()) {  // each header is damaged: the groups tell it too
    for (Source& source : sources_) {
      load(source);
      if (const auto log = logOfGroups(source.content, source.number)) votes[*log]++;
      source.content = {};
    }
  }
  log_ = {randomSeed(), randomSeed()};
  size_t most = 0;
  for (const auto& [log, count] : votes) {
    if (count > most) log_ = log;
    most = std::max(most, count);
  }
  for (Source& source : sources_) {
    if (source.state == HeaderState::valid && source.header.log != log_) foreign_.push_back(source.name);
  }
  std::erase_if(sources_,
                [&](const Source& each) { return each.state == HeaderState::valid && each.header.log != log_; });
}

// Where the segment ends, if the next one says so.
std::optional<uint32_t> Recovery::knownEndOf(size_t index) const {
  for (size_t next = index + 1; next < sources_.size(); next++) {
    const SegmentHeader& header = sources_[next].header;
    if (sources_[next].state != HeaderState::valid) continue;
    if (header.previousEnd.segment() == sources_[index].number) return header.previousEnd.offset();
  }
  return {};
}

void Recovery::load(Source& source) {
  source.content.resize(source.bytes);
  source.error = readAll(*source.file, 0, source.content);
}

// --- reading ---

// What a segment's scan finds, on its way to the visitor.
class Recovery::Sink final : public ScanSink {
 public:
  Sink(Recovery& recovery, const Source& source, Visitor& visitor)
      : recovery_(recovery), source_(source), visitor_(visitor) {}

  void record(Position at, const RecordHead& head, Bytes body) override {
    if (head.kind == Kind::recycled) {
      recovery_.recycled_.push_back(Decoder(body).number<uint32_t>());
    } else if (head.kind == Kind::copied) {
      copied(at, framedBytes(head.bodyBytes), body);
    } else if (!isOfLog(head.kind)) {
      recovery_.space_.placed(at, framedBytes(head.bodyBytes));
      if (isEnd(head.kind)) recovery_.ends_.push_back(at);
      visitor_.record({at, head.kind, head.version, body});
    }
  }

  void damage(uint32_t from, uint32_t to) override {
    recovery_.damaged_[source_.number].push_back({from, to});
    const Bytes content = source_.content;
    const size_t available = std::min<size_t>(to, content.size());
    const Bytes bytes = from < available ? content.subspan(from, available - from) : Bytes();
    recovery_.setAside(
        visitor_, {.what = Damage::What::bytes, .at = Position::of(source_.number, from), .bytes = to - from}, bytes);
  }

 private:
  void copied(Position at, size_t bytes, Bytes body) {
    CopiedRecord copied;
    if (!copied.read(body)) return;
    recovery_.space_.placed(at, bytes);
    if (recovery_.wasGiven(copied.name)) return recovery_.space_.moved(copied.name, at);
    recovery_.givenCopies_.insert(copied.name.value);
    recovery_.space_.foundCopy(copied.name, at);
    if (isEnd(copied.kind)) recovery_.ends_.push_back(copied.name);
    visitor_.record({copied.name, copied.kind, copied.version, copied.body});
  }

  Recovery& recovery_;
  const Source& source_;
  Visitor& visitor_;
};

// Whether the record of this name has been given to the visitor: from the place where it was appended, if that is there
// and readable, or from another copy.
bool Recovery::wasGiven(Position at) const {
  if (givenCopies_.contains(at.value)) return true;
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const Source& each) { return each.number == at.segment(); });
  if (source == sources_.end()) return false;
  const auto damaged = damaged_.find(at.segment());
  if (damaged == damaged_.end()) return true;
  return std::none_of(damaged->second.begin(), damaged->second.end(),
                      [&](const auto& range) { return range.first <= at.offset() && at.offset() < range.second; });
}

int Recovery::run(Visitor& visitor) {
  uint64_t total = 0;
  uint64_t done = 0;
  for (const Source& source : sources_) total += source.bytes;
  for (const std::string& name : foreign_) {
    visitor.damage(
        {.what = Damage::What::foreign, .at = Position::of(segmentOfName(name).value_or(0), 0), .setAside = name});
  }
  if (!sources_.empty()) load(sources_[0]);
  for (size_t index = 0; index < sources_.size(); index++) {
    std::thread ahead;
    Source* next = index + 1 < sources_.size() ? &sources_[index + 1] : nullptr;
    const bool isAhead = next && next->bytes >= readAheadBytesMin;
    if (isAhead) ahead = std::thread([next] { load(*next); });
    take(index, visitor);
    done += sources_[index].bytes;
    sources_[index].content = {};
    visitor.progress(done, total);
    if (isAhead) ahead.join();
    else if (next) load(*next);
  }
  reportMissing(last_, visitor);
  for (const Position end : ends_) space_.noteEnd(end);
  givenCopies_ = {};
  ends_ = {};
  return 0;
}

void Recovery::take(size_t index, Visitor& visitor) {
  Source& source = sources_[index];
  Segment& segment = space_.add(source.number, source.file);
  Sink sink(*this, source, visitor);
  if (source.error != 0) {  // the disk cannot read it
    visitor.damage({.what = Damage::What::bytes, .at = Position::of(source.number, 0), .bytes = source.bytes});
  }
  if (source.state != HeaderState::valid) {
    const Bytes page = Bytes(source.content).first(std::min(pageBytes, source.content.size()));
    setAside(visitor, {.what = Damage::What::segmentHeader, .at = Position::of(source.number, 0), .bytes = page.size()},
             page);
  }
  const std::optional<uint32_t> knownEnd = knownEndOf(index);
  const size_t header = std::min(pageBytes, source.content.size());
  last_ = scanSegment({.bytes = Bytes(source.content).subspan(header),
                       .from = uint32_t(pageBytes),
                       .log = log_,
                       .number = source.number,
                       .knownEnd = knownEnd},
                      sink);
  segment.end = knownEnd ? *knownEnd : last_.end;
  lastGroup_ = std::max(lastGroup_, last_.lastGroup);
  if (last_.sealed) highest_ = std::max(highest_, last_.sealed->nextSegment);
  if (index + 1 < sources_.size()) space_.seal(segment);
  if (last_.tornBytes > 0) visitor.tornTail({Position::of(source.number, last_.end), last_.tornBytes});
}

// What the last segment names, and what it says itself to be continued in.
void Recovery::reportMissing(const ScanResult& last, Visitor& visitor) {
  if (sources_.empty()) return;
  const auto isThere = [&](uint32_t number) {
    return std::any_of(sources_.begin(), sources_.end(), [&](const Source& each) { return each.number == number; }) ||
           std::find(recycled_.begin(), recycled_.end(), number) != recycled_.end();
  };
  const auto report = [&](uint32_t number) {
    if (!isThere(number)) visitor.damage({.what = Damage::What::segmentMissing, .at = Position::of(number, 0)});
  };
  const SegmentHeader& header = sources_.back().header;
  if (sources_.back().state == HeaderState::valid) {
    for (const SegmentRange& range : header.present) {
      for (uint32_t number = range.first; number <= range.last && number != 0; number++) report(number);
    }
  }
  if (last.sealed) report(last.sealed->nextSegment);
}

// Keeps the bytes in a file of their own, unless an earlier start has done so.
void Recovery::setAside(Visitor& visitor, Damage damage, Bytes bytes) {
  const std::string name = segmentName(damage.at.segment()) + "-" + std::to_string(damage.at.offset()) + ".damaged";
  std::shared_ptr<File> file;
  if (options_.setsAside && !bytes.empty() && disk_.open(name, true, file) == 0) {
    std::vector<uint8_t> before(file->size());
    damage.isKnown = !before.empty() && readAll(*file, 0, before) == 0 && areEqual(before, bytes);
    damage.setAside = name;
    if (!damage.isKnown && (file->truncate(0) != 0 || writeAll(*file, 0, {bytes}) != 0)) damage.setAside.clear();
  }
  visitor.damage(damage);
}

SegmentFiles::Start Recovery::start() const {
  SegmentFiles::Start start{.log = log_, .segment = highest_ + 1, .group = lastGroup_ + 1};
  if (sources_.empty()) return start;
  const Segment* last = space_.find(sources_.back().number);
  start.previousEnd = Position::of(last->number, last->end);
  const bool wasUsed = last_.lastGroup != 0;
  if (!wasUsed && sources_.back().state == HeaderState::valid) {
    start.unsealed = sources_.back().header.previousEnd.segment();
  }
  return start;
}

}  // namespace rally::log
