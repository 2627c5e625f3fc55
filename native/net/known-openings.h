// Openings that packet control has accepted: the basis of its decision, and the sub-protocol it has chosen. The same
// basis leads to the same decision until its rules change (core/front-end/opening.ts), so of a million clients of one
// page it is asked only about the first.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

#include "forwarded.h"
#include "http-head.h"

namespace rally {

class KnownOpenings {
 public:
  // The fields of a request on which its decision depends, one per line, in the order of `OpeningRequest` in
  // core/front-end/opening.ts. No field contains a line feed.
  static void appendQuestion(std::string& text, const HttpRequest& request) {
    text.append(request.host).append("\n").append(request.find("origin"));
    text.append("\n").append(request.find("sec-websocket-version"));
    text.append("\n").append(Forwarded::signOf(request));
    std::string_view separator = "\n";  // sub-protocols may be in several fields (RFC 6455, 11.3.4)
    for (const HttpField& field : request.fields) {
      if (!isName(field.name, "sec-websocket-protocol")) continue;
      text.append(separator).append(field.value);
      separator = ",";
    }
    if (separator == "\n") text.append(separator);
  }

  // The sub-protocol of an accepted opening; nullptr: packet control has to be asked.
  const std::string* find(const std::string& question) const {
    const auto found = subprotocols_.find(question);
    return found == subprotocols_.end() ? nullptr : &found->second;
  }

  void add(const std::string& question, const std::string& subprotocol) {
    if (question.size() > questionBytesMax) return;
    if (subprotocols_.size() == knownMax) subprotocols_.clear();  // somebody is trying out host names
    subprotocols_[question] = subprotocol;
  }

  void clear() { subprotocols_.clear(); }

 private:
  static constexpr size_t knownMax = 100;
  static constexpr size_t questionBytesMax = 512;

  std::unordered_map<std::string, std::string> subprotocols_;  // by question
};

}  // namespace rally
