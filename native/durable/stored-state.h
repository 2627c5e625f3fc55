// The state in a data directory that no broker uses: read for an export, or rewritten to compact it.
#pragma once
#include <functional>

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
    log_ = log::openLog(options, fault_);
    if (!log_) return;
    state_ = std::make_unique<RecoveredState>(1, HashKeys{.topics = log_->identity()[0], .tables = randomSeed()});
    log_->recover(*this);
    state_->finish();
  }

  // The rest applies only if it could be read.
  const log::OpenFault& fault() const { return fault_; }
  RecoveredState& state() { return *state_; }
  uint64_t damaged() const { return damaged_; }

  // Writes the complete state again, so that nothing before is needed. False: the disk is full or has failed.
  bool compact() {
    log_->start();
    StateWriter writer(*log_, state_->run, state_->lastMessage, state_->lastMs);
    std::unordered_set<uint64_t> written;
    const auto write = [&](uint64_t number) {
      if (MessageRef message = state_->messageOf(number); message && written.insert(number).second)
        writer.message(message, false);
    };
    for (const auto& [topic, message] : state_->retained()) {
      writer.message(message, true, state_->retainedStampOf(topic));
      written.insert(message->logId);
    }
    state_->sessions().each([&](RecoveredState::Session& session) {
      writer.session(session);
      eachWaiting(*state_, session, [&](const RecoveredState::Entry& entry) {
        write(entry.message);
        writer.waits(session.key, entry, state_->shareOf(entry.share));
      });
      writer.isWhole(session.key);
    });
    for (const RecoveredState::Orphan& orphan : state_->orphans()) {
      write(orphan.message->logId);
      writer.unclaimed(orphan.message->logId, orphan.message->qos, orphan.filter);
    }
    const bool isWritten = writer.finish();
    log_->close();
    return isWritten;
  }

  // In the order in which it goes to the client.
  template <class Visit>
  static void eachWaiting(RecoveredState& state, RecoveredState::Session& session, Visit&& visit) {
    const SendingOrder order = sendingOrderOf(state.rows(), session.entries);
    for (const auto& [entry, packetId] : order.window) visit(*entry);
    for (const RecoveredState::Entry* entry : order.waiting) visit(*entry);
  }

 private:
  void record(const log::Found& found) override { state_->apply(found); }
  void damage(const log::Damage& damage) override { damaged_ += !damage.isKnown; }
  void progress(uint64_t bytesDone, uint64_t bytesTotal) override { told_(bytesDone, bytesTotal); }

  const Progress told_;
  log::OpenFault fault_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<RecoveredState> state_;
  uint64_t damaged_ = 0;
};

}  // namespace rally
