// Who a client is to the rules: what the control plane has verified of it, and the rules that it brings itself.
//
//   [ flags 1 | user name | client identifier | roles: count 2, each | claims: count 2, each name and value ]
//   with rules of its own: as rule-set.h has them
//   with a prefix: it goes before its topics, and the rules are about what stands behind it
//
// Texts have their length in front, in two bytes, as in MQTT. Written by core/security/access.ts. Never changed once it
// is made: a will that has not gone out yet shares it with the session.
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

inline std::shared_ptr<const Access> readAccess(Reader& reader) {
  constexpr uint8_t hasUserName = 1, hasOwnRules = 2, hasPrefix = 4;
  auto access = std::make_shared<Access>();
  const uint8_t flags = reader.u8();
  access->hasUserName = (flags & hasUserName) != 0;
  access->userName = PlaceholderValue(toString(reader.prefixed()));
  access->clientId = PlaceholderValue(toString(reader.prefixed()));
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--)
    access->roles.push_back(toString(reader.prefixed()));
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--) {
    std::string name = toString(reader.prefixed());
    access->claims.emplace_back(std::move(name), PlaceholderValue(toString(reader.prefixed())));
  }
  if ((flags & hasOwnRules) != 0) {
    auto own = std::make_shared<RuleSet>();
    own->read(reader);
    access->own = std::move(own);
  }
  if ((flags & hasPrefix) != 0) access->topicPrefix = toString(reader.prefixed());
  RALLY_ASSERT(reader.ok());
  return access;
}

}  // namespace rally
