// Certificates in PEM text.
#pragma once
#include <string>
#include <vector>

#include "openssl.h"

namespace rally {

// There are no passwords; without this OpenSSL would ask on the terminal.
inline int noPassword(char*, int, int, void*) { return -1; }

inline BioPointer reading(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), int(text.size())));
}

// The certificates of a text, in order.
inline std::vector<CertificatePointer> certificatesOf(const std::string& text) {
  std::vector<CertificatePointer> certificates;
  const BioPointer bio = reading(text);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, noPassword, nullptr))
    certificates.emplace_back(certificate);
  ERR_clear_error();  // of the end
  return certificates;
}

}  // namespace rally
