#include "client-certificate.h"

#include <algorithm>
#include <array>

namespace rally {

std::string ClientCertificate::describe(X509& certificate) {
  std::string lines = commonNames(certificate) + "\n";
  for (const int kind : {GEN_DNS, GEN_EMAIL, GEN_URI}) lines += alternativeNames(certificate, kind) + "\n";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  X509_digest(&certificate, EVP_sha256(), digest.data(), &size);
  for (unsigned int i = 0; i < size; i++) {
    constexpr std::string_view digits = "0123456789abcdef";
    lines += digits[digest[i] >> 4];
    lines += digits[digest[i] & 15];
  }
  return lines;
}

bool ClientCertificate::isPlain(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char character) {
    return static_cast<unsigned char>(character) < ' ' || character == 0x7f;
  });
}

std::string ClientCertificate::commonNames(X509& certificate) {
  std::string list;
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size >= 0) add(list, {reinterpret_cast<const char*>(text), size_t(size)});
    OPENSSL_free(text);
  }
  return list;
}

std::string ClientCertificate::alternativeNames(X509& certificate, int kind) {
  std::string list;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    int ownKind = 0;
    const auto* text = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &ownKind));
    if (ownKind != kind) continue;
    add(list, {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), size_t(ASN1_STRING_length(text))});
  }
  GENERAL_NAMES_free(names);
  return list;
}

void ClientCertificate::add(std::string& list, std::string_view name) {
  if (!isPlain(name)) return;
  if (!list.empty()) list += "\t";
  list += name;
}

}  // namespace rally
