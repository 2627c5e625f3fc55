// native/wire/input.h: a stream that is cut, paused, held and resumed anywhere gives the frames of the whole.
#include "fuzz.h"

#include "../../native/wire/input.h"

using namespace rally;

namespace {

struct Parsed {
  std::vector<std::pair<uint8_t, Octets>> frames;
  Reason reason = Reason::success;
};

// Whether it is a CONNECT of MQTT 5, which says so itself.
bool isOf5(uint8_t first, const Octets& body) {
  const Octets beginning = {0, 4, 'M', 'Q', 'T', 'T', 5};
  return first >> 4 == 1 && body.size() >= 7 && Octets(body.begin(), body.begin() + 7) == beginning;
}

Parsed parseWhole(Bytes stream, const FrameRules& rules) {
  Parsed parsed;
  for (;;) {
    if (stream.empty()) return parsed;
    const auto type = PacketType(stream[0] >> 4);
    const bool mayCome = (rules.types & typeBit(type)) != 0;
    if (!mayCome) parsed.reason = type == PacketType::reserved ? Reason::malformedPacket : Reason::protocolError;
    if (!mayCome || stream.size() < 2) return parsed;
    uint64_t length = 0;
    size_t size = 1;
    for (;; size++) {
      if (size == 5) parsed.reason = Reason::malformedPacket;
      if (size == 5 || size == stream.size()) return parsed;
      length |= uint64_t(stream[size] & 0x7f) << 7 * (size - 1);
      if (stream[size] < 0x80) break;
    }
    if (rules.needsMinimalLength && size > 1 && stream[size] == 0) parsed.reason = Reason::malformedPacket;
    else if (size + 1 + length > rules.bytesMax) parsed.reason = Reason::packetTooLarge;
    if (parsed.reason != Reason::success || stream.size() < size + 1 + length) return parsed;
    if (size > 1 && stream[size] == 0 && isOf5(stream[0], octetsOf(stream.subspan(size + 1, size_t(length))))) {
      parsed.reason = Reason::malformedPacket;
      return parsed;
    }
    parsed.frames.push_back({stream[0], octetsOf(stream.subspan(size + 1, size_t(length)))});
    stream = stream.subspan(size + 1 + size_t(length));
  }
}

}  // namespace

FUZZ("input") {
  const FrameRules rules{.bytesMax = input.chance(50) ? uint32_t(input.between(2, 255)) : varintMax,
                         .needsMinimalLength = input.chance(50),
                         .types = input.chance(50) ? anyTypeButReserved : uint16_t(input.between(0, 65'535))};
  const Octets choices = input.bytes(input.below(40));
  const Octets stream = octetsOf(input.rest());
  const Parsed expected = parseWhole(stream, rules);
  check::Random random{Bytes(choices)};

  Input reader;
  Parsed seen;
  const auto sink = [&](uint8_t first, Bytes body) {
    const size_t what = random.below(8);
    if (what == 7) return Flow::hold;
    seen.frames.push_back({first, octetsOf(body)});
    return what >= 5 ? Flow::pause : Flow::next;
  };
  const auto resume = [&] {
    if (reader.paused() && !reader.ended()) seen.reason = reader.resume(rules, sink);
  };
  for (size_t at = 0; at < stream.size() && !reader.ended();) {
    const size_t size = random.isSpent() ? stream.size() - at : std::min(stream.size() - at, random.between(1, 16));
    seen.reason = reader.feed(Exact(Bytes(stream).subspan(at, size)), rules, sink);
    at += size;
    if (random.chance(5) && !reader.ended()) reader.pause();
    CHECK(reader.heldBytes() <= at);
    if (!random.isSpent() && random.chance(60)) resume();
  }
  while (reader.paused() && !reader.ended()) resume();
  CHECK(seen.frames == expected.frames);
  CHECK_EQ(seen.reason, expected.reason);
  CHECK_EQ(reader.ended(), expected.reason != Reason::success);
  if (expected.frames.empty() && !reader.ended()) CHECK_EQ(reader.heldBytes(), stream.size());
}
