// UTF-8 by a decoder that takes its time (RFC 3629), to compare with.
#pragma once
#include "../../native/structures/bytes.h"

// The size of the sequence at the start of `bytes`, or 0: decode, then see whether the code point is allowed and
// whether this is how it is encoded. `allowsZero`: U+0000 is allowed too.
inline size_t sizeByTheBook(rally::Bytes bytes, bool allowsZero = false) {
  const uint8_t lead = bytes[0];
  size_t size = 0;
  uint32_t point = 0;
  if (lead < 0x80) size = 1, point = lead;
  else if ((lead & 0xe0) == 0xc0) size = 2, point = lead & 0x1f;
  else if ((lead & 0xf0) == 0xe0) size = 3, point = lead & 0x0f;
  else if ((lead & 0xf8) == 0xf0) size = 4, point = lead & 0x07;
  if (size == 0 || bytes.size() < size) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
    point = point << 6 | (bytes[i] & 0x3f);
  }
  const size_t needed = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  const bool isAllowed = (point != 0 || allowsZero) && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  return isAllowed && needed == size ? size : 0;
}

inline bool isUtf8ByTheBook(rally::Bytes bytes, bool allowsZero = false) {
  while (!bytes.empty()) {
    const size_t size = sizeByTheBook(bytes, allowsZero);
    if (size == 0) return false;
    bytes = bytes.subspan(size);
  }
  return true;
}
