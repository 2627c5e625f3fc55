#include "real-disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "../assert.h"

namespace rally::log {

namespace {

// For one pwritev. The system accepts 1,024.
constexpr size_t partsMax = 256;

int errorOf(int result) { return result == 0 ? 0 : errno; }

// Repeats calls that a signal has interrupted.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

class RealFile final : public File {
 public:
  explicit RealFile(int fd) : fd_(fd) {}
  ~RealFile() override { close(fd_); }

  uint64_t size() const override {
    struct stat found {};
    return fstat(fd_, &found) == 0 ? uint64_t(found.st_size) : 0;
  }

  int write(uint64_t offset, std::span<const Bytes> parts, size_t& written) override {
    std::array<iovec, partsMax> vectors;
    const size_t count = std::min(parts.size(), partsMax);
    for (size_t i = 0; i < count; i++) vectors[i] = {const_cast<uint8_t*>(parts[i].data()), parts[i].size()};
    const ssize_t result = uninterrupted([&] { return pwritev(fd_, vectors.data(), int(count), off_t(offset)); });
    if (result < 0) return errno;
    written = size_t(result);
    return 0;
  }

  int read(uint64_t offset, std::span<uint8_t> into, size_t& count) const override {
    const ssize_t result = uninterrupted([&] { return pread(fd_, into.data(), into.size(), off_t(offset)); });
    if (result < 0) return errno;
    count = size_t(result);
    return 0;
  }

  // Never again after an error: the system may have discarded what it could not write.
  int sync() override {
    return errorOf(uninterrupted([&] { return fdatasync(fd_); }));
  }

  int preallocate(uint64_t bytes) override {
    return errorOf(uninterrupted([&] { return fallocate(fd_, 0, 0, off_t(bytes)); }));
  }

  bool isShared() const override {
    struct stat found {};
    return fstat(fd_, &found) != 0 || found.st_nlink > 1;
  }

  bool isFilled() const override { return lseek(fd_, 0, SEEK_HOLE) == off_t(size()); }

  int truncate(uint64_t bytes) override {
    return errorOf(uninterrupted([&] { return ftruncate(fd_, off_t(bytes)); }));
  }

 private:
  const int fd_;
};

int openDirectory(const std::string& path) { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

int syncDirectoryAt(const std::string& path) {
  const int fd = openDirectory(path);
  if (fd < 0) return errno;
  const int error = errorOf(uninterrupted([&] { return fsync(fd); }));
  close(fd);
  return error;
}

}  // namespace

RealDisk::~RealDisk() {
  if (synced_ >= 0) close(synced_);
}

int RealDisk::makeDirectory() {
  if (mkdir(directory_.c_str(), 0700) == 0) return 0;
  if (errno != EEXIST) return errno;
  struct stat found {};
  if (stat(directory_.c_str(), &found) != 0) return errno;
  return S_ISDIR(found.st_mode) ? 0 : ENOTDIR;
}

int RealDisk::syncParent() {
  const size_t slash = directory_.find_last_of('/');
  if (slash == std::string::npos) return syncDirectoryAt(".");
  return syncDirectoryAt(slash == 0 ? "/" : directory_.substr(0, slash));
}

int RealDisk::open(const std::string& name, bool mayCreate, std::shared_ptr<File>& file) {
  const int flags = O_RDWR | O_CLOEXEC | (mayCreate ? O_CREAT : 0);
  const int fd = uninterrupted([&] { return ::open(pathOf(name).c_str(), flags, 0600); });
  if (fd < 0) return errno;
  file = std::make_shared<RealFile>(fd);
  return 0;
}

int RealDisk::rename(const std::string& from, const std::string& to) {
  return errorOf(::rename(pathOf(from).c_str(), pathOf(to).c_str()));
}

int RealDisk::unlink(const std::string& name) { return errorOf(::unlink(pathOf(name).c_str())); }

int RealDisk::syncDirectory() {
  if (synced_ < 0) synced_ = openDirectory(directory_);
  return synced_ < 0 ? errno : errorOf(uninterrupted([&] { return fsync(synced_); }));
}

int RealDisk::list(std::vector<std::string>& names) {
  DIR* directory = opendir(directory_.c_str());
  if (!directory) return errno;
  names.clear();
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int error = errno;
  closedir(directory);
  std::sort(names.begin(), names.end());
  return error;
}

int RealDisk::space(DiskSpace& space) {
  struct statvfs found {};
  if (statvfs(directory_.c_str(), &found) != 0) return errno;
  space.freeBytes = uint64_t(found.f_bavail) * found.f_frsize;
  space.totalBytes = uint64_t(found.f_blocks) * found.f_frsize;
  return 0;
}

}  // namespace rally::log
