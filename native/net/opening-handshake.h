// The server's side of the opening handshake of a WebSocket (RFC 6455, 4.2.2).
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "../assert.h"
#include "../tls/openssl.h"

namespace rally {

class OpeningHandshake {
 public:
  OpeningHandshake() : digest_(EVP_MD_CTX_new()) {
    const bool isReady = digest_ && EVP_DigestInit_ex(digest_.get(), EVP_sha1(), nullptr) == 1;
    RALLY_ASSERT(isReady);
  }

  // Whether this is a possible Sec-WebSocket-Key: 16 bytes in Base64.
  static bool isKey(std::string_view key) {
    constexpr size_t keySize = 24;
    if (key.size() != keySize || !key.ends_with("==")) return false;
    for (const char character : key.substr(0, keySize - 2)) {
      const bool isDigit = character >= '0' && character <= '9';
      const bool isLetter = (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z');
      if (!isDigit && !isLetter && character != '+' && character != '/') return false;
    }
    return true;
  }

  // The complete response to an accepted request with this key.
  std::string accepted(std::string_view key, std::string_view subprotocol) {
    constexpr std::string_view suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    constexpr size_t sha1Bytes = 20;
    std::array<uint8_t, EVP_MAX_MD_SIZE> sum{};
    std::array<uint8_t, (sha1Bytes + 2) / 3 * 4 + 1> sumText{};  // and a null character
    EVP_MD_CTX* const digest = digest_.get();
    const bool isMade = EVP_DigestInit_ex(digest, nullptr, nullptr) == 1 &&  // reused: lookup is the slowest part
                        EVP_DigestUpdate(digest, key.data(), key.size()) == 1 &&
                        EVP_DigestUpdate(digest, suffix.data(), suffix.size()) == 1 &&
                        EVP_DigestFinal_ex(digest, sum.data(), nullptr) == 1;
    RALLY_ASSERT(isMade);
    EVP_EncodeBlock(sumText.data(), sum.data(), int(sha1Bytes));
    std::string response =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    response.append(reinterpret_cast<const char*>(sumText.data()), sumText.size() - 1);
    response.append("\r\nSec-WebSocket-Protocol: ").append(subprotocol).append("\r\n\r\n");
    return response;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>> digest_;
};

}  // namespace rally
