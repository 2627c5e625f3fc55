// Makes the records of an established connection of TLS 1.3 (RFC 8446, section 5.2), in OpenSSL's place and with its
// ciphers: a small record takes a third of the instructions and a tenth of the memory that OpenSSL goes through for it.
//
//   TlsChannel::send ----------------------------.
//   OpenSSL's alerts and key updates, as plain ---+--> write() --> [header][content, type | tag]
//
// It knows the traffic secret, as OpenSSL gives it to programs that log keys, and numbers the records as OpenSSL does.
// It starts only if it would have made the last record of OpenSSL to the last bit (goesOn()); from then on no record of
// OpenSSL may go out, since it would have a number that was used.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "../structures/bytes.h"

struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct evp_md_st;
struct ssl_st;

namespace rally {

enum class RecordType : uint8_t { alert = 21, handshake = 22, application = 23 };

class RecordWriter {
 public:
  // The bytes by which a record exceeds its content: 5 of header, 1 of type, 16 of tag.
  static constexpr size_t overheadBytes = 22;
  // RFC 8446, 5.5: AES-GCM is safe for 2^24.5 records of full size with one key.
  static constexpr uint64_t recordsPerKeyMax = uint64_t(1) << 24;

  // `secret`: server_application_traffic_secret_0. nullptr: the cipher is none that it knows, or
  // the client takes small records only.
  static std::unique_ptr<RecordWriter> make(const ssl_st* ssl, Bytes secret, uint64_t recordsMax = recordsPerKeyMax);
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // Whether `record` is what this would have made of `content`, as one of the first records of the connection: then it
  // continues after it.
  bool goesOn(Bytes record, Bytes content);

  // Appends a record to `out`, and one that changes the key where it is due. False: the cipher has failed, for good.
  bool write(RecordType type, Bytes content, std::vector<uint8_t>& out);

 private:
  static constexpr size_t keyBytesMax = 32;
  static constexpr size_t secretBytesMax = 48;
  static constexpr size_t nonceBytes = 12;

  RecordWriter(const evp_cipher_st* cipher, const evp_md_st* digest, Bytes secret, uint64_t recordsMax);

  bool setKey();
  bool changeKey();
  bool append(RecordType type, Bytes content, std::vector<uint8_t>& out);
  // HKDF-Expand-Label (RFC 8446, 7.1) of the secret, without a context.
  template <size_t Size>
  bool expand(const char* label, std::array<uint8_t, Size>& into, size_t size) const;

  const evp_cipher_st* const cipher_;
  const evp_md_st* const digest_;
  evp_cipher_ctx_st* const context_;
  const uint64_t recordsMax_;
  uint64_t sequence_ = 0;  // of the next record with this key
  std::array<uint8_t, nonceBytes> firstNonce_{};
  const size_t secretBytes_;
  std::array<uint8_t, secretBytesMax> secret_{};
};

}  // namespace rally
