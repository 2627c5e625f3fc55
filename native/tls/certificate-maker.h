// Makes test certificates: an authority, and certificates signed by it. On the main thread.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rally {

// PEM.
struct CertifiedKey {
  std::string certificate;
  std::string key;
};

struct CertificateRequest {
  std::string commonName;
  std::vector<std::string> names;  // of hosts, and IP addresses
  bool isAuthority = false;
  bool isForClients = false;             // else for servers
  int64_t fromSeconds = 0;               // when it begins to hold, from now on
  int64_t untilSeconds = 0;              // when it ends
  const CertifiedKey* issuer = nullptr;  // null: it signs itself
};

class CertificateMaker {
 public:
  // False: OpenSSL refuses, and `error` has the reason.
  static bool make(const CertificateRequest& request, CertifiedKey& made, std::string& error);
};

}  // namespace rally
