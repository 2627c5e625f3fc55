// A directory of the file system.
#pragma once
#include "disk.h"

namespace rally::log {

class RealDisk final : public Disk {
 public:
  explicit RealDisk(std::string directory) : directory_(std::move(directory)) {}
  ~RealDisk() override;
  RealDisk(const RealDisk&) = delete;
  RealDisk& operator=(const RealDisk&) = delete;

  int makeDirectory() override;
  int syncParent() override;
  int open(const std::string& name, bool mayCreate, std::shared_ptr<File>& file) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& name) override;
  int syncDirectory() override;
  int list(std::vector<std::string>& names) override;
  int space(DiskSpace& space) override;

 private:
  std::string pathOf(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  int synced_ = -1;  // the directory, from the first sync on: later there may be no file descriptor left
};

}  // namespace rally::log
