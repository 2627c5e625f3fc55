// A network with 100,000 clients is lost at once, and all have wills: each will goes out once, at the pace of
// willsPerSecond, whoever watches them loses none, and nothing is left of the clients. Compiled without sanitizers,
// under which it would take long. With sockets, as many as one process may have: npm run soak -- --lost
// (test/soak/lost.ts).
#include <ctime>
#include <deque>
#include <set>

#include "fake-transport.h"
#include "sent-publish.h"

#include "../../native/broker.h"

using namespace rally;

namespace {

constexpr int count = 100'000;
constexpr uint8_t version = 5;

// Engines that take their turns in one thread, a millisecond each.
class Site {
 public:
  explicit Site(unsigned workers) : workers_(workers), broker_(workers, {}, HashKeys{.topics = 42, .tables = 43}) {
    for (unsigned i = 0; i < workers; i++) {
      engine(i).attach();
      engine(i).beginTurn(nowMs);
      transports_.push_back(std::make_unique<FakeTransport>(engine(i).frontEnd(), FakeTransport::Kind::tcp));
    }
    watcher_ = &open(0, nullptr);
    engine(0).subscriptions().add(*engine(0).findSession(lastKey_), bytesOf("will/#"), {.qos = 2});
    for (int i = 0; i < 10; i++) turn();
  }

  // A client with a clean session, that no control plane knows of.
  Link& open(unsigned worker, const std::string& topic, uint8_t qos) {
    Publication publication;
    publication.topic = bytesOf(topic);
    publication.payload = bytesOf("lost");
    publication.originSession = lastKey_ + 1;
    publication.workers = uint8_t(workers_);
    publication.qos = qos;
    auto will = std::make_unique<Will>();
    will->message = publication.keep();
    return open(worker, std::move(will));
  }

  void lose(Link& link) { transports_[link.worker]->sever(*link.connection); }

  void turn() {
    nowMs++;
    for (unsigned worker = 0; worker < workers_; worker++) {
      Engine& each = engine(worker);
      each.beginTurn(nowMs);
      each.drainLanes();
      for (Fifo<Event>& events = each.frontEnd().events(); !events.isEmpty(); events.pop()) {
        const Event& event = events.front();
        if (event.kind == EventKind::gone) each.frontEnd().release(each.frontEnd().connection(event.slot));
      }
      each.endTurn();
    }
    readAll();
  }

  uint64_t total(Counter counter) const { return broker_.total(counter); }

  uint64_t nowMs = 1'000'000;
  std::vector<std::string> topics;  // of the wills that the watcher got, QoS 2 once

 private:
  Engine& engine(unsigned worker) { return broker_.engine(worker); }

  Link& open(unsigned worker, std::unique_ptr<Will> will) {
    Connection& connection = engine(worker).frontEnd().open(*transports_[worker]);
    Link& link = links_.emplace_back();
    link.worker = worker;
    link.connection = &connection;
    connection.socket = &link;
    ConnectionTerms terms;
    terms.version = version;
    terms.receiveMaximum = 65'535;
    terms.will = std::move(will);
    Session& session = engine(worker).createSession(++lastKey_);
    CHECK(engine(worker).frontEnd().accept(connection, session, std::move(terms), {}));
    return link;
  }

  // The watcher takes in what has come, and answers.
  void readAll() {
    const std::string bytes = std::exchange(watcher_->toClient, {}).insert(0, rest_);
    Octets answers;
    size_t at = 0;
    while (at + 2 <= bytes.size() && at + 2 + size_t(uint8_t(bytes[at + 1])) <= bytes.size()) {
      const size_t length = uint8_t(bytes[at + 1]);  // none has 128 bytes
      onPacket(uint8_t(bytes[at]), bytesOf(bytes).subspan(at + 2, length), answers);
      at += 2 + length;
    }
    rest_ = bytes.substr(at);
    if (!answers.empty()) engine(0).frontEnd().receive(*watcher_->connection, Exact(answers));
  }

  void onPacket(uint8_t first, Bytes body, Octets& answers) {
    const auto answer = [&](int type, uint16_t packetId) {
      appendOctets(answers, frameOf(type, {uint8_t(packetId >> 8), uint8_t(packetId & 0xff)}));
    };
    if (first >> 4 == 6) answer(0x70, uint16_t(body[0] << 8 | body[1]));
    if (first >> 4 != 3) return;
    const std::optional<SentPublish> publish = decodePublish(first, body, version);
    if (!CHECK(publish.has_value() && !publish->duplicate)) return;
    topics.push_back(publish->topic);
    if (publish->qos > 0) answer(publish->qos == 1 ? 0x40 : 0x50, publish->packetId);
  }

  const unsigned workers_;
  Broker broker_;
  std::vector<std::unique_ptr<FakeTransport>> transports_;
  std::deque<Link> links_;
  Link* watcher_ = nullptr;
  std::string rest_;
  uint64_t lastKey_ = 0;
};

}  // namespace

TEST("mass wills: 100,000 clients are lost at once, and who watches gets every will once") {
  for (const unsigned workers : {1u, 4u}) {
    Site site(workers);
    std::vector<Link*> links;
    for (int i = 0; i < count; i++)
      links.push_back(&site.open(unsigned(i) % workers, "will/" + std::to_string(i), uint8_t(i % 3)));
    site.turn();
    CHECK_EQ(site.total(Counter::connections), count + 1);

    const uint64_t lostMs = site.nowMs;
    const std::clock_t start = std::clock();
    for (Link* link : links) site.lose(*link);
    while (site.topics.size() < size_t(count) && site.nowMs < lostMs + 20'000) site.turn();
    std::printf("# %d wills at once, %u workers: out after %llu ms; %.1f us of the processor for each client\n", count,
                workers, static_cast<unsigned long long>(site.nowMs - lostMs),
                double(std::clock() - start) * 1e6 / CLOCKS_PER_SEC / count);
    for (int i = 0; i < 100; i++) site.turn();
    CHECK_EQ(site.topics.size(), count);
    CHECK_EQ(std::set<std::string>(site.topics.begin(), site.topics.end()).size(), count);
    CHECK(site.nowMs - lostMs > 5'000);  // 16,000 in a second, once 1,000 have gone
    CHECK_EQ(site.total(Counter::droppedQos0), 0);
    CHECK_EQ(site.total(Counter::droppedQueueFull), 0);
    CHECK_EQ(site.total(Counter::sessions), 1);
    CHECK_EQ(site.total(Counter::connections), 1);
  }
}
