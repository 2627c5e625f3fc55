// native/net/websocket.h: a client's frames give the same stream however it is cut into chunks.
#include "check.h"
#include "octets.h"

#include "../../native/net/websocket.h"

using namespace rally;

namespace {

struct ControlSeen {
  WebSocketOpcode opcode;
  Octets payload;
  bool operator==(const ControlSeen&) const = default;
};

struct Seen {
  Octets payload;
  std::vector<ControlSeen> controls;
  WebSocketClose close = WebSocketClose::none;
  bool isFromClient = false;
};

void appendFrame(Octets& stream, bool isFinal, WebSocketOpcode opcode, Bytes payload, uint32_t mask) {
  stream.push_back(uint8_t((isFinal ? 0x80 : 0) | uint8_t(opcode)));
  const size_t size = payload.size();
  const size_t lengthBytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
  stream.push_back(uint8_t(0x80 | (lengthBytes == 0 ? size : lengthBytes == 2 ? 126 : 127)));
  for (size_t i = lengthBytes; i > 0; i--) stream.push_back(uint8_t(size >> 8 * (i - 1)));
  for (size_t i = 0; i < 4; i++) stream.push_back(uint8_t(mask >> 8 * i));
  for (size_t i = 0; i < size; i++) stream.push_back(payload[i] ^ uint8_t(mask >> 8 * (i % 4)));
}

size_t randomSize(check::Random& random) {
  switch (random.below(8)) {
    case 0: return 0;
    case 1: return 126 + random.below(3);
    case 2: return random.below(70'000);
    default: return random.below(126);
  }
}

// Messages in fragments, with Pings and Pongs between them; what must come out is in `expected`.
Octets randomStream(check::Random& random, Seen& expected) {
  Octets stream;
  const size_t messages = 1 + random.below(6);
  for (size_t message = 0; message < messages; message++) {
    const size_t fragments = 1 + random.below(3);
    for (size_t fragment = 0; fragment < fragments; fragment++) {
      const Octets payload = random.bytes(randomSize(random));
      const WebSocketOpcode opcode = fragment == 0 ? WebSocketOpcode::binary : WebSocketOpcode::continuation;
      appendFrame(stream, fragment + 1 == fragments, opcode, payload, uint32_t(random.next()));
      expected.payload.insert(expected.payload.end(), payload.begin(), payload.end());
      if (random.below(3) != 0) continue;
      const WebSocketOpcode control = random.below(2) == 0 ? WebSocketOpcode::ping : WebSocketOpcode::pong;
      const Octets controlPayload = random.bytes(random.below(126));
      appendFrame(stream, true, control, controlPayload, uint32_t(random.next()));
      expected.controls.push_back({control, controlPayload});
    }
  }
  return stream;
}

// `nextSize()`: of the next chunk.
template <class NextSize>
Seen readInChunks(const Octets& stream, NextSize&& nextSize) {
  WebSocketReader reader;
  Seen seen;
  for (size_t at = 0; at < stream.size() && seen.close == WebSocketClose::none;) {
    const size_t size = std::min<size_t>(nextSize(), stream.size() - at);
    Octets chunk(stream.begin() + std::ptrdiff_t(at), stream.begin() + std::ptrdiff_t(at + size));
    const WebSocketReader::Result result = reader.read(chunk, [&](WebSocketOpcode opcode, Bytes payload) {
      seen.controls.push_back({opcode, Octets(payload.begin(), payload.end())});
    });
    seen.payload.insert(seen.payload.end(), chunk.begin(), chunk.begin() + std::ptrdiff_t(result.payloadBytes));
    seen.close = result.close;
    seen.isFromClient = result.isFromClient;
    at += size;
  }
  return seen;
}

WebSocketClose closeAfter(std::initializer_list<Octets> frames) {
  Octets stream;
  for (const Octets& frame : frames) stream.insert(stream.end(), frame.begin(), frame.end());
  return readInChunks(stream, [] { return size_t(1); }).close;
}

Octets frame(bool isFinal, WebSocketOpcode opcode, const Octets& payload = {}) {
  Octets stream;
  appendFrame(stream, isFinal, opcode, payload, 0x12345678);
  return stream;
}

}  // namespace

TEST("websocket: any frames, cut anywhere, give their payload and their control frames") {
  check::eachSeed(60, [](check::Random& random) {
    Seen expected;
    const Octets stream = randomStream(random, expected);
    const size_t largest = size_t(1) << random.below(18);
    const Seen seen = readInChunks(stream, [&] { return 1 + random.below(largest); });
    CHECK(seen.payload == expected.payload);
    CHECK(seen.controls == expected.controls);
    CHECK_EQ(seen.close, WebSocketClose::none);
  });
}

TEST("websocket: a Close frame ends the stream, and what comes before it counts") {
  Octets stream = frame(true, WebSocketOpcode::binary, {1, 2, 3});
  const Octets close = frame(true, WebSocketOpcode::close, {0x03, 0xe9});
  stream.insert(stream.end(), close.begin(), close.end());
  for (const size_t size : {size_t(1), size_t(1'000)}) {
    const Seen seen = readInChunks(stream, [&] { return size; });
    CHECK(seen.payload == (Octets{1, 2, 3}));
    CHECK_EQ(unsigned(seen.close), 1001);
    CHECK(seen.isFromClient);
  }
}

TEST("websocket: what RFC 6455 forbids closes with 1002, text with 1003") {
  using Opcode = WebSocketOpcode;
  const auto protocolError = WebSocketClose::protocolError;
  CHECK_EQ(closeAfter({frame(true, Opcode::text, {'a'})}), WebSocketClose::unsupportedData);
  CHECK_EQ(closeAfter({frame(false, Opcode::binary), frame(true, Opcode::text)}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode::continuation)}), protocolError);
  CHECK_EQ(closeAfter({frame(false, Opcode::binary), frame(true, Opcode::binary)}), protocolError);
  CHECK_EQ(closeAfter({frame(false, Opcode::ping)}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode::ping, Octets(126))}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode(3))}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode(11))}), protocolError);
  CHECK_EQ(closeAfter({{0xc2, 0x80, 0, 0, 0, 0}}), protocolError);          // a reserved bit
  CHECK_EQ(closeAfter({{0x82, 0x00, 0, 0, 0, 0}}), protocolError);          // no mask
  CHECK_EQ(closeAfter({{0x82, 0xfe, 0, 125, 0, 0, 0, 0}}), protocolError);  // a length with more bytes than needed
  CHECK_EQ(closeAfter({{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}}), protocolError);
  CHECK_EQ(closeAfter({{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}), protocolError);  // the highest bit
  CHECK_EQ(closeAfter({frame(true, Opcode::close, {3})}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode::close, Octets(126))}), protocolError);
  CHECK_EQ(closeAfter({frame(false, Opcode::close, {0x03, 0xe8})}), protocolError);
  CHECK_EQ(closeAfter({frame(true, Opcode::close)}), WebSocketClose::normal);
}

TEST("websocket: a Close frame is answered with its code, or 1002, or 1007 if its reason is no text") {
  const auto answerTo = [](unsigned code, const Octets& reason) {
    Octets payload{uint8_t(code >> 8), uint8_t(code)};
    payload.insert(payload.end(), reason.begin(), reason.end());
    return unsigned(closeAfter({frame(true, WebSocketOpcode::close, payload)}));
  };
  for (unsigned code = 0; code <= UINT16_MAX; code++) {
    const bool isRegistered = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);  // 7.4.1 and IANA
    const bool isOwn = code >= 3000 && code <= 4999;                                             // 7.4.2
    CHECK_EQ(answerTo(code, {}), isRegistered || isOwn ? code : 1002);
  }
  CHECK_EQ(answerTo(1000, {'b', 'y', 'e', 0, 0xe2, 0x82, 0xac}), 1000);
  CHECK_EQ(answerTo(4000, Octets(123, 'x')), 4000);
  for (const Octets& reason : std::vector<Octets>{
           {0xff}, {'a', 0x80}, {0xc0, 0x80}, {0xed, 0xa0, 0x80}, {0xf4, 0x90, 0x80, 0x80}, {0, 0xe2, 0x82}}) {
    CHECK_EQ(answerTo(1000, reason), 1007);
    CHECK_EQ(answerTo(999, reason), 1002);
  }
}

TEST("websocket: a frame that may not begin so is refused at its first two bytes") {
  for (const Octets& bytes :
       std::vector<Octets>{{0x82, 2}, {0xc2, 0x82}, {0x83, 0x80}, {0x80, 0x80}, {0x89, 0xfe}, {0x09, 0x80}}) {
    CHECK_EQ(closeAfter({bytes}), WebSocketClose::protocolError);
    CHECK_EQ(closeAfter({{bytes[0]}, {bytes[1]}}), WebSocketClose::protocolError);
  }
  CHECK_EQ(closeAfter({{0x81, 0x80}}), WebSocketClose::unsupportedData);
  CHECK_EQ(closeAfter({{0x02}, {0x80}, {0, 0, 0}, {0}}), WebSocketClose::none);  // and is looked at once
}

TEST("websocket: heads of all three sizes") {
  WebSocketHead head{};
  CHECK_EQ(writeWebSocketHead(head, WebSocketOpcode::binary, 125), 2);
  CHECK(head[0] == 0x82 && head[1] == 125);
  CHECK_EQ(writeWebSocketHead(head, WebSocketOpcode::binary, 126), 4);
  CHECK(head[1] == 126 && head[2] == 0 && head[3] == 126);
  CHECK_EQ(writeWebSocketHead(head, WebSocketOpcode::close, 65'536), 10);
  CHECK(head[0] == 0x88 && head[1] == 127 && head[7] == 1 && head[8] == 0);
}
