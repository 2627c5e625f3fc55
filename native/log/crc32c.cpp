#include "crc32c.h"

#include <array>

#ifdef __x86_64__
#include <nmmintrin.h>
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

#ifdef __x86_64__
const bool hasInstruction = __builtin_cpu_supports("sse4.2") != 0;

[[gnu::target("sse4.2")]] uint32_t withInstruction(Bytes bytes, uint32_t before) {
  uint64_t crc = ~before;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) crc = _mm_crc32_u64(crc, wordAt<uint64_t>(at));
  auto last = uint32_t(crc);
  if ((left & 4) != 0) last = _mm_crc32_u32(last, wordAt<uint32_t>(at));
  at += left & 4;
  if ((left & 2) != 0) last = _mm_crc32_u16(last, wordAt<uint16_t>(at));
  at += left & 2;
  if ((left & 1) != 0) last = _mm_crc32_u8(last, *at);
  return ~last;
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
#ifdef __x86_64__
  if (hasInstruction) return withInstruction(bytes, before);
#endif
  return crc32cPortable(bytes, before);
}

}  // namespace rally::log
