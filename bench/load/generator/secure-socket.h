// TLS of one client: OpenSSL on its socket. Where the generator is compiled without OpenSSL there is none, and
// `--transport wss` is refused (options.h).
#pragma once
#include <errno.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#ifdef LOAD_HAS_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

namespace load {

#ifdef LOAD_HAS_TLS

class SecureSocket {
 public:
  static constexpr bool isAvailable = true;

  SecureSocket() = default;
  ~SecureSocket() { end(); }
  SecureSocket(const SecureSocket&) = delete;
  SecureSocket& operator=(const SecureSocket&) = delete;

  bool isOpen() const { return ssl_ != nullptr; }

  void begin(int socket) {
    ssl_ = SSL_new(context());
    SSL_set_fd(ssl_, socket);
    SSL_set_connect_state(ssl_);
  }
  void end() {
    if (SSL* ssl = std::exchange(ssl_, nullptr)) SSL_free(ssl);
  }

  enum class Progress : uint8_t { done, waits, failed };
  Progress shakeHands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) return Progress::done;
    return isWaiting(result) ? Progress::waits : Progress::failed;
  }

  // As those of a socket, with errno.
  ssize_t send(const uint8_t* bytes, size_t size) {
    ERR_clear_error();
    size_t written = 0;
    const int result = SSL_write_ex(ssl_, bytes, size, &written);
    return result == 1 ? ssize_t(written) : failure(result);
  }
  ssize_t receive(uint8_t* into, size_t size) {
    size_t total = 0;
    while (total < size) {
      ERR_clear_error();
      size_t got = 0;
      const int result = SSL_read_ex(ssl_, into + total, size - total, &got);
      if (result != 1)
        return total > 0 ? ssize_t(total) : SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN ? 0 : failure(result);
      total += got;
    }
    return ssize_t(total);
  }

 private:
  // The broker's certificate is of the day: what is measured is what it costs to speak TLS.
  static SSL_CTX* context() {
    static SSL_CTX* const made = [] {
      SSL_CTX* context = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
      SSL_CTX_set_mode(context,
                       SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
      return context;
    }();
    return made;
  }

  bool isWaiting(int result) const {
    const int error = SSL_get_error(ssl_, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }
  ssize_t failure(int result) const {
    if (isWaiting(result)) errno = EAGAIN;
    else if (errno == 0 || errno == EAGAIN) errno = EPROTO;
    return -1;
  }

  SSL* ssl_ = nullptr;
};

#else

class SecureSocket {
 public:
  static constexpr bool isAvailable = false;
  enum class Progress : uint8_t { done, waits, failed };

  bool isOpen() const { return false; }
  void begin(int) {}
  void end() {}
  Progress shakeHands() { return Progress::failed; }
  ssize_t send(const uint8_t*, size_t) { return -1; }
  ssize_t receive(uint8_t*, size_t) { return -1; }
};

#endif

}  // namespace load
