// The common settings of a worker's TLS connections: protocol versions, ciphers, certificates, and whether clients
// must present one. Immutable. A reload makes another one, and existing connections keep theirs.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pre-shared-keys.h"
#include "ticket-keys.h"

struct ssl_ctx_st;

namespace rally {

enum class ClientCertificates : uint8_t { off, asked, required };

// All texts are PEM.
struct TlsCertificate {
  std::string chain;  // its own first
  std::string key;
  std::vector<std::string> names;          // of hosts, in lower case; `*.` stands for one label
  std::vector<uint8_t> ocspResponse = {};  // in DER; empty: there is none
  int64_t ocspUntilSeconds = 0;            // since 1970: how long it is shown; 0: always
};

struct TlsSettings {
  std::vector<TlsCertificate> certificates;  // the first is shown to clients that name no host, or none of these
  ClientCertificates clients = ClientCertificates::off;
  std::string clientCas;
  std::string clientCrls;  // empty: none is looked at
  std::vector<PreSharedKey> preSharedKeys;
};

// Sent to clients that ask for the status of the certificate.
struct Staple {
  std::vector<uint8_t> response;
  int64_t untilSeconds;
};

class TlsContext {
 public:
  // nullptr: it cannot be made, and `error` has the reason. The keys must outlive it.
  static std::shared_ptr<const TlsContext> make(const TlsSettings& settings, const TicketKeys& keys,
                                                std::string& error);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* standard() const { return contexts_.front(); }
  // The certificate for the host that a client has named, or the first one.
  ssl_ctx_st* forHost(std::string_view name) const;
  const TicketKeys& ticketKeys() const { return ticketKeys_; }
  const PreSharedKeys& preSharedKeys() const { return preSharedKeys_; }

 private:
  TlsContext(const TicketKeys& keys, const TlsSettings& settings)
      : ticketKeys_(keys), preSharedKeys_(settings.preSharedKeys) {}

  bool add(const TlsCertificate& certificate, const TlsSettings& settings, std::string& error);

  const TicketKeys& ticketKeys_;
  const PreSharedKeys preSharedKeys_;
  std::vector<std::unique_ptr<Staple>> staples_;
  std::vector<ssl_ctx_st*> contexts_;  // one for each certificate
  std::unordered_map<std::string, ssl_ctx_st*> byName_;
};

}  // namespace rally
