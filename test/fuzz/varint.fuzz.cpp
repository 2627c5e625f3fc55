// native/wire/varint.h and native/wire/reader.h: any bytes, read in any order, against a plain index.
#include "fuzz.h"

#include "../../native/wire/reader.h"

using namespace rally;

namespace {

// The reader's promises, in the plainest way.
struct Oracle {
  Bytes bytes;
  size_t at = 0;
  bool isOk = true;

  uint64_t number(size_t count) {
    const Bytes taken = take(count);
    uint64_t value = 0;
    for (const uint8_t byte : taken) value = value << 8 | byte;
    return value;
  }
  Bytes take(size_t count) {
    isOk = isOk && bytes.size() - at >= count;
    const Bytes taken = isOk ? bytes.subspan(at, count) : Bytes();
    at = isOk ? at + count : bytes.size();
    return taken;
  }
  // The algorithm of 1.5.5, and no more bytes than needed.
  uint32_t varint() {
    uint32_t value = 0;
    for (size_t i = 0; isOk && i < 4 && at + i < bytes.size(); i++) {
      value += uint32_t(bytes[at + i] & 127) << 7 * i;
      if (bytes[at + i] >= 128) continue;
      if (i > 0 && bytes[at + i] == 0) break;
      at += i + 1;
      return value;
    }
    isOk = false;
    at = bytes.size();
    return 0;
  }
};

}  // namespace

FUZZ("varint") {
  const Octets steps = input.bytes(input.below(12));
  const Exact bytes{input.rest()};
  const Varint first = readVarint(bytes);
  if (first.state == Varint::State::complete) {
    Octets written;
    writeVarint(written, first.value);
    CHECK_EQ(written.size(), varintSize(first.value));
    CHECK_EQ(first.minimal, written.size() == first.size);
    if (first.minimal) CHECK(isSame(written, Bytes(bytes).first(first.size)));
  }
  Reader reader(bytes);
  Oracle oracle{bytes};
  for (const uint8_t step : steps) {
    switch (step % 6) {
      case 0: CHECK_EQ(reader.u8(), oracle.number(1)); break;
      case 1: CHECK_EQ(reader.u16(), oracle.number(2)); break;
      case 2: CHECK_EQ(reader.u32(), oracle.number(4)); break;
      case 3: CHECK_EQ(reader.varint(), oracle.varint()); break;
      case 4: CHECK(isSame(reader.prefixed(), oracle.take(size_t(oracle.number(2))))); break;
      default: CHECK(isSame(reader.take(step / 6), oracle.take(step / 6)));
    }
    CHECK_EQ(reader.ok(), oracle.isOk);
    CHECK_EQ(reader.remaining(), oracle.bytes.size() - oracle.at);
  }
  CHECK(isSame(reader.rest(), oracle.isOk ? Bytes(bytes).subspan(oracle.at) : Bytes()));
}
