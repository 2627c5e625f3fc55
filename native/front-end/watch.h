// Observation of a worker's messages:
//
//   sampled   some messages, all of them while they are few: their times to the subscribers' sockets
//   spans     messages of an OpenTelemetry trace, or a part of the others: publication and deliveries
//   traces    requested by an operator: messages of some sessions, or that match a topic filter
//
//   PUBLISH --isDue()--> onPublish(): its Mark --> shards, lanes --> Outbound: watches() --> onDelivery()
//                                                                     onSent() -> unwritten -> settle(): time taken
//
// An unobserved message costs a test for its PUBLISH and one for each delivery. Records go to JavaScript as an event
// `traced`; those above a limit per second are only counted. core/tracing/trace-record.ts reads them.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "../counters.h"
#include "../structures/hash.h"
#include "../structures/monotonic-clock.h"
#include "../structures/sampler.h"
#include "../wire/traceparent.h"
#include "connection.h"
#include "events.h"

namespace rally {

// In the order of `recordKinds` in core/data-plane/addon.ts, which compares the names when it loads the addon.
enum class RecordKind : uint8_t {
  published,
  refused,
  delivered,
  queued,
  dropped,
  missed,
  publishSpan,
  deliverSpan,
  count,
};

// In the order of `dropReasons` there, likewise compared.
enum class DropReason : uint8_t {
  none,
  outboxFull,
  queueFull,
  allQueuesFull,
  tooLarge,
  expired,
  withheld,
  unreadable,
  count,
};

class Watch {
 public:
  static constexpr unsigned tracesMax = 8;
  // Records for JavaScript in a second, for traces and for spans.
  static constexpr uint32_t recordsPerSecond = 1'000;

  Watch(Counters& counters, Fifo<Event>& events) : counters_(counters), events_(events), random_(randomSeed() | 1) {}

  // --- settings -------------------------------------------------------------------------------------

  // `filter`: empty for sessions only (Session::traces).
  void trace(unsigned index, Bytes filter, uint32_t payloadBytesMax) {
    RALLY_ASSERT(index < tracesMax);
    traces_[index] = {true, {filter.begin(), filter.end()}, payloadBytesMax};
    settleOn();
  }
  void endTrace(unsigned index) {
    RALLY_ASSERT(index < tracesMax);
    traces_[index] = {};
    settleOn();
  }
  // `ratio`: of the messages without a trace of their own; of all, unless their parent decides.
  void makeSpans(bool areMade, bool followsParent, double ratio) {
    makesSpans_ = areMade;
    followsParent_ = followsParent;
    spansBelow_ = uint64_t(ratio * double(uint64_t(1) << 56));
    settleOn();
  }
  bool hasTraces() const { return hasTraces_; }

  // Once a second.
  void tick() {
    sampler_.tick();
    if (missedTraces_ != 0) push(RecordKind::missed, {.traces = missedTraces_, .payloadBytes = missed_});
    missedTraces_ = 0;
    missed_ = 0;
    recordsLeft_ = spansLeft_ = recordsPerSecond;
  }

  // --- publications ---------------------------------------------------------------------------------

  // For each accepted PUBLISH. True: call onPublish().
  bool isDue() { return sampler_.isDue() || isOn_; }
  void onPublish(Publication& publication, const Session& session) {
    mark_ = {};
    mark_.receivedNs = monotonicNs();
    if (sampler_.isTaking()) mark_.messages = sampler_.take();
    parent_ = {};
    if (makesSpans_) decideSpan(publication);
    if (mark_.messages != 0 || mark_.span != 0) publication.mark = reinterpret_cast<const uint8_t*>(&mark_);
    if (hasTraces_) note(RecordKind::published, session, publication, publication.qos, publication.retain);
  }
  // The shard has it, or it is in transit.
  void afterPublish(const Publication& publication, const Session& session) {
    if (publication.mark && mark_.span != 0)
      span(RecordKind::publishSpan, mark_, publication, session.key, monotonicNs(), parent_.span);
  }
  void onRefused(const Session& session, Bytes topic, const Publish& publish, Reason reason) {
    if (const uint8_t traces = tracesOf(session, topic); traces != 0)
      record(RecordKind::refused, {.traces = traces,
                                   .reason = reason,
                                   .qos = publish.qos,
                                   .retain = publish.retain,
                                   .payloadBytes = uint32_t(publish.payload.size()),
                                   .session = session.key,
                                   .topic = topic,
                                   .payload = publish.payload});
  }

  // --- deliveries -----------------------------------------------------------------------------------

  bool watches(const Publication& publication) const { return publication.mark || hasTraces_; }
  // Whether all its deliveries are observed, however many there are.
  bool watchesAll(const Publication& publication) const {
    return hasTraces_ || (makesSpans_ && publication.mark && publication.readMark().span != 0);
  }
  void onDelivery(RecordKind kind, const Session& session, const Publication& publication, uint8_t qos, bool retain,
                  DropReason why) {
    if (hasTraces_) note(kind, session, publication, qos, retain, why);
  }
  // A marked message is in the connection's outbox.
  void onSent(Connection& connection, const Session& session, Publication& publication) {
    const Mark mark = publication.readMark();
    if (mark.receivedNs / 1'000'000 < connection.phaseSinceMs) return;  // it waited for a client that was away
    if (unwritten_.size() >= unwrittenMax) return;
    unwritten_.push_back(
        {&connection, session.key, mark, mark.span != 0 ? MessageRef(publication.keep()) : MessageRef()});
  }
  bool hasUnwritten() const { return !unwritten_.empty(); }
  // The outboxes have been written: takes the time of the messages that their sockets have accepted.
  void settle() {
    const uint64_t nowNs = monotonicNs();
    std::erase_if(unwritten_, [&](Unwritten& each) {
      const Connection& connection = *each.connection;
      if (connection.isSevered) return true;
      if (connection.isBlocked || connection.held || !connection.outbox.isEmpty()) return false;
      written(each, nowNs);
      return true;
    });
    if (unwritten_.size() <= blockedMax) return;
    // Sockets that accept nothing: those that have waited longest are counted with their time so far.
    const auto end = unwritten_.begin() + std::ptrdiff_t(unwritten_.size() - blockedMax);
    for (auto each = unwritten_.begin(); each != end; ++each) written(*each, nowNs);
    unwritten_.erase(unwritten_.begin(), end);
  }
  void forget(const Connection& connection) {
    if (!unwritten_.empty())
      std::erase_if(unwritten_, [&](const Unwritten& each) { return each.connection == &connection; });
  }

 private:
  struct Trace {
    bool isOn = false;
    std::vector<uint8_t> filter;
    uint32_t payloadBytesMax = 0;
  };
  struct Unwritten {
    Connection* connection;
    uint64_t session;
    Mark mark;
    MessageRef message;  // for the span
  };
  // A record for JavaScript; unused fields are 0.
  struct Record {
    uint8_t traces = 0;
    Reason reason = Reason::success;
    DropReason why = DropReason::none;
    uint8_t qos = 0;
    bool retain = false;
    uint32_t payloadBytes = 0;
    uint64_t session = 0;  // the sender, or the receiver
    uint64_t origin = 0;   // the sender of the message that it receives
    Bytes topic = {};
    Bytes payload = {};
  };
  static constexpr size_t unwrittenMax = 16'384;
  static constexpr size_t blockedMax = 256;

  void settleOn() {
    hasTraces_ = std::any_of(traces_.begin(), traces_.end(), [](const Trace& trace) { return trace.isOn; });
    isOn_ = hasTraces_ || makesSpans_;
  }

  // --- traces ---------------------------------------------------------------------------------------

  uint8_t tracesOf(const Session& session, Bytes topic) const {
    uint8_t traces = session.traces;
    for (unsigned index = 0; index < tracesMax; index++) {
      const Trace& trace = traces_[index];
      if (!trace.filter.empty() && filterMatches(Bytes(trace.filter), topic)) traces |= uint8_t(1 << index);
    }
    return traces;
  }
  void note(RecordKind kind, const Session& session, const Publication& publication, uint8_t qos, bool retain,
            DropReason why = DropReason::none) {
    const uint8_t traces = tracesOf(session, publication.topic);
    if (traces == 0) return;
    record(kind, {.traces = traces,
                  .why = why,
                  .qos = qos,
                  .retain = retain,
                  .payloadBytes = uint32_t(publication.payload.size()),
                  .session = session.key,
                  .origin = kind == RecordKind::published ? 0 : publication.originSession,
                  .topic = publication.topic,
                  .payload = publication.payload});
  }
  void record(RecordKind kind, const Record& record) {
    if (recordsLeft_ == 0) {
      missed_++;
      missedTraces_ |= record.traces;
      return;
    }
    recordsLeft_--;
    push(kind, record);
  }
  uint32_t payloadBytesMax(uint8_t traces) const {
    uint32_t most = 0;
    for (unsigned index = 0; index < tracesMax; index++) {
      if ((traces >> index & 1) != 0) most = std::max(most, traces_[index].payloadBytesMax);
    }
    return most;
  }

  //   [ kind | traces | reason | why | QoS, 4: retain | 3 unused | payload bytes 4 | topic bytes 4 | session 8 |
  //     origin 8 | nanoseconds 8 | topic | requested part of the payload ]
  void push(RecordKind kind, const Record& record) {
    std::vector<uint8_t> bytes = {uint8_t(kind),
                                  record.traces,
                                  uint8_t(record.reason),
                                  uint8_t(record.why),
                                  uint8_t(record.qos | (record.retain ? 4 : 0)),
                                  0,
                                  0,
                                  0};
    put(bytes, record.payloadBytes);
    put(bytes, uint32_t(record.topic.size()));
    put(bytes, record.session);
    put(bytes, record.origin);
    put(bytes, monotonicNs());
    put(bytes, record.topic);
    put(bytes, record.payload.first(std::min<size_t>(record.payload.size(), payloadBytesMax(record.traces))));
    events_.push({EventKind::traced, 0, Reason::success, 0, 0, std::move(bytes)});
  }
  static void put(std::vector<uint8_t>& bytes, Bytes more) { bytes.insert(bytes.end(), more.begin(), more.end()); }
  template <class Number>
  requires std::is_integral_v<Number>
  static void put(std::vector<uint8_t>& bytes, Number number) {
    put(bytes, Bytes(reinterpret_cast<const uint8_t*>(&number), sizeof number));
  }

  // --- spans ----------------------------------------------------------------------------------------

  // Whether the message belongs to a trace, and to which.
  void decideSpan(const Publication& publication) {
    if (isReservedTopic(publication.topic) || spansLeft_ == 0) return;
    const bool hasParent = readTraceParent(userProperty(publication.properties, "traceparent"), parent_);
    if (hasParent) {
      mark_.traceId = parent_.traceId;
    } else {
      parent_ = {};
      for (size_t half = 0; half < 16; half += 8) {
        const uint64_t random = nextRandom();
        std::memcpy(mark_.traceId.data() + half, &random, 8);
      }
    }
    const bool isTaken = hasParent && followsParent_ ? parent_.isSampled : randomnessOf(mark_.traceId) < spansBelow_;
    if (isTaken) mark_.span = nextRandom();
  }
  // Derived from the trace's identifier, so that all decide alike: its last 7 bytes.
  static uint64_t randomnessOf(const std::array<uint8_t, 16>& traceId) {
    uint64_t number = 0;
    for (size_t i = 9; i < 16; i++) number = number << 8 | traceId[i];
    return number;
  }
  // Never 0.
  uint64_t nextRandom() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }

  void written(const Unwritten& each, uint64_t nowNs) {
    const uint64_t tookNs = nowNs - std::min(nowNs, each.mark.receivedNs);
    if (each.mark.messages != 0) counters_.deliveryTime.add(tookNs, each.mark.messages);
    if (!each.message) return;
    const Publication publication = Publication::of(each.message, 0);
    std::array<uint8_t, 8> parent;
    std::memcpy(parent.data(), &each.mark.span, 8);
    span(RecordKind::deliverSpan, each.mark, publication, each.session, nowNs, parent);
  }

  //   [ kind | 3 unused | QoS | 3 unused | payload bytes 4 | topic bytes 4 | session 8 | origin 8 | start 8 |
  //     end 8 | trace 16 | span 8 | parent 8, 0: none | topic ]
  void span(RecordKind kind, const Mark& mark, const Publication& publication, uint64_t session, uint64_t endNs,
            const std::array<uint8_t, 8>& parent) {
    if (spansLeft_ == 0) return;
    spansLeft_--;
    std::vector<uint8_t> bytes = {uint8_t(kind), 0, 0, 0, publication.qos, 0, 0, 0};
    put(bytes, uint32_t(publication.payload.size()));
    put(bytes, uint32_t(publication.topic.size()));
    put(bytes, session);
    put(bytes, publication.originSession);
    put(bytes, mark.receivedNs);
    put(bytes, endNs);
    put(bytes, Bytes(mark.traceId));
    put(bytes, kind == RecordKind::publishSpan ? mark.span : nextRandom());
    put(bytes, Bytes(parent));
    put(bytes, publication.topic);
    events_.push({EventKind::traced, 0, Reason::success, 0, 0, std::move(bytes)});
  }

  Sampler sampler_;
  bool isOn_ = false;  // traces or spans
  bool hasTraces_ = false;
  bool makesSpans_ = false;
  bool followsParent_ = true;
  uint8_t missedTraces_ = 0;
  uint32_t missed_ = 0;
  uint32_t recordsLeft_ = recordsPerSecond;
  uint32_t spansLeft_ = recordsPerSecond;
  uint64_t spansBelow_ = 0;
  Counters& counters_;
  Fifo<Event>& events_;
  uint64_t random_;
  Mark mark_;           // of the PUBLISH that is being taken ...
  TraceParent parent_;  // ... and the span that it is a child of
  std::array<Trace, tracesMax> traces_;
  std::vector<Unwritten> unwritten_;
};

}  // namespace rally
