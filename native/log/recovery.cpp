#include "recovery.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "../structures/free-memory.h"
#include "copied-record.h"

namespace rally::log {

namespace {

// Below this size a second thread costs more than it saves.
constexpr uint64_t readAheadBytesMin = 1u << 20;
// How many records in advance the visitor gets one.
constexpr size_t soonRecords = 24;
// If a segment has more damaged places, they are set aside in one file, together with what is between them.
constexpr size_t placesMax = 16;
// Of files with damaged bytes, by this start and earlier ones. What more there is stays only where it is, until the log
// reuses the segment.
constexpr size_t setAsideMax = 1'000;

bool isLikeSegment(const std::string& name) { return name.size() == segmentName(0).size() && name.ends_with(".seg"); }
bool isSetAside(const std::string& name) { return name.ends_with(".damaged"); }

}  // namespace

// --- what there is ---

int Recovery::look() {
  const int error = disk_.list(names_);
  if (error != 0) return error;
  for (const std::string& name : names_) {
    if (isSpareName(name)) spareNames_.push_back(name);
    if (isSetAside(name)) setAside_++;
    const std::optional<uint32_t> number = segmentOfName(name);
    if (!number && isLikeSegment(name)) foreign_.push_back(name);
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

// The identity is that of most segments; on the first start it is new.
void Recovery::identify() {
  std::map<LogId, size_t> votes;
  for (Source& source : sources_) {
    if (source.state == HeaderState::valid) votes[source.header.log]++;
  }
  if (votes.empty()) {  // all headers are damaged: take it from the groups
    for (Source& source : sources_) {
      load(source);
      if (const auto log = logOfGroups(source.content, source.number)) votes[*log]++;
      freeMemory(source.content);
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

// Where the segment ends, if the next one states it.
std::optional<uint32_t> Recovery::knownEndOf(size_t index) const {
  for (size_t next = index + 1; next < sources_.size(); next++) {
    const SegmentHeader& header = sources_[next].header;
    if (sources_[next].state != HeaderState::valid) continue;
    if (header.previousEnd.segment() == sources_[index].number) return header.previousEnd.offset();
  }
  return {};
}

// A page that the disk cannot read costs only its own contents.
void Recovery::load(Source& source) {
  source.content.resize(source.bytes);
  if (readAll(*source.file, 0, source.content) == 0) return;
  for (size_t at = 0; at < source.content.size(); at += pageBytes) {
    const std::span<uint8_t> whole(source.content);
    const std::span<uint8_t> page = whole.subspan(at, std::min(pageBytes, whole.size() - at));
    if (readAll(*source.file, at, page) == 0) continue;
    std::fill(page.begin(), page.end(), uint8_t(0));
    source.unreadableBytes += page.size();
    if (source.unreadableAt == 0) source.unreadableAt = uint32_t(at);
  }
}

// --- reading ---

class Recovery::Collector final : public ScanSink {
 public:
  explicit Collector(std::vector<Part>& parts) : parts_(parts) {}

  void record(Position at, const RecordHead& head, Bytes) override {
    parts_.push_back({.from = at.offset(), .head = head});
  }
  void damage(uint32_t from, uint32_t to) override { parts_.push_back({.from = from, .to = to, .head = {}}); }

 private:
  std::vector<Part>& parts_;
};

// Reads and checks the segment, on any thread: it changes nothing else.
void Recovery::prepare(size_t index, Scanned& scanned) {
  Source& source = sources_[index];
  load(source);
  scanned.parts.clear();
  scanned.knownEnd = knownEndOf(index);
  const size_t header = std::min(pageBytes, source.content.size());
  Collector collector(scanned.parts);
  scanned.result = scanSegment({.bytes = Bytes(source.content).subspan(header),
                                .from = uint32_t(pageBytes),
                                .log = log_,
                                .number = source.number,
                                .knownEnd = scanned.knownEnd},
                               collector);
}

void Recovery::takeRecord(Position at, const RecordHead& head, Bytes body, Visitor& visitor) {
  if (head.kind == Kind::recycled) {
    recycled_.push_back(Decoder(body).number<uint32_t>());
  } else if (head.kind == Kind::copied) {
    takeCopied(at, framedBytes(head.bodyBytes), body, visitor);
  } else if (!isOfLog(head.kind)) {
    space_.placed(at, framedBytes(head.bodyBytes));
    if (isEnd(head.kind)) ends_.push_back(at);
    visitor.record({at, head.kind, head.version, body});
  }
}

void Recovery::takeCopied(Position at, size_t bytes, Bytes body, Visitor& visitor) {
  CopiedRecord copied;
  if (!copied.read(body)) return;
  space_.placed(at, bytes);
  if (wasGiven(copied.name)) return space_.moved(copied.name, at);
  givenCopies_.insert(copied.name.value);
  space_.foundCopy(copied.name, at);
  if (isEnd(copied.kind)) ends_.push_back(copied.name);
  visitor.record({copied.name, copied.kind, copied.version, copied.body});
}

void Recovery::takeDamage(const Source& source, uint32_t from, uint32_t to, uint64_t damagedBytes, Visitor& visitor) {
  const Bytes content = source.content;
  const size_t available = std::min<size_t>(to, content.size());
  const Bytes bytes = from < available ? content.subspan(from, available - from) : Bytes();
  setAside(visitor, {.what = Damage::What::bytes, .at = Position::of(source.number, from), .bytes = damagedBytes},
           bytes);
}

// Whether the visitor has seen the record of this name: at the place where it was appended, if that is readable, or as
// another copy.
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
  Scanned scanned;
  Scanned scannedAhead;
  if (!sources_.empty()) prepare(0, scanned);
  for (size_t index = 0; index < sources_.size(); index++) {
    const bool hasNext = index + 1 < sources_.size();
    std::thread ahead;
    const bool isAhead = hasNext && sources_[index + 1].bytes >= readAheadBytesMin;
    if (isAhead) {
      // Reuses the memory of the previous one.
      if (index > 0) sources_[index + 1].content = std::move(sources_[index - 1].content);
      ahead = std::thread([&] { prepare(index + 1, scannedAhead); });
    }
    take(index, scanned, visitor);
    if (index > 0) freeMemory(sources_[index - 1].content);
    done += sources_[index].bytes;
    visitor.progress(done, total);
    if (isAhead) ahead.join();
    else if (hasNext) prepare(index + 1, scannedAhead);
    std::swap(scanned, scannedAhead);
  }
  if (!sources_.empty()) freeMemory(sources_.back().content);
  reportMissing(last_, visitor);
  for (const Position end : ends_) space_.noteEnd(end);
  freeMemory(givenCopies_);
  freeMemory(ends_);
  return 0;
}

void Recovery::take(size_t index, const Scanned& scanned, Visitor& visitor) {
  const Source& source = sources_[index];
  Segment& segment = space_.add(source.number, source.file);
  if (source.unreadableBytes > 0) {
    visitor.damage({.what = Damage::What::unreadable,
                    .at = Position::of(source.number, source.unreadableAt),
                    .bytes = source.unreadableBytes});
  }
  if (source.state != HeaderState::valid) {
    const Bytes page = Bytes(source.content).first(std::min(pageBytes, source.content.size()));
    setAside(visitor, {.what = Damage::What::segmentHeader, .at = Position::of(source.number, 0), .bytes = page.size()},
             page);
  }
  std::vector<std::pair<uint32_t, uint32_t>> places;
  for (const Part& part : scanned.parts)
    if (part.to != 0) places.push_back({part.from, part.to});
  const bool areMany = places.size() > placesMax;
  if (areMany) {
    uint64_t bytes = 0;
    for (const auto& [from, to] : places) bytes += to - from;
    takeDamage(source, places.front().first, places.back().second, bytes, visitor);
  }
  if (!places.empty()) damaged_[source.number] = std::move(places);
  for (size_t i = 0; i < scanned.parts.size(); i++) {
    if (i + soonRecords < scanned.parts.size()) {
      const Part& soon = scanned.parts[i + soonRecords];
      if (soon.to == 0 && !isOfLog(soon.head.kind))
        visitor.soon(
            {Position::of(source.number, soon.from), soon.head.kind, soon.head.version, soon.body(source.content)});
    }
    const Part& part = scanned.parts[i];
    if (part.to == 0) takeRecord(Position::of(source.number, part.from), part.head, part.body(source.content), visitor);
    else if (!areMany) takeDamage(source, part.from, part.to, part.to - part.from, visitor);
  }
  last_ = scanned.result;
  segment.end = scanned.knownEnd ? *scanned.knownEnd : last_.end;
  lastGroup_ = std::max(lastGroup_, last_.lastGroup);
  if (last_.sealed) highest_ = std::max(highest_, last_.sealed->nextSegment);
  if (index + 1 < sources_.size()) space_.seal(segment);
  if (last_.tornBytes > 0) visitor.tornTail({Position::of(source.number, last_.end), last_.tornBytes});
}

// The segments that the last one names, and the one it says it continues in.
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

// Keeps the bytes in a separate file, unless an earlier start has done so.
void Recovery::setAside(Visitor& visitor, Damage damage, Bytes bytes) {
  const std::string name = segmentName(damage.at.segment()) + "-" + std::to_string(damage.at.offset()) + ".damaged";
  std::shared_ptr<File> file;
  if (options_.setsAside && !bytes.empty() && mayMake(name) && disk_.open(name, true, file) == 0) {
    std::vector<uint8_t> before(file->size());
    damage.isKnown = !before.empty() && readAll(*file, 0, before) == 0 && areEqual(before, bytes);
    damage.setAside = name;
    if (!damage.isKnown && (file->truncate(0) != 0 || writeAll(*file, 0, {bytes}) != 0)) damage.setAside.clear();
  }
  visitor.damage(damage);
}

bool Recovery::mayMake(const std::string& name) {
  if (std::find(names_.begin(), names_.end(), name) != names_.end()) return true;
  if (setAside_ == setAsideMax) return false;
  setAside_++;
  return true;
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
