#include "ocsp-response.h"

#include <openssl/ocsp.h>

#include <ctime>
#include <vector>

#include "certificate-chain.h"
#include "openssl.h"

namespace rally {
namespace {

using ResponsePointer = std::unique_ptr<OCSP_RESPONSE, OpensslDeleter<OCSP_RESPONSE_free>>;
using BasicPointer = std::unique_ptr<OCSP_BASICRESP, OpensslDeleter<OCSP_BASICRESP_free>>;
using IdPointer = std::unique_ptr<OCSP_CERTID, OpensslDeleter<OCSP_CERTID_free>>;
using StorePointer = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;

int64_t secondsOf(const ASN1_GENERALIZEDTIME* time) {
  std::tm parts{};
  return time && ASN1_TIME_to_tm(time, &parts) == 1 ? int64_t(timegm(&parts)) : 0;
}

BasicPointer basicOf(Bytes bytes, std::string& error) {
  const unsigned char* at = bytes.data();
  const ResponsePointer response(d2i_OCSP_RESPONSE(nullptr, &at, long(bytes.size())));
  if (!response || at != bytes.data() + bytes.size()) {
    error = "it is not an OCSP response in DER";
    return nullptr;
  }
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    error = std::string("the authority has answered with ") + OCSP_response_status_str(status);
    return nullptr;
  }
  BasicPointer basic(OCSP_response_get1_basic(response.get()));
  if (!basic) error = opensslReason();
  return basic;
}

// By the issuer itself, or by a responder with a certificate of it that is for this.
bool isSignedFor(OCSP_BASICRESP* basic, X509* issuer, std::string& error) {
  const StorePointer store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), issuer);
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  STACK_OF(X509)* issuers = sk_X509_new_null();
  sk_X509_push(issuers, issuer);
  const bool isSigned = OCSP_basic_verify(basic, issuers, store.get(), 0) == 1;
  sk_X509_free(issuers);
  if (!isSigned) error = "the issuer of the certificate has not signed it (" + opensslReason() + ")";
  return isSigned;
}

bool isGood(OCSP_BASICRESP* basic, const X509* own, const X509* issuer, OcspTimes& times, std::string& error) {
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha256()}) {
    const IdPointer id(OCSP_cert_to_id(digest, own, issuer));
    int status = 0;
    ASN1_GENERALIZEDTIME* from = nullptr;
    ASN1_GENERALIZEDTIME* until = nullptr;
    if (!id || OCSP_resp_find_status(basic, id.get(), &status, nullptr, nullptr, &from, &until) != 1) continue;
    times = {secondsOf(from), secondsOf(until)};
    if (status == V_OCSP_CERTSTATUS_GOOD) return true;
    error = std::string("it says that the certificate is ") + OCSP_cert_status_str(status);
    return false;
  }
  error = "it is about another certificate";
  return false;
}

}  // namespace

bool OcspResponse::check(Bytes response, const std::string& chain, OcspTimes& times, std::string& error) {
  ERR_clear_error();
  const std::vector<CertificatePointer> certificates = certificatesOf(chain);
  if (certificates.size() < 2) {
    error = "without the issuer behind the certificate in its file nobody can tell whose it is";
    return false;
  }
  const BasicPointer basic = basicOf(response, error);
  const bool isUsable = basic && isSignedFor(basic.get(), certificates[1].get(), error) &&
                        isGood(basic.get(), certificates[0].get(), certificates[1].get(), times, error);
  ERR_clear_error();
  return isUsable;
}

}  // namespace rally
