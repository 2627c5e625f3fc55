#include "tls-channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "../structures/free-memory.h"
#include "client-certificate.h"
#include "openssl.h"
#include "tls-callbacks.h"

namespace rally {
namespace {

// A client that causes answers and does not read is disconnected: each answer to its requests (key updates) is small.
constexpr size_t unsentBytesMax = 4 * TlsChannel::outBytes;

// OpenSSL makes a buffer for each record that it writes, of the largest that there may be, and frees it: most records
// are small, and so are these buffers then, which the allocator has at hand. No less is possible.
constexpr size_t smallRecordBytes = 512;

// Keys that a client may change in one call: more than any client needs, and each costs as much as many records.
constexpr unsigned keyUpdatesMax = 32;

bool isTemporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

// The next bytes for one record, in place or copied together into `into`; removes them from the pieces, of the first
// of which `at` bytes are used.
Bytes takeRecord(std::span<const iovec>& pieces, size_t& at, std::vector<uint8_t>& into) {
  into.clear();
  while (!pieces.empty()) {
    const Bytes rest = Bytes(static_cast<const uint8_t*>(pieces[0].iov_base), pieces[0].iov_len).subspan(at);
    const size_t count = std::min(rest.size(), TlsChannel::recordPayloadMax - into.size());
    at += count;
    if (at == pieces[0].iov_len) {
      pieces = pieces.subspan(1);
      at = 0;
    }
    const bool isWhole = pieces.empty() || count == TlsChannel::recordPayloadMax;
    if (into.empty() && isWhole) return rest.first(count);
    into.insert(into.end(), rest.begin(), rest.begin() + std::ptrdiff_t(count));
    if (into.size() == TlsChannel::recordPayloadMax) break;
  }
  return into;
}

}  // namespace

TlsChannel::TlsChannel(TlsThread& thread, std::shared_ptr<const TlsContext> context, int fd, Protocols protocols,
                       std::vector<uint8_t> before)
    : thread_(thread), context_(std::move(context)), fd_(fd), offered_(protocols), before_(std::move(before)) {
  ssl_ = SSL_new(context_->standard());
  RALLY_ASSERT(ssl_);
  SSL_set_app_data(ssl_, this);
  BIO* bio = TlsCallbacks::newBio(*this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

Transferred TlsChannel::receive(std::span<uint8_t> into) {
  RALLY_ASSERT(into.size() >= inputBytesMin && thread_.out.empty());
  if (state_ == State::failed && hasToldFailure_) return discard(into);
  if (state_ == State::failed) hasToldFailure_ = true;
  if (state_ != State::handshake && state_ != State::established) return {streamState()};
  hasDrained_ = false;
  keyUpdates_ = 0;
  readLeft_ = into.size() - recordBytesMax;
  size_t size = 0;
  if (state_ == State::established || shakeHands()) {
    while (state_ == State::established) {
      size_t got = 0;
      forgetOpensslErrors();
      const int result = SSL_read_ex(ssl_, into.data() + size, into.size() - size, &got);
      size += got;
      RALLY_ASSERT(size < into.size());
      if (result == 1) continue;
      onResult(result);
      break;
    }
    if (makesRecords_ && state_ == State::established) answerKeyUpdate();
  }
  flush();
  if (size == 0) {
    hasToldFailure_ = state_ == State::failed;
    return {streamState()};
  }
  // There is more to read that the socket does not know of: from now on it counts as readable.
  if (state_ != State::established) shutdown(fd_, SHUT_RD);
  return {StreamState::open, size};
}

bool TlsChannel::shakeHands() {
  if (!hasAnswered_) {
    RALLY_ASSERT(before_.empty() || thread_.handshakesLeft > 0);
    if (thread_.handshakesLeft == 0) return false;  // the socket says again that there is something
  }
  forgetOpensslErrors();
  const int result = SSL_do_handshake(ssl_);
  if (!hasAnswered_ && !thread_.out.empty()) {
    hasAnswered_ = true;
    thread_.handshakesLeft--;
  }
  if (result != 1) {
    onResult(result);
    return false;
  }
  state_ = State::established;
  if (SSL_version(ssl_) == TLS1_3_VERSION) SSL_set_msg_callback(ssl_, TlsCallbacks::onMessage);
  freeMemory(before_);
  thread_.counters.add(Counter::tlsHandshakes);
  if (SSL_session_reused(ssl_)) thread_.counters.add(Counter::tlsResumed);
  return true;
}

void TlsChannel::onResult(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: break;
    case SSL_ERROR_ZERO_RETURN: state_ = State::ended; break;
    default:
      if (isCutShort_) state_ = State::broken;
      else if (hasRawEnd_) state_ = State::ended;
      else fail();
  }
}

// The alert is in the next bytes that are sent.
void TlsChannel::fail() {
  if (state_ == State::handshake) thread_.counters.add(Counter::tlsFailed);
  state_ = State::failed;
  failure_ = opensslReason();
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) failure_ += std::string(": ") + X509_verify_cert_error_string(verified);
}

Transferred TlsChannel::discard(std::span<uint8_t> into) {
  const ssize_t size = recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
  if (size > 0 || (size < 0 && isTemporary(errno))) return {};
  return {size == 0 ? StreamState::ended : StreamState::broken};
}

StreamState TlsChannel::streamState() const {
  switch (state_) {
    case State::handshake:
    case State::established: return StreamState::open;
    case State::ended: return StreamState::ended;
    case State::failed: return StreamState::refused;
    case State::broken: break;
  }
  return StreamState::broken;
}

Transferred TlsChannel::send(std::span<const iovec> pieces) {
  RALLY_ASSERT(thread_.out.empty());
  if (isUnwritable_ || (state_ != State::established && state_ != State::ended)) return {StreamState::broken};
  if (hasUnsent()) return {};
  size_t taken = 0;
  size_t at = 0;
  while (!pieces.empty() && !hasUnsent()) {
    const Bytes record = takeRecord(pieces, at, thread_.plain);
    if (record.empty()) continue;
    if (!writeRecord(record)) {
      thread_.out.clear();
      state_ = State::broken;
      return {StreamState::broken};
    }
    taken += record.size();
    if (thread_.out.size() >= outBytes && !flush()) return {StreamState::broken};
  }
  if (!flush()) return {StreamState::broken};
  return {StreamState::open, taken};
}

bool TlsChannel::writeRecord(Bytes content) {
  if (makesRecords_) return writer_->write(RecordType::application, content, thread_.out);
  if ((content.size() <= smallRecordBytes) != writesSmallRecords_) changeRecords();
  const size_t before = thread_.out.size();
  size_t written = 0;
  if (SSL_write_ex(ssl_, content.data(), content.size(), &written) != 1) return false;
  RALLY_ASSERT(written == content.size());
  if (writer_) takeOver(Bytes(thread_.out).subspan(before), content);
  return true;
}

void TlsChannel::takeOver(Bytes record, Bytes content) {
  makesRecords_ = writer_->goesOn(record, content);
  if (!makesRecords_) writer_ = nullptr;
}

void TlsChannel::writeAside(RecordType type, Bytes content) {
  std::vector<uint8_t>* out = roomFor(content.size() + RecordWriter::overheadBytes);
  isCutShort_ |= !out || !writer_->write(type, content, *out);
}

// The client has changed its key, and wants us to do so too. OpenSSL would with the next record that it makes.
void TlsChannel::answerKeyUpdate() {
  if (SSL_get_key_update_type(ssl_) == SSL_KEY_UPDATE_NONE) return;
  const bool isAnswered = SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl_) == 1;
  if (!isAnswered || isCutShort_) state_ = State::broken;
}

void TlsChannel::changeRecords() {
  writesSmallRecords_ = !writesSmallRecords_;
  const size_t most = writesSmallRecords_ ? smallRecordBytes : recordPayloadMax;
  SSL_set_max_send_fragment(ssl_, most);
  SSL_set_split_send_fragment(ssl_, most);
}

void TlsChannel::endWriting() {
  RALLY_ASSERT(thread_.out.empty());
  if (state_ != State::established && state_ != State::ended) return;
  forgetOpensslErrors();
  SSL_shutdown(ssl_);
  flush();
}

bool TlsChannel::flush() {
  const Bytes rest = unsent_.empty() ? Bytes(thread_.out) : Bytes(unsent_).subspan(unsentAt_);
  if (rest.empty()) return true;
  const ssize_t size = isUnwritable_ ? -1 : ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (isUnwritable_ || (size < 0 && !isTemporary(errno))) {
    isUnwritable_ = true;
    thread_.out.clear();
    unsent_.clear();
    unsentAt_ = 0;
    return false;
  }
  const size_t sent = size < 0 ? 0 : size_t(size);
  sentBytes_ += sent;
  if (unsent_.empty()) {
    unsent_.assign(rest.begin() + std::ptrdiff_t(sent), rest.end());
    unsentAt_ = 0;
    thread_.out.clear();
  } else {
    unsentAt_ += sent;
    if (unsentAt_ == unsent_.size()) {
      freeMemory(unsent_);
      unsentAt_ = 0;
    }
  }
  return true;
}

// --- the BIO --------------------------------------------------------------------------------------

ptrdiff_t TlsChannel::readRaw(std::span<uint8_t> into) {
  if (!before_.empty()) {
    const size_t count = std::min(into.size(), before_.size());
    std::copy_n(before_.begin(), count, into.begin());
    before_.erase(before_.begin(), before_.begin() + std::ptrdiff_t(count));
    return ptrdiff_t(count);
  }
  if (keyUpdates_ > keyUpdatesMax) {
    isCutShort_ = true;
    return -1;
  }
  const size_t room = std::min(into.size(), readLeft_);
  if (hasDrained_ || room == 0) return 0;
  const ssize_t size = recv(fd_, into.data(), room, MSG_DONTWAIT);
  if (size < 0) {
    hasDrained_ = isTemporary(errno);
    isCutShort_ = !hasDrained_;
    return isCutShort_ ? -1 : 0;
  }
  hasRawEnd_ = size == 0;
  hasDrained_ = size_t(size) < room;
  readLeft_ -= size_t(size);
  return size;
}

bool TlsChannel::writeRaw(Bytes bytes) {
  if (makesRecords_) return true;  // writeAside() has it
  std::vector<uint8_t>* out = roomFor(bytes.size());
  if (out) out->insert(out->end(), bytes.begin(), bytes.end());
  return out;
}

std::vector<uint8_t>* TlsChannel::roomFor(size_t bytes) {
  if (unsent_.empty()) return &thread_.out;
  return unsentBytes() + bytes <= unsentBytesMax ? &unsent_ : nullptr;
}

// --- facts about the client -----------------------------------------------------------------------

Protocols TlsChannel::protocols() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  if (size == 0) return offered_;
  const bool isMqtt = std::string_view(reinterpret_cast<const char*>(name), size) == "mqtt";
  return {.http = !isMqtt, .mqtt = isMqtt, .tls = offered_.tls};
}

std::string TlsChannel::facts() const {
  const char* host = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  std::string facts = SSL_get_version(ssl_);
  facts += "\n";
  if (host && ClientCertificate::isPlain(host)) facts += host;
  const CertificatePointer certificate(SSL_get1_peer_certificate(ssl_));
  facts += "\n";
  facts += certificate ? ClientCertificate::describe(*certificate) : "\n\n\n\n";
  facts += "\n";
  return facts + TlsCallbacks::preSharedIdentity(ssl_);
}

}  // namespace rally
