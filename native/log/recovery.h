// Finds the contents of a log's directory, whatever state it is in. Runs before the writer, on the thread that opens
// the log.
//
//   1  file names, and the first page of each segment               to which log it belongs, where each one ends
//   2  each segment in order: read, checked, given to the visitor   damage is set aside
//   3  segments that the last one names and that are missing        are reported as lost
//
// While the visitor is given one segment, a thread reads and checks the next.
#pragma once
#include <map>
#include <optional>
#include <unordered_set>

#include "log.h"
#include "segment-files.h"
#include "segment-scan.h"

namespace rally::log {

class Recovery {
 public:
  Recovery(Disk& disk, Space& space, const Options& options) : disk_(disk), space_(space), options_(options) {}

  // Step 1. Returns 0 or the errno; the log can be used unless `newerVersion` is set.
  int look();
  uint32_t newerVersion() const { return newerVersion_; }
  const LogId& identity() const { return log_; }

  // Steps 2 and 3. An errno means that the directory cannot be read at all.
  int run(Visitor& visitor);

  // Where the log continues, and the spare files it can use.
  SegmentFiles::Start start() const;
  const std::vector<std::string>& spareNames() const { return spareNames_; }

 private:
  struct Source {
    uint32_t number = 0;
    std::string name;
    std::shared_ptr<File> file;
    uint64_t bytes = 0;
    HeaderState state = HeaderState::damaged;
    SegmentHeader header;
    std::vector<uint8_t> content;
    uint64_t unreadableBytes = 0;  // for which the disk returns an error ...
    uint32_t unreadableAt = 0;     // ... from here on
  };
  // What the scan of a segment has found, in order; the bodies are in the content of its source.
  struct Part {
    uint32_t from = 0;
    uint32_t to = 0;  // end of damage; 0: a record
    RecordHead head;

    Bytes body(Bytes content) const { return content.subspan(from + recordHeadBytes, head.bodyBytes); }
  };
  struct Scanned {
    std::vector<Part> parts;
    ScanResult result;
    std::optional<uint32_t> knownEnd;
  };
  class Collector;

  int lookAt(const std::string& name, uint32_t number);
  void identify();
  std::optional<uint32_t> knownEndOf(size_t index) const;
  static void load(Source& source);
  void prepare(size_t index, Scanned& scanned);
  void take(size_t index, const Scanned& scanned, Visitor& visitor);
  void takeRecord(Position at, const RecordHead& head, Bytes body, Visitor& visitor);
  void takeCopied(Position at, size_t bytes, Bytes body, Visitor& visitor);
  void takeDamage(const Source& source, uint32_t from, uint32_t to, uint64_t bytes, Visitor& visitor);
  void reportMissing(const ScanResult& last, Visitor& visitor);
  void setAside(Visitor& visitor, Damage damage, Bytes bytes);
  bool mayMake(const std::string& name);
  bool wasGiven(Position at) const;

  Disk& disk_;
  Space& space_;
  const Options& options_;
  std::vector<Source> sources_;  // ordered by number
  std::vector<std::string> spareNames_;
  std::vector<std::string> foreign_;
  std::vector<std::string> names_;
  size_t setAside_ = 0;  // files with damaged bytes
  LogId log_{};
  uint32_t newerVersion_ = 0;

  std::map<uint32_t, std::vector<std::pair<uint32_t, uint32_t>>> damaged_;  // by segment: from, to
  std::unordered_set<uint64_t> givenCopies_;
  std::vector<Position> ends_;  // records that only end others
  std::vector<uint32_t> recycled_;
  ScanResult last_;
  uint32_t highest_ = 0;  // the highest number of any segment, past or present
  uint64_t lastGroup_ = 0;
};

}  // namespace rally::log
