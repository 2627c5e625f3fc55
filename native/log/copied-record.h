// A record stored at a place other than where it was appended. Its body:
//
//   name u64 | kind u8 | version u8 | the record's own body
#pragma once
#include "encoding.h"
#include "position.h"
#include "record-kind.h"

namespace rally::log {

struct CopiedRecord {
  static constexpr size_t headBytes = 10;

  Position name;
  Kind kind{};
  uint8_t version = 0;
  Bytes body;

  void write(std::span<uint8_t> space) const {
    Encoder(space).number(name.value).number(uint8_t(kind)).number(version).bytes(body);
  }

  // False: not such a body.
  bool read(Bytes copied) {
    Decoder decoder(copied);
    name = {decoder.number<uint64_t>()};
    kind = Kind(decoder.number<uint8_t>());
    version = decoder.number<uint8_t>();
    if (!decoder.ok()) return false;
    body = copied.subspan(headBytes);
    return true;
  }
};

}  // namespace rally::log
