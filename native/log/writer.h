// Writes the workers' batches: everything since the last time as one group, with one write and one sync. Belongs to the
// thread that calls step() (writer-thread.h, or a test).
//
//   inbox --> waiting --> group [ recycled? | copies | batch | batch ... ] --write, sync--> committed, bells rung
//
// Releases and supersedings take effect when the batch that contains them is committed. Copies come before the batches
// of their group, so a copy of a record never comes after what ends it.
#pragma once
#include <deque>

#include "../structures/histogram.h"
#include "health.h"
#include "inbox.h"
#include "reclaimer.h"
#include "replica.h"
#include "segment-files.h"

namespace rally::log {

class Writer {
 public:
  using Appenders = std::vector<std::unique_ptr<Appender>>;

  Writer(Disk& disk, Space& space, const Options& options, Appenders& appenders, Inbox& inbox, Health& health,
         Latencies& commitTimes);

  // The replica has to store written data before it counts as committed. Call it before begin().
  void replicate(Replica& replica) { replica_ = &replica; }
  // False: the first segment cannot be created; health has the reason. If the disk is full, that is tried again.
  bool begin(const SegmentFiles::Start& start, std::vector<std::string> spareNames, uint64_t nowMs);
  // Commits what has been handed over, or does some preparatory work. False: there is nothing to do, or nothing is
  // possible at present.
  bool step(uint64_t nowMs);
  // Marks an orderly end. Everything handed over is committed, if possible.
  void finish(uint64_t nowMs);

  const SegmentFiles& files() const { return files_; }
  // The disk has no space for the data to be written.
  bool isStuck() const { return isStuck_; }
  // Counts and free space, for all threads.
  Figures figures() const;

 private:
  struct Group {
    std::vector<uint8_t> own;  // the header, and records not handed over by workers
    std::vector<HandedBatch> batches;
    std::vector<Reclaimer::Copy> copies;
    uint32_t recycled = 0;  // the segment
    uint64_t bytes = 0;
    uint32_t records = 0;
    bool isPlaced = false;  // it has a place in the current segment
    std::vector<Position> ends;
    struct Place {
      uint64_t offset = 0;
      uint32_t records = 0;
    };
    std::vector<Place> places;  // of the batches

    bool hasRecords() const { return bytes > groupHeaderBytes; }
    bool isEmpty() const { return own.size() <= groupHeaderBytes && batches.empty(); }
  };

  bool openFirst(uint64_t nowMs);
  void assemble();
  void addBatches();
  void addReclaimed();
  bool commit(uint64_t nowMs);
  bool makeRoom(uint64_t nowMs);
  void placeGroup(uint64_t nowMs);
  uint32_t placeRecords(std::span<uint8_t> records, Position at);
  int writeGroup();
  void acknowledge(uint64_t nowMs);
  void handToReplica(std::vector<Replica::Commit> commits, uint64_t nowMs);
  void account();
  void accountBatch(const HandedBatch& handed, Position at, uint32_t records);
  void apply(unsigned worker, const Ending& ending);
  Position resolve(unsigned worker, Ending::Name name, uint64_t value) const;
  bool keepHouse(uint64_t nowMs, bool isBusy);
  void measureSpace(uint64_t nowMs);
  void chooseVictim();
  void failed(const char* what, int error);
  bool outOfSpace(const char* what);

  // The latest placements of a worker, not seen by it when it last handed over a batch.
  struct Recent {
    std::deque<Placement> placements;
    uint64_t first = 0;  // how many came before
  };

  Disk& disk_;
  Space& space_;
  const Options& options_;
  Appenders& appenders_;
  Inbox& inbox_;
  Health& health_;
  Latencies& commitTimes_;
  Replica* replica_ = nullptr;
  SegmentFiles files_;
  Reclaimer reclaimer_;
  std::vector<Recent> recent_;

  std::vector<HandedBatch> waiting_;
  Group group_;
  uint64_t measuredAtMs_ = 0;
  bool hasChanged_ = false;  // there may be something to reclaim
  bool isStuck_ = false;     // the disk has no space for the group
  bool wasStuck_ = false;    // since the space was measured last

  struct Counts {
    std::atomic<uint64_t> segments{0}, bytes{0}, usedBytes{0}, liveBytes{0}, liveRecords{0}, freeBytes{0};
    std::atomic<uint64_t> committedRecords{0}, committedGroups{0}, writtenBytes{0}, syncs{0}, copiedBytes{0};
  } counts_;
};

}  // namespace rally::log
