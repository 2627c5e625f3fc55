// native/wire/utf8.h against a decoder that takes its time.
#include <algorithm>

#include "check.h"
#include "octets.h"
#include "utf8-by-the-book.h"

#include "../../native/wire/utf8.h"

using namespace rally;

TEST("utf8: all sequences of one to three bytes") {
  uint8_t bytes[3];
  for (uint32_t n = 0; n < 1u << 24; n++) {
    bytes[0] = uint8_t(n >> 16);
    bytes[1] = uint8_t(n >> 8);
    bytes[2] = uint8_t(n);
    const Bytes three(bytes);
    if (utf8SequenceSize(three) != sizeByTheBook(three)) {
      CHECK_EQ(toHex(three), std::string("taken as it should be"));
      return;
    }
    if ((n & 0xff) == 0 && utf8SequenceSize(three.first(2)) != sizeByTheBook(three.first(2)))
      CHECK_EQ(toHex(three), std::string("2"));
    if ((n & 0xffff) == 0 && utf8SequenceSize(three.first(1)) != sizeByTheBook(three.first(1)))
      CHECK_EQ(toHex(three), std::string("1"));
  }
}

TEST("utf8: sequences of four bytes, near the edges and random") {
  for (uint32_t lead = 0xee; lead <= 0xff; lead++) {
    for (uint32_t second = 0; second <= 0xff; second++) {
      for (const int third : {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff}) {
        for (const int fourth : {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff}) {
          const Octets four = {uint8_t(lead), uint8_t(second), uint8_t(third), uint8_t(fourth)};
          CHECK_EQ(utf8SequenceSize(four), sizeByTheBook(four));
        }
      }
    }
  }
  check::eachSeed(100'000, [](check::Random& random) {
    Octets four = random.bytes(4);
    if (random.chance(70)) {
      four[0] = uint8_t(0xf0 | (four[0] & 7));
      for (size_t i = 1; i < 4; i++) four[i] = uint8_t(0x80 | (four[i] & 0x3f));
    }
    CHECK_EQ(utf8SequenceSize(four), sizeByTheBook(four));
  });
}

TEST("utf8: eight plain bytes are recognised, each other value at each place is not") {
  for (size_t at = 0; at < 8; at++) {
    for (int value = 0; value < 256; value++) {
      Octets word = octetsOf(bytesOf("aaaaaaaa"));
      word[at] = uint8_t(value);
      CHECK_EQ(isPlainAscii8(word.data()), value > 0 && value < 0x80);
    }
  }
}

TEST("utf8: whole strings, where the steps of eight and of one meet") {
  CHECK(isUtf8({}));
  check::eachSeed(20'000, [](check::Random& random) {
    static const std::vector<std::string> pieces = {"a",
                                                    "abcdefgh",
                                                    "\xc3\xa9",
                                                    "\xe2\x82\xac",
                                                    "\xf0\x9f\x98\x80",
                                                    "\x01",
                                                    "\x7f",
                                                    "0123456789",
                                                    std::string(1, '\0'),
                                                    "\xed\xa0\x80",
                                                    "\xc0\xaf",
                                                    "\x80",
                                                    "\xf5\x80\x80\x80",
                                                    "\xe2\x82"};
    std::string text;
    const size_t count = random.below(12);
    const size_t kinds = random.chance(60) ? 8 : pieces.size();
    for (size_t i = 0; i < count; i++) text += pieces[random.below(kinds)];
    CHECK_EQ(isUtf8(Exact(bytesOf(text))), isUtf8ByTheBook(bytesOf(text)));
  });
}

TEST("utf8: a payload may hold U+0000, and nothing else that a string may not") {
  CHECK(isUtf8Payload({}));
  CHECK(isUtf8Payload(bytesOf(std::string("\0a\0\0\xc3\xa9\0", 7))));
  CHECK(!isUtf8Payload(bytesOf(std::string("\xc3\0\xa9", 3))));
  check::eachSeed(2'000, [](check::Random& random) {
    static const std::vector<std::string> pieces = {"a",   "abcdefgh", "\xc3\xa9", std::string(1, '\0'), "\xed\xa0\x80",
                                                    "\x80"};
    std::string text;
    const size_t count = random.below(12);
    for (size_t i = 0; i < count; i++) text += pieces[random.below(random.chance(60) ? 4 : pieces.size())];
    std::string withoutZeros = text;
    std::replace(withoutZeros.begin(), withoutZeros.end(), '\0', ' ');
    CHECK_EQ(isUtf8Payload(Exact(bytesOf(text))), isUtf8ByTheBook(bytesOf(withoutZeros)));
  });
}
