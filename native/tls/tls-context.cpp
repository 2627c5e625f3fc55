#include "tls-context.h"

#include <algorithm>

#include "../assert.h"
#include "certificate-chain.h"
#include "tls-callbacks.h"

namespace rally {
namespace {

// Forward secrecy and authenticated encryption, for clients of TLS 1.2. All suites of TLS 1.3 are such.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// The same for clients with a pre-shared key, which OpenSSL has in one suite only, and for the suites of small
// devices, without forward secrecy. They come first: a client that offers one has a key.
constexpr const char* pskCiphers =
    "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-CCM:PSK-AES128-CCM8:";
// A key of 128 bits is enough, and costs less: clients would mostly prefer 256.
constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr long ticketSeconds = 7'200;
constexpr unsigned char sessionContext[] = "rallymq";

void setRules(SSL_CTX* context, bool hasPreSharedKeys) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, ((hasPreSharedKeys ? pskCiphers : "") + std::string(ciphers)).c_str());
  SSL_CTX_set_ciphersuites(context, suites);
  if (hasPreSharedKeys) {
    SSL_CTX_set_psk_server_callback(context, TlsCallbacks::onPreSharedKey);
    SSL_CTX_set_psk_find_session_callback(context, TlsCallbacks::onPreSharedSession);
  }
  // A client may end without close_notify, as most do: packets and requests have their own ends.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                   SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS);  // there is no old suite that needs them
  // The file contains the whole chain: the authorities of clients are not part of it.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, sessionContext, sizeof sessionContext - 1);
  SSL_CTX_set_tlsext_servername_callback(context, TlsCallbacks::onServerName);
  SSL_CTX_set_alpn_select_cb(context, TlsCallbacks::onProtocols, nullptr);
  SSL_CTX_set_info_callback(context, TlsCallbacks::onState);
}

void setTickets(SSL_CTX* context, bool hasTickets) {
  if (hasTickets) {
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_timeout(context, ticketSeconds);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, TlsCallbacks::onTicketKey);
  } else {
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }
}

bool use(SSL_CTX* context, const TlsCertificate& certificate, std::string& error) {
  const std::vector<CertificatePointer> chain = certificatesOf(certificate.chain);
  if (chain.empty()) {
    error = "there is no certificate in it";
    return false;
  }
  const BioPointer bio = reading(certificate.key);
  const KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, noPassword, nullptr));
  bool isUsed = key && SSL_CTX_use_certificate(context, chain.front().get()) == 1 &&
                SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
  for (size_t i = 1; isUsed && i < chain.size(); i++) isUsed = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  if (!isUsed) error = opensslReason();
  return isUsed;
}

bool addRevocations(X509_STORE* store, const std::string& text, std::string& error) {
  if (text.empty()) return true;
  const BioPointer bio = reading(text);
  bool hasAny = false;
  while (X509_CRL* list = PEM_read_bio_X509_CRL(bio.get(), nullptr, noPassword, nullptr)) {
    hasAny = true;
    const bool isAdded = X509_STORE_add_crl(store, list) == 1;
    X509_CRL_free(list);
    if (isAdded) continue;
    error = opensslReason();
    return false;
  }
  ERR_clear_error();
  if (!hasAny) error = "there is no list of revoked certificates in it";
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return hasAny;
}

bool askForCertificates(SSL_CTX* context, const TlsSettings& settings, std::string& error) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  const std::vector<CertificatePointer> authorities = certificatesOf(settings.clientCas);
  if (authorities.empty()) {
    error = "there is no certificate of an authority for clients";
    return false;
  }
  for (const CertificatePointer& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) == 1 && SSL_CTX_add_client_CA(context, authority.get()) == 1)
      continue;
    error = opensslReason();
    return false;
  }
  const bool isRequired = settings.clients == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return addRevocations(store, settings.clientCrls, error);
}

}  // namespace

std::shared_ptr<const TlsContext> TlsContext::make(const TlsSettings& settings, const TicketKeys& keys,
                                                   std::string& error) {
  RALLY_ASSERT(!settings.certificates.empty());
  if (OPENSSL_version_major() != OPENSSL_VERSION_MAJOR) {
    error = "this addon is for OpenSSL " + std::to_string(OPENSSL_VERSION_MAJOR) + ", and this Node.js has " +
            std::to_string(OPENSSL_version_major()) + ": run npm run install";
    return nullptr;
  }
  const std::shared_ptr<TlsContext> made(new TlsContext(keys, settings));
  for (const TlsCertificate& certificate : settings.certificates) {
    if (!made->add(certificate, settings, error)) return nullptr;
  }
  return made;
}

TlsContext::~TlsContext() {
  for (SSL_CTX* context : contexts_) SSL_CTX_free(context);
}

bool TlsContext::add(const TlsCertificate& certificate, const TlsSettings& settings, std::string& error) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  RALLY_ASSERT(context);
  contexts_.push_back(context);
  setRules(context, !preSharedKeys_.isEmpty());
  const bool asks = settings.clients != ClientCertificates::off;
  // A ticket would still admit a client whose certificate has been revoked.
  setTickets(context, !asks);
  if (!use(context, certificate, error) || (asks && !askForCertificates(context, settings, error))) return false;
  if (!certificate.ocspResponse.empty()) {
    staples_.push_back(std::make_unique<Staple>(Staple{certificate.ocspResponse, certificate.ocspUntilSeconds}));
    SSL_CTX_set_tlsext_status_cb(context, TlsCallbacks::onStatus);
    SSL_CTX_set_tlsext_status_arg(context, staples_.back().get());
  }
  for (const std::string& name : certificate.names) byName_.emplace(name, context);
  return true;
}

ssl_ctx_st* TlsContext::forHost(std::string_view name) const {
  std::string host(name);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? char(letter + ('a' - 'A')) : letter; });
  if (!host.empty() && host.back() == '.') host.pop_back();
  if (const auto found = byName_.find(host); found != byName_.end()) return found->second;
  const size_t dot = host.find('.');
  if (dot != std::string::npos) {
    if (const auto found = byName_.find(std::string(1, '*') += host.substr(dot)); found != byName_.end())
      return found->second;
  }
  return contexts_.front();
}

}  // namespace rally
