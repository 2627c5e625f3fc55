#include "take-back.h"

#include <algorithm>
#include <array>

#include "segment-format.h"

namespace rally::log {

namespace {

// Its header, with the segments that still exist, and nothing else.
int empty(Disk& disk, uint32_t number, const std::vector<uint32_t>& present) {
  std::shared_ptr<File> file;
  std::array<uint8_t, pageBytes> page;
  SegmentHeader header;
  uint32_t version = 0;
  int error = disk.open(segmentName(number), false, file);
  if (error == 0) error = readAll(*file, 0, page);
  if (error != 0 || readSegmentHeader(page, header, version) != HeaderState::valid) return error;
  header.present.clear();
  for (const uint32_t each : present) {
    if (!header.present.empty() && header.present.back().last + 1 == each) header.present.back().last = each;
    else header.present.push_back({each, each});
  }
  header.write(page);
  error = writeAll(*file, 0, {Bytes(page)});
  if (error == 0) error = file->truncate(pageBytes);
  return error == 0 ? file->sync() : error;
}

}  // namespace

int takeBack(Disk& disk, uint32_t first) {
  std::vector<std::string> names;
  const int error = disk.list(names);
  if (error != 0) return error;
  std::vector<uint32_t> before;
  std::vector<uint32_t> since;
  for (const std::string& name : names) {
    const std::optional<uint32_t> number = segmentOfName(name);
    if (number) (*number < first ? before : since).push_back(*number);
  }
  std::sort(before.begin(), before.end());
  std::sort(since.rbegin(), since.rend());
  // The newest first: each names the one before.
  for (; since.size() > 1; since.erase(since.begin())) {
    const int failure = disk.unlink(segmentName(since.front()));
    if (failure != 0) return failure;
  }
  const int failure = disk.syncDirectory();
  if (failure != 0 || since.empty()) return failure;
  return empty(disk, since.front(), before);
}

}  // namespace rally::log
