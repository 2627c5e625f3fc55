// The files of the segments: the one that is written to, spare ones, and what becomes of those that are reclaimed. Of
// the writer's thread.
//
//   spare-3 --header, sync--> spare-3 --rename, sync of the directory--> 0000000042.seg --recycled: rename, sync-->
//   spare-7
//
// A segment has its header on the disk before it has its name, and its name before anything in it is acknowledged; its
// records are out of reach before anything that guards against them goes.
#pragma once
#include "log.h"
#include "space.h"
#include "sync-site.h"

namespace rally::log {

class SegmentFiles {
 public:
  SegmentFiles(Disk& disk, Space& space, const Options& options) : disk_(disk), space_(space), options_(options) {}

  // Where a log goes on.
  struct Start {
    LogId log{};
    uint32_t segment = 1;  // of which there is none yet
    uint64_t group = 1;
    Position previousEnd{};  // none: there is nothing before
    uint32_t unsealed = 0;   // the segment before that one, if a crash may have kept it from being sealed
  };
  void begin(const Start& start, std::vector<std::string> spareNames);

  const LogId& log() const { return start_.log; }
  uint64_t takeGroupNumber() { return start_.group++; }

  bool isOpen() const { return active_ != nullptr; }
  Segment& active() { return *active_; }
  // Whether a group of so many bytes fits into the one that is written to, and the one that seals it.
  bool hasRoomFor(uint64_t bytes) const;
  int openFirst(uint64_t nowMs);
  // Goes on to the next one. ENOSPC: there is no room, nothing has changed. Any other error is for good.
  int openNext(uint64_t groupBytes, uint64_t nowMs);

  // A step of what is done ahead, or only of what is urgent. False: there is nothing to do.
  bool prepare(bool isBusy);
  // The disk may have room again.
  void retry() { isOutOfSpace_ = false; }
  bool isOutOfSpace() const { return isOutOfSpace_; }
  size_t spares() const { return spares_.size(); }
  uint64_t spareBytes() const { return spares_.size() * options_.segmentBytes; }

  // Nothing in it is alive, and a record says that it is gone.
  int recycle(uint32_t number);

 private:
  struct Spare {
    std::string name;
    std::shared_ptr<File> file;
    bool isWritten = false;  // all over: writing there again changes nothing about the file
  };

  int makeSpare(uint64_t bytes, Spare& spare);
  int takeSpare(uint64_t bytes, Spare& spare);
  int name(Spare& spare, uint64_t nowMs);
  int seal(Segment& segment, uint32_t nextSegment, uint64_t groupNumber, uint64_t nowMs);
  void shorten(Segment& segment);
  void adopt(const std::string& name);

  Disk& disk_;
  Space& space_;
  const Options& options_;
  Start start_;
  Segment* active_ = nullptr;
  uint64_t zeroedTo_ = 0;  // of the one that is written to
  std::vector<Spare> spares_;
  uint32_t nextSpare_ = 1;
  bool isOutOfSpace_ = false;  // the last spare could not be made
};

}  // namespace rally::log
