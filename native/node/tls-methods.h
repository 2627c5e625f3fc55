// TLS for JavaScript: passing certificates to an Engine, and making some. Types and meanings:
// core/data-plane/addon.ts.
#pragma once
#include <string>
#include <vector>

#include "../tls/certificate-maker.h"
#include "../tls/ocsp-response.h"
#include "engine-methods.h"

namespace rally::node {

inline napi_value propertyOf(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return value;
}
inline std::string textPropertyOf(napi_env env, napi_value object, const char* name) {
  return textOf(env, propertyOf(env, object, name));
}
inline bool isGiven(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_object;
}

template <class Visit>
void eachElement(napi_env env, napi_value list, Visit&& visit) {
  uint32_t count = 0;
  napi_get_array_length(env, list, &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    visit(element);
  }
}

inline std::vector<std::string> textsOf(napi_env env, napi_value list) {
  std::vector<std::string> texts;
  eachElement(env, list, [&](napi_value element) { texts.push_back(textOf(env, element)); });
  return texts;
}

inline std::vector<uint8_t> bytesPropertyOf(napi_env env, napi_value object, const char* name) {
  const Bytes bytes = bytesOf(env, propertyOf(env, object, name));
  return {bytes.begin(), bytes.end()};
}

inline napi_value secureWith(napi_env env, napi_callback_info info) {
  const Call<5> call(env, info);
  TlsSettings settings;
  eachElement(env, call.arguments[0], [&](napi_value certificate) {
    settings.certificates.push_back({textPropertyOf(env, certificate, "chain"), textPropertyOf(env, certificate, "key"),
                                     textsOf(env, propertyOf(env, certificate, "names")),
                                     bytesPropertyOf(env, certificate, "ocspResponse"),
                                     int64_t(numberOf(env, propertyOf(env, certificate, "ocspUntilSeconds")))});
  });
  eachElement(env, call.arguments[4], [&](napi_value key) {
    settings.preSharedKeys.push_back({textPropertyOf(env, key, "identity"), bytesPropertyOf(env, key, "key")});
  });
  settings.clients = ClientCertificates(call.integer(1));
  settings.clientCas = call.text(2);
  settings.clientCrls = call.text(3);
  const std::string error = call.host->door.secureWith(settings);
  if (!error.empty()) napi_throw_error(env, "ERR_RALLYMQ_CERTIFICATE", error.c_str());
  return nullptr;
}

inline napi_value setTicketKeys(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  call.host->door.setTicketKeys(call.bytes(0));
  return nullptr;
}

inline napi_value trustProxies(napi_env env, napi_callback_info info) {
  const Call<1> call(env, info);
  for (const std::string& network : textsOf(env, call.arguments[0])) RALLY_ASSERT(call.host->door.trust(network));
  return nullptr;
}

inline napi_value makeCertificate(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  CertificateRequest request;
  CertifiedKey issuer;
  request.commonName = textPropertyOf(env, argument, "commonName");
  request.names = textsOf(env, propertyOf(env, argument, "names"));
  request.isAuthority = truthOf(env, propertyOf(env, argument, "isAuthority"));
  request.isForClients = truthOf(env, propertyOf(env, argument, "isForClients"));
  request.fromSeconds = int64_t(numberOf(env, propertyOf(env, argument, "fromSeconds")));
  request.untilSeconds = int64_t(numberOf(env, propertyOf(env, argument, "untilSeconds")));
  if (const napi_value given = propertyOf(env, argument, "issuer"); isGiven(env, given)) {
    issuer = {textPropertyOf(env, given, "certificate"), textPropertyOf(env, given, "key")};
    request.issuer = &issuer;
  }
  CertifiedKey made;
  std::string error;
  if (!CertificateMaker::make(request, made, error)) {
    napi_throw_error(env, "ERR_RALLYMQ_CERTIFICATE", error.c_str());
    return nullptr;
  }
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "certificate", toText(env, bytesOf(made.certificate)));
  napi_set_named_property(env, result, "key", toText(env, bytesOf(made.key)));
  return result;
}

inline napi_value checkOcspResponse(napi_env env, napi_callback_info info) {
  size_t count = 2;
  std::array<napi_value, 2> arguments{};
  napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr);
  OcspTimes times;
  std::string error;
  if (!OcspResponse::check(bytesOf(env, arguments[0]), textOf(env, arguments[1]), times, error)) {
    napi_throw_error(env, "ERR_RALLYMQ_OCSP", error.c_str());
    return nullptr;
  }
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "fromSeconds", toNumber(env, double(times.fromSeconds)));
  napi_set_named_property(env, result, "untilSeconds", toNumber(env, double(times.untilSeconds)));
  return result;
}

constexpr std::array tlsMethods = {
    Method{"secureWith", secureWith},
    Method{"setTicketKeys", setTicketKeys},
    Method{"trustProxies", trustProxies},
};

}  // namespace rally::node
