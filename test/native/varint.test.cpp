// native/wire/varint.h and native/wire/reader.h
#include "check.h"
#include "octets.h"

#include "../../native/wire/reader.h"

using namespace rally;

static Octets encoded(uint32_t value) {
  Octets out;
  writeVarint(out, value);
  return out;
}

TEST("varint: the vectors of table 1-1 in both directions") {
  const std::vector<std::pair<uint32_t, std::string>> vectors = {
      {0, "00"},          {127, "7f"},           {128, "8001"},           {16'383, "ff7f"},
      {16'384, "808001"}, {2'097'151, "ffff7f"}, {2'097'152, "80808001"}, {varintMax, "ffffff7f"},
  };
  for (const auto& [value, hex] : vectors) {
    CHECK_EQ(toHex(encoded(value)), hex);
    CHECK_EQ(varintSize(value), hex.size() / 2);
    const Varint read = readVarint(fromHex(hex));
    CHECK_EQ(read.state, Varint::State::complete);
    CHECK_EQ(read.value, value);
    CHECK_EQ(read.size, hex.size() / 2);
    CHECK(read.minimal);
  }
}

TEST("varint: random values come back; each beginning of one is incomplete") {
  check::eachSeed(2'000, [](check::Random& random) {
    const auto value = uint32_t(random.next() & varintMax) >> random.below(28);
    const Octets bytes = encoded(value);
    CHECK_EQ(bytes.size(), varintSize(value));
    const Varint read = readVarint(Exact(bytes));
    CHECK_EQ(read.value, value);
    CHECK(read.state == Varint::State::complete && read.minimal && read.size == bytes.size());
    for (size_t size = 0; size < bytes.size(); size++) {
      CHECK_EQ(readVarint(Exact(Bytes(bytes).first(size))).state, Varint::State::incomplete);
    }
  });
}

TEST("varint: more bytes than needed are noticed, a fifth byte is malformed") {
  for (const char* hex : {"8000", "808000", "80808000", "ff00", "ff8000"}) {
    const Varint read = readVarint(fromHex(hex));
    CHECK_EQ(read.state, Varint::State::complete);
    CHECK(!read.minimal);
  }
  for (const char* hex : {"ffffffff", "80808080", "8080808001", "ffffffff7f"}) {
    CHECK_EQ(readVarint(fromHex(hex)).state, Varint::State::malformed);
  }
}

TEST("varint: any bytes, against the algorithm of 1.5.5") {
  check::eachSeed(20'000, [](check::Random& random) {
    Octets bytes = random.bytes(random.below(6));
    for (uint8_t& byte : bytes) {
      if (random.chance(50)) byte |= 0x80;
    }
    uint64_t value = 0;
    uint64_t multiplier = 1;
    size_t size = 0;
    bool isComplete = false;
    while (size < bytes.size() && size < 4 && !isComplete) {
      isComplete = (bytes[size] & 0x80) == 0;
      value += (bytes[size++] & 0x7f) * multiplier;
      multiplier *= 128;
    }
    const Varint read = readVarint(Exact(bytes));
    if (isComplete) {
      CHECK_EQ(read.state, Varint::State::complete);
      CHECK_EQ(read.value, value);
      CHECK_EQ(read.size, size);
      CHECK_EQ(read.minimal, encoded(uint32_t(value)).size() == size);
    } else {
      CHECK_EQ(read.state, size == 4 ? Varint::State::malformed : Varint::State::incomplete);
    }
  });
}

TEST("reader: numbers, strings and the rest") {
  const Octets bytes = fromHex("01 0203 04050607 c101 0003616263 0000 ff fe");
  Reader reader{bytes};
  CHECK_EQ(reader.u8(), 1);
  CHECK_EQ(reader.u16(), 0x0203);
  CHECK_EQ(reader.u32(), 0x04050607);
  CHECK_EQ(reader.varint(), 193);
  CHECK_EQ(textOf(reader.prefixed()), std::string("abc"));
  CHECK(reader.prefixed().empty());
  CHECK_EQ(reader.remaining(), 2);
  CHECK_EQ(toHex(reader.rest()), std::string("fffe"));
  CHECK(reader.ok());
  CHECK_EQ(reader.remaining(), 0);
  CHECK(reader.rest().empty() && reader.ok());
}

TEST("reader: a read past the end fails, and so does everything after it") {
  for (size_t missing = 0; missing < 6; missing++) {
    const Octets bytes = fromHex("00 05 61 62 63 64 65");
    const Exact exact(Bytes(bytes).first(bytes.size() - 1 - missing));
    Reader reader(exact);
    CHECK(reader.prefixed().empty());
    CHECK(!reader.ok());
    CHECK_EQ(reader.remaining(), 0);
    CHECK_EQ(reader.u8(), 0);
    CHECK_EQ(reader.u16(), 0);
    CHECK_EQ(reader.u32(), 0);
    CHECK_EQ(reader.varint(), 0);
    CHECK(reader.take(0).empty() && reader.rest().empty());
    CHECK(!reader.ok());
  }
}

TEST("reader: a varint that is not minimal, not complete or too long fails") {
  for (const char* hex : {"8000", "80", "ffffff", "8080808001", ""}) {
    const Octets bytes = fromHex(hex);
    const Exact exact(bytes);
    Reader reader(exact);
    CHECK_EQ(reader.varint(), 0);
    CHECK(!reader.ok());
  }
}

TEST("reader: random reads against a plain index") {
  check::eachSeed(3'000, [](check::Random& random) {
    const Octets bytes = random.bytes(random.below(40));
    const Exact exact(bytes);
    Reader reader(exact);
    size_t at = 0;
    bool isOk = true;
    const auto expect = [&](size_t count) {  // the value of the next `count` bytes
      isOk = isOk && at + count <= bytes.size();
      uint64_t value = 0;
      for (size_t i = 0; isOk && i < count; i++) value = value << 8 | bytes[at + i];
      at = isOk ? at + count : bytes.size();
      return value;
    };
    for (int i = 0; i < 12; i++) {
      switch (random.below(4)) {
        case 0: CHECK_EQ(reader.u8(), expect(1)); break;
        case 1: CHECK_EQ(reader.u16(), expect(2)); break;
        case 2: CHECK_EQ(reader.u32(), expect(4)); break;
        default: {
          const size_t count = random.below(8);
          const size_t start = at;
          expect(count);
          const Bytes taken = reader.take(count);
          CHECK(isSame(taken, isOk ? Bytes(bytes).subspan(start, count) : Bytes()));
        }
      }
      CHECK_EQ(reader.ok(), isOk);
      CHECK_EQ(reader.remaining(), bytes.size() - at);
    }
  });
}
