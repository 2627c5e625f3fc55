// What a client's certificate says about whose it is: exact texts, none of them put together from others.
#pragma once
#include <string>
#include <string_view>

#include "openssl.h"

namespace rally {

class ClientCertificate {
 public:
  // Common names, host names, mail addresses and URIs, with tabs between, and the SHA-256 of the certificate in
  // hexadecimal digits: a line each, the last without its end. A name with a control character is left out: nobody has
  // such a one, and somebody might read it in another way.
  static std::string describe(X509& certificate);

  static bool isPlain(std::string_view text);

 private:
  static std::string commonNames(X509& certificate);
  static std::string alternativeNames(X509& certificate, int kind);
  static void add(std::string& list, std::string_view name);
};

}  // namespace rally
