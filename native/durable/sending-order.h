// In which order a session was sent what it has not acknowledged, as far as the log tells.
//
//   QoS 2   has its packet identifier in the log, and so its place among all others
//   QoS 1   has not: but what one owner of topics has brought was sent in the order of the log
//
//   sent        4 . . 7 8 . 11           packet identifiers of QoS 2; those between were of QoS 1, and some are done
//   owner a     x  >  7                  x was sent before 7 and after what stands before it: 5 or 6
//   owner b     y  >  8 > z > 11         y before 8, z behind 8: 9 or 10
//
// Each of QoS 1 that stands before one of QoS 2 takes a packet identifier that is free where it may have been, the most
// urgent first. So everything is sent again in an order in which it may have been sent, and none under one that was
// another's.
#pragma once
#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "recovered-state.h"

namespace rally {

struct SendingOrder {
  struct Sent {
    const RecoveredState::Entry* entry;
    uint16_t packetId;
  };
  std::vector<Sent> window;                           // by packet identifiers
  std::vector<const RecoveredState::Entry*> waiting;  // behind it
  std::vector<RecoveredState::Entry> entries;         // its own, unless nothing was sent
};

inline SendingOrder sendingOrderOf(RecoveredState::Rows& all, RecoveredState::Rows::Row& own) {
  using Entry = RecoveredState::Entry;
  constexpr int64_t packetIds = 65'535;
  // Of QoS 1 of one owner, sent between two places.
  struct Row {
    uint32_t epoch = 0;
    int64_t after = 0;
    int64_t before = 0;
    std::vector<const Entry*> entries;
    size_t next = 0;
  };

  SendingOrder order;
  size_t at = 0;
  if (!all.find(
          own, [](const Entry& entry) { return entry.packetId != 0; }, at)) {
    order.waiting.reserve(own.size());
    all.each(own, [&](const Entry& entry) { order.waiting.push_back(&entry); });
    return order;
  }
  all.each(own, [&](const Entry& entry) { order.entries.push_back(entry); });
  const std::vector<Entry>& entries = order.entries;
  std::vector<const Entry*> sent;
  for (const Entry& entry : entries) {
    if (entry.packetId != 0) sent.push_back(&entry);
  }
  std::sort(sent.begin(), sent.end(), [](const Entry* a, const Entry* b) { return a->sentOrder < b->sentOrder; });

  // Places: like packet identifiers, but they go on where those begin again.
  std::map<const Entry*, int64_t> places;
  std::map<int64_t, SendingOrder::Sent> taken;
  std::map<uint32_t, int64_t> firstOfEpoch;
  std::map<uint32_t, int64_t> lastOfEpoch;
  int64_t place = sent.empty() ? 0 : sent.front()->packetId;
  for (at = 0; at < sent.size(); at++) {
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
      const auto later = lastOfEpoch.lower_bound(entry.epoch);  // behind all that was sent of earlier ones
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
  for (auto& [key, row] : open) {  // all of an epoch was sent before what came later
    const auto later = firstOfEpoch.upper_bound(key.first);
    if (row.entries.empty() || later == firstOfEpoch.end()) continue;
    row.before = later->second;
    rows.push_back(row);
  }

  std::vector<const Entry*> placed;
  for (int64_t free = beginning + 1; free < places[sent.back()]; free++) {
    if (taken.contains(free)) continue;
    Row* urgent = nullptr;
    for (Row& row : rows) {
      const bool isOpen = row.next < row.entries.size() && row.after < free && free < row.before;
      if (isOpen && (!urgent || std::tie(row.before, row.epoch) < std::tie(urgent->before, urgent->epoch)))
        urgent = &row;
    }
    if (!urgent) continue;
    const Entry* entry = urgent->entries[urgent->next++];
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
