#include "log-life.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "../../native/log/encoding.h"

namespace sim {

namespace {

using rally::Bytes;

uint8_t contentAt(uint64_t id, size_t at) { return uint8_t(id * 131 + at * 7 + (at >> 8)); }

std::vector<uint8_t> messageBody(uint64_t id, uint32_t bytes) {
  std::vector<uint8_t> body(8 + bytes);
  log::Encoder(body).number(id);
  for (size_t at = 0; at < bytes; at++) body[8 + at] = contentAt(id, at);
  return body;
}

bool isMessageBody(Bytes body, uint64_t& id) {
  if (body.size() < 8) return false;
  id = log::Decoder(body).number<uint64_t>();
  for (size_t at = 0; at + 8 < body.size(); at++) {
    if (body[8 + at] != contentAt(id, at)) return false;
  }
  return true;
}

// Recovers as a broker does: what is dead is released and superseded.
class Collector final : public log::Visitor {
 public:
  Collector(Findings& findings, log::DiskLog& log) : findings_(findings), log_(log) {}

  void record(const log::Found& found) override {
    if (found.kind == checkpointKind) findings_.messages.clear(), findings_.keys.clear();
    else if (found.kind == messageKind) message(found);
    else key(found);
  }
  void damage(const log::Damage& damage) override { findings_.damage.push_back(damage); }
  void tornTail(const log::TornTail&) override { findings_.tornTails++; }

 private:
  void message(const log::Found& found) {
    uint64_t id = 0;
    if (!isMessageBody(found.body, id)) findings_.fault = "a message has another content";
    findings_.messages.push_back({id, found.position});
  }

  void key(const log::Found& found) {
    log::Decoder decoder(found.body);
    const unsigned key = decoder.number<uint8_t>();
    const uint64_t version = decoder.number<uint64_t>();
    Findings::Key& state = findings_.keys[key];
    if (found.position < state.position) return log_.supersede(found.position, state.position);
    if (state.position) log_.supersede(state.position, found.position);
    state = {version, found.kind == keyEndKind, found.position};
  }

  Findings& findings_;
  log::DiskLog& log_;
};

Findings recover(log::DiskLog& store) {
  Findings findings;
  log::OpenFault fault;
  if (!store.look(fault)) {
    findings.fault = "it does not open: " + fault.detail;
    return findings;
  }
  Collector collector(findings, store);
  store.recover(collector);
  std::sort(findings.messages.begin(), findings.messages.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return findings;
}

}  // namespace

// --- a life ---

std::string Life::run(unsigned lives) {
  auto disk = std::make_unique<SimDisk>();
  for (unsigned i = 0; i < lives && fault_.empty(); i++) {
    if (!open(std::move(disk))) break;
    live();
    const bool isOrderly = random_.chance(20) && fault_.empty();
    if (isOrderly) closeInOrder();
    disk_->beforeChange = {};
    noteLife(isOrderly);
    disk = random_.chance(30) && !isOrderly ? disk_->copy() : disk_->crash(random_);
  }
  return fault_;
}

bool Life::open(std::unique_ptr<SimDisk> disk) {
  options_.workers = workers;
  options_.segmentBytes = 32'768;
  options_.copiesForward = !hasCheckpoints_;
  checkpoint_.reset();
  for (unsigned worker = 0; worker < workers; worker++) {
    committedBefore_[worker] = log_ ? log_->appender(worker).committed() : log::Ticket{};
  }
  reader_.reset();
  log_.reset();
  disk_ = disk.get();
  auto opened = std::make_unique<log::DiskLog>(options_, std::move(disk), nullptr, log::Warning::none);
  const Findings findings = recover(*opened);
  const std::string verdict = verdictOn(findings);
  if (!verdict.empty()) return fail("the next life: " + verdict), false;
  log_ = std::move(opened);
  adopt(findings);
  disk_->beforeChange = [this] {
    if (random_.chance(lookPercent) && fault_.empty()) look();
  };
  if (!log_->begin(nowMs_)) return fail("it does not begin"), false;
  reader_ = log_->makeReader();
  return fault_.empty();
}

void Life::live() {
  disk_->faults.isCopyOnWrite = hasDiskFaults && random_.chance(30);
  if (hasDiskFaults && random_.chance(50)) {
    disk_->faults.failAt = disk_->calls + random_.between(1, 120);
    disk_->faults.failWith = random_.pick(std::vector<int>{ENOSPC, EIO, -1, -1});
  }
  // A disk that is almost full, until somebody makes room.
  const bool isSmall = hasDiskFaults && random_.chance(20);
  if (isSmall) disk_->faults.roomBytes = disk_->usedBytes() + random_.below(100'000);
  const size_t turns = random_.between(5, 60);
  for (size_t turn = 0; turn < turns && fault_.empty(); turn++) {
    for (size_t count = random_.below(4); count > 0; count--) appendBatch();
    if (hasCheckpoints_ && random_.chance(6) && !checkpoint_) appendCheckpoint();
    step();
    if (random_.chance(10)) settle();
    seen_.fullDisks += log_->writer().isStuck();
    if (random_.chance(30)) readSome();
  }
  if (!isSmall) return;
  disk_->faults.roomBytes = 0;
  settle();
  if (log_->state() != log::State::failed && !isAcknowledged(batches_.size() - 1))
    fail("it does not go on after a full disk");
}

void Life::appendBatch() {
  const unsigned worker = unsigned(random_.below(workers));
  log::Appender& appender = log_->appender(worker);
  const size_t batch = batches_.size();
  batches_.push_back({worker, nextId_, {}});
  appendMessage(appender, batch);
  for (size_t count = random_.below(5); count > 0; count--) {
    if (random_.chance(40)) appendMessage(appender, batch);
    else if (random_.chance(60)) appendKey(appender, worker, batch);
    else release(appender, worker);
  }
  if (random_.chance(60)) {
    for (size_t count = random_.below(12); count > 0; count--) release(appender, worker);
  }
  appender.flush();
  batches_.back().end = appender.nextTicket();
}

void Life::appendMessage(log::Appender& appender, size_t batch) {
  uint32_t bytes = uint32_t(random_.below(300));
  if (random_.chance(5)) bytes = uint32_t(random_.below(9'000));
  if (random_.below(300) == 0) bytes = 40'000;  // more than a segment has room for
  ModelMessage message{.id = nextId_++, .batch = batch, .bytes = bytes};
  message.ticket = appender.append(messageKind, messageBody(message.id, bytes));
  unplaced_[batches_[batch].worker].push_back(messages_.size());
  messages_.push_back(message);
}

// The keys of a worker are its own, so that what comes last is known.
void Life::appendKey(log::Appender& appender, unsigned worker, size_t batch) {
  const unsigned key = unsigned(random_.below(keys));
  if (key % workers != worker) return;
  std::vector<KeyRecord>& records = keyRecords_[key];
  KeyRecord record{.version = nextVersion_++, .isClear = random_.chance(40), .batch = batch};
  std::vector<uint8_t> body(9 + random_.below(100));
  log::Encoder(body).number(uint8_t(key)).number(record.version);
  record.ticket = appender.append(record.isClear ? keyEndKind : keyKind, body);
  // An end that is replaced may be superseded, or left to itself.
  if (!hasCheckpoints_ && !records.empty() && (!records.back().isClear || random_.chance(50))) {
    const KeyRecord& before = records.back();
    if (before.position) appender.supersede(before.position, record.ticket);
    else appender.supersede(before.ticket, record.ticket);
  }
  records.push_back(record);
}

void Life::release(log::Appender& appender, unsigned worker) {
  if (messages_.empty()) return;
  ModelMessage& message = messages_[random_.below(messages_.size())];
  if (message.isReleased || !isAcknowledged(message.batch)) return;
  if (!message.position && batches_[message.batch].worker != worker) return;
  message.isReleased = true;
  if (hasCheckpoints_) return;
  if (message.position) appender.release(message.position);
  else appender.release(message.ticket);
}

void Life::appendCheckpoint() {
  takePlacements();
  log::Appender& appender = log_->appender(0);
  const size_t batch = batches_.size();
  batches_.push_back({0, nextId_, {}});
  checkpoint_ = appender.append(checkpointKind, Bytes());
  checkpointAt_ = {};
  for (auto& unplaced : unplaced_) unplaced.clear();
  for (size_t at = 0; at < messages_.size(); at++) {
    ModelMessage& message = messages_[at];
    if (message.isReleased) continue;
    message.ticket = appender.append(messageKind, messageBody(message.id, message.bytes));
    message.position = {};
    message.isRenamed = true;
    unplaced_[0].push_back(at);
  }
  appendMessage(appender, batch);
  for (unsigned key = 0; key < keys; key++) {
    if (keyRecords_[key].empty() || keyRecords_[key].back().isClear) continue;
    KeyRecord record = keyRecords_[key].back();
    record.batch = batch;
    std::vector<uint8_t> body(9);
    log::Encoder(body).number(uint8_t(key)).number(record.version);
    record.ticket = appender.append(keyKind, body);
    keyRecords_[key].push_back(record);
  }
  appender.flush();
  batches_.back().end = appender.nextTicket();
  seen_.checkpoints++;
}

void Life::dropBeforeCheckpoint() {
  if (!checkpoint_ || !checkpointAt_) return;
  log_->appender(0).dropBefore(checkpointAt_);
  log_->appender(0).flush();
  checkpoint_.reset();
}

void Life::step() {
  nowMs_ += 100;
  log_->writer().step(nowMs_);
  if (random_.chance(80)) takePlacements();
}

void Life::settle() {
  for (int i = 0; i < 300; i++) {
    nowMs_ += 100;
    if (!log_->writer().step(nowMs_) && i > 12) break;
  }
  takePlacements();
}

void Life::closeInOrder() {
  log_->writer().finish(nowMs_);
  takePlacements();
}

void Life::takePlacements() {
  for (unsigned worker = 0; worker < workers; worker++) {
    log::Placement placement;
    std::vector<size_t>& unplaced = unplaced_[worker];
    while (log_->appender(worker).next(placement)) {
      if (worker == 0 && checkpoint_ && placement.contains(*checkpoint_)) checkpointAt_ = placement.of(*checkpoint_);
      for (const size_t index : unplaced) {
        ModelMessage& message = messages_[index];
        if (placement.contains(message.ticket)) message.position = placement.of(message.ticket);
      }
      std::erase_if(unplaced, [&](size_t index) { return bool(messages_[index].position); });
      for (unsigned key = worker; key < keys; key += workers) {
        for (KeyRecord& record : keyRecords_[key]) {
          if (!record.position && placement.contains(record.ticket)) record.position = placement.of(record.ticket);
        }
      }
    }
  }
  dropBeforeCheckpoint();
}

void Life::readSome() {
  for (int i = 0; i < 3 && !messages_.empty(); i++) {
    const ModelMessage& message = random_.pick(messages_);
    if (!message.position || message.isReleased) continue;
    log::Found found;
    uint64_t id = 0;
    const log::ReadStatus status = reader_->read(message.position, found);
    if (status != log::ReadStatus::found) return fail("a message cannot be read");
    if (!isMessageBody(found.body, id) || id != message.id) return fail("another message was read");
  }
}

void Life::noteLife(bool isOrderly) {
  seen_.lives++;
  seen_.orderlyStops += isOrderly;
  seen_.failedDisks += log_->state() == log::State::failed;
  seen_.recycled += disk_->recycled;
  const log::Figures figures = log_->figures();
  seen_.copied += figures.copiedBytes > 0;
}

Seen& Seen::operator+=(const Seen& other) {
  states += other.states;
  torn += other.torn;
  lostSegments += other.lostSegments;
  lives += other.lives;
  recycled += other.recycled;
  copied += other.copied;
  checkpoints += other.checkpoints;
  failedDisks += other.failedDisks;
  fullDisks += other.fullDisks;
  orderlyStops += other.orderlyStops;
  return *this;
}

// --- crashes ---

bool Life::isAcknowledged(size_t batch) const {
  if (batch == 0) return true;
  const ModelBatch& wanted = batches_[batch];
  const log::Ticket committed = log_ ? log_->appender(wanted.worker).committed() : committedBefore_[wanted.worker];
  return wanted.end.value != 0 && committed >= wanted.end;  // 0: it is being appended
}

void Life::look() {
  std::unique_ptr<SimDisk> crashed = random_.chance(10) ? disk_->copy() : disk_->crash(random_);
  if (random_.chance(5)) return lookWithoutNewest(std::move(crashed));
  const Findings findings = findingsOf(std::move(crashed));
  seen_.states++;
  seen_.torn += findings.tornTails;
  std::string verdict = verdictOn(findings);
  if (verdict.empty() && !findings.damage.empty()) verdict = "a crash is called damage";
  if (!verdict.empty()) fail(verdict);
}

// The file with what was written last is gone too: it has to be noticed.
void Life::lookWithoutNewest(std::unique_ptr<SimDisk> crashed) {
  uint32_t newest = 0;
  for (const std::string& name : crashed->names()) newest = std::max(newest, log::segmentOfName(name).value_or(0));
  const bool hasAcknowledged = std::any_of(messages_.begin(), messages_.end(), [&](const ModelMessage& message) {
    return message.position.segment() == newest && isAcknowledged(message.batch) && newest > 1;
  });
  if (!hasAcknowledged) return;
  crashed->remove(log::segmentName(newest));
  const std::vector<std::string> left = crashed->names();
  if (std::none_of(left.begin(), left.end(), [](const auto& name) { return log::segmentOfName(name).has_value(); }))
    return;
  const Findings findings = findingsOf(std::move(crashed));
  seen_.states++;
  seen_.lostSegments++;
  const bool isReported = std::any_of(findings.damage.begin(), findings.damage.end(), [&](const log::Damage& damage) {
    return damage.what == log::Damage::What::segmentMissing;
  });
  if (!isReported) fail("nobody noticed that the newest segment is missing");
}

Findings Life::findingsOf(std::unique_ptr<SimDisk> disk) {
  log::Options options;
  options.workers = workers;
  options.segmentBytes = 32'768;
  log::DiskLog store(options, std::move(disk), nullptr, log::Warning::none);
  return recover(store);
}

std::string Life::verdictOn(const Findings& findings, const std::function<bool(const ModelMessage&)>& isLost) const {
  if (!findings.fault.empty()) return findings.fault;
  if (batches_.empty()) return findings.messages.empty() ? "" : "a new log is not empty";
  std::vector<bool> isThere(batches_.size());
  std::vector<size_t> found(messages_.size());
  for (const Findings::Message& each : findings.messages) {
    if (lost_.contains(each.id)) return "a message came back that a crash had taken away";
    const auto message = std::lower_bound(messages_.begin(), messages_.end(), each.id,
                                          [](const ModelMessage& a, uint64_t id) { return a.id < id; });
    if (message == messages_.end() || message->id != each.id) continue;  // released long ago
    if (found[size_t(message - messages_.begin())]++ > 0) return "a message is there twice";
    if (message->position && message->position != each.position && !message->isRenamed)
      return "a message has another name";
    isThere[message->batch] = true;
  }
  std::array<bool, workers> hasGap{};
  for (size_t batch = 1; batch < batches_.size(); batch++) {
    const bool isAcked = isAcknowledged(batch);
    if (!isAcked && !isThere[batch]) hasGap[batches_[batch].worker] = true;
    if (!isAcked && isThere[batch] && hasGap[batches_[batch].worker]) return "a batch is there without the one before";
  }
  for (size_t at = 0; at < messages_.size(); at++) {
    const ModelMessage& message = messages_[at];
    if (message.isReleased || found[at] > 0 || (isLost && isLost(message))) continue;
    if (isAcknowledged(message.batch)) return "a message that was acknowledged is lost";
    if (isThere[message.batch]) return "only a part of a batch is there";
  }
  if (isLost) return "";
  for (unsigned key = 0; key < keys; key++) {
    const KeyRecord* last = nullptr;
    for (const KeyRecord& record : keyRecords_[key]) {
      if (isAcknowledged(record.batch) || isThere[record.batch]) last = &record;
    }
    const auto state = findings.keys.find(key);
    const bool isClear = state == findings.keys.end() || state->second.isClear;
    if (isClear != (!last || last->isClear)) return isClear ? "a key is lost" : "a key that was cleared is back";
    if (!isClear && state->second.version != last->version) return "a key has another value";
  }
  return "";
}

size_t Life::lossOf(const Findings& findings) const {
  size_t loss = 0;
  for (const ModelMessage& message : messages_) {
    if (message.isReleased) continue;
    loss += std::none_of(findings.messages.begin(), findings.messages.end(),
                         [&](const Findings::Message& each) { return each.id == message.id; });
  }
  for (unsigned key = 0; key < keys; key++) {
    const auto state = findings.keys.find(key);
    const bool isClear = state == findings.keys.end() || state->second.isClear;
    const bool shouldBeClear = keyRecords_[key].empty() || keyRecords_[key].back().isClear;
    loss += isClear != shouldBeClear || (!isClear && state->second.version != keyRecords_[key].back().version);
  }
  return loss;
}

// What was found is what the next life begins with.
void Life::adopt(const Findings& findings) {
  std::vector<ModelMessage> kept;
  std::set<uint64_t> wasFound;
  std::vector<log::Position> dead;
  for (const Findings::Message& each : findings.messages) {
    const auto message = std::lower_bound(messages_.begin(), messages_.end(), each.id,
                                          [](const ModelMessage& a, uint64_t id) { return a.id < id; });
    const bool isAlive = message != messages_.end() && message->id == each.id && !message->isReleased;
    wasFound.insert(each.id);
    if (!isAlive) {
      log_->release(each.position);
      continue;
    }
    kept.push_back(*message);
    kept.back().batch = 0;
    kept.back().isRenamed = false;
    kept.back().position = each.position;
  }
  for (const ModelMessage& message : messages_) {
    if (!wasFound.contains(message.id) && !message.isReleased) lost_.insert(message.id);
  }
  messages_ = std::move(kept);
  batches_.assign(1, {});
  for (unsigned key = 0; key < keys; key++) {
    keyRecords_[key].clear();
    const auto state = findings.keys.find(key);
    if (state == findings.keys.end()) continue;
    keyRecords_[key].push_back({state->second.version, state->second.isClear, 0, {}, state->second.position});
  }
  for (auto& unplaced : unplaced_) unplaced.clear();
}

void Life::fail(const std::string& what) {
  if (fault_.empty()) fault_ = what;
}

}  // namespace sim
