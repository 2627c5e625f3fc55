// A session in the state from the log (recovered-state.h): its subscriptions and its queue.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../messages/delivery.h"
#include "../sessions/sleeping-deliveries.h"
#include "../sessions/will.h"
#include "../structures/shared-rows.h"
#include "logged-subscriptions.h"

namespace rally {

// A message in a session's queue, or one that was sent to it with QoS 2.
struct LoggedEntry {
  uint64_t message = 0;  // 0: released
  uint64_t share = 0;    // the hash of the share's filter
  uint8_t qos : 2 = 0;
  bool retain : 1 = false;
  bool isFromStore : 1 = false;
  // The log has the messages of each topic owner in order. The order in which messages of different owners reached the
  // session is known only if one was sent before another, or between epochs.
  uint8_t owner = 0;
  uint16_t packetId = 0;  // 0: not sent with QoS 2
  uint32_t epoch = 0;
  SubscriptionIds subscriptionIds;

  bool isSameAs(const LoggedEntry& other) const {
    return message == other.message && share == other.share && qos == other.qos && retain == other.retain &&
           isFromStore == other.isFromStore && epoch == other.epoch && owner == other.owner &&
           subscriptionIds == other.subscriptionIds;
  }
};
static_assert(sizeof(LoggedEntry) == 32, "a large store has many millions");
using LoggedRows = SharedRows<LoggedEntry>;

// The front of a queue, up to the newest entry that was sent with QoS 2. Its entries are found by packet identifier and
// by message, so that a start with many of them does not go through all of them for each record.
class LoggedWindow {
 public:
  struct Held : LoggedEntry {
    uint64_t sentOrder = 0;  // among the sent ones
  };

  bool isEmpty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // Packet identifiers are in use.
  bool isSending() const { return !byPacketId_.empty(); }
  template <class Visit>
  void each(Visit&& visit) const {
    for (const auto& [number, held] : entries_) visit(held);
  }

  // nullptr: nothing was sent under the packet identifier.
  const Held* sentUnder(uint16_t packetId) const {
    const auto found = byPacketId_.find(packetId);
    return found == byPacketId_.end() ? nullptr : &entries_.find(found->second)->second;
  }

  // Behind all others.
  void push(Held held) { put(next_++, std::move(held)); }
  // The first one with the message that was not sent is sent now; false: there is none.
  bool send(uint64_t message, bool isOfShare, uint16_t packetId, uint64_t sentOrder) {
    const auto found = byMessage_.lower_bound({message, isOfShare, false, 0});
    if (found == byMessage_.end() || !isOf(*found, message, isOfShare) || std::get<isSent>(*found)) return false;
    const uint64_t number = std::get<numberOf>(*found);
    Held held = take(number);
    held.packetId = packetId;
    held.sentOrder = sentOrder;
    held.qos = 2;
    put(number, std::move(held));
    return true;
  }
  // The message is not needed any more, but its packet identifier is in use until complete().
  void release(uint16_t packetId) {
    const uint64_t number = byPacketId_.at(packetId);
    Held held = take(number);
    held.message = 0;
    put(number, std::move(held));
  }
  void complete(uint16_t packetId) { take(byPacketId_.at(packetId)); }
  // Removes the message, but no packet identifier. False: it is not there.
  bool remove(uint64_t message, bool isOfShare, LoggedEntry& removed) {
    const auto found = byMessage_.lower_bound({message, isOfShare, false, 0});
    if (found == byMessage_.end() || !isOf(*found, message, isOfShare)) return false;
    removed = entries_.find(std::get<numberOf>(*found))->second;
    if (removed.packetId != 0) release(removed.packetId);
    else take(std::get<numberOf>(*found));
    return true;
  }

 private:
  using ByMessage = std::tuple<uint64_t, bool, bool, uint64_t>;
  static constexpr size_t isSent = 2;
  static constexpr size_t numberOf = 3;

  static bool isOf(const ByMessage& each, uint64_t message, bool isOfShare) {
    return std::get<0>(each) == message && std::get<1>(each) == isOfShare;
  }
  static ByMessage keyOf(uint64_t number, const Held& held) {
    return {held.message, held.share != 0, held.packetId != 0, number};
  }
  void put(uint64_t number, Held held) {
    byMessage_.insert(keyOf(number, held));
    if (held.packetId != 0) byPacketId_[held.packetId] = number;
    entries_.emplace(number, std::move(held));
  }
  Held take(uint64_t number) {
    Held held = std::move(entries_.extract(number).mapped());
    byMessage_.erase(keyOf(number, held));
    if (held.packetId != 0) byPacketId_.erase(held.packetId);
    return held;
  }

  std::map<uint64_t, Held> entries_;  // in the order of the queue
  std::set<ByMessage> byMessage_;
  std::unordered_map<uint16_t, uint64_t> byPacketId_;
  uint64_t next_ = 0;
};

struct LoggedSession {
  uint64_t key = 0;
  NameText clientId;
  uint32_t expirySeconds = 0;
  uint32_t ownEpochs = 0;   // epochs that began for this session alone: with its copy in a checkpoint
  uint32_t matchIndex = 0;  // its place among the targets of a message, if it is there
  uint64_t leftAtMs = 0;    // 0: its client was connected
  uint64_t stamp = 0;       // see records::SessionStamp
  std::vector<uint8_t> access;
  std::unique_ptr<Will> will;
  LoggedSubscriptions subscriptions;
  Lazy<LoggedWindow> window;
  LoggedRows::Row entries;                     // behind the window
  std::unique_ptr<SleepingDeliveries> asleep;  // the rest of the queue; its messages are not in `messages`
  Lazy<std::unordered_set<uint16_t>> received;
};

}  // namespace rally
