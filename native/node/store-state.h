// The operations of `rallymq store` on the state in a data directory that no broker uses: export, import, compact. On
// the calling thread, for as long as they take. Types and meanings: core/data-plane/addon.ts.
#pragma once
#include <node_api.h>

#include "../durable/stored-state.h"
#include "stores.h"

namespace rally::node {

// One byte, shared with other threads: the percentage.
inline StoredState::Progress progressIn(napi_env env, napi_value array) {
  const Bytes shown = bytesOf(env, array);
  auto* percent = reinterpret_cast<std::atomic<uint8_t>*>(const_cast<uint8_t*>(shown.data()));
  return [percent, isShown = !shown.empty()](uint64_t done, uint64_t total) {
    if (isShown && total > 0) percent->store(uint8_t(done * 100 / total), std::memory_order_relaxed);
  };
}

inline napi_value faultOf(napi_env env, const log::OpenFault& fault) {
  napi_value result = nullptr;
  napi_create_object(env, &result);
  setText(env, result, "fault", nameOf(fault.code));
  setText(env, result, "detail", fault.detail);
  return result;
}

inline void setBytes(napi_env env, napi_value object, const char* name, Bytes bytes) {
  napi_set_named_property(env, object, name, toBytes(env, bytes));
}
inline void setTruth(napi_env env, napi_value object, const char* name, bool truth) {
  napi_set_named_property(env, object, name, toBoolean(env, truth));
}

// --- export -----------------------------------------------------------------------------------------

// Passes the state to JavaScript, an object for each message, session and so on.
class StateTeller {
 public:
  StateTeller(napi_env env, napi_value tell, StoredState& stored) : env_(env), tell_(tell), stored_(stored) {}

  void tellAll() {
    RecoveredState& state = stored_.state();
    tell("store", [&](napi_value object) {
      setNumber(env_, object, "run", double(state.run));
      setNumber(env_, object, "lastMessage", double(state.lastMessage));
      setNumber(env_, object, "lastMs", calendarMs(state.lastMs));
    });
    for (const auto& [topic, kept] : state.retained()) {
      const MessageRef& message = kept.message;
      if (RetainedStore::isMark(message)) continue;
      const uint64_t id = message->logId;
      if (tellMessage(message))
        tell("retained", [&](napi_value object) { setNumber(env_, object, "message", double(id)); });
    }
    stored_.eachSession([&](RecoveredState::Session& session) { tellSession(session); });
    for (const RecoveredState::Orphan& orphan : state.orphans()) {
      if (!tellMessage(orphan.message)) continue;
      tell("unclaimed", [&](napi_value object) {
        setNumber(env_, object, "message", double(orphan.message->logId));
        setText(env_, object, "share", orphan.filter);
      });
    }
  }

 private:
  template <class Fill>
  void tell(const char* kind, Fill&& fill) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    napi_value object = newObject(env_);
    setText(env_, object, "kind", kind);
    fill(object);
    napi_value undefined = nullptr;
    napi_get_undefined(env_, &undefined);
    // An exception of it propagates to the caller of the export, which ends.
    if (!hasThrown_) hasThrown_ = napi_call_function(env_, undefined, tell_, 1, &object, nullptr) != napi_ok;
    napi_close_handle_scope(env_, scope);
  }

  void fillMessage(napi_value object, const Message& message) {
    setText(env_, object, "topic", std::string(message.topic().begin(), message.topic().end()));
    setBytes(env_, object, "payload", message.payload());
    setBytes(env_, object, "properties", message.properties());
    setNumber(env_, object, "qos", message.qos);
    setTruth(env_, object, "retain", message.retain);
  }
  // Each once, before what refers to it. False: it cannot be read.
  bool tellMessage(const MessageRef& stub) {
    if (!stub || told_.contains(stub->logId)) return bool(stub);
    const MessageRef message = stored_.whole(stub);
    if (!message) return false;
    told_.insert(message->logId);
    const LogClock& clock = stored_.state().clock();
    tell("message", [&](napi_value object) {
      setNumber(env_, object, "number", double(message->logId));
      fillMessage(object, *message.get());
      setNumber(env_, object, "publisher", double(message->originSession));
      setNumber(env_, object, "expiresAtMs",
                message->expiresAtMs == 0 ? 0 : calendarMs(clock.fromEngine(message->expiresAtMs)));
    });
    return true;
  }

  // 0 stays 0: it has not happened, or never will.
  double calendarMs(uint64_t logMs) { return logMs == 0 ? 0 : double(stored_.state().clock().toCalendar(logMs)); }

  void tellSession(RecoveredState::Session& session) {
    stored_.eachWaiting(session,
                        [&](const RecoveredState::Entry&, const MessageRef& message) { tellMessage(message); });
    tell("session", [&](napi_value object) {
      setNumber(env_, object, "session", double(session.key));
      setText(env_, object, "clientId", toString(session.clientId.bytes()));
      setNumber(env_, object, "expirySeconds", session.expirySeconds);
      setNumber(env_, object, "leftAtMs", calendarMs(session.leftAtMs));
      setBytes(env_, object, "access", session.access);
      if (session.will) napi_set_named_property(env_, object, "will", toObject(*session.will));
      napi_value list = nullptr;
      napi_create_array(env_, &list);
      uint32_t count = 0;
      for (const auto& [filter, options] : session.subscriptions)
        napi_set_element(env_, list, count++, toObject(toString(filter.bytes()), options));
      napi_set_named_property(env_, object, "subscriptions", list);
      napi_create_array(env_, &list);
      count = 0;
      for (const uint16_t packetId : session.received.look())
        napi_set_element(env_, list, count++, toNumber(env_, packetId));
      napi_set_named_property(env_, object, "received", list);
      napi_create_array(env_, &list);
      count = 0;
      stored_.eachWaiting(session, [&](RecoveredState::Entry entry, const MessageRef&) {
        if (!told_.contains(entry.message)) entry.message = 0;  // it is lost, and only its packet identifier is known
        if (entry.message != 0 || entry.packetId != 0) napi_set_element(env_, list, count++, toObject(entry));
      });
      napi_set_named_property(env_, object, "waiting", list);
    });
  }
  napi_value toObject(const Will& will) {
    napi_value object = newObject(env_);
    fillMessage(object, *will.message.get());
    setNumber(env_, object, "delaySeconds", will.delaySeconds);
    setNumber(env_, object, "expirySeconds", will.expires ? double(will.expirySeconds) : -1);
    return object;
  }
  napi_value toObject(const std::string& filter, const RecoveredState::Subscription& options) {
    napi_value object = newObject(env_);
    setText(env_, object, "filter", filter);
    setNumber(env_, object, "qos", options.qos);
    setTruth(env_, object, "noLocal", options.noLocal);
    setTruth(env_, object, "retainAsPublished", options.retainAsPublished);
    setNumber(env_, object, "subscriptionId", options.subscriptionId);
    return object;
  }
  napi_value toObject(const RecoveredState::Entry& entry) {
    napi_value object = newObject(env_);
    setNumber(env_, object, "message", double(entry.message));
    setNumber(env_, object, "qos", entry.qos);
    setTruth(env_, object, "retain", entry.retain);
    setTruth(env_, object, "isFromStore", entry.isFromStore);
    setNumber(env_, object, "packetId", entry.packetId);
    setText(env_, object, "share", stored_.state().shareOf(entry.share));
    napi_value ids = nullptr;
    napi_create_array(env_, &ids);
    uint32_t count = 0;
    entry.subscriptionIds.each([&](uint32_t id) { napi_set_element(env_, ids, count++, toNumber(env_, id)); });
    napi_set_named_property(env_, object, "subscriptionIds", ids);
    return object;
  }

  napi_env env_;
  napi_value tell_;
  StoredState& stored_;
  std::unordered_set<uint64_t> told_;
  bool hasThrown_ = false;
};

// exportStore(directory, progress, tell)
inline napi_value exportStore(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  StoredState stored(textOf(env, arguments[0]), false, progressIn(env, arguments[1]));
  if (stored.fault().code != log::OpenFault::Code::none) return faultOf(env, stored.fault());
  StateTeller(env, arguments[2], stored).tellAll();
  napi_value result = newObject(env);
  setNumber(env, result, "damaged", double(stored.damaged()));
  return result;
}

// compactStore(directory, progress)
inline napi_value compactStore(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  StoredState stored(textOf(env, arguments[0]), true, progressIn(env, arguments[1]));
  if (stored.fault().code != log::OpenFault::Code::none) return faultOf(env, stored.fault());
  const bool isWritten = stored.compact();
  if (!isWritten) return faultOf(env, {log::OpenFault::Code::notUsable, "the disk is full or has failed"});
  napi_value result = newObject(env);
  setNumber(env, result, "damaged", double(stored.damaged()));
  return result;
}

// --- import -----------------------------------------------------------------------------------------

// Takes the objects of an export from JavaScript, which has checked them.
class StateReader {
 public:
  StateReader(napi_env env, log::Log& log) : env_(env), log_(log), stubs_(log, clock_) {}

  void take(napi_value object) {
    const std::string kind = textOf(env_, get(object, "kind"));
    if (kind == "store")
      writer_.emplace(log_, clock_, integer(object, "run"), integer(object, "lastMessage"), integer(object, "lastMs"));
    else if (!writer_) return;
    else if (kind == "message") takeMessage(object);
    else if (kind == "retained") takeRetained(integer(object, "message"));
    else if (kind == "session") takeSession(object);
    else if (kind == "unclaimed") takeUnclaimed(object);
  }
  bool finish() { return writer_ && writer_->finish(); }

 private:
  napi_value get(napi_value object, const char* name) {
    napi_value value = nullptr;
    napi_get_named_property(env_, object, name, &value);
    return value;
  }
  uint64_t integer(napi_value object, const char* name) { return integerOf(env_, get(object, name)); }
  bool truth(napi_value object, const char* name) { return truthOf(env_, get(object, name)); }
  template <class Visit>
  void each(napi_value list, Visit&& visit) {
    uint32_t count = 0;
    napi_get_array_length(env_, list, &count);
    for (uint32_t i = 0; i < count; i++) {
      napi_handle_scope scope = nullptr;
      napi_open_handle_scope(env_, &scope);
      napi_value item = nullptr;
      napi_get_element(env_, list, i, &item);
      visit(item);
      napi_close_handle_scope(env_, scope);
    }
  }

  MessageRef messageOf(napi_value object, uint64_t number) {
    const std::string topic = textOf(env_, get(object, "topic"));
    Publication publication;
    publication.topic = bytesOf(topic);
    publication.properties = bytesOf(env_, get(object, "properties"));
    publication.payload = bytesOf(env_, get(object, "payload"));
    publication.qos = uint8_t(integer(object, "qos"));
    publication.retain = truth(object, "retain");
    publication.workers = 1;
    publication.logId = number;
    if (number != 0) {
      publication.originSession = integer(object, "publisher");
      const uint64_t expiresAtMs = integer(object, "expiresAtMs");
      publication.expiresAtMs = expiresAtMs == 0 ? 0 : clock_.toEngine(expiresAtMs);
    }
    return publication.keep();
  }
  void takeMessage(napi_value object) {
    const uint64_t number = integer(object, "number");
    last_ = messageOf(object, number);
    writer_->message(last_, false);
    messages_[number] = {last_->logPlace(), uint32_t(last_->contentBytes()), last_->qos};
  }
  void takeRetained(uint64_t number) {
    if (const MessageRef message = known(number)) writer_->message(message, true);
  }
  // In an export it is the last one. Absent: the disk has failed or is full.
  MessageRef known(uint64_t number) {
    if (last_ && last_->logId == number) return last_;
    const Known& message = messages_.at(number);
    const LogPlace place(writer_->positionOf(message.place));
    return stubs_.read(*stubFor(1, number, place, message.contentBytes).get());
  }

  void takeSession(napi_value object) {
    RecoveredState::Session session;
    session.key = integer(object, "session");
    const std::string clientId = textOf(env_, get(object, "clientId"));
    session.clientId = NameText(bytesOf(clientId));
    session.expirySeconds = uint32_t(integer(object, "expirySeconds"));
    session.leftAtMs = integer(object, "leftAtMs");
    const Bytes access = bytesOf(env_, get(object, "access"));
    session.access.assign(access.begin(), access.end());
    session.will = willOf(get(object, "will"));
    each(get(object, "subscriptions"), [&](napi_value item) {
      const std::string filter = textOf(env_, get(item, "filter"));
      session.subscriptions.remove(bytesOf(filter));
      session.subscriptions.add(bytesOf(filter), {.qos = uint8_t(integer(item, "qos")),
                                                  .noLocal = truth(item, "noLocal"),
                                                  .retainAsPublished = truth(item, "retainAsPublished"),
                                                  .subscriptionId = uint32_t(integer(item, "subscriptionId"))});
    });
    each(get(object, "received"),
         [&](napi_value item) { session.received.own().insert(uint16_t(integerOf(env_, item))); });
    writer_->session(session);
    each(get(object, "waiting"), [&](napi_value item) {
      RecoveredState::Entry entry;
      entry.message = integer(item, "message");
      entry.qos = uint8_t(integer(item, "qos")) & 3;
      entry.retain = truth(item, "retain");
      entry.isFromStore = truth(item, "isFromStore");
      entry.packetId = uint16_t(integer(item, "packetId"));
      each(get(item, "subscriptionIds"),
           [&](napi_value id) { entry.subscriptionIds.add(uint32_t(integerOf(env_, id))); });
      writer_->waits(session.key, entry, textOf(env_, get(item, "share")));
    });
    writer_->isWhole(session.key);
  }
  std::unique_ptr<Will> willOf(napi_value object) {
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, object, &type);
    if (type != napi_object) return nullptr;
    auto will = std::make_unique<Will>();
    will->message = messageOf(object, 0);
    will->delaySeconds = uint32_t(integer(object, "delaySeconds"));
    const double expirySeconds = numberOf(env_, get(object, "expirySeconds"));
    will->expires = expirySeconds >= 0;
    if (will->expires) will->expirySeconds = uint32_t(expirySeconds);
    return will;
  }
  void takeUnclaimed(napi_value object) {
    const uint64_t number = integer(object, "message");
    writer_->unclaimed(number, messages_.at(number).qos, textOf(env_, get(object, "share")));
  }

  napi_env env_;
  log::Log& log_;
  const LogClock clock_;  // an export has calendar times
  // Of a message that is written.
  struct Known {
    LogPlace place;
    uint32_t contentBytes = 0;
    uint8_t qos = 0;
  };

  std::optional<StateWriter> writer_;
  StubReader stubs_;
  MessageRef last_;
  std::unordered_map<uint64_t, Known> messages_;
};

// importStore(directory, next): `next` gives the next object, or undefined. The caller has locked the directory.
inline napi_value importStore(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  log::Options options;
  options.directory = textOf(env, arguments[0]);
  options.isLocked = true;
  options.copiesForward = false;
  options.softFreeBytesMin = options.hardFreeBytesMin = 0;  // what a broker keeps free is not this command's concern
  log::OpenFault fault;
  const std::unique_ptr<log::Log> log = log::openLog(options, fault);
  if (!log) return faultOf(env, fault);
  struct Nobody final : log::Visitor {
    void record(const log::Found&) override {}
    void damage(const log::Damage&) override {}
  } nobody;
  log->recover(nobody);
  log->start();
  StateReader reader(env, *log);
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  bool hasEnded = false;
  while (!hasEnded) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    napi_value item = nullptr;
    if (napi_call_function(env, undefined, arguments[1], 0, nullptr, &item) != napi_ok) {
      napi_close_handle_scope(env, scope);
      log->close();
      return nullptr;  // it has thrown, and whoever has asked for the import gets that
    }
    napi_valuetype type = napi_undefined;
    napi_typeof(env, item, &type);
    hasEnded = type != napi_object || log->state() >= log::State::full;  // finish() says that it is
    if (!hasEnded) reader.take(item);
    napi_close_handle_scope(env, scope);
  }
  const bool isWritten = reader.finish();
  log->close();
  if (!isWritten) return faultOf(env, {log::OpenFault::Code::notUsable, "the disk is full or has failed"});
  return newObject(env);
}

}  // namespace rally::node
