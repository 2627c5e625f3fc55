// The state in a data directory that no broker uses: read for an export, or rewritten to compact it.
#pragma once
#include <functional>
#include <optional>

#include "fetching.h"
#include "state-writer.h"

namespace rally {

class StoredState : private log::Visitor {
 public:
  using Progress = std::function<void(uint64_t bytesDone, uint64_t bytesTotal)>;

  // With `writes`, damaged parts are set aside, and the log may be written.
  StoredState(const std::string& directory, bool writes, Progress told) : told_(std::move(told)) {
    log::Options options;
    options.directory = directory;
    options.copiesForward = false;
    options.setsAside = writes;
    options.softFreeBytesMin = options.hardFreeBytesMin = 0;  // the state may become smaller, so try
    log_ = log::openLog(options, fault_);
    if (!log_) return;
    const HashKeys keys{.topics = log_->identity()[0], .tables = randomSeed()};
    state_ = std::make_unique<RecoveredState>(1, keys, contentBytesMax);
    log_->recover(*this);
    state_->finish();
    stubs_.emplace(*log_, state_->clock());
  }

  // The rest applies only if it could be read.
  const log::OpenFault& fault() const { return fault_; }
  RecoveredState& state() { return *state_; }
  uint64_t damaged() const { return damaged_; }

  // Writes the complete state again, so that nothing before is needed. False: the disk is full, and everything is as
  // before, or it has failed.
  bool compact() {
    log_->start();
    StateWriter writer(*log_, state_->clock(), state_->run, state_->lastMessage, state_->lastMs);
    std::unordered_set<uint64_t> written;
    // False: it cannot be read.
    const auto write = [&](const MessageRef& stub) {
      if (!stub || written.contains(stub->logId)) return bool(stub);
      const MessageRef message = whole(stub);
      if (!message) return false;
      writer.message(message, false);
      written.insert(message->logId);
      return true;
    };
    for (const auto& [topic, kept] : state_->retained()) {
      writer.message(kept.message, true, kept.stamp);
      written.insert(kept.message->logId);
    }
    eachSession([&](RecoveredState::Session& session) {
      if (writer.isOver()) return;
      writer.session(session);
      eachWaiting(session, [&](RecoveredState::Entry entry, const MessageRef& message) {
        if (!write(message)) entry.message = 0;
        if (entry.message != 0 || entry.packetId != 0) writer.waits(session.key, entry, state_->shareOf(entry.share));
      });
      writer.isWhole(session.key);
    });
    for (const RecoveredState::Orphan& orphan : state_->orphans()) {
      const MessageRef message = whole(orphan.message);
      if (write(message)) writer.unclaimed(message->logId, message->qos, orphan.filter);
    }
    const bool isWritten = writer.finish();
    const bool isFull = log_->state() == log::State::full;
    log_->close();
    if (!isWritten && isFull) log_->takeBack();
    return isWritten;
  }

  // In the order in which they have to be written: shares come before what their former members have of them.
  template <class Visit>
  void eachSession(Visit&& visit) {
    for (const bool areMembers : {true, false}) {
      state_->sessions().each([&](RecoveredState::Session& session) {
        if (isMember(session) == areMembers) visit(session);
      });
    }
  }
  // In the order in which it goes to the client, with the message or a stub; absent: it is lost.
  template <class Visit>
  void eachWaiting(RecoveredState::Session& session, Visit&& visit) {
    const SendingOrder order = sendingOrderOf(state_->rows(), session);
    for (const auto& [entry, packetId] : order.window) visit(*entry, state_->lookAt(entry->message));
    for (const RecoveredState::Entry* entry : order.waiting) visit(*entry, state_->lookAt(entry->message));
    if (!session.asleep) return;
    session.asleep->each([&](const SleepingDelivery& each) {
      RecoveredState::Entry entry;
      entry.message = each.message;
      entry.qos = each.qos & 3;
      entry.retain = each.retain;
      entry.subscriptionIds = each.ids;
      visit(std::as_const(entry), session.asleep->awake(each).message);
    });
  }
  // With its content. Absent: it cannot be read.
  MessageRef whole(const MessageRef& message) {
    return message && message->isStub ? stubs_->read(*message.get()) : message;
  }

 private:
  // Of a share.
  static bool isMember(const RecoveredState::Session& session) {
    return std::any_of(session.subscriptions.begin(), session.subscriptions.end(),
                       [](const auto& each) { return isSharedFilter(each.filter.bytes()); });
  }

  // Of messages that are kept in memory: the content of the others is read when it is their turn.
  static constexpr size_t contentBytesMax = size_t(64) << 20;

  void record(const log::Found& found) override { state_->apply(found); }
  void damage(const log::Damage& damage) override { damaged_ += !damage.isKnown; }
  void progress(uint64_t bytesDone, uint64_t bytesTotal) override { told_(bytesDone, bytesTotal); }

  const Progress told_;
  log::OpenFault fault_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<RecoveredState> state_;
  std::optional<StubReader> stubs_;
  uint64_t damaged_ = 0;
};

}  // namespace rally
