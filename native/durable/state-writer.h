// Writes a state, as a single checkpoint, into a log that no broker uses: for an import, and to compact a store.
//
//   begin()  message()  retained()  session()  unclaimed() ...  finish()
//
// A message comes before anything that refers to it. When finish() returns, the log is complete.
#pragma once
#include <chrono>
#include <thread>

#include "journal.h"
#include "sending-order.h"

namespace rally {

class StateWriter {
 public:
  // Starts the log. `lastMs`: when the broker was last running.
  StateWriter(log::Log& log, uint64_t run, uint64_t lastMessage, uint64_t lastMs)
      : log_(log), keys_{.topics = log.identity()[0], .tables = randomSeed()}, filters_(keys_), run_(run) {
    journal_.open(log, lastMessage, floor_);
    journal_.watch(journal_.append(records::CheckpointBegin{run, lastMs, lastMessage}));
    journal_.setCopying(true);
  }

  // `stamp`: for a retained message, see records::RetainedStamp.
  void message(const MessageRef& message, bool isRetained, uint64_t stamp = 0) {
    using enum records::Message::Flag;
    if (stamp != 0) journal_.retainedStamp(message->topic(), stamp);
    journal_.copy(message, uint8_t(isCopy | (isRetained ? retains : 0)));
    makeRoom();
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
    if (entry.message != 0) {
      std::vector<uint32_t> ids;
      entry.subscriptionIds.each([&](uint32_t id) { ids.push_back(id); });
      using enum records::Queued::Flag;
      journal_.append(records::Queued{
          .session = session,
          .message = entry.message,
          .share = share.empty() ? 0 : filters_.hashOf(bytesOf(share)),
          .qos = entry.qos,
          .flags = uint8_t((entry.retain ? retain : 0) | (entry.isFromStore ? isFromStore : 0)),
          .subscriptionIds = {reinterpret_cast<const uint8_t*>(ids.data()), ids.size() * sizeof(uint32_t)}});
    }
    if (entry.packetId != 0) journal_.append(records::Sent{session, entry.packetId, entry.message, !share.empty()});
    makeRoom();
  }
  void isWhole(uint64_t session) {
    journal_.append(records::Copied{session, 0});
    makeRoom();
  }
  // A message of a share that no member has.
  void unclaimed(uint64_t message, uint8_t qos, const std::string& share) {
    journal_.append(records::Queued{
        .message = message, .share = filters_.hashOf(bytesOf(share)), .qos = qos, .subscriptionIds = {}});
  }
  // False: the disk has failed or is full. Then the previous contents still exist.
  bool finish() {
    journal_.setCopying(false);
    journal_.append(records::CheckpointEnd{run_});
    const uint64_t turn = journal_.turn();
    journal_.submit();
    while (!journal_.isCommitted(turn)) {
      if (log_.state() >= log::State::full) return false;
      rest();
    }
    journal_.dropBefore(journal_.watchedAt());
    journal_.submit();
    return true;
  }

 private:
  static Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

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
    while (journal_.isBusy() && log_.state() < log::State::full) rest();
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
};

}  // namespace rally
