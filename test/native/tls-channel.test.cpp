// native/tls: handshakes and records that come in any pieces, sockets that take little, ends of every kind, tickets,
// certificates by name and of clients.
#include "check.h"
#include "tls-wire.h"

using namespace tlsTest;

namespace {

constexpr std::array versions = {TLS1_2_VERSION, TLS1_3_VERSION};

Octets someBytes(size_t size) {
  Octets bytes(size);
  for (size_t i = 0; i < size; i++) bytes[i] = uint8_t(i * 31 + i / 256);
  return bytes;
}

}  // namespace

TEST("tls: a handshake and what follows may come in pieces of any size") {
  for (const int version : versions) {
    for (const size_t pieceBytes : {size_t(1), size_t(2), size_t(5), size_t(6), size_t(100), SIZE_MAX}) {
      Worker worker;
      Client client(version);
      Wire wire(worker, client);
      CHECK(wire.shakeHands(pieceBytes) == StreamState::open);
      CHECK(wire.channel->isEstablished());
      client.write(bytesOf("hello"));
      client.write(bytesOf(", channel"));
      CHECK(wire.toChannel(pieceBytes) == StreamState::open);
      CHECK_EQ(textOf(wire.read), "hello, channel");
      CHECK_EQ(sendText(*wire.channel, "hello, client").bytes, 13);
      wire.toClient(pieceBytes);
      CHECK_EQ(textOf(client.read), "hello, client");
      CHECK_EQ(worker.counters.get(Counter::tlsHandshakes), 1);
      CHECK_EQ(worker.thread.handshakesLeft, 99);
    }
  }
}

TEST("tls: what was read before it was known to be TLS belongs to it") {
  for (size_t cut = 1; cut < 6; cut++) {
    Worker worker;
    Client client;
    client.step();
    const Octets hello = client.take();
    Wire wire(worker, client, {.mqtt = true, .tls = true}, octetsOf(Bytes(hello).first(cut)));
    Octets input(65'536);
    CHECK_EQ(wire.channel->receive(input).bytes, 0);
    CHECK(wire.toChannel(Bytes(hello).subspan(cut)) == StreamState::open);
    wire.toClient();
    CHECK(wire.shakeHands() == StreamState::open);
    CHECK(wire.channel->isEstablished());
  }
}

TEST("tls: all that a socket has is read, whatever the records are") {
  check::eachSeed(10, [](check::Random& random) {
    Worker worker;
    Client client(random.chance(50) ? TLS1_2_VERSION : TLS1_3_VERSION);
    Wire wire(worker, client);
    wire.shakeHands();
    const Octets all = someBytes(300'000);
    for (size_t at = 0; at < all.size();) {
      const size_t size = std::min<size_t>(all.size() - at, random.between(1, random.chance(20) ? 40'000 : 400));
      client.write(Bytes(all).subspan(at, size));
      at += size;
      if (random.chance(30)) wire.toChannel(random.between(1, 30'000));
    }
    wire.toChannel(random.between(1, 100'000));
    CHECK(isSame(wire.read, all));
  });
}

TEST("tls: a turn's bytes are one record, and a socket that takes little gets all in the end") {
  Worker worker;
  Client client;
  Wire wire(worker, client);
  wire.shakeHands();
  const Octets all = someBytes(3'000'000);
  const uint64_t before = wire.channel->sentBytes();
  std::array<iovec, 3> pieces{};
  for (size_t i = 0; i < pieces.size(); i++) pieces[i] = {const_cast<uint8_t*>(all.data()) + 1'000 * i, 1'000};
  CHECK_EQ(wire.channel->send(pieces).bytes, 3'000);
  CHECK_EQ(wire.channel->sentBytes() - before, 3'022);  // 5 of header, 16 of tag, 1 of type
  size_t taken = 3'000;
  size_t blocked = 0;
  while (taken < all.size() || wire.channel->hasUnsent()) {
    const iovec rest{const_cast<uint8_t*>(all.data()) + taken, all.size() - taken};
    const bool hadUnsent = wire.channel->hasUnsent();
    const Transferred sent = rest.iov_len > 0 ? wire.channel->send({&rest, 1}) : Transferred{};
    CHECK(sent.state == StreamState::open);
    CHECK(!hadUnsent || sent.bytes == 0);
    taken += sent.bytes;
    blocked += wire.channel->hasUnsent();
    if (wire.channel->hasUnsent()) wire.toClient();
    CHECK(wire.channel->flush());
  }
  wire.toClient();
  CHECK(blocked > 1);
  CHECK(isSame(client.read, all));
}

TEST("tls: handshakes beyond the turn's wait, and begin in the next") {
  Worker worker;
  worker.thread.handshakesLeft = 0;
  Client client;
  Wire wire(worker, client);
  client.step();
  wire.give(client.take());
  Octets input(65'536);
  CHECK(wire.channel->receive(input).state == StreamState::open);
  CHECK(wire.isReadable());  // it was left where it was
  worker.thread.handshakesLeft = 1;
  CHECK(wire.receive() == StreamState::open);
  CHECK_EQ(worker.thread.handshakesLeft, 0);
  wire.toClient();
  CHECK(wire.toChannel() == StreamState::open);  // the rest of a handshake that has begun goes on
  CHECK(wire.channel->isEstablished());
}

TEST("tls: close_notify behind data is heard of, and so is the end of a socket without it") {
  for (const int version : versions) {
    Worker worker;
    Client client(version);
    Wire wire(worker, client);
    wire.shakeHands();
    client.write(bytesOf("last"));
    SSL_shutdown(client.ssl());
    CHECK(wire.toChannel() == StreamState::ended);
    CHECK_EQ(textOf(wire.read), "last");
    CHECK_EQ(sendText(*wire.channel, "answer").bytes, 6);
    wire.channel->endWriting();
    wire.toClient();
    CHECK(client.hasEnd);

    Client other(version);
    Wire cut(worker, other);
    cut.shakeHands();
    other.write(bytesOf("last"));
    cut.toChannel();
    cut.endClient();
    CHECK(cut.receive() == StreamState::ended);
    CHECK_EQ(textOf(cut.read), "last");
    CHECK(cut.channel->failure().empty());
  }
}

TEST("tls: a client that leaves in the middle of the handshake has ended, and did nothing wrong") {
  for (const size_t cut : {size_t(1), size_t(5), size_t(50)}) {
    Worker worker;
    Client client;
    Wire wire(worker, client);
    client.step();
    const Octets hello = client.take();
    wire.toChannel(Bytes(hello).first(cut));
    wire.endClient();
    CHECK(wire.receive() == StreamState::ended);
    CHECK_EQ(worker.counters.get(Counter::tlsFailed), 0);
  }
}

TEST("tls: what a client has sent before it went away is read, though nothing more can be sent to it") {
  for (const int version : versions) {
    Worker worker;
    Client client(version);
    Wire wire(worker, client);
    wire.shakeHands();
    const Octets sent = someBytes(100'000);  // more than one call takes
    client.write(sent);
    wire.give(client.take());
    wire.closeClient();
    CHECK(sendText(*wire.channel, "who is there?").state == StreamState::broken);
    CHECK(sendText(*wire.channel, "nobody?").state == StreamState::broken);
    CHECK(wire.receive() != StreamState::open);
    CHECK(wire.read == sent);
    CHECK(worker.thread.out.empty());
  }
}

TEST("tls: what is wrong is answered with an alert, before and behind the handshake") {
  Worker worker;
  Client client;
  Wire wire(worker, client);
  client.step();
  Octets hello = client.take();
  hello[9] = 0x77;  // the version of the hello
  hello[10] = 0x77;
  hello[5] = 0x0b;  // and it is none
  CHECK(wire.toChannel(hello) == StreamState::refused);
  CHECK(!wire.channel->failure().empty());
  CHECK_EQ(worker.counters.get(Counter::tlsFailed), 1);
  wire.toClient();
  CHECK(client.failure.find("alert") != std::string::npos);
  CHECK(wire.toChannel(bytesOf("more of it")) == StreamState::open);  // is read, and dropped
  CHECK(wire.read.empty());

  Client second;
  Wire broken(worker, second);
  broken.shakeHands();
  second.write(bytesOf("good"));
  Octets record = second.take();
  second.write(bytesOf("bad"));
  const Octets bad = second.take();
  record.insert(record.end(), bad.begin(), bad.end());
  record.back() ^= 1;
  CHECK(broken.toChannel(record) == StreamState::refused);
  CHECK_EQ(textOf(broken.read), "good");  // what came whole before it counts
  broken.toClient();
  CHECK(second.failure.find("bad record mac") != std::string::npos);
}

TEST("tls: a client may not renegotiate, nor send early data") {
  Worker worker;
  Client client(TLS1_2_VERSION);
  Wire wire(worker, client);
  wire.shakeHands();
  SSL_renegotiate(client.ssl());
  SSL_do_handshake(client.ssl());
  wire.toChannel();
  wire.toClient();
  CHECK_EQ(worker.counters.get(Counter::tlsHandshakes), 1);
  CHECK_EQ(SSL_CTX_get_max_early_data(worker.context->standard()), 0);
}

namespace {

SSL_SESSION* sessionOf(Worker& worker, int version) {
  Client client(version);
  static SSL_SESSION* kept;
  kept = nullptr;
  SSL_CTX_sess_set_new_cb(client.context(), [](SSL*, SSL_SESSION* session) {
    if (kept) SSL_SESSION_free(kept);
    kept = session;
    return 1;
  });
  Wire wire(worker, client);
  wire.shakeHands();
  return kept;
}

bool resumes(Worker& worker, SSL_SESSION* session, int version) {
  Client client(version);
  SSL_set_session(client.ssl(), session);
  Wire wire(worker, client);
  CHECK(wire.shakeHands() == StreamState::open);
  CHECK(wire.channel->isEstablished());
  return SSL_session_reused(client.ssl()) == 1;
}

}  // namespace

namespace {

// The channel sends texts of any size, and the client reads them.
void exchange(Wire& wire, Client& client, check::Random& random) {
  for (int turns = 0; turns < 20; turns++) {
    const Octets bytes = someBytes(random.chance(20) ? random.between(1, 40'000) : random.between(1, 600));
    client.read.clear();
    for (size_t taken = 0; taken < bytes.size();) {
      const iovec rest{const_cast<uint8_t*>(bytes.data()) + taken, bytes.size() - taken};
      taken += wire.channel->send({&rest, 1}).bytes;
      wire.toClient();
      CHECK(wire.channel->flush());
    }
    wire.toClient();
    CHECK(isSame(client.read, bytes));
  }
}

// Of the channel, which the client has received.
void countKeyUpdates(int isWritten, int, int type, const void* bytes, size_t size, SSL*, void* count) {
  const bool isKeyUpdate = type == SSL3_RT_HANDSHAKE && size > 0 &&
                           *static_cast<const uint8_t*>(bytes) == SSL3_MT_KEY_UPDATE;
  if (isWritten == 0 && isKeyUpdate) ++*static_cast<int*>(count);
}

}  // namespace

TEST("tls: records of each cipher are as OpenSSL makes them") {
  check::eachSeed(3, [](check::Random& random) {
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS 1.2"}) {
      const bool isNew = std::string_view(suite) != "TLS 1.2";
      Worker worker;
      Client client(isNew ? TLS1_3_VERSION : TLS1_2_VERSION);
      if (isNew) CHECK_EQ(SSL_set_ciphersuites(client.ssl(), suite), 1);
      Wire wire(worker, client);
      wire.shakeHands();
      exchange(wire, client, random);
      CHECK_EQ(wire.channel->makesRecords(), isNew);
      wire.channel->endWriting();
      wire.toClient();
      CHECK(client.hasEnd && client.failure.empty());
    }
  });
}

TEST("tls: a connection that has resumed a session, and one without tickets, make records too") {
  Worker worker;
  SSL_SESSION* session = sessionOf(worker, TLS1_3_VERSION);
  TlsSettings asking;
  asking.clients = ClientCertificates::asked;
  asking.clientCas = authority().certificate();
  Worker asks(1, asking);
  for (Worker* each : {&worker, &asks}) {
    Client client;
    if (each == &worker) SSL_set_session(client.ssl(), session);
    Wire wire(*each, client);
    wire.shakeHands();
    CHECK_EQ(SSL_session_reused(client.ssl()), each == &worker ? 1 : 0);
    for (const char* text : {"one", "two", "three"}) sendText(*wire.channel, text);
    wire.toClient();
    CHECK(wire.channel->makesRecords());
    CHECK_EQ(textOf(client.read), "onetwothree");
  }
  SSL_SESSION_free(session);
}

TEST("tls: a client that agrees on small fragments gets no larger ones (RFC 6066, section 4)") {
  for (const int version : versions) {
    Worker worker;
    Client client(version);
    CHECK_EQ(SSL_set_tlsext_max_fragment_length(client.ssl(), TLSEXT_max_fragment_length_512), 1);
    Wire wire(worker, client);
    wire.shakeHands();
    sendText(*wire.channel, "one");
    const Octets all = someBytes(20'000);
    const iovec piece{const_cast<uint8_t*>(all.data()), all.size()};
    CHECK_EQ(wire.channel->send({&piece, 1}).bytes, all.size());
    wire.toClient();
    CHECK(client.failure.empty());
    CHECK_EQ(client.read.size(), 3 + all.size());
  }
}

TEST("tls: keys change when the client wants it, and when they are used up") {
  check::eachSeed(5, [](check::Random& random) {
    Worker worker;
    const bool usesUp = random.chance(50);
    if (usesUp) worker.thread.recordsPerKeyMax = random.between(1, 10);
    Client client;
    Wire wire(worker, client);
    wire.shakeHands();
    int wishes = 0;
    int changes = 0;
    SSL_set_msg_callback(client.ssl(), countKeyUpdates);
    SSL_set_msg_callback_arg(client.ssl(), &changes);
    for (int turns = 0; turns < 5; turns++) {
      exchange(wire, client, random);
      CHECK(wire.channel->makesRecords());
      const bool wishesChange = random.chance(70);
      wishes += wishesChange;
      CHECK_EQ(SSL_key_update(client.ssl(), wishesChange ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      client.write(bytesOf("news"));
      wire.read.clear();
      CHECK(wire.toChannel() == StreamState::open);
      CHECK_EQ(textOf(wire.read), "news");
    }
    exchange(wire, client, random);
    CHECK(client.failure.empty());
    CHECK(usesUp ? changes > wishes : changes == wishes);
  });
}

TEST("tls: a client that wants a new key for each record and reads nothing is disconnected") {
  Worker worker;
  Client client;
  Wire wire(worker, client);
  wire.shakeHands();
  sendText(*wire.channel, "one");
  const Octets all = someBytes(3'000'000);
  while (!wire.channel->hasUnsent()) {
    const iovec piece{const_cast<uint8_t*>(all.data()), all.size()};
    CHECK(wire.channel->send({&piece, 1}).state == StreamState::open);
  }
  StreamState state = StreamState::open;
  for (int wishes = 0; wishes < 10'000 && state == StreamState::open; wishes++) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    client.write(bytesOf("x"));
    state = wire.toChannel();
  }
  CHECK(state == StreamState::broken);
}

TEST("tls: a client that changes its key without end is disconnected, before it has cost much") {
  for (const bool isFirst : {true, false}) {  // before the channel makes its records, and after
    for (const size_t changes : {size_t(32), size_t(1'000)}) {
      Worker worker;
      Client client;
      Wire wire(worker, client);
      wire.shakeHands();
      if (!isFirst) sendText(*wire.channel, "one");
      for (size_t i = 0; i < changes; i++) {
        SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(client.ssl());
      }
      client.write(bytesOf("news"));
      const StreamState state = wire.toChannel();
      CHECK(state == (changes > 32 ? StreamState::broken : StreamState::open));
      CHECK_EQ(textOf(wire.read), changes > 32 ? "" : "news");
    }
  }
}

TEST("tls: an alert is told by the records that the channel makes") {
  Worker worker;
  Client client;
  Wire wire(worker, client);
  wire.shakeHands();
  for (const char* text : {"one", "two"}) sendText(*wire.channel, text);
  CHECK(wire.channel->makesRecords());
  client.write(bytesOf("bad"));
  Octets bad = client.take();
  bad.back() ^= 1;
  CHECK(wire.toChannel(bad) == StreamState::refused);
  wire.toClient();
  CHECK_EQ(textOf(client.read), "onetwo");
  CHECK(client.failure.find("bad record mac") != std::string::npos);
}

TEST("tls: a ticket is good on every worker with its key, and as long as the key is kept") {
  for (const int version : versions) {
    Worker first(1);
    Worker second(1);
    Worker third(9);
    SSL_SESSION* session = sessionOf(first, version);
    CHECK(session != nullptr);
    CHECK(resumes(second, session, version));
    CHECK_EQ(second.counters.get(Counter::tlsResumed), 1);
    CHECK(!resumes(third, session, version));
    second.setTicketKeys({2, 1});
    SSL_SESSION* again = sessionOf(first, version);
    CHECK(resumes(second, again, version));
    second.setTicketKeys({3, 2});
    SSL_SESSION* old = sessionOf(first, version);
    CHECK(!resumes(second, old, version));
    for (SSL_SESSION* each : {session, again, old}) SSL_SESSION_free(each);
  }
}

namespace {

// The first common name of the certificate that a client is shown that asks for `host`.
std::string shownFor(Worker& worker, const char* host) {
  Client client;
  if (host) SSL_set_tlsext_host_name(client.ssl(), host);
  Wire wire(worker, client);
  wire.shakeHands();
  const CertificatePointer shown(SSL_get1_peer_certificate(client.ssl()));
  if (!CHECK(shown != nullptr)) return "";
  std::array<char, 100> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name.data(), int(name.size()));
  return name.data();
}

}  // namespace

TEST("tls: the certificate is that of the host which the client names, else the first") {
  const CertifiedKey one = authority().issue("one", {"one.example"});
  const CertifiedKey all = authority().issue("all", {"*.all.example"});
  TlsSettings settings;
  settings.certificates = {{one.certificate, one.key, {"one.example"}}, {all.certificate, all.key, {"*.all.example"}}};
  Worker worker(1, settings);
  CHECK_EQ(shownFor(worker, "one.example"), "one");
  CHECK_EQ(shownFor(worker, "ONE.Example"), "one");
  CHECK_EQ(shownFor(worker, "one.example."), "one");
  CHECK_EQ(shownFor(worker, "a.all.example"), "all");
  CHECK_EQ(shownFor(worker, "b.a.all.example"), "localhost");
  CHECK_EQ(shownFor(worker, "all.example"), "localhost");
  CHECK_EQ(shownFor(worker, nullptr), "localhost");
}

TEST("tls: a client agrees on a protocol of the port, or is told that there is none") {
  const auto offers = [](Protocols spoken, std::string_view names, Protocols& agreed) {
    Worker worker;
    Client client;
    SSL_set_alpn_protos(client.ssl(), reinterpret_cast<const unsigned char*>(names.data()), unsigned(names.size()));
    Wire wire(worker, client, spoken);
    wire.shakeHands();
    agreed = wire.channel->protocols();
    return client.failure;
  };
  const Protocols both{.http = true, .mqtt = true, .tls = true};
  const Protocols mqttAlone{.mqtt = true, .tls = true};
  Protocols agreed;
  CHECK_EQ(offers(both, "\x04mqtt", agreed), "");
  CHECK(agreed.mqtt && !agreed.http);
  CHECK_EQ(offers(both, "\x02h2\x08http/1.1", agreed), "");
  CHECK(agreed.http && !agreed.mqtt);
  CHECK(offers(both, "\x02h2", agreed).find("no application protocol") != std::string::npos);
  CHECK(offers(mqttAlone, "\x08http/1.1", agreed).find("no application protocol") != std::string::npos);
}

namespace {

std::string failureWith(const TlsSettings& settings, const CertifiedKey* own, std::string* facts = nullptr) {
  Worker worker(1, settings);
  Client client;
  if (own) {
    const BioPointer text(BIO_new_mem_buf(own->certificate.data(), int(own->certificate.size())));
    const BioPointer keyText(BIO_new_mem_buf(own->key.data(), int(own->key.size())));
    const CertificatePointer certificate(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    const KeyPointer key(PEM_read_bio_PrivateKey(keyText.get(), nullptr, nullptr, nullptr));
    SSL_use_certificate(client.ssl(), certificate.get());
    SSL_use_PrivateKey(client.ssl(), key.get());
  }
  Wire wire(worker, client);
  wire.shakeHands();
  if (facts && wire.channel->isEstablished()) *facts = wire.channel->facts();
  return wire.channel->failure();
}

}  // namespace

TEST("tls: a client's certificate is asked for, checked, and its names are told exactly") {
  const CertifiedKey device = authority().issue("device 7 \xc3\xa4", {"device.example", "seven.example"}, true);
  const CertifiedKey control = authority().issue("a\nb", {}, true);
  const CertifiedKey server = authority().issue("server", {"server.example"});
  static const Authority others;
  const CertifiedKey stranger = others.issue("stranger", {}, true);
  TlsSettings asked;
  asked.clients = ClientCertificates::asked;
  asked.clientCas = authority().certificate();
  TlsSettings required = asked;
  required.clients = ClientCertificates::required;
  std::string facts;
  CHECK_EQ(failureWith(asked, nullptr, &facts), "");
  CHECK_EQ(facts, "TLSv1.3\n\n\n\n\n\n\n");
  CHECK_EQ(failureWith(required, &device, &facts), "");
  CHECK(facts.starts_with("TLSv1.3\n\ndevice 7 \xc3\xa4\ndevice.example\tseven.example\n\n\n"));
  CHECK_EQ(facts.size() - facts.rfind('\n', facts.size() - 2) - 2, 64);
  CHECK_EQ(failureWith(required, &control, &facts), "");
  CHECK(facts.starts_with("TLSv1.3\n\n\n\n\n\n"));  // it has no name that anybody could have
  CHECK(failureWith(required, nullptr).find("did not return a certificate") != std::string::npos);
  CHECK(failureWith(asked, &stranger).find("certificate verify failed: unable to get") != std::string::npos);
  CHECK(failureWith(required, &server).find("purpose") != std::string::npos);
}

TEST("tls: a context with a key that does not fit is none, and says why") {
  const CertifiedKey other = authority().issue("other", {});
  TicketKeys keys;
  std::string error;
  const auto make = [&](const std::string& chain, const std::string& key) {
    TlsSettings settings;
    settings.certificates = {{chain, key, {}}};
    return TlsContext::make(settings, keys, error) != nullptr;
  };
  CHECK(make(other.certificate, other.key));
  CHECK(!make(other.certificate, serverKey().key));
  CHECK(!error.empty());
  CHECK(!make("", other.key));
  CHECK(!make(other.certificate, "nothing"));
}

namespace {

const Octets deviceKey(16, 0xab);

TlsSettings withKeys() {
  TlsSettings settings;
  settings.preSharedKeys = {{"device 7", deviceKey}, {"device 8", Octets(16, 0xcd)}};
  return settings;
}

int sessionOf(SSL* ssl, const EVP_MD*, const unsigned char** identity, size_t* size, SSL_SESSION** session) {
  const auto& known = *static_cast<const Knowledge*>(SSL_get_app_data(ssl));
  const std::array<uint8_t, 2> suite{0x13, known.suite};
  SSL_SESSION* made = SSL_SESSION_new();
  RALLY_ASSERT(SSL_SESSION_set1_master_key(made, known.key.data(), known.key.size()) == 1 &&
               SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl, suite.data())) == 1 &&
               SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1);
  *identity = reinterpret_cast<const unsigned char*>(known.identity.data());
  *size = known.identity.size();
  *session = made;
  return 1;
}

struct Outcome {
  std::string failure;
  std::string identity;  // that the channel tells
  size_t tickets;
};

Outcome comeWith(int version, Knowledge known, const char* suites = nullptr) {
  Worker worker(1, withKeys());
  Client client(version);
  SSL_set_app_data(client.ssl(), &known);
  if (suites) SSL_set_ciphersuites(client.ssl(), suites);
  if (version == TLS1_3_VERSION) SSL_set_psk_use_session_callback(client.ssl(), sessionOf);
  else SSL_set_psk_client_callback(client.ssl(), keyOf);
  Wire wire(worker, client);
  wire.shakeHands();
  std::string facts = wire.channel->isEstablished() ? wire.channel->facts() : "\n";
  facts = facts.substr(facts.rfind('\n') + 1);
  return {wire.channel->failure(), facts, SSL_SESSION_has_ticket(SSL_get_session(client.ssl())) ? size_t(1) : 0};
}

}  // namespace

TEST("tls: who proves to know a pre-shared key is whose it is, and gets no ticket, which would outlive the key") {
  for (const int version : versions) {
    const Outcome outcome = comeWith(version, {"device 7", deviceKey});
    CHECK_EQ(outcome.failure, "");
    CHECK_EQ(outcome.identity, "device 7");
    CHECK_EQ(outcome.tickets, 0);
  }
}

TEST("tls: who does not know the key is nobody, however it is offered") {
  for (const int version : versions) {
    const Outcome outcome = comeWith(version, {"device 8", deviceKey});
    CHECK(!outcome.failure.empty());
    CHECK_EQ(outcome.identity, "");
  }
  CHECK(!comeWith(TLS1_2_VERSION, {"device 9", deviceKey}).failure.empty());
  CHECK_EQ(comeWith(TLS1_3_VERSION, {"device 9", deviceKey}).identity, "");
  CHECK_EQ(comeWith(TLS1_3_VERSION, {std::string("device 7\0", 9), deviceKey}).identity, "");
  // The broker cannot use the key with that hash, and goes on with its certificate: nothing is proven.
  const Outcome unproven = comeWith(TLS1_3_VERSION, {"device 8", deviceKey, 2}, "TLS_AES_256_GCM_SHA384");
  CHECK_EQ(unproven.failure, "");
  CHECK_EQ(unproven.identity, "");
}

TEST("tls: suites with a key of 128 bits go first, whatever a client would like") {
  Worker worker;
  Client client;
  SSL_set_ciphersuites(client.ssl(), "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
  Wire wire(worker, client);
  wire.shakeHands();
  CHECK_EQ(std::string(SSL_get_cipher_name(client.ssl())), "TLS_AES_128_GCM_SHA256");
}
