// The frame of a record in a batch and on the disk, at offsets that are multiples of 4:
//
//   0  body bytes   u32
//   4  kind         u8
//   5  version      u8    of the body
//   6  head check   u16   of the four fields, for this place: without it, lengths are not trusted
//   8  checksum     u32   CRC-32C of the body and of the first 6 bytes, for this place
//  12  body               and zeros up to the next multiple of 4
//
// "For this place": mixed with a hash of the log's identity, the segment and the offset. So neither old bytes of a
// reused segment nor bytes written to the wrong place can be taken for a record. The worker computes the checksum when
// it hands over; the writer adds the place when it is known.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "../assert.h"
#include "../structures/hash.h"
#include "crc32c.h"
#include "position.h"
#include "record-kind.h"

namespace rally::log {

using LogId = std::array<uint64_t, 2>;

inline constexpr size_t recordHeadBytes = 12;
inline constexpr size_t recordAlignment = 4;

inline size_t framedBytes(size_t bodyBytes) {
  return (recordHeadBytes + bodyBytes + recordAlignment - 1) & ~(recordAlignment - 1);
}

struct RecordHead {
  uint32_t bodyBytes = 0;
  Kind kind{};
  uint8_t version = 0;
  uint16_t check = 0;
  uint32_t checksum = 0;

  static RecordHead at(const uint8_t* bytes) {
    RecordHead head;
    std::memcpy(&head, bytes, sizeof head);
    return head;
  }
  void writeTo(uint8_t* bytes) const { std::memcpy(bytes, this, sizeof *this); }
};
static_assert(sizeof(RecordHead) == recordHeadBytes);

// Not bound to a place yet.
inline uint32_t checksumOf(const uint8_t* record, size_t bodyBytes) {
  return crc32c({record + recordHeadBytes, bodyBytes}, crc32c({record, 6}));
}

// Adds a record without a place and without its body, which the caller fills in before addChecksum(). `records`: a
// vector of bytes.
inline std::span<uint8_t> appendFrame(auto& records, Kind kind, size_t bodyBytes) {
  const size_t at = records.size();
  records.resize(at + framedBytes(bodyBytes));
  uint8_t* record = records.data() + at;
  std::memset(record + framedBytes(bodyBytes) - recordAlignment, 0, recordAlignment);  // the padding after the body
  RecordHead{.bodyBytes = uint32_t(bodyBytes), .kind = kind, .version = recordVersion}.writeTo(record);
  return {record + recordHeadBytes, bodyBytes};
}

inline void addChecksum(uint8_t* record) {
  RecordHead head = RecordHead::at(record);
  head.checksum = checksumOf(record, head.bodyBytes);
  head.writeTo(record);
}

// Adds a complete record without a place. Returns the bytes it takes.
inline uint32_t appendFramed(std::vector<uint8_t>& records, Kind kind, Bytes body) {
  const size_t at = records.size();
  const std::span<uint8_t> space = appendFrame(records, kind, body.size());
  if (!body.empty()) std::memcpy(space.data(), body.data(), body.size());
  addChecksum(records.data() + at);
  return uint32_t(records.size() - at);
}

inline uint64_t hashOfPlace(const LogId& log, Position place) {
  return foldedMultiply(log[0] ^ place.value, log[1] ^ hashMultiplier);
}

inline uint16_t headCheck(const RecordHead& head, uint64_t placeHash) {
  const uint64_t fields = uint64_t(head.bodyBytes) << 16 | uint64_t(head.kind) << 8 | head.version;
  return uint16_t(foldedMultiply(fields ^ placeHash, hashMultiplier) >> 16);
}

// Binds a record with a checksum to its place.
inline void place(uint8_t* record, const LogId& log, Position at) {
  const uint64_t hash = hashOfPlace(log, at);
  RecordHead head = RecordHead::at(record);
  head.check = headCheck(head, hash);
  head.checksum ^= uint32_t(hash);
  head.writeTo(record);
}

// The body of the complete record at the beginning of `bytes`, stored at this place; false: there is none.
inline bool readRecord(Bytes bytes, const LogId& log, Position at, RecordHead& head, Bytes& body) {
  if (bytes.size() < recordHeadBytes) return false;
  head = RecordHead::at(bytes.data());
  const uint64_t hash = hashOfPlace(log, at);
  if (head.check != headCheck(head, hash)) return false;
  if (head.bodyBytes > bytes.size() - recordHeadBytes) return false;
  if ((head.checksum ^ uint32_t(hash)) != checksumOf(bytes.data(), head.bodyBytes)) return false;
  body = bytes.subspan(recordHeadBytes, head.bodyBytes);
  return true;
}

}  // namespace rally::log
