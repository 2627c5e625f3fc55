// native/cluster/record-codec.h: every record of the lanes as bytes and back.
#include "check.h"
#include "random-record.h"

#include "../../native/cluster/frame.h"
#include "../../native/cluster/record-codec.h"
#include "../../native/log/crc32c.h"

using namespace rally;
using cluster::Arrival;

namespace {

constexpr uint64_t sentMs = 700'000;  // on one clock ...
constexpr uint64_t comesMs = 2'000;   // ... and on the other
constexpr uint8_t requestKinds = 29;
constexpr uint8_t deliveryKinds = 18;

template <class R>
Octets encoded(const R& record, uint64_t nowMs = sentMs) {
  Octets bytes;
  cluster::encode(record, nowMs, bytes);
  return bytes;
}

template <class R>
R decoded(const Octets& bytes, const Arrival& arrival = {comesMs, 0, 2}) {
  R record;
  const Exact exact(bytes);
  if (!CHECK(cluster::decode(exact, arrival, record))) R::visitKind(1, [&](const auto& each) { record = each; });
  return record;
}

template <class R>
size_t kindsOf() {
  size_t count = 0;
  while (R::visitKind(uint8_t(count + 1), [](const auto&) {})) count++;
  return count;
}

template <class R>
void checkRoundTrips(check::Random& random) {
  for (uint8_t kind = 1; kind <= kindsOf<R>(); kind++) {
    const Octets bytes = encoded(RandomRecord(random, sentMs).of<R>(kind));
    const R record = decoded<R>(bytes);
    CHECK_EQ(record.kind(), kind);
    CHECK(encoded(record, comesMs) == bytes);
  }
}

// Whatever is cut off, added or changed: it is refused, or is another record. Nothing is read beyond it.
template <class R>
void checkDamage(check::Random& random) {
  for (uint8_t kind = 0; kind <= kindsOf<R>() + 1; kind++) {
    Octets bytes = encoded(RandomRecord(random, sentMs).of<R>(uint8_t(std::clamp<size_t>(kind, 1, kindsOf<R>()))));
    R record;
    if (kind == 0 || kind > kindsOf<R>()) {
      bytes[0] = kind;
      CHECK(!cluster::decode(Exact(bytes), {comesMs, 0, 2}, record));
      continue;
    }
    const size_t step = std::max<size_t>(1, bytes.size() / 50);
    for (size_t size = 0; size < bytes.size(); size += step)
      CHECK(!cluster::decode(Exact(Bytes(bytes).first(size)), {comesMs, 0, 2}, record));
    Octets longer = bytes;
    longer.push_back(0);
    CHECK(!cluster::decode(Exact(longer), {comesMs, 0, 2}, record));
    for (int i = 0; i < 50; i++) {
      Octets changed = bytes;
      for (size_t left = random.between(1, 4); left > 0; left--) changed[random.below(changed.size())] = random.byte();
      if (cluster::decode(Exact(changed), {comesMs, 0, 2}, record)) discard(record);
    }
  }
}

template <class R>
std::string formatOf() {
  std::string all;
  for (uint8_t kind = 1; kind <= kindsOf<R>(); kind++) {
    check::Random random(kind);
    const Octets bytes = encoded(RandomRecord(random, sentMs).of<R>(kind));
    all += std::to_string(bytes.size()) + ":" + std::to_string(log::crc32c(bytes)) + " ";
  }
  return all;
}

Octets messageFrom(uint64_t expiresAtMs) {
  Publication publication;
  publication.topic = bytesOf("a/b");
  publication.payload = bytesOf("x");
  publication.expiresAtMs = expiresAtMs;
  publication.workers = 1;
  return encoded<ShardRecord>(delivery::Deliver{.carried = Carried(MessageRef(publication.keep())), .topicHash = 1});
}

uint64_t expiryOf(const Octets& bytes, uint64_t ageMs) {
  uint64_t expiresAtMs = 0;
  decoded<ShardRecord>(bytes, {comesMs, ageMs, 2}).visit([&](const auto& each) {
    if constexpr (std::is_same_v<decltype(each), const delivery::Deliver&>)
      expiresAtMs = each.carried.take()->expiresAtMs;
    else discard(ShardRecord(each));
  });
  return expiresAtMs;
}

}  // namespace

TEST("record codec: every field of every record comes as it was, whatever the two clocks say") {
  CHECK_EQ(kindsOf<Request>(), requestKinds);
  CHECK_EQ(kindsOf<ShardRecord>(), deliveryKinds);
  check::eachSeed(200, [](check::Random& random) {
    checkRoundTrips<Request>(random);
    checkRoundTrips<ShardRecord>(random);
  });
}

// Nodes of neighbouring versions speak the lower one (frame.h), so a record that is changed needs another kind, at the
// end of the list. When this fails, raise linkVersion, and then these. Version 4, which no
// release speaks yet, has added the last four requests and the token of Reshare.
// Of each kind: bytes and their CRC.
TEST("record codec: the format is that of its version") {
  CHECK_EQ(cluster::linkVersion, 4);
  CHECK_EQ(formatOf<Request>(),
           "59:164808987 9:2653114822 43:2786953861 9:362095705 16:3374323288 26:3010066484 17:1236468117 "
           "9:1120804003 14:3200777308 23:1702776654 89:1959201972 6:2282573596 13:2104511352 "
           "17:3980977871 85:3534813216 17:2855757043 6559:1482569342 9:3904123402 17:717163326 "
           "9:2847137796 123:1257788527 36:2082248198 6:1577841035 17:1446892603 5:3307872040 "
           "17:588277433 146:3489836373 5:79897454 5:866448584 ");
  CHECK_EQ(formatOf<ShardRecord>(),
           "89:1595151289 22:2771108942 100:920002793 13:3844097473 9:483415072 84:3354178739 9:3526205491 "
           "9:1120804003 25:3777171538 17:4202678520 17:135356596 9:1979532866 130:408656273 "
           "138:2471167623 9:1694448394 9:2944908469 138:3811310569 5:3521093085 ");
}

TEST("record codec: a damaged record is refused or is another one, and nothing is read beyond it") {
  check::eachSeed(30, [](check::Random& random) {
    checkDamage<Request>(random);
    checkDamage<ShardRecord>(random);
  });
}

TEST("record codec: what is left of an expiry interval counts on the other clock, without what passed on the way") {
  CHECK_EQ(expiryOf(messageFrom(0), 0), 0);
  CHECK_EQ(expiryOf(messageFrom(sentMs + 5'000), 0), comesMs + 5'000);
  CHECK_EQ(expiryOf(messageFrom(sentMs + 5'000), 1'500), comesMs + 3'500);
  CHECK_EQ(expiryOf(messageFrom(sentMs + 5'000), 6'000), comesMs);  // it has passed
  CHECK_EQ(expiryOf(messageFrom(sentMs - 1), 0), comesMs);
}

TEST("record codec: a session is the same on the other node") {
  check::Random random(1);
  RandomRecord some(random, sentMs);
  HeldMessages held(0);
  auto parcel = std::make_unique<SessionParcel>();
  parcel->key = 7;
  parcel->move = 9;
  const MessageRef first = some.message();
  parcel->window.restore(65'535, {.message = first, .subscriptionIds = {}, .qos = 1, .retain = true, .share = 3},
                         Window::State::sent, held);
  parcel->window.restore(2, {.message = {}, .subscriptionIds = {}, .qos = 2}, Window::State::released, held);
  parcel->window.depart(held);
  std::vector<Delivery> waiting(2);
  waiting[0] = {.message = some.message(), .subscriptionIds = SubscriptionIds(5), .qos = 2};
  waiting[0].subscriptionIds.add(6);
  waiting[1] = {.message = some.message(), .subscriptionIds = {}, .qos = 1, .isFromStore = true};
  const Octets payload = octetsOf(waiting[1].message->payload());
  parcel->queue = DeliveryQueue::travellingWith(std::move(waiting));
  for (unsigned id = 1; id <= 5'000; id++) parcel->received.add(uint16_t(id));
  parcel->retainedShards = 5;
  parcel->expirySeconds = 60;
  parcel->leftAtMs = sentMs - 4'000;
  parcel->will = std::make_unique<Will>(Will{some.message(), 10, true, 20});
  auto access = std::make_shared<Access>();
  access->topicPrefix = "tenant/";
  parcel->rights = std::make_unique<Rights>(access);
  parcel->durable = std::make_unique<DurableSession>();
  parcel->durable->setClient(bytesOf("client"), encodeAccess(*access));

  std::unique_ptr<SessionParcel> arrived;
  decoded<Request>(encoded<Request>(request::Parcel{.carried = Carried(std::move(parcel))}), {comesMs, 1'000, 2})
      .visit([&](const auto& each) {
        if constexpr (std::is_same_v<decltype(each), const request::Parcel&>) arrived = each.carried.take();
      });
  if (!CHECK(arrived != nullptr)) return;
  CHECK(arrived->key == 7 && arrived->move == 9);
  CHECK(arrived->durable && isSame(arrived->durable->clientId(), bytesOf("client")));
  CHECK(arrived->durable && isSame(arrived->durable->access(), encodeAccess(*access)));
  HeldMessages there(1);
  arrived->window.arrive(there);
  arrived->queue.arrive(there);
  const Window::Entry* sent = arrived->window.find(65'535, Window::State::sent);
  if (CHECK(sent != nullptr)) {
    CHECK(isSame(sent->delivery.message->payload(), first->payload()));
    CHECK(sent->delivery.qos == 1 && sent->delivery.retain && sent->delivery.share == 3);
  }
  CHECK(arrived->window.find(2, Window::State::released) != nullptr);
  CHECK(arrived->queue.size() == 2 && arrived->queue.retained() == 1);
  CHECK(arrived->queue.take(there).subscriptionIds == [] {
    SubscriptionIds both(5);
    both.add(6);
    return both;
  }());
  CHECK(isSame(arrived->queue.take(there).message->payload(), payload));
  arrived->window.clear(there);
  CHECK_EQ(arrived->received.size(), 5'000);
  CHECK(arrived->retainedShards == 5 && arrived->expirySeconds == 60);
  CHECK_EQ(arrived->leftAtMs, comesMs - 5'000);  // modulo 2^64: what counts is how long ago
  CHECK(arrived->will->delaySeconds == 10 && arrived->will->expires && arrived->will->expirySeconds == 20);
  CHECK(*arrived->rights->access == *access);
}
