// native/net/websocket.h: any stream, cut anywhere, gives what reading RFC 6455 frame by frame gives.
#include "fuzz.h"

#include "../../native/net/websocket.h"
#include "../native/utf8-by-the-book.h"

using namespace rally;

namespace {

struct Seen {
  Octets payload;
  std::vector<std::pair<WebSocketOpcode, Octets>> controls;
  WebSocketClose close = WebSocketClose::none;
  bool isFromClient = false;
};

bool isDefinedCode(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

// The whole stream at once; of a frame that is cut off, what is there.
Seen readWhole(Bytes stream) {
  Seen seen;
  bool isInMessage = false;
  while (stream.size() >= 2) {
    const bool isFinal = stream[0] >> 7 != 0;
    const unsigned opcode = stream[0] & 15;
    const unsigned shortLength = stream[1] & 127;
    const bool isControl = opcode >= 8;
    const bool mayBegin = (stream[0] & 0x70) == 0 && stream[1] >> 7 != 0 &&
                          (isControl ? opcode <= 10 && isFinal && shortLength <= 125
                                     : opcode <= 2 && isInMessage == (opcode == 0));
    if (!mayBegin) seen.close = WebSocketClose::protocolError;
    else if (opcode == 1) seen.close = WebSocketClose::unsupportedData;
    if (seen.close != WebSocketClose::none) break;
    const size_t lengthBytes = shortLength == 127 ? 8 : shortLength == 126 ? 2 : 0;
    if (stream.size() < 6 + lengthBytes) break;
    uint64_t length = lengthBytes == 0 ? shortLength : 0;
    for (size_t i = 0; i < lengthBytes; i++) length = length << 8 | stream[2 + i];
    const bool isShortest = lengthBytes == 0 || length > (lengthBytes == 2 ? 125u : 65'535u);
    if (!isShortest || length >> 63 != 0) seen.close = WebSocketClose::protocolError;
    if (seen.close != WebSocketClose::none) break;
    if (!isControl) isInMessage = !isFinal;
    const Bytes mask = stream.subspan(2 + lengthBytes, 4);
    stream = stream.subspan(6 + lengthBytes);
    const size_t count = size_t(std::min<uint64_t>(length, stream.size()));
    Octets payload;
    for (size_t i = 0; i < count; i++) payload.push_back(stream[i] ^ mask[i % 4]);
    stream = stream.subspan(count);
    if (!isControl) seen.payload.insert(seen.payload.end(), payload.begin(), payload.end());
    if (count < length) break;
    if (opcode == 9 || opcode == 10) seen.controls.push_back({WebSocketOpcode(opcode), payload});
    if (opcode != 8) continue;
    const unsigned code = payload.size() < 2 ? 0 : payload[0] * 256u + payload[1];
    seen.isFromClient = true;
    seen.close = payload.empty()                                    ? WebSocketClose::normal
                 : !isDefinedCode(code)                             ? WebSocketClose::protocolError
                 : isUtf8ByTheBook(Bytes(payload).subspan(2), true) ? WebSocketClose(code)
                                                                    : WebSocketClose::invalidPayload;
    break;
  }
  return seen;
}

}  // namespace

FUZZ("websocket") {
  const Octets cuts = input.bytes(input.below(20));
  const Octets stream = octetsOf(input.rest());
  const Seen expected = readWhole(stream);
  WebSocketReader reader;
  Seen seen;
  size_t cut = 0;
  for (size_t at = 0; at < stream.size() && seen.close == WebSocketClose::none;) {
    const size_t size = std::min(stream.size() - at, cut < cuts.size() ? size_t(cuts[cut++]) % 40 + 1 : stream.size());
    const std::unique_ptr<uint8_t[]> chunk(new uint8_t[size]);
    std::copy_n(stream.begin() + std::ptrdiff_t(at), size, chunk.get());
    const auto result = reader.read({chunk.get(), size}, [&](WebSocketOpcode opcode, Bytes payload) {
      seen.controls.push_back({opcode, octetsOf(payload)});
    });
    CHECK(result.payloadBytes <= size);
    seen.payload.insert(seen.payload.end(), chunk.get(), chunk.get() + result.payloadBytes);
    seen.close = result.close;
    seen.isFromClient = result.isFromClient;
    at += size;
  }
  // A head that is wrong may be refused before all of it is there.
  const bool isEarly = expected.close == WebSocketClose::none && seen.close == WebSocketClose::protocolError;
  CHECK(isEarly || seen.close == expected.close);
  CHECK_EQ(seen.isFromClient, expected.isFromClient);
  CHECK(seen.controls == expected.controls);
  CHECK(seen.payload == expected.payload);

  WebSocketHead head;
  const size_t headBytes = writeWebSocketHead(head, WebSocketOpcode::binary, stream.size());
  CHECK(headBytes == (stream.size() < 126 ? 2 : stream.size() < 65'536 ? 4 : 10) && head[0] == 0x82);
}
