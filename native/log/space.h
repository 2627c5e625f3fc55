// Which records of the log are alive, where they are, and what can be recycled. Belongs to the recovering thread, then
// to the writer; locate() and figures() are for all threads.
//
//   segment 3   [ a | b | c | d ]    dead: b, c          a and d are copied to segment 9 and keep their names; then
//   segment 9   [ ... | a' | d' ]                        nothing in segment 3 is alive: its file is reused
//
//   moved   a -> 9:..., d -> 9:...
//
// A record that ends or replaces others must outlive their bytes, or they would be alive again at the next start. Such
// a record *guards* the segments from the first to the last that may contain those bytes: it counts as alive until none
// of these segments is left. When it is superseded itself, its duty passes on.
#pragma once
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "disk.h"
#include "segment-format.h"

namespace rally::log {

struct Segment {
  uint32_t number = 0;
  std::shared_ptr<File> file;
  uint64_t fileBytes = 0;
  uint32_t end = uint32_t(pageBytes);  // end of the committed part
  bool isSealed = false;
  bool isUnreadable = false;  // the disk has returned an error: it is not copied forward
  uint32_t records = 0;       // of the broker, including dead ones
  uint64_t recordBytes = 0;
  std::vector<uint32_t> dead;       // their offsets
  std::vector<Position> guardedBy;  // records whose guard begins here
  std::unique_ptr<std::unordered_set<uint32_t>> deadSet;

  uint32_t liveRecords() const { return records - std::min(records, uint32_t(dead.size())); }
  uint64_t liveBytes() const { return records == 0 ? 0 : recordBytes * liveRecords() / records; }
};

class Space {
 public:
  struct Located {
    std::shared_ptr<File> file;
    Position at;  // none: the record is gone
  };

  Segment& add(uint32_t number, std::shared_ptr<File> file);
  Segment* find(uint32_t number);
  std::map<uint32_t, Segment>& segments() { return segments_; }

  // Records of the broker, with this total size, are stored from there on.
  void placed(Position at, uint64_t bytes, uint32_t records = 1);
  // The record with this name is now stored there, where it was placed() again, and its old copy is dead. If the record
  // was dead, so is its new copy.
  void moved(Position name, Position to);
  // During recovery: a copy whose original has not been seen.
  void foundCopy(Position name, Position at);
  void release(Position name);
  void supersede(Position name, Position by);
  // No record in the segments before this one is alive.
  void dropBefore(uint32_t number);
  // Call it when everything is known about a record that only ends others: it is dead unless it guards something.
  void noteEnd(Position name);
  bool isDead(Position at);

  void seal(Segment& segment);
  // Its live records can no longer be read.
  void giveUp(Segment& segment);

  // A segment without live records; nullptr: none.
  Segment* recyclable();
  // The sealed segment that frees the most space per byte copied; nullptr: none is worthwhile.
  Segment* sparsest();
  // Its file has been removed or reused.
  void drop(uint32_t number);

  Located locate(Position name) const;
  uint64_t fileBytes() const;
  uint64_t usedBytes() const;
  uint64_t liveBytes() const;
  uint64_t liveRecords() const;
  size_t count() const;

 private:
  struct Guard {
    uint32_t first = 0;
    uint32_t last = 0;
    bool isDeadWithout = false;  // nothing else keeps the record
  };
  Position locationOf(Position name) const;
  void guard(Position name, Guard added);
  void die(Position name);
  void markDead(Position at);
  uint32_t firstFrom(uint32_t number) const;

  mutable std::mutex mutex_;  // of the two maps
  std::map<uint32_t, Segment> segments_;
  std::unordered_map<uint64_t, Position> moved_;  // live records by name
  std::unordered_map<uint64_t, Guard> guards_;
  bool mayHaveRecyclable_ = false;
};

}  // namespace rally::log
