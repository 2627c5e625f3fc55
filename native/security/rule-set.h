// The rules of one role, or a client's own: what it may publish to, and what it may receive.
//
//   [ count 4 | rule, rule ... ]     rule: [ bit 1 (RuleBits) | 0: publish, 1: subscribe 1 | length 2, filter ]
//
// Written by core/security/encode-rules.ts. Filters are those of MQTT, with the placeholders of placeholders.h.
#pragma once
#include "../assert.h"
#include "../wire/reader.h"
#include "rule-tree.h"

namespace rally {

struct RuleSet {
  RuleTree publish{randomSeed()};
  RuleTree receive{randomSeed()};

  // False: the bytes are not rules.
  [[nodiscard]] bool read(Reader& reader) {
    for (uint32_t left = reader.u32(); left > 0 && reader.ok(); left--) {
      const RuleBits bit = reader.u8();
      const bool isPublish = reader.u8() == 0;
      const Bytes filter = reader.prefixed();
      const bool isOne = bit != 0 && decidingBit(bit) == bit && (bit & (denyBits | allowBits)) == bit;
      if (!reader.ok() || filter.empty() || !isOne) return false;
      (isPublish ? publish : receive).add(filter, bit);
    }
    return reader.ok();
  }
};

}  // namespace rally
