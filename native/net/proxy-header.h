// The header of the PROXY protocol, versions 1 and 2, which a proxy puts before a client's stream to convey the
// client's address. No other protocol here begins like that.
//
//   1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF
//   2   signature (12) | version, command | family | length (2) | source, destination, ports | more
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "../structures/bytes.h"
#include "http-text.h"
#include "networks.h"

namespace rally {

class ProxyHeader {
 public:
  enum class State : uint8_t { none, incomplete, complete, malformed };

  State state = State::none;
  size_t bytes = 0;                   // when it is complete
  std::optional<IpAddress> client{};  // none: the proxy speaks for itself, or does not know the client

  // Longer headers are malformed: version 2 may have a few hundred bytes after the addresses.
  static constexpr size_t bytesMax = 2'048;

  // Parses the first bytes of a stream.
  static ProxyHeader read(Bytes stream) {
    const std::string_view text = asText(stream);
    if (beginsAlike(text, textStart)) return readText(text);
    if (beginsAlike(text, signature)) return readBinary(stream);
    return {};
  }

 private:
  static constexpr std::string_view textStart = "PROXY ";
  static constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};
  static constexpr size_t textBytesMax = 107;
  static constexpr size_t binaryHeadBytes = 16;

  static bool beginsAlike(std::string_view text, std::string_view start) {
    return !text.empty() && start.starts_with(text.substr(0, start.size()));
  }
  static ProxyHeader malformed() { return {State::malformed}; }
  static ProxyHeader incomplete(size_t had, size_t max) {
    return had < max ? ProxyHeader{State::incomplete} : malformed();
  }

  static ProxyHeader readText(std::string_view text) {
    const size_t end = text.substr(0, textBytesMax).find("\r\n");
    if (end == std::string_view::npos) return incomplete(text.size(), textBytesMax);
    std::array<std::string_view, 6> words{};
    size_t count = 0;
    std::string_view line = text.substr(0, end);
    const size_t bytes = end + 2;
    while (true) {
      const size_t space = line.find(' ');
      const std::string_view word = line.substr(0, space);
      if (count == 2 && words[1] == "UNKNOWN") return {State::complete, bytes};  // the rest is meaningless
      if (count == words.size() || word.empty()) return malformed();
      words[count++] = word;
      if (space == std::string_view::npos) break;
      line.remove_prefix(space + 1);
    }
    if (count == 2 && words[1] == "UNKNOWN") return {State::complete, bytes};
    const bool isV4 = words[1] == "TCP4";
    const std::optional<IpAddress> source = IpAddress::parse(words[2]);
    const std::optional<IpAddress> destination = IpAddress::parse(words[3]);
    const bool isRight = count == words.size() && (isV4 || words[1] == "TCP6") && source && destination &&
                         isForm(words[2], isV4) && isForm(words[3], isV4) && isPort(words[4]) && isPort(words[5]);
    return isRight ? ProxyHeader{State::complete, bytes, source} : malformed();
  }

  static bool isForm(std::string_view text, bool isV4) { return isV4 == (text.find(':') == std::string_view::npos); }

  static bool isPort(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool hasZero = text.size() > 1 && text[0] == '0';
    return error == std::errc() && end == text.data() + text.size() && port <= 65'535 && !hasZero;
  }

  static ProxyHeader readBinary(Bytes stream) {
    if (stream.size() < binaryHeadBytes) return {State::incomplete};
    constexpr uint8_t version2 = 0x20;
    constexpr uint8_t local = 0;
    constexpr uint8_t proxied = 1;
    const uint8_t command = stream[12] & 0x0f;
    const size_t bytes = binaryHeadBytes + (size_t(stream[14]) << 8 | stream[15]);
    if ((stream[12] & 0xf0) != version2 || command > proxied || bytes > bytesMax) return malformed();
    if (stream.size() < bytes) return {State::incomplete};
    if (command == local) return {State::complete, bytes};
    const uint8_t family = stream[13] >> 4;
    const size_t addressBytes = family == 1 ? 4 : family == 2 ? 16 : 0;
    if (addressBytes == 0) return {State::complete, bytes};  // unknown, or a Unix socket
    if (bytes < binaryHeadBytes + 2 * addressBytes + 4) return malformed();
    const uint8_t* source = stream.data() + binaryHeadBytes;
    return {State::complete, bytes, family == 1 ? IpAddress::ofV4(source) : IpAddress::ofV6(source)};
  }
};

}  // namespace rally
