// Some of the subscriptions of a session that changes workers, in transit to the new one.
//
//   rows  [ 3 bytes, QoS 1 ][ 5 bytes, QoS 0 ] ...      texts  a / b f / # / x y ...
#pragma once
#include <vector>

#include "../structures/bytes.h"
#include "subscribe-request.h"

namespace rally {

struct SubscriptionSlice {
  struct Row {
    SubscriptionOptions options;
    uint16_t textBytes = 0;
  };

  uint64_t session = 0;    // key
  uint64_t move = 0;       // its number
  size_t total = 0;        // subscriptions of the session
  bool isLast = false;     // there are no more
  bool isDurable = false;  // the session is
  bool isNothing = false;  // there is no such session: nothing else comes
  std::vector<Row> rows;
  std::vector<uint8_t> texts;

  void add(Bytes text, const SubscriptionOptions& options) {
    rows.push_back({options, uint16_t(text.size())});
    texts.insert(texts.end(), text.begin(), text.end());
  }
  template <class Visit>
  void each(Visit&& visit) const {
    size_t start = 0;
    for (const Row& row : rows) {
      visit(Bytes(texts).subspan(start, row.textBytes), row.options);
      start += row.textBytes;
    }
  }
};

}  // namespace rally
