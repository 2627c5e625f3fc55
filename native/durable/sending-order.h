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
    RecoveredState::Entry* entry;
    uint16_t packetId;
  };
  std::vector<Sent> window;                     // by packet identifiers
  std::vector<RecoveredState::Entry*> waiting;  // behind it
};

inline SendingOrder sendingOrderOf(Row<RecoveredState::Entry>& entries) {
  using Entry = RecoveredState::Entry;
  constexpr int64_t packetIds = 65'535;
  // What one owner has brought with QoS 1, which was sent between two places.
  struct Stretch {
    uint32_t epoch = 0;
    int64_t after = 0;
    int64_t before = 0;
    std::vector<Entry*> entries;
    size_t next = 0;
  };

  SendingOrder order;
  std::vector<Entry*> sent;
  for (Entry& entry : entries) {
    if (entry.packetId != 0) sent.push_back(&entry);
  }
  if (sent.empty()) {  // as with nearly all sessions: in the order of the log
    for (Entry& entry : entries) order.waiting.push_back(&entry);
    return order;
  }
  std::sort(sent.begin(), sent.end(), [](const Entry* a, const Entry* b) { return a->sentOrder < b->sentOrder; });

  // Places: like packet identifiers, but they go on where those begin again.
  std::map<const Entry*, int64_t> places;
  std::map<int64_t, SendingOrder::Sent> taken;
  std::map<uint32_t, int64_t> firstOfEpoch;
  std::map<uint32_t, int64_t> lastOfEpoch;
  int64_t place = sent.front()->packetId;
  for (size_t at = 0; at < sent.size(); at++) {
    if (at > 0) place += (sent[at]->packetId - sent[at - 1]->packetId - 1 + packetIds) % packetIds + 1;
    places[sent[at]] = place;
    taken[place] = {sent[at], sent[at]->packetId};
    firstOfEpoch.try_emplace(sent[at]->epoch, place);
    lastOfEpoch[sent[at]->epoch] = place;
  }

  const int64_t beginning = sent.front()->packetId - int64_t(entries.size()) - 1;
  std::map<std::pair<uint32_t, uint8_t>, Stretch> open;
  std::vector<Stretch> stretches;
  for (Entry& entry : entries) {
    auto [found, isNew] = open.try_emplace({entry.epoch, entry.owner});
    Stretch& stretch = found->second;
    if (isNew) {
      const auto later = lastOfEpoch.lower_bound(entry.epoch);  // behind all that was sent of earlier ones
      stretch.epoch = entry.epoch;
      stretch.after = later == lastOfEpoch.begin() ? beginning : std::prev(later)->second;
    }
    if (entry.packetId == 0) {
      stretch.entries.push_back(&entry);
      continue;
    }
    stretch.before = places[&entry];
    if (!stretch.entries.empty()) stretches.push_back(std::move(stretch));
    stretch = {.epoch = entry.epoch, .after = places[&entry], .before = 0, .entries = {}};
  }
  for (auto& [key, stretch] : open) {  // all of an epoch was sent before what came later
    const auto later = firstOfEpoch.upper_bound(key.first);
    if (stretch.entries.empty() || later == firstOfEpoch.end()) continue;
    stretch.before = later->second;
    stretches.push_back(stretch);
  }

  std::vector<Entry*> placed;
  for (int64_t at = beginning + 1; at < places[sent.back()]; at++) {
    if (taken.contains(at)) continue;
    Stretch* urgent = nullptr;
    for (Stretch& stretch : stretches) {
      const bool isOpen = stretch.next < stretch.entries.size() && stretch.after < at && at < stretch.before;
      if (isOpen && (!urgent || std::tie(stretch.before, stretch.epoch) < std::tie(urgent->before, urgent->epoch)))
        urgent = &stretch;
    }
    if (!urgent) continue;
    Entry* entry = urgent->entries[urgent->next++];
    taken[at] = {entry, uint16_t(((at - 1) % packetIds + packetIds) % packetIds + 1)};
    placed.push_back(entry);
  }

  for (const auto& [at, each] : taken) order.window.push_back(each);
  std::sort(placed.begin(), placed.end());
  for (Entry& entry : entries) {
    if (entry.packetId == 0 && !std::binary_search(placed.begin(), placed.end(), &entry))
      order.waiting.push_back(&entry);
  }
  return order;
}

}  // namespace rally
