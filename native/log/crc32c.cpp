#include "crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace rally::log {

namespace {

constexpr uint32_t polynomial = 0x82f63b78;  // reflected

// tables[k][b]: the effect of byte b on the checksum when k more bytes follow it in the same step.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t b = 0; b < 256; b++) tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xff];
  }
  return tables;
}

constexpr Tables tables = makeTables();

template <class Word>
Word wordAt(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Both processors have instructions that continue a checksum by 8, 4, 2 and 1 bytes.
#if defined(__x86_64__)
#define RALLY_HAS_CRC32C [[gnu::target("sse4.2")]]
const bool hasInstruction = __builtin_cpu_supports("sse4.2") != 0;
RALLY_HAS_CRC32C inline uint32_t by8(uint32_t crc, uint64_t word) { return uint32_t(_mm_crc32_u64(crc, word)); }
RALLY_HAS_CRC32C inline uint32_t by4(uint32_t crc, uint32_t word) { return _mm_crc32_u32(crc, word); }
RALLY_HAS_CRC32C inline uint32_t by2(uint32_t crc, uint16_t word) { return _mm_crc32_u16(crc, word); }
RALLY_HAS_CRC32C inline uint32_t by1(uint32_t crc, uint8_t byte) { return _mm_crc32_u8(crc, byte); }
#elif defined(__aarch64__)
#define RALLY_HAS_CRC32C [[gnu::target("+crc")]]
const bool hasInstruction = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
RALLY_HAS_CRC32C inline uint32_t by8(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }
RALLY_HAS_CRC32C inline uint32_t by4(uint32_t crc, uint32_t word) { return __crc32cw(crc, word); }
RALLY_HAS_CRC32C inline uint32_t by2(uint32_t crc, uint16_t word) { return __crc32ch(crc, word); }
RALLY_HAS_CRC32C inline uint32_t by1(uint32_t crc, uint8_t byte) { return __crc32cb(crc, byte); }
#endif

#ifdef RALLY_HAS_CRC32C
RALLY_HAS_CRC32C uint32_t withInstruction(Bytes bytes, uint32_t before) {
  uint32_t crc = ~before;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) crc = by8(crc, wordAt<uint64_t>(at));
  if ((left & 4) != 0) crc = by4(crc, wordAt<uint32_t>(at));
  at += left & 4;
  if ((left & 2) != 0) crc = by2(crc, wordAt<uint16_t>(at));
  at += left & 2;
  if ((left & 1) != 0) crc = by1(crc, *at);
  return ~crc;
}
#endif

}  // namespace

uint32_t crc32cPortable(Bytes bytes, uint32_t before) {
  uint32_t crc = ~before;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const uint64_t word = wordAt<uint64_t>(at) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; k++) crc ^= tables[7 - k][word >> (8 * k) & 0xff];
  }
  for (; left > 0; left--, at++) crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
  return ~crc;
}

uint32_t crc32c(Bytes bytes, uint32_t before) {
#ifdef RALLY_HAS_CRC32C
  if (hasInstruction) return withInstruction(bytes, before);
#endif
  return crc32cPortable(bytes, before);
}

}  // namespace rally::log
