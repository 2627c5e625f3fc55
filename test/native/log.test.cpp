// The log: checksums, records, and a real directory with real threads. What crashes do to it is in log-crash.cpp.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "../../native/durable/log-copy.h"
#include "../../native/log/crc32c.h"
#include "../../native/log/real-disk.h"
#include "../../native/log/record-reader.h"
#include "../../native/log/records.h"
#include "../../native/log/short-slice.h"
#include "../../native/log/space.h"
#include "check.h"
#include "log-life.h"
#include "octets.h"

using namespace rally;

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rallymq-log-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_ + "/store"; }

 private:
  std::string path_;
};

log::Options optionsFor(const Folder& folder, unsigned workers) {
  log::Options options;
  options.directory = folder.path();
  options.workers = workers;
  options.segmentBytes = 256 * 1'024;
  options.softFreeBytesMin = options.hardFreeBytesMin = 0;  // whatever the disk of the tests has left
  return options;
}

struct Collected final : log::Visitor {
  std::vector<std::pair<log::Position, std::vector<uint8_t>>> records;
  size_t damaged = 0;
  std::vector<std::string>* foreign = nullptr;  // the files

  void record(const log::Found& found) override {
    records.push_back({found.position, {found.body.begin(), found.body.end()}});
  }
  void damage(const log::Damage& damage) override {
    damaged++;
    if (foreign && damage.what == log::Damage::What::foreign) foreign->push_back(damage.setAside);
  }
};

std::unique_ptr<log::Log> openedLog(const log::Options& options, log::Visitor& visitor) {
  log::OpenFault fault;
  std::unique_ptr<log::Log> log = log::openLog(options, fault);
  if (!CHECK(log != nullptr)) return nullptr;
  log->recover(visitor);
  log->start();
  return log;
}

log::Options replicatedOptions() {
  log::Options options;
  options.isReplicated = true;
  options.segmentBytes = 2u << 20;
  return options;
}

// Its first life: its disk is empty.
void begin(log::DiskLog& store) {
  log::OpenFault fault;
  Collected nothing;
  CHECK(store.look(fault));
  store.recover(nothing);
  CHECK(store.begin(1'000));
}

struct Example {
  static constexpr log::Kind kind = log::Kind(70);
  uint64_t session = 0;
  uint8_t qos = 0;
  Bytes topic;
  Bytes payload;

  void visit(auto& body) {
    body.number(session);
    body.number(qos);
    body.short_(topic);
    body.long_(payload);
  }
};

template <class Record>
void checkRoundTrip(Record record) {
  std::vector<uint8_t> body(log::encodedBytes(record));
  log::detail::Write write{log::Encoder(body)};
  record.visit(write);
  CHECK(write.encoder.isFull());
  Record read;
  log::Found found{log::Position::of(1, 4'096), Record::kind, log::recordVersion, body};
  if (!CHECK(log::decode(found, read))) return;
  std::vector<uint8_t> again(log::encodedBytes(read));
  log::detail::Write second{log::Encoder(again)};
  read.visit(second);
  CHECK(again == body);
  for (size_t shorter = 0; shorter < body.size(); shorter++) {
    const Exact cut(Octets(body.begin(), body.begin() + std::ptrdiff_t(shorter)));
    found.body = Bytes(cut);
    CHECK(!log::decode(found, read));
  }
  found.kind = log::Kind::sealed;
  CHECK(!log::decode(found, read));
}

}  // namespace

TEST("log: CRC-32C is that of the standard, with the instruction and without") {
  const std::string digits = "123456789";
  CHECK_EQ(log::crc32c(bytesOf(digits)), 0xe3069283u);
  check::eachSeed(50, [](check::Random& random) {
    const Octets bytes = random.bytes(random.below(200));
    const size_t cut = random.below(bytes.size() + 1);
    const uint32_t whole = log::crc32c(bytes);
    CHECK_EQ(whole, log::crc32cPortable(bytes));
    CHECK_EQ(whole, log::crc32c(Bytes(bytes).subspan(cut), log::crc32c(Bytes(bytes).first(cut))));
  });
}

TEST("log: the numbers of its own records stay what they are") {
  using log::Kind;
  static_assert(uint8_t(Kind::sealed) == 1 && uint8_t(Kind::closed) == 2 && uint8_t(Kind::recycled) == 3);
  static_assert(uint8_t(Kind::copied) == 4);
  CHECK(log::isOfLog(Kind(15)) && !log::isOfLog(Kind(16)) && !log::isEnd(Kind(127)) && log::isEnd(Kind(128)));
  CHECK(log::formatVersion == 1 && log::recordVersion == 1);
}

TEST("log: a record is read as it was written, and not when it is cut") {
  const std::string text = "a/b";
  checkRoundTrip(Example{1ull << 40, 7, bytesOf(text), bytesOf(text)});
  checkRoundTrip(Example{});
}

TEST("log: what stands before a checkpoint is recycled, and not there at the next start") {
  sim::SimDisk* disk = nullptr;
  log::Options options;
  options.segmentBytes = 32'768;
  options.copiesForward = false;
  auto first = std::make_unique<sim::SimDisk>();
  disk = first.get();
  log::DiskLog store(options, std::move(first), nullptr, log::Warning::none);
  begin(store);
  log::Appender& appender = store.appender(0);
  const std::vector<uint8_t> body(3'000, 7);
  log::Placement placement;
  for (int i = 0; i < 40; i++) {
    appender.append(log::Kind(64), body);
    appender.flush();
    store.writer().step(2'000);
    CHECK(appender.next(placement));
  }
  const size_t before = disk->names().size();
  appender.append(log::Kind(65), body);  // says everything again
  appender.flush();
  store.writer().step(2'000);
  CHECK(appender.next(placement));
  appender.dropBefore(placement.at);
  appender.flush();
  while (store.writer().step(3'000)) {}
  CHECK(disk->names().size() < before);
  store.writer().finish(4'000);
  Collected found;
  log::DiskLog again(options, disk->copy(), nullptr, log::Warning::none);
  log::OpenFault fault;
  CHECK(again.look(fault));
  again.recover(found);
  CHECK(found.damaged == 0 && !found.records.empty() && found.records.size() < 8);
  CHECK(found.records.back().first == placement.at);
  CHECK(again.begin(5'000));
}

TEST("log: a reader that has read a large record gives its memory back, and goes on") {
  log::Options options;
  auto disk = std::make_unique<sim::SimDisk>();
  log::DiskLog store(options, std::move(disk), nullptr, log::Warning::none);
  begin(store);
  log::Appender& appender = store.appender(0);
  const size_t bodyBytes[] = {300, 8u << 20, 400, 500};
  std::vector<log::Ticket> tickets;
  for (const size_t bytes : bodyBytes)
    tickets.push_back(appender.append(log::Kind(64), std::vector<uint8_t>(bytes, uint8_t(bytes / 100))));
  appender.flush();
  while (store.writer().step(2'000)) {}
  const std::unique_ptr<log::Reader> reader = store.makeReader();
  const auto bytes = [&] { return static_cast<const log::RecordReader&>(*reader).bytes(); };
  for (size_t i = 0; i < tickets.size(); i++) {
    log::Found found;
    CHECK(reader->read(appender.positionOf(tickets[i]), found) == log::ReadStatus::found);
    CHECK_EQ(found.body.size(), bodyBytes[i]);
    CHECK_EQ(found.body.back(), uint8_t(bodyBytes[i] / 100));
    CHECK(bytes() >= bodyBytes[i]);
    reader->trim();
    CHECK(bytes() <= 64 * 1'024);
  }
}

TEST("log: a segment that is given up is recycled, even if its records were released twice before") {
  sim::SimDisk disk;
  std::shared_ptr<log::File> file;
  CHECK_EQ(disk.open("1", true, file), 0);
  log::Space space;
  log::Segment& segment = space.add(1, file);
  const auto first = log::Position::of(1, 4'096);
  space.placed(first, 300, 3);
  space.release(first);
  space.release(first);
  space.seal(segment);
  CHECK(!space.recyclable());
  space.dropBefore(2);
  CHECK_EQ(space.liveRecords(), 0U);
  CHECK(space.recyclable() == &segment);
  space.release(log::Position::of(1, 4'196));
  CHECK(space.recyclable() == &segment);
}

TEST("log: what a run has written is taken back, and the records before are as they were") {
  const Folder folder;
  const log::Options options = optionsFor(folder, 1);
  const std::vector<uint8_t> body(3'000, 7);
  const auto fill = [&](log::Log& log, int records) {
    for (int i = 0; i < records; i++) log.appender(0).append(log::Kind(64), body);
    log.appender(0).flush();
    log.close();
  };
  Collected nothing;
  std::unique_ptr<log::Log> log = openedLog(options, nothing);
  if (!log) return;
  fill(*log, 200);  // three segments
  log.reset();
  for (const int records : {0, 10, 300}) {
    Collected before;
    log = openedLog(options, before);
    if (!log) return;
    fill(*log, records);
    log->takeBack();
    log.reset();
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder.path()))
      if (file.path().extension() == ".seg") bytes += file.file_size();
    CHECK(bytes <= 3 * options.segmentBytes + 4'096);
    Collected found;
    log = openedLog(options, found);
    if (!log) return;
    CHECK_EQ(found.damaged, 0u);
    CHECK_EQ(found.records.size(), 200u);
    CHECK(found.records == before.records);
    log->close();
    log->takeBack();
    log.reset();
  }
}

TEST("log: of a segment with many damaged places, one file is set aside, and there is an end to such files") {
  const auto filled = [] {
    auto disk = std::make_unique<sim::SimDisk>();
    sim::SimDisk& kept = *disk;
    log::Options options;
    options.segmentBytes = 1u << 20;
    log::DiskLog store(options, std::move(disk), nullptr, log::Warning::none);
    begin(store);
    const std::vector<uint8_t> body(3'000, 7);
    for (int i = 0; i < 100; i++) store.appender(0).append(log::Kind(64), body);
    store.appender(0).flush();
    while (store.writer().step(2'000)) {}
    store.writer().finish(3'000);
    return kept.copy();
  };
  struct Told final : log::Visitor {
    size_t records = 0;
    std::vector<log::Damage> damages;
    void record(const log::Found&) override { records++; }
    void damage(const log::Damage& damage) override { damages.push_back(damage); }
  };
  const auto told = [](std::unique_ptr<sim::SimDisk> disk, const std::function<void(sim::SimDisk&)>& look) {
    sim::SimDisk& kept = *disk;
    log::DiskLog store(log::Options(), std::move(disk), nullptr, log::Warning::none);
    log::OpenFault fault;
    CHECK(store.look(fault));
    Told found;
    store.recover(found);
    look(kept);
    return found;
  };
  for (const size_t places : {3u, 40u}) {
    std::unique_ptr<sim::SimDisk> disk = filled();
    std::vector<uint8_t>& bytes = disk->bytesOf(log::segmentName(1));
    for (size_t place = 0; place < places; place++) bytes[4'096 + 2 * place * 3'012 + 1'000] ^= 1;
    std::unique_ptr<sim::SimDisk> after;
    const Told first = told(std::move(disk), [&](sim::SimDisk& kept) { after = kept.copy(); });
    CHECK_EQ(first.records, 100 - places);
    CHECK_EQ(first.damages.size(), places == 3 ? 3u : 1u);
    uint64_t damaged = 0;
    for (const log::Damage& each : first.damages) damaged += each.bytes;
    CHECK(damaged >= places * 3'000 && damaged < places * 3'100);
    const Told second = told(std::move(after), [](sim::SimDisk&) {});
    CHECK_EQ(second.damages.size(), first.damages.size());
    for (const log::Damage& each : second.damages) CHECK(each.isKnown);
  }
  std::unique_ptr<sim::SimDisk> disk = filled();
  disk->bytesOf(log::segmentName(1))[5'000] ^= 1;
  std::shared_ptr<log::File> file;
  for (int i = 0; i < 1'000; i++)
    CHECK_EQ(disk->open("0000000000.seg-" + std::to_string(i) + ".damaged", true, file), 0);
  const Told full = told(std::move(disk), [](sim::SimDisk& kept) { CHECK_EQ(kept.names().size(), 1'001u + 2); });
  CHECK(full.damages.size() == 1 && full.damages[0].setAside.empty());
}

TEST("log: a replica is of whole groups, and nothing is committed before it is stored there") {
  check::eachSeed(8, [](check::Random& random) {
    log::Options options;
    options.workers = 2;
    options.isReplicated = true;
    options.segmentBytes = 1u << 20;
    options.copiesForward = false;
    log::DiskLog store(options, std::make_unique<sim::SimDisk>(), nullptr, log::Warning::none);
    log::OpenFault fault;
    Collected nothing;
    CHECK(store.look(fault));
    store.recover(nothing);
    log::Replica& replica = *store.replica();
    replica.begin(true);
    CHECK(store.begin(1'000));
    std::vector<uint8_t> chunk;
    CHECK(replica.take(chunk));  // that the run begins
    log::ChunkHead head;
    Bytes records;
    CHECK(log::ChunkHead::read(Bytes(chunk), head, records) && records.empty());
    CHECK_EQ(head.flags, log::ChunkHead::beginsRun | log::ChunkHead::endsGroup | log::ChunkHead::beginsLog);
    CHECK(!replica.take(chunk));
    size_t rung = 0;
    replica.onChunk([&] { rung++; });
    Octets expected;
    Octets seen;
    std::deque<std::pair<unsigned, log::Ticket>> appended;  // in the order of the log
    std::vector<size_t> bytesBehind{0};                     // of each chunk, all before it
    uint64_t stored = 1;
    for (int round = 0; round < 20; round++) {
      for (unsigned worker = 0; worker < 2; worker++) {
        for (size_t count = random.below(3); count > 0; count--) {
          const Octets body = random.bytes(random.chance(5) ? 300'000 : random.below(2'000));
          appended.push_back({worker, store.appender(worker).append(log::Kind(64 + worker), Bytes(body))});
          expected.insert(expected.end(), body.begin(), body.end());
        }
        store.appender(worker).flush();
      }
      store.writer().step(2'000);
      while (replica.take(chunk)) {
        CHECK(log::ChunkHead::read(Bytes(chunk), head, records));
        CHECK_EQ(head.number, bytesBehind.size());
        CHECK_EQ(head.end != 0, (head.flags & log::ChunkHead::endsGroup) != 0);
        CHECK(records.size() <= log::Replica::chunkBytesMax);
        seen.insert(seen.end(), records.begin(), records.end());
        bytesBehind.push_back(seen.size());
      }
      stored += random.below(bytesBehind.size() - stored + 1);
      replica.stored(stored);
      CHECK_EQ(replica.figures(2'000).waitingBytes, seen.size() - bytesBehind[stored - 1]);
      size_t at = 0;
      for (size_t i = 0; i < appended.size() && at < seen.size(); i++) {
        at += log::framedBytes(log::RecordHead::at(seen.data() + at).bodyBytes);
        const auto& [worker, ticket] = appended[i];
        if (at > bytesBehind[stored - 1]) CHECK(!store.appender(worker).isCommitted(ticket));
      }
    }
    CHECK(rung > 0);
    replica.stored(bytesBehind.size());
    Octets bodies;
    for (Bytes rest = Bytes(seen); !rest.empty();) {
      const log::RecordHead record = log::RecordHead::at(rest.data());
      const Bytes body = rest.subspan(log::recordHeadBytes, record.bodyBytes);
      bodies.insert(bodies.end(), body.begin(), body.end());
      rest = rest.subspan(log::framedBytes(record.bodyBytes));
    }
    CHECK(bodies == expected);
    for (const auto& [worker, ticket] : appended) CHECK(store.appender(worker).isCommitted(ticket));
    // Behind a checkpoint what stands before it is dropped, in whole chunks.
    CHECK_EQ(replica.droppable(), 0u);
    const log::Ticket last = store.appender(0).append(log::Kind(70), {});
    store.appender(0).flush();
    store.writer().step(2'000);
    CHECK(replica.take(chunk));
    replica.stored(bytesBehind.size() + 1);
    store.appender(0).dropBefore(store.appender(0).positionOf(last));
    store.appender(0).flush();
    store.writer().step(2'000);
    CHECK_EQ(replica.droppable(), bytesBehind.size());
    chunk[chunk.size() - 1] ^= 1;
    CHECK(!log::ChunkHead::read(Bytes(chunk), head, records));
  });
}

TEST("log: a log is made of the chunks of another one, but for a group that is not whole") {
  log::Options options = replicatedOptions();
  log::DiskLog store(options, std::make_unique<sim::SimDisk>(), nullptr, log::Warning::none);
  begin(store);
  std::vector<std::vector<uint8_t>> chunks(1);
  const auto takeAll = [&] {
    while (store.replica()->take(chunks.back())) chunks.emplace_back();
  };
  for (uint8_t i = 0; i < 10; i++) {
    store.appender(0).append(log::Kind(64 + i), Bytes(Octets(size_t(i) * 30'000, i)));
    if (i % 3 == 0) store.appender(0).flush();
    store.writer().step(2'000);
  }
  takeAll();
  const size_t whole = chunks.size() - 1;
  store.appender(0).append(log::Kind(80), Bytes(Octets(1'000'000, 1)));
  store.appender(0).flush();
  store.writer().step(2'000);
  takeAll();
  CHECK(chunks.size() > whole + 5);
  const Folder folder;
  log::OpenFault fault;
  std::unique_ptr<LogCopy> copy = LogCopy::open(folder.path(), fault);
  if (!CHECK(copy)) return;
  for (size_t i = 0; i < chunks.size() - 2; i++) CHECK(copy->take(Bytes(chunks[i])));
  log::ChunkHead head;
  Bytes records;
  const std::vector<uint8_t> mark = copy->mark();
  CHECK(log::ChunkHead::read(Bytes(mark), head, records) && records.empty());
  CHECK(head.flags == (log::ChunkHead::beginsRun | log::ChunkHead::endsGroup));
  chunks[1][40] ^= 1;
  CHECK(!copy->take(Bytes(chunks[1])));
  CHECK(copy->finish());
  Collected found;
  options.directory = folder.path();
  options.isReplicated = false;
  const std::unique_ptr<log::Log> made = log::openLog(options, fault);
  if (!CHECK(made)) return;
  CHECK_EQ(made->identity()[0], head.owner);
  made->recover(found);
  if (!CHECK_EQ(found.records.size(), 10u)) return;
  for (uint8_t i = 0; i < 10; i++) CHECK(found.records[i].second == Octets(size_t(i) * 30'000, i));
}

TEST("log: a copy that has lost its beginning says so, unless a checkpoint repeats it") {
  log::Options options = replicatedOptions();
  log::DiskLog store(options, std::make_unique<sim::SimDisk>(), nullptr, log::Warning::none);
  begin(store);
  store.replica()->begin(true);
  std::vector<std::vector<uint8_t>> chunks;
  for (const log::Kind kind : {log::Kind(64), records::CheckpointEnd::kind, records::CheckpointBegin::kind,
                               log::Kind(65), records::CheckpointEnd::kind}) {
    store.appender(0).append(kind, Bytes(Octets(10, 1)));
    store.appender(0).flush();
    store.writer().step(2'000);
    for (std::vector<uint8_t> chunk; store.replica()->take(chunk);) chunks.push_back(chunk);
  }
  if (!CHECK_EQ(chunks.size(), 6u)) return;
  const auto isWholeFrom = [&](size_t first) {
    const Folder folder;
    log::OpenFault fault;
    const std::unique_ptr<LogCopy> copy = LogCopy::open(folder.path(), fault);
    for (size_t i = first; i < chunks.size(); i++) CHECK(copy->take(Bytes(chunks[i])));
    return copy->isWhole();
  };
  CHECK(isWholeFrom(0));  // the log was empty
  CHECK(isWholeFrom(1) && isWholeFrom(3));
  CHECK(!isWholeFrom(4));  // without the checkpoint's beginning
}

TEST("log: a replica keeps no memory of a backlog that has been taken") {
  log::Replica::Appenders nobody;
  log::Replica replica({1, 2}, nobody);
  std::vector<uint8_t> chunk;
  const auto takeAll = [&] {
    size_t bytes = 0;
    while (replica.take(chunk)) bytes += chunk.size() - log::ChunkHead::bytes;
    return bytes;
  };
  CHECK_EQ(takeAll(), 0u);
  const std::vector<uint8_t> records(1u << 20, 7);
  for (uint32_t i = 0; i < 40; i++) replica.add({Bytes(records)}, {}, log::Position::of(1, 4'096 * (i + 1)), 1'000);
  CHECK(replica.bytes() >= 40 * records.size());
  CHECK_EQ(takeAll(), 40 * records.size());
  CHECK(replica.bytes() <= records.size());
  replica.add({Bytes(records)}, {}, log::Position::of(2, 4'096), 1'000);
  CHECK_EQ(takeAll(), records.size());
}

TEST("log: what would have to be stored is refused while the replica is far behind") {
  log::Options options = replicatedOptions();
  log::DiskLog store(options, std::make_unique<sim::SimDisk>(), nullptr, log::Warning::none);
  begin(store);
  log::Replica& replica = *store.replica();
  const Octets body(1u << 20, 7);
  while (!replica.isBehind() && replica.figures(0).waitingBytes < 2 * log::Replica::behindBytes) {
    store.appender(0).append(log::Kind(64), Bytes(body));
    store.appender(0).flush();
    store.writer().step(2'000);
  }
  CHECK(replica.isBehind() && replica.figures(0).waitingBytes > log::Replica::behindBytes);
  CHECK_EQ(replica.figures(7'000).waitingMs, 5'000u);
  std::vector<uint8_t> chunk;
  for (uint64_t count = 1; replica.take(chunk); count++) replica.stored(count);
  CHECK(!replica.isBehind() && replica.figures(0).waitingBytes == 0);
}

TEST("log: lives with crashes, full and failing disks") {
  check::eachSeed(3, [](check::Random&) {
    sim::Life life(check::state().seed);
    life.lookPercent = 4;
    const std::string fault = life.run(2);
    if (!fault.empty()) FAIL(fault.c_str());
  });
}

TEST("log: whoever removes its files while it runs ends it, and nothing more is acknowledged") {
  sim::Life life(1);
  life.lookPercent = 0;
  CHECK(life.open(std::make_unique<sim::SimDisk>()));
  std::string why;
  life.store().onState([&](log::State, const std::string& text) { why = text; });
  for (int i = 0; i < 20; i++) life.step();
  CHECK(life.store().state() == log::State::open);
  for (const std::string& name : life.disk().names()) life.disk().remove(name);
  for (int i = 0; i < 10; i++) life.step();
  CHECK(life.store().state() == log::State::failed);
  CHECK(why.find("its files have been removed") != std::string::npos);
}

TEST("log: what the disk has failed to sync is never acknowledged, and nothing after it") {
  sim::Life life(1);
  life.lookPercent = 0;
  CHECK(life.open(std::make_unique<sim::SimDisk>()));
  std::string why;
  life.store().onState([&](log::State, const std::string& text) { why = text; });
  life.disk().faults = {life.disk().calls + 1, EIO, 0};
  for (int i = 0; i < 10; i++) {
    life.appendBatch();
    life.step();
  }
  CHECK(life.store().state() == log::State::failed);
  CHECK(why.find("the log has failed") == 0 && why.find("Input/output error") != std::string::npos);
  for (unsigned worker = 0; worker < sim::Life::workers; worker++) {
    CHECK_EQ(life.store().appender(worker).committed().value, 0u);
  }
}

TEST("log: a full disk is told, and it goes on by itself when there is room") {
  sim::Life life(2);
  life.lookPercent = 0;
  CHECK(life.open(std::make_unique<sim::SimDisk>()));
  life.settle();
  std::vector<log::State> states;
  life.store().onState([&](log::State state, const std::string&) { states.push_back(state); });
  life.disk().faults.roomBytes = life.disk().usedBytes();
  for (int i = 0; i < 400 && !life.store().writer().isStuck(); i++) {
    life.appendBatch();
    life.step();
  }
  CHECK(life.store().writer().isStuck() && life.store().state() == log::State::full);
  life.disk().faults.roomBytes = 0;
  life.settle();
  CHECK(!life.store().writer().isStuck() && life.store().state() == log::State::open);
  CHECK(!states.empty() && states.back() == log::State::open);
  CHECK(life.fault().empty());
}

TEST("log: on a disk with little room left it goes on after a write that found none") {
  log::Options options;
  options.segmentBytes = 1u << 20;
  auto own = std::make_unique<sim::SimDisk>();
  sim::SimDisk& disk = *own;
  log::DiskLog store(options, std::move(own), nullptr, log::Warning::none);
  begin(store);
  while (store.writer().step(1'000)) {}  // spare segments too
  disk.faults.roomBytes = disk.usedBytes() * 100 / 97;
  store.writer().step(5'000);
  CHECK(store.state() == log::State::scarce);
  disk.faults.failAt = disk.calls + 1;
  disk.faults.failWith = ENOSPC;
  disk.faults.isCopyOnWrite = true;
  const log::Ticket ticket = store.appender(0).append(log::Kind(64), std::vector<uint8_t>(100, 7));
  store.appender(0).flush();
  store.writer().step(6'000);
  CHECK(store.state() == log::State::full && !store.appender(0).isCommitted(ticket));
  disk.faults.isCopyOnWrite = false;
  while (store.writer().step(9'000)) {}
  CHECK(store.appender(0).isCommitted(ticket));
  CHECK(store.state() == log::State::scarce);
  disk.faults.roomBytes = disk.usedBytes() * 100 / 99;
  store.writer().step(12'000);
  CHECK(store.state() == log::State::full);
  disk.faults.roomBytes = disk.usedBytes() * 100 / 97;
  store.writer().step(15'000);
  CHECK(store.state() == log::State::full);  // until there is clearly more
}

TEST("log: while clients take all file descriptors it goes on as far as it can, and then waits") {
  const Folder folder;
  const log::Options options = optionsFor(folder, 1);
  log::OpenFault fault;
  Collected nothing;
  auto disk = std::make_unique<log::RealDisk>(folder.path());
  CHECK_EQ(disk->makeDirectory(), 0);
  log::DiskLog store(options, std::move(disk), nullptr, log::Warning::none);
  CHECK(store.look(fault));
  store.recover(nothing);
  CHECK(store.begin(1'000));
  while (store.writer().step(1'000)) {}  // spare segments too
  const std::vector<uint8_t> body(100'000, 7);
  std::vector<log::Ticket> tickets;
  const auto append = [&](int records) {
    for (; records > 0; records--) {
      tickets.push_back(store.appender(0).append(log::Kind(64), body));
      store.appender(0).flush();
      for (int step = 0; step < 20; step++) store.writer().step(2'000);
    }
  };
  rlimit before{};
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  append(4);
  const bool isWritten = store.appender(0).isCommitted(tickets.back());  // into the spare segments
  append(12);
  const log::State state = store.state();
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  CHECK(isWritten);
  CHECK(state == log::State::full && !store.appender(0).isCommitted(tickets.back()));
  while (store.writer().step(4'000)) {}
  CHECK(store.state() == log::State::open);
  CHECK(store.appender(0).isCommitted(tickets.back()));
}

TEST("log: a start on a full disk waits for room, and goes on by itself") {
  for (const bool wasUsed : {false, true}) {
    sim::Life life(2);
    life.lookPercent = 0;
    auto disk = std::make_unique<sim::SimDisk>();
    if (wasUsed) {
      CHECK(life.open(std::move(disk)));
      for (int i = 0; i < 5; i++) {
        life.appendBatch();
        life.settle();
      }
      disk = life.disk().copy();
      for (const std::string& name : disk->names())
        if (name.starts_with("spare-")) disk->remove(name);
    }
    disk->faults.roomBytes = std::max<uint64_t>(1, disk->usedBytes());
    CHECK(life.open(std::move(disk)));
    CHECK(life.store().state() == log::State::full);
    for (int i = 0; i < 5; i++) {
      life.appendBatch();
      life.step();
    }
    CHECK(life.store().writer().isStuck() && life.store().state() == log::State::full);
    life.disk().faults.roomBytes = 0;
    life.settle();
    CHECK(!life.store().writer().isStuck() && life.store().state() == log::State::open);
    CHECK(life.fault().empty());
    life.disk().faults = {};
    CHECK(life.open(life.disk().copy()));
    CHECK(life.fault().empty());
  }
}

TEST("log: where every write takes room, one that finds none is tried again, whichever it is") {
  size_t failed = 0;
  for (uint64_t call = 1; call <= 150; call++) {
    sim::Life life(7);
    life.lookPercent = 0;
    CHECK(life.open(std::make_unique<sim::SimDisk>()));
    life.settle();
    life.disk().faults = {.failAt = life.disk().calls + call, .failWith = ENOSPC, .isCopyOnWrite = true};
    for (int i = 0; i < 60; i++) {
      life.appendBatch();
      life.step();
    }
    failed += life.disk().faults.failAt == 0;
    life.settle();
    CHECK(life.store().state() == log::State::open);
    CHECK(life.fault().empty());
    CHECK(life.open(life.disk().copy()));  // all of it is there
  }
  CHECK(failed > 100);
}

TEST("log: four workers, a writer and readers at once; all of it is there after a start") {
  constexpr unsigned workers = 4;
  constexpr uint32_t perWorker = 600;
  const Folder folder;
  std::mutex mutex;
  std::vector<log::Position> positions;
  {
    Collected empty;
    const std::unique_ptr<log::Log> log = openedLog(optionsFor(folder, workers), empty);
    if (!log) return;
    std::vector<std::thread> threads;
    for (unsigned worker = 0; worker < workers; worker++) {
      threads.emplace_back([&, worker] {
        log::Appender& appender = log->appender(worker);
        const std::unique_ptr<log::Reader> reader = log->makeReader();
        std::vector<log::Position> own;
        uint32_t sent = 0;
        const auto take = [&] {
          log::Placement placement;
          while (appender.next(placement)) {
            for (log::Ticket at = placement.from; at < placement.to; at.value += log::framedBytes(300)) {
              own.push_back(placement.of(at));
            }
          }
        };
        while (own.size() < perWorker) {
          for (unsigned i = 0; i < 7 && sent < perWorker; i++, sent++) {
            std::vector<uint8_t> body(300, uint8_t(worker));
            log::Encoder(body).number(worker).number(sent);
            appender.append(log::Kind(64), body);
          }
          appender.flush();
          take();
          if (own.empty()) continue;
          log::Found found;
          const uint32_t wanted = uint32_t(own.size()) - 1;
          if (!CHECK(reader->read(own[wanted], found) == log::ReadStatus::found)) return;
          log::Decoder decoder(found.body);
          CHECK_EQ(decoder.number<unsigned>(), worker);
          CHECK_EQ(decoder.number<uint32_t>(), wanted);
        }
        // Every other one dies, so that segments become sparse.
        for (uint32_t i = 1; i < perWorker; i += 2) appender.release(own[i]);
        appender.flush();
        const std::lock_guard lock(mutex);
        for (uint32_t i = 0; i < perWorker; i += 2) positions.push_back(own[i]);
      });
    }
    for (std::thread& thread : threads) thread.join();
    log->close();
  }
  Collected found;
  const std::unique_ptr<log::Log> log = openedLog(optionsFor(folder, 1), found);
  if (!log) return;
  CHECK_EQ(found.damaged, 0u);
  std::sort(positions.begin(), positions.end());
  std::sort(found.records.begin(), found.records.end());
  size_t at = 0;
  for (const auto& [position, body] : found.records) at += at < positions.size() && positions[at] == position;
  CHECK_EQ(at, positions.size());
  const std::unique_ptr<log::Reader> reader = log->makeReader();
  log::Found record;
  for (const log::Position position : positions) CHECK(reader->read(position, record) == log::ReadStatus::found);
  CHECK(reader->read(log::Position::of(4'000'000, 4'160), record) == log::ReadStatus::gone);
  log->close();
}

TEST("log: a directory has one owner, named to others, and is for nobody else's eyes") {
  const Folder folder;
  Collected nothing;
  const std::unique_ptr<log::Log> log = openedLog(optionsFor(folder, 1), nothing);
  log::OpenFault fault;
  CHECK(log::openLog(optionsFor(folder, 1), fault) == nullptr);
  CHECK(fault.code == log::OpenFault::Code::held);
  CHECK(fault.detail.find("process " + std::to_string(getpid()) + " on ") == 0);
  struct stat found {};
  CHECK(stat(folder.path().c_str(), &found) == 0 && (found.st_mode & 0777) == 0700);
  CHECK(log->figures().freeBytes > 0);
}

TEST("log: a file is filled once it has been written everywhere, and spare segments of before are taken as they are") {
  const Folder folder;
  log::RealDisk disk(folder.path());
  CHECK_EQ(disk.makeDirectory(), 0);
  std::shared_ptr<log::File> file;
  CHECK_EQ(disk.open("spare-7", true, file), 0);
  constexpr size_t bytes = 1'048'576;
  CHECK_EQ(file->preallocate(bytes), 0);
  const std::vector<uint8_t> old(bytes, 0x41);  // what a segment had that was recycled
  CHECK_EQ(log::writeAll(*file, 0, {Bytes(old)}), 0);
  CHECK(file->isFilled());
  file.reset();
  Collected nothing;
  log::Options options = optionsFor(folder, 1);
  options.segmentBytes = bytes;
  const std::unique_ptr<log::Log> log = openedLog(options, nothing);
  log->appender(0).append(log::Kind(64), Bytes(old).first(10));
  log->appender(0).flush();
  const auto hasSpare = [&] {  // made when the segment needs no more zeros
    for (const auto& each : std::filesystem::directory_iterator(folder.path()))
      if (each.path().filename().string().starts_with("spare")) return true;
    return false;
  };
  for (int i = 0; i < 5'000 && !hasSpare(); i++) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  CHECK(hasSpare());
  log->close();
  std::ifstream segment(folder.path() + "/0000000001.seg", std::ios::binary);
  segment.seekg(bytes / 2);
  CHECK_EQ(segment.get(), 0x41);  // no zeros were written before
}

TEST("log: a file with a number that no segment gets is not one of the log, and is left alone") {
  const Folder folder;
  const log::Options options = optionsFor(folder, 1);
  const std::vector<uint8_t> body(3'000, 7);
  const std::string name = "4294967295.seg";
  for (size_t before = 0; before < 3; before++) {
    Collected found;
    std::vector<std::string> foreign;
    log::OpenFault fault;
    const std::unique_ptr<log::Log> log = log::openLog(options, fault);
    if (!CHECK(log != nullptr)) return;
    found.foreign = &foreign;
    log->recover(found);
    CHECK_EQ(found.records.size(), before);
    CHECK_EQ(foreign.size(), before == 0 ? 0u : 1u);
    CHECK(foreign.empty() || foreign.front() == name);
    log->start();
    log->appender(0).append(log::Kind(64), body);
    log->appender(0).flush();
    log->close();
    CHECK(log->state() == log::State::open);
    if (before == 0) std::ofstream(folder.path() + "/" + name) << "notes";
  }
  Collected found;
  const std::unique_ptr<log::Log> log = openedLog(options, found);
  if (!log) return;
  log->appender(0).append(log::Kind(64), body);
  log->appender(0).flush();
  log->close();
  log->takeBack();
  CHECK_EQ(std::filesystem::file_size(folder.path() + "/" + name), 5u);
  CHECK(!std::filesystem::exists(folder.path() + "/0000000000.seg"));
}

TEST("log: when the numbers of segments are used up it fails, and none is used again") {
  sim::SimDisk disk;
  log::Space space;
  const log::Options options;
  log::SegmentFiles files(disk, space, options);
  files.begin({.log = {1, 2}, .segment = log::segmentNumberMax}, {});
  CHECK_EQ(files.openFirst(1'000), 0);
  CHECK_EQ(files.openNext(0, 1'000), EOVERFLOW);
  CHECK(space.count() == 1 && space.find(log::segmentNumberMax));
}

TEST("log: a directory that cannot be used is refused with the reason") {
  const Folder folder;
  log::OpenFault fault;
  log::Options options = optionsFor(folder, 1);
  options.directory = "/proc/nowhere/store";
  CHECK(log::openLog(options, fault) == nullptr && fault.code == log::OpenFault::Code::notUsable);
  CHECK(!fault.detail.empty());
}

TEST("log: a newer format is refused, whatever it is like behind its first page") {
  const Folder folder;
  std::filesystem::create_directory(folder.path());
  std::array<uint8_t, log::pageBytes> page;
  log::SegmentHeader{.log = {1, 2}, .segment = 3}.write(page);
  log::Encoder(std::span(page).subspan(8)).number(uint32_t(2));
  log::Encoder(std::span(page).subspan(12))
      .number(log::crc32c(Bytes(page).subspan(16), log::crc32c(Bytes(page).first(12))));
  const int fd = open((folder.path() + "/0000000003.seg").c_str(), O_CREAT | O_WRONLY, 0600);
  CHECK(write(fd, page.data(), page.size()) == ssize_t(page.size()));
  close(fd);
  log::OpenFault fault;
  CHECK(log::openLog(optionsFor(folder, 1), fault) == nullptr);
  CHECK(fault.code == log::OpenFault::Code::newerFormat && fault.detail == "2");
}

TEST("log: in memory everything is committed at once, and nothing is kept") {
  log::Options options;
  options.durability = log::Durability::memory;
  options.workers = 2;
  Collected nothing;
  const std::unique_ptr<log::Log> log = openedLog(options, nothing);
  log::Appender& appender = log->appender(1);
  const log::Ticket ticket = log::append(appender, Example{1, 2, {}, {}});
  CHECK(!appender.isCommitted(ticket));
  appender.flush();
  CHECK(appender.isCommitted(ticket) && !appender.isFull());
  log::Placement placement;
  CHECK(appender.next(placement) && placement.of(ticket) && !appender.next(placement));
  log::Found found;
  CHECK(log->makeReader()->read(placement.of(ticket), found) == log::ReadStatus::gone);
  CHECK(!log->isKeeping() && nothing.records.empty());
}

TEST("log: its thread asks to be woken sooner, and for nothing else") {
  std::thread([] {
    log::SchedulingAttributes before;
    if (!log::readScheduling(before) || before.policy != SCHED_OTHER) return;  // not to be seen here
    const int lowered = nice(3);
    log::takeShortSlices();
    log::SchedulingAttributes after;
    CHECK(log::readScheduling(after));
    CHECK_EQ(after.nice, std::min(before.nice + 3, 19));
    CHECK_EQ(after.nice, lowered);
    CHECK_EQ(after.policy, uint32_t(SCHED_OTHER));
    const bool isKnown = before.sliceNs != 0;  // Linux 6.12
    if (isKnown) CHECK_EQ(after.sliceNs, log::shortSliceNs);
  }).join();
}
