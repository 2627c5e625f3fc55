// The log on a simulated disk, beside a model of what it was told and what it has acknowledged. A life goes from a
// start to a crash or an orderly stop; the next one goes on with what the disk has kept.
//
//   messages   each worker appends them; some are released later
//   keys       a record replaces the one before, or clears it: like retained messages, sessions, identifiers
//
// Every other life makes room as the broker does: nothing is released or copied, but now and then a checkpoint says all
// again, in one batch, and what stands before it is dropped.
//
// What must hold after any crash:
//   - every message that was acknowledged and not released is there once, under its name, with its content
//   - of a batch that was not acknowledged, all is there or nothing; never one without those before it of its worker
//   - each key has the value that its last record among those that are there says
//   - what a crash has taken away never comes back
//   - nothing is called damage
#pragma once
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "../../native/log/disk-log.h"
#include "sim-disk.h"

namespace sim {

namespace log = rally::log;

inline constexpr log::Kind messageKind = log::Kind(64);
inline constexpr log::Kind keyKind = log::Kind(65);
inline constexpr log::Kind checkpointKind = log::Kind(66);
inline constexpr log::Kind keyEndKind = log::Kind(129);

struct ModelMessage {
  uint64_t id = 0;
  size_t batch = 0;
  uint32_t bytes = 0;
  log::Ticket ticket{};
  log::Position position{};
  bool isReleased = false;
  bool isRenamed = false;  // it was logged again, in a checkpoint
};

struct KeyRecord {
  uint64_t version = 0;
  bool isClear = false;
  size_t batch = 0;
  log::Ticket ticket{};
  log::Position position{};
};

struct ModelBatch {
  unsigned worker = 0;
  uint64_t marker = 0;  // a message of it
  log::Ticket end{};
};

// What a recovery has found.
struct Findings {
  struct Message {
    uint64_t id;
    log::Position position;
  };
  struct Key {
    uint64_t version = 0;
    bool isClear = true;
    log::Position position;
  };

  std::vector<Message> messages;  // by id
  std::map<unsigned, Key> keys;
  std::vector<log::Damage> damage;
  size_t tornTails = 0;
  std::string fault;
};

// What has happened in lives, so that a test can see that it tests something.
struct Seen {
  unsigned long long states = 0;  // crashed disks that were recovered
  unsigned long long torn = 0;
  unsigned long long lostSegments = 0;
  unsigned long long lives = 0;
  unsigned long long recycled = 0;
  unsigned long long copied = 0;
  unsigned long long checkpoints = 0;
  unsigned long long failedDisks = 0;
  unsigned long long fullDisks = 0;
  unsigned long long orderlyStops = 0;

  Seen& operator+=(const Seen& other);
};

class Life {
 public:
  static constexpr unsigned workers = 3;
  static constexpr unsigned keys = 5;

  explicit Life(uint64_t seed) : random_(seed), hasCheckpoints_(seed % 2 == 0) {}

  // Lives `lives` times, looking at crashed disks on the way. Gives what did not hold, or nothing.
  std::string run(unsigned lives);
  const Seen& seen() const { return seen_; }

  // How often a change of the disk is a moment at which it is looked at what a crash would leave.
  unsigned lookPercent = 12;
  bool hasDiskFaults = true;

  // --- single steps, for tests that do their own ---
  bool open(std::unique_ptr<SimDisk> disk);
  void appendBatch();
  void step();
  void settle();  // until nothing is left to do
  void closeInOrder();
  SimDisk& disk() { return *disk_; }
  log::DiskLog& store() { return *log_; }
  const std::string& fault() const { return fault_; }
  // Recovers a disk, which is changed by it, without going on.
  static Findings findingsOf(std::unique_ptr<SimDisk> disk);
  // Whether it has what it must have: damage is not looked at, and messages of which `isLost` says so need not be
  // there.
  std::string verdictOn(const Findings& findings, const std::function<bool(const ModelMessage&)>& isLost = {}) const;
  // How many messages and keys it does not have as they should be.
  size_t lossOf(const Findings& findings) const;
  const std::vector<ModelMessage>& messages() const { return messages_; }
  check::Random& random() { return random_; }

 private:
  void live();
  void noteLife(bool isOrderly);
  void look();
  void lookWithoutNewest(std::unique_ptr<SimDisk> crashed);
  void appendMessage(log::Appender& appender, size_t batch);
  void appendKey(log::Appender& appender, unsigned worker, size_t batch);
  void release(log::Appender& appender, unsigned worker);
  void appendCheckpoint();
  void dropBeforeCheckpoint();
  void takePlacements();
  void readSome();
  void adopt(const Findings& findings);
  bool isAcknowledged(size_t batch) const;
  void fail(const std::string& what);

  check::Random random_;
  log::Options options_;
  bool hasCheckpoints_ = false;
  std::optional<log::Ticket> checkpoint_;  // that nothing has been dropped before yet
  log::Position checkpointAt_;
  SimDisk* disk_ = nullptr;
  std::unique_ptr<log::DiskLog> log_;
  std::unique_ptr<log::Reader> reader_;
  std::string fault_;
  Seen seen_;
  uint64_t nowMs_ = 1'000;

  uint64_t nextId_ = 1;
  uint64_t nextVersion_ = 1;
  std::vector<ModelMessage> messages_;  // by id
  std::vector<KeyRecord> keyRecords_[keys];
  std::vector<ModelBatch> batches_;        // [0]: what was there at the start
  std::vector<size_t> unplaced_[workers];  // messages without a position
  std::set<uint64_t> lost_;
  std::array<log::Ticket, workers> committedBefore_{};  // of the life before
};

}  // namespace sim
