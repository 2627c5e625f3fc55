// The user property `traceparent` of a PUBLISH (W3C Trace Context, and its mapping to MQTT):
//
//   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01     version, trace, parent span, flags: 1: it is sampled
#pragma once
#include <array>
#include <string_view>

#include "publish.h"

namespace rally {

struct TraceParent {
  std::array<uint8_t, 16> traceId{};
  std::array<uint8_t, 8> span{};
  bool isSampled = false;
};

// The value of the first user property with this name; empty: there is none. The properties have been validated.
inline Bytes userProperty(Bytes properties, std::string_view name) {
  Reader reader(properties);
  while (reader.remaining() > 0) {
    switch (Property(reader.varint())) {
      case Property::payloadFormatIndicator: reader.u8(); break;
      case Property::messageExpiryInterval: reader.u32(); break;
      case Property::topicAlias: reader.u16(); break;
      case Property::userProperty: {
        const bool isIt = areEqual(reader.prefixed(), bytesOfText(name));
        const Bytes value = reader.prefixed();
        if (isIt && reader.ok()) return value;
        break;
      }
      default: reader.prefixed();
    }
    if (!reader.ok()) return {};
  }
  return {};
}

namespace detail {

// False: not bytes in lower-case hexadecimal, or all of them 0, which is not a valid identifier.
template <size_t Size>
bool readIdentifier(Bytes hex, std::array<uint8_t, Size>& identifier) {
  uint8_t any = 0;
  for (size_t i = 0; i < 2 * Size; i++) {
    const uint8_t digit = hex[i];
    const int value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
    if (value < 0) return false;
    identifier[i / 2] = uint8_t(identifier[i / 2] << 4 | value);
    any |= uint8_t(value);
  }
  return any != 0;
}

}  // namespace detail

// False: there is none, or it is invalid.
inline bool readTraceParent(Bytes text, TraceParent& parent) {
  constexpr size_t size = 55;
  std::array<uint8_t, 1> version{};
  std::array<uint8_t, 1> flags{};
  if (text.size() < size || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  detail::readIdentifier(text, version);
  const bool isFirstVersion = text[0] == '0' && text[1] == '0';
  if (!isFirstVersion && (version[0] == 0 || version[0] == 0xff)) return false;
  if (text.size() > size && (isFirstVersion || text[size] != '-')) return false;
  const bool isGood = detail::readIdentifier(text.subspan(3), parent.traceId) &&
                      detail::readIdentifier(text.subspan(36), parent.span);
  detail::readIdentifier(text.subspan(53), flags);
  const bool hasFlags = flags[0] != 0 || (text[53] == '0' && text[54] == '0');
  parent.isSampled = (flags[0] & 1) != 0;
  return isGood && hasFlags;
}

}  // namespace rally
