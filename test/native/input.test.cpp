// native/wire/input.h: the same frames come out however the stream is cut into chunks.
#include <ctime>
#include <tuple>

#include "check.h"
#include "octets.h"

#include "../../native/wire/input.h"

using namespace rally;

namespace {

struct Frame {
  uint8_t first = 0;
  Octets body;
  bool operator==(const Frame&) const = default;
};

Octets encoded(const Frame& frame) {
  Octets out = {frame.first};
  writeVarint(out, uint32_t(frame.body.size()));
  out.insert(out.end(), frame.body.begin(), frame.body.end());
  return out;
}

void append(Octets& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// Parses the whole stream at once: what Input must give whatever the chunks.
struct Parsed {
  std::vector<Frame> frames;
  Reason reason = Reason::success;
};
// Whether it is a CONNECT of MQTT 5, which says so itself.
bool isOf5(uint8_t first, const Octets& body) {
  const Octets beginning = {0, 4, 'M', 'Q', 'T', 'T', 5};
  return first >> 4 == 1 && body.size() >= 7 && Octets(body.begin(), body.begin() + 7) == beginning;
}

Parsed parseAtOnce(Bytes stream, const FrameRules& rules) {
  Parsed parsed;
  while (!stream.empty()) {
    const auto type = PacketType(stream[0] >> 4);
    if ((rules.types & typeBit(type)) == 0) {
      parsed.reason = type == PacketType::reserved ? Reason::malformedPacket : Reason::protocolError;
      return parsed;
    }
    if (stream.size() < 2) return parsed;
    uint64_t length = 0;
    size_t size = 0;
    bool isLast = false;
    while (!isLast && size < 4 && 1 + size < stream.size()) {
      const uint8_t byte = stream[1 + size];
      length |= uint64_t(byte & 0x7f) << (7 * size++);
      isLast = (byte & 0x80) == 0;
    }
    if (!isLast) {
      if (size == 4) parsed.reason = Reason::malformedPacket;
      return parsed;
    }
    if (rules.needsMinimalLength && size > 1 && stream[size] == 0) {
      parsed.reason = Reason::malformedPacket;
      return parsed;
    }
    if (1 + size + length > rules.bytesMax) {
      parsed.reason = Reason::packetTooLarge;
      return parsed;
    }
    if (stream.size() < 1 + size + length) return parsed;
    const Octets body = octetsOf(stream.subspan(1 + size, length));
    if (size > 1 && stream[size] == 0 && isOf5(stream[0], body)) {
      parsed.reason = Reason::malformedPacket;
      return parsed;
    }
    parsed.frames.push_back({stream[0], octetsOf(stream.subspan(1 + size, length))});
    stream = stream.subspan(1 + size + length);
  }
  return parsed;
}

// Takes the frames, and does to the flow what `decide(index)` says.
template <class Decide>
struct Taker {
  Decide decide;
  std::vector<Frame> taken = {};
  Flow operator()(uint8_t first, Bytes body) {
    const Flow flow = decide(taken.size());
    if (flow != Flow::hold) taken.push_back({first, octetsOf(body)});
    return flow;
  }
};
template <class Decide>
Taker(Decide) -> Taker<Decide>;

std::vector<Frame> someFrames() {
  std::vector<Frame> frames;
  for (const size_t size : std::vector<size_t>{0, 1, 2, 0, 127, 128, 3, 300, 0, 16'383, 16'384, 5}) {
    frames.push_back({uint8_t(0x30 + frames.size()), Octets(size, uint8_t(frames.size()))});
  }
  return frames;
}

}  // namespace

TEST("input: chunks of every size give the same frames") {
  const std::vector<Frame> frames = someFrames();
  Octets stream;
  for (const Frame& frame : frames) append(stream, encoded(frame));
  std::vector<size_t> sizes;
  for (size_t size = 1; size <= 700; size++) sizes.push_back(size);
  for (const size_t size : std::vector<size_t>{16'383, 16'384, 16'387, 20'000, 40'000}) sizes.push_back(size);
  for (const size_t size : sizes) {
    Input input;
    Taker taker{[](size_t) { return Flow::next; }};
    for (size_t at = 0; at < stream.size(); at += size) {
      const Exact chunk(Bytes(stream).subspan(at, std::min(size, stream.size() - at)));
      if (!CHECK_EQ(input.feed(chunk, FrameRules(), taker), Reason::success)) return;
    }
    CHECK(taker.taken == frames);
    CHECK_EQ(input.heldBytes(), 0);
  }
}

TEST("input: a pause, hold or end at every frame, with chunks of many sizes") {
  std::vector<Frame> frames;
  for (const size_t size : std::vector<size_t>{0, 5, 1, 130, 0, 2})
    frames.push_back({uint8_t(0xc0 + frames.size()), Octets(size, 7)});
  Octets stream;
  for (const Frame& frame : frames) append(stream, encoded(frame));
  for (const Flow special : {Flow::pause, Flow::hold, Flow::end}) {
    for (size_t where = 0; where < frames.size(); where++) {
      for (size_t size = 1; size <= stream.size(); size++) {
        Input input;
        bool isDone = false;
        Taker taker{[&](size_t index) {
          if (index != where || isDone) return Flow::next;
          isDone = true;
          return special;
        }};
        for (size_t at = 0; at < stream.size() && !input.ended(); at += size) {
          input.feed(Exact(Bytes(stream).subspan(at, std::min(size, stream.size() - at))), FrameRules(), taker);
        }
        if (special == Flow::end) {
          CHECK(input.ended());
          CHECK_EQ(taker.taken.size(), where + 1);
          continue;
        }
        CHECK(input.paused());
        CHECK_EQ(taker.taken.size(), special == Flow::pause ? where + 1 : where);
        CHECK_EQ(input.resume(FrameRules(), taker), Reason::success);
        CHECK(!input.paused());
        CHECK(taker.taken == frames);
        CHECK_EQ(input.heldBytes(), 0);
      }
    }
  }
}

TEST("input: a length of five bytes is malformed, however it arrives") {
  const Octets stream = fromHex("c000 3080808080 01");
  for (size_t size = 1; size <= stream.size(); size++) {
    Input input;
    Taker taker{[](size_t) { return Flow::next; }};
    Reason reason = Reason::success;
    for (size_t at = 0; at < stream.size() && !input.ended(); at += size) {
      reason = input.feed(Exact(Bytes(stream).subspan(at, std::min(size, stream.size() - at))), FrameRules(), taker);
    }
    CHECK_EQ(reason, Reason::malformedPacket);
    CHECK(input.ended());
    CHECK_EQ(taker.taken.size(), 1);
  }
}

TEST("input: a length with more bytes than needed is malformed where the rules say so") {
  const Octets stream = fromHex("c08000 c000");
  for (const bool isStrict : {false, true}) {
    for (size_t size = 1; size <= stream.size(); size++) {
      Input input;
      Taker taker{[](size_t) { return Flow::next; }};
      Reason reason = Reason::success;
      for (size_t at = 0; at < stream.size() && !input.ended(); at += size) {
        const Exact chunk(Bytes(stream).subspan(at, std::min(size, stream.size() - at)));
        reason = input.feed(chunk, FrameRules{varintMax, isStrict}, taker);
      }
      CHECK_EQ(reason, isStrict ? Reason::malformedPacket : Reason::success);
      CHECK_EQ(taker.taken.size(), isStrict ? 0 : 2);
    }
  }
}

TEST("input: a type of packet that may not come is refused at its first byte") {
  const uint16_t pingsOnly = typeBit(PacketType::pingreq);
  for (const auto& [hex, types, expected] : {std::tuple{"c000 0a", anyTypeButReserved, Reason::malformedPacket},
                                             std::tuple{"c000 20", pingsOnly, Reason::protocolError},
                                             std::tuple{"c000 0a", pingsOnly, Reason::malformedPacket}}) {
    const Octets stream = fromHex(hex);
    for (size_t size = 1; size <= stream.size(); size++) {
      Input input;
      Taker taker{[](size_t) { return Flow::next; }};
      Reason reason = Reason::success;
      for (size_t at = 0; at < stream.size() && !input.ended(); at += size) {
        const Exact chunk(Bytes(stream).subspan(at, std::min(size, stream.size() - at)));
        reason = input.feed(chunk, FrameRules{.types = types}, taker);
      }
      CHECK_EQ(reason, expected);
      CHECK_EQ(taker.taken.size(), 1);
    }
  }
}

TEST("input: a frame over the limit is refused by its header alone, one at the limit is taken") {
  const FrameRules rules{1'000};
  for (const size_t frameBytes : std::vector<size_t>{999, 1'000, 1'001, 5'000}) {
    const Frame frame{0x30, Octets(frameBytes - 3, 1)};
    const Octets stream = encoded(frame);
    CHECK_EQ(stream.size(), frameBytes);
    for (const size_t size : std::vector<size_t>{1, 2, 3, 4, 999, 6'000}) {
      Input input;
      Taker taker{[](size_t) { return Flow::next; }};
      Reason reason = Reason::success;
      for (size_t at = 0; at < stream.size() && !input.ended(); at += size) {
        reason = input.feed(Exact(Bytes(stream).subspan(at, std::min(size, stream.size() - at))), rules, taker);
        if (frameBytes > 1'000 && at + size >= 3) CHECK_EQ(reason, Reason::packetTooLarge);
      }
      CHECK_EQ(reason, frameBytes > 1'000 ? Reason::packetTooLarge : Reason::success);
      CHECK_EQ(taker.taken.size(), frameBytes > 1'000 ? 0 : 1);
    }
  }
}

TEST("input: no memory is held between whole frames, and only the beginning of an incomplete one") {
  Input input;
  Taker taker{[](size_t) { return Flow::next; }};
  input.feed(fromHex("c000 3005 000161"), FrameRules(), taker);
  CHECK_EQ(input.heldBytes(), 5);
  input.feed(fromHex("7879 c000"), FrameRules(), taker);
  CHECK_EQ(input.heldBytes(), 0);
  CHECK_EQ(taker.taken.size(), 3);
}

TEST("input: random streams, chunks, pauses and holds against parsing the whole at once") {
  check::eachSeed(3'000, [](check::Random& random) {
    const FrameRules rules{random.chance(50) ? 400 : varintMax, random.chance(50)};
    Octets stream;
    const size_t count = random.below(12);
    for (size_t i = 0; i < count; i++) {
      if (random.chance(4)) append(stream, random.bytes(random.below(10)));
      else if (random.chance(4)) append(stream, fromHex("d08000"));
      else if (random.chance(4))
        append(stream, fromHex(random.chance(50) ? "108700 00044d515454 05" : "108700 00044d515454 04"));
      else
        append(stream, encoded({random.byte(), random.bytes(random.chance(20) ? random.below(500) : random.below(6))}));
    }
    if (random.chance(30) && !stream.empty()) stream.resize(random.below(stream.size()));
    const Parsed expected = parseAtOnce(stream, rules);

    Input input;
    Taker taker{[&](size_t) { return random.chance(70) ? Flow::next : random.chance(50) ? Flow::pause : Flow::hold; }};
    Reason reason = Reason::success;
    const auto resume = [&] {
      if (input.paused() && !input.ended()) reason = input.resume(rules, taker);
    };
    for (size_t at = 0; at < stream.size() && !input.ended();) {
      const size_t size = std::min(stream.size() - at,
                                   random.chance(50) ? random.between(1, 5) : random.between(1, 200));
      reason = input.feed(Exact(Bytes(stream).subspan(at, size)), rules, taker);
      at += size;
      if (random.chance(10) && !input.ended()) input.pause();
      while (random.chance(60) && input.paused() && !input.ended()) resume();
    }
    while (input.paused() && !input.ended()) resume();
    CHECK_EQ(reason, expected.reason);
    CHECK_EQ(input.ended(), expected.reason != Reason::success);
    CHECK(taker.taken == expected.frames);
  });
}

TEST("input: nothing comes out any more once the stream has ended") {
  const FrameRules rules{.bytesMax = 100};
  for (const bool isError : {false, true}) {
    Input input;
    int frames = 0;
    const auto sink = [&](uint8_t, Bytes) {
      frames++;
      return Flow::end;
    };
    const Octets first = isError ? Octets{0x30, 0xff, 0xff, 0xff, 0xff} : Octets{0xc0, 0};
    const Reason reason = input.feed(Exact(first), rules, sink);
    CHECK(input.ended());
    const int before = frames;
    const Octets more = {0xc0, 0, 0xc0, 0};
    CHECK_EQ(input.feed(Exact(more), rules, sink), reason);
    CHECK_EQ(input.resume(rules, sink), reason);
    CHECK_EQ(frames, before);
    CHECK_EQ(input.heldBytes(), 0);
  }
}

TEST("input: a pause after each of many small frames costs as much as the frames, not their square") {
  // 524,288 frames: what is held was once moved to the front after each, 270 GB in all.
  Octets stream;
  for (size_t i = 0; i < 1 << 19; i++) append(stream, Octets{0xc0, 0});
  const auto timeOf = [&](Flow flow) {
    const std::clock_t start = std::clock();  // of the processor: whoever else it works for does not count
    Input input;
    size_t frames = 0;
    const auto sink = [&](uint8_t, Bytes) {
      frames++;
      return flow;
    };
    input.pause();
    input.feed(stream, FrameRules(), sink);
    for (size_t left = stream.size(); input.heldBytes() > 0;) {
      input.resume(FrameRules(), sink);
      if (!CHECK(input.heldBytes() < left)) break;
      left = input.heldBytes();
    }
    CHECK_EQ(frames, stream.size() / 2);
    return std::clock() - start;
  };
  CHECK(timeOf(Flow::pause) < 50 * timeOf(Flow::next));
}
