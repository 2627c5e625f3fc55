// What the authority of a certificate says about it at the moment (OCSP, RFC 6960), as its file has it in DER. It is
// shown to clients in the handshake (stapled), so that they need not ask the authority themselves.
#pragma once
#include <cstdint>
#include <string>

#include "../structures/bytes.h"

namespace rally {

struct OcspTimes {
  int64_t fromSeconds = 0;   // since 1970
  int64_t untilSeconds = 0;  // 0: it does not say
};

class OcspResponse {
 public:
  // Whether it is signed by the issuer of the chain's first certificate, or for it, and says that this one is good.
  // False: `error` says why it is of no use. `chain`: PEM, with the issuer behind the certificate.
  static bool check(Bytes response, const std::string& chain, OcspTimes& times, std::string& error);
};

}  // namespace rally
