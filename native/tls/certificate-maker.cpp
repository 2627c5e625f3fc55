#include "certificate-maker.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "openssl.h"

namespace rally {
namespace {

constexpr int serialBits = 127;  // RFC 5280, 4.1.2.2: positive, and of at most 20 bytes

std::string textOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, size_t(size)};
}

bool setSerial(X509* certificate) {
  BIGNUM* number = BN_new();
  const bool isSet = number && BN_rand(number, serialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                     BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  return isSet;
}

bool addExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  const bool isAdded = extension && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return isAdded;
}

// Not as text for X509V3_EXT_conf_nid(), to which a comma in a name would mean something.
bool addNames(X509* certificate, const std::vector<std::string>& names) {
  if (names.empty()) return true;
  GENERAL_NAMES* list = GENERAL_NAMES_new();
  bool isMade = list != nullptr;
  for (const std::string& name : names) {
    std::array<unsigned char, 16> address{};
    const int bytes = inet_pton(AF_INET, name.c_str(), address.data()) == 1    ? 4
                      : inet_pton(AF_INET6, name.c_str(), address.data()) == 1 ? 16
                                                                               : 0;
    GENERAL_NAME* general = isMade ? GENERAL_NAME_new() : nullptr;
    ASN1_STRING* text = ASN1_STRING_type_new(bytes > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    isMade = general && text &&
             (bytes > 0 ? ASN1_STRING_set(text, address.data(), bytes)
                        : ASN1_STRING_set(text, name.data(), int(name.size()))) == 1 &&
             sk_GENERAL_NAME_push(list, general) > 0;
    if (isMade) GENERAL_NAME_set0_value(general, bytes > 0 ? GEN_IPADD : GEN_DNS, text);
    if (isMade) continue;
    ASN1_STRING_free(text);
    GENERAL_NAME_free(general);
    break;
  }
  isMade = isMade && X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) == 1;
  GENERAL_NAMES_free(list);
  return isMade;
}

bool addPurposes(X509* certificate, X509* issuer, const CertificateRequest& request) {
  if (request.isAuthority) {
    return addExtension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
           addExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           addExtension(certificate, issuer, NID_subject_key_identifier, "hash");
  }
  return addExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         addExtension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         addExtension(certificate, issuer, NID_ext_key_usage, request.isForClients ? "clientAuth" : "serverAuth") &&
         addExtension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         addExtension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
         addNames(certificate, request.names);
}

}  // namespace

bool CertificateMaker::make(const CertificateRequest& request, CertifiedKey& made, std::string& error) {
  ERR_clear_error();
  const CertificatePointer certificate(X509_new());
  const KeyPointer key(EVP_EC_gen("P-256"));
  CertificatePointer issuer;
  KeyPointer issuerKey;
  if (request.issuer) {
    const BioPointer text(BIO_new_mem_buf(request.issuer->certificate.data(), int(request.issuer->certificate.size())));
    const BioPointer keyText(BIO_new_mem_buf(request.issuer->key.data(), int(request.issuer->key.size())));
    issuer.reset(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    issuerKey.reset(PEM_read_bio_PrivateKey(keyText.get(), nullptr, nullptr, nullptr));
    if (!issuer || !issuerKey || X509_check_private_key(issuer.get(), issuerKey.get()) != 1) {
      error = opensslReason();
      return false;
    }
  }
  X509* const own = certificate.get();
  X509* const signer = issuer ? issuer.get() : own;
  X509_NAME* subject = X509_get_subject_name(own);
  const BioPointer certificateText(BIO_new(BIO_s_mem()));
  const BioPointer keyText(BIO_new(BIO_s_mem()));
  const bool isMade = own && key && X509_set_version(own, X509_VERSION_3) == 1 && setSerial(own) &&
                      X509_gmtime_adj(X509_getm_notBefore(own), long(request.fromSeconds)) &&
                      X509_gmtime_adj(X509_getm_notAfter(own), long(request.untilSeconds)) &&
                      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                                 reinterpret_cast<const unsigned char*>(request.commonName.data()),
                                                 int(request.commonName.size()), -1, 0) == 1 &&
                      X509_set_issuer_name(own, X509_get_subject_name(signer)) == 1 &&
                      X509_set_pubkey(own, key.get()) == 1 && addPurposes(own, signer, request) &&
                      X509_sign(own, issuerKey ? issuerKey.get() : key.get(), EVP_sha256()) > 0 &&
                      PEM_write_bio_X509(certificateText.get(), own) == 1 &&
                      PEM_write_bio_PKCS8PrivateKey(keyText.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
                          1;
  if (!isMade) {
    error = opensslReason();
    return false;
  }
  made = {textOf(certificateText.get()), textOf(keyText.get())};
  return true;
}

}  // namespace rally
