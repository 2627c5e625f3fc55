// The methods of an Engine object for operators. Types and meanings: core/data-plane/addon.ts. Lists are flat: the
// fields of one row after those of the other.
#pragma once
#include "../front-end/inspection.h"
#include "engine-methods.h"

namespace rally::node {

// A JavaScript array that grows.
class FlatList {
 public:
  explicit FlatList(napi_env env) : env_(env) { napi_create_array(env, &list_); }
  void number(double number) { put(toNumber(env_, number)); }
  void text(Bytes text) { put(toText(env_, text)); }
  // In the place of what is there.
  void put(uint32_t index, napi_value value) { napi_set_element(env_, list_, index, value); }
  napi_value value() const { return list_; }

 private:
  void put(napi_value value) { put(length_++, value); }

  const napi_env env_;
  napi_value list_ = nullptr;
  uint32_t length_ = 0;
};

// [ topic filter | options: QoS, 4: no local, 8: retain as published | subscription identifier, 0: none ]
inline void putSubscription(FlatList& list, const Filter& filter, const Subscriber& subscriber) {
  list.text(filter.text());
  list.number(subscriber.qos | (subscriber.noLocal ? 4 : 0) | (subscriber.retainAsPublished ? 8 : 0));
  list.number(subscriber.subscriptionId);
}

inline napi_value figuresOf(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  FlatList list(env);
  const Session* session = call.host->engine.findSession(call.integer(0));
  if (!session) return list.value();
  const SessionFigures figures = Inspection::figuresOf(*session);
  for (const size_t figure :
       {figures.subscriptions, figures.subscriptionBytes, figures.queued, figures.inFlight, figures.heldBytes,
        figures.qos2Pending, figures.unsentBytes, size_t(figures.expirySeconds), size_t(figures.keepAliveMs),
        size_t(figures.traffic.bytesReceived), size_t(figures.traffic.bytesSent),
        size_t(figures.traffic.messagesReceived), size_t(figures.traffic.messagesSent)})
    list.number(double(figure));
  return list.value();
}

inline napi_value subscriptionsOf(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  FlatList list(env);
  const Session* session = call.host->engine.findSession(call.integer(0));
  if (!session) return list.value();
  Inspection::eachSubscription(
      *session, size_t(call.integer(1)), size_t(call.integer(2)),
      [&](const Filter& filter, const Subscriber& subscriber) { putSubscription(list, filter, subscriber); });
  return list.value();
}

// [ number of all | filter and subscribers of the place where the rest begins, 0: there is none | then for each:
// session | subscription ]
inline napi_value matchesOf(napi_env env, napi_callback_info info) {
  const Call<4> call(env, info);
  const std::string topic = call.text(0);
  Inspection::MatchPlace place{uint32_t(call.integer(2)), uint32_t(call.integer(3))};
  FlatList rows(env);
  for (unsigned head = 0; head < 3; head++) rows.number(0);
  const size_t count = Inspection::eachMatch(call.host->engine.filterTable(), bytesOf(topic), size_t(call.integer(1)),
                                             place, [&](const Filter& filter, const Subscriber& subscriber) {
                                               rows.number(double(subscriber.session->key));
                                               putSubscription(rows, filter, subscriber);
                                             });
  rows.put(0, toNumber(env, double(count)));
  rows.put(1, toNumber(env, place.filter));
  rows.put(2, toNumber(env, place.subscribers));
  return rows.value();
}

// For each: session | queued messages | their bytes | milliseconds for which its socket has accepted nothing
inline napi_value slowOf(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  Engine& engine = call.host->engine;
  FlatList rows(env);
  Inspection::eachSlow(engine.accounts(), size_t(call.integer(0)), [&](const Session& session, uint64_t sinceMs) {
    if (session.kind == ConnectionKind::host) return;
    const SessionFigures figures = Inspection::figuresOf(session);
    rows.number(double(session.key));
    rows.number(double(figures.queued + figures.inFlight));
    rows.number(double(figures.heldBytes + figures.unsentBytes));
    rows.number(sinceMs == 0 ? 0 : double(engine.nowMs() - std::min(sinceMs, engine.nowMs())));
  });
  return rows.value();
}

// [ the place where the rest begins, 0: there is none | then for each: topic | bytes of the payload | QoS ]
inline napi_value retainedOf(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  const std::string filter = call.text(0);
  const std::string from = call.text(2);
  const Bytes behind = bytesOf(from);
  std::vector<uint8_t> place(behind.begin(), behind.end());
  Engine& engine = call.host->engine;
  FlatList rows(env);
  rows.number(0);
  const bool areAll = Inspection::eachRetained(engine.shard().retained(), bytesOf(filter), size_t(call.integer(1)),
                                               engine.nowMs(), place, [&](const MessageRef& message) {
                                                 rows.text(message->topic());
                                                 rows.number(message->payloadBytes);
                                                 rows.number(message->qos);
                                               });
  if (!areAll) rows.put(0, toText(env, place));
  return rows.value();
}

// For each level: its text | messages | of those on the topic itself | messages a second | bytes a second |
// milliseconds since the last one | whether there are levels below it. `above` and `after` may be undefined.
inline napi_value topicLevelsOf(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  const std::string aboveText = call.text(0);
  const std::string afterText = call.text(1);
  const Bytes above = bytesOf(aboveText);
  const Bytes after = bytesOf(afterText);
  Engine& engine = call.host->engine;
  const uint64_t nowMs = engine.nowMs();
  FlatList rows(env);
  Inspection::eachTopicLevel(engine.shard().rates(), call.isGiven(0) ? &above : nullptr,
                             call.isGiven(1) ? &after : nullptr, size_t(call.integer(2)), nowMs,
                             [&](Bytes level, const TopicRates::Figures& figures, bool hasBelow) {
                               rows.text(level);
                               rows.number(figures.messages);
                               rows.number(figures.own);
                               rows.number(figures.messagesPerSecond);
                               rows.number(figures.bytesPerSecond);
                               rows.number(double(nowMs - std::min(nowMs, figures.lastMs)));
                               rows.number(hasBelow ? 1 : 0);
                             });
  return rows.value();
}

constexpr std::array inspectionMethods = {
    Method{"figuresOf", figuresOf}, Method{"subscriptionsOf", subscriptionsOf},
    Method{"matchesOf", matchesOf}, Method{"retainedOf", retainedOf},
    Method{"slowOf", slowOf},       Method{"topicLevelsOf", topicLevelsOf},
};

}  // namespace rally::node
