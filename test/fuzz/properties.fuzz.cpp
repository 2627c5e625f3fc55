// The properties of PUBLISH (native/wire/publish.h) and of acknowledgements (native/wire/acknowledgement.h) against a
// table of section 2.2.2.2.
#include "fuzz.h"

#include <map>
#include <set>

#include "../../native/wire/acknowledgement.h"

using namespace rally;

namespace {

enum class Type : uint8_t { byte, two, four, text, binary, pair };
const std::map<uint8_t, Type> ofPublish = {{0x01, Type::byte}, {0x02, Type::four},   {0x03, Type::text},
                                           {0x08, Type::text}, {0x09, Type::binary}, {0x23, Type::two},
                                           {0x26, Type::pair}};
const std::map<uint8_t, Type> ofAcknowledgement = {{0x1f, Type::text}, {0x26, Type::pair}};

// Reads one value off the front; false when it is cut off or not UTF-8 where it has to be.
bool takeValue(Bytes& from, Type type) {
  const auto takePrefixed = [&](bool isText) {
    if (from.size() < 2) return false;
    const size_t size = size_t(from[0]) * 256 + from[1];
    if (from.size() < size + 2) return false;
    const Bytes value = from.subspan(2, size);
    from = from.subspan(2 + size);
    return !isText || isUtf8(value);
  };
  const size_t fixed = type == Type::byte ? 1 : type == Type::two ? 2 : type == Type::four ? 4 : 0;
  if (fixed > 0) {
    if (from.size() < fixed) return false;
    from = from.subspan(fixed);
    return true;
  }
  if (type == Type::pair) return takePrefixed(true) && takePrefixed(true);
  return takePrefixed(type == Type::text);
}

// Whether these properties may come, all rules together.
bool areRight(Bytes properties, const std::map<uint8_t, Type>& table) {
  std::set<uint8_t> seen;
  while (!properties.empty()) {
    const uint8_t identifier = properties[0];
    if (!table.contains(identifier) || (!seen.insert(identifier).second && identifier != 0x26)) return false;
    properties = properties.subspan(1);
    const Bytes start = properties;
    if (!takeValue(properties, table.at(identifier))) return false;
    const Bytes value = start.first(start.size() - properties.size());
    const bool isTopic = identifier == 0x08;
    if (identifier == 0x01 && value[0] > 1) return false;
    if (identifier == 0x23 && value[0] == 0 && value[1] == 0) return false;
    if (isTopic && (value.size() == 2 || hasWildcard(value.subspan(2)))) return false;
  }
  return true;
}

Octets prefixedByLength(Bytes bytes) {
  Octets out;
  writeVarint(out, uint32_t(bytes.size()));
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

}  // namespace

FUZZ("properties") {
  const bool isOfPublish = input.chance(70);
  const Octets properties = octetsOf(input.rest());
  const Exact whole(prefixedByLength(properties));
  Reader reader(whole);
  if (isOfPublish) {
    Publish publish;
    const Reason reason = readPublishProperties(reader, publish);
    CHECK_EQ(reason == Reason::success, areRight(properties, ofPublish));
    CHECK(reason == Reason::success || isError(reason));
    CHECK(isSame(publish.properties, properties));
  } else {
    const Reason reason = readAcknowledgementProperties(reader);
    CHECK_EQ(reason == Reason::success, areRight(properties, ofAcknowledgement));
    CHECK(reason == Reason::success || isError(reason));
  }
}
