// native/wire/utf8.h against decoding code points.
#include "fuzz.h"

#include "../../native/wire/utf8.h"

using namespace rally;

// The code points of well-formed UTF-8, or nothing (RFC 3629).
static bool isUtf8ByTheBook(Bytes bytes, bool allowsZero) {
  while (!bytes.empty()) {
    const uint8_t lead = bytes[0];
    const size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (size == 0 || bytes.size() < size) return false;
    uint32_t point = size == 1 ? lead : lead & (0x7f >> size);
    for (size_t i = 1; i < size; i++) {
      if (bytes[i] >> 6 != 2) return false;
      point = point << 6 | (bytes[i] & 0x3f);
    }
    constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    if (point == 0 && !allowsZero) return false;
    bytes = bytes.subspan(size);
  }
  return true;
}

FUZZ("utf8") {
  const Exact text{input.rest()};
  CHECK_EQ(isUtf8(text), isUtf8ByTheBook(text, false));
  CHECK_EQ(isUtf8Payload(text), isUtf8ByTheBook(text, true));
}
