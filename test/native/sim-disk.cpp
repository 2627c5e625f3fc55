#include "sim-disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sim {

namespace {

std::vector<uint8_t>& changed(Content& content) {
  if (content.use_count() > 1) content = std::make_shared<std::vector<uint8_t>>(*content);
  return *content;
}

void put(std::vector<uint8_t>& content, uint64_t offset, Bytes bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  if (!bytes.empty()) std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

void applyAll(std::vector<uint8_t>& content, const Pending& pending) {
  if (pending.what == Pending::What::resize) content.resize(pending.offset);
  else put(content, pending.offset, pending.bytes);
}

// Any of the sectors of what was written.
void applySome(std::vector<uint8_t>& content, const Pending& pending, check::Random& random, unsigned percent) {
  if (pending.what == Pending::What::resize) {
    if (random.below(100) < percent) content.resize(pending.offset);
    return;
  }
  for (uint64_t at = pending.offset, end = pending.offset + pending.bytes.size(); at < end;) {
    const uint64_t next = std::min(end, (at / sectorBytes + 1) * sectorBytes);
    if (random.below(100) < percent) {
      put(content, at, Bytes(pending.bytes).subspan(at - pending.offset, next - at));
    }
    at = next;
  }
}

class SimFile final : public rally::log::File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) {}

  uint64_t size() const override { return inode_->current->size(); }

  int write(uint64_t offset, std::span<const Bytes> parts, size_t& written) override {
    Pending pending{Pending::What::write, offset};
    for (const Bytes part : parts) pending.bytes.insert(pending.bytes.end(), part.begin(), part.end());
    const uint64_t end = offset + pending.bytes.size();
    bool isShort = false;
    const bool takesRoom = disk_.faults.isCopyOnWrite || end > std::max<uint64_t>(size(), inode_->reservedBytes);
    const int error = disk_.change(takesRoom, false, isShort);
    if (error != 0) return error;
    if (isShort) pending.bytes.resize(pending.bytes.size() / 2);
    written = pending.bytes.size();
    applyAll(changed(inode_->current), pending);
    inode_->pending.push_back(std::move(pending));
    return 0;
  }

  int read(uint64_t offset, std::span<uint8_t> into, size_t& count) const override {
    const std::vector<uint8_t>& content = *inode_->current;
    count = offset >= content.size() ? 0 : std::min<size_t>(into.size(), content.size() - offset);
    if (disk_.faults.failsToRead) return EIO;
    // As the system does: what comes before a bad page is read, and the error is that of the next call.
    const auto bad = inode_->badPages.lower_bound(offset / readPageBytes);
    if (bad != inode_->badPages.end() && *bad * readPageBytes < offset + count) {
      if (*bad * readPageBytes <= offset) return EIO;
      count = *bad * readPageBytes - offset;
    }
    if (count > 0) std::memcpy(into.data(), content.data() + offset, count);
    return 0;
  }

  // After an error the system believes that what was written is on the disk.
  int sync() override {
    bool isShort = false;
    const int error = disk_.change(false, true, isShort);
    if (error == 0) inode_->durable = inode_->current;
    inode_->pending.clear();
    return error;
  }

  int preallocate(uint64_t bytes) override {
    bool isShort = false;
    const int error = disk_.change(bytes > size(), false, isShort);
    if (error != 0) return error;
    if (disk_.faults.roomBytes != 0 && bytes > size() && disk_.usedBytes() + bytes - size() > disk_.faults.roomBytes) {
      return ENOSPC;
    }
    inode_->reservedBytes = bytes;
    return bytes > size() ? resize(bytes) : 0;
  }

  int truncate(uint64_t bytes) override {
    bool isShort = false;
    const int error = disk_.change(false, false, isShort);
    return error == 0 ? resize(bytes) : error;
  }

  bool isShared() const override { return false; }
  bool isFilled() const override { return true; }  // whoever believes that only saves zeros

 private:
  int resize(uint64_t bytes) {
    inode_->pending.push_back({Pending::What::resize, bytes});
    changed(inode_->current).resize(bytes);
    return 0;
  }

  SimDisk& disk_;
  const std::shared_ptr<Inode> inode_;
};

}  // namespace

int SimDisk::change(bool takesRoom, bool waits, bool& isShort) {
  if (beforeChange) beforeChange();
  calls++;
  if (faults.failAt == 0 || calls < faults.failAt) return 0;
  const bool isMeant = faults.failWith == ENOSPC ? takesRoom : faults.failWith == EIO ? waits : !waits;
  if (!isMeant) return 0;  // the next that is
  faults.failAt = 0;
  isShort = faults.failWith == -1;
  return isShort ? 0 : faults.failWith;
}

int SimDisk::syncParent() {
  bool isShort = false;
  const int error = change(false, true, isShort);
  if (error == 0) hasParent_ = true;
  return error;
}

int SimDisk::open(const std::string& name, bool mayCreate, std::shared_ptr<rally::log::File>& file) {
  const auto found = names_.find(name);
  if (found == names_.end()) {
    if (!mayCreate) return ENOENT;
    bool isShort = false;
    const int error = change(true, false, isShort);
    if (error != 0) return error;
    const auto inode = std::make_shared<Inode>();
    names_[name] = inode;
    pendingNames_.push_back({"", name, inode});
  }
  file = std::make_shared<SimFile>(*this, names_[name]);
  return 0;
}

int SimDisk::rename(const std::string& from, const std::string& to) {
  const auto found = names_.find(from);
  if (found == names_.end()) return ENOENT;
  bool isShort = false;
  const int error = change(false, false, isShort);
  if (error != 0) return error;
  const auto inode = found->second;
  recycled += from.ends_with(".seg");
  pendingNames_.push_back({from, to, inode});
  names_.erase(found);
  names_[to] = inode;
  return 0;
}

int SimDisk::unlink(const std::string& name) {
  if (!names_.contains(name)) return ENOENT;
  bool isShort = false;
  const int error = change(false, false, isShort);
  if (error != 0) return error;
  recycled += name.ends_with(".seg");
  pendingNames_.push_back({name, "", nullptr});
  names_.erase(name);
  return 0;
}

int SimDisk::syncDirectory() {
  bool isShort = false;
  const int error = change(false, true, isShort);
  if (error == 0) durableNames_ = names_;
  pendingNames_.clear();
  return error;
}

int SimDisk::list(std::vector<std::string>& found) {
  found = names();
  return 0;
}

int SimDisk::space(rally::log::DiskSpace& space) {
  space.totalBytes = faults.roomBytes != 0 ? faults.roomBytes : uint64_t(1) << 40;
  space.freeBytes = space.totalBytes - std::min(space.totalBytes, usedBytes());
  return 0;
}

uint64_t SimDisk::usedBytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, inode] : names_) bytes += inode->current->size();
  return bytes;
}

std::unique_ptr<SimDisk> SimDisk::crash(check::Random& random) const {
  auto disk = std::make_unique<SimDisk>();
  if (!hasParent_ && random.below(2) == 0) return disk;
  disk->hasParent_ = true;
  auto survived = durableNames_;
  const unsigned namesPercent = unsigned(random.below(3)) * 50;
  for (const NameChange& change : pendingNames_) {
    if (random.below(100) >= namesPercent) continue;
    if (!change.removed.empty()) survived.erase(change.removed);
    if (!change.added.empty()) survived[change.added] = change.inode;
  }
  // Often nothing of what was not synced is there, often all, and else any part.
  const unsigned percent = unsigned(random.below(5)) * 25;
  std::map<const Inode*, std::shared_ptr<Inode>> inodes;
  for (const auto& [name, inode] : survived) {
    std::shared_ptr<Inode>& own = inodes[inode.get()];
    if (!own) {
      own = std::make_shared<Inode>();
      own->durable = inode->durable;
      for (const Pending& pending : inode->pending) applySome(changed(own->durable), pending, random, percent);
      own->current = own->durable;
      own->reservedBytes = own->durable->size();
    }
    disk->names_[name] = own;
  }
  disk->durableNames_ = disk->names_;
  return disk;
}

std::unique_ptr<SimDisk> SimDisk::copy() const {
  auto disk = std::make_unique<SimDisk>();
  disk->hasParent_ = hasParent_;
  for (const auto& [name, inode] : names_) {
    disk->names_[name] = std::make_shared<Inode>();
    disk->names_[name]->current = disk->names_[name]->durable = inode->current;
    disk->names_[name]->reservedBytes = inode->current->size();
  }
  disk->durableNames_ = disk->names_;
  return disk;
}

std::vector<std::string> SimDisk::names() const {
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

std::vector<uint8_t>& SimDisk::bytesOf(const std::string& name) {
  Inode& inode = *names_.at(name);
  inode.current = std::make_shared<std::vector<uint8_t>>(*inode.current);
  inode.durable = inode.current;
  return *inode.current;
}

}  // namespace sim
