// A client's identity for the rules: facts that the control plane has verified, and the client's own rules.
//
//   [ flags 1 | user name | client identifier | roles: count 2, each | claims: count 2, each name and value ]
//   with rules of its own: in the form of rule-set.h
//   with a prefix: prepended to its topics; the rules apply to the part after it
//
// Texts have a length of two bytes in front, as in MQTT. Written by core/security/access.ts. Immutable: a pending will
// shares it with the session.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rule-set.h"

namespace rally {

struct Access {
  bool hasUserName = false;
  PlaceholderValue userName;
  PlaceholderValue clientId;
  std::vector<std::string> roles;  // by name, beside those that the rules give the user
  std::vector<std::pair<std::string, PlaceholderValue>> claims;
  std::shared_ptr<const RuleSet> own;
  std::string topicPrefix;

  PlaceholderValues values() const { return {hasUserName ? &userName : nullptr, &clientId, &claims}; }

  bool operator==(const Access& other) const {
    return hasUserName == other.hasUserName && userName == other.userName && clientId == other.clientId &&
           roles == other.roles && claims == other.claims && topicPrefix == other.topicPrefix && !own && !other.own;
  }
};

inline std::string toString(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

namespace detail {
constexpr uint8_t hasUserNameFlag = 1, hasOwnRulesFlag = 2, hasPrefixFlag = 4;
}

// nullptr: the bytes are not of an Access.
inline std::shared_ptr<const Access> parseAccess(Reader& reader) {
  auto access = std::make_shared<Access>();
  const uint8_t flags = reader.u8();
  access->hasUserName = (flags & detail::hasUserNameFlag) != 0;
  access->userName = PlaceholderValue(toString(reader.prefixed()));
  access->clientId = PlaceholderValue(toString(reader.prefixed()));
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--)
    access->roles.push_back(toString(reader.prefixed()));
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--) {
    std::string name = toString(reader.prefixed());
    access->claims.emplace_back(std::move(name), PlaceholderValue(toString(reader.prefixed())));
  }
  if ((flags & detail::hasOwnRulesFlag) != 0) {
    auto own = std::make_shared<RuleSet>();
    if (!own->read(reader)) return nullptr;
    access->own = std::move(own);
  }
  if ((flags & detail::hasPrefixFlag) != 0) access->topicPrefix = toString(reader.prefixed());
  return reader.ok() ? access : nullptr;
}

inline std::shared_ptr<const Access> readAccess(Reader& reader) {
  std::shared_ptr<const Access> access = parseAccess(reader);
  RALLY_ASSERT(access);
  return access;
}

// What parseAccess() reads.
inline std::vector<uint8_t> encodeAccess(const Access& access) {
  std::vector<uint8_t> bytes;
  const auto number = [&](size_t value, unsigned size) {
    for (; size > 0; size--) bytes.push_back(uint8_t(value >> 8 * (size - 1)));
  };
  const auto text = [&](Bytes each) {
    number(each.size(), 2);
    bytes.insert(bytes.end(), each.begin(), each.end());
  };
  const auto rules = [&](const RuleTree& tree, uint8_t direction, uint32_t& count) {
    tree.eachRule([&](Bytes filter, RuleBits bits) {
      for (; bits != 0; bits = RuleBits(bits & (bits - 1)), count++) {
        number(decidingBit(bits), 1);
        number(direction, 1);
        text(filter);
      }
    });
  };
  number((access.hasUserName ? detail::hasUserNameFlag : 0) | (access.own ? detail::hasOwnRulesFlag : 0) |
             (access.topicPrefix.empty() ? 0 : detail::hasPrefixFlag),
         1);
  text(access.userName.bytes());
  text(access.clientId.bytes());
  number(access.roles.size(), 2);
  for (const std::string& role : access.roles) text(bytesOfText(role));
  number(access.claims.size(), 2);
  for (const auto& [name, value] : access.claims) {
    text(bytesOfText(name));
    text(value.bytes());
  }
  if (access.own) {
    const size_t at = bytes.size();
    number(0, 4);
    uint32_t count = 0;
    rules(access.own->publish, 0, count);
    rules(access.own->receive, 1, count);
    for (unsigned i = 0; i < 4; i++) bytes[at + i] = uint8_t(count >> 8 * (3 - i));
  }
  if (!access.topicPrefix.empty()) text(bytesOfText(access.topicPrefix));
  return bytes;
}

}  // namespace rally
