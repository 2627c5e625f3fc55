// The log on a disk that loses power: 100,000 times, at any moment. And whether that would notice if a single one of
// the places where the log waits for the disk were left out.
//
//   SEED=n run.sh "log: a crash"    the lives with that seed again
#include <algorithm>
#include <cstdio>

#include "check.h"
#include "log-life.h"

using namespace rally;
using namespace sim;

namespace {

constexpr uint64_t statesWanted = 100'000;
constexpr unsigned livesPerSeed = 4;
// Of a log without one of its waits: many more than it takes.
constexpr uint64_t seedsToNotice = 2'000;

}  // namespace

TEST("log: a crash at any moment loses nothing that was acknowledged, and brings nothing back") {
  Seen seen;
  const check::Seeds seeds = check::seedsOf(statesWanted);
  for (uint64_t seed = seeds.first; seed < seeds.end && seen.states < statesWanted; seed++) {
    check::state().seed = seed;
    Life life(seed);
    const std::string fault = life.run(livesPerSeed);
    seen += life.seen();
    if (!fault.empty() && !FAIL(fault.c_str())) break;
  }
  if (seeds.end - seeds.first == 1) return;  // a single one
  std::printf(
      "# log: %llu crashed disks, %llu of them torn, %llu lives, %llu segments reclaimed, %llu lives with copies\n",
      seen.states, seen.torn, seen.lives, seen.recycled, seen.copied);
  std::printf("# log: %llu failed disks, %llu full ones, %llu orderly stops, %llu lost segments\n", seen.failedDisks,
              seen.fullDisks, seen.orderlyStops, seen.lostSegments);
  CHECK(seen.states >= statesWanted && seen.torn > 500 && seen.recycled > 1'000 && seen.copied > 100);
  CHECK(seen.checkpoints > 100);
  CHECK(seen.failedDisks > 10 && seen.fullDisks > 10 && seen.orderlyStops > 10 && seen.lostSegments > 100);
}

TEST("log: a crash tells when any single wait for the disk is left out") {
  static constexpr std::pair<log::SyncSite, const char*> sites[] = {
      {log::SyncSite::group, "group"},
      {log::SyncSite::segmentHeader, "segment header"},
      {log::SyncSite::segmentName, "segment name"},
      {log::SyncSite::segmentEnd, "segment end"},
      {log::SyncSite::segmentRecycled, "segment recycled"},
      {log::SyncSite::directory, "directory"},
  };
  for (const auto& [site, name] : sites) {
    log::leftOut = site;
    std::string fault;
    uint64_t seed = 1;
    for (; seed <= seedsToNotice && fault.empty(); seed++) fault = Life(seed).run(livesPerSeed);
    log::leftOut = log::SyncSite::none;
    if (fault.empty()) FAIL(name);
    else
      std::printf("# log: without the sync of the %s: %s (seed %llu)\n", name, fault.c_str(),
                  (unsigned long long)seed - 1);
  }
}

namespace {

// A store of a few segments after an orderly stop.
std::unique_ptr<Life> smallStore(uint64_t seed) {
  auto life = std::make_unique<Life>(seed);
  life->lookPercent = 0;
  life->open(std::make_unique<SimDisk>());
  for (int i = 0; i < 70; i++) {
    life->appendBatch();
    if (i % 4 == 0) life->step();
  }
  life->settle();
  life->closeInOrder();
  return life;
}

}  // namespace

TEST("log: of a store in which any single byte is damaged, at most that record is lost, and that is told") {
  const std::unique_ptr<Life> life = smallStore(5);
  size_t bytes = 0;
  size_t told = 0;
  CHECK_EQ(life->lossOf(Life::findingsOf(life->disk().copy())), size_t(0));
  for (const std::string& name : life->disk().names()) {
    if (!log::segmentOfName(name)) continue;
    const size_t count = life->disk().bytesOf(name).size();
    for (size_t at = 0; at < count; at++, bytes++) {
      std::unique_ptr<SimDisk> damaged = life->disk().copy();
      damaged->bytesOf(name)[at] ^= uint8_t(1 << (at % 8));
      const Findings findings = Life::findingsOf(std::move(damaged));
      const size_t loss = life->lossOf(findings);
      told += !findings.damage.empty();
      if (!CHECK(findings.fault.empty() && loss <= 1 && (loss == 0 || !findings.damage.empty()))) {
        std::printf("   byte %zu of %s: %zu lost, %s\n", at, name.c_str(), loss, findings.fault.c_str());
        return;
      }
    }
  }
  std::printf("# log: %zu bytes damaged in turn, told of %zu\n", bytes, told);
  CHECK(told > bytes / 10 && bytes > 60'000);
}

TEST("log: of a store in which any single page cannot be read, only what is in it is lost, and that is told") {
  const std::unique_ptr<Life> life = smallStore(5);
  size_t pages = 0;
  size_t lossy = 0;
  for (const std::string& name : life->disk().names()) {
    const std::optional<uint32_t> number = log::segmentOfName(name);
    if (!number) continue;
    const uint64_t count = life->disk().bytesOf(name).size() / readPageBytes;
    for (uint64_t page = 0; page < count; page++, pages++) {
      std::unique_ptr<SimDisk> broken = life->disk().copy();
      broken->badPagesOf(name).insert(page);
      const Findings findings = Life::findingsOf(std::move(broken));
      const std::string verdict = life->verdictOn(findings, [&](const ModelMessage& message) {
        const log::Position at = life->store().locate(message.position);
        const uint64_t end = at.offset() + log::framedBytes(message.bytes) + 64;  // with what the model adds
        return at.segment() == *number && at.offset() / readPageBytes <= page && page * readPageBytes < end;
      });
      if (!verdict.empty()) FAIL(verdict.c_str());
      const bool isTold = std::any_of(findings.damage.begin(), findings.damage.end(), [&](const log::Damage& each) {
        return each.what == log::Damage::What::unreadable &&
               each.at == log::Position::of(*number, uint32_t(page * 4'096));
      });
      CHECK(isTold);
      lossy += life->lossOf(findings) > 0;
    }
  }
  std::printf("# log: %zu pages unreadable in turn, %zu of them with records\n", pages, lossy);
  CHECK(pages > 20 && lossy > 10);
}

TEST("log: what the disk cannot read while it is copied forward stays where it is") {
  size_t copied = 0;
  for (uint64_t seed = 1; seed <= 19; seed += 2) {  // of those that copy
    Life life(seed);
    life.lookPercent = 0;
    life.open(std::make_unique<SimDisk>());
    for (int i = 0; i < 300; i++) {
      life.disk().faults.failsToRead = i % 60 >= 30;
      life.appendBatch();
      life.step();
    }
    life.disk().faults.failsToRead = false;
    life.settle();
    copied += life.store().figures().copiedBytes > 0;
    life.closeInOrder();
    const Findings findings = Life::findingsOf(life.disk().copy());
    const std::string verdict = life.verdictOn(findings);
    if (!verdict.empty()) FAIL(verdict.c_str());
    CHECK(findings.damage.empty());
  }
  CHECK(copied > 3);
}

TEST("log: of a store in which any single segment is missing, nothing else is lost, and that is told") {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    const std::unique_ptr<Life> life = smallStore(seed);
    for (const std::string& name : life->disk().names()) {
      const std::optional<uint32_t> number = log::segmentOfName(name);
      if (!number) continue;
      std::unique_ptr<SimDisk> damaged = life->disk().copy();
      damaged->remove(name);
      const Findings findings = Life::findingsOf(std::move(damaged));
      const std::string verdict = life->verdictOn(findings, [&](const ModelMessage& message) {
        return life->store().locate(message.position).segment() == *number;
      });
      if (!verdict.empty()) FAIL(verdict.c_str());
      // Those that only the missing one knew to be recycled are told of too.
      const bool isTold = std::any_of(findings.damage.begin(), findings.damage.end(), [&](const log::Damage& each) {
        return each.what == log::Damage::What::segmentMissing;
      });
      CHECK(isTold);
    }
  }
}
