// TLS of one connection, on the thread of its worker. OpenSSL reads from the socket through our BIO, ahead as far as
// there is room, and what it writes is collected and sent in one piece:
//
//   socket --recv--> OpenSSL --SSL_read--> the caller's buffer
//   the caller's pieces --RecordWriter, one record for up to 16 KiB--> thread.out --send--> socket
//                                                                           \--not accepted--> unsent
//
// OpenSSL (SSL_write) makes the first record, and all records of TLS 1.2 and of ciphers that RecordWriter does not
// know. After receive() OpenSSL never holds a complete record, and everything it writes is passed to the socket, so the
// socket alone tells whether there is more. Bytes accepted by send() are in transit, though a part may be in `unsent`,
// and nothing more is accepted until that is sent.
#pragma once
#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../counters.h"
#include "../net/protocols.h"
#include "../net/transferred.h"
#include "record-writer.h"
#include "tls-context.h"

struct bio_st;
struct ssl_st;

namespace rally {

// Shared by the TLS connections of a worker.
struct TlsThread {
  explicit TlsThread(Counters& countersOf) : counters(countersOf) {}

  Counters& counters;
  TicketKeys ticketKeys;
  size_t handshakesLeft = 0;  // that may begin in this turn of the loop
  uint64_t recordsPerKeyMax = RecordWriter::recordsPerKeyMax;
  std::vector<uint8_t> plain;  // pieces that go into one record
  std::vector<uint8_t> out;    // records that go out together; empty between two calls
};

class TlsChannel {
 public:
  // The most plain bytes in one record.
  static constexpr size_t recordPayloadMax = 16'384;
  // The largest record on the wire: 5 bytes of header and at most 256 added by encryption.
  static constexpr size_t recordBytesMax = 16'384 + 5 + 256;
  // A caller's buffer has room for the bytes read ahead and for the rest of a record.
  static constexpr size_t inputBytesMin = 2 * recordBytesMax;
  // The most bytes that are encrypted for a socket that may not accept them.
  static constexpr size_t outBytes = 32'768;
  // The most that a record of these ciphers exceeds its content.
  static constexpr size_t overheadBytesMax = 64;

  // `before`: bytes of the client that were read before TLS was recognised.
  TlsChannel(TlsThread& thread, std::shared_ptr<const TlsContext> context, int fd, Protocols protocols,
             std::vector<uint8_t> before);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // As for a socket. During the handshake there are none.
  Transferred receive(std::span<uint8_t> into);
  Transferred send(std::span<const iovec> pieces);
  // Sends the unsent bytes. False: the socket takes nothing more.
  bool flush();
  bool hasUnsent() const { return !unsent_.empty(); }
  size_t unsentBytes() const { return unsent_.size() - unsentAt_; }
  // Tells the peer that nothing follows (close_notify).
  void endWriting();

  bool isEstablished() const { return state_ == State::established; }
  // Its records are not made by OpenSSL any more.
  bool makesRecords() const { return makesRecords_; }
  // Bytes of the socket.
  uint64_t sentBytes() const { return sentBytes_; }
  // The protocol that the client has agreed to; all of them if it has named none.
  Protocols protocols() const;
  // For packet control, on separate lines: version, host name, common names, host names, mail addresses and URIs of
  // the client's certificate (separated by tabs), its SHA-256 in hexadecimal digits, and the identity of its
  // pre-shared key.
  std::string facts() const;
  // Why the handshake has failed; empty if it has not.
  const std::string& failure() const { return failure_; }

 private:
  enum class State : uint8_t { handshake, established, ended, failed, broken };
  friend struct TlsCallbacks;

  bool shakeHands();
  // Handles a `result` of SSL_read or SSL_do_handshake, and sets the state.
  void onResult(int result);
  void fail();
  Transferred discard(std::span<uint8_t> into);
  // Of plain bytes for one record. False: it cannot be made.
  bool writeRecord(Bytes content);
  void changeRecords();
  // OpenSSL has made a record of it, the first one.
  void takeOver(Bytes record, Bytes content);
  // An alert or a key update of OpenSSL, whose record for it is dropped.
  void writeAside(RecordType type, Bytes content);
  void answerKeyUpdate();
  StreamState streamState() const;

  // Of the BIO. 0: not now, or the end; -1: it is broken.
  ptrdiff_t readRaw(std::span<uint8_t> into);
  bool writeRaw(Bytes bytes);

  // What is to be sent next goes there; nullptr: the client causes answers and does not read.
  std::vector<uint8_t>* roomFor(size_t bytes);

  TlsThread& thread_;
  const std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_ = nullptr;
  const int fd_;
  const Protocols offered_;
  State state_ = State::handshake;
  bool hasAnswered_ = false;   // the first flight of ours, which costs most, is made
  bool hasDrained_ = false;    // the socket has nothing more for this call
  bool hasRawEnd_ = false;     // the socket sends no more
  bool isCutShort_ = false;    // an error of the socket, or of what should go there
  bool isUnwritable_ = false;  // the socket takes nothing more; what has arrived is still read
  bool hasToldFailure_ = false;
  bool writesSmallRecords_ = false;
  bool makesRecords_ = false;
  std::unique_ptr<RecordWriter> writer_;  // while OpenSSL makes the records: that will do so
  size_t readLeft_ = 0;                   // of the socket, in this call
  unsigned keyUpdates_ = 0;               // of the client, in this call
  std::vector<uint8_t> before_;
  std::vector<uint8_t> unsent_;  // bytes that the socket has not accepted
  size_t unsentAt_ = 0;
  uint64_t sentBytes_ = 0;
  std::string failure_;
};

}  // namespace rally
