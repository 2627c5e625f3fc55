// The order in which a session's unacknowledged messages were sent, as far as the log shows.
//
//   QoS 2   packet identifiers are in the log, and so is their order
//   QoS 1   they are not; but messages of one owner of topics were sent in log order
//
//   sent        4 . . 7 8 . 11           packet identifiers of QoS 2; those between were of QoS 1, some are finished
//   owner a     x  >  7                  x was sent before 7, and after the entries before it: 5 or 6
//   owner b     y  >  8 > z > 11         y before 8, z after 8: 9 or 10
//
// Each QoS 1 message that was sent before a QoS 2 message gets a free packet identifier from its possible range, the
// most constrained first. So everything is resent in a possible order, and no message under an identifier that belonged
// to another one.
#pragma once
#include <algorithm>
#include <map>
#include <queue>
#include <tuple>
#include <vector>

#include "recovered-state.h"

namespace rally {

struct SendingOrder {
  struct Sent {
    const RecoveredState::Entry* entry;
    uint16_t packetId;
  };
  std::vector<Sent> window;                           // by packet identifier
  std::vector<const RecoveredState::Entry*> waiting;  // after the window
  std::vector<LoggedWindow::Held> entries;            // the session's own, unless nothing was sent
};

inline SendingOrder sendingOrderOf(RecoveredState::Rows& all, RecoveredState::Session& session) {
  using Entry = LoggedWindow::Held;
  constexpr int64_t packetIds = 65'535;
  // QoS 1 messages of one owner, sent between two places.
  struct Row {
    uint32_t epoch = 0;
    int64_t after = 0;
    int64_t before = 0;
    std::vector<const Entry*> entries;
    size_t next = 0;
  };

  SendingOrder order;
  session.window->each([&](const Entry& entry) { order.entries.push_back(entry); });
  if (!session.window->isSending()) {
    order.waiting.reserve(order.entries.size() + session.entries.size());
    for (const Entry& entry : order.entries) order.waiting.push_back(&entry);
    all.each(session.entries, [&](const LoggedEntry& entry) { order.waiting.push_back(&entry); });
    return order;
  }
  all.each(session.entries, [&](const LoggedEntry& entry) { order.entries.push_back({entry}); });
  const std::vector<Entry>& entries = order.entries;
  std::vector<const Entry*> sent;
  for (const Entry& entry : entries) {
    if (entry.packetId != 0) sent.push_back(&entry);
  }
  std::sort(sent.begin(), sent.end(), [](const Entry* a, const Entry* b) { return a->sentOrder < b->sentOrder; });

  // Places: packet identifiers that do not wrap around.
  std::map<const Entry*, int64_t> places;
  std::map<int64_t, SendingOrder::Sent> taken;
  std::map<uint32_t, int64_t> firstOfEpoch;
  std::map<uint32_t, int64_t> lastOfEpoch;
  int64_t place = sent.empty() ? 0 : sent.front()->packetId;
  for (size_t at = 0; at < sent.size(); at++) {
    if (at > 0) place += (sent[at]->packetId - sent[at - 1]->packetId - 1 + packetIds) % packetIds + 1;
    places[sent[at]] = place;
    taken[place] = {sent[at], sent[at]->packetId};
    firstOfEpoch.try_emplace(sent[at]->epoch, place);
    lastOfEpoch[sent[at]->epoch] = place;
  }

  const int64_t beginning = (sent.empty() ? 0 : sent.front()->packetId) - int64_t(entries.size()) - 1;
  std::map<std::pair<uint32_t, uint8_t>, Row> open;
  std::vector<Row> rows;
  for (const Entry& entry : entries) {
    auto [found, isNew] = open.try_emplace({entry.epoch, entry.owner});
    Row& row = found->second;
    if (isNew) {
      const auto later = lastOfEpoch.lower_bound(entry.epoch);  // after everything sent in earlier epochs
      row.epoch = entry.epoch;
      row.after = later == lastOfEpoch.begin() ? beginning : std::prev(later)->second;
    }
    if (entry.packetId == 0) {
      row.entries.push_back(&entry);
      continue;
    }
    row.before = places[&entry];
    if (!row.entries.empty()) rows.push_back(std::move(row));
    row = {.epoch = entry.epoch, .after = places[&entry], .before = 0, .entries = {}};
  }
  for (auto& [key, row] : open) {  // an epoch was sent completely before anything later
    const auto later = firstOfEpoch.upper_bound(key.first);
    if (row.entries.empty() || later == firstOfEpoch.end()) continue;
    row.before = later->second;
    rows.push_back(row);
  }

  // Rows that the next free packet identifier is in, the most urgent first.
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.after < b.after; });
  const auto isLater = [](const Row* a, const Row* b) {
    return std::tie(a->before, a->epoch, a->after, a) > std::tie(b->before, b->epoch, b->after, b);
  };
  std::priority_queue<Row*, std::vector<Row*>, decltype(isLater)> urgent(isLater);
  size_t opened = 0;
  std::vector<const Entry*> placed;
  for (int64_t free = beginning + 1; free < places[sent.back()]; free++) {
    if (taken.contains(free)) continue;
    for (; opened < rows.size() && rows[opened].after < free; opened++) urgent.push(&rows[opened]);
    while (!urgent.empty() && urgent.top()->before <= free) urgent.pop();
    if (urgent.empty()) continue;
    Row& row = *urgent.top();
    const Entry* entry = row.entries[row.next++];
    if (row.next == row.entries.size()) urgent.pop();
    taken[free] = {entry, uint16_t(((free - 1) % packetIds + packetIds) % packetIds + 1)};
    placed.push_back(entry);
  }

  for (const auto& [number, each] : taken) order.window.push_back(each);
  std::sort(placed.begin(), placed.end());
  for (const Entry& entry : entries) {
    if (entry.packetId == 0 && !std::binary_search(placed.begin(), placed.end(), &entry))
      order.waiting.push_back(&entry);
  }
  return order;
}

}  // namespace rally
