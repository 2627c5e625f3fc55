#include "record-reader.h"

#include <algorithm>
#include <utility>

#include "../structures/free-memory.h"
#include "copied-record.h"

namespace rally::log {

namespace {

// The bytes to read at once: few for scattered records, and more with each one that follows the last.
constexpr size_t blockBytesMin = 2 * 1'024;
constexpr size_t blockBytesMax = 64 * 1'024;

}  // namespace

ReadStatus RecordReader::read(Position name, Found& found) {
  Space::Located located = space_.locate(name);
  while (located.at) {
    RecordHead head;
    Bytes body;
    if (readAt(located, head, body)) {
      found = {name, head.kind, head.version, body};
      CopiedRecord copied;
      if (head.kind != Kind::copied || !copied.read(body)) return ReadStatus::found;
      found = {copied.name, copied.kind, copied.version, copied.body};
      return ReadStatus::found;
    }
    // It may have been copied meanwhile, and its segment reused.
    const Space::Located before = std::exchange(located, space_.locate(name));
    if (located.at == before.at) return ReadStatus::damaged;
  }
  return ReadStatus::gone;
}

void RecordReader::trim() {
  if (block_.capacity() <= blockBytesMax) return;
  freeMemory(block_);
  blockAt_ = {};
}

bool RecordReader::readAt(const Space::Located& located, RecordHead& head, Bytes& body) {
  const bool wasInBlock = isInBlock(located.at, recordHeadBytes);
  for (int attempt = wasInBlock ? 0 : 1; attempt < 2; attempt++) {
    // The end of a block may be older than what has been written since.
    if (attempt == 1 && !load(located, nextBlockBytes(located.at))) return false;
    for (int size = 0; size < 2; size++) {
      const Bytes bytes = Bytes(block_).subspan(located.at.value - blockAt_.value);
      if (readRecord(bytes, log_, located.at, head, body)) return true;
      const bool isCut = bytes.size() >= recordHeadBytes &&
                         head.check == headCheck(head, hashOfPlace(log_, located.at)) &&
                         head.bodyBytes > bytes.size() - recordHeadBytes;
      if (!isCut || !load(located, framedBytes(head.bodyBytes))) break;
    }
  }
  return false;
}

bool RecordReader::isInBlock(Position at, size_t bytes) const {
  return blockAt_ && at.segment() == blockAt_.segment() && at >= blockAt_ &&
         at.offset() + bytes <= blockAt_.offset() + block_.size();
}

size_t RecordReader::nextBlockBytes(Position at) const {
  const uint64_t end = blockAt_.value + block_.size();
  const bool isNext = blockAt_ && at.segment() == blockAt_.segment() && at >= blockAt_ &&
                      at.value < end + block_.size();
  return isNext ? std::clamp(2 * block_.size(), blockBytesMin, blockBytesMax) : blockBytesMin;
}

bool RecordReader::load(const Space::Located& located, size_t bytes) {
  block_.resize(bytes);
  blockAt_ = {};
  size_t done = 0;
  while (done < bytes) {
    size_t count = 0;
    const std::span<uint8_t> left = std::span(block_).subspan(done);
    // Bytes before a page that the disk cannot read are still valid.
    if (located.file->read(located.at.offset() + done, left, count) != 0 || count == 0) break;
    done += count;
  }
  block_.resize(done);
  blockAt_ = located.at;
  return done >= recordHeadBytes;
}

}  // namespace rally::log
