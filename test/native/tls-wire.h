// Both ends of a TLS connection in a test: a TlsChannel on one end of a pair of sockets, a client of OpenSSL that has
// its bytes in memory on the other, and the test carries them across as it likes.
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "octets.h"

#include "../../native/tls/certificate-maker.h"
#include "../../native/tls/openssl.h"
#include "../../native/tls/tls-channel.h"

namespace tlsTest {

using namespace rally;

// An authority, and what it signs.
class Authority {
 public:
  Authority() { own_ = make({.commonName = "authority", .isAuthority = true}); }

  CertifiedKey issue(const std::string& commonName, std::vector<std::string> names, bool isForClients = false) const {
    return make({.commonName = commonName, .names = std::move(names), .isForClients = isForClients, .issuer = &own_});
  }
  const std::string& certificate() const { return own_.certificate; }

 private:
  static CertifiedKey make(CertificateRequest request) {
    request.fromSeconds = -60;
    request.untilSeconds = 3'600;
    CertifiedKey made;
    std::string error;
    RALLY_ASSERT(CertificateMaker::make(request, made, error));
    return made;
  }

  CertifiedKey own_;
};

// One for all tests: to make it takes a while.
inline const Authority& authority() {
  static const Authority instance;
  return instance;
}
inline const CertifiedKey& serverKey() {
  static const CertifiedKey key = authority().issue("localhost", {"localhost"});
  return key;
}

// A worker's end of it all.
struct Worker {
  Counters counters;
  TlsThread thread{counters};
  std::shared_ptr<const TlsContext> context;

  explicit Worker(uint8_t ticketKey = 1, const TlsSettings& more = {}) {
    thread.handshakesLeft = 100;
    setTicketKeys({ticketKey});
    TlsSettings settings = more;
    settings.certificates.insert(settings.certificates.begin(),
                                 {serverKey().certificate, serverKey().key, {"localhost"}});
    std::string error;
    context = TlsContext::make(settings, thread.ticketKeys, error);
    RALLY_ASSERT(context);
  }
  // Keys that consist of one byte each, the newest first.
  void setTicketKeys(const std::vector<uint8_t>& keys) {
    Octets bytes;
    for (const uint8_t key : keys) bytes.insert(bytes.end(), sizeof(TicketKey), key);
    thread.ticketKeys.set(bytes);
  }
};

class Client {
 public:
  explicit Client(int version = TLS1_3_VERSION) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ssl_ = SSL_new(context_.get());
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  ~Client() {
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);  // else its ticket would be good for nothing
    SSL_free(ssl_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  SSL* ssl() { return ssl_; }
  SSL_CTX* context() { return context_.get(); }

  // Goes on with what has come; appends what it reads to `read`.
  void step() {
    ERR_clear_error();
    std::array<uint8_t, 4'096> buffer{};
    if (!SSL_is_init_finished(ssl_) && SSL_do_handshake(ssl_) != 1) {
      note();
      return;
    }
    size_t got = 0;
    while (SSL_read_ex(ssl_, buffer.data(), buffer.size(), &got) == 1)
      read.insert(read.end(), buffer.begin(), buffer.begin() + std::ptrdiff_t(got));
    note();
  }
  void write(Bytes bytes) {
    size_t written = 0;
    RALLY_ASSERT(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written) == 1 && written == bytes.size());
  }
  // What it wants to send.
  Octets take() {
    Octets bytes(size_t(BIO_ctrl_pending(SSL_get_wbio(ssl_))));
    if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl_), bytes.data(), int(bytes.size()));
    return bytes;
  }
  void give(Bytes bytes) {
    if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_), bytes.data(), int(bytes.size()));
  }

  Octets read;
  std::string failure;  // the alert, for one
  bool hasEnd = false;  // close_notify

 private:
  void note() {
    hasEnd |= (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (const unsigned long error = ERR_peek_last_error(); error != 0 && failure.empty())
      failure = ERR_reason_error_string(error) ? ERR_reason_error_string(error) : "?";
  }

  ContextPointer context_;
  SSL* ssl_;
};

// What a client knows, and what it says that it is for.
struct Knowledge {
  std::string identity;
  Octets key;
  uint8_t suite = 1;  // of TLS 1.3: 1 has SHA-256, 2 SHA-384
};

inline unsigned int keyOf(SSL* ssl, const char*, char* identity, unsigned int identityBytes, unsigned char* key,
                          unsigned int) {
  const auto& known = *static_cast<const Knowledge*>(SSL_get_app_data(ssl));
  RALLY_ASSERT(known.identity.size() < identityBytes);
  identity[known.identity.copy(identity, known.identity.size())] = 0;
  std::copy(known.key.begin(), known.key.end(), key);
  return unsigned(known.key.size());
}

class Wire {
 public:
  Wire(Worker& worker, Client& client, Protocols protocols = {.http = true, .mqtt = true, .tls = true},
       const Octets& before = {})
      : client_(client), input_(65'536) {
    RALLY_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_.data()) == 0);
    channel = std::make_unique<TlsChannel>(worker.thread, worker.context, fds_[0], protocols, before);
  }
  ~Wire() {
    channel = nullptr;
    for (const int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // The channel takes what lies in its socket; gives the state in which it has found it.
  StreamState receive() {
    StreamState state = StreamState::open;
    while (state == StreamState::open && isReadable()) {
      const Transferred got = channel->receive(input_);
      read.insert(read.end(), input_.begin(), input_.begin() + std::ptrdiff_t(got.bytes));
      state = got.state;
    }
    return state;
  }

  bool isReadable() const {
    pollfd entry{fds_[0], POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
  }

  // Bytes that the channel is not told of.
  void give(Bytes bytes) {
    RALLY_ASSERT(::send(fds_[1], bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size()));
  }

  // Everything that the client has to say, in pieces of so many bytes.
  StreamState toChannel(size_t pieceBytes = SIZE_MAX) { return toChannel(client_.take(), pieceBytes); }
  StreamState toChannel(Bytes bytes, size_t pieceBytes = SIZE_MAX) {
    StreamState state = StreamState::open;
    while (!bytes.empty() && state == StreamState::open) {
      const Bytes piece = bytes.first(std::min(pieceBytes, bytes.size()));
      const ssize_t sent = ::send(fds_[1], piece.data(), piece.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes = bytes.subspan(size_t(sent));
      state = receive();
    }
    return state;
  }
  void toClient(size_t pieceBytes = SIZE_MAX) {
    std::array<uint8_t, 65'536> buffer{};
    for (ssize_t size = 1; size > 0;) {
      size = recv(fds_[1], buffer.data(), std::min(buffer.size(), pieceBytes), 0);
      if (size > 0) client_.give(Bytes(buffer).first(size_t(size)));
      client_.step();
    }
  }

  StreamState shakeHands(size_t pieceBytes = SIZE_MAX) {
    StreamState state = StreamState::open;
    for (int flights = 0; flights < 4 && state == StreamState::open; flights++) {
      client_.step();
      state = toChannel(pieceBytes);
      toClient(pieceBytes);
    }
    return state;
  }

  void endClient() { shutdown(fds_[1], SHUT_WR); }
  void closeClient() { close(std::exchange(fds_[1], -1)); }

  std::unique_ptr<TlsChannel> channel;
  Octets read;

 private:
  Client& client_;
  std::array<int, 2> fds_{};
  Octets input_;
};

inline Transferred sendText(TlsChannel& channel, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return channel.send({&piece, 1});
}

}  // namespace tlsTest
