// The disk as the log sees it: files of one directory. Nothing in the log asks the system for files in another way,
// so that a simulated disk (test/native/sim-disk.h) can lose, tear and refuse whatever a real one may.
//
// Functions that can fail give 0 or the errno. A file that is let go of is closed, which does not sync it.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../structures/bytes.h"

namespace rally::log {

class File {
 public:
  virtual ~File() = default;

  virtual uint64_t size() const = 0;
  // May write less than all of it, then without an error.
  virtual int write(uint64_t offset, std::span<const Bytes> parts, size_t& written) = 0;
  // May read less than that where the file ends. From any thread.
  virtual int read(uint64_t offset, std::span<uint8_t> into, size_t& count) const = 0;
  // What was written outlives a loss of power, and that the file is so long (fdatasync).
  virtual int sync() = 0;
  // Makes the file so long, and has the disk keep room for it. EOPNOTSUPP: this one cannot promise that.
  virtual int preallocate(uint64_t bytes) = 0;
  virtual int truncate(uint64_t bytes) = 0;
  // It has another name too, in a backup: it must not be written to again.
  virtual bool isShared() const = 0;
};

struct DiskSpace {
  uint64_t freeBytes = 0;
  uint64_t totalBytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // Makes the directory if it is missing.
  virtual int makeDirectory() = 0;
  // That the directory is there outlives a loss of power.
  virtual int syncParent() = 0;
  // Opens for reading and writing; makes the file if it is missing and that is wanted.
  virtual int open(const std::string& name, bool mayCreate, std::shared_ptr<File>& file) = 0;
  // In the place of a file of the new name, if there is one.
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& name) = 0;
  // New, renamed and removed names outlive a loss of power.
  virtual int syncDirectory() = 0;
  virtual int list(std::vector<std::string>& names) = 0;
  virtual int space(DiskSpace& space) = 0;
};

// Writes all of it, however the system cuts it. ENOSPC where nothing is taken any more.
int writeAll(File& file, uint64_t offset, std::vector<Bytes> parts);
// Reads all of it; EIO where the file is shorter.
int readAll(const File& file, uint64_t offset, std::span<uint8_t> into);

}  // namespace rally::log
