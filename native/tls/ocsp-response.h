// An OCSP response (RFC 6960): the authority's current statement about a certificate, in DER. It is stapled to the
// handshake, so that clients need not ask the authority themselves.
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
  // Whether it is signed by the issuer of the chain's first certificate, or on its behalf, and says that this
  // certificate is good. False: `error` has the reason. `chain`: PEM, with the issuer after the certificate.
  static bool check(Bytes response, const std::string& chain, OcspTimes& times, std::string& error);
};

}  // namespace rally
