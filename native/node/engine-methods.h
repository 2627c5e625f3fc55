// The methods of an Engine object. Types and meanings: core/data-plane/addon.ts.
#pragma once
#include <node_api.h>
#include <uv.h>

#include <array>
#include <string>
#include <vector>

#include "brokers.h"
#include "engine-host.h"
#include "method.h"
#include "values.h"

namespace rally::node {

// The arguments of a call on an Engine object. Its functions hold their EngineHost: unwrapping an object at each call
// would cost more than accepting a small message.
template <size_t Count>
struct Call {
  napi_env env;
  std::array<napi_value, Count> arguments{};
  EngineHost* host = nullptr;

  Call(napi_env environment, napi_callback_info info) : env(environment) {
    size_t count = Count;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments.data(), nullptr, &data);
    host = static_cast<EngineHost*>(data);
  }
  uint64_t integer(size_t index) const { return integerOf(env, arguments[index]); }
  uint32_t slot(size_t index) const {
    uint32_t slot = 0;
    napi_get_value_uint32(env, arguments[index], &slot);
    return slot;
  }
  bool isGiven(size_t index) const {
    napi_valuetype type = napi_undefined;
    napi_typeof(env, arguments[index], &type);
    return type != napi_undefined;
  }
  bool truth(size_t index) const { return truthOf(env, arguments[index]); }
  std::string text(size_t index) const { return textOf(env, arguments[index]); }
  Bytes bytes(size_t index) const { return bytesOf(env, arguments[index]); }
  FrontEnd& frontEnd() const { return host->engine.frontEnd(); }
  Connection& connection(size_t index) const { return frontEnd().connection(slot(index)); }
};

inline napi_value answerOpening(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  call.host->updateNow();
  call.host->door.answerOpening(call.slot(0), call.truth(1), call.text(2));
  return nullptr;
}

inline napi_value forgetOpenings(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  call.host->door.forgetOpenings();
  return nullptr;
}

inline napi_value openHost(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.host->updateNow();
  Session& session = call.host->engine.createSession(call.integer(0), ConnectionKind::host);
  Connection& connection = call.host->hostTransport.open();
  ConnectionTerms terms;  // it needs no CONNECT
  terms.version = mqtt5;
  terms.sessionExpirySeconds = neverExpires;
  terms.withholdsProblems = true;
  const bool isAccepted = call.frontEnd().accept(connection, session, std::move(terms), {});
  RALLY_ASSERT(isAccepted);
  return toNumber(env, connection.slot);
}

inline napi_value receiveFromHost(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.host->updateNow();
  call.host->hostTransport.receive(call.bytes(0));
  discardBytes(env, call.arguments[0]);
  return nullptr;
}

inline napi_value hostProcessed(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->updateNow();
  call.host->hostTransport.processed(size_t(call.integer(0)), size_t(call.integer(1)));
  return nullptr;
}

inline napi_value resume(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.frontEnd().resume(call.connection(0));
  return nullptr;
}

inline napi_value send(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.frontEnd().tell(call.connection(0), call.bytes(1));
  return nullptr;
}

inline napi_value closeConnection(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.frontEnd().close(call.connection(0), Reason(call.integer(1)));
  return nullptr;
}

inline napi_value disconnect(napi_env env, napi_callback_info info) {
  const Call<4> call(env, info);
  call.frontEnd().disconnect(call.connection(0), CloseCause(call.integer(1)), Reason(call.integer(2)),
                             uint32_t(call.integer(3)));
  return nullptr;
}

inline napi_value finish(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->updateNow();
  call.frontEnd().finish(call.connection(0), Reason(call.integer(1)));
  return nullptr;
}

inline napi_value withholdWills(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  call.frontEnd().withholdWills();
  return nullptr;
}

inline napi_value accept(napi_env env, napi_callback_info info) {
  const Call<4> call(env, info);
  const uint64_t key = call.integer(1);
  Session* session = call.host->engine.findSession(key);
  if (!session || SessionMoves::stateOf(*session) == SessionState::departing) return toBoolean(env, false);
  ConnectionTerms terms = readTerms(call.bytes(2), key, call.host->engine.workers());
  return toBoolean(env, call.frontEnd().accept(call.connection(0), *session, std::move(terms), call.bytes(3)));
}

inline std::vector<uint8_t> copyOf(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

inline napi_value numberConnections(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.frontEnd().numberConnections(uint32_t(call.integer(0)));
  return nullptr;
}

inline napi_value setPlainTerms(napi_env env, napi_callback_info info) {
  const Call<6> call(env, info);
  call.frontEnd().setPlainTerms({.clientIdBytesMax = uint32_t(call.integer(0)),
                                 .serverKeepAliveSeconds = uint16_t(call.integer(1)),
                                 .mqtt4 = {copyOf(call.bytes(2)), copyOf(call.bytes(3))},
                                 .mqtt5 = {copyOf(call.bytes(4)), copyOf(call.bytes(5))}});
  return nullptr;
}

inline napi_value acceptPlain(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Connection* connection = call.frontEnd().findPlainConnecting(call.integer(0));
  if (!connection) return toBoolean(env, false);
  Engine& engine = call.host->engine;
  call.frontEnd().acceptPlain(*connection, engine.createSession(call.integer(1)), engine.workers());
  return toBoolean(env, true);
}

inline napi_value adoptPlain(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  return toBytes(env, call.frontEnd().adoptPlain(call.slot(0)));
}

// The slots of plain clients: all, or those with this client identifier or this address.
inline napi_value plainSlots(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  const bool isOfAll = !call.isGiven(0) && !call.isGiven(1);
  const std::string clientId = call.isGiven(0) ? call.text(0) : std::string();
  const std::string address = call.isGiven(1) ? call.text(1) : std::string();
  napi_value slots = nullptr;
  napi_create_array(env, &slots);
  uint32_t count = 0;
  call.frontEnd().eachPlain([&](const Connection& connection) {
    const bool isWanted = isOfAll || (call.isGiven(0) && areEqual(plainClientId(connection), bytesOf(clientId))) ||
                          (call.isGiven(1) && connection.introduction->address() == address);
    if (isWanted) napi_set_element(env, slots, count++, toNumber(env, connection.slot));
  });
  return slots;
}

inline napi_value createSession(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.host->engine.createSession(call.integer(0));
  return nullptr;
}

inline napi_value endSession(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) call.host->engine.endSession(*session);
  return toBoolean(env, session != nullptr);
}

inline napi_value noteOutdated(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) call.host->engine.noteOutdated(*session);
  return nullptr;
}

inline napi_value publishWill(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) call.host->engine.publishWill(*session);
  return toBoolean(env, session != nullptr);
}

inline napi_value sessionRow(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  return toBytes(env, call.host->engine.sessionRow(call.integer(0)));
}

// The rows of all sessions, one after the other.
inline napi_value sessions(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  Engine& engine = call.host->engine;
  std::vector<uint8_t> rows;
  rows.reserve(engine.sessionTable().size() * sizeof(SessionRow));
  engine.eachSession([&](const Session& session) {
    if (session.kind == ConnectionKind::host) return;
    const SessionRow row = rowOf(session.key, &session, engine.nowMs());
    rows.insert(rows.end(), row.begin(), row.end());
  });
  return toBytes(env, rows);
}

inline napi_value moveSessionHere(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  return toNumber(env, double(call.host->engine.moves().begin(call.integer(0), unsigned(call.integer(1)))));
}

inline napi_value nextToken(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  return toNumber(env, double(call.host->engine.subscriptions().nextToken()));
}

// Of a subscription; as `Subscribed` in core/data-plane/addon.ts.
enum class Subscribed : uint8_t { added, replaced, refused, denied, count };

inline napi_value subscribe(napi_env env, napi_callback_info info) {
  const Call<5> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (!session || session->move) return toNumber(env, double(Subscribed::refused));
  const std::string filter = call.text(1);
  Subscriptions& subscriptions = call.host->engine.subscriptions();
  const FilterVerdict verdict = subscriptions.judge(*session, bytesOf(filter));
  if (verdict == FilterVerdict::refused) return toNumber(env, double(Subscribed::denied));
  SubscriptionOptions options = SubscriptionOptions::of(uint8_t(call.integer(2)));
  options.subscriptionId = uint32_t(call.integer(3));
  options.isPartial = verdict == FilterVerdict::partly;
  if (!subscriptions.hasRoomFor(*session, bytesOf(filter)) || subscriptions.isRefusing(*session))
    return toNumber(env, double(Subscribed::refused));
  const bool isReplaced = subscriptions.subscribe(*session, bytesOf(filter), options, call.integer(4));
  return toNumber(env, double(isReplaced ? Subscribed::replaced : Subscribed::added));
}

inline napi_value finishSubscribe(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) call.host->engine.subscriptions().finishSubscribe(*session, call.integer(1));
  return toBoolean(env, session);
}

inline napi_value endSubscribe(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  if (Session* session = call.host->engine.findSession(call.integer(0)))
    call.host->engine.subscriptions().endSubscribe(*session, call.integer(1));
  return nullptr;
}

inline napi_value isSubscribed(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  const std::string filter = call.text(1);
  return toBoolean(env, session && call.host->engine.subscriptions().isSubscribed(*session, bytesOf(filter)));
}

inline napi_value unsubscribe(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  const std::string filter = call.text(1);
  return toBoolean(env, session && call.host->engine.subscriptions().unsubscribe(*session, bytesOf(filter)));
}

inline napi_value subscriptionCount(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  const Session* session = call.host->engine.findSession(call.integer(0));
  return toNumber(env, session ? double(session->subscriptions.size()) : 0);
}

inline napi_value lookUpRetained(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  const std::string topic = call.text(0);
  call.host->engine.lookUps().ask(bytesOf(topic), call.integer(1));
  return nullptr;
}

inline napi_value setAccess(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Reader reader(call.bytes(1));
  Connection& connection = call.connection(0);
  if (connection.session) call.frontEnd().setRights(*connection.session, readAccess(reader));
  return nullptr;
}

inline napi_value decide(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  call.host->updateNow();
  call.frontEnd().decide(call.connection(0), call.truth(1), call.integer(2));
  return nullptr;
}

inline napi_value forgetDecisions(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  if (call.slot(0) == 0) call.frontEnd().forgetDecisions();
  else call.frontEnd().forgetDecisions(call.connection(0));
  return nullptr;
}

inline napi_value halvePaces(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.frontEnd().halvePaces(call.truth(0));
  return nullptr;
}

inline napi_value setLimits(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  Limits limits = call.host->engine.limits();
  if (readLimits(env, call.arguments[0], limits)) call.host->engine.setLimits(limits);
  return nullptr;
}

inline napi_value trace(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  const std::string filter = call.text(1);
  call.frontEnd().watch().trace(unsigned(call.integer(0)), bytesOf(filter), uint32_t(call.integer(2)));
  return nullptr;
}

inline napi_value traceSession(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  Session* session = call.host->engine.findSession(call.integer(0));
  if (session) session->traces |= uint8_t(1u << call.integer(1));
  return nullptr;
}

inline napi_value endTrace(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  const auto index = unsigned(call.integer(0));
  call.frontEnd().watch().endTrace(index);
  call.host->engine.eachSession([&](Session& session) { session.traces &= uint8_t(~(1u << index)); });
  return nullptr;
}

inline napi_value makeSpans(napi_env env, napi_callback_info info) {
  const Call<3> call(env, info);
  call.frontEnd().watch().makeSpans(call.truth(0), call.truth(1), numberOf(env, call.arguments[2]));
  return nullptr;
}

inline napi_value adoptRules(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  call.host->engine.adoptRules();
  return nullptr;
}

inline napi_value serveHttp(napi_env env, napi_callback_info info) {
  const Call<2> call(env, info);
  call.host->door.serveHttp(call.text(0), call.text(1));
  return nullptr;
}

inline napi_value listen(napi_env env, napi_callback_info info) {
  const Call<6> call(env, info);
  const Protocols protocols{
      .http = call.truth(2), .mqtt = call.truth(3), .tls = call.truth(4), .listener = uint16_t(call.integer(5))};
  const int port = call.host->door.listen(call.text(0), int(call.integer(1)), protocols);
  if (port >= 0) return toNumber(env, port);
  napi_throw_error(env, uv_err_name(port), uv_strerror(port));
  return nullptr;
}

inline napi_value listenOn(napi_env env, napi_callback_info info) {
  const Call<5> call(env, info);
  const Protocols protocols{
      .http = call.truth(1), .mqtt = call.truth(2), .tls = call.truth(3), .listener = uint16_t(call.integer(4))};
  const int error = call.host->door.listenOn(int(call.integer(0)), protocols);
  if (error < 0) napi_throw_error(env, uv_err_name(error), uv_strerror(error));
  return nullptr;
}

inline napi_value stopDoor(napi_env env, napi_callback_info info) {
  const Call<0> call(env, info);
  call.host->updateNow();
  call.host->door.stop();
  call.frontEnd().closeUnknown();
  return nullptr;
}

constexpr std::array engineMethods = {
    Method{"answerOpening", answerOpening},
    Method{"forgetOpenings", forgetOpenings},
    Method{"openHost", openHost},
    Method{"receiveFromHost", receiveFromHost},
    Method{"hostProcessed", hostProcessed},
    Method{"resume", resume},
    Method{"send", send},
    Method{"close", closeConnection},
    Method{"disconnect", disconnect},
    Method{"finish", finish},
    Method{"withholdWills", withholdWills},
    Method{"accept", accept},
    Method{"numberConnections", numberConnections},
    Method{"setPlainTerms", setPlainTerms},
    Method{"acceptPlain", acceptPlain},
    Method{"adoptPlain", adoptPlain},
    Method{"plainSlots", plainSlots},
    Method{"createSession", createSession},
    Method{"endSession", endSession},
    Method{"noteOutdated", noteOutdated},
    Method{"publishWill", publishWill},
    Method{"sessionRow", sessionRow},
    Method{"sessions", sessions},
    Method{"moveSessionHere", moveSessionHere},
    Method{"nextToken", nextToken},
    Method{"subscribe", subscribe},
    Method{"finishSubscribe", finishSubscribe},
    Method{"endSubscribe", endSubscribe},
    Method{"isSubscribed", isSubscribed},
    Method{"unsubscribe", unsubscribe},
    Method{"subscriptionCount", subscriptionCount},
    Method{"lookUpRetained", lookUpRetained},
    Method{"adoptRules", adoptRules},
    Method{"trace", trace},
    Method{"traceSession", traceSession},
    Method{"endTrace", endTrace},
    Method{"makeSpans", makeSpans},
    Method{"setAccess", setAccess},
    Method{"decide", decide},
    Method{"forgetDecisions", forgetDecisions},
    Method{"halvePaces", halvePaces},
    Method{"setLimits", setLimits},
    Method{"serveHttp", serveHttp},
    Method{"listen", listen},
    Method{"listenOn", listenOn},
    Method{"stopDoor", stopDoor},
};

}  // namespace rally::node
