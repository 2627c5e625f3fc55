#include "tls-callbacks.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/tls1.h>

#include <array>
#include <ctime>

namespace rally {
namespace {

constexpr std::string_view mqttName = "mqtt";
constexpr std::string_view httpName = "http/1.1";
// What is written before a certificate, if any, and Finished. The numbers of states differ between versions of OpenSSL.
constexpr std::string_view encryptedExtensions = "TWEE";
constexpr std::string_view secretLabel = "SERVER_TRAFFIC_SECRET_0 ";

// Of a digit in lower case.
uint8_t valueOf(char digit) { return uint8_t(digit <= '9' ? digit - '0' : digit - 'a' + 10); }

}  // namespace

int TlsCallbacks::onServerName(SSL* ssl, int*, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX* context = channelOf(ssl).context_->forHost(name);
  if (context != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, context);
  return SSL_TLSEXT_ERR_OK;
}

// The first protocol offered by the client that this port speaks. None is an error (RFC 7301, 3.2).
int TlsCallbacks::onProtocols(SSL* ssl, const unsigned char** chosen, unsigned char* chosenBytes,
                              const unsigned char* offered, unsigned int offeredBytes, void*) {
  const Protocols spoken = channelOf(ssl).offered_;
  for (unsigned int at = 0; at < offeredBytes; at += 1u + offered[at]) {
    const unsigned int size = offered[at];
    if (size > offeredBytes - at - 1) break;
    const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), size);
    if (!((spoken.mqtt && name == mqttName) || (spoken.http && name == httpName))) continue;
    *chosen = offered + at + 1;
    *chosenBytes = static_cast<unsigned char>(size);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsCallbacks::onTicketKey(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                              EVP_MAC_CTX* mac, int isSealing) {
  constexpr int failed = -1;
  constexpr int none = 0;
  constexpr int usable = 1;
  constexpr int usableAndOld = 2;
  const TicketKeys& keys = channelOf(ssl).context_->ticketKeys();
  if (isSealing && SSL_get_psk_identity(ssl)) return none;
  const TicketKey* key = isSealing ? keys.newest() : keys.find(name);
  if (!key) return none;
  std::string digest = "SHA256";
  std::array<uint8_t, 32> macKey = key->macKey;
  const std::array parameters = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, macKey.data(), macKey.size()),
                                 OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                                 OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters.data()) != 1) return failed;
  if (isSealing) {
    std::copy(key->name.begin(), key->name.end(), name);
    if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return failed;
    return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipherKey.data(), vector) == 1 ? usable : failed;
  }
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipherKey.data(), vector) != 1) return failed;
  return key == keys.newest() ? usable : usableAndOld;
}

unsigned int TlsCallbacks::onPreSharedKey(SSL* ssl, const char* identity, unsigned char* key,
                                          unsigned int keyBytesMax) {
  constexpr unsigned int unknown = 0;
  if (!identity || SSL_version(ssl) >= TLS1_3_VERSION) return unknown;
  const Bytes found = channelOf(ssl).context_->preSharedKeys().find(identity);
  if (found.size() > keyBytesMax) return unknown;
  std::copy(found.begin(), found.end(), key);
  return static_cast<unsigned int>(found.size());
}

// A session carries the identity: the connection gets it only if the client proves that it knows the key of this very
// session. There is no ticket for it, which would outlive the key.
int TlsCallbacks::onPreSharedSession(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session) {
  constexpr int failed = 0;
  constexpr int done = 1;
  static constexpr std::array<unsigned char, 2> suite = {0x13, 0x01};  // its hash is the one of such keys
  *session = nullptr;
  const Bytes key = channelOf(ssl).context_->preSharedKeys().find({reinterpret_cast<const char*>(identity), size});
  if (key.empty()) return done;
  SSL_SESSION* made = SSL_SESSION_new();
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, suite.data());
  if (!made || !cipher || SSL_SESSION_set1_master_key(made, key.data(), key.size()) != 1 ||
      SSL_SESSION_set_cipher(made, cipher) != 1 || SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) != 1 ||
      SSL_SESSION_set1_ticket_appdata(made, identity, size) != 1 || SSL_set_num_tickets(ssl, 0) != 1) {
    SSL_SESSION_free(made);
    return failed;
  }
  *session = made;
  return done;
}

std::string TlsCallbacks::preSharedIdentity(const SSL* ssl) {
  if (const char* identity = SSL_get_psk_identity(ssl)) return identity;
  void* identity = nullptr;
  size_t size = 0;
  SSL_SESSION* session = SSL_get_session(ssl);
  if (!session || SSL_SESSION_get0_ticket_appdata(session, &identity, &size) != 1 || size == 0) return {};
  return {static_cast<const char*>(identity), size};
}

int TlsCallbacks::onStatus(SSL* ssl, void* context) {
  const auto& staple = *static_cast<const Staple*>(context);
  if (staple.untilSeconds != 0 && std::time(nullptr) > staple.untilSeconds) return SSL_TLSEXT_ERR_NOACK;
  auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(staple.response.data(), staple.response.size()));
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, long(staple.response.size()));  // which takes it
  return SSL_TLSEXT_ERR_OK;
}

void TlsCallbacks::onState(const SSL* ssl, int where, int) {
  if (where != SSL_CB_ACCEPT_LOOP || SSL_state_string(ssl) != encryptedExtensions) return;
  SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), onSecret);
}

void TlsCallbacks::onSecret(const SSL* ssl, const char* line) {
  const std::string_view text(line);
  const size_t random = text.find(' ');
  const size_t space = text.rfind(' ');
  if (!text.starts_with(secretLabel) || random == space) return;
  std::array<uint8_t, EVP_MAX_MD_SIZE> secret{};
  const std::string_view digits = text.substr(space + 1);
  const size_t size = digits.size() / 2;
  if (size > secret.size()) return;
  for (size_t i = 0; i < size; i++) secret[i] = uint8_t(valueOf(digits[2 * i]) << 4 | valueOf(digits[2 * i + 1]));
  TlsChannel& channel = channelOf(ssl);
  channel.writer_ = RecordWriter::make(ssl, Bytes(secret).first(size), channel.thread_.recordsPerKeyMax);
  OPENSSL_cleanse(secret.data(), secret.size());
  SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), nullptr);
}

void TlsCallbacks::onMessage(int isWritten, int, int type, const void* bytes, size_t size, SSL* ssl, void*) {
  if (type != SSL3_RT_ALERT && type != SSL3_RT_HANDSHAKE) return;
  TlsChannel& channel = channelOf(ssl);
  const Bytes message(static_cast<const uint8_t*>(bytes), size);
  if (isWritten != 0) {
    if (channel.makesRecords_) channel.writeAside(RecordType(type), message);
  } else if (type == SSL3_RT_HANDSHAKE && !message.empty() && message[0] == SSL3_MT_KEY_UPDATE) {
    channel.keyUpdates_++;
  }
}

BIO* TlsCallbacks::newBio(TlsChannel& channel) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rallymq");
    RALLY_ASSERT(made && BIO_meth_set_read(made, onRead) == 1 && BIO_meth_set_write(made, onWrite) == 1 &&
                 BIO_meth_set_ctrl(made, onControl) == 1);
    return made;
  }();
  BIO* bio = BIO_new(method);
  RALLY_ASSERT(bio);
  BIO_set_data(bio, &channel);
  BIO_set_init(bio, 1);
  return bio;
}

int TlsCallbacks::onRead(BIO* bio, char* into, int size) {
  auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ptrdiff_t got = channel.readRaw({reinterpret_cast<uint8_t*>(into), size_t(size)});
  if (got == 0 && !channel.hasRawEnd_) {
    BIO_set_retry_read(bio);
    return -1;
  }
  return int(got);
}

int TlsCallbacks::onWrite(BIO* bio, const char* bytes, int size) {
  auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  return channel.writeRaw({reinterpret_cast<const uint8_t*>(bytes), size_t(size)}) ? size : -1;
}

long TlsCallbacks::onControl(BIO* bio, int command, long, void*) {
  const auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return channel.hasRawEnd_ ? 1 : 0;
    default: return 0;
  }
}

}  // namespace rally
