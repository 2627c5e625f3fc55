// Copies the live records of sparse segments forward, some with each group, until nothing in those segments is alive.
// Belongs to the writer's thread.
#pragma once
#include "copied-record.h"
#include "segment-scan.h"
#include "space.h"

namespace rally::log {

class Reclaimer {
 public:
  // A copy in the group being built.
  struct Copy {
    Position name;
    uint32_t at = 0;  // offset in the records it was appended to
    uint32_t bytes = 0;
  };

  Reclaimer(Space& space, const LogId& log) : space_(space), log_(log) {}

  bool isBusy() const { return victim_ != 0; }
  void begin(const Segment& victim);
  // Appends copies of about this many bytes, and reads no more than that.
  void copy(std::vector<uint8_t>& records, std::vector<Copy>& copies, size_t bytesMax);
  // The copies are committed, and moved() has been called for them.
  void committed();
  uint64_t copiedBytes() const { return copiedBytes_; }

 private:
  void readOn(const Segment& victim);
  void finish();

  Space& space_;
  const LogId& log_;
  uint32_t victim_ = 0;     // 0: none
  uint32_t finished_ = 0;   // completely copied, but not committed yet
  uint32_t next_ = 0;       // the offset to read next
  bool hasFailed_ = false;  // the disk could not read a part of it
  std::vector<uint8_t> window_;

  struct FoundRecord {
    Position at;
    RecordHead head;
    Bytes body;  // in the window
  };
  std::vector<FoundRecord> found_;
  size_t taken_ = 0;
  uint64_t copiedBytes_ = 0;
};

}  // namespace rally::log
