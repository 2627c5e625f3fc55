// The identities in a client's certificate: exact texts, none of them composed of others.
#pragma once
#include <string>
#include <string_view>

#include "openssl.h"

namespace rally {

class ClientCertificate {
 public:
  // Common names, host names, mail addresses and URIs, separated by tabs, and the SHA-256 of the certificate in
  // hexadecimal digits: a line each, the last without its end. A name with a control character is left out: it is not
  // a valid name, and might be read differently elsewhere.
  static std::string describe(X509& certificate);

  static bool isPlain(std::string_view text);

 private:
  static std::string commonNames(X509& certificate);
  static std::string alternativeNames(X509& certificate, int kind);
  static void add(std::string& list, std::string_view name);
};

}  // namespace rally
