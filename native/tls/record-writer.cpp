#include "record-writer.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <string_view>

#include "../assert.h"
#include "openssl.h"

namespace rally {
namespace {

constexpr size_t headerBytes = 5;
constexpr size_t tagBytes = 16;
constexpr size_t contentBytesMax = 16'384;
// A connection's first records that OpenSSL makes: a ticket, and the first answer.
constexpr uint64_t recordsBefore = 4;

const EVP_CIPHER* cipherOf(const SSL_CIPHER* suite) {
  switch (SSL_CIPHER_get_cipher_nid(suite)) {
    case NID_aes_128_gcm: return EVP_aes_128_gcm();
    case NID_aes_256_gcm: return EVP_aes_256_gcm();
    case NID_chacha20_poly1305: return EVP_chacha20_poly1305();
    default: return nullptr;
  }
}

// The client has no room for records of any size, and OpenSSL has agreed (RFC 6066, section 4).
bool hasSmallFragments(const SSL* ssl) {
  const SSL_SESSION* session = SSL_get_session(ssl);
  if (!session) return false;
  const int mode = SSL_SESSION_get_max_fragment_length(session);
  return mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096;
}

}  // namespace

std::unique_ptr<RecordWriter> RecordWriter::make(const SSL* ssl, Bytes secret, uint64_t recordsMax) {
  const SSL_CIPHER* suite = SSL_get_current_cipher(ssl);
  if (!suite || SSL_version(ssl) != TLS1_3_VERSION || hasSmallFragments(ssl)) return nullptr;
  const EVP_CIPHER* cipher = cipherOf(suite);
  const EVP_MD* digest = SSL_CIPHER_get_handshake_digest(suite);
  if (!cipher || !digest || secret.size() != size_t(EVP_MD_get_size(digest)) || secret.size() > secretBytesMax)
    return nullptr;
  std::unique_ptr<RecordWriter> made(new RecordWriter(cipher, digest, secret, recordsMax));
  if (!made->setKey()) return nullptr;
  return made;
}

RecordWriter::RecordWriter(const EVP_CIPHER* cipher, const EVP_MD* digest, Bytes secret, uint64_t recordsMax)
    : cipher_(cipher),
      digest_(digest),
      context_(EVP_CIPHER_CTX_new()),
      recordsMax_(recordsMax),
      secretBytes_(secret.size()) {
  RALLY_ASSERT(context_ && recordsMax_ > 0);
  std::copy(secret.begin(), secret.end(), secret_.begin());
}

RecordWriter::~RecordWriter() {
  EVP_CIPHER_CTX_free(context_);
  OPENSSL_cleanse(secret_.data(), secret_.size());
}

bool RecordWriter::goesOn(Bytes record, Bytes content) {
  std::vector<uint8_t> ours;
  for (sequence_ = 0; sequence_ < recordsBefore;) {
    ours.clear();
    if (!append(RecordType::application, content, ours)) return false;  // which has counted it
    if (std::equal(ours.begin(), ours.end(), record.begin(), record.end())) return true;
  }
  return false;
}

bool RecordWriter::write(RecordType type, Bytes content, std::vector<uint8_t>& out) {
  constexpr std::array<uint8_t, 5> keyUpdate = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};
  if (sequence_ >= recordsMax_ && !(append(RecordType::handshake, keyUpdate, out) && changeKey())) return false;
  if (!append(type, content, out)) return false;
  const bool isKeyUpdate = type == RecordType::handshake && !content.empty() && content[0] == SSL3_MT_KEY_UPDATE;
  return !isKeyUpdate || changeKey();
}

bool RecordWriter::append(RecordType type, Bytes content, std::vector<uint8_t>& out) {
  RALLY_ASSERT(content.size() <= contentBytesMax);
  const size_t at = out.size();
  const size_t sealedBytes = content.size() + 1 + tagBytes;
  out.resize(at + headerBytes + sealedBytes);
  uint8_t* const header = out.data() + at;
  uint8_t* const sealed = header + headerBytes;
  const std::array<uint8_t, headerBytes> head = {uint8_t(RecordType::application), 3, 3, uint8_t(sealedBytes >> 8),
                                                 uint8_t(sealedBytes)};
  std::copy(head.begin(), head.end(), header);
  std::copy(content.begin(), content.end(), sealed);
  sealed[content.size()] = uint8_t(type);
  std::array<uint8_t, nonceBytes> nonce = firstNonce_;
  for (size_t i = 0; i < sizeof sequence_; i++) nonce[nonceBytes - 1 - i] ^= uint8_t(sequence_ >> (8 * i));
  int size = 0;
  std::array tag = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, sealed + content.size() + 1, tagBytes),
      OSSL_PARAM_construct_end()};
  const bool isMade = EVP_EncryptInit_ex2(context_, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
                      EVP_EncryptUpdate(context_, nullptr, &size, header, headerBytes) == 1 &&
                      EVP_EncryptUpdate(context_, sealed, &size, sealed, int(content.size() + 1)) == 1 &&
                      EVP_EncryptFinal_ex(context_, sealed + size, &size) == 1 &&
                      EVP_CIPHER_CTX_get_params(context_, tag.data()) == 1;
  sequence_++;  // whatever became of it, its nonce is used
  if (!isMade) out.resize(at);
  return isMade;
}

bool RecordWriter::setKey() {
  std::array<uint8_t, keyBytesMax> key{};
  const auto keyBytes = size_t(EVP_CIPHER_get_key_length(cipher_));
  RALLY_ASSERT(keyBytes <= key.size());
  const bool isSet = expand("key", key, keyBytes) && expand("iv", firstNonce_, nonceBytes) &&
                     EVP_EncryptInit_ex2(context_, cipher_, key.data(), firstNonce_.data(), nullptr) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  sequence_ = 0;
  return isSet;
}

bool RecordWriter::changeKey() {
  std::array<uint8_t, secretBytesMax> next{};
  if (!expand("traffic upd", next, secretBytes_)) return false;
  secret_ = next;
  OPENSSL_cleanse(next.data(), next.size());
  return setKey();
}

template <size_t Size>
bool RecordWriter::expand(const char* label, std::array<uint8_t, Size>& into, size_t size) const {
  constexpr std::string_view prefix = "tls13 ";
  const std::string_view name(label);
  // Of the output, its only block: no key is longer than the digest.
  RALLY_ASSERT(size <= Size && size <= secretBytes_);
  std::vector<uint8_t> info = {uint8_t(size >> 8), uint8_t(size), uint8_t(prefix.size() + name.size())};
  info.insert(info.end(), prefix.begin(), prefix.end());
  info.insert(info.end(), name.begin(), name.end());
  info.insert(info.end(), {0, 1});
  std::array<uint8_t, EVP_MAX_MD_SIZE> block{};
  unsigned int blockBytes = 0;
  if (!HMAC(digest_, secret_.data(), int(secretBytes_), info.data(), info.size(), block.data(), &blockBytes))
    return false;
  std::copy_n(block.begin(), size, into.begin());
  OPENSSL_cleanse(block.data(), block.size());
  return true;
}

}  // namespace rally
