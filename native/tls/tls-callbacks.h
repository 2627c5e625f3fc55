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
  // OpenSSL tells a secret of a connection only to programs that log them all (NSS key log format), in lines that cost
  // a tenth of a handshake. So logging is on while the handshake is where the one of interest comes next. A context is
  // used by one thread.
  static void onState(const SSL* ssl, int where, int result);
  static void onSecret(const SSL* ssl, const char* line);
  // Of a channel that makes its records.
  static void onMessage(int isWritten, int version, int type, const void* bytes, size_t size, SSL* ssl, void* argument);

  static BIO* newBio(TlsChannel& channel);

 private:
  static int onRead(BIO* bio, char* into, int size);
  static int onWrite(BIO* bio, const char* bytes, int size);
  static long onControl(BIO* bio, int command, long number, void* pointer);
};

}  // namespace rally
