// Conversions between values of JavaScript and C++.
#pragma once
#include <node_api.h>

#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

#include "../wire/reader.h"

namespace rally::node {

inline double numberOf(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}
inline uint64_t integerOf(napi_env env, napi_value value) { return uint64_t(numberOf(env, value)); }

inline bool truthOf(napi_env env, napi_value value) {
  bool truth = false;
  napi_get_value_bool(env, value, &truth);
  return truth;
}

inline std::string textOf(napi_env env, napi_value value) {
  size_t size = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &size);
  std::string text(size, '\0');
  napi_get_value_string_utf8(env, value, text.data(), size + 1, &size);
  return text;
}
inline Bytes bytesOf(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// The bytes of a Uint8Array, valid during the call.
inline Bytes bytesOf(napi_env env, napi_value value) {
  void* data = nullptr;
  size_t size = 0;
  napi_get_typedarray_info(env, value, nullptr, &size, &data, nullptr, nullptr);
  return {static_cast<const uint8_t*>(data), size};
}

// Frees the memory of an unused Uint8Array: the garbage collector lets 64 MB of them pile up.
inline void discardBytes(napi_env env, napi_value value) {
  napi_value buffer = nullptr;
  napi_get_typedarray_info(env, value, nullptr, nullptr, nullptr, &buffer, nullptr);
  napi_detach_arraybuffer(env, buffer);
}

inline napi_value toNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}
inline napi_value toBoolean(napi_env env, bool truth) {
  napi_value value = nullptr;
  napi_get_boolean(env, truth, &value);
  return value;
}
inline napi_value toText(napi_env env, Bytes bytes) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, reinterpret_cast<const char*>(bytes.data()), bytes.size(), &value);
  return value;
}
// Null while the thread is ending: there is no JavaScript any more.
inline napi_value toBuffer(napi_env env, Bytes bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return buffer;
}
// Likewise.
inline napi_value toBytes(napi_env env, Bytes bytes) {
  const napi_value buffer = toBuffer(env, bytes);
  napi_value array = nullptr;
  if (!buffer) return nullptr;
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array);
  return array;
}

// A number or a boolean by its name; NaN if it is neither.
inline double limitOf(napi_env env, napi_value limits, const char* name) {
  napi_value value = nullptr;
  napi_valuetype type = napi_undefined;
  napi_get_named_property(env, limits, name, &value);
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return truthOf(env, value) ? 1 : 0;
  return type == napi_number ? numberOf(env, value) : std::nan("");
}

template <size_t Count>
napi_value toTexts(napi_env env, const std::array<std::string_view, Count>& texts) {
  napi_value list = nullptr;
  napi_create_array_with_length(env, Count, &list);
  for (uint32_t i = 0; i < Count; i++) {
    napi_set_element(env, list, i, toText(env, {reinterpret_cast<const uint8_t*>(texts[i].data()), texts[i].size()}));
  }
  return list;
}

}  // namespace rally::node
