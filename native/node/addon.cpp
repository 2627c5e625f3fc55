// The addon that Node.js loads. This folder is the only one that knows JavaScript: it gives the data plane's
// objects to TypeScript, as core/data-plane/addon.ts describes them. JavaScript is called with events for
// packet control, never with a message, except the host program's.
#include <node_api.h>

#include <array>

#include "../structures/enum-names.h"
#include "brokers.h"
#include "cluster-methods.h"
#include "engine-host.h"
#include "engine-methods.h"
#include "inspection-methods.h"
#include "link-methods.h"
#include "method.h"
#include "ports.h"
#include "replicas.h"
#include "service-notice.h"
#include "store-check.h"
#include "store-state.h"
#include "stores.h"
#include "tls-methods.h"
#include "values.h"

namespace rally::node {
namespace {

template <typename Each>
void forEachEngineMethod(Each each) {
  for (const Method& method : engineMethods) each(method);
  for (const Method& method : tlsMethods) each(method);
  for (const Method& method : clusterMethods) each(method);
  for (const Method& method : inspectionMethods) each(method);
  for (const Method& method : linkMethods) each(method);
}

napi_value createEngine(napi_env env, napi_callback_info info) {
  size_t count = 3;
  std::array<napi_value, 3> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  Broker* broker = registry().find(uint32_t(integerOf(env, arguments[0])));
  const auto worker = unsigned(integerOf(env, arguments[1]));
  if (!broker || !broker->hasWorker(worker)) {
    napi_throw_error(env, "ERR_RALLYMQ_NO_BROKER", "there is no such broker or worker in this process");
    return nullptr;
  }
  auto* host = new EngineHost(env, broker->engine(worker), arguments[2]);
  napi_value engine = nullptr;
  napi_create_object(env, &engine);
  forEachEngineMethod([&](const Method& method) { define(env, engine, method, host); });
  return engine;  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): its clean-up hook has the host
}

napi_value engineMethodNames(napi_env env) {
  napi_value list = nullptr;
  napi_create_array(env, &list);
  uint32_t count = 0;
  forEachEngineMethod([&](const Method& method) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, method.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, list, count++, name);
  });
  return list;
}

napi_value initialise(napi_env env, napi_value exports) {
  for (const Method& method : {Method{"createEngine", createEngine},
                               Method{"createBroker", createBroker},
                               Method{"destroyBroker", destroyBroker},
                               Method{"readCounters", readCounters},
                               Method{"readTimes", readTimes},
                               Method{"setRules", setRules},
                               Method{"openStore", openStore},
                               Method{"readStore", readStore},
                               Method{"recoverStore", recoverStore},
                               Method{"storeProgress", storeProgress},
                               Method{"openReplica", openReplica},
                               Method{"copyLog", copyLog},
                               Method{"mayPublish", askRules<&RuleBook::mayPublish>},
                               Method{"mayReceive", askRules<&RuleBook::mayReceive>},
                               Method{"bindPort", bindPort},
                               Method{"openSocket", openSocket},
                               Method{"releasePort", releasePort},
                               Method{"notifyService", notifyService},
                               Method{"makeCertificate", makeCertificate},
                               Method{"checkOcspResponse", checkOcspResponse},
                               Method{"lockDirectory", lockDirectory},
                               Method{"checkStore", checkStore},
                               Method{"exportStore", exportStore},
                               Method{"importStore", importStore},
                               Method{"compactStore", compactStore}}) {
    define(env, exports, method, nullptr);
  }
  napi_set_named_property(env, exports, "engineMethodNames", engineMethodNames(env));
  napi_set_named_property(env, exports, "eventKindNames", toTexts(env, enumNames<EventKind, EventKind::count>()));
  napi_set_named_property(env, exports, "counterNames", toTexts(env, enumNames<Counter, Counter::count>()));
  napi_set_named_property(env, exports, "subscribedNames", toTexts(env, enumNames<Subscribed, Subscribed::count>()));
  napi_set_named_property(env, exports, "noticeNames", toTexts(env, enumNames<Notice, Notice::count>()));
  napi_set_named_property(env, exports, "sessionStateNames",
                          toTexts(env, enumNames<SessionState, SessionState::count>()));
  napi_set_named_property(env, exports, "closeCauseNames", toTexts(env, enumNames<CloseCause, CloseCause::count>()));
  napi_set_named_property(env, exports, "frameOutcomeNames",
                          toTexts(env, enumNames<cluster::FrameOutcome, cluster::FrameOutcome::count>()));
  napi_value linkVersions = nullptr;
  napi_create_array(env, &linkVersions);
  napi_set_element(env, linkVersions, 0, toNumber(env, cluster::oldestLinkVersion));
  napi_set_element(env, linkVersions, 1, toNumber(env, cluster::linkVersion));
  napi_set_named_property(env, exports, "linkVersions", linkVersions);
  napi_set_named_property(env, exports, "recordKindNames", toTexts(env, enumNames<RecordKind, RecordKind::count>()));
  napi_set_named_property(env, exports, "dropReasonNames", toTexts(env, enumNames<DropReason, DropReason::count>()));
  napi_value bounds = nullptr;
  napi_create_array(env, &bounds);
  for (uint32_t i = 0; i < uint32_t(Time::count); i++) napi_set_element(env, bounds, i, boundsOf(env, Time(i)));
  napi_set_named_property(env, exports, "timeBoundsUs", bounds);
  napi_set_named_property(env, exports, "timeNames", toTexts(env, enumNames<Time, Time::count>()));
  return exports;
}

}  // namespace
}  // namespace rally::node

NAPI_MODULE_INIT() { return rally::node::initialise(env, exports); }
