// The durable state of a broker, rebuilt from its log: every record is applied once, in log order. The result is given
// to the engines (recovery.h).
//
//   messages_   number -> message, for as long as something refers to it
//   sessions    key    -> subscriptions, queue (in order), packet identifiers
//   rows        the queues: entries shared by many sessions are stored once
//   asleep      the rest of a queue in a large store: messages for a single session that no later record mentions
//   interests   recipients by topic filter; shares with durable members: unfinished messages, and which session has
//   each retained    topic  -> message, and its stamp in a cluster
//
// A checkpoint is a separate state, which begins empty. Its sessions appear one by one, each complete, among the
// records of what happens meanwhile (checkpoint.h). Records of a session that does not exist yet are ignored, since the
// session will be written with their effects. When the checkpoint's end is found, it replaces the previous state. If it
// is missing, the broker ended while writing the checkpoint, and the previous state is valid. So records are applied to
// both. But what is before a checkpoint is given up only after its end: if the log begins with the checkpoint, its end,
// or its beginning, can only be missing because it cannot be read.
#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "brought-targets.h"
#include "log-clock.h"
#include "logged-sessions.h"
#include "number-list.h"
#include "numbered.h"
#include "recovered-interests.h"

namespace rally {

class RecoveredState {
 public:
  using Subscription = LoggedSubscription;
  using Entry = LoggedEntry;
  using Rows = LoggedRows;
  using Session = LoggedSession;
  // A message of a share that no session has.
  struct Orphan {
    std::string filter;
    MessageRef message;
  };

  struct Retained {
    MessageRef message;
    uint64_t stamp = 0;  // see records::RetainedStamp; 0: it was published outside a cluster
  };

  // The workers of the broker that wrote the log, whatever their number here.
  static constexpr uint8_t workersMax = 64;

  // Beyond this many bytes of messages, the rest are stubs, whose content stays in the log.
  RecoveredState(unsigned workers, const HashKeys& keys, size_t messageBytesMax = SIZE_MAX, LogClock clock = LogClock())
      : workers_(workers),
        keys_(keys),
        messageBytesMax_(messageBytesMax),
        clock_(std::move(clock)),
        state_(std::make_unique<State>(keys)) {}

  uint64_t run = 0;          // the last one
  uint64_t lastMessage = 0;  // the highest number
  uint64_t lastMs = 0;       // when the broker was last known to be running

  LoggedSessions& sessions() { return state_->sessions; }
  Rows& rows() { return state_->rows; }
  std::unordered_map<std::string, Retained>& retained() { return state_->retained; }
  // nullptr: its record was lost with a damaged part of the log.
  MessageRef messageOf(uint64_t number) {
    Held* const held = state_->messages.find(number);
    if (!held) return {};
    if (!held->message && held->isKnown()) held->message = stubFor(workers_, number, held->at, held->contentBytes);
    return held->message;
  }
  // The same for one look: a stub is not kept.
  MessageRef lookAt(uint64_t number) const {
    const Held* const held = state_->messages.find(number);
    if (!held || held->message || !held->isKnown()) return held ? held->message : MessageRef();
    return stubFor(workers_, number, held->at, held->contentBytes);
  }
  // The content of some messages was left in the log.
  bool isLarge() const { return isLarge_; }
  // The place of the record of a message that only one session waits for. Empty: other sessions wait for it too, or it
  // was lost.
  struct Whereabouts {
    log::Position at;
    size_t contentBytes = 0;
  };
  std::optional<Whereabouts> whereaboutsOf(uint64_t number) {
    const Held* const held = state_->messages.find(number);
    if (!held || held->uses != 1 || !held->isKnown()) return {};
    return Whereabouts{held->at.position(), held->contentBytes};
  }

  // The complete filter of a share; empty: no such share.
  std::string shareOf(uint64_t hash) {
    const RecoveredInterests::Group* const group = state_->interests.find(hash);
    return group ? group->filter : std::string();
  }

  void apply(const log::Found& found) {
    position_ = found.position;
    if (firstSegment_ == 0) firstSegment_ = position_.segment();
    if (applyAs<records::Started, records::CheckpointBegin, records::CheckpointEnd>(found)) return;
    if (records::isInCheckpoint(found.kind)) {
      log::Found said = found;
      said.kind = records::outsideCheckpoint(found.kind);
      isCheckpointRecord_ = true;
      if (!next_ && !isWhole_ && isAtBeginning()) beginNext();  // its first record was lost with a damaged part
      if (next_) inNext([&] { applyToState(said); });
      isCheckpointRecord_ = false;
      return;
    }
    applyToState(found);
    const uint64_t unknown = unknown_;
    if (next_) inNext([&] { applyToState(found); });
    unknown_ = unknown;  // counted once
  }
  // The record will come soon.
  void soon(const log::Found& found) {
    records::Message record;
    if (found.kind == records::Message::kind && log::decode(found, record)) state_->interests.soon(record.topic);
  }
  // Call it after the last record.
  void finish() {
    dropNext();
    state_->interests.close();
    clock_.resume(lastMs, aheadMs_);
    state_->messages.each([&](Held& held) {
      if (held.hasContent()) held.message->expiresAtMs = clock_.toEngineExpiry(held.message->expiresAtMs);
    });
    forgetExpired(engineClockMs());
  }
  // The clock of the log, once that is read.
  const LogClock& clock() const { return clock_; }
  uint64_t unknownRecords() const { return unknown_; }

  // The messages of shares whose session is gone, or that no session had.
  std::vector<Orphan> orphans() {
    std::vector<Orphan> orphans;
    state_->interests.each([&](const RecoveredInterests::Group& group) {
      for (const auto& [number, holder] : group.holders) {
        if (find(holder)) continue;
        if (MessageRef message = messageOf(number)) orphans.push_back({group.filter, std::move(message)});
      }
    });
    return orphans;
  }

 private:
  static constexpr size_t retainedSearchedMin = 1'024;

  struct Held {
    MessageRef message;  // absent: only the log has its content, or only references to it are known so far
    LogPlace at;
    uint32_t contentBytes = 0;
    uint32_t uses : 31 = 0;
    bool isCopy : 1 = false;
    RowPlace place;

    bool isKnown() const { return message || !at.isNowhere(); }
    bool hasContent() const { return message && !message->isStub; }
    // Bytes of content in memory.
    size_t bytes() const { return hasContent() ? message->blockBytes() : 0; }
  };
  static_assert(sizeof(Held) == 32, "a large store has many millions");
  struct List {
    std::vector<uint64_t> messages;
    NumberList::Check check{};
  };
  struct State {
    explicit State(const HashKeys& keys) : interests(keys) {}

    RecoveredInterests interests;
    Numbered<Held> messages;
    Rows rows;
    LoggedSessions sessions;
    std::unordered_map<std::string, Retained> retained;
    size_t retainedSearchedAt = retainedSearchedMin;      // how many there are at the next search for expired ones
    std::unordered_map<std::string, uint64_t> newStamps;  // of messages that are to come
    std::unordered_map<uint64_t, std::unordered_map<uint64_t, uint64_t>> guests;  // not durable -> message -> group

    // While a checkpoint is read: messages published since its beginning, by owner, which may be in transit to sessions
    // that do not exist yet, ...
    bool isCheckpoint = false;
    bool hasBegun = false;  // its first record was read
    bool isAlone = false;   // the log has nothing else
    std::array<std::deque<uint64_t>, workersMax> recent;
    std::unordered_map<uint8_t, std::vector<uint64_t>> taken;  // ... what each worker had taken of them ...
    std::unordered_map<uint8_t, List> lists;                   // ... each worker's last list ...
    // ... and packet identifiers of publishers that do not exist yet.
    std::unordered_map<uint64_t, std::unordered_set<uint16_t>> early;
  };

  // Applies `apply` to the checkpoint being read.
  template <class Apply>
  void inNext(Apply&& apply) {
    state_.swap(next_);
    apply();
    state_.swap(next_);
  }
  void applyToState(const log::Found& found) {
    const bool isKnown =
        applyAs<records::Clock, records::Message, records::RetainedClear, records::Session, records::Left,
                records::WillOver, records::SessionEnd, records::Subscribe, records::Unsubscribe, records::Done,
                records::Queued, records::ShareDone, records::Received, records::Forget, records::Sent,
                records::Released, records::Completed, records::Taken, records::Copied, records::Waiting,
                records::Brought, records::SessionStamp, records::RetainedStamp>(found);
    unknown_ += !isKnown;
  }
  template <class... Records>
  bool applyAs(const log::Found& found) {
    return ((found.kind == Records::kind && applyOne<Records>(found)) || ...);
  }
  template <class Record>
  bool applyOne(const log::Found& found) {
    Record record;
    if (log::decode(found, record)) take(record);
    else unknown_++;
    return true;
  }

  static Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
  static std::string textOf(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
  Session* find(uint64_t key) { return state_->sessions.find(key); }

  // --- the broker -----------------------------------------------------------------------------------

  void take(const records::Started& record) {
    dropNext();
    entriesEpoch_++;
    run = record.run;
    lastMs = std::max(lastMs, record.atMs);
  }
  void take(const records::Clock& record) {
    lastMs = std::max(lastMs, record.atMs);
    if (record.calendarMs != 0) aheadMs_ = record.atMs - record.calendarMs;
    if (state_->retained.size() >= state_->retainedSearchedAt) forgetExpired(lastMs);
  }
  void take(const records::CheckpointBegin& record) {
    run = std::max(run, record.run);
    lastMs = std::max(lastMs, record.atMs);
    lastMessage = std::max(lastMessage, record.lastMessage);
    dropNext();
    beginNext();
    next_->hasBegun = true;
  }
  void beginNext() {
    next_ = std::make_unique<State>(keys_);
    next_->isCheckpoint = true;
    next_->isAlone = !isWhole_ && isAtBeginning();
    entriesEpoch_++;  // the workers were at rest
  }
  // What was before this segment has been given up.
  bool isAtBeginning() const { return firstSegment_ > 1 && position_.segment() == firstSegment_; }
  void take(const records::CheckpointEnd&) {
    if (next_) completeNext();
  }
  void completeNext() {
    isWhole_ = isWhole_ || next_->hasBegun;
    state_->messages.each([&](const Held& held) { messageBytes_ -= held.bytes(); });
    state_ = std::move(next_);
    state_->isCheckpoint = false;
    for (std::deque<uint64_t>& recent : state_->recent) {
      for (const uint64_t number : recent) drop(number);
      recent = {};
    }
    state_->taken.clear();
    state_->lists.clear();
    state_->early.clear();
    state_->messages.eraseIf([&](Held& held) {
      held.isCopy = false;
      if (held.uses > 0) return false;
      messageBytes_ -= held.bytes();
      return true;
    });
  }

  void dropNext() {
    if (!next_) return;
    if (next_->isAlone) return completeNext();  // its end was lost with a damaged part
    next_->messages.each([&](const Held& held) { messageBytes_ -= held.bytes(); });
    next_.reset();
  }

  // What the workers had taken from each owner: messages taken by all of them are no longer in transit.
  void take(const records::Taken& record) {
    std::vector<uint64_t>& known = state_->taken[record.worker];
    known.resize(std::min<size_t>(record.messages.size() / 8, workersMax));
    if (known.empty()) return;
    std::memcpy(known.data(), record.messages.data(), known.size() * 8);
    if (state_->taken.size() < known.size()) return;
    for (size_t owner = 0; owner < known.size(); owner++) {
      uint64_t least = UINT64_MAX;
      for (const auto& [worker, taken] : state_->taken)
        least = std::min(least, owner < taken.size() ? taken[owner] : 0);
      std::deque<uint64_t>& recent = state_->recent[owner];
      for (; !recent.empty() && recent.front() <= least; recent.pop_front()) {
        // Sessions written later may list it as queued.
        if (Held* held = state_->messages.find(recent.front())) held->isCopy = true;
        drop(recent.front());
      }
    }
  }
  void take(const records::Copied& record) {
    Session* session = find(record.session);
    if (!session) return;
    session->ownEpochs++;  // records from here on were sent after everything queued so far
    if (const auto early = state_->early.find(record.session); early != state_->early.end()) {
      session->received.own().merge(early->second);
      state_->early.erase(early);
    }
    const auto taken = state_->taken.find(record.worker);
    if (taken == state_->taken.end()) return;  // nothing was in transit
    for (size_t owner = 0; owner < taken->second.size(); owner++) {
      const std::deque<uint64_t>& recent = state_->recent[owner];
      const auto first = std::upper_bound(recent.begin(), recent.end(), taken->second[owner]);
      for (auto each = first; each != recent.end(); ++each) catchUp(*session, *each, uint8_t(owner));
    }
  }
  // The message was in transit to the session.
  void catchUp(Session& session, uint64_t number, uint8_t owner) {
    Held* const held = state_->messages.find(number);
    if (!held || !held->message) return;
    const Message& message = *held->message.get();
    Entry entry;
    bool isMatch = false;
    for (const auto& [filter, options] : session.subscriptions) {
      const Bytes text = filter.bytes();
      if (isSharedFilter(text) || !filterMatches(text, message.topic())) continue;
      if (options.noLocal && message.originSession == session.key) continue;
      isMatch = true;
      entry.qos = std::max<uint8_t>(entry.qos, options.qos) & 3;
      entry.retain = entry.retain || (options.retainAsPublished && message.retain);
      entry.subscriptionIds.add(options.subscriptionId);
    }
    entry.qos = std::min<uint8_t>(entry.qos, message.qos) & 3;
    if (!isMatch || entry.qos == 0) return;
    held->uses++;
    entry.message = number;
    entry.owner = owner;
    push(session, std::move(entry));
  }

  // --- messages -------------------------------------------------------------------------------------

  void take(const records::Message& record) {
    lastMessage = std::max(lastMessage, record.id);
    using enum records::Message::Flag;
    if (record.receivedPacketId != 0) {
      if (Session* publisher = find(record.origin)) publisher->received.own().insert(record.receivedPacketId);
      else if (state_->isCheckpoint) state_->early[record.origin].insert(record.receivedPacketId);
    }
    if ((record.flags & clearsRetained) != 0) clearRetained(textOf(record.topic));
    const bool isRetained = (record.flags & retains) != 0;
    if ((record.flags & isForSessions) != 0) state_->interests.match(record);
    if (record.flags == isForSessions && sleeps(record)) return;
    Held& held = state_->messages[record.id];
    if (!held.isKnown() || (isRetained && !held.hasContent())) keep(held, record, isRetained);
    held.isCopy = held.isCopy || (record.flags & isCopy) != 0;
    if (isRetained) {
      held.uses++;
      Retained& kept = state_->retained[textOf(record.topic)];
      const uint64_t before = kept.message ? kept.message->logId : 0;
      kept = {held.message, takeStamp(record.topic)};
      if (before != 0) drop(before);
    }
    if ((record.flags & isForSessions) != 0) {
      addTo(record, held);
      if (state_->isCheckpoint) {
        held.uses++;
        state_->recent[record.id % workersMax].push_back(record.id);
      }
    }
    dropUnused(record.id);
  }
  void take(const records::RetainedClear& record) {
    clearRetained(textOf(record.topic));
    takeStamp(record.topic);
  }
  void take(const records::RetainedStamp& record) { state_->newStamps[textOf(record.topic)] = record.stamp; }
  uint64_t takeStamp(Bytes topic) {
    if (state_->newStamps.empty()) return 0;
    const auto taken = state_->newStamps.extract(textOf(topic));
    return taken ? taken.mapped() : 0;
  }
  void take(const records::Brought& record) {
    lastMessage = std::max(lastMessage, record.id);
    Held& held = state_->messages[record.id];
    if (!held.isKnown()) {
      keep(held,
           {.id = record.id,
            .flags = uint8_t(record.isRetainMarked != 0 ? records::Message::isRetainMarked : 0),
            .qos = record.qos,
            .origin = record.origin,
            .expiresAtMs = record.expiresAtMs,
            .topic = record.topic,
            .properties = record.properties,
            .payload = record.payload},
           false);
    }
    const bool areTargets = BroughtTargets::each(record.targets, [&](BroughtTarget& target) {
      Session* session = find(target.session);
      if (!session || target.qos == 0 || target.qos > 2) return;
      state_->messages[record.id].uses++;
      Entry entry;
      entry.message = record.id;
      entry.qos = target.qos & 3;
      entry.retain = target.retain;
      entry.isFromStore = target.isFromStore;
      entry.subscriptionIds = std::move(target.subscriptionIds);
      entry.owner = anyOwner;
      push(*session, std::move(entry));
    });
    unknown_ += !areTargets;
    dropUnused(record.id);
  }

  void keep(Held& held, const records::Message& record, bool isRetained) {
    // The topic will be needed to match it.
    const bool isOnItsWay = state_->isCheckpoint && (record.flags & records::Message::isForSessions) != 0;
    const Publication publication = publicationOf(record);
    const size_t bytes = publication.blockBytes();
    held.at = publication.logPlace;
    held.contentBytes = uint32_t(publication.size());
    if (messageBytes_ + bytes > messageBytesMax_ && !isRetained && position_ && !isOnItsWay) {
      isLarge_ = true;
      return;
    }
    held.message = Publication(publication).keep();
    messageBytes_ += bytes;
  }
  Publication publicationOf(const records::Message& record) const {
    Publication publication;
    publication.topic = record.topic;
    publication.properties = record.properties;
    publication.payload = record.payload;
    publication.originSession = record.origin;
    publication.expiresAtMs = record.expiresAtMs;  // until finish(), since only the whole log tells the time
    publication.qos = record.qos;
    publication.retain = (record.flags & records::Message::isRetainMarked) != 0;
    publication.workers = uint8_t(workers_);
    publication.logId = record.id;
    publication.logPlace = LogPlace(position_);
    return publication;
  }

  void clearRetained(const std::string& topic) {
    const auto found = state_->retained.find(topic);
    if (found == state_->retained.end()) return;
    const uint64_t number = found->second.message->logId;
    state_->retained.erase(found);
    drop(number);
  }

  // Of retained messages. Mostly the marks of cleared topics (topics/retained-store.h): there is no end to these.
  void forgetExpired(uint64_t nowMs) {
    std::vector<std::string> expired;
    for (const auto& [topic, kept] : state_->retained)
      if (hasPassed(kept.message->expiresAtMs, nowMs)) expired.push_back(topic);
    for (const std::string& topic : expired) clearRetained(topic);
    state_->retainedSearchedAt = std::max(retainedSearchedMin, 2 * state_->retained.size());
  }

  // Removes one reference to the message.
  void drop(uint64_t number) {
    Held* const held = state_->messages.find(number);
    if (!held) return;
    if (held->uses > 0) held->uses--;
    dropUnused(number);
  }
  void dropUnused(uint64_t number) {
    const Held* const held = state_->messages.find(number);
    if (!held || held->uses > 0 || held->isCopy) return;
    messageBytes_ -= held->bytes();
    state_->messages.erase(number);
  }

  // A message for a single, disconnected session, in a store that does not fit into memory.
  bool sleeps(const records::Message& record) {
    const RecoveredInterests& interests = state_->interests;
    const bool isForOne = interests.groups().empty() && interests.targets().size() == 1;
    if (state_->isCheckpoint || !position_ || !isForOne) return false;
    const auto& [session, entry] = interests.targets().front();
    const size_t contentBytes = record.topic.size() + record.properties.size() + record.payload.size();
    const bool isBeyond = messageBytes_ + Message::blockBytes(workers_, contentBytes) > messageBytesMax_;
    if (!isBeyond || session->leftAtMs == 0 || state_->messages.find(record.id)) return false;
    const uint8_t qos = std::min<uint8_t>(entry.qos, record.qos);
    if (qos == 0) return false;
    isLarge_ = true;
    if (!session->asleep) session->asleep = std::make_unique<SleepingDeliveries>(workers_);
    session->asleep->add({.message = record.id,
                          .at = position_,
                          .contentBytes = contentBytes,
                          .qos = qos,
                          .retain = entry.retain,
                          .epoch = entriesEpoch_ + session->ownEpochs,
                          .ids = entry.subscriptionIds});
    return true;
  }
  // From now on these are ordinary entries.
  void wake(Session& session) {
    const std::unique_ptr<SleepingDeliveries> asleep = std::move(session.asleep);
    if (!asleep) return;
    asleep->each([&](const SleepingDelivery& each) {
      Held& held = state_->messages[each.message];
      if (!held.isKnown()) {
        held.at = LogPlace(each.at);
        held.contentBytes = uint32_t(each.contentBytes);
      }
      held.uses++;
      Entry entry;
      entry.message = each.message;
      entry.qos = each.qos & 3;
      entry.retain = each.retain;
      entry.owner = uint8_t(each.message % workersMax);
      entry.epoch = each.epoch;
      entry.subscriptionIds = each.ids;
      addToRow(session, std::move(entry));
    });
  }

  void addTo(const records::Message& record, Held& held) {
    for (RecoveredInterests::Group* group : state_->interests.groups()) {
      if (group->holders.try_emplace(record.id, 0).second) held.uses++;
    }
    for (RecoveredInterests::Target& target : state_->interests.targets()) {
      target.entry.message = record.id;
      target.entry.qos = std::min<uint8_t>(target.entry.qos, record.qos) & 3;
      if (target.entry.qos == 0) continue;
      held.uses++;
      target.entry.owner = uint8_t(record.id % workersMax);
      push(*target.session, std::move(target.entry));
    }
  }
  void push(Session& session, Entry entry) {
    wake(session);
    entry.epoch = entriesEpoch_ + session.ownEpochs;
    addToRow(session, std::move(entry));
  }
  void addToRow(Session& session, Entry entry) {
    const auto placeOf = [&](const Entry& each) -> RowPlace& {
      Held* const held = state_->messages.find(each.message);
      return held ? held->place : noPlace_ = {};
    };
    state_->rows.push(session.entries, std::move(entry), placeOf, [](const Entry&) {});
  }
  // --- sessions -------------------------------------------------------------------------------------

  void take(const records::Session& record) {
    Session& session = state_->sessions[record.session];
    session.clientId = NameText(record.clientId);
    session.expirySeconds = record.expirySeconds;
    session.leftAtMs = record.leftAtMs;
    session.access.assign(record.access.begin(), record.access.end());
    session.will = willOf(record);
    lastMs = std::max(lastMs, record.leftAtMs);
    state_->guests.erase(record.session);
  }
  std::unique_ptr<Will> willOf(const records::Session& record) const {
    using enum records::Session::Flag;
    if ((record.flags & hasWill) == 0) return nullptr;
    auto will = std::make_unique<Will>();
    will->delaySeconds = record.willDelaySeconds;
    will->expires = (record.flags & willExpires) != 0;
    will->expirySeconds = record.willExpirySeconds;
    Publication publication;
    publication.topic = record.willTopic;
    publication.properties = record.willProperties;
    publication.payload = record.willPayload;
    publication.originSession = record.session;
    publication.qos = record.willQos;
    publication.retain = (record.flags & willRetains) != 0;
    publication.workers = uint8_t(workers_);
    will->message = publication.keep();
    return will;
  }
  void take(const records::SessionStamp& record) {
    if (Session* session = find(record.session)) session->stamp = record.stamp;
  }
  void take(const records::Left& record) {
    lastMs = std::max(lastMs, record.atMs);
    Session* session = find(record.session);
    if (!session) return;
    session->expirySeconds = record.expirySeconds;
    session->leftAtMs = record.atMs;
    if (record.keepsWill == 0) session->will = nullptr;
  }
  void take(const records::WillOver& record) {
    if (Session* session = find(record.session)) session->will = nullptr;
  }
  void take(const records::SessionEnd& record) {
    state_->early.erase(record.session);
    Session* session = find(record.session);
    if (!session) return;
    while (!session->subscriptions.isEmpty()) {
      const std::string filter = textOf(session->subscriptions.last().filter.bytes());
      unsubscribe(*session, bytesOf(filter));
    }
    session->window->each([&](const Entry& entry) { leaveEntry(entry, record.session); });
    for (Entry entry; !session->entries.isEmpty();) {
      state_->rows.takeFront(session->entries, entry);
      leaveEntry(entry, record.session);
    }
    state_->sessions.erase(record.session);
  }
  // The entry is removed. An entry of a share now goes to another member.
  void leaveEntry(const Entry& entry, uint64_t session) {
    if (entry.share != 0) {
      RecoveredInterests::Group* const group = state_->interests.find(entry.share);
      if (group) group->leave(entry.message, session);
    }
    drop(entry.message);
  }

  void take(const records::Subscribe& record) {
    Session* session = find(record.session);
    if (!session) return;
    using enum records::Subscribe::Flag;
    const Subscription options{.qos = record.qos,
                               .noLocal = (record.flags & noLocal) != 0,
                               .retainAsPublished = (record.flags & retainAsPublished) != 0,
                               .subscriptionId = record.subscriptionId};
    if (const LoggedSubscription* known = session->subscriptions.find(record.filter)) {
      if (*known == options) return;  // clients often repeat subscriptions
      session->subscriptions.remove(record.filter);
      if (!isSharedFilter(record.filter)) state_->interests.remove(*session, record.filter);
    }
    session->subscriptions.add(record.filter, options);
    state_->interests.add(*session, record.filter, options);
  }
  void take(const records::Unsubscribe& record) {
    if (Session* session = find(record.session)) unsubscribe(*session, record.filter);
  }
  void unsubscribe(Session& session, Bytes filter) {
    if (!session.subscriptions.remove(filter)) return;
    for (const auto& [number, holder] : state_->interests.remove(session, filter)) drop(number);
  }

  // --- deliveries -----------------------------------------------------------------------------------

  void take(const records::Done& record) {
    Session* session = find(record.session);
    if (!session) return;
    for (size_t at = 0; at + 8 <= record.ids.size(); at += 8) {
      uint64_t number;
      std::memcpy(&number, record.ids.data() + at, sizeof number);
      removeEntry(*session, number, false);
    }
  }
  void take(const records::ShareDone& record) {
    uint64_t share = 0;
    if (Session* session = find(record.session)) share = removeEntry(*session, record.message, true);
    else if (const auto guest = state_->guests.find(record.session); guest != state_->guests.end()) {
      const auto held = guest->second.find(record.message);
      if (held != guest->second.end()) share = held->second;
      if (share != 0) guest->second.erase(held);
    }
    RecoveredInterests::Group* const group = state_->interests.find(share);
    if (group && group->holders.erase(record.message) > 0) drop(record.message);
  }
  // Where entries that leave a queue are looked for, before those up to them move to its window.
  static constexpr size_t nearEnds = 512;
  // The same at once if the queue is of more runs (structures/shared-rows.h).
  static constexpr size_t runsFew = 64;

  // Returns its share.
  uint64_t removeEntry(Session& session, uint64_t number, bool isOfShare) {
    wake(session);
    if (!state_->messages.find(number)) return 0;
    Entry entry;
    if (!session.window->isEmpty() && session.window.own().remove(number, isOfShare, entry)) {
      drop(number);
      return entry.share;
    }
    size_t at = 0;
    // The oldest was acknowledged, or the newest dropped.
    const Entry* found = state_->rows.findNearEnds(
        session.entries, [&](const Entry& each) { return each.message == number && (each.share != 0) == isOfShare; },
        at, nearEnds);
    const bool isWithin = at > 0 && at + 1 < session.entries.size() && at < nearEnds;
    if (found && !(isWithin && session.entries.runs() > runsFew)) {
      entry = *found;
      state_->rows.takeAt(session.entries, at);
    } else {  // a client acknowledges much in another order: what came before was sent as well
      if (!open(session, number, isOfShare)) return 0;
      session.window.own().remove(number, isOfShare, entry);
    }
    drop(number);
    return entry.share;
  }

  void take(const records::Queued& record) {
    if (record.share != 0) handTo(record);
    Session* session = find(record.session);
    Held* const held = record.qos > 0 && session ? heldFor(record.message) : nullptr;
    if (!held) return;
    Entry entry;
    entry.message = record.message;
    entry.share = record.share;
    entry.qos = record.qos & 3;
    entry.retain = (record.flags & records::Queued::retain) != 0;
    entry.isFromStore = (record.flags & records::Queued::isFromStore) != 0;
    addIds(record.subscriptionIds, entry.subscriptionIds);
    held->uses++;
    entry.owner = anyOwner;
    push(*session, std::move(entry));
  }
  // A checkpoint may name a message before its record, if that had to be read back.
  Held* heldFor(uint64_t number) {
    return isCheckpointRecord_ ? &state_->messages[number] : state_->messages.find(number);
  }
  void take(const records::Waiting& record) {
    using enum records::Waiting::Flag;
    List& list = state_->lists[record.worker];
    if ((record.flags & isSame) == 0) {
      list.messages.clear();
      list.check = NumberList::checkOf(record.messages);
      if (!NumberList::each(record.messages, [&](uint64_t number) { list.messages.push_back(number); })) unknown_++;
    } else if (!record.messages.empty() && !areEqual(record.messages, Bytes(list.check))) {
      unknown_++;  // the list was lost with a damaged part
      return;
    }
    Session* session = find(record.session);
    if (!session || record.qos == 0) return;
    Entry like;
    like.qos = record.qos & 3;
    like.retain = (record.flags & retain) != 0;
    like.isFromStore = (record.flags & isFromStore) != 0;
    like.owner = anyOwner;
    addIds(record.subscriptionIds, like.subscriptionIds);
    for (const uint64_t number : list.messages) {
      heldFor(number)->uses++;
      Entry entry = like;
      entry.message = number;
      push(*session, std::move(entry));
    }
  }
  static void addIds(Bytes ids, SubscriptionIds& to) {
    for (size_t at = 0; at + 4 <= ids.size(); at += 4) {
      uint32_t id;
      std::memcpy(&id, ids.data() + at, sizeof id);
      to.add(id);
    }
  }
  // From now on this member of the share has the message.
  void handTo(const records::Queued& record) {
    RecoveredInterests::Group* const group = state_->interests.find(record.share);
    Held* const held = state_->messages.find(record.message);
    if (!group || !held) return;
    const auto [place, isNew] = group->holders.try_emplace(record.message, 0);
    if (isNew) held->uses++;
    if (Session* before = find(place->second)) removeEntry(*before, record.message, true);
    place->second = record.session;
    if (!find(record.session)) state_->guests[record.session][record.message] = record.share;
  }

  void take(const records::Received& record) {
    if (Session* session = find(record.session)) session->received.own().insert(record.packetId);
  }
  void take(const records::Forget& record) {
    if (Session* session = find(record.session)) session->received.own().erase(record.packetId);
    else if (const auto early = state_->early.find(record.session); early != state_->early.end())
      early->second.erase(record.packetId);
  }

  void take(const records::Sent& record) {
    Session* session = find(record.session);
    if (!session) return;
    const Entry* const before = session->window->sentUnder(record.packetId);
    if (before && record.message != 0 && before->message == record.message) return;
    if (before)
      take(records::Completed{record.session, record.packetId});  // the identifier has been reused for another message
    wake(*session);
    const bool isOfShare = record.isOfShare != 0;
    LoggedWindow& window = session->window.own();
    const auto send = [&] { return window.send(record.message, isOfShare, record.packetId, sent_ + 1); };
    const bool isSent = record.message != 0 && state_->messages.find(record.message) &&
                        (send() || (open(*session, record.message, isOfShare) && send()));
    sent_++;
    if (isSent) return;
    // It is already released, or the message was lost with a damaged part of the log. The client may have received it,
    // so it has to be released.
    if (record.message == 0) open(*session, session->entries.size());  // it was sent after them
    LoggedWindow::Held held;
    held.qos = 2;
    held.owner = anyOwner;
    held.packetId = record.packetId;
    held.epoch = entriesEpoch_ + session->ownEpochs;
    held.sentOrder = sent_;
    window.push(std::move(held));
  }
  // Moves the first entries of the queue to its window.
  void open(Session& session, size_t count) {
    for (; count > 0; count--) {
      LoggedWindow::Held held;
      state_->rows.takeFront(session.entries, held);
      session.window.own().push(std::move(held));
    }
  }
  // Those up to the message; false: it is not there.
  bool open(Session& session, uint64_t message, bool isOfShare) {
    size_t at = 0;
    const auto isMeant = [&](const Entry& entry) {
      return entry.message == message && (entry.share != 0) == isOfShare;
    };
    if (!state_->rows.find(session.entries, isMeant, at)) return false;
    open(session, at + 1);
    return true;
  }
  void take(const records::Released& record) {
    Session* session = find(record.session);
    const Entry* const found = session ? session->window->sentUnder(record.packetId) : nullptr;
    if (!found || found->message == 0) return;
    drop(found->message);
    session->window.own().release(record.packetId);
  }
  void take(const records::Completed& record) {
    Session* session = find(record.session);
    const Entry* const found = session ? session->window->sentUnder(record.packetId) : nullptr;
    if (!found) return;
    if (found->message != 0) drop(found->message);
    session->window.own().complete(record.packetId);
  }

  // For entries that a session got in log order: from shares, retained messages, or a checkpoint.
  static constexpr uint8_t anyOwner = workersMax;

  const unsigned workers_;
  const HashKeys keys_;
  const size_t messageBytesMax_;
  LogClock clock_;
  uint64_t aheadMs_ = 0;  // of the calendar, when that was last noted; modulo 2^64
  size_t messageBytes_ = 0;
  bool isLarge_ = false;
  log::Position position_;     // of the record that is being applied
  uint32_t firstSegment_ = 0;  // of the log
  bool isWhole_ = false;       // `state_` began with a checkpoint
  bool isCheckpointRecord_ = false;
  std::unique_ptr<State> state_;
  std::unique_ptr<State> next_;  // the checkpoint that is being read
  RowPlace noPlace_;
  uint32_t entriesEpoch_ = 0;
  uint64_t sent_ = 0;
  uint64_t unknown_ = 0;
};

}  // namespace rally
