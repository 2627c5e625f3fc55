// IP addresses as text and as bytes, and networks (CIDR).
#pragma once
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rally {

// IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d), so that each address has a single form.
class IpAddress {
 public:
  // Only an address: no port, no brackets, no zone.
  static std::optional<IpAddress> parse(std::string_view text) {
    if (text.size() > textBytesMax) return std::nullopt;
    const std::string whole(text);
    std::array<uint8_t, 16> bytes{};
    if (inet_pton(AF_INET6, whole.c_str(), bytes.data()) == 1) return IpAddress(bytes);
    std::array<uint8_t, 4> v4{};
    if (inet_pton(AF_INET, whole.c_str(), v4.data()) == 1) return ofV4(v4.data());
    return std::nullopt;
  }
  static IpAddress ofV4(const uint8_t* bytes) {
    IpAddress address(v4Prefix);
    std::copy_n(bytes, 4, address.bytes_.begin() + 12);
    return address;
  }
  static IpAddress ofV6(const uint8_t* bytes) {
    std::array<uint8_t, 16> own{};
    std::copy_n(bytes, 16, own.begin());
    return IpAddress(own);
  }

  bool isV4() const { return std::equal(bytes_.begin(), bytes_.begin() + 12, v4Prefix.begin()); }

  std::string text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (isV4()) inet_ntop(AF_INET, bytes_.data() + 12, text.data(), text.size());
    else inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
    return text.data();
  }

  bool isIn(const IpAddress& network, unsigned prefixBits) const {
    const unsigned bytes = prefixBits / 8;
    if (!std::equal(bytes_.begin(), bytes_.begin() + bytes, network.bytes_.begin())) return false;
    const auto mask = uint8_t(0xff00u >> prefixBits % 8);
    return prefixBits % 8 == 0 || ((bytes_[bytes] ^ network.bytes_[bytes]) & mask) == 0;
  }

 private:
  static constexpr size_t textBytesMax = 45;
  static constexpr std::array<uint8_t, 16> v4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

  explicit IpAddress(const std::array<uint8_t, 16>& bytes) : bytes_(bytes) {}

  std::array<uint8_t, 16> bytes_;
};

class Networks {
 public:
  // "10.0.0.0/8", "::1". False: not a network.
  bool add(std::string_view text) {
    const size_t slash = text.find('/');
    const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
    if (!address) return false;
    const bool isV6Text = text.find(':') != std::string_view::npos;
    unsigned bits = isV6Text ? 128 : 32;
    if (slash != std::string_view::npos) {
      const unsigned bitsMax = bits;
      const std::string_view number = text.substr(slash + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
      if (error != std::errc() || end != number.data() + number.size() || bits > bitsMax) return false;
    }
    networks_.push_back({*address, isV6Text ? bits : bits + 96});
    return true;
  }

  bool isEmpty() const { return networks_.empty(); }

  bool contains(const IpAddress& address) const {
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Network& network) { return address.isIn(network.address, network.prefixBits); });
  }
  bool contains(std::string_view text) const {
    if (isEmpty()) return false;
    const std::optional<IpAddress> address = IpAddress::parse(text);
    return address && contains(*address);
  }

 private:
  struct Network {
    IpAddress address;
    unsigned prefixBits;
  };
  std::vector<Network> networks_;
};

}  // namespace rally
