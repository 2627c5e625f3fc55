// The disk as the log sees it: the files of one directory. All file access of the log goes through it, so that a
// simulated disk (test/native/sim-disk.h) can lose, tear and refuse anything that a real one may.
//
// Functions that can fail return 0 or the errno. Destroying a file closes it, without a sync.
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
  // May write only a part, without an error.
  virtual int write(uint64_t offset, std::span<const Bytes> parts, size_t& written) = 0;
  // May read less at the end of the file. From any thread.
  virtual int read(uint64_t offset, std::span<uint8_t> into, size_t& count) const = 0;
  // Makes written data and the file's length survive a power failure (fdatasync).
  virtual int sync() = 0;
  // Sets the file's length, and has the disk reserve the space. EOPNOTSUPP: the disk cannot promise that.
  virtual int preallocate(uint64_t bytes) = 0;
  virtual int truncate(uint64_t bytes) = 0;
  // The file has another name too, in a backup: do not write to it again.
  virtual bool isShared() const = 0;
  // All of it has been written before, not just reserved: writing to it again does not change its metadata.
  virtual bool isFilled() const = 0;
};

struct DiskSpace {
  uint64_t freeBytes = 0;
  uint64_t totalBytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // Creates the directory if missing.
  virtual int makeDirectory() = 0;
  // Makes the directory's existence survive a power failure.
  virtual int syncParent() = 0;
  // Opens for reading and writing; creates a missing file if `mayCreate` is set.
  virtual int open(const std::string& name, bool mayCreate, std::shared_ptr<File>& file) = 0;
  // Replaces a file of the new name, if there is one.
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& name) = 0;
  // Makes new, changed and removed names survive a power failure.
  virtual int syncDirectory() = 0;
  virtual int list(std::vector<std::string>& names) = 0;
  virtual int space(DiskSpace& space) = 0;
};

// Writes everything, even if the system writes it in parts. ENOSPC if the disk accepts no more.
int writeAll(File& file, uint64_t offset, std::vector<Bytes> parts);
// Reads everything; EIO if the file is shorter.
int readAll(const File& file, uint64_t offset, std::span<uint8_t> into);

}  // namespace rally::log
