// A disk that forgets. What was not synced when the power goes is lost in any part: sectors of 512 bytes, in any order,
// and names of which the directory was not synced. All by a seed.
//
//   write() --> current, pending --sync()--> durable          crash(random) = durable + any of the pending
//
// Errors can be asked for: the call with a number fails, once or from then on, or the disk has only so much room.
#pragma once
#include <functional>
#include <map>
#include <set>

#include "../../native/log/disk.h"
#include "random.h"

namespace sim {

using rally::Bytes;

inline constexpr size_t sectorBytes = 512;
inline constexpr size_t readPageBytes = 4'096;  // what a disk cannot read, it cannot read in whole

struct Pending {
  enum class What : uint8_t { write, resize };
  What what = What::write;
  uint64_t offset = 0;  // or the new size
  std::vector<uint8_t> bytes{};
};

using Content = std::shared_ptr<std::vector<uint8_t>>;  // shared with disks that were made of this one

struct Inode {
  Content durable = std::make_shared<std::vector<uint8_t>>();
  Content current = std::make_shared<std::vector<uint8_t>>();
  std::vector<Pending> pending;
  uint64_t reservedBytes = 0;
  std::set<uint64_t> badPages;  // their numbers: reading one gives EIO
};

struct NameChange {
  std::string removed;  // empty: none
  std::string added;
  std::shared_ptr<Inode> inode;
};

struct Faults {
  uint64_t failAt = 0;     // the number of the call; 0: none
  int failWith = 0;        // ENOSPC at what takes room, EIO at what waits for the disk; -1: a short write
  uint64_t roomBytes = 0;  // 0: without end
  bool failsToRead = false;
  bool isCopyOnWrite = false;  // every write takes room, whatever was reserved
};

class SimDisk final : public rally::log::Disk {
 public:
  int makeDirectory() override { return 0; }
  int syncParent() override;
  int open(const std::string& name, bool mayCreate, std::shared_ptr<rally::log::File>& file) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& name) override;
  int syncDirectory() override;
  int list(std::vector<std::string>& names) override;
  int space(rally::log::DiskSpace& space) override;

  // The disk as it is when the power comes back.
  std::unique_ptr<SimDisk> crash(check::Random& random) const;
  // The disk as the next process finds it when only this one has ended.
  std::unique_ptr<SimDisk> copy() const;

  // Called before whatever changes the disk.
  std::function<void()> beforeChange;
  Faults faults;
  uint64_t calls = 0;
  uint64_t recycled = 0;  // segments that got another name, or none

  // What damage does.
  std::vector<std::string> names() const;
  std::vector<uint8_t>& bytesOf(const std::string& name);
  void remove(const std::string& name) { names_.erase(name); }
  std::set<uint64_t>& badPagesOf(const std::string& name) { return names_.at(name)->badPages; }

  // --- for its files ---
  int change(bool takesRoom, bool waits, bool& isShort);
  uint64_t usedBytes() const;

 private:
  bool hasParent_ = false;
  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::map<std::string, std::shared_ptr<Inode>> durableNames_;
  std::vector<NameChange> pendingNames_;
};

}  // namespace sim
