// What all TLS connections of a worker have in common: protocol versions, ciphers, certificates, and who has to show
// one. It never changes. A reload makes another one, and the connections that are there keep theirs.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ticket-keys.h"

struct ssl_ctx_st;

namespace rally {

enum class ClientCertificates : uint8_t { off, asked, required };

// All texts are PEM.
struct TlsCertificate {
  std::string chain;  // its own first
  std::string key;
  std::vector<std::string> names;  // of hosts, in lower case; `*.` stands for one label
};

struct TlsSettings {
  std::vector<TlsCertificate> certificates;  // the first is shown to clients that name no host, or none of these
  ClientCertificates clients = ClientCertificates::off;
  std::string clientCas;
  std::string clientCrls;  // empty: none is looked at
};

class TlsContext {
 public:
  // nullptr: it cannot be made, and `error` says why. The keys have to outlive it.
  static std::shared_ptr<const TlsContext> make(const TlsSettings& settings, const TicketKeys& keys,
                                                std::string& error);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* standard() const { return contexts_.front(); }
  // The certificate for a host that a client has named; the first if there is none of its own.
  ssl_ctx_st* forHost(std::string_view name) const;
  const TicketKeys& ticketKeys() const { return ticketKeys_; }

 private:
  explicit TlsContext(const TicketKeys& keys) : ticketKeys_(keys) {}

  bool add(const TlsCertificate& certificate, const TlsSettings& settings, std::string& error);

  const TicketKeys& ticketKeys_;
  std::vector<ssl_ctx_st*> contexts_;  // one for each certificate
  std::unordered_map<std::string, ssl_ctx_st*> byName_;
};

}  // namespace rally
