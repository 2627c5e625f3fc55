// Copies what is alive in sparse segments forward, a little with each group, until nothing in them is. Of the writer's
// thread.
#pragma once
#include "copied-record.h"
#include "segment-scan.h"
#include "space.h"

namespace rally::log {

class Reclaimer {
 public:
  // A copy in the group that is being made.
  struct Copy {
    Position name;
    uint32_t at = 0;  // offset in the records that it was appended to
    uint32_t bytes = 0;
  };

  Reclaimer(Space& space, const LogId& log) : space_(space), log_(log) {}

  bool isBusy() const { return victim_ != 0; }
  void begin(const Segment& victim);
  // Appends copies of about so many bytes, and reads no more than that.
  void copy(std::vector<uint8_t>& records, std::vector<Copy>& copies, size_t bytesMax);
  // What was copied is committed, and moved() has been told.
  void committed();
  uint64_t copiedBytes() const { return copiedBytes_; }

 private:
  void readOn(const Segment& victim);
  void finish();

  Space& space_;
  const LogId& log_;
  uint32_t victim_ = 0;     // 0: none
  uint32_t finished_ = 0;   // all of it is copied, but not committed
  uint32_t next_ = 0;       // what to read of it next
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
