// The segment files: the current one, spare ones, and the reuse of reclaimed ones. Belongs to the writer's thread.
//
//   spare-3 --header, sync--> spare-3 --rename, sync of the directory--> 0000000042.seg --recycled: rename, sync-->
//   spare-7
//
// A segment's header is on the disk before the file gets its name, and its name before anything in it is acknowledged.
// Its records become unreachable before anything that guards against them is removed.
#pragma once
#include "log.h"
#include "space.h"
#include "sync-site.h"

namespace rally::log {

class SegmentFiles {
 public:
  SegmentFiles(Disk& disk, Space& space, const Options& options) : disk_(disk), space_(space), options_(options) {}

  // Where a log continues.
  struct Start {
    LogId log{};
    uint32_t segment = 1;  // the number of a segment that does not exist yet
    uint64_t group = 1;
    Position previousEnd{};  // none: nothing precedes it
    uint32_t unsealed = 0;   // the previous segment, if a crash may have left it unsealed
  };
  void begin(const Start& start, std::vector<std::string> spareNames);

  const LogId& log() const { return start_.log; }
  uint64_t takeGroupNumber() { return start_.group++; }

  bool isOpen() const { return active_ != nullptr; }
  Segment& active() { return *active_; }
  // Whether a group of this many bytes fits into the current segment, together with the group that seals it.
  bool hasRoomFor(uint64_t bytes) const;
  // Starts the first segment. ENOSPC, EDQUOT: there is no space now, and EMFILE, ENFILE: no file descriptor; call it
  // again. Any other error is final.
  int openFirst(uint64_t nowMs);
  // Starts the next segment. The same, for the same group.
  int openNext(uint64_t groupBytes, uint64_t nowMs);

  // Performs a step of preparatory work, or only of urgent work. False: nothing to do.
  bool prepare(bool isBusy);
  // The disk may have space again.
  void retry() { isOutOfSpace_ = false; }
  uint64_t spareBytes() const { return spares_.size() * options_.segmentBytes; }

  // It contains no live records, and a record states that it was reclaimed.
  int recycle(uint32_t number);

 private:
  struct Spare {
    std::string name;
    std::shared_ptr<File> file;
    bool isWritten = false;  // completely: rewriting does not change the file's metadata
  };

  int makeSpare(uint64_t bytes, Spare& spare);
  int takeSpare(uint64_t bytes, Spare& spare);
  int nameNext(uint64_t groupBytes, const Segment* before, uint64_t nowMs);
  int name(Spare& spare, uint64_t nextGroup, uint64_t nowMs);
  int seal(Segment& segment, uint32_t nextSegment, uint64_t groupNumber, uint64_t nowMs);
  void shorten(Segment& segment);
  void adopt(const std::string& name);

  Disk& disk_;
  Space& space_;
  const Options& options_;
  Start start_;
  Segment* active_ = nullptr;
  Segment* named_ = nullptr;  // the next one, as long as the one before it could not be sealed
  uint64_t sealNumber_ = 0;   // of the group that seals that
  uint64_t zeroedTo_ = 0;     // of the current segment
  std::vector<Spare> spares_;
  uint32_t nextSpare_ = 1;
  bool isOutOfSpace_ = false;  // the last spare segment could not be created
};

}  // namespace rally::log
