// The client of a request that a proxy has forwarded: `X-Forwarded-For`, or `Forwarded` (RFC 7239). A client may write
// anything into them, and each proxy appends an address on the right. So the rightmost address that does not belong to
// a trusted proxy is believed, and everything to its left is ignored.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "http-head.h"
#include "networks.h"

namespace rally {

class Forwarded {
 public:
  // `peer`: a trusted proxy. Its own address is returned if there is no field, or if the two fields disagree: then the
  // client has written one of them.
  static std::string clientOf(const HttpRequest& request, const std::string& peer, const Networks& trusted) {
    const std::optional<std::string> plain = walk(request, "x-forwarded-for", peer, trusted, &plainAddress);
    const std::optional<std::string> standard = walk(request, "forwarded", peer, trusted, &standardAddress);
    if (plain && standard && *plain != *standard) return peer;
    return plain ? *plain : standard.value_or(peer);
  }

  // The field that shows that a proxy has forwarded the request; empty if there is none. Programs can send any of
  // these; web pages cannot make a browser send one.
  static std::string_view signOf(const HttpRequest& request) {
    for (const HttpField& field : request.fields) {
      const bool isSign = isName(field.name, "forwarded") || isName(field.name, "via") ||
                          isName(field.name, "x-real-ip") || beginsWithName(field.name, "x-forwarded-");
      if (isSign) return field.name;
    }
    return {};
  }

 private:
  using Read = std::string_view (*)(std::string_view member);

  // Nothing if the field is missing.
  static std::optional<std::string> walk(const HttpRequest& request, std::string_view name, const std::string& peer,
                                         const Networks& trusted, Read read) {
    bool hasField = false;
    std::string last = peer;
    for (size_t at = request.fields.size(); at > 0; at--) {
      const HttpField& field = request.fields[at - 1];
      if (!isName(field.name, name)) continue;
      hasField = true;
      std::string_view rest = field.value;
      while (true) {
        const size_t comma = rest.rfind(',');
        const std::string_view member = trimmed(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
        const std::optional<IpAddress> address = IpAddress::parse(read(member));
        if (!address) return last;  // hidden or malformed: only its sender is known
        last = address->text();
        if (!trusted.contains(*address)) return last;
        if (comma == std::string_view::npos) break;
        rest = rest.substr(0, comma);
      }
    }
    return hasField ? std::optional(last) : std::nullopt;
  }

  static std::string_view plainAddress(std::string_view member) { return withoutPort(member); }

  // for=192.0.2.43;proto=https, for="[2001:db8::1]:4711"
  static std::string_view standardAddress(std::string_view member) {
    while (!member.empty()) {
      const size_t end = member.find(';');
      const std::string_view pair = trimmed(member.substr(0, end));
      if (beginsWithName(pair, "for=")) {
        std::string_view value = pair.substr(4);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        return withoutPort(value);
      }
      if (end == std::string_view::npos) break;
      member.remove_prefix(end + 1);
    }
    return {};
  }

  static std::string_view withoutPort(std::string_view text) {
    if (text.starts_with('[')) {
      const size_t end = text.find(']');
      const std::string_view behind = end == std::string_view::npos ? "?" : text.substr(end + 1);
      return behind.empty() || behind.starts_with(':') ? text.substr(1, end - 1) : std::string_view();
    }
    const size_t colon = text.find(':');
    const bool hasPort = colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
    return hasPort ? text.substr(0, colon) : text;
  }
};

}  // namespace rally
