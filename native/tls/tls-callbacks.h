// OpenSSL's callbacks during the handshake of a channel.
#pragma once
#include "openssl.h"
#include "tls-channel.h"

namespace rally {

struct TlsCallbacks {
  static TlsChannel& channelOf(const SSL* ssl) { return *static_cast<TlsChannel*>(SSL_get_app_data(ssl)); }

  static int onServerName(SSL* ssl, int* alert, void* context);
  static int onProtocols(SSL* ssl, const unsigned char** chosen, unsigned char* chosenBytes,
                         const unsigned char* offered, unsigned int offeredBytes, void* context);
  static int onTicketKey(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                         int isSealing);
  // For TLS 1.2, and for TLS 1.3.
  static unsigned int onPreSharedKey(SSL* ssl, const char* identity, unsigned char* key, unsigned int keyBytesMax);
  static int onPreSharedSession(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session);
  // The identity of the client's key; empty: it has used none.
  static std::string preSharedIdentity(const SSL* ssl);
  static int onStatus(SSL* ssl, void* staple);

  static BIO* newBio(TlsChannel& channel);

 private:
  static int onRead(BIO* bio, char* into, int size);
  static int onWrite(BIO* bio, const char* bytes, int size);
  static long onControl(BIO* bio, int command, long number, void* pointer);
};

}  // namespace rally
