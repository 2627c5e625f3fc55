// Writes a state, as a single checkpoint, into a log that no broker uses: for an import, and to compact a store.
//
//   begin()  message()  retained()  session()  unclaimed() ...  finish()
//
// A message comes before anything that refers to it. When finish() returns, the log is complete.
#pragma once
#include <chrono>
#include <optional>
#include <thread>

#include "journal.h"
#include "number-list.h"
#include "sending-order.h"

namespace rally {

class StateWriter {
 public:
  // Starts the log. `lastMs`: when the broker was last running, on the log's clock.
  StateWriter(log::Log& log, const LogClock& clock, uint64_t run, uint64_t lastMessage, uint64_t lastMs)
      : log_(log), keys_{.topics = log.identity()[0], .tables = randomSeed()}, filters_(keys_), run_(run) {
    journal_.open(log, lastMessage, clock, floor_);
    journal_.watch(journal_.append(records::CheckpointBegin{run, lastMs, lastMessage}));
    journal_.append(records::Clock{lastMs, clock.toCalendar(lastMs)});
    journal_.setCopying(true);
  }

  // `stamp`: for a retained message, see records::RetainedStamp.
  void message(const MessageRef& message, bool isRetained, uint64_t stamp = 0) {
    using enum records::Message::Flag;
    if (stamp != 0) journal_.retainedStamp(message->topic(), stamp);
    journal_.copy(message, uint8_t(isCopy | (isRetained ? retains : 0)));
    makeRoom();
  }
  // Where a message() is, once it is there; none: the disk has failed or is full.
  log::Position positionOf(LogPlace message) {
    journal_.submit();
    for (;;) {
      const log::Position at = journal_.positionOf(message.ticket());
      if (at || isOver()) return at;
      rest();
    }
  }
  void session(const RecoveredState::Session& session) {
    records::Session record{.session = session.key,
                            .clientId = session.clientId.bytes(),
                            .expirySeconds = session.expirySeconds,
                            .leftAtMs = session.leftAtMs,
                            .access = session.access};
    if (session.will) addWill(*session.will, record);
    journal_.append(record);
    if (session.stamp != 0) journal_.append(records::SessionStamp{session.key, session.stamp});
    for (const auto& [filter, options] : session.subscriptions) {
      using enum records::Subscribe::Flag;
      journal_.append(records::Subscribe{
          .session = session.key,
          .qos = options.qos,
          .flags = uint8_t((options.noLocal ? noLocal : 0) | (options.retainAsPublished ? retainAsPublished : 0)),
          .subscriptionId = options.subscriptionId,
          .filter = filter.bytes()});
    }
    for (const uint16_t packetId : session.received.look()) journal_.append(records::Received{session.key, packetId});
  }
  // Its queue, in order. `share`: the complete filter, or empty.
  void waits(uint64_t session, const RecoveredState::Entry& entry, const std::string& share) {
    const bool isPlain = entry.message != 0 && entry.packetId == 0 && share.empty();
    if (like_ && !(isPlain && isAlike(*like_, entry))) endRun(session);
    if (isPlain) {
      if (!like_) like_ = entry;
      lists_.add(entry.message);
      return;
    }
    if (entry.message != 0) {
      const std::vector<uint32_t> ids = idsOf(entry);
      using enum records::Queued::Flag;
      journal_.append(
          records::Queued{.session = session,
                          .message = entry.message,
                          .share = share.empty() ? 0 : filters_.hashOf(bytesOf(share)),
                          .qos = entry.qos,
                          .flags = uint8_t((entry.retain ? retain : 0) | (entry.isFromStore ? isFromStore : 0)),
                          .subscriptionIds = bytesOf(ids)});
    }
    if (entry.packetId != 0) journal_.append(records::Sent{session, entry.packetId, entry.message, !share.empty()});
    makeRoom();
  }
  void isWhole(uint64_t session) {
    if (like_) endRun(session);
    journal_.append(records::Copied{session, 0});
    makeRoom();
  }
  // A message of a share that no member has.
  void unclaimed(uint64_t message, uint8_t qos, const std::string& share) {
    journal_.append(records::Queued{
        .message = message, .share = filters_.hashOf(bytesOf(share)), .qos = qos, .subscriptionIds = {}});
  }
  // The disk has failed or is full: nothing more will be written.
  bool isOver() const { return log_.state() >= log::State::full; }
  // False: it is over. Then the previous contents still exist.
  bool finish() {
    journal_.setCopying(false);
    journal_.append(records::CheckpointEnd{run_});
    const uint64_t turn = journal_.turn();
    journal_.submit();
    while (!journal_.isCommitted(turn)) {
      if (isOver()) return false;
      rest();
    }
    journal_.dropBefore(journal_.watchedAt());
    journal_.submit();
    return true;
  }

 private:
  static Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
  static Bytes bytesOf(const std::vector<uint32_t>& ids) {
    return {reinterpret_cast<const uint8_t*>(ids.data()), ids.size() * sizeof(uint32_t)};
  }
  static std::vector<uint32_t> idsOf(const RecoveredState::Entry& entry) {
    std::vector<uint32_t> ids;
    entry.subscriptionIds.each([&](uint32_t id) { ids.push_back(id); });
    return ids;
  }

  // Consecutive entries that differ only in their message become one record, as in a checkpoint (checkpoint.h).
  static bool isAlike(const RecoveredState::Entry& one, const RecoveredState::Entry& other) {
    return one.qos == other.qos && one.retain == other.retain && one.isFromStore == other.isFromStore &&
           one.subscriptionIds == other.subscriptionIds;
  }
  void endRun(uint64_t session) {
    const std::vector<uint32_t> ids = idsOf(*like_);
    const SuccessiveLists::Written list = lists_.end();
    using Flag = records::Waiting::Flag;
    journal_.append(records::Waiting{
        .session = session,
        .worker = 0,
        .qos = like_->qos,
        .flags = uint8_t((like_->retain ? Flag::retain : 0) | (like_->isFromStore ? Flag::isFromStore : 0) |
                         (list.isSame ? Flag::isSame : 0)),
        .subscriptionIds = bytesOf(ids),
        .messages = list.bytes});
    like_.reset();
    makeRoom();
  }

  static void addWill(const Will& will, records::Session& record) {
    using enum records::Session::Flag;
    record.flags = uint8_t(hasWill | (will.expires ? willExpires : 0) | (will.message->retain ? willRetains : 0));
    record.willQos = will.message->qos;
    record.willDelaySeconds = will.delaySeconds;
    record.willExpirySeconds = will.expirySeconds;
    record.willTopic = will.message->topic();
    record.willProperties = will.message->properties();
    record.willPayload = will.message->payload();
  }

  // Keeps no more in memory than the log accepts at once.
  void makeRoom() {
    journal_.submitSome();
    while (journal_.isBusy() && !isOver()) rest();
  }
  void rest() {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    journal_.update();
  }

  log::Log& log_;
  const HashKeys keys_;
  FilterTable filters_;
  const uint64_t run_;
  const LogFloor floor_;
  Journal journal_{0};
  std::optional<RecoveredState::Entry> like_;  // what the entries of the list are like
  SuccessiveLists lists_;
};

}  // namespace rally
