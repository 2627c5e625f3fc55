// Keys that clients share with the broker instead of certificates (TLS-PSK, RFC 4279 and RFC 8446 2.2), by the
// identity that a client gives. Immutable; a reload makes new ones.
#pragma once
#include <openssl/crypto.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../assert.h"
#include "../structures/bytes.h"

namespace rally {

struct PreSharedKey {
  std::string identity;
  std::vector<uint8_t> key;
};

class PreSharedKeys {
 public:
  // OpenSSL has room for no more.
  static constexpr size_t keyBytesMax = 256;

  explicit PreSharedKeys(const std::vector<PreSharedKey>& keys) {
    for (const PreSharedKey& each : keys) {
      RALLY_ASSERT(!each.identity.empty() && !each.key.empty() && each.key.size() <= keyBytesMax);
      byIdentity_[each.identity] = each.key;
    }
  }
  ~PreSharedKeys() {
    for (auto& [identity, key] : byIdentity_) OPENSSL_cleanse(key.data(), key.size());
  }
  PreSharedKeys(const PreSharedKeys&) = delete;
  PreSharedKeys& operator=(const PreSharedKeys&) = delete;

  bool isEmpty() const { return byIdentity_.empty(); }

  // Empty: the identity is unknown.
  Bytes find(std::string_view identity) const {
    const auto found = byIdentity_.find(std::string(identity));
    return found == byIdentity_.end() ? Bytes() : Bytes(found->second);
  }

 private:
  std::unordered_map<std::string, std::vector<uint8_t>> byIdentity_;
};

}  // namespace rally
