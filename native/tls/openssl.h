// OpenSSL: the one that Node.js contains and exports, or that of the machine in the C++ tests.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace rally {

template <auto Free>
struct OpensslDeleter {
  template <class Type>
  void operator()(Type* object) const {
    Free(object);
  }
};

using BioPointer = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using CertificatePointer = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using ContextPointer = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;

// Others on this thread may have left an error, which SSL_get_error() would take for ours.
inline void forgetOpensslErrors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// The text of the last OpenSSL error.
inline std::string opensslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason ? reason : "unknown";
}

}  // namespace rally
