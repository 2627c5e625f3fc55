// What an object of JavaScript holds for C++, which Node-API does not show: the one place that sees V8. It binds
// the addon to the version of Node.js that it was built for.
#pragma once
#include <node_api.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#include <v8.h>
#pragma GCC diagnostic pop

#include <cstring>

namespace rally::node {

// The pointer in the first internal field of an object; null if there is none.
inline const void* firstInternalField(napi_value value) {
  v8::Local<v8::Value> object;
  static_assert(sizeof object == sizeof value);
  std::memcpy(static_cast<void*>(&object), &value, sizeof object);
  if (!object->IsObject() || object.As<v8::Object>()->InternalFieldCount() == 0) return nullptr;
  return object.As<v8::Object>()->GetAlignedPointerFromInternalField(0);
}

}  // namespace rally::node
